"""
Luck of trials: what the best of many trials shows without skill, alike as the trials are.

Part of a sweep's verdict (result files -> *luck* -> judgement). The formula for the expected
maximum wants independent trials, and a sweep's are not: two hundred copies of a set are one trial.
Here no trials are grouped first. Every day gets a random weight, the same for all trials, and the
best of the weighted sums is written down: trials that move together are lucky together, a copy is
lucky exactly as its original. One trial more can only raise the best of each draw, so that trying
more never helps, whatever is tried.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.research.backtest.statistics import LEAST_DEVIATION
from tf_lib.research.inference.overfitting import expected_maximum_sharpe

_MOST_TRIALS = 1e15


class TrialLuck:
    """
    The best of skill-less trials, while their returns pass by.

    Every set counts for itself, so that neither order nor portions change a bit.

    Parameters
    ----------
    n_days : int
    n_draws : int
        Each is taken with both signs, so that one trial alone expects exactly 0.
    seed : int

    References
    ----------
    .. [1] V. Chernozhukov, D. Chetverikov and K. Kato, "Gaussian Approximations and Multiplier
       Bootstrap for Maxima of Sums of High-Dimensional Random Vectors", Annals of Statistics
       41 (6), 2013.

    Examples
    --------
    >>> days = np.random.default_rng(3).normal(0.0, 0.01, (20, 500))
    >>> luck = TrialLuck(500)
    >>> luck.see(days)
    >>> once = luck.expected_maximum(n_trials=20)
    >>> luck.see(days[:10])
    >>> luck.expected_maximum(n_trials=30) == once
    True
    """

    def __init__(self, n_days: int, *, n_draws: int = 500, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self._weights = random.standard_normal((n_draws, n_days))
        self._levels = random.random((2, n_draws))
        self._highest = np.full(n_draws, -np.inf)
        self._lowest = np.full(n_draws, np.inf)
        self.n_seen = 0

    def see(self, returns: FloatArray) -> None:
        """Look at some trials' returns, (n_sets, n_days); one that never moved has no luck."""
        for row in returns:
            self.n_seen += 1
            deviation = float(row.std(ddof=1))
            if deviation > LEAST_DEVIATION:
                scaled = (row - row.mean()) / (deviation * math.sqrt(row.size - 1))
                # Row by row: `@` splits the sums by processors, and the last bits depend on it.
                drawn = np.vecdot(self._weights, scaled)
                np.maximum(self._highest, drawn, out=self._highest)
                np.minimum(self._lowest, drawn, out=self._lowest)

    def expected_maximum(self, *, n_trials: int) -> float:
        """
        Return the expected best of `n_trials` without skill, in standard errors.

        Trials that were not seen (of other days, or failed) count as independent ones.
        """
        highest, lowest = self._highest, -self._lowest
        n_unseen = n_trials - self.n_seen
        if n_unseen > 0:
            independent = ndtri(self._levels ** (1.0 / n_unseen))
            highest, lowest = (
                np.maximum(highest, independent[0]),
                np.maximum(lowest, independent[1]),
            )
        expected = float((highest + lowest).mean()) / 2.0
        return max(expected, 0.0) if math.isfinite(expected) else 0.0


def independent_trials(expected_maximum: float) -> float:
    """
    Return how many independent trials expect such a best: the effective number of trials.

    Parameters
    ----------
    expected_maximum : float
        In standard errors, at least 0.

    Examples
    --------
    >>> independent_trials(0.0)
    1.0
    >>> round(independent_trials(expected_maximum_sharpe(48, 1.0)), 6)
    48.0
    """

    def beyond(log_trials: float) -> float:
        return expected_maximum_sharpe(math.exp(log_trials), 1.0) - expected_maximum

    if expected_maximum <= 0.0:
        return 1.0
    if beyond(math.log(_MOST_TRIALS)) <= 0.0:
        return _MOST_TRIALS
    return math.exp(brentq(beyond, 0.0, math.log(_MOST_TRIALS), xtol=1e-12))

"""
Reality check: how often the best of these very sets would do as well without any skill.

Part of a sweep's verdict (parts -> *reality check* -> judgement). Sets of a sweep are alike, so
that counting them says too little and too much at once; here days are drawn in blocks from all
sets together, each set's own mean taken away, and the best of what is left is written down.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.research.backtest.statistics import LEAST_DEVIATION
from tf_lib.research.inference.bootstrap import Resampling, resampled_rows

_MOST_DRAWS = 10_000
_ERRORS_AWAY = 3.0


class RealityCheck:
    """
    The best resampled Sharpe ratio of skill-less sets, while their returns pass by.

    Every set counts for itself, so that neither order nor portions change a bit. Where the answer
    lies too near a limit for the draws made, `draw_more` and let all sets pass by again.

    References
    ----------
    .. [1] H. White, "A Reality Check for Data Snooping", Econometrica 68 (5), 2000.

    Examples
    --------
    >>> random = np.random.default_rng(3)
    >>> check = RealityCheck(500, Resampling(block_rows=5, n_samples=200))
    >>> check.see(random.normal(0.0, 0.01, (20, 500)))
    >>> check.p_value > 0.05
    True
    >>> check.see(random.normal(0.003, 0.01, (1, 500)))
    >>> check.p_value < 0.01
    True
    """

    def __init__(self, n_days: int, resampling: Resampling) -> None:
        self._n_days, self._resampling = n_days, resampling
        self._done: list[FloatArray] = []
        self._best = -np.inf
        self._begin()

    def _begin(self) -> None:
        how = dataclasses.replace(self._resampling, seed=self._resampling.seed + len(self._done))
        rows = resampled_rows(self._n_days, how)
        counts = [np.bincount(one, minlength=self._n_days) for one in rows]
        self._share = np.stack(counts) / self._n_days
        self._luckiest = np.full(how.n_samples, -np.inf)

    def draw_more(self) -> None:
        """Draw as many histories again; every set is to be seen once more."""
        self._done.append(self._luckiest)
        self._begin()

    def see(self, returns: FloatArray) -> None:
        """Look at some sets' returns, (n_sets, n_days); one that never moved says nothing."""
        for row in returns:
            mean, deviation = float(row.mean()), float(row.std(ddof=1))
            if deviation > LEAST_DEVIATION:
                # Row by row: `@` splits the sums by processors, and the last bits depend on it.
                resampled = (np.vecdot(self._share, row) - mean) / deviation
                np.maximum(self._luckiest, resampled, out=self._luckiest)
                self._best = max(self._best, mean / deviation)

    @property
    def p_value(self) -> float:
        """Share of histories without skill whose best set is at least as good as the best seen."""
        drawn = np.concatenate([*self._done, self._luckiest])
        return (1 + int((drawn >= self._best).sum())) / (1 + drawn.size)

    @property
    def n_draws(self) -> int:
        """Histories drawn so far."""
        return (len(self._done) + 1) * self._luckiest.size

    @property
    def error(self) -> float:
        """Standard error of the p-value, as the histories are so many and not more."""
        return math.sqrt(self.p_value * (1.0 - self.p_value) / self.n_draws)

    def is_decided(self, limit: float) -> bool:
        """Whether the p-value is well away from a limit, or as many were drawn as ever are."""
        is_away = abs(self.p_value - limit) > _ERRORS_AWAY * self.error
        return is_away or self.n_draws >= _MOST_DRAWS

"""
Reality check: how often the best of these very sets would do as well without any skill.

Part of a sweep's verdict (parts -> *reality check* -> judgement). Sets of a sweep are alike, so
that counting them says too little and too much at once; here days are drawn in blocks from all
sets together, each set's own mean taken away, and the best of what is left is written down.
"""

from __future__ import annotations

import numpy as np

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.research.backtest.statistics import LEAST_DEVIATION
from tf_lib.research.inference.bootstrap import Resampling, resampled_rows


class RealityCheck:
    """
    The best resampled Sharpe ratio of skill-less sets, while their returns pass by.

    Every set counts for itself, so that neither order nor portions change a bit.

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
        rows = resampled_rows(n_days, resampling)
        self._share = np.stack([np.bincount(one, minlength=n_days) for one in rows]) / n_days
        self._luckiest = np.full(resampling.n_samples, -np.inf)
        self._best = -np.inf

    def see(self, returns: FloatArray) -> None:
        """Look at some sets' returns, (n_sets, n_days); one that never moved says nothing."""
        for row in returns:
            mean, deviation = float(row.mean()), float(row.std(ddof=1))
            if deviation > LEAST_DEVIATION:
                resampled = (self._share @ row - mean) / deviation
                np.maximum(self._luckiest, resampled, out=self._luckiest)
                self._best = max(self._best, mean / deviation)

    @property
    def p_value(self) -> float:
        """Share of histories without skill whose best set is at least as good as the best seen."""
        as_good = int((self._luckiest >= self._best).sum())
        return (1 + as_good) / (1 + self._luckiest.size)

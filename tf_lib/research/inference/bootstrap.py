"""
Bootstrap: how far a figure could have come out otherwise, had the days fallen differently.

Part of research (backtest -> *bands*). Days are drawn in blocks, so that what belongs together,
such as volatility that clusters, stays together. Seeds are arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tf_lib.core.jit.arrays import FloatArray, IntArray
from tf_lib.errors import ParameterError
from tf_lib.research.inference.overfitting import row_sharpes

# From resampled returns of shape (n_samples, n_rows) to one figure each.
Statistic = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Resampling:
    """
    How days are drawn.

    Attributes
    ----------
    block_rows : float or None
        Mean length of a block. None: the cube root of the number of rows, the order that keeps
        bias and noise in balance. Lengths are random, so that the resampled series is stationary;
        blocks wrap from the last day to the first.
    n_samples, seed : int
    """

    block_rows: float | None = None
    n_samples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.block_rows is not None and not self.block_rows >= 1:
            raise ParameterError(f"block_rows must be at least 1, got {self.block_rows}")
        if self.n_samples < 1:
            raise ParameterError(f"n_samples must be at least 1, got {self.n_samples}")


@dataclass(frozen=True)
class Band:
    """A figure with the range that holds it in `level` of the resampled histories."""

    value: float
    low: float
    high: float
    level: float


def resampled_rows(n_rows: int, resampling: Resampling) -> IntArray:
    """
    Return rows of resampled histories.

    Returns
    -------
    int array of shape (n_samples, n_rows)

    References
    ----------
    .. [1] D. N. Politis and J. P. Romano, "The Stationary Bootstrap", Journal of the American
       Statistical Association 89 (428), 1994.
    """
    if n_rows < 2:
        raise ParameterError(f"a bootstrap needs at least two rows, got {n_rows}")
    length = resampling.block_rows or max(1.0, n_rows ** (1.0 / 3.0))
    random = np.random.default_rng(resampling.seed)
    shape = (resampling.n_samples, n_rows)
    begins = random.random(shape) < 1.0 / length
    begins[:, 0] = True
    starts = random.integers(0, n_rows, shape)
    columns = np.arange(n_rows)
    # Where each row's block began, and how far into it the row lies.
    begun = np.maximum.accumulate(np.where(begins, columns, 0), axis=1)
    rows: IntArray = (np.take_along_axis(starts, begun, axis=1) + columns - begun) % n_rows
    return rows


def bootstrap_band(
    returns: FloatArray, statistic: Statistic, resampling: Resampling, *, level: float = 0.9
) -> Band:
    """
    Return a figure with its band.

    Parameters
    ----------
    returns : float array of shape (n_rows,)
    statistic : callable
        Takes returns of shape (n_samples, n_rows) and answers shape (n_samples,).
    resampling : Resampling
    level : float
        Share of the resampled histories inside the band, as much left out above as below.

    Examples
    --------
    >>> returns = np.random.default_rng(1).normal(0.002, 0.02, 1500)
    >>> band = bootstrap_band(returns, annual_sharpe, Resampling(n_samples=500))
    >>> band.low < band.value < band.high
    True
    """
    _check_series(returns)
    figures = statistic(returns[resampled_rows(returns.size, resampling)])
    return _band(float(statistic(returns[None, :])[0]), figures, level)


def bootstrap_difference(
    first: FloatArray,
    second: FloatArray,
    statistic: Statistic,
    resampling: Resampling,
    *,
    level: float = 0.9,
) -> Band:
    """
    Return a figure of one series less that of another, with its band.

    The same days are drawn for both, so that what moves both alike does not widen the band.

    Parameters
    ----------
    first, second : float array of shape (n_rows,)
        Returns of the same days.
    statistic : callable
        As in `bootstrap_band`.
    resampling : Resampling
    level : float

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> market = random.normal(0.0, 0.03, 1000)
    >>> better = market + random.normal(0.001, 0.002, 1000)
    >>> bootstrap_difference(better, market, annual_mean, Resampling(n_samples=500)).low > 0.0
    True
    """
    _check_series(first)
    _check_series(second)
    if first.size != second.size:
        raise ParameterError(
            f"two series are compared on the same days, got {first.size} and {second.size}"
        )
    rows = resampled_rows(first.size, resampling)
    figures = statistic(first[rows]) - statistic(second[rows])
    value = float(statistic(first[None, :])[0] - statistic(second[None, :])[0])
    return _band(value, figures, level)


def _check_series(returns: FloatArray) -> None:
    if returns.ndim != 1 or not np.isfinite(returns).all():
        raise ParameterError(f"returns must be finite and one series, got shape {returns.shape}")


def _band(value: float, figures: FloatArray, level: float) -> Band:
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level must lie between 0 and 1, got {level}")
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(figures, (tail, 1.0 - tail))
    return Band(value, float(low), float(high), level)


def annual_mean(returns: FloatArray, *, periods_per_year: float = 365.0) -> FloatArray:
    """Mean of each row of returns, times the periods of a year: not compounded."""
    mean: FloatArray = returns.mean(axis=1) * periods_per_year
    return mean


def annual_sharpe(returns: FloatArray, *, periods_per_year: float = 365.0) -> FloatArray:
    """Annualized Sharpe ratio of each row of returns; 0 where nothing ever moved."""
    return row_sharpes(returns) * float(np.sqrt(periods_per_year))


def annual_growth(returns: FloatArray, *, periods_per_year: float = 365.0) -> FloatArray:
    """Compound growth per year of each row of returns."""
    growth: FloatArray = np.expm1(np.log1p(returns).mean(axis=1) * periods_per_year)
    return growth


def deepest_drawdown(returns: FloatArray) -> FloatArray:
    """Deepest fall from a peak of each row of returns, as a fraction at most 0."""
    equity = np.cumprod(1.0 + returns, axis=1)
    peak = np.maximum(np.maximum.accumulate(equity, axis=1), 1.0)
    deepest: FloatArray = (equity / peak - 1.0).min(axis=1)
    return deepest

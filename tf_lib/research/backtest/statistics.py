"""
Statistics: the usual numbers of a track record, under their usual names.

Part of research (day loop -> *statistics* -> report). Equity is taken at each day's close, returns
are simple and daily and the first one is against the capital at the start; the risk-free rate
is 0. What is not defined (a ratio to zero) is NaN.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tf_lib.core.jit.arrays import BoolArray, FloatArray

LEAST_DEVIATION = 1e-12
"""Of daily returns: below it nothing moved but float noise, and there is no Sharpe ratio."""


class Drawdown(NamedTuple):
    """Deepest fall from a peak as a negative fraction, and the longest time below one in days."""

    depth: float
    longest_days: int


def daily_returns(equity: FloatArray, initial: float) -> FloatArray:
    """
    Return simple daily returns; the first is against the capital at the start.

    Examples
    --------
    >>> daily_returns(np.array([110.0, 99.0]), 100.0).round(12).tolist()
    [0.1, -0.1]
    """
    before = np.empty_like(equity)
    before[0] = initial
    before[1:] = equity[:-1]
    returns: FloatArray = equity / before - 1.0
    return returns


def drawdowns(equity: FloatArray, initial: float) -> FloatArray:
    """
    Return how far each day's equity lies below the highest so far, as a fraction of at most 0.

    The capital at the start counts as the first peak.

    Examples
    --------
    >>> drawdowns(np.array([110.0, 99.0, 121.0]), 100.0).round(12).tolist()
    [0.0, -0.1, 0.0]
    """
    peaks = np.maximum(np.maximum.accumulate(equity), initial)
    below: FloatArray = equity / peaks - 1.0
    return below


def deepest(below: FloatArray) -> Drawdown:
    """
    Return depth and length of drawdowns.

    Examples
    --------
    >>> deepest(np.array([0.0, -0.1, -0.05, 0.0, -0.2]))
    Drawdown(depth=-0.2, longest_days=2)
    """
    return Drawdown(float(min(below.min(), 0.0)), longest_run(below < 0.0))


def longest_run(is_true: BoolArray) -> int:
    """
    Return the length of the longest run of true values.

    Examples
    --------
    >>> longest_run(np.array([True, False, True, True]))
    2
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_true, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max()) if edges.size else 0


def total_return(equity: FloatArray, initial: float) -> float:
    """Return the gain over the whole span as a fraction."""
    return float(equity[-1] / initial - 1.0)


def cagr(equity: FloatArray, initial: float, *, days_per_year: int = 365) -> float:
    """
    Return the yearly growth that leads from the capital at the start to the last equity.

    Examples
    --------
    >>> round(cagr(np.full(730, 121.0), 100.0), 12)
    0.1
    """
    growth = equity[-1] / initial
    if growth <= 0.0:
        return -1.0
    return float(growth ** (days_per_year / equity.size) - 1.0)


def short_span_note(n_days: int, days_per_year: int) -> str:
    """
    Return what to say of a year's figures that were made from less than a year, or nothing.

    Examples
    --------
    >>> short_span_note(365, 365)
    ''
    >>> short_span_note(61, 365)[:19]
    'only 61 of 365 days'
    """
    if n_days >= days_per_year:
        return ""
    return (
        f"only {n_days} of {days_per_year} days: cagr, volatility, sharpe, sortino, calmar and "
        f"turnover a year are projected from {n_days} days to a whole year; so short a time says "
        "little about one"
    )


def volatility(returns: FloatArray, *, days_per_year: int = 365) -> float:
    """Return the sample standard deviation of daily returns, a year; NaN below two days."""
    if returns.size < 2:
        return math.nan
    return float(returns.std(ddof=1)) * math.sqrt(days_per_year)


def sharpe(returns: FloatArray, *, days_per_year: int = 365) -> float:
    """
    Return mean over standard deviation of daily returns, times the root of the days in a year.

    Examples
    --------
    >>> round(sharpe(np.array([0.01, 0.03])), 6)
    27.018512
    """
    if returns.size < 2:
        return math.nan
    return _ratio(float(returns.mean()), float(returns.std(ddof=1))) * math.sqrt(days_per_year)


def sortino(returns: FloatArray, *, days_per_year: int = 365) -> float:
    """Return mean over the root mean square of losses (all days counted), a year."""
    return float(row_sortinos(returns[None, :])[0]) * math.sqrt(days_per_year)


def row_sortinos(returns: FloatArray) -> FloatArray:
    """Sortino ratio per day of each row of returns; NaN where there was no loss."""
    losses = np.minimum(returns, 0.0)
    downside = np.sqrt(np.mean(losses * losses, axis=1))
    none = np.full(len(returns), np.nan)
    mean = returns.mean(axis=1)
    ratios: FloatArray = np.divide(mean, downside, out=none, where=downside > LEAST_DEVIATION)
    return ratios


def _ratio(numerator: float, divisor: float) -> float:
    return numerator / divisor if divisor > LEAST_DEVIATION else math.nan


def performance(
    equity: FloatArray, initial: float, *, days_per_year: int = 365
) -> dict[str, float]:
    """
    Return the numbers that follow from equity alone.

    Parameters
    ----------
    equity : float array of shape (n_days,)
        At each day's close, in quote currency.
    initial : float
        Capital before the first day.

    Returns
    -------
    dict of str to float
        total_return, cagr, volatility, sharpe, sortino, calmar, max_drawdown (at most 0),
        max_drawdown_days (longest time below a peak), best_day, worst_day.
    """
    returns = daily_returns(equity, initial)
    worst = deepest(drawdowns(equity, initial))
    growth = cagr(equity, initial, days_per_year=days_per_year)
    return {
        "total_return": total_return(equity, initial),
        "cagr": growth,
        "volatility": volatility(returns, days_per_year=days_per_year),
        "sharpe": sharpe(returns, days_per_year=days_per_year),
        "sortino": sortino(returns, days_per_year=days_per_year),
        "calmar": _ratio(growth, -worst.depth),
        "max_drawdown": worst.depth,
        "max_drawdown_days": worst.longest_days,
        "best_day": float(returns.max()),
        "worst_day": float(returns.min()),
    }

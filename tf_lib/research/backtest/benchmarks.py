"""
Reference portfolios: what doing nothing clever would have earned on the same days.

Without fees and slippage, so they flatter the reference, never the strategy.
"""

from __future__ import annotations

import numpy as np

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.research.backtest.history import History

BITCOIN = "BTC-USD"


def held_equity(history: History, ticker: str, span: tuple[int, int]) -> FloatArray:
    """Return growth of one unit of money put into a ticker at the first day's open and kept."""
    first, stop = span
    j = history.tickers.index(ticker)
    growth: FloatArray = history.closes[first:stop, j] / history.opens[first, j]
    return growth


def equal_weight_equity(history: History, span: tuple[int, int]) -> FloatArray:
    """
    Return growth of one unit spread evenly over all tickers, made even again at every open.

    A ticker takes part from the first day on that has a close before it; on the first day of all
    it is bought at the open.
    """
    first, stop = span
    close = history.closes[first:stop]
    before = np.empty_like(close)
    before[0] = history.opens[first]
    before[1:] = close[:-1]
    with np.errstate(invalid="ignore"):
        returns = close / before - 1.0
    listed = np.isfinite(returns)
    counts = np.maximum(listed.sum(axis=1), 1)
    mean = np.where(listed, returns, 0.0).sum(axis=1) / counts
    growth: FloatArray = np.cumprod(1.0 + mean)
    return growth


def reference_equities(history: History, span: tuple[int, int]) -> dict[str, FloatArray]:
    """Return the growth of one unit in each reference; BTC only where it is among the tickers."""
    found = {"equal_weight": equal_weight_equity(history, span)}
    if BITCOIN in history.tickers and np.isfinite(
        history.opens[span[0], history.tickers.index(BITCOIN)]
    ):
        found["btc_held"] = held_equity(history, BITCOIN, span)
    return dict(sorted(found.items()))

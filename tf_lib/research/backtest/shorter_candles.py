"""
Shorter candles: laid out for the day loop, beside the daily bars whose days they explain.

Part of the backtest (candles -> *history* -> day loop). Which price comes first within a day is
theirs to say (`tf_lib.core.orders.intraday_path`); daily bars stay what signals and levels are of.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tf_lib.core.candles.bars import Bars
from tf_lib.core.candles.intraday_bars import IntradayBars
from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.orders.compiled import price_at_run
from tf_lib.core.orders.intraday_path import SECOND
from tf_lib.research.backtest.loop_records import CLOSE, NO_SHORTER_CANDLES, OPEN, ShorterCandles

Intraday = Mapping[str, IntradayBars]
NO_INTRADAY: Intraday = {}


def with_shorter(
    bars: Bars, own: FloatArray, intraday: Intraday
) -> tuple[FloatArray, ShorterCandles]:
    """
    Return each day's own bar and the shorter candles of its day.

    Parameters
    ----------
    bars : Bars
        Lagged; the row after a day's holds its bar.
    own : float array [row, field, ticker]
        Each day's own bar. `OPEN` becomes the price at 00:01 where there are shorter candles.
    intraday : mapping of ticker to IntradayBars
        Others than those of the bars are not looked at.

    Raises
    ------
    BarsError
        If a candle is not within the daily one of its day.
    """
    n_days, n = len(own), len(bars.tickers)
    named = [ticker for ticker in bars.tickers if ticker in intraday]
    if not named:
        return own, NO_SHORTER_CANDLES
    lengths = np.array([intraday[t].step if t in intraday else 0 for t in bars.tickers])
    rows = np.zeros((n_days, 2, n), dtype=np.int64)
    starts, values, offset = [np.empty(0, np.int64)], [np.empty((0, 4))], 0
    first_day = int(bars.days[0].timestamp()) // 86_400
    for ticker in named:
        j, shorter = bars.tickers.index(ticker), intraday[ticker]
        _check(bars, j, shorter)
        edges = (first_day + np.arange(n_days + 1)) * 86_400
        at = np.searchsorted(shorter.start, edges) + offset
        rows[:, 0, j], rows[:, 1, j] = at[:-1], at[1:]
        starts.append(shorter.start % 86_400 * SECOND)
        values.append(shorter.values[:4].T)
        offset += shorter.start.size
    found = ShorterCandles(
        np.concatenate(starts), np.concatenate(values), rows, lengths.astype(np.int64) * SECOND
    )
    for row, j in np.argwhere(found.has_any()).tolist():
        own[row, OPEN, j] = price_at_run(
            found.starts,
            found.values,
            (int(rows[row, 0, j]), int(rows[row, 1, j])),
            int(found.lengths[j]),
            float(own[row - 1, CLOSE, j]) if row > 0 else np.nan,
        )
    return own, found


def _check(bars: Bars, j: int, shorter: IntradayBars) -> None:
    """Hold shorter candles against the daily ones that are there."""
    there = np.flatnonzero(bars.present[:, j])
    days = bars.days[there].as_unit("s").asi8 // 86_400 - 1
    shorter.check_within(bars.tickers[j], days, bars.high[there, j], bars.low[there, j])

"""
Grids: the indicators of all tickers at once.

Part of stage 2 (bars -> *signals* -> risk). A grid is [ticker, row]; `rows` [ticker] holds each
one's first row and the row after its last. Every kernel writes what
`tf_lib.core.signals.indicators` and `tf_lib.core.signals.windows` say of those rows into `out`;
other rows are left as they are.
"""

from __future__ import annotations

import numpy as np

from tf_lib.core.jit.arrays import BoolArray, FloatArray, IntArray, kernel, leaf_kernel
from tf_lib.core.signals import indicators as of_one
from tf_lib.core.signals import windows

ROWS_AT_ONCE = 32
"""Rows of all tickers that the machine's nearest memory holds, to turn a grid on its side."""


@leaf_kernel
def _put(part: FloatArray, out: FloatArray) -> None:
    """Write one ticker's part; plain, because an assignment of slices compiles slowly."""
    for t in range(part.size):
        out[t] = part[t]


@kernel
def fill_slope(rows: IntArray, log_close: FloatArray, spans: FloatArray, out: FloatArray) -> None:
    """Slope of the ribbon."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        _put(of_one.ribbon_slope(of_one.ribbon(log_close[j, its], spans), spans), out[j, its])


@kernel
def fill_ribbon(rows: IntArray, log_close: FloatArray, spans: FloatArray, out: FloatArray) -> None:
    """The ribbon, [span, ticker, row]."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        averages = of_one.ribbon(log_close[j, its], spans)
        for k in range(spans.size):
            _put(averages[k], out[k, j, its])


@kernel
def fill_normal_rank(rows: IntArray, values: FloatArray, window: int, out: FloatArray) -> None:
    """See `indicators.normal_rank`."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        _put(of_one.normal_rank(values[j, its], window), out[j, its])


@kernel
def fill_smoothed(rows: IntArray, values: FloatArray, span: float, out: FloatArray) -> None:
    """See `windows.ewm_mean`."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        _put(windows.ewm_mean(values[j, its], span), out[j, its])


@kernel
def fill_channel(
    rows: IntArray, high: FloatArray, low: FloatArray, window: int, shift: int, out: FloatArray
) -> None:
    """Highest high and lowest low, [band, ticker, row]."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        bands = of_one.channel(high[j, its], low[j, its], window, shift)
        _put(bands[0], out[0, j, its])
        _put(bands[1], out[1, j, its])


@kernel
def fill_position(rows: IntArray, close: FloatArray, bands: FloatArray, out: FloatArray) -> None:
    """See `indicators.channel_position`; `bands` as from `fill_channel`."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        upper, lower = bands[0, j, its], bands[1, j, its]
        _put(of_one.channel_position(close[j, its], upper, lower), out[j, its])


@kernel
def fill_rank(rows: IntArray, values: FloatArray, window: int, least: int, out: FloatArray) -> None:
    """Percentile rank less one half; see `windows.rolling_rank`."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        rank = windows.rolling_rank(values[j, its], window, least)
        for t in range(rank.size):
            rank[t] -= 0.5
        _put(rank, out[j, its])


@kernel
def fill_quality(
    rows: IntArray,
    log_close: FloatArray,
    window: int,
    lower: float,
    upper: float,
    smooth_span: float,
    out: FloatArray,
) -> None:
    """See `indicators.trend_quality`."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        quality = of_one.trend_quality(log_close[j, its], window, lower, upper, smooth_span)
        _put(quality, out[j, its])


@kernel
def fill_penalty(
    rows: IntArray,
    log_close: FloatArray,
    windows_used: tuple[int, int, int],
    least: float,
    days_per_year: float,
    out: FloatArray,
) -> None:
    """See `indicators.vol_of_vol_penalty`."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        penalty = of_one.vol_of_vol_penalty(log_close[j, its], *windows_used, least, days_per_year)
        _put(penalty, out[j, its])


@kernel
def fill_confirmed(rows: IntArray, quality: FloatArray, days: int, out: FloatArray) -> None:
    """See `indicators.confirmed`."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        _put(of_one.confirmed(quality[j, its], days), out[j, its])


@kernel
def fill_returns(rows: IntArray, close: FloatArray, out: FloatArray) -> None:
    """See `indicators.simple_returns`."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        _put(of_one.simple_returns(close[j, its]), out[j, its])


@kernel
def fill_spread(rows: IntArray, values: FloatArray, window: int, out: FloatArray) -> None:
    """See `indicators.spread`."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        _put(of_one.spread(values[j, its], window), out[j, its])


@kernel
def fill_true_range(
    rows: IntArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    span: float,
    out: FloatArray,
) -> None:
    """See `indicators.average_true_range`."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        reach = of_one.average_true_range(high[j, its], low[j, its], close[j, its], span)
        _put(reach, out[j, its])


@kernel
def fill_highest(rows: IntArray, values: FloatArray, window: int, out: FloatArray) -> None:
    """See `windows.rolling_max`."""
    for j in range(rows.shape[0]):
        its = slice(rows[j, 0], rows[j, 1])
        _put(windows.rolling_max(values[j, its], window), out[j, its])


@kernel
def fill_history_days(present: BoolArray, first_row: IntArray, days: IntArray) -> None:
    """Write the days from a ticker's first bar through the last one known, [ticker, row]."""
    for j in range(present.shape[0]):
        known = 0
        for t in range(present.shape[1]):
            if present[j, t]:
                known = t - first_row[j] + 1
            days[j, t] = known


@kernel
def fill_last_known(
    column: FloatArray, is_short: BoolArray, is_good: BoolArray, out: FloatArray
) -> None:
    """
    Write a column as far as it is known, as [row, ticker], a day next to the next.

    Undefined where there is too little history; a row that is not good shows the last good one,
    and nothing before the first.
    """
    n_tickers, n_rows = column.shape
    last = np.empty(n_tickers)
    for j in range(n_tickers):
        last[j] = np.nan
    for begin in range(0, n_rows, ROWS_AT_ONCE):
        end = min(begin + ROWS_AT_ONCE, n_rows)
        for j in range(n_tickers):
            its = last[j]
            for t in range(begin, end):
                if is_good[j, t]:
                    its = np.nan if is_short[j, t] else column[j, t]
                out[t, j] = its
            last[j] = its

"""
Market: from candles to lagged bars, one grid for all tickers.

Stage 1 of the pipeline (candles -> *bars* -> signals -> risk -> ...). Row D of every array
holds the bar of day D - 1: what is known when day D begins. The unfinished bar of the last row's
day never enters. Days without a bar inside a history are flat; a gap at the end stays empty.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tf_lib.core.candles.rows import FIELDS
from tf_lib.core.jit.arrays import BoolArray, FloatArray, IntArray, kernel
from tf_lib.errors import BarsError

_COLUMNS = pd.Index(FIELDS)
LONG_GAP_DAYS = 3
BARS_AFTER_LONG_GAP = 30
_IN_ORDER, _NOT_MIDNIGHT, _FALLING = range(3)
_FOREVER = 1 << 40
_Number = TypeVar("_Number", np.float64, np.bool_)
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


class Gap(NamedTuple):
    """Days without a usable bar, both ends included; `filled` when bars follow."""

    ticker: str
    first_missing: dt.date
    last_missing: dt.date
    filled: bool


@dataclass(frozen=True)
class Bars:
    """
    Lagged daily bars of several tickers on one grid of days.

    Attributes
    ----------
    tickers : tuple of str
        By name.
    days : DatetimeIndex of shape (n_rows,)
        UTC midnights without a hole; the last one is the day to decide.
    open, high, low, close, volume : float array of shape (n_rows, n_tickers)
        Row D holds the bar of D - 1. Flat (all prices the last close, volume 0) where a bar is
        missing inside the history, NaN before the first bar and after the last.
    present : bool array of shape (n_rows, n_tickers)
        Where the bar itself exists with finite, positive, consistent prices.
    first_row, end_row : int array of shape (n_tickers,)
        Where a ticker's history begins, and the row after its last bar; equal when it has none.
    recovering : bool array of shape (n_rows, n_tickers)
        The 30 rows after a gap of more than 3 days.
    gaps : tuple of Gap
    bad_bars : tuple of (ticker, day)
        Bars that were given but not usable; they count as missing.
    """

    tickers: tuple[str, ...]
    days: pd.DatetimeIndex
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    present: BoolArray
    first_row: IntArray
    end_row: IntArray
    recovering: BoolArray
    gaps: tuple[Gap, ...]
    bad_bars: tuple[tuple[str, dt.date], ...]

    @property
    def as_of(self) -> dt.date:
        """The day of the last row."""
        return self.days[-1].date()

    @property
    def bar_counts(self) -> IntArray:
        """Days from each ticker's first bar through its last, flat ones included."""
        return self.end_row - self.first_row

    def row_of(self, day: dt.date) -> int:
        """Return the row of a day, or say which days there are."""
        return row_among(self.days, day, what="bars")

    def select(self, tickers: Sequence[str]) -> Bars:
        """Return the bars of these tickers, by name; a ticker without bars here is an error."""
        wanted = tuple(sorted(tickers))
        missing = [ticker for ticker in wanted if ticker not in self.tickers]
        if missing:
            raise BarsError(f"no bars of {', '.join(missing)}; there are {', '.join(self.tickers)}")
        if wanted == self.tickers:
            return self
        keep = np.array([self.tickers.index(ticker) for ticker in wanted])
        grids: dict[str, Any] = {
            name: _columns(getattr(self, name), keep) for name in (*FIELDS, "present", "recovering")
        }
        return replace(
            self,
            tickers=wanted,
            **grids,
            first_row=self.first_row[keep],
            end_row=self.end_row[keep],
            gaps=tuple(gap for gap in self.gaps if gap.ticker in wanted),
            bad_bars=tuple(bad for bad in self.bad_bars if bad[0] in wanted),
        )


def row_among(days: pd.DatetimeIndex, day: dt.date, *, what: str) -> int:
    """Return the row of a day on a grid of days, or say of `what` there is nothing for it."""
    row = (day - days[0].date()).days
    if not 0 <= row < len(days):
        span = f"{days[0].date()} to {days[-1].date()}"
        raise BarsError(f"there are no {what} for {day}: rows go from {span}")
    return row


def by_field(grids: FloatArray) -> dict[str, Any]:
    """Return grids [field, ticker, row] by the name of their field, as `Bars` holds them."""
    return dict(zip(FIELDS, (grid.T for grid in grids), strict=True))


def _columns(grid: NDArray[_Number], keep: IntArray) -> NDArray[_Number]:
    """Return some columns, each ticker's rows next to each other in memory."""
    return np.ascontiguousarray(grid.T[keep]).T


class _Scanned(NamedTuple):
    """
    One ticker's bars as they were given: prices [field, bar], and days since 1970.

    The first `n_bars` are finished; `usable` says which of them can be.
    """

    values: FloatArray
    days: IntArray
    usable: BoolArray
    n_bars: int
    n_usable: int


def lag_bars(candles: Mapping[str, pd.DataFrame], *, as_of: dt.date | None = None) -> Bars:
    """
    Put candles on one grid of days, one day late, ending at `as_of`.

    Parameters
    ----------
    candles : mapping of ticker to DataFrame
        Daily bars with columns open, high, low, close, volume, on a strictly rising index of
        UTC open days. Bars of `as_of` and later are ignored. A frame may be empty.
    as_of : date, optional
        The day to decide; its row holds the bar of the day before. Default the day after the
        last bar of all.

    Returns
    -------
    Bars
        **Row D knows the bars through D - 1.** Rows start the day after the first bar of all.

    Raises
    ------
    BarsError
        If a column is missing, an index is not made of rising days, or nothing is before `as_of`.
    """
    tickers = tuple(sorted(candles))
    limit = _FOREVER if as_of is None else _day_number(as_of)
    scanned = [_scanned(ticker, candles[ticker], limit) for ticker in tickers]
    firsts = [int(one.days[one.usable.argmax()]) for one in scanned if one.n_usable]
    if not firsts:
        before = "" if as_of is None else f" before {as_of}"
        raise BarsError(f"no usable bar{before}: {_spans(candles)}")
    origin = min(firsts)
    today = limit if as_of is not None else 1 + max(int(s.days[-1]) for s in scanned if s.n_bars)
    n_rows = today - origin
    grids = np.empty((len(FIELDS), len(tickers), n_rows))
    present = np.zeros((len(tickers), n_rows), dtype=np.bool_)
    extent = np.zeros((2, len(tickers)), dtype=np.int64)
    for j, one in enumerate(scanned):
        _place(*one[:4], origin, j, grids, present, extent)
    return _assemble(tickers, scanned, grids, present, extent, origin)


@kernel
def _place(
    values: FloatArray,
    days: IntArray,
    usable: BoolArray,
    n_bars: int,
    origin: int,
    j: int,
    grids: FloatArray,
    present: BoolArray,
    extent: IntArray,
) -> None:
    """
    Write the bars of ticker `j` into its rows, and its first row and the one after its last.

    Days without a bar inside the history are flat at the last close. An unknown volume is 0.
    """
    grid = grids[:, j]
    for k in range(n_bars):
        if usable[k]:
            row = days[k] - origin
            for field in range(4):
                grid[field, row] = values[field, k]
            grid[4, row] = values[4, k] if math.isfinite(values[4, k]) else 0.0
            present[j, row] = True
    extent[0, j], extent[1, j] = fill_flat(grid, present[j])


def _assemble(
    tickers: tuple[str, ...],
    scanned: Sequence[_Scanned],
    grids: FloatArray,
    present: BoolArray,
    extent: IntArray,
    origin: int,
) -> Bars:
    n_rows = present.shape[1]
    recovering = np.zeros_like(present)
    gaps: list[Gap] = []
    usable = np.array([one.n_usable for one in scanned])
    whole = (extent[1] == n_rows) & (extent[1] - extent[0] == usable)
    for j in np.flatnonzero(~whole):
        ticker = tickers[int(j)]
        for begin, stop in _holes(present[j], int(extent[0][j])):
            gaps.append(Gap(ticker, _date(origin + begin), _date(origin + stop - 1), stop < n_rows))
        mark_recovery(present[j], int(extent[0][j]), recovering[j])
    bad = [
        (ticker, _date(int(one.days[k])))
        for ticker, one in zip(tickers, scanned, strict=True)
        if one.n_usable < one.n_bars
        for k in np.flatnonzero(~one.usable[: one.n_bars])
    ]
    return Bars(
        tickers=tickers,
        days=_days(origin + 1, n_rows),
        **by_field(grids),
        present=present.T,
        first_row=extent[0],
        end_row=extent[1],
        recovering=recovering.T,
        gaps=tuple(gaps),
        bad_bars=tuple(bad),
    )


@functools.lru_cache(maxsize=8)
def _days(first: int, count: int) -> pd.DatetimeIndex:
    """Return days in a row; an index never changes, so that the same one serves again."""
    return pd.date_range(_date(first), periods=count, freq="D", tz="UTC", name="date")


def _scanned(ticker: str, frame: pd.DataFrame, limit: int) -> _Scanned:
    """Return the bars of a frame; those before day `limit` are finished."""
    stamps, per_day = _stamps(ticker, frame)
    table = frame if frame.columns.equals(_COLUMNS) else _fields(ticker, frame)
    # Looked at where they are: a copy of every frame is most of the memory a history needs.
    values = np.ascontiguousarray(table.to_numpy(dtype=np.float64).T).view()
    values.flags.writeable = False
    days = np.empty(stamps.size, dtype=np.int64)
    usable = np.empty(stamps.size, dtype=np.bool_)
    n_bars, n_usable, fault, at = _scan(stamps, per_day, values, limit, days, usable)
    if fault == _NOT_MIDNIGHT:
        odd = frame.index[at]
        raise BarsError(f"{ticker}: a daily bar opens at 00:00 UTC, got one at {odd}")
    if fault == _FALLING:
        late, early = _date(int(days[at])), _date(int(days[at - 1]))
        raise BarsError(f"{ticker}: days must rise, but {late} comes after {early}")
    return _Scanned(values, days, usable, n_bars, n_usable)


def _fields(ticker: str, frame: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in FIELDS if name not in frame.columns]
    if missing:
        raise BarsError(f"{ticker}: candles lack {missing}; they have {list(frame.columns)}")
    return frame[list(FIELDS)]


def _stamps(ticker: str, frame: pd.DataFrame) -> tuple[IntArray, int]:
    """Return open times as whole numbers since 1970 in UTC, and how many of them are a day."""
    if len(frame) == 0:
        return np.zeros(0, dtype=np.int64), 1
    if not isinstance(frame.index, pd.DatetimeIndex):
        kind = type(frame.index).__name__
        raise BarsError(f"{ticker}: candles need an index of days, got {kind}")
    # Counted from 1970 in UTC whatever the zone; an index without one is taken as UTC.
    return frame.index.asi8.copy(), _PER_DAY[frame.index.unit]


@kernel
def _scan(
    stamps: IntArray,
    per_day: int,
    values: FloatArray,
    limit: int,
    days: IntArray,
    usable: BoolArray,
) -> tuple[int, int, int, int]:
    """
    Write each bar's day and whether its prices can be.

    Returns
    -------
    (int, int, int, int)
        How many bars lie before day `limit`, and how many of them can be used; what is wrong with
        the order of times and where.
    """
    n_bars, n_usable = 0, 0
    for k in range(stamps.size):
        # The day after the last bar's, which costs no division, is nearly always right.
        if k > 0 and stamps[k] == stamps[k - 1] + per_day:
            days[k] = days[k - 1] + 1
        else:
            days[k] = stamps[k] // per_day
            if days[k] * per_day != stamps[k]:
                return n_bars, n_usable, _NOT_MIDNIGHT, k
            if k > 0 and days[k] <= days[k - 1]:
                return n_bars, n_usable, _FALLING, k
        is_past = days[k] < limit
        n_bars += is_past
        o, h, low, c = values[0, k], values[1, k], values[2, k], values[3, k]
        # False as well when one of them is not a number; a highest that is finite bounds the rest.
        usable[k] = 0.0 < low <= o and low <= c and o <= h and c <= h and h < np.inf
        n_usable += is_past and usable[k]
    return n_bars, n_usable, _IN_ORDER, 0


def _holes(present: BoolArray, first: int) -> list[tuple[int, int]]:
    """Return [begin, stop) of each run of missing rows from `first` on."""
    if not present.any():
        return []
    edges = np.flatnonzero(np.diff(present[first:].astype(np.int8)))
    marks = [*(first + 1 + edges).tolist(), present.size]
    return list(zip(marks[:-1:2], marks[1::2], strict=True))


def mark_recovery(present: BoolArray, first: int, recovering: BoolArray) -> None:
    """Mark the rows after each long hole in one ticker's bars, the first bar's row is `first`."""
    for begin, stop in _holes(present, first):
        if stop < present.size and stop - begin > LONG_GAP_DAYS:
            recovering[stop : stop + BARS_AFTER_LONG_GAP] = True


@kernel
def fill_flat(values: FloatArray, present: BoolArray) -> tuple[int, int]:
    """
    Make the rows of [field, row] flat where no bar is, and empty outside the history.

    Returns
    -------
    (int, int)
        The row of the first bar, and the row after the last; equal when there is none.
    """
    first, end = 0, 0
    for t in range(present.size):
        if not present[t]:
            continue
        if end == 0:
            first = t
        for row in range(end if end > 0 else t, t):
            for field in range(4):
                values[field, row] = values[3, end - 1]
            values[4, row] = 0.0
        end = t + 1
    values[:, :first] = np.nan
    values[:, end:] = np.nan
    return first, end


def _day_number(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days


def _date(number: int) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=number)


def _spans(candles: Mapping[str, pd.DataFrame]) -> str:
    if not candles:
        return "no ticker was given"
    return "; ".join(f"{ticker} {_span(frame)}" for ticker, frame in sorted(candles.items()))


def _span(frame: pd.DataFrame) -> str:
    if len(frame) == 0:
        return "has no bar"
    return f"starts {frame.index[0]:%Y-%m-%d}, ends {frame.index[-1]:%Y-%m-%d}"

"""
Quarantine: daily bars that are not believed, and from which day on they are.

Between bars and signals (candles -> bars -> *believed bars* -> signals). A bar is not believed when
its range or its jump is beyond what its own past allows, or when its close lies far from the price
at which the day after would trade. It then counts as missing in every window, so that no wick
enters a highest high, an average range or a channel. Each verdict uses nothing that comes later:
where three later bars confirm a bar it is believed from that day on, and the rows of earlier days
stay as they were.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from tf_lib.core.candles.bars import (
    BARS_AFTER_LONG_GAP,
    Bars,
    by_field,
    fill_flat,
    mark_recovery,
)
from tf_lib.core.candles.rows import FIELDS
from tf_lib.core.jit.arrays import BoolArray, FloatArray, IntArray, kernel, leaf_kernel

MOST_ATR_IN_A_RANGE = 25.0
MOST_FACTOR = 3.0
BARS_THAT_CONFIRM = 3
LEVEL, RANGE, LIVE = 1, 2, 4
_WORDS = {
    LEVEL: "its close is more than a factor of 3 from the close before",
    RANGE: "its range exceeds 25 times the average range before",
    LIVE: "its close lies too far from the live price",
}
NEVER = 1 << 40
"""The row from which a bar that nothing has confirmed is believed."""

_Number = TypeVar("_Number", np.float64, np.bool_, np.int64)
# Closes by ticker and bar's day that a run did not believe because of the live price.
Doubts = Mapping[str, Mapping[dt.date, float]]
NO_DOUBTS: Doubts = {}


class Quarantined(NamedTuple):
    """
    One bar that was not believed when it came.

    `day` is the bar's own; `until` the first day that believes it again, None while none does.
    """

    ticker: str
    day: dt.date
    close: float
    why: str
    until: dt.date | None
    is_by_live_price: bool


class QuarantineRules(NamedTuple):
    """Span of the average range, and how far a close may lie from the live price."""

    atr_span: float
    max_gap_to_live: float


class Earlier(NamedTuple):
    """Rows [begin, end) of a ticker that were seen before some bar was confirmed, by column."""

    ticker: int
    column: int
    begin: int
    end: int


@dataclass(frozen=True)
class BelievedBars:
    """
    Bars as they are believed, for windows to look at.

    Attributes
    ----------
    bars : Bars
        One column per ticker as its last row sees it; then one per earlier view.
    earlier : tuple of Earlier
        Which rows belong to an earlier view.
    quarantined : tuple of Quarantined
    mark : tuple
        Equal for equal verdicts on the same bars; empty when every bar is believed.
    """

    bars: Bars
    earlier: tuple[Earlier, ...]
    quarantined: tuple[Quarantined, ...]
    mark: tuple[object, ...]

    def seen(self, grid: NDArray[_Number]) -> NDArray[_Number]:
        """Return a grid [column, row] of the tickers alone, each row as its own day saw it."""
        if not self.earlier:
            return grid
        own = grid[: len(grid) - len(self.earlier)].copy()
        for one in self.earlier:
            own[one.ticker, one.begin : one.end] = grid[one.column, one.begin : one.end]
        return own


def believed_bars(
    bars: Bars,
    rules: QuarantineRules,
    *,
    live: FloatArray | None = None,
    doubts: Doubts = NO_DOUBTS,
) -> BelievedBars:
    """
    Judge every bar by what was known when it came, and return what windows may see.

    Parameters
    ----------
    bars : Bars
        As they were given.
    rules : QuarantineRules
    live : float array of shape (n_rows, n_tickers), optional
        Row D holds the price at which day D would trade, NaN where it is not known.
    doubts : mapping of ticker to bar's day to close, optional
        What earlier runs did not believe because of the live price. A bar whose close has been
        revised since is judged anew.

    Returns
    -------
    BelievedBars
        **Row D knows the bars through D - 1**, and the live price of day D where there is one.
    """
    present = bars.present.T
    why = np.zeros(present.shape, dtype=np.int64)
    released = np.full(present.shape, NEVER)
    prices = np.full(present.shape, np.nan) if live is None else live.T
    _judge_all(
        (present, bars.high.T, bars.low.T, bars.close.T),
        prices,
        _doubted(bars, doubts),
        rules,
        why,
        released,
    )
    if not why.any():
        return BelievedBars(bars, (), (), ())
    return _without_quarantined(bars, why, released)


def live_on(bars: Bars, day: dt.date, prices: Mapping[str, float]) -> FloatArray:
    """Return live prices of one day on the grid of `bars`, as `believed_bars` takes them."""
    grid = np.full((len(bars.days), len(bars.tickers)), np.nan)
    grid[bars.row_of(day)] = [prices.get(ticker, math.nan) for ticker in bars.tickers]
    return grid


def _doubted(bars: Bars, doubts: Doubts) -> BoolArray:
    """Mark the bars, [ticker, row], whose close is still the one that was not believed."""
    grid = np.zeros(bars.present.T.shape, dtype=np.bool_)
    first = bars.days[0].date() - dt.timedelta(days=1)
    for j, ticker in enumerate(bars.tickers):
        for day, close in doubts.get(ticker, {}).items():
            row = (day - first).days
            if 0 <= row < len(bars.days) and bars.close[row, j] == close:
                grid[j, row] = True
    return grid


# -- the verdicts --------------------------------------------------------------------------


@kernel
def _judge_all(
    bars: tuple[BoolArray, FloatArray, FloatArray, FloatArray],
    live: FloatArray,
    doubted: BoolArray,
    rules: QuarantineRules,
    why: IntArray,
    released: IntArray,
) -> None:
    """Write for each bar [ticker, row] what speaks against it, and from which row on it counts."""
    present, high, low, close = bars
    for j in range(present.shape[0]):
        _judge(
            present[j], high[j], low[j], close[j], live[j], doubted[j], rules, why[j], released[j]
        )


@kernel
def _judge(
    present: BoolArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    live: FloatArray,
    doubted: BoolArray,
    rules: QuarantineRules,
    why: IntArray,
    released: IntArray,
) -> None:
    """Judge one ticker's bars in their order; `known` is the believed close and average range."""
    recent = np.full(BARS_THAT_CONFIRM + 1, -1)
    before = np.zeros((BARS_THAT_CONFIRM + 1, 2))
    known = np.zeros(2)
    for t in range(present.size):
        if not present[t]:
            known[1] *= 1.0 - 2.0 / (rules.atr_span + 1.0)
            continue
        for k in range(BARS_THAT_CONFIRM):
            recent[k], before[k, 0], before[k, 1] = (
                recent[k + 1],
                before[k + 1, 0],
                before[k + 1, 1],
            )
        recent[-1], before[-1, 0], before[-1, 1] = t, known[0], known[1]
        why[t] = _against(high[t], low[t], close[t], known)
        if doubted[t] or abs(close[t] - live[t]) > rules.max_gap_to_live * live[t]:
            why[t] += LIVE
        _take(why[t] == 0, high[t], low[t], close[t], rules.atr_span, known)
        first = recent[0]
        if first < 0 or why[first] == 0 or released[first] != NEVER:
            continue
        if _is_confirmed(recent, before[0, 0], high, low, close, why[first], rules):
            _release(recent, before, present, high, low, close, rules, why, released, known)


@leaf_kernel
def _against(high: float, low: float, close: float, known: FloatArray) -> int:
    """Return what speaks against a bar; nothing against the first, which has no past."""
    if known[0] == 0.0:
        return 0
    found = 0
    if close > MOST_FACTOR * known[0] or MOST_FACTOR * close < known[0]:
        found += LEVEL
    if high - low > MOST_ATR_IN_A_RANGE * known[1]:
        found += RANGE
    return found


@leaf_kernel
def _take(
    is_believed: bool, high: float, low: float, close: float, span: float, known: FloatArray
) -> None:
    """Let a bar into the believed close and average range; as a flat one if it is not believed."""
    alpha = 2.0 / (span + 1.0)
    if not is_believed:
        known[1] *= 1.0 - alpha
    elif known[0] == 0.0:
        known[0], known[1] = close, high - low
    else:
        reach = max(high - low, max(abs(high - known[0]), abs(low - known[0])))
        known[0], known[1] = close, (1.0 - alpha) * known[1] + alpha * reach


@leaf_kernel
def _is_confirmed(
    recent: IntArray,
    close_before: float,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    against: int,
    rules: QuarantineRules,
) -> bool:
    """
    Tell whether the three bars after a doubted one agree with it.

    With its level: within a factor of 3 of it, and nearer to it than to the level before. Where
    only the live price spoke against it: within the gap that is allowed. A range is confirmed by
    ranges alone: after a still time all are wide, but the bars after a wick are not.
    """
    b = recent[0]
    for k in range(1, recent.size):
        t = recent[k]
        if close[t] > MOST_FACTOR * close[b] or MOST_FACTOR * close[t] < close[b]:
            return False
        if against & LEVEL:
            middle = close[b] * close_before
            if (close[t] * close[t] > middle) != (close[b] > close_before):
                return False
            continue
        if against & LIVE and abs(close[t] - close[b]) > rules.max_gap_to_live * close[t]:
            return False
        if against & RANGE and MOST_FACTOR * (high[t] - low[t]) < high[b] - low[b]:
            return False
    return True


@leaf_kernel
def _release(
    recent: IntArray,
    before: FloatArray,
    present: BoolArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    rules: QuarantineRules,
    why: IntArray,
    released: IntArray,
    known: FloatArray,
) -> None:
    """Believe a confirmed bar from now on, and those that only its absence spoke against."""
    first, now, at = recent[0], recent[-1], 0
    known[0], known[1] = before[0, 0], before[0, 1]
    for t in range(first, now + 1):
        if not present[t]:
            known[1] *= 1.0 - 2.0 / (rules.atr_span + 1.0)
            continue
        before[at, 0], before[at, 1] = known[0], known[1]
        at += 1
        if why[t] != 0 and released[t] == NEVER:
            still = why[t] & LIVE or _against(high[t], low[t], close[t], known)
            if t == now and not still:
                # It was never kept from any day.
                why[t] = 0
            elif t == first or not still:
                released[t] = now
        is_believed = why[t] == 0 or released[t] != NEVER
        _take(is_believed, high[t], low[t], close[t], rules.atr_span, known)


# -- what windows see ----------------------------------------------------------------------


def _without_quarantined(bars: Bars, why: IntArray, released: IntArray) -> BelievedBars:
    """Return the bars with what is not believed as flat ones, one column per view."""
    views: list[tuple[int, int]] = [(j, NEVER - 1) for j in range(len(bars.tickers))]
    earlier: list[Earlier] = []
    for j in range(len(bars.tickers)):
        begin = 0
        for row in np.unique(released[j][released[j] < NEVER]).tolist():
            earlier.append(Earlier(j, len(views), begin, row))
            views.append((j, row - 1))
            begin = row
    columns = [_column(bars, j, (why[j] != 0) & (released[j] > seen)) for j, seen in views]
    values = np.stack([column.values for column in columns], axis=1)
    present = np.stack([column.present for column in columns])
    recovering = np.stack([column.recovering for column in columns])
    for k, (j, seen) in enumerate(views):
        for row in np.unique(released[j][released[j] <= seen]).tolist():
            recovering[k, row : row + BARS_AFTER_LONG_GAP] = True
    believed = replace(
        bars,
        tickers=tuple(bars.tickers[j] for j, _ in views),
        **by_field(values),
        present=present.T,
        recovering=recovering.T,
        first_row=np.array([column.first for column in columns]),
        end_row=np.array([column.end for column in columns]),
    )
    listed = _listed(bars, why, released)
    mark = tuple((j, t, why[j, t], released[j, t]) for j, t in np.argwhere(why != 0).tolist())
    return BelievedBars(believed, tuple(earlier), listed, mark)


class _Column(NamedTuple):
    """One ticker's bars [field, row] as some view holds them."""

    values: FloatArray
    present: BoolArray
    recovering: BoolArray
    first: int
    end: int


def _column(bars: Bars, j: int, is_missing: BoolArray) -> _Column:
    values = np.array([getattr(bars, name)[:, j] for name in FIELDS])
    present = np.ascontiguousarray(bars.present[:, j])
    if not is_missing.any():
        first, end = int(bars.first_row[j]), int(bars.end_row[j])
        return _Column(values, present, bars.recovering[:, j].copy(), first, end)
    present = present & ~is_missing
    first, end = fill_flat(values, present)
    recovering = np.zeros_like(present)
    mark_recovery(present, first, recovering)
    return _Column(values, present, recovering, first, end)


def _listed(bars: Bars, why: IntArray, released: IntArray) -> tuple[Quarantined, ...]:
    listed = []
    for j, t in np.argwhere(why != 0).tolist():
        against, row = int(why[j, t]), int(released[j, t])
        listed.append(
            Quarantined(
                ticker=bars.tickers[j],
                day=bars.days[t].date() - dt.timedelta(days=1),
                close=float(bars.close[t, j]),
                why="; ".join(words for flag, words in _WORDS.items() if against & flag),
                until=bars.days[row].date() if row < NEVER else None,
                is_by_live_price=bool(against & LIVE),
            )
        )
    return tuple(listed)

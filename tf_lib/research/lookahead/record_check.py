"""
Look-ahead behind the decision: each day's record of a backtest against runs that end with it.

`tf_lib.research.lookahead.backtest_check` compares what a day decides. What becomes of it can know
the future as well: at which price an order fills, whether a stop fires, what the closing equity is.
So everything that a backtest has written down by the close of a day, what it holds then, and the
statistics made of it must be the same, bit for bit, when the bars after that day are cut off, when
they are noise, and when the backtest goes on over them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.model.records import Product
from tf_lib.errors import BarsError
from tf_lib.parameters import Config
from tf_lib.research.backtest.history import History
from tf_lib.research.backtest.run_backtest import BacktestResult, backtest
from tf_lib.research.lookahead.futures import Candles, Futures
from tf_lib.research.lookahead.lookahead_proof import (
    COLUMNS,
    EVERY_TICKER,
    LookaheadProof,
    Progress,
    bits_differ,
)
from tf_lib.research.lookahead.record_fields import (
    Dated,
    Written,
    fills_of,
    is_same_tape,
    state_of,
    statistics_of,
    tape_of,
    written,
)

CUT_AFTER, NOISE_AFTER, GOES_ON = (
    "bars after the day cut off",
    "bars after the day are noise",
    "the backtest goes on",
)
FIRST_DAY = "first_day"
STATISTICS_DAYS = 25
"""On at most so many of the days that are checked are all statistics made anew."""


class Difference(NamedTuple):
    """One field where it first differs: day, ticker, name, and both values."""

    day: dt.date
    ticker: str
    field: str
    with_future: Any
    without_future: Any


def prove_record(
    candles: Candles,
    config: Config,
    *,
    products: Mapping[str, Product] | None = None,
    every_days: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> LookaheadProof:
    """
    Compare the record of each day with that of backtests that know nothing after the day.

    A run that ends on a day is compared on *all* days up to it, so a leak that reaches far shows on
    the run of an earlier day, too. Of the bars a run does not share, only those after its last day
    differ; so a difference says that its day's record depends on later bars.

    Parameters
    ----------
    candles : mapping of ticker to DataFrame
        As `tf_lib.core.candles.bars.lag_bars` takes them.
    config : Config
        Its range does not matter: every day that can be decided is run.
    products : mapping of ticker to Product, optional
        What is missing comes from the built-in table.
    every_days : int
        End a run on one day in so many, always on the last; 1 on all.
    seed : int
        Of the noise that replaces the future.
    progress : callable (days checked, days to check), optional

    Returns
    -------
    LookaheadProof
        One difference per run and field: the first day and product on which it differs.

    Raises
    ------
    BarsError
        If no day can be decided.
    """
    runs = _Runs(candles, config, products, Futures(candles, seed))
    whole = runs.over(candles, dt.date.max)
    traded = set().union(*(frame.index for frame in candles.values()))
    days = [stamp.date() for stamp in whole.days if stamp in traded]
    checked = days[::-1][::every_days][::-1]
    with_statistics = set(checked[::-1][:: -(-len(checked) // STATISTICS_DAYS)])
    comparison, all_days = Comparison(), written(whole, with_statistics=True)
    _compare_first_day(comparison, runs, whole.days[0].date())
    for number, day in enumerate(checked):
        is_told = day in with_statistics
        ended = written(runs.over(candles, day, whole.history), with_statistics=is_told)
        comparison.prefix(GOES_ON, all_days, ended)
        for test, its in runs.ignorant_of(day):
            if its is None:
                comparison.note(test, Difference(day, EVERY_TICKER, FIRST_DAY, day, None))
                continue
            comparison.prefix(test, ended, written(its, with_statistics=is_told))
            comparison.end(test, ended.result, its, with_statistics=is_told)
        if progress is not None:
            progress(number + 1, len(checked))
    return comparison.proof(len(whole.days), len(checked))


@dataclass(frozen=True)
class _Runs:
    """Backtests with the same parameters, from candles with another future."""

    candles: Candles
    config: Config
    products: Mapping[str, Product] | None
    futures: Futures

    def over(self, its: Candles, last: dt.date, history: History | None = None) -> BacktestResult:
        return backtest(
            its,
            self.config,
            products=self.products,
            start=dt.date.min,
            end=last,
            precomputed=history,
        )

    def ignorant_of(self, day: dt.date) -> Iterator[tuple[str, BacktestResult | None]]:
        """Yield runs through a day that know nothing after it; None where no day can be decided."""
        for test, its in (
            (CUT_AFTER, self.futures.through(day)),
            (NOISE_AFTER, self.futures.noise_after(day)),
        ):
            try:
                yield test, self.over(its, day)
            except BarsError:
                yield test, None


def _compare_first_day(comparison: Comparison, runs: _Runs, first: dt.date) -> None:
    """Before the first day nothing can be decided, with or without a future."""
    for test, early in runs.ignorant_of(first - dt.timedelta(days=1)):
        if early is not None:
            pair = first, early.days[0].date()
            comparison.note(test, Difference(min(pair), EVERY_TICKER, FIRST_DAY, *pair))


class Comparison:
    """What was compared of pairs of backtests, and what differed."""

    def __init__(self) -> None:
        self._found: list[tuple[Any, ...]] = []
        self._fields: dict[str, None] = {FIRST_DAY: None}
        self._n_values = self._tape_fields = 0

    def proof(self, n_days: int, n_days_checked: int) -> LookaheadProof:
        """Return what came of it."""
        table = pd.DataFrame(self._found, columns=COLUMNS)
        return LookaheadProof(table, tuple(self._fields), n_days, n_days_checked, self._n_values)

    def note(self, test: str, one: Difference) -> None:
        """Write one difference down."""
        self._found.append((one.day, one.ticker, one.field, test, *one[3:]))

    def prefix(self, test: str, known: Written, got: Written) -> None:
        """Compare what both have of the days that both have."""
        one, other = known.result, got.result
        self._n_values += 1
        if one.days[0] != other.days[0]:
            pair = one.days[0].date(), other.days[0].date()
            self.note(test, Difference(min(pair), EVERY_TICKER, FIRST_DAY, *pair))
            return
        n_days = min(len(one.days), len(other.days))
        if self._tape_fields and is_same_tape(one, other, n_days):
            self._n_values += n_days * self._tape_fields
        else:
            before = self._n_values
            self._dated(test, one, tape_of(one, n_days), tape_of(other, n_days))
            self._tape_fields = (self._n_values - before) // n_days
        self._fills(test, one, fills_of(one, n_days), fills_of(other, n_days))
        if known.statistics and got.statistics:
            rows = (
                {name: v[:n_days] for name, v in its.statistics.items()} for its in (known, got)
            )
            self._dated(test, one, *rows)

    def end(
        self, test: str, one: BacktestResult, other: BacktestResult, *, with_statistics: bool
    ) -> None:
        """Compare what two backtests that end on the same day hold then, and their statistics."""
        if one.days[0] != other.days[0]:
            return
        last = [one.days[-1].date()]
        for field, value in self._unequal(state_of(one), state_of(other)):
            self._first(test, field, last, one.tickers, value)
        made = (statistics_of(its, in_full=with_statistics) for its in (one, other))
        for field, value in self._unequal(*made):
            self._first(test, field, last, (EVERY_TICKER,), value)

    def _dated(self, test: str, run: BacktestResult, one: Dated, other: Dated) -> None:
        for field, value in self._unequal(one, other):
            tickers = run.tickers if value[0].ndim > 1 else (EVERY_TICKER,)
            self._first(test, field, run.days, tickers, value)

    def _unequal(
        self, one: Dated, other: Dated
    ) -> Iterator[tuple[str, tuple[FloatArray, FloatArray]]]:
        """Yield the fields that are not the same, with both values."""
        for field, value in one.items():
            self._fields[field] = None
            self._n_values += value.size
            got = other.get(field)
            if got is None or got.shape != value.shape:
                got = np.full_like(value, np.nan)
            if bits_differ(value, got).any():
                yield field, (value, got)

    def _first(
        self,
        test: str,
        field: str,
        days: Any,
        tickers: tuple[str, ...],
        pair: tuple[FloatArray, FloatArray],
    ) -> None:
        """Write down where two values of one shape, [day,] [ticker, ...], first differ."""
        shape = (len(pair[0]) if len(days) > 1 else 1, len(tickers), -1)
        with_future, without_future = (value.reshape(shape) for value in pair)
        at = tuple(np.argwhere(bits_differ(with_future, without_future))[0])
        day = pd.Timestamp(days[at[0]]).date()
        values = with_future[at], without_future[at]
        self.note(test, Difference(day, tickers[at[1]], field, *values))

    def _fills(self, test: str, run: BacktestResult, one: Any, other: Any) -> None:
        """Compare fills in their order; the first one that is not in both is named as one."""
        names = [name for name in one.dtype.names if name not in ("row", "ticker")]
        self._fields |= dict.fromkeys(["fill", *(f"fill_{name}" for name in names)])
        self._n_values += one.size * len(one.dtype.names)
        if one.tobytes() == other.tobytes():
            return
        both = min(one.size, other.size)
        apart = np.flatnonzero(one[:both] != other[:both])
        k = int(apart[0]) if apart.size else both
        a, b = (fills[k] if k < fills.size else None for fills in (one, other))
        if a is None or b is None or (a["row"], a["ticker"]) != (b["row"], b["ticker"]):
            first = min((fill for fill in (a, b) if fill is not None), key=lambda fill: fill["row"])
            day, ticker = run.history.day(int(first["row"])), run.tickers[first["ticker"]]
            said = ["no fill" if fill is not first else _in_words(fill) for fill in (a, b)]
            self.note(test, Difference(day, ticker, "fill", *said))
            return
        day, ticker = run.history.day(int(a["row"])), run.tickers[a["ticker"]]
        for name in names:
            if a[name] != b[name]:
                values = a[name].item(), b[name].item()
                self.note(test, Difference(day, ticker, f"fill_{name}", *values))


def _in_words(fill: Any) -> str:
    return f"{'bought' if fill['lots'] > 0 else 'sold'} at {fill['price']}"

"""
Look-ahead: a proof that no value of a day depends on anything later.

For every column and every day, the value computed from the whole history must equal, bit for
bit, the value computed when the day's future is cut off, when it is replaced by noise, and when
an unfinished bar of the day itself is there. A second question is asked of the other end: how
much would decisions change had the history begun later.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tf_lib.core.candles.bars import lag_bars
from tf_lib.core.decision import covariance_at, sized_signal
from tf_lib.core.jit.arrays import BoolArray, FloatArray
from tf_lib.core.model.records import PortfolioState
from tf_lib.core.signals.columns import Signals, signals
from tf_lib.core.sizing.weights import size_positions
from tf_lib.errors import BarsError
from tf_lib.parameters import Config

Candles = Mapping[str, pd.DataFrame]
CUT, NOISE, UNFINISHED = "future cut off", "future is noise", "unfinished bar of today"
COMPARED_DAYS = 180
NOISE_DAYS = 60
_NOISE_OF_LOG_PRICE = 0.5
_SHOWN = 20


class Seen(Protocol):
    """What some function made of candles: named values per day, each by ticker."""

    @property
    def tickers(self) -> tuple[str, ...]:
        """The tickers the first axis of every value stands for."""

    def row(self, day: dt.date) -> Mapping[str, FloatArray]:
        """Return every value known on one day, each of shape (n_tickers, ...)."""


# From candles to what is known on each day through the last one to decide.
Compute = Callable[[Candles, dt.date], Seen]
Progress = Callable[[int, int], None]
# Tests of one day: name, what is expected by column, and what came of it without the future.
Beside = list[tuple[str, Mapping[str, FloatArray], Mapping[str, FloatArray]]]


@dataclass(frozen=True)
class StrategyView:
    """Everything the strategy knows on each day: columns, returns, covariance, weights."""

    known: Signals
    config: Config

    @property
    def tickers(self) -> tuple[str, ...]:
        """The tickers by name."""
        return self.known.tickers

    def row(self, day: dt.date) -> dict[str, FloatArray]:
        """Return one day's values, as an empty portfolio sees them."""
        at = self.known.row_of(day)
        matrix = covariance_at(self.known, self.config, as_of=day)
        signal = sized_signal(self.known, day, PortfolioState(cash=0.0))
        final = self.known["final_signal"][at]
        sizing = size_positions(signal, matrix, self.config, final_signal=final)
        return {
            **self.known.row(day),
            "data_ok": self.known.data_ok[at].astype(np.float64),
            "simple_return": self.known.simple_return[at].copy(),
            "covariance": matrix,
            "risk_budget_weight": sizing.risk_budget_weight,
            "target_weight": sizing.target_weight,
        }


def strategy_compute(config: Config) -> Compute:
    """Return the function under proof: the signals and weights the daily run uses."""

    def compute(candles: Candles, as_of: dt.date) -> StrategyView:
        return StrategyView(signals(lag_bars(candles, as_of=as_of), config), config)

    return compute


@dataclass(frozen=True)
class LookaheadProof:
    """
    The outcome of the proof.

    Attributes
    ----------
    differences : DataFrame
        One row per value that changed: day, ticker, column, test, with_future, without_future.
    columns : tuple of str
        What was compared.
    n_days, n_days_checked : int
        Days there are, and days that were checked.
    n_values : int
        Comparisons made.
    """

    differences: pd.DataFrame
    columns: tuple[str, ...]
    n_days: int
    n_days_checked: int
    n_values: int

    @property
    def passed(self) -> bool:
        """Whether nothing depends on the future."""
        return self.differences.empty

    @property
    def leaking_columns(self) -> tuple[str, ...]:
        """The columns that changed, by name."""
        return tuple(sorted(set(self.differences["column"])))


def prove_no_lookahead(
    candles: Candles,
    compute: Compute,
    *,
    every_days: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> LookaheadProof:
    """
    Compare each day's values with and without its future.

    Parameters
    ----------
    candles : mapping of ticker to DataFrame
        As `tf_lib.core.candles.bars.lag_bars` takes them.
    compute : callable (candles, as_of) -> Seen
        The function under proof; `strategy_compute` for the strategy's own.
    every_days : int
        Check one day in so many, always with the last; 1 checks all.
    seed : int
        Of the noise that replaces the future.
    progress : callable (days checked, days to check), optional
    """
    days = _days(candles)
    noise = noise_of(candles, seed)
    whole = compute(candles, days[-1])

    def beside(day: dt.date) -> Beside:
        expected = whole.row(day)
        seen = _without_future(candles, noise, day, compute)
        return [(test, expected, its.row(day)) for test, its in seen]

    checked = days[::-1][::every_days][::-1]
    return compared(beside, checked, whole.tickers, n_days=len(days), progress=progress)


def compared(
    beside: Callable[[dt.date], Beside],
    checked: Sequence[dt.date],
    tickers: tuple[str, ...],
    *,
    n_days: int,
    progress: Progress | None,
) -> LookaheadProof:
    """Compare bit for bit, on each day that is checked, what was expected with what came of it."""
    found: list[tuple[Any, ...]] = []
    columns: tuple[str, ...] = ()
    n_values = 0
    for number, day in enumerate(checked):
        tests = beside(day)
        columns = tuple(tests[0][1])
        for test, expected, got in tests:
            n_values += sum(value.size for value in expected.values())
            for column, value in expected.items():
                for position in np.argwhere(_bits_differ(value, got[column])):
                    at = tuple(position)
                    pair = value[at], got[column][at]
                    found.append((day, tickers[at[0]], column, test, *pair))
        if progress is not None:
            progress(number + 1, len(checked))
    table = pd.DataFrame(found, columns=_COLUMNS)
    return LookaheadProof(table, columns, n_days, len(checked), n_values)


_COLUMNS = ["day", "ticker", "column", "test", "with_future", "without_future"]


def _without_future(
    candles: Candles, noise: Candles, day: dt.date, compute: Compute
) -> list[tuple[str, Seen]]:
    """Compute with the future of `day` cut off, made of noise, and with a bar of `day` itself."""
    past = {ticker: before(frame, day) for ticker, frame in candles.items()}
    later = {ticker: since(noise[ticker], day).iloc[:NOISE_DAYS] for ticker in candles}
    noisy = {ticker: pd.concat([past[ticker], later[ticker]]) for ticker in candles}
    half_done = {ticker: noisy[ticker].iloc[: len(past[ticker]) + 1] for ticker in candles}
    return [
        (CUT, compute(past, day)),
        (NOISE, compute(noisy, day + dt.timedelta(days=NOISE_DAYS))),
        (UNFINISHED, compute(half_done, day)),
    ]


def _bits_differ(one: FloatArray, other: FloatArray) -> BoolArray:
    """Compare bit for bit; undefined equals undefined."""
    a, b = np.ascontiguousarray(one), np.ascontiguousarray(other)
    differ: BoolArray = a.view(np.int64) != b.view(np.int64)
    return differ & ~(np.isnan(a) & np.isnan(b))


def _days(candles: Candles) -> list[dt.date]:
    """Days that can be decided: from the one after the first bar through the one after the last."""
    opens = [frame.index for frame in candles.values() if len(frame)]
    if not opens:
        raise BarsError("there are no candles to prove anything on")
    first = min(index[0] for index in opens).date()
    last = max(index[-1] for index in opens).date()
    return [first + dt.timedelta(days=k) for k in range(1, (last - first).days + 2)]


def before(frame: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    """Return the bars before a day."""
    return frame.iloc[: frame.index.searchsorted(pd.Timestamp(day, tz="UTC"))]


def since(frame: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    """Return the bars of a day and later."""
    return frame.iloc[frame.index.searchsorted(pd.Timestamp(day, tz="UTC")) :]


def noise_of(candles: Candles, seed: int) -> dict[str, pd.DataFrame]:
    """Return wild but consistent candles on the same days."""
    random = np.random.default_rng(seed)
    made = {}
    for ticker in sorted(candles):
        frame = candles[ticker]
        shape = (2, len(frame))
        prices = frame["close"].to_numpy() * np.exp(random.normal(0, _NOISE_OF_LOG_PRICE, shape))
        spread = np.exp(np.abs(random.normal(0, _NOISE_OF_LOG_PRICE, shape)))
        values = {
            "open": prices[0],
            "high": prices.max(axis=0) * spread[0],
            "low": prices.min(axis=0) / spread[1],
            "close": prices[1],
            "volume": random.uniform(0, 1e6, len(frame)),
        }
        made[ticker] = pd.DataFrame(values, index=frame.index)
    return made


def warm_up_table(
    candles: Candles, compute: Compute, *, days_later: Sequence[int], names: Sequence[str]
) -> pd.DataFrame:
    """
    Say how much the last days' values change when every history begins some days later.

    Parameters
    ----------
    days_later : sequence of int
        How many of its first bars each ticker loses.
    names : sequence of str
        Values to compare, such as ``final_signal``.

    Returns
    -------
    DataFrame
        One row per start: days_later, fewest_bars, and the largest absolute change of each value
        over the last 180 days; an undefined value counts as 0.
    """
    days = _days(candles)[-COMPARED_DAYS:]
    whole = compute(candles, days[-1])
    rows = []
    for skipped in days_later:
        kept = {ticker: frame.iloc[skipped:] for ticker, frame in candles.items()}
        shorter = compute(kept, days[-1])
        changes = dict.fromkeys(names, 0.0)
        for day in days:
            one, other = whole.row(day), shorter.row(day)
            for name in names:
                gap = np.abs(np.nan_to_num(one[name]) - np.nan_to_num(other[name])).max()
                changes[name] = max(changes[name], float(gap))
        fewest = min(len(before(frame, days[0])) for frame in kept.values())
        rows.append({"days_later": skipped, "fewest_bars": fewest, **changes})
    return pd.DataFrame(rows)


def lookahead_report(proof: LookaheadProof, warm_up: pd.DataFrame) -> str:
    """Return the proof and the warm-up table as text."""
    about = (
        f"start of history: largest change over the last {COMPARED_DAYS} days when every history\n"
        "begins some days later (recursive averages fade, they never quite forget)"
    )
    return report("look-ahead", proof, (CUT, NOISE, UNFINISHED), (about, warm_up))


def report(
    title: str, proof: LookaheadProof, tests: Sequence[str], start: tuple[str, pd.DataFrame]
) -> str:
    """Return what was proven, what was found against it, and what the start of history does."""
    lines = [
        f"{title}: {'none found' if proof.passed else 'FOUND'}",
        f"  {proof.n_days_checked} of {proof.n_days} days checked, {len(proof.columns)} columns, "
        f"{proof.n_values} comparisons bit for bit",
        f"  tests: {'; '.join(tests)}",
        f"  columns: {', '.join(proof.columns)}",
    ]
    if not proof.passed:
        first = proof.differences.iloc[0]
        lines += [
            f"  first: {first['day']} {first['ticker']} {first['column']} ({first['test']})",
            f"  {len(proof.differences)} values differ, in {', '.join(proof.leaking_columns)}:",
            proof.differences.head(_SHOWN).to_string(index=False),
        ]
    about, table = start
    shown = table.to_string(index=False) if len(table) else "  not enough history to say"
    return "\n".join([*lines, "", about, shown]) + "\n"

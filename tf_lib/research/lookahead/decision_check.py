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
from typing import Protocol

import numpy as np
import pandas as pd

from tf_lib.core.candles.bars import lag_bars
from tf_lib.core.decision import covariance_at, sized_signal
from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.model.records import PortfolioState
from tf_lib.core.signals.columns import Signals, signals
from tf_lib.core.sizing.weights import size_positions
from tf_lib.errors import BarsError
from tf_lib.parameters import Config
from tf_lib.research.lookahead.futures import NOISE_DAYS, Candles, Futures
from tf_lib.research.lookahead.lookahead_proof import (
    Beside,
    LookaheadProof,
    Progress,
    compared,
)

CUT, NOISE, UNFINISHED = "future cut off", "future is noise", "unfinished bar of today"
COMPARED_DAYS = 180


class Seen(Protocol):
    """What some function made of candles: named values per day, each by ticker."""

    @property
    def tickers(self) -> tuple[str, ...]:
        """The tickers the first axis of every value stands for."""

    def row(self, day: dt.date) -> Mapping[str, FloatArray]:
        """Return every value known on one day, each of shape (n_tickers, ...)."""


# From candles to what is known on each day through the last one to decide.
Compute = Callable[[Candles, dt.date], Seen]


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
    futures = Futures(candles, seed)
    whole = compute(candles, days[-1])

    def beside(day: dt.date) -> Beside:
        expected = whole.row(day)
        seen = _without_future(futures, day, compute)
        return [(test, expected, its.row(day)) for test, its in seen]

    checked = days[::-1][::every_days][::-1]
    return compared(beside, checked, whole.tickers, n_days=len(days), progress=progress)


def _without_future(futures: Futures, day: dt.date, compute: Compute) -> list[tuple[str, Seen]]:
    """Compute with the future of `day` cut off, made of noise, and with a bar of `day` itself."""
    return [
        (CUT, compute(futures.before(day), day)),
        (NOISE, compute(futures.noise_from(day), day + dt.timedelta(days=NOISE_DAYS))),
        (UNFINISHED, compute(futures.noise_from(day, noise_days=1), day)),
    ]


def _days(candles: Candles) -> list[dt.date]:
    """Days that can be decided: from the one after the first bar through the one after the last."""
    opens = [frame.index for frame in candles.values() if len(frame)]
    if not opens:
        raise BarsError("there are no candles to prove anything on")
    first = min(index[0] for index in opens).date()
    last = max(index[-1] for index in opens).date()
    return [first + dt.timedelta(days=k) for k in range(1, (last - first).days + 2)]


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
    first = pd.Timestamp(days[0], tz="UTC")
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
        fewest = min(int(frame.index.searchsorted(first)) for frame in kept.values())
        rows.append({"days_later": skipped, "fewest_bars": fewest, **changes})
    return pd.DataFrame(rows)

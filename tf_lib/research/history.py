"""
History: bars and signals laid out for the day loop, once for all parameter sets that share them.

First stage of research (candles -> *history* -> book -> result). Row D knows the bars through
D - 1; the prices of a row are those of day D itself, which the day's orders and stops meet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tf_lib.core.arrays import BoolArray, FloatArray
from tf_lib.core.components import Memo
from tf_lib.core.market import Bars, lag_bars
from tf_lib.core.signals import Signals, signals
from tf_lib.errors import BarsError
from tf_lib.parameters import Config
from tf_lib.research.book_records import ATR, CLOSE, OPEN, Market

Candles = Mapping[str, pd.DataFrame]
_NO_CANDLES = pd.DataFrame(columns=["open", "high", "low", "close", "volume"], dtype="float64")


@dataclass(frozen=True)
class History:
    """
    Bars, what signals say of them, and both as the loop reads them.

    Attributes
    ----------
    bars : Bars
        Lagged; the last row is the day after the last bar, which no backtest can live through.
    known : Signals
        On the same grid.
    market : Market
        Arrays [row, ticker] of the rows that have a day.
    """

    bars: Bars
    known: Signals
    market: Market

    @property
    def tickers(self) -> tuple[str, ...]:
        """By name."""
        return self.bars.tickers

    @property
    def n_days(self) -> int:
        """Days with prices, from the second bar's on."""
        return len(self.market.bars)

    @property
    def opens(self) -> FloatArray:
        """Each day's own open, [row, ticker]."""
        return self.market.bars[:, OPEN]

    @property
    def closes(self) -> FloatArray:
        """Each day's own close, [row, ticker]."""
        return self.market.bars[:, CLOSE]

    @property
    def atr(self) -> FloatArray:
        """Average true range as known when each day begins, [row, ticker]."""
        return self.market.known[:, ATR]

    def day(self, row: int) -> dt.date:
        """Return the day of a row."""
        return self.bars.days[row].date()

    def rows(self, start: dt.date, end: dt.date, *, warmup_days: int) -> tuple[int, int]:
        """
        Return the rows [first, end) of a span, clipped to the days that can be decided.

        Raises
        ------
        BarsError
            If the span and the data have no day in common on which some ticker has
            `warmup_days` days of history.
        """
        first_day = self.day(0)
        enough = (self.known.history_bars[: self.n_days] >= warmup_days).any(axis=1)
        decidable = int(enough.argmax()) if enough.any() else self.n_days
        first = max((start - first_day).days, decidable)
        stop = min((end - first_day).days + 1, self.n_days)
        if first >= stop:
            what = (
                f"days {self.day(decidable)} to {self.day(self.n_days - 1)} can be decided"
                if decidable < self.n_days
                else f"no day can be decided: no ticker has {warmup_days} bars (run.warmup_days)"
            )
            raise BarsError(f"the span {start} to {end} has no day in common with the data: {what}")
        return first, stop


def history_of(candles: Candles | Bars, config: Config, *, memo: Memo | None = None) -> History:
    """
    Return bars and signals of a config's tickers for backtests.

    Parameters
    ----------
    candles : mapping of ticker to DataFrame, or Bars
        Daily bars; a ticker that is absent has no history. Lagged bars are used as they are.
    config : Config
    memo : mutable mapping, optional
        Keeps components of signals, for calls with the same bars (`tf_lib.core.signals.signals`).
    """
    bars = candles if isinstance(candles, Bars) else _lagged(candles, config)
    bars = bars.select(config.universe.sorted_tickers)
    if len(bars.days) < 2:
        raise BarsError(f"a backtest needs at least two days of bars, there is {len(bars.days)}")
    known = signals(bars, config, memo=memo)
    return History(bars, known, _market(bars, known))


def _lagged(candles: Candles, config: Config) -> Bars:
    tickers = config.universe.sorted_tickers
    return lag_bars({ticker: candles.get(ticker, _NO_CANDLES) for ticker in tickers})


def _own_bars(bars: Bars) -> FloatArray:
    """Return each day's own bar; after a ticker's last one its price stands still."""
    grid = _side_by_side([field[1:] for field in (bars.open, bars.high, bars.low, bars.close)])
    for j in np.flatnonzero((bars.end_row < len(bars.days)) & (bars.end_row > bars.first_row)):
        last = bars.end_row[j] - 1
        grid[last:, :, j] = bars.close[last, j]
    return grid


def _side_by_side(fields: Sequence[FloatArray | BoolArray]) -> FloatArray:
    """Return fields [row, ticker] as [row, field, ticker], a day's numbers next to each other."""
    grid = np.empty((len(fields[0]), len(fields), fields[0].shape[1]))
    for k, field in enumerate(fields):
        grid[:, k] = field
    return grid


def _market(bars: Bars, known: Signals) -> Market:
    names = ("vol_adjusted_signal", "chandelier_stop", "atr", "close")
    return Market(
        bars=_own_bars(bars),
        known=_side_by_side([*(known[name][:-1] for name in names), known.data_ok[:-1]]),
        returns=np.ascontiguousarray(known.simple_return[:-1].T),
    )

"""
History: bars and signals laid out for the day loop, once for all parameter sets that share them.

First stage of research (candles -> *history* -> day loop -> result). Row D knows the bars through
D - 1; the prices of a row are those of day D itself, which the day's orders and stops meet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tf_lib.core.candles.bars import Bars, lag_bars
from tf_lib.core.candles.quarantine import NO_DOUBTS, Doubts
from tf_lib.core.jit.arrays import FloatArray, IntArray, kernel
from tf_lib.core.signals.columns import Signals, signals
from tf_lib.core.signals.components import Memo
from tf_lib.core.signals.grids import ROWS_AT_ONCE
from tf_lib.errors import BarsError
from tf_lib.parameters import Config
from tf_lib.research.backtest.loop_records import (
    ATR,
    CLOSE,
    FINAL_SIGNAL,
    IS_OK,
    LAST_CLOSE,
    LEVEL,
    OPEN,
    SIGNAL,
    MarketArrays,
    ShorterCandles,
)
from tf_lib.research.backtest.shorter_candles import NO_INTRADAY, Intraday, with_shorter

Candles = Mapping[str, pd.DataFrame]
_COLUMNS = {
    "vol_adjusted_signal": SIGNAL,
    "atr": ATR,
    "close": LAST_CLOSE,
    "final_signal": FINAL_SIGNAL,
}
_NO_CANDLES = pd.DataFrame(columns=["open", "high", "low", "close", "volume"], dtype="float64")


@dataclass(frozen=True)
class History:
    """
    Bars, what signals say of them, and both as the loop reads them.

    Attributes
    ----------
    bars : Bars
        Lagged; the last row is the day after the last bar, which no backtest can run.
    known : Signals
        On the same grid.
    market : Market
        Arrays [row, ticker] of the rows that have a day.
    """

    bars: Bars
    known: Signals
    market: MarketArrays

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
        Return the rows [first, end) of a date range, clipped to the days that can be decided.

        Raises
        ------
        BarsError
            If the span and the data have no day in common on which some ticker has
            `warmup_days` days of history.
        """
        first_day = self.day(0)
        enough = (self.known.history_bars.T[:, : self.n_days] >= warmup_days).any(axis=0)
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


def history_of(
    candles: Candles | Bars,
    config: Config,
    *,
    memo: Memo | None = None,
    since: dt.date = dt.date.min,
    doubts: Doubts = NO_DOUBTS,
    intraday: Intraday = NO_INTRADAY,
) -> History:
    """
    Return bars and signals of a config's tickers for backtests.

    Parameters
    ----------
    candles : mapping of ticker to DataFrame, or Bars
        Daily bars; a ticker that is absent has no history. Lagged bars are used as they are.
    config : Config
    memo : mutable mapping, optional
        Keeps components of signals, for calls with the same bars
        (`tf_lib.core.signals.columns.signals`).
    since : date
        The first day that is run: no run held a close against the price before it.
    doubts : mapping, optional
        Closes that were not believed before `since` because of the live price.
    intraday : mapping of ticker to IntradayBars, optional
        Shorter candles; on days that have them they say in which order prices came.
    """
    bars = candles if isinstance(candles, Bars) else _lagged(candles, config)
    bars = bars.select(config.universe.sorted_tickers)
    if len(bars.days) < 2:
        raise BarsError(f"a backtest needs at least two days of bars, there is {len(bars.days)}")
    own, shorter = with_shorter(bars, _own_bars(bars), intraday)
    live = opening_prices(bars, since)
    if shorter.rows.size:
        # What is not known yet stays so.
        live[:-1] = np.where(np.isnan(live[:-1]), np.nan, own[:, OPEN])
    known = signals(bars, config, memo=memo, live=live, doubts=doubts)
    return History(bars, known, _market(bars, known, own, shorter))


def _lagged(candles: Candles, config: Config) -> Bars:
    tickers = config.universe.sorted_tickers
    return lag_bars({ticker: candles.get(ticker, _NO_CANDLES) for ticker in tickers})


def opening_prices(bars: Bars, since: dt.date = dt.date.min) -> FloatArray:
    """
    Return each day's own open, [row, ticker]; NaN before `since` and on the last row.

    A day is planned at its open: that is the live price which yesterday's close is held against.
    """
    live = np.full(bars.open.T.shape, np.nan)
    first = max((since - bars.days[0].date()).days, 0)
    live[:, first:-1] = bars.open.T[:, first + 1 :]
    return live.T


def _own_bars(bars: Bars) -> FloatArray:
    """Return each day's own bar; after a ticker's last one its price stands still."""
    grid = np.empty((len(bars.days) - 1, 4, len(bars.tickers)))
    _fill_side_by_side(1, _by_ticker(bars.open, bars.high, bars.low, bars.close), grid)
    for j in np.flatnonzero((bars.end_row < len(bars.days)) & (bars.end_row > bars.first_row)):
        last = bars.end_row[j] - 1
        grid[last:, :, j] = bars.close[last, j]
    return grid


def _first_rows_without_price(bars: Bars) -> IntArray:
    """Return the row after each ticker's own last one, past all rows for those that go on."""
    is_over = (bars.end_row < len(bars.days)) & (bars.end_row > bars.first_row)
    ended: IntArray = np.where(is_over, bars.end_row - 1, len(bars.days))
    return ended


def _what_is_known(known: Signals) -> FloatArray:
    grid = np.empty((len(known.days) - 1, IS_OK + 1, len(known.tickers)))
    for name, field in (*_COLUMNS.items(), (known.stop.column, LEVEL)):
        known.values.write(name, grid[:, field])
    grid[:, IS_OK] = known.data_ok[:-1]
    return grid


def _by_ticker(*fields: FloatArray) -> tuple[FloatArray, ...]:
    return tuple(np.ascontiguousarray(field.T) for field in fields)


@kernel
def _fill_side_by_side(first: int, fields: tuple[FloatArray, ...], out: FloatArray) -> None:
    """Write fields [ticker, row], from row `first` on, as [row, field, ticker]."""
    n_rows, n_fields, n_tickers = out.shape
    for begin in range(0, n_rows, ROWS_AT_ONCE):
        end = min(begin + ROWS_AT_ONCE, n_rows)
        for k in range(n_fields):
            field = fields[k]
            for j in range(n_tickers):
                for t in range(begin, end):
                    out[t, k, j] = field[j, first + t]


def _market(bars: Bars, known: Signals, own: FloatArray, shorter: ShorterCandles) -> MarketArrays:
    return MarketArrays(
        bars=own,
        known=_what_is_known(known),
        returns=np.ascontiguousarray(known.simple_return.T),
        ended=_first_rows_without_price(bars),
        shorter=shorter,
    )

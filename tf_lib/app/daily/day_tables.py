"""Day tables: what a reader sees of a day's steps, as one table a step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tf_lib.core.candles.bars import Bars
from tf_lib.core.decision import Decision
from tf_lib.core.model.account import Account
from tf_lib.core.model.cooldown import is_cooling
from tf_lib.core.model.records import Reason
from tf_lib.core.model.run_rows import OrderRow, StopRow
from tf_lib.core.plan import NO_CANDLES

_SHOWN_ABOVE = ("data_ok", "current_notional", "target_notional", "reason")


def quality_table(bars: Bars, candles: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what there is of each ticker's history."""
    # A ticker that is not listed yet has no candle, and so no rows in the run's input.
    frames = {t: candles.get(t, NO_CANDLES) for t in bars.tickers}
    return pd.DataFrame(
        {
            "first_bar": [_shown_day(frames[t], 0) for t in bars.tickers],
            "last_bar": [_shown_day(frames[t], -1) for t in bars.tickers],
            "bars": bars.bar_counts,
            "has_yesterday": bars.present[-1],
            "gaps": [sum(gap.ticker == t for gap in bars.gaps) for t in bars.tickers],
        },
        index=pd.Index(bars.tickers, name="ticker"),
    )


def _shown_day(frame: pd.DataFrame, at: int) -> str:
    return "" if frame.empty else f"{frame.index[at]:%Y-%m-%d}"


@dataclass(frozen=True)
class Snapshot:
    """
    Holdings, decision and stop of each ticker at one moment of a day.

    Attributes
    ----------
    cooldown_days : int
        How long a cooldown lasts.
    orders : sequence of OrderRow
        What became of orders so far.
    stops : sequence of StopRow
        The last word on each product's protection so far.
    """

    account: Account
    decision: Decision
    cooldown_days: int
    orders: Sequence[OrderRow]
    stops: Sequence[StopRow]

    @property
    def table(self) -> pd.DataFrame:
        """One row per ticker."""
        decided = self.decision.to_mapping()["tickers"]
        rows = {ticker: self._row(ticker, row) for ticker, row in decided.items()}
        columns = {name: [row[name] for row in rows.values()] for name in next(iter(rows.values()))}
        return pd.DataFrame(columns, index=pd.Index(list(rows), name="ticker"))

    def _row(self, ticker: str, decided: Mapping[str, Any]) -> dict[str, Any]:
        holding = self.account.holding(ticker)
        quote = self.account.quotes.get(ticker)
        price = float(quote.mid) if quote is not None else decided["close"]
        level, todays = self._level(ticker), decided[self.decision.signals.stop.column]
        return {
            "stop_loss": float(level) if level is not None else todays,
            "cooldown_counter": self._cooldown_left(ticker),
            "event": self._event(ticker, decided["reason"]),
            "data_ok": float(decided["data_ok"]),
            "available": format(holding.available, "f"),
            "hold": format(holding.hold, "f"),
            "current_notional": float(holding.total) * price if price is not None else None,
            "target_notional": decided["target_notional"],
            "new_trade_notional": decided["trade_notional"],
            "reason": decided["reason"],
            **{k: v for k, v in decided.items() if k not in _SHOWN_ABOVE},
        }

    def _level(self, ticker: str) -> Any:
        for row in reversed(self.stops):
            if row["product"] == ticker:
                return row.get("resting_level")
        return self.account.open_stops.get(ticker)

    def _cooldown_left(self, ticker: str) -> int:
        day: dt.date = self.account.day
        starts = [self.account.cooldowns.get(ticker), self.decision.cooldowns_started.get(ticker)]
        start = max((one for one in starts if one is not None), default=None)
        if start is None or not is_cooling(start, day, days=self.cooldown_days):
            return 0
        return self.cooldown_days - (day - start).days

    def _event(self, ticker: str, reason: str) -> str:
        done = [row for row in self.orders if row["product_id"] == ticker]
        if done:
            return "; ".join(f"{row['leg']} {row['status']}" for row in done)
        return "cooldown started" if reason == Reason.STOP_BREACHED else ""

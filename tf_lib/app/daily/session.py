"""
Sessions: where a day's inputs come from, and which executor carries out its plan.

The sixteen steps (`tf_lib.app.daily.day`) know nothing but this. A live session trades; a dry one
reads live and previews; a recorded one reads a run folder and touches nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from tf_lib.core.candles.quarantine import Doubts
from tf_lib.core.model.account import Account
from tf_lib.core.model.records import Protection
from tf_lib.core.model.run_rows import ErrorRow, FillRow, OrderRow, ProtectionRow, StopRow
from tf_lib.core.orders.build import PlannedOrder
from tf_lib.core.signals.columns import Signals


class Session(Protocol):
    """What the steps need from the world."""

    mode: str
    problems: list[ErrorRow]

    def connect(self) -> dict[str, Any]:
        """Reach the exchange, check key, portfolio and clock; recover what was left open."""

    def candles(self) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
        """Return daily candles through the day before, and what was odd about them."""

    def account(self) -> Account:
        """Return holdings, prices, rules, fees and memory, read now."""

    def doubts(self) -> Doubts:
        """Return the bars that earlier runs did not believe because of the live price."""

    def note_doubts(self, known: Signals) -> None:
        """Remember the bars that are not believed, and say which stand in the way today."""

    def start_cooldown(self, ticker: str) -> None:
        """Remember that the gate found a ticker at or below its stop today."""

    def frozen_plan(self) -> dict[str, Any] | None:
        """Return the plan of an earlier attempt of this day, if it must be resumed."""

    def plan_attempt(self) -> int | None:
        """Return the day's attempt whose plan is carried out; None where no order follows."""

    def freeze(
        self, plan: dict[str, Any], protections: Mapping[str, Protection], now: dt.datetime
    ) -> None:
        """Make the plan the one that is carried out."""

    def sell(self, orders: Sequence[PlannedOrder]) -> list[OrderRow]:
        """Carry out the plan's sells, product by product."""

    def buy(self, orders: Sequence[PlannedOrder]) -> list[OrderRow]:
        """Carry out the plan's buys from cash that is there."""

    def close_dust(self, products: Sequence[str]) -> list[OrderRow]:
        """Close residuals of products whose target is zero, where that is allowed."""

    def refresh(self) -> Account:
        """Read the holdings again."""

    def clean_up(self) -> list[StopRow]:
        """Cancel stops that are left of positions that are really gone."""

    def protect(self) -> list[StopRow]:
        """Make sure that every held position rests under a stop."""

    def fills(self) -> list[FillRow]:
        """
        Return the filled orders of the past, oldest first: what the price charts mark.

        ``taken`` is true of what a stop or an emergency exit sold since the last run.
        """

    def protection(
        self, stops: list[StopRow], candles: Mapping[str, pd.DataFrame]
    ) -> list[ProtectionRow]:
        """Return the protection ledger: what each position's stop is worth."""

    def unprotected_seconds(self) -> dict[str, float]:
        """Return how long each position was without its stop today."""

    def complete(self) -> None:
        """Write that all effects of the day have happened."""

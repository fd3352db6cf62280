"""
The recorded session: a finished run looked at again, from its folder alone.

It has no client and no key. Inputs are read from ``inputs/``; what was traded and protected is
read from the logs. This is what a notebook gets that nobody armed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tf_lib.app.record.results import (
    FILLS_FILE,
    PROTECTION_FILE,
    last_stops,
    order_results,
    stop_results,
)
from tf_lib.app.record.run_inputs import account_from, candles_from
from tf_lib.core.candles.quarantine import NO_DOUBTS, Doubts
from tf_lib.core.model.account import Account
from tf_lib.core.model.records import Protection
from tf_lib.core.model.run_rows import ErrorRow, FillRow, OrderRow, ProtectionRow, StopRow
from tf_lib.core.orders.build import PlannedOrder
from tf_lib.core.signals.columns import Signals
from tf_lib.errors import StateError
from tf_lib.store.files import read_json_lines
from tf_lib.store.run_folder import RunFolder


class RecordedSession:
    """What the steps get of a run that is over; nothing is sent and nothing is written."""

    mode = "recorded"

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.problems: list[ErrorRow] = []

    def connect(self) -> dict[str, Any]:
        """Return what the run found when it reached the exchange."""
        for line in self.folder.logs.read("heartbeat"):
            if line.get("event") == "client_ready":
                return {k: v for k, v in line.items() if k not in ("at", "event")}
        raise StateError(
            f"{self.folder.path}: this run never reached the exchange; there is nothing to look at"
        )

    def candles(self) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
        """Return the candles that went into the decision."""
        return candles_from(self.folder), self.folder.read_json("inputs/data.json")

    def account(self) -> Account:
        """Return the account that went into the plan."""
        return account_from(self.folder)

    def doubts(self) -> Doubts:
        """Return what the run remembered of bars that were not believed."""
        if not (self.folder.path / "inputs/account.json").exists():
            return NO_DOUBTS
        return account_from(self.folder).doubts

    def note_doubts(self, known: Signals) -> None:
        """Do nothing: it was recorded by the run."""

    def start_cooldown(self, ticker: str) -> None:
        """Do nothing: it was recorded by the run."""

    def frozen_plan(self) -> dict[str, Any] | None:
        """Return nothing: the plan is computed anew from the inputs."""
        return None

    def plan_attempt(self) -> int | None:
        """Return nothing: no order follows."""
        return None

    def freeze(
        self, plan: dict[str, Any], protections: Mapping[str, Protection], now: dt.datetime
    ) -> None:
        """Do nothing: no order follows."""

    def sell(self, orders: Sequence[PlannedOrder]) -> list[OrderRow]:
        """Return the sells as they ended."""
        return self._results("order_submit", "SELL")

    def buy(self, orders: Sequence[PlannedOrder]) -> list[OrderRow]:
        """Return the buys as they ended."""
        return self._results("order_submit", "BUY")

    def close_dust(self, products: Sequence[str]) -> list[OrderRow]:
        """Return the dust orders as they ended."""
        return self._results("dust_submit", "SELL")

    def _results(self, name: str, side: str) -> list[OrderRow]:
        return [row for row in order_results(self.folder.logs, name) if row["side"] == side]

    def refresh(self) -> Account:
        """Return the account after the trades, or before them when the run never got there."""
        path = self.folder.path / "account_after.json"
        if not path.exists():
            return self.account()
        return Account.from_mapping(self.folder.read_json("account_after.json"))

    def clean_up(self) -> list[StopRow]:
        """Return the stops that were cancelled because their position was gone."""
        return [
            row for row in stop_results(self.folder.logs) if row["reason"] == "position is gone"
        ]

    def protect(self) -> list[StopRow]:
        """Return each product's last word on its protection."""
        last = last_stops(self.folder.logs)
        return [last[product] for product in sorted(last)]

    def fills(self) -> list[FillRow]:
        """Return the filled orders that the run knew of when it ended."""
        if not (self.folder.path / FILLS_FILE).exists():
            return []
        return list(self.folder.read_json(FILLS_FILE))

    def protection(
        self, stops: list[StopRow], candles: Mapping[str, pd.DataFrame]
    ) -> list[ProtectionRow]:
        """Return the protection ledger that the run wrote."""
        if not (self.folder.path / PROTECTION_FILE).exists():
            return []
        return list(self.folder.read_json(PROTECTION_FILE))

    def unprotected_seconds(self) -> dict[str, float]:
        """Return how long each position was without its stop, from the run's journal."""
        lines, _ = read_json_lines(self.folder.path / "journal.jsonl")
        seconds: dict[str, float] = {}
        since: dict[str, dt.datetime] = {}
        for line in lines:
            if line.get("kind") == "bare":
                since.setdefault(line["product"], dt.datetime.fromisoformat(line["since"]))
            elif line.get("kind") == "covered" and line["product"] in since:
                ended = dt.datetime.fromisoformat(line["at"])
                spent = (ended - since.pop(line["product"])).total_seconds()
                seconds[line["product"]] = seconds.get(line["product"], 0.0) + max(spent, 0.0)
        return {product: round(spent, 3) for product, spent in sorted(seconds.items())}

    def complete(self) -> None:
        """Do nothing."""

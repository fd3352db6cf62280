"""
The day's record: what a run's folder says of its decision, its account, and of what was done.

Read from files alone, so that it exists for a run that died half-way, for a dry run, and for a run
that is looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tf_lib.app.record.results import content_of, last_stops, order_results
from tf_lib.app.record.resumption import ACCOUNT, ACCOUNT_NOW
from tf_lib.core.model.impediments import Impediment
from tf_lib.core.model.run_rows import OrderRow, StopRow
from tf_lib.core.orders.lots_and_ticks import is_of_little_worth
from tf_lib.store.run_folder import RunFolder
from tf_lib.text.tickers import base_of

TRADES_COMPLETE = "this day's trades are complete; only its record was not finished"
"""Why a run that comes after them only protects: nothing of them is missing."""

DONE_STATUSES = ("done", "preview_ok", "would_cancel_first")
"""Of an order that was carried out, or would be."""

_FALLBACK_QUOTE_MIN = 1.0


@dataclass(frozen=True)
class DayRecord:
    """
    What a run's folder says of the decision, of the account, and of what was done.

    Attributes
    ----------
    decision : mapping
        As in plan.json; empty when the run never got there.
    account, after : mapping
        ``inputs/account.json``, and the account after the trades (else the same).
    notes : mapping of product to str
        Why a desired trade became no order; absent where it became one.
    planned : rows
        Orders of plan.json.
    orders : rows
        The last result of each order of the plan.
    stops : rows
        The last word on each product's protection.
    noted : sequence of Impediment
        Those that were written down where they were met.
    earlier : DayRecord, optional
        The attempt that made the day's trades, when this one only finishes its record.
    """

    decision: Mapping[str, Any] = field(default_factory=dict)
    account: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    planned: Sequence[OrderRow] = ()
    orders: Sequence[OrderRow] = ()
    stops: Sequence[StopRow] = ()
    noted: Sequence[Impediment] = ()
    earlier: DayRecord | None = None

    @property
    def tickers(self) -> Mapping[str, Mapping[str, Any]]:
        """The decision's row of each ticker."""
        found: Mapping[str, Mapping[str, Any]] = self.decision.get("tickers", {})
        return found

    @property
    def is_anything_done(self) -> bool:
        """Whether any order of the plan was carried out."""
        is_done = any(row.get("status") in DONE_STATUSES for row in self.orders)
        return is_done or (self.earlier is not None and self.earlier.is_anything_done)

    def reached_account(self) -> bool:
        """Whether the run got so far as to read the account."""
        return bool(self.account)

    def held(self, ticker: str) -> float:
        """Return the units that are owned of a ticker's base."""
        wallet = self.after.get("wallets", {}).get(base_of(ticker), {})
        return float(wallet.get("available", 0)) + float(wallet.get("hold", 0))

    def is_held(self, ticker: str) -> bool:
        """Whether more than dust of a ticker is owned."""
        held, product = self.held(ticker), self._product(ticker)
        if held <= 0 or held < float(product.get("base_min_size", 0)):
            return False
        price = self.price(ticker)
        return price is None or not self.is_of_little_worth(ticker, held * price)

    def price(self, ticker: str) -> float | None:
        """Return the mid price, else the last close."""
        quote = self.after.get("quotes", {}).get(ticker)
        if quote is not None:
            return (float(quote["bid"]) + float(quote["ask"])) / 2
        close = self.tickers.get(ticker, {}).get("close")
        return None if close is None else float(close)

    def is_of_little_worth(self, ticker: str, notional: float) -> bool:
        """Whether so much of a ticker, in quote currency, is dust."""
        least = float(self._product(ticker).get("quote_min_size", _FALLBACK_QUOTE_MIN))
        return is_of_little_worth(notional, least)

    def _product(self, ticker: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.account.get("products", {}).get(ticker, {})
        return found

    @classmethod
    def of(cls, folder: RunFolder) -> DayRecord:
        """Read what a run has left in its folder so far."""
        plan = content_of(folder, "plan.json")
        account = content_of(folder, ACCOUNT_NOW) or content_of(folder, ACCOUNT)
        results = order_results(folder.logs, "order_submit")
        builds = folder.logs.read("order_build")
        return cls(
            decision=plan.get("decision", {}),
            account=account,
            after=content_of(folder, "account_after.json") or account,
            notes={b["product"]: b["note"] for b in builds if b.get("order") is None},
            planned=plan.get("orders", []),
            orders=list({(r["product_id"], r["side"]): r for r in results}.values()),
            stops=list(last_stops(folder.logs).values()),
            noted=_noted(folder),
            earlier=_earlier(folder) if account.get("halt") == TRADES_COMPLETE else None,
        )


def _earlier(folder: RunFolder) -> DayRecord | None:
    """Return what the attempt before this one left."""
    found = (folder.path.parent / "attempts").glob(f"{folder.path.name}-*")
    newest = max(found, key=lambda path: (len(path.name), path.name), default=None)
    return None if newest is None else DayRecord.of(RunFolder(newest, folder.logs.now))


def _noted(folder: RunFolder) -> list[Impediment]:
    return [Impediment.from_mapping(line) for line in folder.logs.read("impediments")]

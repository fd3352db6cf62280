"""
The preview session: a dry run. It reads the exchange and asks what it would say; nothing more.

A preview that is refused only because our own stop holds the base is no fault: the real run
would cancel that stop first, and the record says so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from tf_lib.app.daily.live import LiveSession
from tf_lib.core.candles.quarantine import Doubts
from tf_lib.core.model.account import is_withheld
from tf_lib.core.model.records import MarketOrder, Side
from tf_lib.core.model.run_rows import OrderRow, StopRow
from tf_lib.core.orders.build import PlannedOrder, WantedStop
from tf_lib.core.orders.stops import plan_stop, raised_level
from tf_lib.exchange.port import RefusalKind
from tf_lib.execution.recovery import read_open_orders
from tf_lib.store.candle_cache import CandleUpdate

WOULD_CANCEL_FIRST = "would_cancel_first"


class PreviewSession(LiveSession):
    """Live inputs, an executor that only previews; its ledger is a copy."""

    mode = "dry"

    def _recover_all(self) -> None:
        """Look, and send nothing."""
        read_open_orders(self.sender)

    def _update_candles(self) -> CandleUpdate:
        """Take what is there: waiting would move the clock of an exchange that stands still."""
        sender, yesterday = self.sender, self.sender.day - dt.timedelta(days=1)
        tickers = sender.config.universe.sorted_tickers
        return self.cache.update(sender.client, tickers, yesterday, today=sender.day)

    def frozen_plan(self) -> dict[str, Any] | None:
        """Return a plan that a run would resume; after its effects only a second one is made."""
        is_over = self.sender.ledger.state.has_mark(self.sender.day, "effects_complete")
        return None if is_over else super().frozen_plan()

    def _remember(self, doubts: Doubts) -> None:
        """Remember nothing: a look at any hour must not spoil tomorrow's bars."""

    def plan_attempt(self) -> int | None:
        """Return the attempt that a run would be, or whose plan it would carry on."""
        frozen, state = self.frozen_plan(), self.sender.ledger.state
        return state.attempts.get(self.sender.day, 0) + 1 if frozen is None else frozen["attempt"]

    def sell(self, orders: Sequence[PlannedOrder]) -> list[OrderRow]:
        """Preview the sells."""
        return [self._preview(order) for order in orders]

    def buy(self, orders: Sequence[PlannedOrder]) -> list[OrderRow]:
        """Preview the buys."""
        return [self._preview(order) for order in orders]

    def close_dust(self, products: Sequence[str]) -> list[OrderRow]:
        """Preview nothing: what is dust depends on sells that did not happen."""
        return []

    def _preview(self, order: PlannedOrder) -> OrderRow:
        paused = self._account.paused if self._account is not None else ""
        if is_withheld(paused, order.reason):
            # Of a frozen plan that a run would carry on.
            return self._row(order, "skipped", paused)
        market = MarketOrder(order.product_id, order.side, order.base_size)
        refusals = self.sender.client.preview(market)
        lacks_base = (
            bool(refusals)
            and order.side is Side.SELL
            and all(one.kind is RefusalKind.FUNDS for one in refusals)
        )
        if lacks_base and order.product_id in self._open_stops():
            status = WOULD_CANCEL_FIRST
        else:
            status = "refused" if refusals else "preview_ok"
        return self._row(order, status, ", ".join(one.code for one in refusals))

    def _row(self, order: PlannedOrder, status: str, note: str) -> OrderRow:
        row: OrderRow = {**order.to_mapping(), "status": status, "note": note}
        self.sender.logs.write("order_submit", action="result", **row)
        return row

    def clean_up(self) -> list[StopRow]:
        """Cancel nothing."""
        return []

    def protect(self) -> list[StopRow]:
        """Say what would be done for each holding's stop."""
        return [
            self._would_protect(product_id)
            for product_id in sorted(self.sender.products)
            if self._held(product_id)
        ]

    def _would_protect(self, product_id: str) -> StopRow:
        product = self.sender.products[product_id]
        protection = self._protection(product)
        stop = WantedStop.of(product, protection, self.sender.config.stops)
        rests, last = self._open_stops().get(product_id), self.sender.client.last_trade(product_id)
        if plan_stop(stop, last, base_size=self._held(product_id)) is None:
            reason = "no level is possible"
        elif rests is None:
            reason = "would place a stop"
        elif protection.may_move and raised_level(rests, stop, last) is not None:
            reason = "would raise the stop"
        else:
            reason = "stop in place"
        row: StopRow = {
            "product": product_id,
            "status": "skip",
            "reason": reason,
            "held": format(self._held(product_id), "f"),
            "target_level": format(protection.target_level, "f"),
            "resting_level": format(rests, "f") if rests is not None else None,
            "source": protection.source,
        }
        self.sender.logs.write("stop_updates", action="result", **row)
        return row

    def complete(self) -> None:
        """Mark nothing."""

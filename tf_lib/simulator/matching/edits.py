"""Edits: a resting limit order gets a new price and size, at once or after a while."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tf_lib.simulator.matching.balances import ZERO
from tf_lib.simulator.matching.engine import Matching
from tf_lib.simulator.matching.order import Order, Status


class Edits:
    """
    Edits of the orders of one portfolio.

    Parameters
    ----------
    matching : Matching
    """

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        matching.handlers["edit"] = self._on_edit

    def request(self, order: Order, *, price: Decimal, size: Decimal) -> None:
        """Accept an edit; it takes effect at once or `World.edit_ack` later."""
        if self._matching.world.edit_ack <= 0:
            self._amend(order, price=price, size=size)
            return
        order.move_to(Status.EDIT_QUEUED, self._matching.now)
        self._matching.changed_orders.add(order.order_id)
        data = {"order_id": order.order_id, "price": format(price, "f"), "size": format(size, "f")}
        self._matching.agenda.schedule(
            self._matching.now + self._matching.world.edit_ack, "edit", data
        )

    def failure(self, order: Order, price: Decimal, size: Decimal) -> str:
        """Return why an order cannot have a new price and size now, '' if it can."""
        edited = order.terms.edited(price, size)
        if size <= order.filled_size:
            return "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"
        if edited.post_only and self._matching.would_trade_now(edited):
            return "INVALID_EDITED_PRICE"
        needed = self._matching.needed(edited, size - order.filled_size)
        free = self._matching.wallets.available(edited.held_currency) + order.held
        return "INSUFFICIENT_FUND" if needed > free else ""

    def _amend(self, order: Order, *, price: Decimal, size: Decimal) -> None:
        """Give a resting limit order a new price and size; it may trade at once."""
        terms = order.terms.edited(price, size)
        new_hold = self._matching.needed(terms, size - order.filled_size)
        self._matching.wallets.release(terms.held_currency, order.held)
        self._matching.wallets.hold(terms.held_currency, new_hold)
        order.held, order.size, order.terms = new_hold, size, terms
        tier = self._matching.fee_tier()
        order.fee_rate_maker, order.fee_rate_taker = tier.maker, tier.taker
        order.edits.append(
            {
                "price": format(price, "f"),
                "size": format(size, "f"),
                "replace_accept_timestamp": str(self._matching.now),
            }
        )
        order.last_update = self._matching.now
        self._matching.touch_up(order)
        if self._matching.would_trade_now(terms):
            self._matching.cross(order, self._matching.last_price(terms.product_id) or ZERO)

    def _on_edit(self, data: dict[str, Any]) -> None:
        """Let a queued edit take effect, unless the order has ended or cannot carry it any more."""
        order = self._matching.orders[data["order_id"]]
        if order.status is not Status.EDIT_QUEUED:
            return
        order.move_to(Status.OPEN, self._matching.now)
        self._matching.changed_orders.add(order.order_id)
        price, size = Decimal(data["price"]), Decimal(data["size"])
        if not self.failure(order, price, size):
            self._amend(order, price=price, size=size)

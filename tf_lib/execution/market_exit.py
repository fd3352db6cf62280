"""Leaving: the market exit of what cannot be protected, within bounds."""

from __future__ import annotations

from decimal import Decimal

from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import MarketOrder, Side
from tf_lib.core.orders.build import below_minimum, floor_to
from tf_lib.exchange.port import RefusalKind
from tf_lib.execution.position import Position

_TRIES = 4
_WAIT_SECONDS = 5.0


def sell_out(position: Position, size: Decimal, why: str) -> list[str]:
    """
    Sell units at the market; a remainder of the price band is tried again.

    Returns
    -------
    list of str
        What happened, a note for each order.
    """
    sender, notes = position.sender, []
    left = floor_to(size, position.product.base_increment)
    for _ in range(_TRIES):
        if below_minimum(left, position.product, sender.client.last_trade(position.product_id)):
            break
        if not position.accepts_sells():
            notes.append(f"no market exit ({why}): the product takes no sells now")
            break
        record = sender.send(Leg.EMERGENCY, MarketOrder(position.product_id, Side.SELL, left))
        if record.may_be_live:
            record = sender.wait_until_done(record.client_id)
        notes.append(f"market exit ({why}): {record.stage} {record.detail}".rstrip())
        if record.may_be_live:
            break
        left -= record.filled_size
        if record.stage is OrderStage.REFUSED:
            if record.refusal == RefusalKind.FUNDS:
                left = min(left, position.await_release(left))
            elif record.refusal in (RefusalKind.RATE, RefusalKind.ACCESS):
                sender.pause(_WAIT_SECONDS)
            else:
                break
    return notes

"""
Market exits of what cannot be protected, and what any sale at the market leaves to be sold again.

An exit goes on where its order was proven absent, or its id answered with another order: what it is
to sell has no stop. A sale of the plan ends there, and its product is covered again
(`tf_lib.execution.rebalance`).
"""

from __future__ import annotations

from decimal import Decimal

from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import ZERO, MarketOrder, Side
from tf_lib.core.orders.build import below_minimum, floor_to
from tf_lib.exchange.port import RefusalKind
from tf_lib.execution.position import Position
from tf_lib.store.ledger_state import OrderRecord

_TRIES = 4


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
        if not left:
            break
        if below_minimum(left, position.product, sender.client.last_trade(position.product_id)):
            break
        if not position.accepts_sells():
            notes.append(f"no market exit ({why}): the product takes no sells now")
            break
        sent = sender.send(Leg.EMERGENCY, MarketOrder(position.product_id, Side.SELL, left))
        record = sender.wait_until_done(sent.client_id)
        notes.append(f"market exit ({why}): {record.stage} {record.detail}".rstrip())
        if record.may_be_live:
            break
        left = left_to_sell(position, left, record)
    return notes


def left_to_sell(position: Position, size: Decimal, record: OrderRecord) -> Decimal:
    """
    Return what is to be sold again of a size that was, once a wait may have helped.

    The price band leaves a rest, a hold lags, the exchange is busy; after any other refusal
    nothing is left, for a second one would be refused as well.
    """
    left = size - record.filled_size
    if record.stage is not OrderStage.REFUSED or position.sender.waited_out(record):
        return left
    is_held = record.refusal == RefusalKind.FUNDS
    return min(left, position.await_release(left)) if is_held else ZERO

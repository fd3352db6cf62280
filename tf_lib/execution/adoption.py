"""Adopting: own orders at the exchange that the ledger lacks: its state was lost or moved."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tf_lib.core.model.client_ids import parse_client_id
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import ZERO, Side
from tf_lib.exchange.coinbase.client import OrderState
from tf_lib.execution.order_check import fill_facts
from tf_lib.execution.order_sender import Desk
from tf_lib.store.ledger_state import OrderRecord


def adopt(desk: Desk, seen: OrderState) -> OrderRecord | None:
    """
    Take an own order into a ledger that lacks it, and follow it to where it stands.

    One line says that it is ours, that the exchange has it, and since when by the exchange's own
    time: killed at any moment, nobody later sends its id again or finds that it never arrived.

    Returns None for an order that is not ours or that has no size.
    """
    parsed = parse_client_id(seen.client_order_id)
    # What is sized by its money has, in base units, what it has bought.
    size = seen.filled_size if seen.quote_size is not None else seen.base_size
    if parsed is None or seen.side is None or size is None:
        return None
    body = {"type": str(seen.kind), "base_size": format(size, "f")}
    for name in ("quote_size", "stop_price", "limit_price"):
        price = getattr(seen, name)
        if price is not None:
            body[name] = format(price, "f")
    desk.ledger.append(
        "intent",
        client_id=seen.client_order_id,
        day=parsed.day.isoformat(),
        product=seen.product_id,
        side=str(seen.side),
        leg=str(parsed.leg),
        ordinal=parsed.ordinal,
        body=body,
        adopted=True,
        created_at=seen.created_time.isoformat(),
        order_id=seen.order_id,
        **fill_facts(seen),
    )
    desk.note_seen(seen.client_order_id, seen)
    acked = desk.ledger.state.orders[seen.client_order_id]
    if seen.is_terminal:
        return desk.finish(acked, seen)
    moved = desk.ledger.move(acked.client_id, OrderStage.WORKING, **fill_facts(seen))
    return desk.note_trigger(moved, seen)


def stops_of_this_holding(
    listed: Sequence[OrderState], held: Decimal, *, dust: Decimal
) -> list[OrderState]:
    """
    Return the own stops that belong to what is held now.

    Parameters
    ----------
    listed : sequence of OrderState
        Own orders of one product, in any state and order.
    held : Decimal
        Units owned now. Fills are taken back from the newest on until no more than `dust` is
        left: there this holding began. One that began elsewhere began with the oldest order.
    """
    newest_first = sorted(listed, key=lambda order: order.created_time, reverse=True)
    left, found = held, []
    for order in newest_first:
        if left <= dust:
            break
        if order.kind == "stop_limit" and order.side is Side.SELL:
            found.append(order)
        signed = order.filled_size if order.side is Side.BUY else -order.filled_size
        left -= signed or ZERO
    return found

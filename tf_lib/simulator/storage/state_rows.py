"""Orders and fills as rows of the exchange's memory, and back."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from tf_lib.core.model.records import Side
from tf_lib.simulator.matching.attached import read_attached
from tf_lib.simulator.matching.order import ExchangeFill, Force, Kind, Order, Status, Terms


def _text(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


_SAME = (
    "number",
    "order_id",
    "client_order_id",
    "created",
    "fill_count",
    "last_fill",
    "last_update",
    "reject_reason",
    "cancel_message",
    "source",
    "visible_from",
    "attached_order_id",
    "originating_order_id",
)
_AMOUNTS = (
    "fee_rate_maker",
    "fee_rate_taker",
    "size",
    "filled_size",
    "filled_value",
    "fees",
    "held",
)
_TERM_AMOUNTS = ("base_size", "quote_size", "limit_price", "stop_price")


def order_row(order: Order) -> dict[str, Any]:
    """Return an order as column names and values."""
    terms = order.terms
    row: dict[str, Any] = {name: getattr(order, name) for name in _SAME}
    row |= {name: _text(getattr(order, name)) for name in _AMOUNTS}
    row |= {name: _text(getattr(terms, name)) for name in _TERM_AMOUNTS}
    row |= {
        "product_id": terms.product_id,
        "side": terms.side.value,
        "kind": terms.kind.value,
        "force": terms.force.value,
        "configuration": json.dumps(terms.configuration),
        "stops_falling": int(terms.stops_falling),
        "end_time": terms.end_time,
        "post_only": int(terms.post_only),
        "status": order.status.value,
        "is_triggered": int(order.is_triggered),
        "pending_cancel": int(order.pending_cancel),
        "edits": json.dumps(order.edits),
        "attached": json.dumps(order.attached.configuration) if order.attached else None,
    }
    return row


def read_order(row: dict[str, Any]) -> Order:
    """Return the order of a row."""
    terms = Terms(
        product_id=row["product_id"],
        side=Side(row["side"]),
        kind=Kind(row["kind"]),
        force=Force(row["force"]),
        configuration=json.loads(row["configuration"]),
        stops_falling=bool(row["stops_falling"]),
        end_time=row["end_time"],
        post_only=bool(row["post_only"]),
        **{name: _number(row[name]) for name in _TERM_AMOUNTS},
    )
    amounts: dict[str, Any] = {name: Decimal(row[name]) for name in _AMOUNTS}
    return Order(
        terms=terms,
        status=Status(row["status"]),
        is_triggered=bool(row["is_triggered"]),
        pending_cancel=bool(row["pending_cancel"]),
        edits=json.loads(row["edits"]),
        attached=_attached(row["attached"], terms),
        **{name: row[name] for name in _SAME},
        **amounts,
    )


def _attached(text: str | None, parent: Terms) -> Terms | None:
    body = {"attached_order_configuration": None if text is None else json.loads(text)}
    return read_attached(body, parent)


def fill_row(fill: ExchangeFill) -> tuple[Any, ...]:
    """Return a fill as the values of its columns."""
    amounts = (format(fill.price, "f"), format(fill.size, "f"), format(fill.commission, "f"))
    return (
        fill.number,
        fill.entry_id,
        fill.trade_id,
        fill.order_id,
        fill.product_id,
        fill.side.value,
        *amounts,
        fill.at,
        fill.visible_from,
        int(fill.is_maker),
    )


def read_fill(row: tuple[Any, ...]) -> ExchangeFill:
    """Return the fill of a row."""
    number, entry_id, trade_id, order_id, product_id, side, price, size, fee, *rest = row
    return ExchangeFill(
        number=number,
        entry_id=entry_id,
        trade_id=trade_id,
        order_id=order_id,
        product_id=product_id,
        side=Side(side),
        price=Decimal(price),
        size=Decimal(size),
        commission=Decimal(fee),
        at=rest[0],
        visible_from=rest[1],
        is_maker=bool(rest[2]),
    )

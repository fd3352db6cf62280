"""
Orders and fills as the exchange states them.

What an order *is* comes from its ``order_configuration`` (``order_type`` is UNKNOWN_ORDER_TYPE
often enough); what became of it from ``status``, ``trigger_status`` and ``filled_size``
together, since no status says "partly filled".
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tf_lib.core.model.records import ZERO, Side
from tf_lib.errors import UnknownState
from tf_lib.exchange.coinbase.values import (
    Record,
    amount,
    optional_decimal,
    optional_text,
    optional_time,
    price,
    required_text,
    utc_time,
)
from tf_lib.exchange.port import Fill, Liquidity, OrderKind, OrderState, OrderStatus, Trigger

# Whatever else an order may be called, it neither rests nor is over.
_STATUS = {status.value: status for status in OrderStatus}
_TRIGGER = {"STOP_PENDING": Trigger.WAITING, "STOP_TRIGGERED": Trigger.TRIGGERED}
_LIQUIDITY = {"MAKER": Liquidity.MAKER, "TAKER": Liquidity.TAKER}
_KIND_OF: dict[str, OrderKind] = {
    "market_market_ioc": "market",
    "market_market_fok": "market",
    "limit_limit_gtc": "limit",
    "limit_limit_gtd": "limit",
    "limit_limit_fok": "limit",
    "sor_limit_ioc": "limit",
    "stop_limit_stop_limit_gtc": "stop_limit",
    "stop_limit_stop_limit_gtd": "stop_limit",
}


def order_state(record: Record) -> OrderState:
    """
    Read one order record.

    Raises
    ------
    UnknownState
        Naming the order and the field that cannot be believed.
    """
    order_id = required_text(record, "order_id", what="order")
    what = f"order {order_id}"
    kind, configured = _configuration(record)
    return OrderState(
        order_id=order_id,
        client_order_id=optional_text(record, "client_order_id"),
        product_id=required_text(record, "product_id", what=what),
        side=_side(record.get("side")),
        kind=kind,
        base_size=optional_decimal(configured.get("base_size")),
        quote_size=optional_decimal(configured.get("quote_size")),
        stop_price=optional_decimal(configured.get("stop_price")),
        limit_price=optional_decimal(configured.get("limit_price")),
        is_stop_down=configured.get("stop_direction") == "STOP_DIRECTION_STOP_DOWN",
        status=_STATUS.get(required_text(record, "status", what=what), OrderStatus.BETWEEN),
        trigger=_TRIGGER.get(optional_text(record, "trigger_status"), Trigger.UNKNOWN),
        # Anything but a clear no counts as being cancelled: it must not count as cover.
        pending_cancel=record.get("pending_cancel", False) is not False,
        filled_size=_filled(record, "filled_size", what),
        filled_value=_filled(record, "filled_value", what),
        average_filled_price=_filled(record, "average_filled_price", what),
        total_fees=_filled(record, "total_fees", what),
        created_time=utc_time(record.get("created_time"), what=f"{what}: created_time"),
        last_fill_time=optional_time(record.get("last_fill_time")),
    )


def fill(record: Record) -> Fill:
    """Read one fill record, or raise `UnknownState` naming its order and field."""
    order_id = required_text(record, "order_id", what="fill")
    what = f"fill of order {order_id}"
    trade_id = optional_text(record, "trade_id")
    traded_at = price(record.get("price"), what=f"{what}: price")
    size = amount(record.get("size"), what=f"{what}: size")
    return Fill(
        entry_id=optional_text(record, "entry_id") or f"{trade_id}/{order_id}",
        trade_id=trade_id,
        order_id=order_id,
        product_id=optional_text(record, "product_id"),
        side=_side(record.get("side")),
        price=traded_at,
        base_size=size / traded_at if record.get("size_in_quote") is True else size,
        commission=amount(record.get("commission"), what=f"{what}: commission"),
        trade_time=utc_time(record.get("trade_time"), what=f"{what}: trade_time"),
        liquidity=_LIQUIDITY.get(optional_text(record, "liquidity_indicator"), Liquidity.UNKNOWN),
    )


def _configuration(record: Record) -> tuple[OrderKind, dict[str, Any]]:
    configuration = record.get("order_configuration")
    if not isinstance(configuration, dict):
        return "other", {}
    present = {name: value for name, value in configuration.items() if isinstance(value, dict)}
    if len(present) != 1:
        return "other", {}
    (name, values), *_ = present.items()
    return _KIND_OF.get(name, "other"), values


def _side(value: object) -> Side | None:
    return Side(value) if value in ("BUY", "SELL") else None


def _filled(record: Record, key: str, what: str) -> Decimal:
    """Return a filled amount; empty means none only when nothing else speaks of fills."""
    value = record.get(key)
    if value not in (None, ""):
        return amount(value, what=f"{what}: {key}")
    if _speaks_of_fills(record):
        raise UnknownState(f"{what}: {key} is missing though the order has fills")
    return ZERO


def _speaks_of_fills(record: Record) -> bool:
    keys = ("number_of_fills", "filled_size", "filled_value")
    return record.get("status") == "FILLED" or any(optional_decimal(record.get(k)) for k in keys)

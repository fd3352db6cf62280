"""
Orders and fills as the exchange states them.

What an order *is* comes from its ``order_configuration`` (``order_type`` is UNKNOWN_ORDER_TYPE
often enough); what became of it from ``status``, ``trigger_status`` and ``filled_size``
together, since no status says "partly filled".
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

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

OrderKind = Literal["market", "limit", "stop_limit", "other"]

TERMINAL = frozenset({"FILLED", "CANCELLED", "EXPIRED", "FAILED"})
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


@dataclass(frozen=True)
class OrderState:
    """
    One order at the moment it was read.

    Attributes
    ----------
    side : Side or None
        None when the exchange does not say.
    base_size, quote_size, stop_price, limit_price : Decimal or None
        As configured; None where the kind of order has none.
    filled_size, filled_value, average_filled_price, total_fees : Decimal
        Base units, quote currency, quote per base, quote currency.
    outstanding_hold : Decimal or None
        What it still holds, when the exchange says so.
    """

    order_id: str
    client_order_id: str
    product_id: str
    side: Side | None
    kind: OrderKind
    base_size: Decimal | None
    quote_size: Decimal | None
    stop_price: Decimal | None
    limit_price: Decimal | None
    stop_direction: str
    status: str
    trigger_status: str
    pending_cancel: bool
    filled_size: Decimal
    filled_value: Decimal
    average_filled_price: Decimal
    total_fees: Decimal
    created_time: dt.datetime
    last_fill_time: dt.datetime | None
    outstanding_hold: Decimal | None
    reject_reason: str = ""

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.status in TERMINAL

    @property
    def remaining(self) -> Decimal | None:
        """Base units that may still trade; None when its size is not in base units."""
        if self.is_terminal:
            return ZERO
        if self.base_size is None:
            return None
        return max(self.base_size - self.filled_size, ZERO)

    @property
    def is_live_stop(self) -> bool:
        """Whether it protects now: a resting, untriggered, uncancelled sell stop."""
        return (
            self.kind == "stop_limit"
            and self.side is Side.SELL
            and self.stop_direction == "STOP_DIRECTION_STOP_DOWN"
            and self.status == "OPEN"
            and self.trigger_status == "STOP_PENDING"
            and not self.pending_cancel
        )


@dataclass(frozen=True)
class Fill:
    """One trade of an order: base units, quote per base, fee in quote currency."""

    entry_id: str
    trade_id: str
    order_id: str
    product_id: str
    side: Side | None
    price: Decimal
    base_size: Decimal
    commission: Decimal
    trade_time: dt.datetime
    liquidity: str


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
        stop_direction=optional_text(configured, "stop_direction"),
        status=required_text(record, "status", what=what),
        trigger_status=optional_text(record, "trigger_status"),
        # Anything but a clear no counts as being cancelled: it must not count as cover.
        pending_cancel=record.get("pending_cancel", False) is not False,
        filled_size=_filled(record, "filled_size", what),
        filled_value=_filled(record, "filled_value", what),
        average_filled_price=_filled(record, "average_filled_price", what),
        total_fees=_filled(record, "total_fees", what),
        created_time=utc_time(record.get("created_time"), what=f"{what}: created_time"),
        last_fill_time=optional_time(record.get("last_fill_time")),
        outstanding_hold=optional_decimal(record.get("outstanding_hold_amount")),
        reject_reason=_reject_reason(record),
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
        liquidity=optional_text(record, "liquidity_indicator"),
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


def _reject_reason(record: Record) -> str:
    """Join what the exchange says of a refusal, without the value that says nothing."""
    said = [optional_text(record, key) for key in ("reject_reason", "reject_message")]
    return "; ".join(text for text in said if text and text != "REJECT_REASON_UNSPECIFIED")

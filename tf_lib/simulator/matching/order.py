"""
Orders and fills as the exchange keeps them, and the moves an order's status may make.

`TRANSITIONS` is the whole life of an order; a move that is not in it raises. The diagram in
docs/simulator.md is made from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tf_lib.core.model.records import Side
from tf_lib.errors import HaltRun
from tf_lib.simulator.matching.balances import ZERO
from tf_lib.simulator.prices.day_bars import plain
from tf_lib.simulator.prices.paths import OrderLevels
from tf_lib.text.tickers import base_of, quote_of


class Kind(StrEnum):
    """Order types, by the name the exchange reports."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_LIMIT = "STOP_LIMIT"
    BRACKET = "BRACKET"


class Status(StrEnum):
    """Order statuses, by the name the exchange reports."""

    PENDING = "PENDING"
    OPEN = "OPEN"
    CANCEL_QUEUED = "CANCEL_QUEUED"
    EDIT_QUEUED = "EDIT_QUEUED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"


class Force(StrEnum):
    """How long an order is good."""

    GTC = "GOOD_UNTIL_CANCELLED"
    GTD = "GOOD_UNTIL_DATE_TIME"
    IOC = "IMMEDIATE_OR_CANCEL"
    FOK = "FILL_OR_KILL"


TERMINAL = frozenset({Status.FILLED, Status.CANCELLED, Status.EXPIRED, Status.FAILED})
TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.PENDING: frozenset(
        {
            Status.OPEN,
            Status.FILLED,
            Status.CANCELLED,
            Status.CANCEL_QUEUED,
            Status.FAILED,
        }
    ),
    Status.OPEN: frozenset(
        {
            Status.FILLED,
            Status.CANCELLED,
            Status.EXPIRED,
            Status.CANCEL_QUEUED,
            Status.EDIT_QUEUED,
        }
    ),
    Status.CANCEL_QUEUED: frozenset({Status.CANCELLED, Status.FILLED, Status.EXPIRED}),
    Status.EDIT_QUEUED: frozenset({Status.OPEN, Status.FILLED, Status.CANCELLED, Status.EXPIRED}),
    Status.FILLED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.EXPIRED: frozenset(),
    Status.FAILED: frozenset(),
}


@dataclass(frozen=True)
class Terms:
    """What was asked for, checked: sizes in base or quote units, prices in quote currency."""

    product_id: str
    side: Side
    kind: Kind
    force: Force
    configuration: dict[str, Any]
    base_size: Decimal | None = None
    quote_size: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    stops_falling: bool = True
    end_time: int | None = None
    post_only: bool = False

    @property
    def is_buy(self) -> bool:
        """Whether base is bought."""
        return self.side is Side.BUY

    @property
    def held_currency(self) -> str:
        """What an open order of this kind holds."""
        return quote_of(self.product_id) if self.is_buy else base_of(self.product_id)

    def edited(self, price: Decimal, size: Decimal) -> Terms:
        """Return the terms with another price and size."""
        ((name, fields),) = self.configuration.items()
        changed = {**fields, "limit_price": plain(price), "base_size": plain(size)}
        return replace(self, limit_price=price, base_size=size, configuration={name: changed})


@dataclass
class Order:
    """One order; sizes in base units, values, fees in quote currency, moments in microseconds."""

    order_id: str
    client_order_id: str
    number: int
    terms: Terms
    created: int
    fee_rate_maker: Decimal
    fee_rate_taker: Decimal
    status: Status = Status.PENDING
    is_triggered: bool = False
    pending_cancel: bool = False
    size: Decimal = ZERO
    filled_size: Decimal = ZERO
    filled_value: Decimal = ZERO
    fees: Decimal = ZERO
    fill_count: int = 0
    held: Decimal = ZERO
    last_fill: int | None = None
    last_update: int = 0
    reject_reason: str = "REJECT_REASON_UNSPECIFIED"
    cancel_message: str = ""
    source: str = "RETAIL_ADVANCED"
    edits: list[dict[str, str]] = field(default_factory=list)
    visible_from: int = 0
    attached: Terms | None = None
    attached_order_id: str = ""
    originating_order_id: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it can still trade."""
        return self.status not in TERMINAL

    @property
    def remaining(self) -> Decimal:
        """Base units still to trade."""
        return self.size - self.filled_size

    @property
    def awaits_trigger(self) -> bool:
        """Whether it is a stop that has not triggered."""
        return self.terms.kind is Kind.STOP_LIMIT and not self.is_triggered

    @property
    def band(self) -> OrderLevels:
        """The prices it waits for."""
        terms = self.terms
        if self.awaits_trigger:
            price, falling = terms.stop_price, terms.stops_falling
            return OrderLevels(falling=price) if falling else OrderLevels(rising=price)
        if terms.kind is Kind.BRACKET and not self.is_triggered:
            if terms.is_buy:
                return OrderLevels(terms.limit_price, terms.stop_price)
            return OrderLevels(terms.stop_price, terms.limit_price)
        limit = self.working_limit
        return OrderLevels(falling=limit) if terms.is_buy else OrderLevels(rising=limit)

    @property
    def working_limit(self) -> Decimal | None:
        """Limit at which it trades now; a triggered bracket gives 5 % beyond its stop."""
        terms = self.terms
        if terms.kind is Kind.BRACKET and self.is_triggered and terms.stop_price is not None:
            return terms.stop_price * (Decimal("1.05") if terms.is_buy else Decimal("0.95"))
        return terms.limit_price

    def move_to(self, status: Status, at: int) -> None:
        """Change the status, if the table of transitions allows it."""
        if status not in TRANSITIONS[self.status]:
            raise HaltRun(
                f"the simulated exchange would move order {self.order_id} "
                f"from {self.status} to {status}"
            )
        self.status = status
        self.last_update = at


@dataclass(frozen=True)
class ExchangeFill:
    """One trade of an order; price and commission in quote currency, size in base units."""

    number: int
    entry_id: str
    trade_id: str
    order_id: str
    product_id: str
    side: Side
    price: Decimal
    size: Decimal
    commission: Decimal
    at: int
    visible_from: int
    is_maker: bool

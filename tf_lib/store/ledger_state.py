"""
What the ledger's lines add up to: orders, day marks, levels, cooldowns, confirmed holdings.

Every fact that a line may change is a field here; nothing else is remembered between runs. How a
line changes it stands in `tf_lib.store.ledger_entries`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from tf_lib.core.model.client_ids import LegKey
from tf_lib.core.model.order_life import MAY_BE_LIVE, OrderStage
from tf_lib.core.model.records import ZERO, Side

Names = Annotated[set[str], PlainSerializer(sorted)]
SecondsOfDays = Annotated[
    dict[tuple[dt.date, str], float],
    PlainSerializer(lambda found: [[str(day), name, n] for (day, name), n in found.items()]),
    BeforeValidator(lambda rows: {(day, name): n for day, name, n in rows}),
]
"""Seconds by day and product; a checkpoint holds them as rows."""
DAY_MARKS = ("claimed", "effects_complete", "done")


@dataclass(frozen=True)
class OrderRecord:
    """
    One order of ours: its frozen body, and what is proven about it.

    Attributes
    ----------
    plan : str
        Id of the plan that it carries out; empty for protection.
    intended_line, fill_seen_line, ended_line : int
        Numbers of the ledger's lines that told of it; 0 for none.
    """

    client_id: str
    key: LegKey
    ordinal: int
    body: Mapping[str, str]
    intended_at: dt.datetime
    stage: OrderStage = OrderStage.INTENDED
    order_id: str = ""
    filled_size: Decimal = ZERO
    filled_value: Decimal = ZERO
    fees: Decimal = ZERO
    last_fill_at: dt.datetime | None = None
    detail: str = ""
    cancel_sent: bool = False
    cancel_sent_at: dt.datetime | None = None
    resent_at: dt.datetime | None = None
    first_fill_at: dt.datetime | None = None
    working_at: dt.datetime | None = None
    refusal: str = ""
    adopted: bool = False
    plan: str = ""
    intended_line: int = 0
    fill_seen_line: int = 0
    ended_line: int = 0

    @property
    def last_sent_at(self) -> dt.datetime:
        """When its request may have gone out last, by any process."""
        return max(self.intended_at, self.resent_at or self.intended_at)

    @property
    def may_be_live(self) -> bool:
        """Whether the exchange may still hold or fill it."""
        return self.stage in MAY_BE_LIVE

    @property
    def product_id(self) -> str:
        """The product it trades."""
        return self.key.product_id

    @property
    def base_size(self) -> Decimal:
        """Size in base units as it was sent."""
        return Decimal(self.body["base_size"])

    @property
    def unfilled(self) -> Decimal:
        """Units of it that have not traded, whether or not they still may."""
        return self.base_size - self.filled_size

    @property
    def signed_fill(self) -> Decimal:
        """Units it added to the holding, negative for a sale."""
        return self.filled_size if self.key.side is Side.BUY else -self.filled_size

    @property
    def signed_value(self) -> Decimal:
        """Quote currency it cost, fees included; below zero for a sale."""
        is_buy = self.key.side is Side.BUY
        return self.fees + (self.filled_value if is_buy else -self.filled_value)


@dataclass(frozen=True)
class NotProtectable:
    """
    A product whose stops the exchange did not take, `times` times since it last took one.

    Attributes
    ----------
    since, day : date
        Of the first and of the last time.
    why : str
        What the exchange said the last time.
    """

    since: dt.date
    day: dt.date
    times: int
    why: str

    def is_left_alone(self, day: dt.date, *, days: int) -> bool:
        """Whether it is too early to try again: the wait doubles each time, up to eightfold."""
        return (day - self.day).days < days << min(self.times - 1, 3)


@dataclass(frozen=True)
class Pause:
    """
    A pause that a person asked for.

    Attributes
    ----------
    since : date
        The first day of it.
    until : date or None
        The first day that trades again; None until somebody resumes.
    why : str
        In the person's words; may be empty.
    """

    since: dt.date
    until: dt.date | None = None
    why: str = ""

    def holds_on(self, day: dt.date) -> bool:
        """Whether a day neither buys nor trims for it."""
        return self.until is None or day < self.until

    @property
    def terms(self) -> str:
        """Who asked, when it ends, and why."""
        ends = f"first day that trades again: {self.until}" if self.until else "until tf resume"
        return "; ".join(filter(None, ("asked for by hand", ends, self.why)))

    @property
    def in_words(self) -> str:
        """Since when, and on which terms."""
        return f"paused since {self.since}; {self.terms}"

    def to_mapping(self) -> dict[str, str | None]:
        """Return plain values."""
        until = None if self.until is None else self.until.isoformat()
        since, words = self.since.isoformat(), self.in_words
        return {"since": since, "until": until, "why": self.why, "in_words": words}


@dataclass(frozen=True)
class OpenFlatten:
    """
    A wish to be out of products that is not carried out yet.

    Attributes
    ----------
    products : tuple of str
        Those that are still to be sold.
    begun_at : datetime
        When it was first asked for.
    """

    products: tuple[str, ...]
    begun_at: dt.datetime

    @property
    def in_words(self) -> str:
        """Since when, and of what."""
        asked = f"{self.begun_at:%Y-%m-%d %H:%M} UTC"
        return f"the flatten of {asked} did not finish: {', '.join(self.products)} not sold"

    @property
    def what_to_do(self) -> str:
        """The command that finishes it, and the one that gives it up."""
        return f"tf flatten {' '.join(self.products)}; tf resume, if you no longer want it"

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values."""
        since, words = self.begun_at.isoformat(), {"in_words": self.in_words}
        todo = {"what_to_do": self.what_to_do}
        return {"since": since, "products": list(self.products), **words, **todo}


@dataclass
class LedgerState:
    """
    The sum of all lines so far.

    `lines` is their count, and so the number of the line that was added last.
    """

    lines: int = 0
    portfolio_uuid: str = ""
    orders: dict[str, OrderRecord] = field(default_factory=dict)
    marks: dict[dt.date, dict[str, dict[str, Any]]] = field(default_factory=dict)
    attempts: dict[dt.date, int] = field(default_factory=dict)
    plans: dict[dt.date, dict[str, Any]] = field(default_factory=dict)
    levels: dict[str, Decimal] = field(default_factory=dict)
    cooldowns: dict[str, dt.date] = field(default_factory=dict)
    confirmed: dict[str, Decimal] = field(default_factory=dict)
    fills_since_confirmed: dict[str, Decimal] = field(default_factory=dict)
    locked: dict[str, str] = field(default_factory=dict)
    not_ours: dict[str, Decimal] = field(default_factory=dict)
    missing: Names = field(default_factory=set)
    let_go: Names = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    risen: Names = field(default_factory=set)
    proven_products: Names = field(default_factory=set)
    bought_products: Names = field(default_factory=set)
    not_protectable: dict[str, NotProtectable] = field(default_factory=dict)
    bare_since: dict[str, dt.datetime] = field(default_factory=dict)
    bare_seconds: SecondsOfDays = field(default_factory=dict)
    bare_usd_seconds: SecondsOfDays = field(default_factory=dict)
    flat_at: dict[str, dt.datetime] = field(default_factory=dict)
    flat_line: dict[str, int] = field(default_factory=dict)
    in_order_at: dt.datetime | None = None
    in_doubt: str = ""
    pause: Pause | None = None
    flatten: OpenFlatten | None = None

    def paused_on(self, day: dt.date) -> Pause | None:
        """Return the pause that holds on a day, or None."""
        return self.pause if self.pause is not None and self.pause.holds_on(day) else None

    def unprotected_seconds_on(self, day: dt.date) -> dict[str, float]:
        """Return the seconds that each position was without its stop on a day."""
        return _on_day(self.bare_seconds, day, digits=3)

    def unprotected_usd_seconds_on(self, day: dt.date) -> dict[str, float]:
        """Return seconds without a stop times the value that was without it, per position."""
        return _on_day(self.bare_usd_seconds, day, digits=2)

    def stops_of_holding(self, product_id: str) -> list[OrderRecord]:
        """Return the stops that reached the exchange since the holding last rose above dust."""
        flat_line = self.flat_line.get(product_id, 0)
        return [
            order
            for order in self.orders.values()
            if order.product_id == product_id
            and order.key.leg.is_stop
            and order.order_id
            and order.intended_line > flat_line
        ]

    def taken_by_market(self, day: dt.date) -> list[OrderRecord]:
        """Return stops and emergency exits that filled, as far as no run before `day` knew."""
        since = max(
            (
                marks["effects_complete"]["line"]
                for on, marks in self.marks.items()
                if on < day and "effects_complete" in marks
            ),
            default=0,
        )
        taken = [
            order
            for order in self.orders.values()
            if order.key.leg.ends_in_cooldown and order.fill_seen_line > since
        ]
        return sorted(taken, key=lambda order: (order.fill_seen_line, order.client_id))

    def plan_id(self, day: dt.date) -> str:
        """Return the id of the plan that a day's orders belong to now, or nothing."""
        plan = self.plans.get(day)
        return str(plan["id"]) if plan is not None else ""

    def of_plan(self, key: LegKey, plan: str | None = None) -> list[OrderRecord]:
        """Return the orders of one leg that a plan, or the day's, has made so far, by ordinal."""
        wanted = self.plan_id(key.day) if plan is None else plan
        return [order for order in self.of_leg(key) if wanted and order.plan == wanted]

    def expected(self, base: str) -> Decimal | None:
        """Return the last confirmed total and our own fills since, or None before the first."""
        confirmed, since = self.confirmed.get(base), self.fills_since_confirmed.get(base)
        if confirmed is None and since is None:
            return None
        return (confirmed or ZERO) + (since or ZERO)

    def own_units(self, base: str, total: Decimal) -> Decimal:
        """Return what of a holding our own orders bought, or was taken over."""
        return max(total - max(self.not_ours.get(base, ZERO), ZERO), ZERO)

    def has_mark(self, day: dt.date, mark: str) -> bool:
        """Whether a day carries a mark."""
        return mark in self.marks.get(day, {})

    def live_orders(self, product_id: str | None = None) -> list[OrderRecord]:
        """Return the orders that may be live, oldest first."""
        return [
            order
            for order in self.orders.values()
            if order.may_be_live and product_id in (None, order.product_id)
        ]

    def unsettled_orders(self, product_id: str | None = None) -> list[OrderRecord]:
        """Return the orders that may be live and are no resting stops."""
        return [
            order
            for order in self.live_orders(product_id)
            if not (order.key.leg.is_stop and order.stage is OrderStage.WORKING)
        ]

    def of_leg(self, key: LegKey) -> list[OrderRecord]:
        """Return the orders of one leg of one product and day, by ordinal."""
        found = [order for order in self.orders.values() if order.key == key]
        return sorted(found, key=lambda order: order.ordinal)

    def traded_elsewhere(self, day: dt.date) -> list[str]:
        """Return rebalance orders of a day that this ledger did not intend, only found."""
        return [o.client_id for o in self.of_day(day) if o.adopted and o.key.leg.is_rebalance]

    def of_day(self, day: dt.date) -> list[OrderRecord]:
        """Return all orders intended on a day, in the order they were written."""
        return [order for order in self.orders.values() if order.key.day == day]


def _on_day(
    found: Mapping[tuple[dt.date, str], float], day: dt.date, *, digits: int
) -> dict[str, float]:
    return {name: round(n, digits) for (on, name), n in sorted(found.items()) if on == day}

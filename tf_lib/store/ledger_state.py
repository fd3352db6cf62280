"""
What the ledger's lines add up to: orders, day marks, levels, cooldowns, confirmed holdings.

A pure fold: the same lines give the same state, whoever reads them and whenever. Every fact
that a line may change is a field here; nothing else is remembered between runs.

What came before what is told by the number of its line, and what belongs to which plan by the
plan's id: the times on the lines are for people, since no two clocks are the same.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tf_lib.core.model.client_ids import Leg, LegKey
from tf_lib.core.model.order_life import MAY_BE_LIVE, OrderStage, check_move
from tf_lib.core.model.records import ZERO, Side
from tf_lib.errors import EXIT_UNPROTECTED, StateError

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
    missing: set[str] = field(default_factory=set)
    let_go: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    risen: set[str] = field(default_factory=set)
    proven_products: set[str] = field(default_factory=set)
    bought_products: set[str] = field(default_factory=set)
    not_protectable: dict[str, NotProtectable] = field(default_factory=dict)
    bare_since: dict[str, dt.datetime] = field(default_factory=dict)
    bare_seconds: dict[tuple[dt.date, str], float] = field(default_factory=dict)
    bare_usd_seconds: dict[tuple[dt.date, str], float] = field(default_factory=dict)
    flat_at: dict[str, dt.datetime] = field(default_factory=dict)
    flat_line: dict[str, int] = field(default_factory=dict)
    in_order_at: dt.datetime | None = None
    in_doubt: str = ""

    def apply(self, line: Mapping[str, Any]) -> None:
        """Add one line; raise and change nothing when it contradicts what is there."""
        handler = _HANDLERS.get(str(line.get("kind")))
        self.lines += 1
        try:
            if handler is not None:
                handler(self, line)
        except BaseException:
            self.lines -= 1
            raise

    def bare_seconds_on(self, day: dt.date) -> dict[str, float]:
        """Return the seconds that each position was without its stop on a day."""
        return {
            product: round(seconds, 3)
            for (on, product), seconds in sorted(self.bare_seconds.items())
            if on == day
        }

    def bare_usd_seconds_on(self, day: dt.date) -> dict[str, float]:
        """Return seconds without a stop times the value that was without it, per position."""
        return {
            product: round(usd_seconds, 2)
            for (on, product), usd_seconds in sorted(self.bare_usd_seconds.items())
            if on == day
        }

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

    def of_plan(self, key: LegKey) -> list[OrderRecord]:
        """Return the orders of one leg that the day's plan has made so far, by ordinal."""
        plan = self.plan_id(key.day)
        return [order for order in self.of_leg(key) if plan and order.plan == plan]

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

    def unsettled_orders(self) -> list[OrderRecord]:
        """Return the orders that may be live and are no resting stops."""
        return [
            order
            for order in self.live_orders()
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


def _with(order: OrderRecord, **changes: Any) -> OrderRecord:
    """Return a record with changes; `dataclasses.replace`, for thousands of lines."""
    changed = object.__new__(OrderRecord)
    changed.__dict__.update(order.__dict__, **changes)
    return changed


def _time(text: object) -> dt.datetime:
    return dt.datetime.fromisoformat(str(text))


def _day(text: object) -> dt.date:
    return dt.date.fromisoformat(str(text))


def _base(product_id: str) -> str:
    return product_id.split("-")[0]


def _pin(state: LedgerState, line: Mapping[str, Any]) -> None:
    if state.portfolio_uuid and state.portfolio_uuid != line["portfolio_uuid"]:
        raise StateError(
            f"the ledger belongs to portfolio {state.portfolio_uuid}, "
            f"a line names {line['portfolio_uuid']}"
        )
    state.portfolio_uuid = line["portfolio_uuid"]


def _mark(state: LedgerState, line: Mapping[str, Any]) -> None:
    day = _day(line["day"])
    marks = state.marks.setdefault(day, {})
    if line["mark"] == "effects_complete" and "claimed" in marks:
        # Everything was looked at between these two marks.
        state.in_order_at = _time(marks["claimed"]["at"])
    marks[line["mark"]] = {**line, "line": state.lines}
    if line["mark"] == "done":
        is_bare = line.get("exit_code") == EXIT_UNPROTECTED
        state.in_doubt = f"the run of {day} ended with something unprotected" if is_bare else ""
    if line["mark"] == "claimed":
        state.in_doubt = f"the run of {day} did not end"
        state.attempts[day] = state.attempts.get(day, 0) + 1
        if line.get("forced"):
            # A forced run is a second set of effects: what was complete belongs to the first.
            for mark in ("effects_complete", "done"):
                state.marks[day].pop(mark, None)
            state.plans.pop(day, None)
            for found in state.traded_elsewhere(day):
                state.orders[found] = _with(state.orders[found], adopted=False)


def _plan(state: LedgerState, line: Mapping[str, Any]) -> None:
    day = _day(line["day"])
    # Every attempt makes one plan at most, and each is marked above it.
    attempt = state.attempts.get(day, 0)
    state.plans[day] = {
        **line,
        "id": f"{day}-{attempt}",
        "attempt": attempt,
        "line": state.lines,
    }


def _intent(state: LedgerState, line: Mapping[str, Any]) -> None:
    key = LegKey(_day(line["day"]), line["product"], Side(line["side"]), Leg(line["leg"]))
    known = state.orders.get(line["client_id"])
    if known is not None and known.body != line["body"]:
        raise StateError(
            f"order {line['client_id']} was written with another body: "
            f"{known.body} then {line['body']}"
        )
    if known is None:
        found = state.orders[line["client_id"]] = OrderRecord(
            client_id=line["client_id"],
            key=key,
            ordinal=int(line["ordinal"]),
            body=dict(line["body"]),
            intended_at=_time(line.get("created_at", line["at"])),
            adopted=line.get("adopted") is True,
            plan=_plan_of(state, key, line),
            intended_line=state.lines,
        )
        if line.get("order_id"):
            # Taken in: the exchange has shown it.
            _record_facts(state, found, line, {"stage": OrderStage.ACKED})
        if key.leg in (Leg.ENTRY, Leg.PILOT):
            state.bought_products.add(key.product_id)


def _plan_of(state: LedgerState, key: LegKey, line: Mapping[str, Any]) -> str:
    """Return the plan that an intent names; an older ledger's belong to the plan above them."""
    if not key.leg.is_rebalance:
        return ""
    return str(line["plan"]) if "plan" in line else state.plan_id(key.day)


def _move(state: LedgerState, line: Mapping[str, Any]) -> None:
    order = state.orders.get(line["client_id"])
    if order is None:
        raise StateError(f"a line moves order {line['client_id']}, which no line intended")
    to = check_move(order.stage, OrderStage(line["to"]), client_id=order.client_id)
    at = _time(line["at"]) if "at" in line else None
    changes: dict[str, Any] = {"stage": to}
    if to is OrderStage.CANCEL_SENT:
        changes |= {"cancel_sent": True, "cancel_sent_at": at}
    elif to is OrderStage.WORKING:
        # A cancel that was not taken is none: what ends the order later is not our doing.
        changes |= {"cancel_sent": False, "working_at": at}
    elif to is OrderStage.DONE:
        changes["ended_line"] = state.lines
    elif to is OrderStage.UNKNOWN and line.get("sent"):
        changes["resent_at"] = at
    _record_facts(state, order, line, changes)


def _cancel_repeated(state: LedgerState, line: Mapping[str, Any]) -> None:
    order = state.orders.get(line["client_id"])
    if order is not None:
        state.orders[order.client_id] = _with(order, cancel_sent_at=_time(line["at"]))


def _resent(state: LedgerState, line: Mapping[str, Any]) -> None:
    order = state.orders.get(line["client_id"])
    if order is not None:
        state.orders[order.client_id] = _with(order, resent_at=_time(line["at"]))


def _facts(state: LedgerState, line: Mapping[str, Any]) -> None:
    """Fills seen while the order stays where it is."""
    order = state.orders.get(line["client_id"])
    if order is None:
        raise StateError(f"a line tells of order {line['client_id']}, which no line intended")
    _record_facts(state, order, line, {})


_AMOUNTS = ("filled_size", "filled_value", "fees")
_TIMES = ("last_fill_at", "first_fill_at")
_TEXTS = ("order_id", "detail", "refusal")


def _record_facts(
    state: LedgerState, order: OrderRecord, line: Mapping[str, Any], changes: dict[str, Any]
) -> None:
    changes |= {name: Decimal(line[name]) for name in _AMOUNTS if name in line}
    changes |= {name: _time(line[name]) for name in _TIMES if line.get(name)}
    changes |= {name: line[name] for name in _TEXTS if name in line}
    if changes.get("filled_size", order.filled_size) != order.filled_size:
        changes["fill_seen_line"] = state.lines
    updated = _with(order, **changes)
    base, quote = order.product_id.split("-")
    paid = updated.signed_value - order.signed_value
    for currency, gained in ((base, updated.signed_fill - order.signed_fill), (quote, -paid)):
        if gained:
            known = state.fills_since_confirmed.get(currency, ZERO)
            state.fills_since_confirmed[currency] = known + gained
    state.orders[order.client_id] = updated


def _level(state: LedgerState, line: Mapping[str, Any]) -> None:
    state.levels[line["product"]] = Decimal(line["target_level"])


def _flat(state: LedgerState, line: Mapping[str, Any]) -> None:
    """A holding that fell to dust ends what was remembered of its level and of its owner."""
    state.levels.pop(line["product"], None)
    state.not_ours.pop(_base(line["product"]), None)
    state.flat_at[line["product"]] = _time(line["at"])
    state.flat_line[line["product"]] = state.lines


def _cooldown(state: LedgerState, line: Mapping[str, Any]) -> None:
    start = _day(line["start"])
    known = state.cooldowns.get(line["product"])
    state.cooldowns[line["product"]] = max(start, known) if known else start


def _confirmed(state: LedgerState, line: Mapping[str, Any]) -> None:
    for base, total in line["totals"].items():
        state.confirmed[base] = Decimal(total)
        state.fills_since_confirmed.pop(base, None)
        state.let_go.discard(base)


def _take_over(state: LedgerState, line: Mapping[str, Any]) -> Decimal:
    """Expect from now on what is there, whoever made the difference; return it."""
    base, units = _base(line["product"]), Decimal(line.get("units", "0"))
    if units:
        known = state.fills_since_confirmed.get(base, ZERO)
        state.fills_since_confirmed[base] = known + units
    return units


def _adopted(state: LedgerState, line: Mapping[str, Any]) -> None:
    _take_over(state, line)


def _locked(state: LedgerState, line: Mapping[str, Any]) -> None:
    state.locked[line["product"]] = line["why"]
    units = _take_over(state, line)
    if units:
        # What was taken away and comes back is ours again.
        base = _base(line["product"])
        state.not_ours[base] = state.not_ours.get(base, ZERO) + units
    if line.get("missing"):
        state.missing.add(line["product"])
    if line.get("order"):
        # What is told once is released once, however long the exchange lists the order.
        state.risen.add(line["order"])


def _found(state: LedgerState, line: Mapping[str, Any]) -> None:
    """A product that was missing is listed again."""
    if line["product"] in state.missing:
        state.missing.discard(line["product"])
        state.locked.pop(line["product"], None)


def _released(state: LedgerState, line: Mapping[str, Any]) -> None:
    """Whatever the next reading shows counts; of what is missing nothing is expected any more."""
    product, base = line["product"], _base(line["product"])
    state.locked.pop(product, None)
    state.let_go.add(base)
    for known in (state.confirmed, state.fills_since_confirmed, state.not_ours):
        known.pop(base, None)
    if product in state.missing:
        state.missing.discard(product)
        state.levels.pop(product, None)
        state.bare_since.pop(product, None)


def _renamed(state: LedgerState, line: Mapping[str, Any]) -> None:
    """Let everything that is known of a product go over to the one it became."""
    old, new, ratio = line["product"], line["to"], Decimal(line["ratio"])
    state.renamed[old] = new
    _move_units(state, _base(old), _base(new), ratio)
    if state.not_ours.get(_base(new), ZERO) <= 0:
        state.locked.pop(new, None)
    state.locked.pop(old, None)
    state.missing.discard(old)
    level = state.levels.pop(old, None)
    if level is not None:
        state.levels[new] = max(level / ratio, state.levels.get(new, ZERO))
    start = state.cooldowns.pop(old, None)
    if start is not None:
        state.cooldowns[new] = max(start, state.cooldowns.get(new, start))
    since = state.bare_since.pop(old, None)
    if since is not None:
        state.bare_since.setdefault(new, since)
    if old in state.bought_products:
        state.bought_products -= {old}
        state.bought_products |= {new}


def _move_units(state: LedgerState, old: str, new: str, ratio: Decimal) -> None:
    """Expect the new coin in the place of the old one, also where it was taken for a stranger's."""
    held = state.expected(old)
    theirs = state.not_ours.pop(old, ZERO) * ratio
    for known in (state.confirmed, state.fills_since_confirmed):
        known.pop(old, None)
    if held is None:
        return
    moved = held * ratio
    arrived = min(moved, max(state.not_ours.get(new, ZERO), ZERO))
    state.not_ours[new] = state.not_ours.get(new, ZERO) - arrived + theirs
    expected = state.expected(new) or ZERO
    state.fills_since_confirmed.pop(new, None)
    state.confirmed[new] = expected + moved - arrived


def _proven(state: LedgerState, line: Mapping[str, Any]) -> None:
    state.proven_products.add(line["product"])
    state.not_protectable.pop(line["product"], None)


def _not_protectable(state: LedgerState, line: Mapping[str, Any]) -> None:
    day, known = _day(line["day"]), state.not_protectable.get(line["product"])
    since, times = (day, 1) if known is None else (known.since, known.times + 1)
    found = NotProtectable(since, day, times, line.get("why", ""))
    state.not_protectable[line["product"]] = found


def _bare(state: LedgerState, line: Mapping[str, Any]) -> None:
    state.bare_since.setdefault(line["product"], _time(line["since"]))


def _covered(state: LedgerState, line: Mapping[str, Any]) -> None:
    since = state.bare_since.pop(line["product"], None)
    if since is not None:
        key = (_day(line["day"]), line["product"])
        until = _time(line.get("until", line["at"]))
        seconds = max((until - since).total_seconds(), 0.0)
        state.bare_seconds[key] = state.bare_seconds.get(key, 0.0) + seconds
        usd_seconds = seconds * float(line.get("notional", 0))
        state.bare_usd_seconds[key] = state.bare_usd_seconds.get(key, 0.0) + usd_seconds


def _unprotected(state: LedgerState, line: Mapping[str, Any]) -> None:
    """What somebody who looked found without its stop; it stands until all is seen covered."""
    state.in_doubt = line["why"]


def _protected(state: LedgerState, line: Mapping[str, Any]) -> None:
    state.in_doubt = ""


_HANDLERS = {
    "pin": _pin,
    "mark": _mark,
    "plan": _plan,
    "intent": _intent,
    "move": _move,
    "resent": _resent,
    "unanswered": _resent,
    "cancel_repeated": _cancel_repeated,
    "facts": _facts,
    "level": _level,
    "flat": _flat,
    "cooldown": _cooldown,
    "confirmed": _confirmed,
    "adopted": _adopted,
    "locked": _locked,
    "found": _found,
    "renamed": _renamed,
    "released": _released,
    "proven": _proven,
    "not_protectable": _not_protectable,
    "bare": _bare,
    "covered": _covered,
    "unprotected": _unprotected,
    "protected": _protected,
}

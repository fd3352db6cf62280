"""
Order checks: what an order is frozen as, whether it may still go out, exists, and is ours.

An order is the one that was sent only if all of it reads so; its fills must account for it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tf_lib.core.model.records import ZERO, MarketOrder, Product, Side, StopOrder
from tf_lib.exchange.port import Fill, OrderState
from tf_lib.store.ledger_state import OrderRecord

ABSENT_AFTER = dt.timedelta(seconds=150)
"""A token lives 120 s: a request unseen for longer than this can no longer arrive."""

_LOOK_AGAIN_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0)
_LATER_SECONDS = 30.0
_ROUNDING = Decimal("1E-12")
CLOCK_TOLERANCE = dt.timedelta(seconds=5)
PLAN_AGE_LIMIT = dt.timedelta(minutes=10)
"""After this no order of the day's plan goes out any more."""


def body_of(
    order: MarketOrder | StopOrder,
    products: Mapping[str, Product],
    last_trade: Callable[[str], Decimal],
) -> dict[str, str]:
    """Return the frozen body; a product without market orders is met with an IOC limit."""
    size = format(order.base_size, "f")
    if isinstance(order, StopOrder):
        return {
            "type": "stop_limit",
            "base_size": size,
            "stop_price": format(order.stop_price, "f"),
            "limit_price": format(order.limit_price, "f"),
        }
    product = products[order.product_id]
    if product.accepts_market_orders:
        money = {} if order.quote_size is None else {"quote_size": f"{order.quote_size:f}"}
        return {"type": "market", "base_size": size, **money}
    # A limit 2 % through the last trade fills like a market order, or ends.
    away = Decimal("1.02") if order.side is Side.BUY else Decimal("0.98")
    tick = product.price_increment
    limit = (last_trade(order.product_id) * away / tick).to_integral_value() * tick
    return {"type": "ioc_limit", "base_size": size, "limit_price": format(limit, "f")}


def order_of(record: OrderRecord) -> MarketOrder | StopOrder:
    """Return the order that a frozen body is, as the exchange takes it."""
    body, size = record.body, record.base_size
    limit = Decimal(body["limit_price"]) if "limit_price" in body else None
    if body["type"] == "stop_limit" and limit is not None:
        return StopOrder(record.product_id, size, Decimal(body["stop_price"]), limit)
    money = Decimal(body["quote_size"]) if "quote_size" in body else None
    return MarketOrder(record.product_id, record.key.side, size, money, limit)


def dead_because(planned_at: dt.datetime, *, now: dt.datetime, day: dt.date) -> str:
    """Return why no order of a plan of that moment goes out any more, or nothing."""
    if planned_at - now > CLOCK_TOLERANCE:
        return f"the plan of {planned_at:%Y-%m-%d %H:%M:%S} lies in the exchange's future"
    if now - planned_at > PLAN_AGE_LIMIT:
        return f"the plan of {planned_at:%H:%M:%S} is older than 10 minutes"
    if now.date() != day:
        return f"the day of the plan, {day}, is over"
    return ""


ABSENT = ""
"""What a `resolution` returns of an order that provably never arrived."""


@dataclass(frozen=True)
class Heard:
    """
    What came of one step of a `resolution`.

    Attributes
    ----------
    order_id : str
        The exchange's name of the order, once it is known.
    silent_for : timedelta
        Between the last send and the look-up that missed it.
    may_resend : bool
        Whether the rules let it go out once more.
    """

    order_id: str = ""
    silent_for: dt.timedelta = dt.timedelta(0)
    may_resend: bool = False


Step = Literal["look", "resend"] | float
"""Look for the order in the complete list, send it again as it was, or wait so many seconds."""


def resolution(*, patient: bool, is_adopted: bool = False) -> Generator[Step, Heard, str | None]:
    """
    Find out whether an order without a proven answer exists, step by step.

    Yields what to do next and is sent what came of it; returns the order's id at the exchange,
    `ABSENT`, or None where it stays open. It is looked for before anything is sent, and sent
    again at most once. It is absent only when a complete list that was read long enough after
    the last send does not hold it; an adopted one never is, the exchange has shown it.

    Examples
    --------
    >>> steps = resolution(patient=True)
    >>> next(steps), steps.send(Heard()), steps.send(Heard())
    ('look', 1.0, 'look')
    """
    waits, is_sent_again = list(_LOOK_AGAIN_SECONDS), False
    while True:
        heard = yield "look"
        if heard.order_id:
            return heard.order_id
        if heard.silent_for > ABSENT_AFTER and not is_adopted:
            return ABSENT
        if heard.may_resend and not is_sent_again:
            is_sent_again = True
            heard = yield "resend"
            if heard.order_id:
                return heard.order_id
            # Whatever was said of it: the list tells.
            continue
        if not patient:
            return None
        yield waits.pop(0) if waits else _LATER_SECONDS


def difference(record: OrderRecord, seen: OrderState) -> str:
    """
    Return how an order at the exchange is not the one that was sent, or nothing.

    A stop that rests as it was sent protects, whatever two clocks say of its age.
    """
    problem = alteration(record, seen)
    if record.adopted or (seen.is_live_stop and not problem):
        return problem
    if seen.created_time < record.intended_at - CLOCK_TOLERANCE:
        old = f"created {seen.created_time.isoformat()}, before it was intended"
        return f"{problem}; {old}" if problem else old
    return problem


def alteration(record: OrderRecord, seen: OrderState) -> str:
    """Return what of an order stands otherwise at the exchange than it was sent, or nothing."""
    wanted: dict[str, object] = {
        "product": record.product_id,
        "side": record.key.side,
    }
    came: dict[str, object] = {
        "product": seen.product_id,
        "side": seen.side,
    }
    # An order that is sized by its money has no size in base units until it is filled.
    size = "quote_size" if "quote_size" in record.body else "base_size"
    for name in (size, "stop_price", "limit_price"):
        if name in record.body:
            wanted[name] = Decimal(record.body[name])
            came[name] = getattr(seen, name)
    different = [f"{n}: sent {wanted[n]}, found {came[n]}" for n in wanted if wanted[n] != came[n]]
    return "; ".join(different)


def add_up(fills: Sequence[Fill], filled_size: Decimal) -> bool:
    """
    Whether fills account for all that an order says was filled.

    The fills of a buy for an amount of money are sized in money, so their units are quotients.
    """
    found = sum((fill.base_size for fill in fills), ZERO)
    return abs(found - filled_size) <= filled_size * _ROUNDING


def fill_facts(seen: OrderState, fills: Sequence[Fill] = ()) -> dict[str, str]:
    """Return what a ledger line keeps of an order's fills."""
    facts = {
        "filled_size": format(seen.filled_size, "f"),
        "filled_value": format(seen.filled_value, "f"),
        "fees": format(seen.total_fees, "f"),
    }
    # The exchange may leave it out of the order; the fills always tell.
    traded = [fill.trade_time for fill in fills]
    last = seen.last_fill_time or max(traded, default=None)
    if last is not None:
        facts["last_fill_at"] = last.isoformat()
    if fills:
        facts["first_fill_at"] = min(traded).isoformat()
    return facts

"""
Order checks: whether an order without an answer exists, and whether one that was read is ours.

An order is the one that was sent only if all of it reads so; its fills must account for it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tf_lib.core.model.records import ZERO
from tf_lib.exchange.port import Fill, OrderState
from tf_lib.store.ledger_state import OrderRecord

ABSENT_AFTER = dt.timedelta(seconds=150)
"""A token lives 120 s: a request unseen for longer than this can no longer arrive."""

_LOOK_AGAIN_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0)
_LATER_SECONDS = 30.0
_ROUNDING = Decimal("1E-12")
CLOCK_TOLERANCE = dt.timedelta(seconds=5)


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

"""Evidence: what an order that was read says against the one that was sent, and of its fills."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from tf_lib.core.model.records import ZERO
from tf_lib.exchange.port import Fill, OrderState
from tf_lib.store.ledger_state import OrderRecord

_ROUNDING = Decimal("1E-12")
CLOCK_TOLERANCE = dt.timedelta(seconds=5)


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

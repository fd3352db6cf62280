"""Many days in a row, and what the exchange held after each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.app.profile import Profile
from tests.oracle.exchange_state import ExchangeState, Order

STARTING_CASH = Decimal(15000)
COOLDOWN_DAYS = 7


@dataclass(frozen=True)
class DayEnd:
    """One day as it ended, before the next began."""

    day: dt.date
    code: int
    said: str
    exchange: ExchangeState
    wrong: tuple[str, ...]

    @property
    def orders(self) -> tuple[Order, ...]:
        """The orders that were made this day."""
        start = dt.datetime.combine(self.day, dt.time(), dt.UTC)
        return self.exchange.since(start)


@dataclass(frozen=True)
class Span:
    """A profile and its days."""

    profile: Profile
    days: tuple[DayEnd, ...]

    def pairs(self) -> Iterator[tuple[DayEnd, DayEnd]]:
        """Yield each day with the day before."""
        return zip(self.days, self.days[1:], strict=False)

    def summary(self, end: DayEnd) -> Mapping[str, Any]:
        return self.profile.summary(end.day)


def run_span(profile: Profile, first: str, last: str) -> Span:
    """Run every day from `first` to `last` in this process."""
    day, ends = dt.date.fromisoformat(first), []
    while day <= dt.date.fromisoformat(last):
        code, said = profile.run(day)
        ends.append(DayEnd(day, code, said, profile.exchange(), tuple(profile.wrong(day))))
        day += dt.timedelta(days=1)
    return Span(profile, tuple(ends))


def events(span: Span) -> dict[str, list[str]]:
    """Return what happened in a span, by kind, as the exchange tells it."""
    found: dict[str, list[str]] = {
        kind: [] for kind in ("enter", "add", "trim", "exit", "raise", "stopped out")
    }
    for before, after in span.pairs():
        for order in after.orders:
            where = f"{after.day} {order.product}"
            if order.leg == "en" and order.filled:
                held = before.exchange.held(order.product)
                # What was held before and stopped out since is an entry again.
                was_stopped = any(
                    o.filled and o.product == order.product and o.last_update.date() < after.day
                    for o in after.exchange.orders
                    if o.kind == "STOP_LIMIT" and o.last_update > before.exchange.now
                )
                found["add" if held and not was_stopped else "enter"].append(where)
            elif order.leg == "tr" and order.filled:
                found["trim"].append(where)
            elif order.leg == "ex" and order.filled:
                found["exit"].append(where)
        for stop in after.exchange.orders:
            if stop.kind != "STOP_LIMIT" or stop.last_update < before.exchange.now:
                continue
            where = f"{after.day} {stop.product}"
            if stop.filled:
                found["stopped out"].append(where)
            elif stop.status == "CANCELLED" and _has_higher(after, stop):
                found["raise"].append(where)
    return found


def _has_higher(end: DayEnd, old: Order) -> bool:
    return any(
        new.stop is not None and old.stop is not None and new.stop > old.stop
        for new in end.exchange.stops(old.product)
    )


def cooldown_starts(span: Span) -> list[tuple[str, dt.datetime]]:
    """Return product and moment of every fill that begins a cooldown: own stops, emergencies."""
    last = span.days[-1].exchange
    losing = {o.order_id for o in last.orders if o.leg in ("sc", "sa", "em")}
    return [(fill.product, fill.at) for fill in last.fills if fill.order_id in losing]


def day_of_path(path: Path) -> dt.date:
    """Return the day that a run folder is named by."""
    return dt.date.fromisoformat(path.name)

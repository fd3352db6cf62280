"""
One story: a stage, what is done and looked at on it, and what was found wrong.

A story given the name of a planted fault runs its commands with it.
"""

from __future__ import annotations

import datetime as dt
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.oracle.exchange_state import ExchangeState, Order
from tests.proofs.evidence import evidence_of
from tests.proofs.oracle import judge, worst_bare_seconds
from tests.proofs.stage import Ended, Stage

FIRST, BUSY = dt.date(2023, 6, 5), dt.date(2023, 6, 8)
EXIT_DAY = dt.date(2023, 6, 16)


@dataclass
class Story:
    """A stage, what was said on it, and what was found wrong."""

    stage: Stage
    eve: Path
    planted: str = ""
    findings: list[str] = field(default_factory=list)
    moved: list[tuple[str, Decimal, dt.datetime]] = field(default_factory=list)
    triggered: dict[str, dt.datetime] = field(default_factory=dict)
    worst_bare: float = 0.0

    def begin(self) -> None:
        self.stage.put_back(self.eve)

    # -- doing ---------------------------------------------------------------------------

    def run(self, *arguments: str, code: int | None = 0, **order: Any) -> Ended:
        ended = self.stage.run(*arguments, **({"planted": self.planted} | order))
        self._expect_code("run", ended, code)
        return ended

    def guard(self, *, code: int | None = 0, **order: Any) -> Ended:
        ended = self.stage.guard(**({"planted": self.planted} | order))
        self._expect_code("guard", ended, code)
        return ended

    def next_day(self, *, code: int | None = 0) -> Ended:
        day = self.stage.exchange.now().date() + dt.timedelta(days=1)
        self.stage.go_to(day)
        return self.run(code=code)

    def _expect_code(self, name: str, ended: Ended, code: int | None) -> None:
        if code is not None and ended.code != code:
            said = ended.said[-500:]
            self.findings.append(f"exit: {name} ended with {ended.code}, not {code}: {said}")

    def jump(self, product: str, price: Decimal, *, minutes: float = 40, after: float = 10) -> None:
        """Let a price jump and stay; stops that it triggers and does not fill are noted."""
        price = self.stage.on_grid(product, price)
        at = self.stage.exchange.now() + dt.timedelta(seconds=after)
        until = at + dt.timedelta(minutes=minutes)
        self.stage.exchange.plant_jump(product, at, price, hold_until=until)
        self.stage.wait(after + 5)
        for order in self.held.orders:
            if order.product == product and order.is_live and order.is_triggered:
                self.triggered.setdefault(order.client_id, at)

    def deposit(self, currency: str, amount: Decimal) -> None:
        self.moved.append((currency, amount, self.stage.exchange.now()))
        self.stage.exchange.deposit(currency, amount)

    def halt(self, *products: str, is_halted: bool = True) -> None:
        for product in products:
            self.stage.exchange.set_flag(product, "cancel_only", is_halted)

    def cancel_by_hand(self, *stops: Order) -> None:
        self.stage.cancel_by_hand(*(stop.order_id for stop in stops))

    def by_hand(self, product: str, side: str, **configuration: Any) -> None:
        self.stage.exchange.place_by_hand(product, side, configuration)

    # -- looking -------------------------------------------------------------------------

    @property
    def held(self) -> ExchangeState:
        return self.stage.held()

    def last(self, product: str) -> Decimal:
        return Decimal(self.stage.product(product)["price"])

    def summary(self) -> dict[str, Any]:
        path = max(self.stage.profile.glob("*-*-*/daily_summary_*.json"))
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def stop_of(self, product: str) -> Order:
        return max(self.held.stops(product), key=lambda stop: stop.created)

    def orders(self, leg: str, day: dt.date | None = None) -> list[Order]:
        found = [o for o in self.held.orders if o.is_own and o.leg == leg]
        return [o for o in found if day is None or o.day == day]

    def expect(self, is_so: object, what: str) -> None:
        if not is_so:
            self.findings.append(f"story: {what}")

    def end(self, **more: Any) -> None:
        """Let the oracle judge."""
        evidence = evidence_of(
            self.stage, moved=tuple(self.moved), triggered=dict(self.triggered), **more
        )
        self.findings += judge(evidence)
        self.worst_bare = max(self.worst_bare, worst_bare_seconds(evidence))


def legs_of(exchange: ExchangeState, day: dt.date | None = None) -> set[str]:
    return {o.leg for o in exchange.orders if o.is_own and (day is None or o.day == day)}


def days_of(exchange: ExchangeState) -> set[dt.date]:
    return {o.day for o in exchange.orders if o.is_own}


def stories_of(module: Mapping[str, Any]) -> dict[str, Callable[[Story], None]]:
    """Return the stories that a module tells: its public functions of a story and nothing else."""
    return {
        name: function
        for name, function in module.items()
        if inspect.isfunction(function)
        and function.__module__ == module["__name__"]
        and not name.startswith("_")
        and list(inspect.signature(function).parameters) == ["story"]
    }

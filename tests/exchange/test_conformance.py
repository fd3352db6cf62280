"""Each adapter of the port against the suite that all must pass."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from tests.exchange.conformance import CASH, COIN, DAY, OTHER, Conformance, Venue
from tests.exchange.connected import connected
from tests.exchange.fake import FakeExchange
from tf_lib.exchange.port import Exchange
from tf_lib.simulator import SimulatedExchange, SimulatorSettings

_ENDPOINTS = {"send": "POST /orders", "cancel": "POST /orders/batch_cancel"}


@dataclass
class Simulated:
    """The Coinbase adapter, over real HTTPS, on the simulated exchange."""

    exchange: Exchange
    engine: SimulatedExchange

    def set_price(self, price: Decimal) -> None:
        at = self.engine.now() + dt.timedelta(seconds=1)
        self.engine.plant_jump(COIN, at, price, hold_until=at + dt.timedelta(hours=1))
        self.engine.advance_to(at + dt.timedelta(seconds=60))

    def lose(self, action: str, *, is_taken: bool) -> None:
        kind = "drop_after" if is_taken else "drop_before"
        self.engine.add_fault(kind=kind, endpoint=_ENDPOINTS[action], calls=[1])


class TestCoinbase(Conformance):
    """Behind the official SDK."""

    @pytest.fixture
    def venue(self) -> Iterator[Venue]:
        """Return a new exchange."""
        with SimulatedExchange(SimulatorSettings(as_of=DAY, tickers=(COIN, OTHER))) as engine:
            exchange = connected(engine.start(), timeout=(1.0, 1.0))
            yield Simulated(exchange, engine)
            exchange.line.close()


@dataclass
class InMemory:
    """The fake."""

    exchange: FakeExchange

    def set_price(self, price: Decimal) -> None:
        self.exchange.set_price(COIN, price)

    def lose(self, action: str, *, is_taken: bool) -> None:
        self.exchange.lost[action] = is_taken


class TestFake(Conformance):
    """Without any exchange."""

    @pytest.fixture
    def venue(self) -> Venue:
        """Return a new exchange."""
        now = dt.datetime.combine(DAY, dt.time(0, 1), dt.UTC)
        return InMemory(FakeExchange(now, {COIN: Decimal(60000), OTHER: Decimal(3000)}, CASH))

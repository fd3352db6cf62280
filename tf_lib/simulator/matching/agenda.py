"""
What is to come: timed events, and the moments at which prices meet waiting orders.

The market knows its path, so the next meeting of a product is looked up once and kept until its
orders or its path change.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from tf_lib.simulator.matching.conditions import Event
from tf_lib.simulator.matching.order import Order
from tf_lib.simulator.prices.paths import OrderLevels, Touch
from tf_lib.simulator.prices.simulated_market import Market
from tf_lib.simulator.simulated_clock import FOREVER


class Waiting:
    """
    The orders of one product that can still trade, and the prices they wait for.

    Attributes
    ----------
    orders : dict of order id to Order
        Oldest first.
    bands : dict of order id to Band
    falling, rising : list of Decimal
        Every level that is waited for, in order.
    """

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.bands: dict[str, OrderLevels] = {}
        self.falling: list[Decimal] = []
        self.rising: list[Decimal] = []

    def note(self, order: Order) -> None:
        """Take an order in, take over its new prices, or let it go when it has ended."""
        before = self.bands.pop(order.order_id, None)
        if before is not None:
            _remove(self.falling, before.falling)
            _remove(self.rising, before.rising)
        if not order.is_live:
            self.orders.pop(order.order_id, None)
            return
        self.orders[order.order_id] = order
        band = self.bands[order.order_id] = order.band
        if band.falling is not None:
            insort(self.falling, band.falling)
        if band.rising is not None:
            insort(self.rising, band.rising)

    def met_by(self, price: Decimal) -> list[Order]:
        """Orders that a price satisfies, oldest first."""
        return [order for name, order in self.orders.items() if self.bands[name].met_by(price)]


def _remove(levels: list[Decimal], level: Decimal | None) -> None:
    if level is not None:
        del levels[bisect_left(levels, level)]


class Agenda:
    """
    Everything that is to come, in order of time; prices go before events of the same moment.

    Parameters
    ----------
    market : Market
    """

    def __init__(self, market: Market) -> None:
        self.market = market
        self.events: list[Event] = []
        self.event_count = 0
        self.added: list[Event] = []
        self.done: list[int] = []
        self._live: dict[str, Waiting] = {}
        self._touches: dict[str, Touch | None] = {}
        self._stale: set[str] = set()

    def restore(self, events: Iterable[Event], count: int) -> None:
        """Put stored events back."""
        self.events = sorted(events)
        self.event_count = count

    def schedule(self, at: int, kind: str, data: dict[str, Any]) -> None:
        """Let something happen at a moment."""
        self.event_count += 1
        event = Event(at, self.event_count, kind, data)
        heapq.heappush(self.events, event)
        self.added.append(event)

    def call_off(self, is_meant: Callable[[Event], bool]) -> None:
        """Take events off the agenda that are not to happen any more."""
        self.done += [event.number for event in self.events if is_meant(event)]
        self.events = sorted(event for event in self.events if not is_meant(event))

    def watch(self, order: Order) -> None:
        """Wait for the prices of an order while it lives."""
        self._live.setdefault(order.terms.product_id, Waiting()).note(order)
        self._stale.add(order.terms.product_id)

    def changed(self, order: Order) -> None:
        """Take over what an order that is waited for has become."""
        waiting = self._live.get(order.terms.product_id)
        if waiting is not None and order.order_id in waiting.orders:
            waiting.note(order)
        self._stale.add(order.terms.product_id)

    def path_changed(self, product_id: str) -> None:
        """Forget what was foreseen for a product."""
        self._stale.add(product_id)

    def waiting(self, product_id: str) -> list[Order]:
        """Orders of a product that can still trade, oldest first."""
        waiting = self._live.get(product_id)
        return list(waiting.orders.values()) if waiting is not None else []

    def met_by(self, product_id: str, price: Decimal) -> list[Order]:
        """Orders of a product that a price satisfies, oldest first."""
        waiting = self._live.get(product_id)
        return waiting.met_by(price) if waiting is not None else []

    def next_touch(self, now: int, until: int) -> tuple[str, Touch] | None:
        """First product whose price meets an order, by `until`."""
        for product_id in self._stale:
            self._touches[product_id] = self._foresee(product_id, now)
        self._stale.clear()
        found = ((name, t) for name, t in self._touches.items() if t and t.at <= until)
        return min(found, key=lambda each: (each[1].at, each[0]), default=None)

    def next_event(self, until: int) -> Event | None:
        """First event by `until`."""
        return self.events[0] if self.events and self.events[0].at <= until else None

    def take_event(self) -> Event:
        """Take the first event off the agenda."""
        event = heapq.heappop(self.events)
        self.done.append(event.number)
        return event

    def _foresee(self, product_id: str, now: int) -> Touch | None:
        waiting = self._live.get(product_id)
        if waiting is None or not waiting.orders:
            return None
        falling = waiting.falling[-1] if waiting.falling else None
        rising = waiting.rising[0] if waiting.rising else None
        return self.market.first_touch(product_id, now, FOREVER, OrderLevels(falling, rising))

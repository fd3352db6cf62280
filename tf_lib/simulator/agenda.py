"""
What is to come: timed events, and the moments at which prices meet waiting orders.

The market knows its path, so the next meeting of a product is looked up once and kept until its
orders or its path change.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

from tf_lib.simulator.market import Market
from tf_lib.simulator.orders import Order
from tf_lib.simulator.paths import Band, Touch
from tf_lib.simulator.world import Event


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
        self._live: dict[str, dict[str, Order]] = {}
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

    def watch(self, order: Order) -> None:
        """Wait for the prices of an order while it lives; call again when they have changed."""
        waiting = self._live.setdefault(order.terms.product_id, {})
        if order.is_live:
            waiting[order.order_id] = order
        else:
            waiting.pop(order.order_id, None)
        self._stale.add(order.terms.product_id)

    def path_changed(self, product_id: str) -> None:
        """Forget what was foreseen for a product."""
        self._stale.add(product_id)

    def waiting(self, product_id: str) -> list[Order]:
        """Orders of a product that can still trade, oldest first."""
        return list(self._live.get(product_id, {}).values())

    def next_touch(self, now: int, until: int) -> tuple[str, Touch] | None:
        """First product whose price meets an order, by `until`."""
        if self.market.known_until < until:
            self._stale.update(self._live)
        for product_id in self._stale:
            self._touches[product_id] = self._foresee(product_id, now)
        self._stale.clear()
        found = ((t.at, name) for name, t in self._touches.items() if t and t.at <= until)
        first = min(found, default=None)
        if first is None:
            return None
        touch = self._touches[first[1]]
        return (first[1], touch) if touch is not None else None

    def next_event(self, until: int) -> Event | None:
        """First event by `until`."""
        return self.events[0] if self.events and self.events[0].at <= until else None

    def take_event(self) -> Event:
        """Take the first event off the agenda."""
        event = heapq.heappop(self.events)
        self.done.append(event.number)
        return event

    def _foresee(self, product_id: str, now: int) -> Touch | None:
        bands = [order.band for order in self._live.get(product_id, {}).values()]
        if not bands:
            return None
        falling = max((b.falling for b in bands if b.falling is not None), default=None)
        rising = min((b.rising for b in bands if b.rising is not None), default=None)
        horizon = self.market.known_until
        return self.market.first_touch(product_id, now, horizon, Band(falling, rising))

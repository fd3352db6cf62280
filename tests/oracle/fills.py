"""One day's path and the orders that meet it (design, section 12), segment by segment."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

DAY_HOURS = 24.0
OPEN_HOLDS_HOURS = 0.25


class Bar(NamedTuple):
    """One day's prices."""

    open: float
    high: float
    low: float
    close: float


class StopOrder(NamedTuple):
    """A resting sell stop-limit order."""

    stop: float
    limit: float
    is_triggered: bool = False


class Fill(NamedTuple):
    """When and at what an order filled."""

    hour: float
    price: float
    is_taker: bool


def corners(bar: Bar) -> list[tuple[float, float]]:
    """Hours and prices between which the day runs straight."""
    first, second = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    return [
        (0.0, bar.open),
        (OPEN_HOLDS_HOURS, bar.open),
        (8.0, first),
        (16.0, second),
        (DAY_HOURS, bar.close),
    ]


def price_at(bar: Bar, hour: float) -> float:
    """Last price at `hour` of the day."""
    path = corners(bar)
    for (h0, p0), (h1, p1) in pairwise(path):
        if h0 <= hour <= h1:
            return p0 + (p1 - p0) * (hour - h0) / (h1 - h0)
    raise ValueError(f"hour must be within 0 and {DAY_HOURS}, got {hour}")


def first_hour(bar: Bar, level: float, *, falling: bool, since: float) -> float | None:
    """First hour from `since` on at which the price is at or beyond `level`; None if never."""
    start = price_at(bar, since)
    path = [(since, start), *(corner for corner in corners(bar) if corner[0] > since)]

    def is_there(price: float) -> bool:
        return price <= level if falling else price >= level

    if is_there(start):
        return since
    for (h0, p0), (h1, p1) in pairwise(path):
        if is_there(p1):
            return h0 + (h1 - h0) * (level - p0) / (p1 - p0)
    return None


def stop_fill(
    bar: Bar, order: StopOrder, *, slippage: float, since: float = 0.0
) -> Fill | StopOrder:
    """Let a sell stop-limit order live through the day; return its fill or what still rests."""
    hour = since
    if not order.is_triggered:
        reached = first_hour(bar, order.stop, falling=True, since=since)
        if reached is None:
            return order
        # Inside a straight line the first price at or below the stop is the stop itself.
        price = price_at(bar, since) if reached == since else order.stop
        if price >= order.limit:
            return Fill(reached, max(order.limit, price * (1 - slippage)), is_taker=True)
        hour = reached
    back = first_hour(bar, order.limit, falling=False, since=hour)
    if back is None:
        return order._replace(is_triggered=True)
    return Fill(back, order.limit, is_taker=False)


def market_fill(bar: Bar, hour: float, *, is_buy: bool, slippage: float) -> Fill:
    """Fill at the last price, moved against the trader."""
    moved = 1 + slippage if is_buy else 1 - slippage
    return Fill(hour, price_at(bar, hour) * moved, is_taker=True)

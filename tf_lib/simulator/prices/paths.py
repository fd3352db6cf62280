"""
The price between two moments as straight legs, and where it first meets a level.

The corners, the lines and the crossing price are those of `tf_lib.core.orders.fills`; this module
only strings days together, lays planted jumps over them and keeps moments as whole microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tf_lib.core.orders import fills
from tf_lib.core.orders.intraday_path import leg_touch, path_leg
from tf_lib.simulator.prices.day_bars import exact
from tf_lib.simulator.simulated_clock import SECOND


@dataclass(frozen=True)
class PathSegment:
    """A straight piece of the path; `end` is the moment the next leg begins."""

    begin: int
    end: int
    first: Decimal
    last: Decimal

    def price(self, at: int) -> Decimal:
        """Exact price at a moment of the leg."""
        return fills.on_line(
            self.first, self.last, Decimal(self.begin), Decimal(self.end), Decimal(at)
        )

    def printed(self, at: int, tick: Decimal) -> Decimal:
        """
        Price of the last trade: the last tick the line has reached, and corners verbatim.

        A falling price is rounded up and a rising one down, so that the printed price is at or
        beyond a level on the grid exactly when the line is.
        """
        price = self.price(at)
        if at == self.begin or self.first == self.last:
            return price
        falling = self.last < self.first
        rounding = ROUND_CEILING if falling else ROUND_FLOOR
        stepped = (price / tick).to_integral_value(rounding) * tick
        return min(stepped, self.first) if falling else max(stepped, self.first)


@dataclass(frozen=True)
class Jump:
    """A planted move: the price is `price` at `at`, stays until `hold_until`, then rejoins."""

    at: int
    price: Decimal
    hold_until: int


@dataclass(frozen=True)
class OrderLevels:
    """The levels that orders wait for: `falling` from above, `rising` from below."""

    falling: Decimal | None = None
    rising: Decimal | None = None

    def fell(self, price: Decimal) -> bool:
        """Whether a price is at or below the level that is waited for from above."""
        return self.falling is not None and fills.is_reached(price, self.falling, True)

    def met_by(self, price: Decimal) -> bool:
        """Whether a price satisfies an order on either side."""
        rose = self.rising is not None and fills.is_reached(price, self.rising, False)
        return rose or self.fell(price)


@dataclass(frozen=True)
class Touch:
    """The first moment at which a band is left, and the price there."""

    at: int
    price: Decimal


def candle_legs(begin: int, seconds: int, prices: Iterable[float]) -> Iterator[PathSegment]:
    """Legs of a candle of any length, a day's in small; `prices` are open, high, low, close."""
    o, h, low, c = (exact(float(price)) for price in prices)
    for index in range(1, fills.LEGS + 1):
        yield PathSegment(*path_leg(index, begin, o, begin, seconds * SECOND, o, h, low, c))


def flat_leg(begin: int, end: int, price: Decimal) -> PathSegment:
    """The price stands still."""
    return PathSegment(begin, end, price, price)


def with_jump(legs: Sequence[PathSegment], jump: Jump) -> list[PathSegment]:
    """Lay a jump onto the legs of a day: line until it, its price, then back to the next corner."""
    result: list[PathSegment] = []
    for leg in legs:
        if leg.end <= jump.at or leg.begin > jump.hold_until:
            result.append(leg)
            continue
        if leg.begin < jump.at:
            result.append(PathSegment(leg.begin, jump.at, leg.first, leg.price(jump.at)))
        held_from, held_to = max(leg.begin, jump.at), min(leg.end, jump.hold_until)
        if held_from < held_to:
            result.append(flat_leg(held_from, held_to, jump.price))
        if jump.hold_until < leg.end:
            result.append(PathSegment(jump.hold_until, leg.end, jump.price, leg.last))
    return result


def first_touch(
    legs: Iterable[PathSegment], band: OrderLevels, after: int, until: int
) -> Touch | None:
    """
    First moment in (after, until] at which the price is at or beyond a level of the band.

    What is true at `after` itself is taken to be dealt with: no order in the band is satisfied
    by the price there.
    """
    for leg in legs:
        if leg.begin > until:
            return None
        if leg.end <= after:
            continue
        touch = _touch_on(leg, band, after)
        if touch is not None:
            return touch if touch.at <= until else None
    return None


def _touch_on(leg: PathSegment, band: OrderLevels, after: int) -> Touch | None:
    found = None
    for level, falling in ((band.falling, True), (band.rising, False)):
        if level is None:
            continue
        line = leg.begin, leg.end, leg.first, leg.last
        at, price = leg_touch(*line, level, falling, after)
        if at >= 0 and (found is None or at < found.at):
            found = Touch(at, price)
    return found


def extremes(
    legs: Iterable[PathSegment], begin: int, end: int, tick: Decimal
) -> tuple[Decimal, Decimal, Decimal, Decimal] | None:
    """Open, high, low and close as printed in [begin, end), None where there is no leg."""
    inside = [leg for leg in legs if leg.begin < end and leg.end > begin]
    if not inside:
        return None
    prices = [
        leg.last if at >= leg.end else leg.printed(at, tick)
        for leg in inside
        for at in (max(begin, leg.begin), min(end, leg.end))
    ]
    return prices[0], max(prices), min(prices), prices[-1]

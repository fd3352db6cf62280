"""
The market: what a product costs at a moment, when it meets a level, and its candles.

It knows the future, because it draws its path from finished daily bars.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache

import numpy as np

from tf_lib.core.candles.intraday_bars import IntradayBars
from tf_lib.core.model.records import Product
from tf_lib.errors import InputError
from tf_lib.simulator.prices.day_bars import Candle, DayBars, exact, plain
from tf_lib.simulator.prices.intraday import given_candle, intraday_legs, volume_of
from tf_lib.simulator.prices.paths import (
    Jump,
    OrderLevels,
    PathSegment,
    Touch,
    candle_legs,
    extremes,
    first_touch,
    flat_leg,
    with_jump,
)
from tf_lib.simulator.simulated_clock import DAY, SECOND

_KEPT_DAYS = 4
_CHUNK_ROWS, _KEPT_CHUNKS = 256, 256


class Market:
    """
    The market that runs along the path of daily bars (`tf_lib.core.orders.fills`).

    Missing days stand flat at the close before them and have no candle; so does every day after
    the last bar.

    Parameters
    ----------
    bars : mapping of product id to DayBars
    products : mapping of product id to Product
        For the ticks; every product of `bars` needs one.
    intraday : mapping of product id to IntradayBars, optional
        Shorter candles that the path follows on the days that have them.
    alias_of : mapping of product id to product id, optional
        Names that share the prices of another product.
    """

    def __init__(
        self,
        bars: Mapping[str, DayBars],
        products: Mapping[str, Product],
        intraday: Mapping[str, IntradayBars] | None = None,
        alias_of: Mapping[str, str] | None = None,
    ) -> None:
        self._alias_of = dict(alias_of or {})
        self._bars = dict(bars)
        self._intraday = dict(intraday or {})
        for name, shorter in self._intraday.items():
            if name not in bars:
                raise InputError(f"{name}: shorter candles need daily ones beside them")
            daily = bars[name]
            shorter.check_within(name, daily.day, daily.high, daily.low)
        self._ticks = {name: products[name].price_increment for name in bars}
        self._steps = {name: products[name].base_increment for name in bars}
        self._jumps: dict[str, dict[int, list[Jump]]] = {}
        self._legs_of = lru_cache(maxsize=_KEPT_DAYS * len(bars))(self._draw)
        self._chunk = lru_cache(maxsize=_KEPT_CHUNKS)(self._write)

    def last_price(self, product_id: str, at: int) -> Decimal | None:
        """Price of the last trade, None before the product lists."""
        product_id = self._alias_of.get(product_id, product_id)
        legs = self._legs_of(product_id, at // DAY)
        index = bisect_right(legs, at, key=lambda leg: leg.end)
        return legs[index].printed(at, self._ticks[product_id]) if index < len(legs) else None

    def first_touch(
        self, product_id: str, after: int, until: int, band: OrderLevels
    ) -> Touch | None:
        """First moment in (after, until] at which the price leaves a band."""
        product_id = self._alias_of.get(product_id, product_id)
        for day in self._days_to_search(product_id, after // DAY, until // DAY, band):
            touch = first_touch(self._legs_of(product_id, day), band, after, until)
            if touch is not None:
                return touch
        return None

    def candles(
        self, product_id: str, *, start: int, end: int, step: int, now: int
    ) -> list[Candle]:
        """Buckets that begin in [start, end], oldest first; start, end and step in seconds."""
        product_id = self._alias_of.get(product_id, product_id)
        first = max(-(-start // step), int(self._bars[product_id].day[0]) * 86_400 // step)
        last = min(end // step, now // SECOND // step)
        if step == 86_400:
            return self._day_candles(product_id, first, last, now)
        found = (
            self._bucket(product_id, index * step, (index + 1) * step, now)
            for index in range(first, last + 1)
        )
        return [candle for candle in found if candle is not None]

    def volume_24h(self, product_id: str, at: int) -> Decimal:
        """Base units traded in the last whole day."""
        product_id = self._alias_of.get(product_id, product_id)
        bars = self._bars[product_id]
        for row in bars.rows(at // DAY - 1, at // DAY - 1):
            return exact(float(bars.volume[row]))
        return Decimal(0)

    def plant_jump(self, product_id: str, jump: Jump) -> None:
        """
        Let the price jump at a moment; candles of that day show it.

        After `hold_until` the price runs on a straight line to the day's next corner.
        """
        product_id = self._alias_of.get(product_id, product_id)
        if product_id not in self._bars:
            raise InputError(f"no market for {product_id!r} to plant a jump in")
        day = jump.at // DAY
        if jump.price <= 0 or not jump.at <= jump.hold_until <= (day + 1) * DAY:
            raise InputError(
                f"{product_id}: a jump needs a price above 0 and an end on its own day, got {jump}"
            )
        if not self._legs_of(product_id, day):
            raise InputError(f"{product_id} is not listed yet at the moment of the jump")
        planted = self._jumps.setdefault(product_id, {}).setdefault(day, [])
        planted.append(jump)
        planted.sort(key=lambda each: each.at)
        self._legs_of.cache_clear()

    def _draw(self, product_id: str, day: int) -> list[PathSegment]:
        bars = self._bars[product_id]
        row = int(np.searchsorted(bars.day, day, side="right")) - 1
        if row < 0:
            return []
        if bars.day[row] == day:
            legs = self._short_legs(product_id, day, row)
        else:
            close = exact(float(bars.close[row]))
            legs = [flat_leg(day * DAY, (day + 1) * DAY, close)]
        for jump in self._jumps.get(product_id, {}).get(day, ()):
            legs = with_jump(legs, jump)
        return legs

    def _short_legs(self, product_id: str, day: int, row: int) -> list[PathSegment]:
        """Legs of a day with a candle: along its shorter candles if it has them."""
        bars, shorter = self._bars[product_id], self._intraday.get(product_id)
        if shorter is not None:
            before = exact(float(bars.close[row - 1])) if row > 0 else None
            legs = list(intraday_legs(shorter, day, before))
            if legs:
                return legs
        corners = (bars.open, bars.high, bars.low, bars.close)
        return list(candle_legs(day * DAY, DAY // SECOND, (values[row] for values in corners)))

    def _days_to_search(
        self, product_id: str, first: int, last: int, band: OrderLevels
    ) -> Iterator[int]:
        bars = self._bars[product_id]
        begin, end = (int(row) for row in np.searchsorted(bars.day, [first, last + 1]))
        hit = np.zeros(end - begin, dtype=np.bool_)
        if band.falling is not None:
            hit |= bars.low[begin:end] <= float(band.falling)
        if band.rising is not None:
            hit |= bars.high[begin:end] >= float(band.rising)
        planted = [day for day in self._jumps.get(product_id, ()) if first <= day <= last]
        found = bars.day[begin:end][hit]
        if not planted:
            return (int(day) for day in found)
        return iter(sorted({*(int(day) for day in found), *planted}))

    def _day_candles(self, product_id: str, first: int, last: int, now: int) -> list[Candle]:
        """Candles of whole days: as given, but for the day that goes on and those that jumped."""
        bars = self._bars[product_id]
        begin, end = (int(row) for row in np.searchsorted(bars.day, [first, last + 1]))
        found = self._given(product_id, begin, end)
        redrawn = {day for day in self._jumps.get(product_id, ()) if first <= day <= last}
        if last == now // DAY:
            redrawn.add(last)
        for day in sorted(redrawn):
            row = int(np.searchsorted(bars.day, day))
            drawn = self._bucket(product_id, day * 86_400, (day + 1) * 86_400, now)
            if begin <= row < end and drawn is not None:
                found[row - begin] = drawn
        return found

    def _given(self, product_id: str, begin: int, end: int) -> list[Candle]:
        """Return candles as given; what was asked for lately is not written again."""
        found: list[Candle] = []
        for number in range(begin // _CHUNK_ROWS, -(-end // _CHUNK_ROWS)):
            first = number * _CHUNK_ROWS
            chunk = self._chunk(product_id, number)
            found += chunk[max(begin - first, 0) : end - first]
        return found

    def _write(self, product_id: str, number: int) -> list[Candle]:
        first = number * _CHUNK_ROWS
        return self._bars[product_id].candles(first, first + _CHUNK_ROWS)

    def _bucket(self, product_id: str, start: int, stop: int, now: int) -> Candle | None:
        bars = self._bars[product_id]
        day = start // 86_400
        row = next(bars.rows(day, day), None)
        begin, end = start * SECOND, min(stop * SECOND, now)
        if row is None:
            return None
        traded = exact(float(bars.volume[row])) * (end - begin) / DAY
        shorter = self._intraday.get(product_id)
        if shorter is not None and shorter.rows(day * 86_400, (day + 1) * 86_400):
            rows = shorter.rows(start, stop)
            if stop - start >= shorter.step and not rows:
                return None
            is_given = stop - start == shorter.step and stop * SECOND <= now
            if is_given and day not in self._jumps.get(product_id, ()):
                return given_candle(shorter, rows[0])
            traded = volume_of(shorter, rows) if rows else traded
        return self._drawn(product_id, begin, end, traded)

    def _drawn(self, product_id: str, begin: int, end: int, traded: Decimal) -> Candle | None:
        """Return what the path shows of a bucket."""
        tick, step = self._ticks[product_id], self._steps[product_id]
        legs = self._legs_of(product_id, begin // DAY)
        prices = extremes(legs, begin, max(end, begin + 1), tick)
        if prices is None:
            return None
        o, h, low, c = (plain(price) for price in prices)
        volume = plain((traded / step).quantize(Decimal(1)) * step)
        return Candle(begin // SECOND, o, h, low, c, volume)

"""
The path of a day that has shorter candles, and those candles as the exchange shows them.

The legs are those of `tf_lib.core.orders.intraday_path`, as the backtest has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tf_lib.core.candles.intraday_bars import LENGTHS, IntradayBars
from tf_lib.core.orders.fills import LEGS
from tf_lib.core.orders.intraday_path import path_leg
from tf_lib.simulator.prices.day_bars import Candle, exact, shown
from tf_lib.simulator.prices.paths import PathSegment, flat_leg
from tf_lib.simulator.simulated_clock import DAY, SECOND

GRANULARITIES = {**LENGTHS, "ONE_DAY": 86_400}


def intraday_legs(bars: IntradayBars, day: int, before: Decimal | None) -> Iterator[PathSegment]:
    """Yield the path of a day; none if the day has no candle. `before` is the price then."""
    at, price = day * DAY, before
    rows = bars.rows(day * 86_400, (day + 1) * 86_400)
    for row in rows:
        begin = int(bars.start[row]) * SECOND
        o, h, low, c = (exact(each) for each in bars.values[:4, row].tolist())
        standing = o if price is None else price
        for index in range(LEGS + 1):
            leg = path_leg(index, at, standing, begin, bars.step * SECOND, o, h, low, c)
            if leg[1] > leg[0]:
                yield PathSegment(*leg)
        at, price = begin + bars.step * SECOND, c
    if rows and at < (day + 1) * DAY and price is not None:
        yield flat_leg(at, (day + 1) * DAY, price)


def given_candle(bars: IntradayBars, row: int) -> Candle:
    """Return one candle exactly as it was given."""
    texts = (shown(value) for value in bars.values[:, row].tolist())
    return Candle(int(bars.start[row]), *texts)


def volume_of(bars: IntradayBars, rows: range) -> Decimal:
    """Base units traded in some candles."""
    return sum((exact(float(bars.values[4, row])) for row in rows), Decimal(0))

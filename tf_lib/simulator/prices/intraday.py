"""
Candles shorter than a day, where a folder has them: the path then follows each of them.

Inside a candle the price runs the day's path of `tf_lib.core.orders.fills` in small: its corners
lie at the same fractions. Where a candle is missing the price stands. Daily candles stay what they
are, so every shorter candle has to lie within the daily one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from tf_lib.core.candles.rows import intraday_rows
from tf_lib.errors import BarsError
from tf_lib.simulator.prices.day_bars import Candle, DayBars, exact, shown
from tf_lib.simulator.prices.paths import PathSegment, candle_legs, flat_leg
from tf_lib.simulator.simulated_clock import DAY, SECOND, rfc3339

GRANULARITIES = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1800,
    "ONE_HOUR": 3600,
    "TWO_HOUR": 7200,
    "FOUR_HOUR": 14400,
    "SIX_HOUR": 21600,
    "ONE_DAY": 86400,
}


@dataclass(frozen=True)
class IntradayBars:
    """
    Candles of one product and one length, oldest first.

    Attributes
    ----------
    step : int
        Seconds from the begin of one to the begin of the next.
    start : int64 array of shape (n_bars,)
        Begin of each, in seconds since 1970, strictly rising.
    values : float64 array of shape (5, n_bars)
        Open, high, low, close, volume.
    """

    step: int
    start: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def from_text(cls, text: str, *, granularity: str, source: str) -> IntradayBars:
        """Take the text of a file named ``<PRODUCT>.<GRANULARITY>.csv``."""
        step = GRANULARITIES.get(granularity, 86_400)
        if step == 86_400:
            known = ", ".join(name for name in GRANULARITIES if name != "ONE_DAY")
            raise BarsError(f"{source}: unknown granularity {granularity!r}; known are {known}")
        times, values = intraday_rows(text, source=source, step_seconds=step)
        return cls(step, times.astype(np.int64), values)

    def check_within(self, product_id: str, days: DayBars) -> None:
        """Refuse a candle that reaches beyond the daily one of its day."""
        row = np.searchsorted(days.day, self.start // 86_400)
        at = np.minimum(row, len(days) - 1)
        wrong = days.day[at] != self.start // 86_400
        wrong |= (self.values[1] > days.high[at]) | (self.values[2] < days.low[at])
        if wrong.any():
            first = rfc3339(int(self.start[np.flatnonzero(wrong)[0]]) * SECOND)
            raise BarsError(f"{product_id}: the candle of {first} is not within that day's candle")

    def rows(self, begin: int, end: int) -> range:
        """Row numbers of the candles that begin in [begin, end), in seconds."""
        first, last = np.searchsorted(self.start, [begin, end])
        return range(int(first), int(last))

    def legs(self, day: int, before: Decimal | None) -> Iterator[PathSegment]:
        """Yield the path of a day; none if the day has no candle. `before` is the price then."""
        at, price = day * DAY, before
        rows = self.rows(day * 86_400, (day + 1) * 86_400)
        for row in rows:
            begin = int(self.start[row]) * SECOND
            prices = self.values[:4, row].tolist()
            if begin > at:
                yield flat_leg(at, begin, exact(prices[0]) if price is None else price)
            yield from candle_legs(begin, self.step, prices)
            at, price = begin + self.step * SECOND, exact(prices[3])
        if rows and at < (day + 1) * DAY and price is not None:
            yield flat_leg(at, (day + 1) * DAY, price)

    def candle(self, row: int) -> Candle:
        """Return one candle exactly as it was given."""
        texts = (shown(value) for value in self.values[:, row].tolist())
        return Candle(int(self.start[row]), *texts)

    def volume(self, rows: range) -> Decimal:
        """Base units traded in some candles."""
        return sum((exact(float(self.values[4, row])) for row in rows), Decimal(0))

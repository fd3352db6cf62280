"""
Candles shorter than a day, where a folder has them: they say in which order a day's prices came.

Daily candles stay what they are, so every shorter one has to lie within its day's. How the price
runs inside them is `tf_lib.core.orders.intraday_path`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tf_lib.core.candles.rows import intraday_rows
from tf_lib.errors import BarsError

LENGTHS = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1800,
    "ONE_HOUR": 3600,
    "TWO_HOUR": 7200,
    "FOUR_HOUR": 14400,
    "SIX_HOUR": 21600,
}
"""Seconds of a candle by the name of its length."""


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
        step = LENGTHS.get(granularity)
        if step is None:
            known = ", ".join(LENGTHS)
            raise BarsError(f"{source}: unknown granularity {granularity!r}; known are {known}")
        times, values = intraday_rows(text, source=source, step_seconds=step)
        return cls(step, times.astype(np.int64), values)

    def check_within(
        self,
        product_id: str,
        days: NDArray[np.int64],
        high: NDArray[np.float64],
        low: NDArray[np.float64],
    ) -> None:
        """
        Refuse a candle that reaches beyond the daily one of its day (`BarsError`).

        Parameters
        ----------
        days : int64 array of shape (n_days,)
            Days since 1970 that have a daily candle, rising.
        high, low : float64 arrays of shape (n_days,)
        """
        row = np.searchsorted(days, self.start // 86_400)
        at = np.minimum(row, len(days) - 1)
        wrong = days[at] != self.start // 86_400
        wrong |= (self.values[1] > high[at]) | (self.values[2] < low[at])
        if wrong.any():
            first = int(self.start[np.flatnonzero(wrong)[0]])
            moment = dt.datetime.fromtimestamp(first, dt.UTC)
            raise BarsError(
                f"{product_id}: the candle of {moment:%Y-%m-%dT%H:%M:%SZ} is not within that day's "
                "candle"
            )

    def rows(self, begin: int, end: int) -> range:
        """Row numbers of the candles that begin in [begin, end), in seconds."""
        first, last = np.searchsorted(self.start, [begin, end])
        return range(int(first), int(last))

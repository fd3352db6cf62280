"""Daily bars as the simulated market keeps them: arrays by product, days as whole numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tf_lib.core.candles.rows import FIELDS, candle_rows
from tf_lib.errors import BarsError

if TYPE_CHECKING:
    import pandas as pd

EPOCH_DAY = dt.date(1970, 1, 1)


def day_number(day: dt.date) -> int:
    """
    Days since 1970.

    Examples
    --------
    >>> day_number(dt.date(1970, 1, 3))
    2
    """
    return (day - EPOCH_DAY).days


class Candle(NamedTuple):
    """
    One finished or forming bucket, as the decimals it is shown with.

    Prices in quote currency, volume in base units.
    """

    start_second: int
    open: str
    high: str
    low: str
    close: str
    volume: str


@dataclass(frozen=True)
class DayBars:
    """
    Daily bars of one product, oldest first; a day without trades has no row.

    Attributes
    ----------
    day : int64 array of shape (n_bars,)
        Days since 1970, strictly rising.
    open, high, low, close, volume : float64 arrays of shape (n_bars,)
        Prices in quote currency, volume in base units.
    """

    day: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

    @classmethod
    def from_frame(cls, product_id: str, frame: pd.DataFrame) -> DayBars:
        """Take a candle frame with a UTC ``date`` index, as `tf_lib.core.candles.rows` reads it."""
        missing = [name for name in FIELDS if name not in frame.columns]
        if missing:
            raise BarsError(f"{product_id}: candles need {', '.join(FIELDS)}, missing {missing}")
        if len(frame) == 0:
            raise BarsError(f"{product_id}: no candles")
        index: Any = frame.index
        if index.tz is not None:
            index = index.tz_convert("UTC").tz_localize(None)
        stamps = index.to_numpy().astype("datetime64[s]").astype(np.int64)
        days = stamps // 86_400
        if (np.diff(days) <= 0).any() or (stamps % 86_400).any():
            raise BarsError(f"{product_id}: candles need one row per UTC day, oldest first")
        values = (np.array(frame[name].to_numpy(), dtype=np.float64) for name in FIELDS)
        return cls(days, *values)

    @classmethod
    def from_text(cls, text: str, *, source: str) -> DayBars:
        """Take the text of a candle file (`tf_lib.core.candles.rows`)."""
        days, values = candle_rows(text, source=source)
        return cls(days.astype(np.int64), *(row.copy() for row in values))

    def __len__(self) -> int:
        """Count the bars."""
        return len(self.day)

    def renamed(self, *, ratio: Decimal, first: int, tick: Decimal) -> DayBars:
        """Return the bars of a coin of which `ratio` units stand for one of this, from a day on."""
        kept = self.day >= first
        step, decimals = float(tick), max(0, -int(tick.as_tuple().exponent))

        def renamed(prices: NDArray[np.float64]) -> NDArray[np.float64]:
            steps = np.maximum(np.round(prices[kept] / float(ratio) / step), 1.0)
            return np.asarray(np.round(steps * step, decimals), dtype=np.float64)

        o, h, low, c = (renamed(each) for each in (self.open, self.high, self.low, self.close))
        return DayBars(self.day[kept], o, h, low, c, self.volume[kept] * float(ratio))

    def rows(self, first: int, last: int) -> Iterator[int]:
        """Row numbers of the days `first` to `last`, both included, oldest first."""
        begin, end = np.searchsorted(self.day, [first, last + 1])
        return iter(range(int(begin), int(end)))

    def candles(self, begin: int, end: int) -> list[Candle]:
        """Return the bars of rows `begin` to before `end` exactly as they were given."""
        starts = (self.day[begin:end] * 86_400).tolist()
        columns = (map(shown, getattr(self, name)[begin:end].tolist()) for name in FIELDS)
        return list(map(Candle, starts, *columns))


def exact(value: float) -> Decimal:
    """
    The shortest decimal that names a float: the text it was read from.

    Examples
    --------
    >>> exact(0.07345)
    Decimal('0.07345')
    """
    return Decimal(repr(value))


def shown(value: float) -> str:
    """
    The text of a float as the exchange writes it: shortest, without exponent.

    Examples
    --------
    >>> shown(42000.0), shown(0.00001), shown(1.5)
    ('42000', '0.00001', '1.5')
    """
    text = repr(value)
    if text[-2:] == ".0":
        return text[:-2]
    return plain(Decimal(text)) if "e" in text else text


def plain(value: Decimal) -> str:
    """
    A decimal without exponent and without needless zeros.

    Examples
    --------
    >>> plain(Decimal("1E-8")), plain(Decimal("42000.0")), plain(Decimal("0.00"))
    ('0.00000001', '42000', '0')
    """
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text

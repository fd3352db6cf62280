"""
Futures: candles as they stand on some day, with nothing after it, or with noise.

What a proof of no look-ahead computes from (candles -> *other futures* -> the same computation).
Frames are made anew thousands of times, so candles are kept as arrays and cut there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tf_lib.core.candles.rows import FIELDS
from tf_lib.core.jit.arrays import FloatArray

Candles = Mapping[str, pd.DataFrame]
NOISE_DAYS = 60
_NOISE_OF_LOG_PRICE = 0.5
_COLUMNS = pd.Index(FIELDS)
_OPEN, _HIGH, _LOW, _CLOSE = range(4)


@dataclass(frozen=True)
class _Ticker:
    """One ticker's candles and its noise, both [bar, field], and the day of each bar."""

    index: pd.DatetimeIndex
    days: NDArray[np.datetime64]
    values: FloatArray
    noise: FloatArray

    def bars_before(self, day: dt.date) -> int:
        return int(self.days.searchsorted(np.datetime64(day)))

    def has_bar(self, day: dt.date) -> bool:
        at = self.bars_before(day)
        return at < len(self.days) and bool(self.days[at] == np.datetime64(day))

    def ends_on(self, day: dt.date) -> bool:
        return len(self.days) > 0 and bool(self.days[-1] == np.datetime64(day))

    def frame(self, values: FloatArray) -> pd.DataFrame:
        """Return the first bars of the index with these values."""
        return pd.DataFrame(values, index=self.index[: len(values)], columns=_COLUMNS, copy=False)

    def past(self, n_bars: int) -> pd.DataFrame:
        return self.frame(self.values[:n_bars])

    def and_noise(self, n_bars: int, noise_days: int) -> FloatArray:
        later = self.noise[n_bars : n_bars + noise_days]
        return np.concatenate([self.values[:n_bars], later])

    def and_flat(self, n_bars: int, day: dt.date) -> pd.DataFrame:
        """Return the first bars, and one of a day on which the price stands still."""
        last = self.values[n_bars - 1]
        flat = np.array([[*[last[_CLOSE]] * 4, 0.0]])
        ahead = np.datetime64(day) - self.days[n_bars - 1]
        stamp = self.index[n_bars - 1 : n_bars] + pd.Timedelta(ahead)
        values = np.concatenate([self.values[:n_bars], flat])
        return pd.DataFrame(values, index=self.index[:n_bars].append(stamp), columns=_COLUMNS)


class Futures:
    """
    The same past with other futures.

    A ticker that misses a day and goes on later stands still on that day, as in all candles: that a
    history has ended is a fact of the files, which no decision is made from.

    Parameters
    ----------
    candles : mapping of ticker to DataFrame
        As `tf_lib.core.candles.bars.lag_bars` takes them.
    seed : int
        Of the noise that replaces the future.
    """

    def __init__(self, candles: Candles, seed: int) -> None:
        noise = noise_of(candles, seed)
        self._tickers = {name: _ticker(candles[name], noise[name]) for name in sorted(candles)}

    def _each(self, made: Callable[[_Ticker], pd.DataFrame]) -> dict[str, pd.DataFrame]:
        return {name: made(one) for name, one in self._tickers.items()}

    def before(self, day: dt.date) -> dict[str, pd.DataFrame]:
        """Return the bars before a day."""
        return self._each(lambda one: one.past(one.bars_before(day)))

    def noise_from(self, day: dt.date, *, noise_days: int = NOISE_DAYS) -> dict[str, pd.DataFrame]:
        """Return the bars before a day, and noise from it on."""
        return self._each(lambda one: one.frame(one.and_noise(one.bars_before(day), noise_days)))

    def through(self, day: dt.date) -> dict[str, pd.DataFrame]:
        """
        Return the bars through a day.

        Where some ticker's history ends on it and another's does not, the others stand still on the
        next day, which is what tells the two apart.
        """
        after = day + dt.timedelta(days=1)
        ends = any(one.ends_on(day) for one in self._tickers.values())

        def cut(one: _Ticker) -> pd.DataFrame:
            n_bars = one.bars_before(after)
            if n_bars == 0 or n_bars == len(one.days):
                return one.past(n_bars)
            if ends:
                return one.and_flat(n_bars, after)
            return one.past(n_bars) if one.has_bar(day) else one.and_flat(n_bars, day)

        return self._each(cut)

    def through_open(self, day: dt.date) -> dict[str, pd.DataFrame]:
        """Return the bars before a day, and of that day nothing but the open."""

        def cut(one: _Ticker) -> pd.DataFrame:
            n_bars = one.bars_before(day)
            if one.has_bar(day):
                values = one.values[: n_bars + 1].copy()
                values[-1] = [*[values[-1, _OPEN]] * 4, 0.0]
                return one.frame(values)
            goes_on = 0 < n_bars < len(one.days)
            return one.and_flat(n_bars, day) if goes_on else one.past(n_bars)

        return self._each(cut)

    def noise_after_open(self, day: dt.date) -> dict[str, pd.DataFrame]:
        """Return the bars before a day, its open, and noise for the rest of it and all after it."""

        def mixed(one: _Ticker) -> pd.DataFrame:
            n_bars = one.bars_before(day)
            values = one.and_noise(n_bars, NOISE_DAYS)
            if one.has_bar(day):
                bar = values[n_bars]
                bar[_OPEN] = opened = one.values[n_bars, _OPEN]
                bar[_HIGH], bar[_LOW] = max(opened, bar[_HIGH]), min(opened, bar[_LOW])
            return one.frame(values)

        return self._each(mixed)

    def noise_after(self, day: dt.date) -> dict[str, pd.DataFrame]:
        """Return the bars through a day, and noise after it."""
        return self.noise_from(day + dt.timedelta(days=1))


def _ticker(frame: pd.DataFrame, noise: pd.DataFrame) -> _Ticker:
    index = pd.DatetimeIndex(frame.index)
    days = index.asi8.view(f"M8[{index.unit}]").astype("M8[D]")
    both = (table[list(FIELDS)].to_numpy(dtype=np.float64) for table in (frame, noise))
    return _Ticker(index, days, *both)


def noise_of(candles: Candles, seed: int) -> dict[str, pd.DataFrame]:
    """Return wild but consistent candles on the same days."""
    random = np.random.default_rng(seed)
    made = {}
    for ticker in sorted(candles):
        frame = candles[ticker]
        shape = (2, len(frame))
        prices = frame["close"].to_numpy() * np.exp(random.normal(0, _NOISE_OF_LOG_PRICE, shape))
        spread = np.exp(np.abs(random.normal(0, _NOISE_OF_LOG_PRICE, shape)))
        values = {
            "open": prices[0],
            "high": prices.max(axis=0) * spread[0],
            "low": prices.min(axis=0) / spread[1],
            "close": prices[1],
            "volume": random.uniform(0, 1e6, len(frame)),
        }
        made[ticker] = pd.DataFrame(values, index=frame.index)
    return made

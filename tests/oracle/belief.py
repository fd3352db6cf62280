"""
Which bars are believed, day by day, from the written design (section 4); plain and slow.

The bars of one ticker come one after the other. Each is judged by what had come before it. What is
not believed counts as missing; three bars in a row that agree with it bring it back, from that day
on and not before.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import pandas as pd

WIDEST_RANGE_IN_ATR = 25
FURTHEST_CLOSE = 3
BARS_THAT_AGREE = 3
ONE_DAY = pd.Timedelta(days=1)


@dataclass
class Bar:
    """One bar and what is held against it."""

    day: pd.Timestamp
    high: float
    low: float
    close: float
    far: bool = False
    wide: bool = False
    contradicted: bool = False
    back_on: pd.Timestamp | None = None

    @property
    def doubted(self) -> bool:
        """Whether it was not believed when it came."""
        return self.far or self.wide or self.contradicted

    @property
    def believed(self) -> bool:
        """Whether it is believed by now."""
        return not self.doubted or self.back_on is not None


@dataclass
class Belief:
    """
    What is believed of one ticker.

    `turns` are the days, rising, on which a bar came back; between two of them a bar is believed or
    it is not.
    """

    bars: list[Bar] = field(default_factory=list)

    @property
    def turns(self) -> list[pd.Timestamp]:
        """The days on which some bar came back."""
        return sorted({bar.back_on for bar in self.bars if bar.back_on is not None})

    def missing_on(self, day: pd.Timestamp) -> list[pd.Timestamp]:
        """Days whose bar counts as missing when the bar of `day` has just come."""
        return [
            bar.day
            for bar in self.bars
            if bar.doubted and (bar.back_on is None or bar.back_on > day)
        ]


@dataclass(frozen=True)
class Past:
    """Close and average true range of what is believed through `day`."""

    close: float
    average: float
    day: pd.Timestamp

    def faded(self, day: pd.Timestamp, alpha: float) -> float:
        """Average range when a bar of `day` comes: days between are flat, their range is zero."""
        return self.average * (1 - alpha) ** ((day - self.day).days - 1)


def with_bar(past: Past | None, bar: Bar, alpha: float) -> Past | None:
    """What is known after a bar, which changes nothing unless it is believed."""
    if not bar.believed:
        return past
    if past is None:
        return Past(bar.close, bar.high - bar.low, bar.day)
    reach = max(bar.high - bar.low, abs(bar.high - past.close), abs(bar.low - past.close))
    average = (1 - alpha) * past.faded(bar.day, alpha) + alpha * reach
    return Past(bar.close, average, bar.day)


def judged(bar: Bar, past: Past | None, alpha: float) -> tuple[bool, bool]:
    """Whether a bar's close is too far from the one before, and its range too wide."""
    if past is None:
        return False, False
    far = bar.close > FURTHEST_CLOSE * past.close or bar.close * FURTHEST_CLOSE < past.close
    return far, bar.high - bar.low > WIDEST_RANGE_IN_ATR * past.faded(bar.day, alpha)


def agrees(later: Bar, bar: Bar, before: float, gap: float) -> bool:
    """Whether a later bar speaks for a doubted one."""
    if max(later.close / bar.close, bar.close / later.close) > FURTHEST_CLOSE:
        return False
    if bar.far:
        # Nearer to its level than to the one it left.
        return (later.close**2 > bar.close * before) == (bar.close > before)
    if bar.contradicted and abs(later.close - bar.close) > gap * later.close:
        return False
    # A wide range is confirmed by wide ranges: what follows a wick is not wide.
    return not (bar.wide and 3 * (later.high - later.low) < bar.high - bar.low)


def belief_of(
    candles: pd.DataFrame,
    *,
    span: float,
    gap: float,
    live: dict[dt.date, float],
    doubts: dict[dt.date, float],
) -> Belief:
    """
    Judge the bars of one ticker in their order.

    `live` has the price of a day at which it would trade; `doubts` closes, by the bar's day, that
    a price of an earlier day spoke against.
    """
    alpha = 2 / (span + 1)
    seen: list[Bar] = []
    pasts: list[Past | None] = [None]
    for day, (_, row) in zip(candles.index, candles.iterrows(), strict=True):
        bar = Bar(day, row["high"], row["low"], row["close"])
        bar.far, bar.wide = judged(bar, pasts[-1], alpha)
        price = live.get((day + ONE_DAY).date())
        bar.contradicted = doubts.get(day.date()) == bar.close or (
            price is not None and abs(bar.close - price) > gap * price
        )
        seen.append(bar)
        pasts.append(with_bar(pasts[-1], bar, alpha))
        if len(seen) <= BARS_THAT_AGREE or seen[-4].believed:
            continue
        first, *later = seen[-4:]
        before = pasts[-5]
        if all(agrees(one, first, before.close if before else 0.0, gap) for one in later):
            first.back_on = day
            del pasts[-4:]
            for one in (first, *later):
                is_fine = judged(one, pasts[-1], alpha) == (False, False)
                if not one.believed and not one.contradicted and is_fine:
                    one.back_on = day
                pasts.append(with_bar(pasts[-1], one, alpha))
    return Belief(seen)

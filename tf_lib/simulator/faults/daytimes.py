"""Times of day of a schedule: when something holds, or happens, day after day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tf_lib.errors import ParameterError
from tf_lib.simulator.prices.day_bars import day_number
from tf_lib.simulator.simulated_clock import DAY, SECOND
from tf_lib.text.days import day_from
from tf_lib.text.shown import shown

_LAST_DAY = day_number(dt.date.max)
_LONGEST_SPAN = 36_525
WINDOW_KEYS = ("from", "until", "dates")


@dataclass(frozen=True)
class DaytimeWindow:
    """
    A part of every day, or of some days, by the exchange's time; its end is outside.

    Attributes
    ----------
    begin, end : int
        Microseconds since midnight UTC; an end at or before the begin lies on the next day.
    days : frozenset of int
        Days since 1970 on which it begins; empty means every day.

    Examples
    --------
    >>> storm = DaytimeWindow(begin=60 * SECOND, end=210 * SECOND)
    >>> storm.holds(5 * DAY + 59 * SECOND), storm.holds(5 * DAY + 60 * SECOND)
    (False, True)
    """

    begin: int = 0
    end: int = DAY
    days: frozenset[int] = frozenset()

    def holds(self, at: int) -> bool:
        """Whether a moment lies in it."""
        day, time = divmod(at, DAY)
        if self.begin < self.end:
            return self.begin <= time < self.end and self._begins_on(day)
        if time >= self.begin:
            return self._begins_on(day)
        return time < self.end and self._begins_on(day - 1)

    def _begins_on(self, day: int) -> bool:
        return not self.days or day in self.days

    def next_begin(self, after: int) -> int | None:
        """Return the first moment later than `after` at which it begins, None if there is none."""
        day = after // DAY if after % DAY < self.begin else after // DAY + 1
        if self.days:
            day = min((each for each in self.days if each >= day), default=_LAST_DAY + 1)
        return day * DAY + self.begin if day <= _LAST_DAY else None


def read_window(mapping: Mapping[str, Any], source: str) -> DaytimeWindow | None:
    """
    Read ``from``, ``until`` and ``dates``; None when none of them is there.

    Raises
    ------
    ParameterError
        A time that is not a text like "00:01:30", or a date that is not one.
    """
    if not any(key in mapping for key in WINDOW_KEYS):
        return None
    begin = time_of_day(mapping["from"], f"{source}: from") if "from" in mapping else 0
    end = time_of_day(mapping["until"], f"{source}: until") if "until" in mapping else DAY
    return DaytimeWindow(begin, end, read_days(mapping.get("dates"), f"{source}: dates"))


def time_of_day(value: Any, what: str) -> int:
    """
    Return "HH:MM" or "HH:MM:SS" in microseconds since midnight.

    Examples
    --------
    >>> time_of_day("00:03:30", "until") // SECOND
    210
    """
    try:
        if not isinstance(value, str):
            raise ValueError
        time = dt.time.fromisoformat(value)
    except ValueError:
        raise ParameterError(
            f'{what}: expected a time of day in quotes, as in "00:01:30", got {shown(value)}'
        ) from None
    if time.tzinfo is not None:
        raise ParameterError(f"{what}: times of day are UTC and name no zone, got {shown(value)}")
    return (time.hour * 3600 + time.minute * 60 + time.second) * SECOND + time.microsecond


def read_days(value: Any, what: str) -> frozenset[int]:
    """Return dates, and spans like "2024-03-05..2024-03-09", in days since 1970; None is empty."""
    if value is None:
        return frozenset()
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ParameterError(f"{what}: expected a list of dates, got {shown(value)}")
    days: set[int] = set()
    for each in value:
        first, is_span, last = str(each).partition("..")
        begin, end = _day(first, what), _day(last if is_span else first, what)
        if not 0 <= end - begin <= _LONGEST_SPAN:
            raise ParameterError(f"{what}: expected a span of days, got {shown(each)}")
        days.update(range(begin, end + 1))
    return frozenset(days)


def _day(value: Any, what: str) -> int:
    try:
        return day_number(day_from(value))
    except ValueError:
        raise ParameterError(f"{what}: expected dates as YYYY-MM-DD, got {shown(value)}") from None

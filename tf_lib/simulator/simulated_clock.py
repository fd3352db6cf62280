"""
The exchange's own time: microseconds since 1970 as an int, so that no moment is rounded.

An embedded exchange stands still but for a small step per request and moves when its owner
says so; a running one follows the wall clock from where it was started.
"""

from __future__ import annotations

import datetime as dt
import time

from tf_lib.errors import InputError

SECOND = 1_000_000
DAY = 86_400 * SECOND
FOREVER = 1 << 62
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def micros(moment: dt.datetime) -> int:
    """
    Microseconds since 1970 of an aware moment.

    Examples
    --------
    >>> micros(dt.datetime(1970, 1, 2, tzinfo=dt.UTC)) == DAY
    True
    """
    if moment.tzinfo is None:
        raise InputError(f"a moment needs its time zone, got {moment.isoformat()} without one")
    return (moment - _EPOCH) // _MICROSECOND


def moment(at: int) -> dt.datetime:
    """Aware UTC moment of microseconds since 1970."""
    return _EPOCH + dt.timedelta(microseconds=at)


def rfc3339(at: int) -> str:
    """
    The text form the exchange uses.

    Examples
    --------
    >>> rfc3339(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    return f"{moment(at).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def parse_rfc3339(text: str) -> int | None:
    """Microseconds of an RFC 3339 text, None if it is not one (no zone counts as UTC)."""
    try:
        parsed = dt.datetime.fromisoformat(text.strip())
        return micros(parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC))
    except (ValueError, OverflowError):
        return None


def start_of(day: dt.date) -> int:
    """00:01 UTC of a day, when an exchange started for that day begins."""
    return micros(dt.datetime.combine(day, dt.time(0, 1), tzinfo=dt.UTC))


class SimulatedClock:
    """
    What time it is at the exchange; never moves back.

    Parameters
    ----------
    start : int
        Where it begins, in microseconds since 1970.
    step : int
        How far one request moves a clock that stands still.
    is_running : bool
        Follow the wall clock from `start` on instead of standing still.
    """

    def __init__(self, start: int, *, step: int, is_running: bool) -> None:
        self._now = start
        self._step = step
        self._offset = start - wall_clock() if is_running else None

    @property
    def is_running(self) -> bool:
        """Whether it follows the wall clock instead of standing still between requests."""
        return self._offset is not None

    def now(self) -> int:
        """Time of the exchange."""
        if self._offset is not None:
            self._now = max(self._now, wall_clock() + self._offset)
        return self._now

    def tick(self) -> int:
        """Time at which the next request arrives."""
        if self._offset is None:
            self._now += self._step
        return self.now()

    def move_to(self, at: int) -> None:
        """Set it ahead; a running clock runs on from there."""
        now = self.now()
        if at < now:
            raise InputError(
                f"the exchange's clock is at {rfc3339(now)} and cannot go back to {rfc3339(at)}"
            )
        if self._offset is not None:
            self._offset += at - now
        self._now = at


def wall_clock() -> int:
    """Wall-clock time in microseconds since 1970."""
    return time.time_ns() // 1000

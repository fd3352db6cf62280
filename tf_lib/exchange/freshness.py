"""
Freshness: for how long what was read still counts.

The world goes on without us, so a read counts for some seconds; and what we send changes the
world, so it counts only until the next request that changes something.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeGuard, TypeVar

T = TypeVar("T")
S = TypeVar("S")

READS_HOLD = dt.timedelta(seconds=30)
"""For so long nothing is asked again while nothing is sent."""


@dataclass(frozen=True)
class Read(Generic[T]):
    """
    A value as it was read.

    Attributes
    ----------
    at : datetime
        When, in exchange time.
    changes : int
        After how many requests that change something.
    number : int
        The how-many-th read of all it was.
    """

    value: T
    at: dt.datetime
    changes: int
    number: int

    def of(self, value: S) -> Read[S]:
        """Return another value that was read with this one."""
        return Read(value, self.at, self.changes, self.number)


@dataclass
class Freshness:
    """What reads are judged by: the exchange's time, and how much was sent and read so far."""

    now: Callable[[], dt.datetime]
    changes: int = 0
    reads: int = 0

    def changed(self) -> None:
        """Hear that a request goes out that may change something."""
        self.changes += 1

    def read(self, value: T, *, at: dt.datetime | None = None) -> Read[T]:
        """Keep what was just read, or read from a moment on."""
        self.reads += 1
        return Read(value, at if at is not None else self.now(), self.changes, self.reads)

    def is_young(self, read: Read[T] | None, within: dt.timedelta) -> TypeGuard[Read[T]]:
        """Whether something was read moments ago, whatever was sent since."""
        return read is not None and self.now() - read.at <= within

    def holds(
        self, read: Read[T] | None, within: dt.timedelta = READS_HOLD, *, after: int = 0
    ) -> TypeGuard[Read[T]]:
        """Whether a read is young, came after so many others, and nothing was sent since."""
        if read is None or read.changes != self.changes or read.number <= after:
            return False
        return self.is_young(read, within)

    def renewed(
        self, known: Read[T] | None, ask: Callable[[], T], within: dt.timedelta = READS_HOLD
    ) -> Read[T]:
        """Return what is known while it holds, else what is read now."""
        return known if self.holds(known, within) else self.read(ask())

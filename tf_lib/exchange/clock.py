"""
Clocks: wall and exchange.

The exchange's time decides the day; the machine's only tells how far it is off.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from tf_lib.errors import ParameterError, UnknownState
from tf_lib.exchange.hosts import is_loopback

Now = Callable[[], dt.datetime]


class TellsTime(Protocol):
    """What a clock needs of the exchange."""

    @property
    def host(self) -> str:
        """Host and port that are spoken to."""

    @property
    def heard_time(self) -> HeardTime:
        """What its answers told of the time."""

    def server_time(self) -> dt.datetime:
        """Return the exchange's own time."""

    def listen(self, hear: Callable[[Mapping[str, str]], None]) -> None:
        """Let `hear` have the headers of every answer from now on."""


def wall_now() -> dt.datetime:
    """Return the machine's time in UTC."""
    return dt.datetime.fromtimestamp(time.time(), dt.UTC)


def running_seconds() -> float:
    """Return seconds on a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


_BELIEVED_AHEAD_SECONDS = 5.0


class HeardTime:
    """
    The exchange's time as its answers tell it; it never runs backwards.

    What an answer tells was true before it was heard, so the exchange is at least that far. The
    most that any answer has proved stands, carried on by a clock of the machine that nobody sets:
    how far the machine's own time is off, and whether it is set meanwhile, does not matter.

    Parameters
    ----------
    running : callable
        Seconds of a clock that only goes forward.
    """

    def __init__(self, *, running: Callable[[], float] = running_seconds) -> None:
        self._running = running
        self._ahead: float | None = None
        self._doubted: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether the exchange has told its time."""
        return self._ahead is not None

    def hear(self, told: dt.datetime) -> None:
        """Take in that the exchange has reached a moment; one far ahead wants a second answer."""
        ahead = told.timestamp() - self._running()
        if self._ahead is None or ahead <= self._ahead + _BELIEVED_AHEAD_SECONDS:
            self._ahead = ahead if self._ahead is None else max(self._ahead, ahead)
        elif self._doubted is not None and abs(ahead - self._doubted) <= _BELIEVED_AHEAD_SECONDS:
            self._ahead, self._doubted = min(ahead, self._doubted), None
        else:
            self._doubted = ahead

    def now(self) -> dt.datetime:
        """
        Return the exchange's time, as far as it is proved.

        Raises
        ------
        UnknownState
            If no answer was heard yet.
        """
        if self._ahead is None:
            raise UnknownState("the exchange has not told its time")
        return dt.datetime.fromtimestamp(self._running() + self._ahead, dt.UTC)


def clock_offset(client: TellsTime, *, wall: Now = wall_now) -> float:
    """
    Return how far the exchange's clock is ahead of the machine's, in seconds.

    Measured against the middle of the request, so half its duration is the uncertainty.
    """
    before = wall()
    exchange = client.server_time()
    after = wall()
    return (exchange - (before + (after - before) / 2)).total_seconds()


TIME_HEADER = "x-exchange-time"
CLOCK_HEADER = "x-exchange-clock"


class ExchangeClock:
    """
    The exchange's time, without asking for it each time.

    It starts from one read and goes on with the machine's monotonic clock. A simulated exchange
    says in every answer, also in one that fails, what its time is and whether its clock stands
    still between requests; what was heard last counts.
    """

    def __init__(self, client: TellsTime) -> None:
        self._client = client
        self._heard: tuple[dt.datetime, float, bool] | None = None
        client.listen(self._hear)

    def __call__(self) -> dt.datetime:
        """Return the exchange's time now; the first to want it asks."""
        if self._heard is None:
            now = self._client.server_time()
            self._heard = self._heard or (now, time.monotonic(), False)
        then, at, stands_still = self._heard
        if stands_still:
            return then
        return then + dt.timedelta(seconds=time.monotonic() - at)

    @property
    def stands_still(self) -> bool:
        """Whether the exchange's time only goes on when it is told to."""
        return self._heard is not None and self._heard[2]

    def _hear(self, headers: Mapping[str, str]) -> None:
        text = headers.get(TIME_HEADER)
        if text:
            stands_still = headers.get(CLOCK_HEADER) == "standing"
            self._heard = (dt.datetime.fromisoformat(text), time.monotonic(), stands_still)


def now_source(kind: Literal["wall", "exchange"], client: TellsTime) -> Now:
    """
    Return what "now" is asked of.

    Parameters
    ----------
    kind : wall or exchange
        ``exchange`` is for one whose clock is not ours. ``wall`` is for one that lives in our
        time: its answers tell it, and the first to tell is asked for if none has come yet.

    Raises
    ------
    ParameterError
        If ``exchange`` is asked of a host that is not this machine.
    """
    if kind == "wall":
        return lambda: _told_now(client)
    if not is_loopback(client.host):
        raise ParameterError("exchange.clock: 'exchange' is refused for the real host, use wall")
    return ExchangeClock(client)


def _told_now(client: TellsTime) -> dt.datetime:
    if not client.heard_time.is_known:
        client.server_time()
    return client.heard_time.now()

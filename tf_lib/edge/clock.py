"""
Clocks: wall and exchange.

The exchange's time decides the day; the machine's only tells how far it is off.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from tf_lib.edge.endpoint import REAL_HOST
from tf_lib.errors import ParameterError, UnknownState

Now = Callable[[], dt.datetime]


class TellsTime(Protocol):
    """What a clock needs of the exchange."""

    @property
    def host(self) -> str:
        """Host and port that are spoken to."""
        ...

    def server_time(self) -> dt.datetime:
        """Return the exchange's own time."""
        ...

    def listen(self, hear: Callable[[Mapping[str, str]], None]) -> None:
        """Let `hear` have the headers of every answer from now on."""
        ...


def wall_now() -> dt.datetime:
    """Return the machine's time in UTC."""
    return dt.datetime.now(dt.UTC)


class KnowsShift(Protocol):
    """Who has heard how far the exchange's clock is from the machine's."""

    @property
    def clock_shift(self) -> float:
        """Seconds to add to the machine's time."""
        ...


def corrected_now(client: KnowsShift, *, wall: Now = wall_now) -> dt.datetime:
    """Return the machine's time, put right by what the exchange's answers say of theirs."""
    return wall() + dt.timedelta(seconds=client.clock_shift)


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
    says in every answer what its time is and whether its clock stands still between requests;
    what was heard last counts.
    """

    def __init__(self, client: TellsTime) -> None:
        self._heard: tuple[dt.datetime, float, bool] | None = None
        client.listen(self._hear)
        now = client.server_time()
        if self._heard is None:
            self._heard = (now, time.monotonic(), False)

    def __call__(self) -> dt.datetime:
        """Return the exchange's time now."""
        if self._heard is None:
            raise UnknownState("the exchange has not told its time")
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
        ``exchange`` is for one whose clock is not ours.

    Raises
    ------
    ParameterError
        If ``exchange`` is asked of the real host.
    """
    if kind == "wall":
        return wall_now
    if client.host == REAL_HOST:
        raise ParameterError("exchange.clock: 'exchange' is refused for the real host, use wall")
    return ExchangeClock(client)

"""
Clocks: wall and exchange.

The exchange's time decides the day; the machine's only tells how far it is off.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Literal, Protocol

from tf_lib.edge.endpoint import REAL_HOST
from tf_lib.errors import ParameterError

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


def wall_now() -> dt.datetime:
    """Return the machine's time in UTC."""
    return dt.datetime.now(dt.UTC)


def clock_offset(client: TellsTime, *, wall: Now = wall_now) -> float:
    """
    Return how far the exchange's clock is ahead of the machine's, in seconds.

    Measured against the middle of the request, so half its duration is the uncertainty.
    """
    before = wall()
    exchange = client.server_time()
    after = wall()
    return (exchange - (before + (after - before) / 2)).total_seconds()


def now_source(kind: Literal["wall", "exchange"], client: TellsTime) -> Now:
    """
    Return what "now" is asked of.

    Parameters
    ----------
    kind : wall or exchange
        ``exchange`` asks the exchange each time, for one whose clock is not ours.

    Raises
    ------
    ParameterError
        If ``exchange`` is asked of the real host.
    """
    if kind == "wall":
        return wall_now
    if client.host == REAL_HOST:
        raise ParameterError("exchange.clock: 'exchange' is refused for the real host, use wall")
    return client.server_time

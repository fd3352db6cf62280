"""
Patience: for how long a read that fails is made again.

Midnight is busy: an exchange that answers 503 for two minutes must lose nobody a day. Before
anything was sent there is time until the gate closes; whoever protects goes on for three minutes
before giving up (docs/execution.md section 14). The waits have jitter, and pass in the exchange's
time.
"""

from __future__ import annotations

import datetime as dt
import math
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from tf_lib.errors import ExchangeError

PROTECTION_SECONDS = 180.0
"""For so long at least reads are made again by whoever may have something to protect."""

_SHORTEST_WAIT, _LONGEST_WAIT = 3.0, 8.0


class Patience:
    """
    How long failing reads are made again, all of them together.

    Parameters
    ----------
    at_least : float
        Seconds that may be waited whatever the clock says.
    until : datetime, optional
        Until this moment of `now` they are made again as well.
    most : float
        Seconds that may be waited on the way to `until`: a clock that stands still ends too.
    now, pause : callable
        Time, and waiting in it.
    tell : callable
        Hears why the first read of a row fails; silence would look like a hang.
    """

    def __init__(
        self,
        *,
        at_least: float = PROTECTION_SECONDS,
        until: dt.datetime | None = None,
        most: float = 0.0,
        now: Callable[[], dt.datetime] | None = None,
        pause: Callable[[float], None] | None = None,
        tell: Callable[[str], None] = lambda why: None,
    ) -> None:
        self.at_least = at_least
        self.until = until
        self.most = most
        self.now = now
        self.pause = pause if pause is not None else time.sleep
        self.tell = tell
        self.spent = 0.0
        self._is_waiting = False
        self._is_told = False

    def to_mapping(self) -> dict[str, Any]:
        """Return what another process needs to go on with it, as plain values."""
        until = self.until.isoformat() if self.until is not None else None
        return {"at_least": self.at_least, "most": self.most - self.spent, "until": until}

    @classmethod
    def from_mapping(cls, record: Mapping[str, Any], tell: Callable[[str], None]) -> Patience:
        """Read back what `to_mapping` wrote."""
        until = dt.datetime.fromisoformat(record["until"]) if record["until"] else None
        return cls(at_least=record["at_least"], most=record["most"], until=until, tell=tell)

    @property
    def left(self) -> float:
        """Seconds that may still be waited."""
        return max(self.at_least - self.spent, min(self.most - self.spent, self._until_end()))

    def _until_end(self) -> float:
        if self.until is None or self.now is None:
            return math.inf
        try:
            return (self.until - self.now()).total_seconds()
        except ExchangeError:
            # It has not told its time yet.
            return math.inf

    def wait(self, why: str, *, tried_seconds: float = 0.0) -> bool:
        """
        Wait for the next try; whether there is one.

        Parameters
        ----------
        why : str
            What the failed read came to.
        tried_seconds : float
            How long that try took: an exchange that hangs uses the time up as well.
        """
        # To wait may itself need a request, which must not be waited for.
        if self._is_waiting:
            return False
        self._is_waiting = True
        try:
            self.spent += tried_seconds
            left = self.left
            if left <= 0:
                return False
            if not self._is_told:
                self._is_told = True
                self.tell(why)
            seconds = min(random.uniform(_SHORTEST_WAIT, _LONGEST_WAIT), left)
            self.spent += seconds
            self.pause(seconds)
        finally:
            self._is_waiting = False
        return True

    def answered(self) -> None:
        """Hear that a read was answered: the next that fails is told of anew."""
        if not self._is_waiting:
            self._is_told = False

"""
The dead man's ping: somebody else hears that a run started and how it ended.

A machine that is dead sends no mail. A monitor that is pinged (healthchecks.io, and others of its
form) notices that the ping of a day does not come. ``<url>/start`` when a day begins, ``<url>``
when it ended with exit code 0, ``<url>/fail`` with any other. The address lets anybody ping, so it
is in no message; nothing that goes wrong here is fatal.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum

TIMEOUT_SECONDS = 5.0
_TRIES = 3


class PingEvent(StrEnum):
    """What a ping tells; its value is what follows the address."""

    START = "/start"
    SUCCESS = ""
    FAIL = "/fail"


class Ping:
    """
    Pings an address about one run.

    Parameters
    ----------
    url : str or None
        None pings nobody.
    tell : callable
        Hears what became of each ping: channel, result (sent, failed) and reason.
    """

    def __init__(self, url: str | None, tell: Callable[[dict[str, str]], None]) -> None:
        self._url = url
        self._tell = tell
        self._started: threading.Thread | None = None
        self._of_start: list[dict[str, str]] = []

    def start(self) -> None:
        """Tell that a run starts, beside its work: the day does not wait for a monitor."""
        if self._url is None:
            return
        url = self._url
        self._started = threading.Thread(
            target=lambda: self._of_start.append(_sent(url, PingEvent.START, "", tries=1)),
            daemon=True,
        )
        self._started.start()

    def end(self, exit_code: int, text: str) -> None:
        """Tell how a run ended, in a line."""
        if self._url is None:
            return
        if self._started is not None:
            self._started.join(2 * TIMEOUT_SECONDS)
            for result in self._of_start:
                self._tell(result)
        event = PingEvent.FAIL if exit_code else PingEvent.SUCCESS
        self._tell(_sent(self._url, event, text, tries=_TRIES))


def _sent(url: str, event: PingEvent, text: str, *, tries: int) -> dict[str, str]:
    """Ping, again where nobody answers, and return what became of it; never raises."""
    import requests

    channel, why = f"ping {event.name.lower()}", ""
    for _ in range(tries):
        try:
            answer = requests.post(
                url.rstrip("/") + event, data=text.encode(), timeout=TIMEOUT_SECONDS
            )
            if answer.ok:
                return {"channel": channel, "result": "sent", "reason": ""}
            why = f"it answered {answer.status_code}"
        except Exception as error:  # whatever a network does; its words would hold the address
            why = type(error).__name__
    reason = f"{why}; look at notifications.ping_url"
    return {"channel": channel, "result": "failed", "reason": reason}

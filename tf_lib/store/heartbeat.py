"""The heartbeat: one line for each thing that happens to a run, kept beyond its day."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lib.exchange.clock import wall_now
from tf_lib.store.files import append_json_line


class Heartbeat:
    """
    Prints events and keeps them among those that outlive a day.

    Parameters
    ----------
    state : Path
        The profile's state folder.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self.heard: list[dict[str, Any]] = []

    def beat(self, event: str, *, said: str = "", **fields: Any) -> None:
        """
        Print an event and write it down.

        Parameters
        ----------
        said : str
            What a reader of the terminal gets instead of the event's name and fields.
        """
        line = {"at": wall_now().isoformat(timespec="seconds"), "event": event, **fields}
        self.heard.append(line)
        append_json_line(self._state / "heartbeat.jsonl", line)
        known = {key: value for key, value in fields.items() if value not in (None, "")}
        rest = " ".join(f"{key}={value}" for key, value in known.items())
        print(said or f"{event} {rest}".rstrip(), flush=True)

    def notified(self, result: Mapping[str, str]) -> None:
        """Tell what became of a message to somebody."""
        self.beat("notified", said=_told(result), **result)


def _told(result: Mapping[str, str]) -> str:
    """Return what became of a message, in words."""
    channel, reason = result["channel"], result["reason"]
    if result["result"] == "not_configured":
        return f"no {channel} sent: {reason} (put them into ~/tf_email.env; tf doctor checks them)"
    said = f"{channel} sent" if result["result"] == "sent" else f"{channel} NOT sent"
    return f"{said}: {reason}" if reason else said

"""
The rescue ledger: where protection writes while the ledger itself cannot be read.

A spoilt ledger or epoch stops trading, never protection. The spoilt file is left exactly as it is;
beside it a second ledger begins with what the exchange shows, as after a loss, and holds what is
done until somebody has put the first one right. Then it is set aside: what was placed meanwhile is
found at the exchange.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable
from pathlib import Path

from tf_lib.errors import UnreadableState
from tf_lib.safety import epoch
from tf_lib.store.files import json_record
from tf_lib.store.ledger import LEDGER_FILE, Ledger

RESCUE_NAME = "ledger_rescue.jsonl"


def protection_ledger_of(state: Path, now: Callable[[], dt.datetime]) -> Ledger:
    """Return a state folder's ledger, or the one beside it while that cannot be read."""
    path, beside = state / LEDGER_FILE, state / RESCUE_NAME
    try:
        ledger = Ledger(path, now)
    except UnreadableState:
        return _rescue(path, beside, now)
    with contextlib.suppress(FileNotFoundError):
        beside.replace(beside.with_suffix(".old"))
    return ledger


def unreadable(state: Path, now: Callable[[], dt.datetime]) -> list[str]:
    """Return which of the files that trading rests on cannot be read, in words."""
    found = []
    for read in (lambda: Ledger(state / LEDGER_FILE, now), lambda: epoch.current(state)):
        try:
            read()
        except UnreadableState as error:
            found.append(str(error))
    return found


def _rescue(path: Path, beside: Path, now: Callable[[], dt.datetime]) -> Ledger:
    try:
        ledger = Ledger(beside, now)
    except UnreadableState:
        beside.replace(beside.with_suffix(".spoilt"))
        ledger = Ledger(beside, now)
    pinned = _pinned(path)
    if pinned:
        # Never another portfolio than the one whose ledger this is.
        ledger.pin(pinned)
    return ledger


def _pinned(path: Path) -> str:
    """Return the portfolio that a line of a spoilt ledger still names, or nothing."""
    with contextlib.suppress(OSError):
        for piece in path.read_bytes().split(b"\n"):
            line = json_record(piece)
            if line is not None and line.get("kind") == "pin":
                return str(line.get("portfolio_uuid", ""))
    return ""

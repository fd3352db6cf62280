"""
The epoch: a number that whoever takes over raises, and every sender checks.

A process that was stopped past its deadline and wakes up again finds another epoch than the
one it started under, and sends nothing more.
"""

from __future__ import annotations

import time
from pathlib import Path

from tf_lib.errors import PreflightRefused, UnreadableState
from tf_lib.store.files import write_whole

EPOCH_FILE = "epoch"
_MOST_SHOWN = 40


def current(state: Path) -> int:
    """Return the epoch of a state folder; a folder without one is in epoch 0."""
    path = state / EPOCH_FILE
    try:
        return int(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        raise UnreadableState(
            f"{path}: the epoch cannot be read: line 1 is {standing(state)!r}. Nothing is traded "
            "until it is right; positions are protected. Look that no other process of this "
            "profile runs, then delete the file."
        ) from error


def standing(state: Path) -> str:
    """Return what stands in a state folder in the place of its epoch, be it one or not."""
    try:
        text = (state / EPOCH_FILE).read_bytes().decode("latin-1").strip()
    except FileNotFoundError:
        return "0"
    except OSError as error:
        return f"{type(error).__name__}"
    return text[:_MOST_SHOWN]


def raise_epoch(state: Path) -> int:
    """Begin a new epoch: what was started before it may send nothing more."""
    try:
        following = current(state) + 1
    except UnreadableState:
        # Whatever it was: no process began under a number as high as the seconds since 1970.
        following = int(time.time())
    write_whole(state / EPOCH_FILE, f"{following}\n")
    return following


def check(state: Path, started_under: int | str) -> None:
    """
    Refuse to send for a process that another one has taken over from.

    Parameters
    ----------
    started_under : int or str
        The epoch, or for protection what stood there in its place.
    """
    now = standing(state)
    if now != str(started_under):
        raise PreflightRefused(
            f"another process took over (epoch {now}, this one began under {started_under}); "
            "nothing more is sent from here"
        )

"""
The epoch: a number that whoever takes over raises, and every sender checks.

A process that was stopped past its deadline and wakes up again finds another epoch than the
one it started under, and sends nothing more.
"""

from __future__ import annotations

from pathlib import Path

from tf_lib.edge.files import write_whole
from tf_lib.errors import PreflightRefused, StateError

FILE_NAME = "epoch"


def current(state: Path) -> int:
    """Return the epoch of a state folder; a folder without one is in epoch 0."""
    path = state / FILE_NAME
    try:
        return int(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        raise StateError(f"{path}: the epoch cannot be read: {error}") from error


def raise_epoch(state: Path) -> int:
    """Begin a new epoch: what was started before it may send nothing more."""
    following = current(state) + 1
    write_whole(state / FILE_NAME, f"{following}\n")
    return following


def check(state: Path, started_under: int) -> None:
    """Refuse to send for a process that another one has taken over from."""
    now = current(state)
    if now != started_under:
        raise PreflightRefused(
            f"another process took over (epoch {now}, this one began under {started_under}); "
            "nothing more is sent from here"
        )

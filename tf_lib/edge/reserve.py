"""
The reserve: space for the outcomes of a run, set aside before anything is cancelled.

A disk that is full is found before the first request that changes anything. If it fills up
afterwards, the reserve is given up so that what happened can still be written down.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tf_lib.errors import StateError

FILE_NAME = ".reserve"
RESERVE_BYTES = 4 << 20


def set_aside(state: Path) -> None:
    """
    Occupy the reserve in a state folder, with real blocks of the disk.

    Raises
    ------
    StateError
        If the space is not there; nothing was sent.
    """
    path = state / FILE_NAME
    if _is_whole(path):
        return
    try:
        with path.open("wb") as file:
            # Random bytes: a file system that compresses must not make them nothing.
            file.write(os.urandom(RESERVE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise StateError(
            f"{state}: {RESERVE_BYTES >> 20} MB for the record of this run cannot be set aside: "
            f"{error}. Nothing was sent; free some space and run again."
        ) from error


def _is_whole(path: Path) -> bool:
    """Whether the space is set aside already, in real blocks."""
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_size == RESERVE_BYTES and found.st_blocks * 512 >= RESERVE_BYTES


def give_up(state: Path) -> bool:
    """Free the reserve because the disk is full; whether there was one."""
    path = state / FILE_NAME
    if not path.exists():
        return False
    path.unlink()
    return True

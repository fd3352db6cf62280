"""
The reserve: space for the outcomes of a run, set aside before anything is cancelled.

A disk that is full is found before the first request that changes anything. If it fills up
afterwards, the reserve is given up so that what happened can still be written down.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tf_lib.errors import StateError

RESERVE_FILE = ".reserve"
RESERVE_BYTES = 4 << 20
FULL = (errno.ENOSPC, errno.EDQUOT)
T = TypeVar("T")


def set_aside(state: Path) -> None:
    """
    Occupy the reserve in a state folder, with real blocks of the disk.

    Raises
    ------
    StateError
        If the space is not there; nothing was sent.
    """
    path = state / RESERVE_FILE
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
    path = state / RESERVE_FILE
    if not path.exists():
        return False
    path.unlink()
    return True


def with_reserve(path: Path, write: Callable[[], T]) -> T:
    """
    Write something that belongs to a profile; on a full disk, with the profile's reserve given up.

    Parameters
    ----------
    path : Path
        What is written: in the profile's folder or below.
    write : callable
        Leaves nothing behind when it fails.
    """
    try:
        return write()
    except OSError as error:
        if error.errno not in FULL or not any(give_up(state) for state in _states_above(path)):
            raise
        return write()


def _states_above(path: Path) -> Iterator[Path]:
    """Yield the folders in which the reserve of a path's profile may be."""
    for parent in path.parents:
        yield parent
        yield parent / "state"

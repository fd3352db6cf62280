"""
Folder lock: one sweep at a time works in a research folder.

Part of a sweep. Two at once would each count the trials of one of them only, and do the same sets
twice. The second waits, and then finds in the parts what the first has done. The operating system
releases the lock when its holder dies.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from tf_lib.research.sweep.evaluate import this_process

LOCK_NAME = ".sweep.lock"
_POLL_SECONDS = 0.2


@contextlib.contextmanager
def research_lock(folder: Path) -> Iterator[None]:
    """
    Hold a research folder, made if missing; wait, and say for whom, while another process has it.

    Who holds it may take it again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.resolve() / LOCK_NAME
    holder = path.with_suffix(".holder")
    lock = FileLock(str(path), is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(
            f"sweep: another one works in {folder} ({_name_in(holder)}); this one waits for it and "
            "then does what is left",
            file=sys.stderr,
            flush=True,
        )
        lock.acquire(timeout=-1, poll_interval=_POLL_SECONDS)
    try:
        holder.write_text(this_process() + "\n", encoding="utf-8")
        yield
    finally:
        if lock.lock_counter == 1:
            holder.unlink(missing_ok=True)
        lock.release()


def _name_in(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8").strip()
    except OSError:
        return "just begun"

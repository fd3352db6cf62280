"""
The lock: one process at a time sends for a portfolio.

Held on a file named by the portfolio's uuid in a folder of the user, so that a second clone,
another ``--runs`` or a copied profile cannot make two. A second lock on the state folder keeps
two runs from opening the same ledger before the uuid is known. A third is held by the process
that sends: a notebook's kernel may outlive its killed launcher for a moment, and nobody else may
open the ledger before it is gone. The operating system releases each when its holder dies.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tf_lib.errors import LockHeld, StateError
from tf_lib.safety import epoch
from tf_lib.store.files import make_private, write_whole

HOLDER_DEADLINE = dt.timedelta(minutes=45)
_POLL_SECONDS = 0.5
_NAMELESS_POLLS = 20
"""A holder that is just beginning or ending has no name; none takes ten seconds."""


def lock_folder() -> Path:
    """Return the user's folder for locks: TF_LOCK_DIR, else under the home, else temporary."""
    chosen = os.environ.get("TF_LOCK_DIR")
    if chosen:
        return Path(chosen)
    home = os.environ.get("HOME")
    if home and os.access(home, os.W_OK):
        return Path(home) / ".tf_lib" / "locks"
    return Path(tempfile.gettempdir()) / f"tf_lib-{os.getuid()}" / "locks"


class ProcessLock:
    """
    An exclusive lock that names its holder.

    Parameters
    ----------
    path : Path
        The lock file; who holds it stands in ``<path>.holder``.
    kind : str
        What the holder does: run, guard, protect.
    """

    def __init__(self, path: Path, *, kind: str) -> None:
        self.path = path
        self.kind = kind
        self._lock = FileLock(str(path), timeout=0, mode=0o600)

    @property
    def holder_file(self) -> Path:
        """Where the holder writes who it is."""
        return self.path.with_name(self.path.name + ".holder")

    def acquire(self) -> ProcessLock:
        """
        Take the lock, or say who holds it.

        Raises
        ------
        LockHeld
            Another process holds it; nothing was sent.
        """
        try:
            make_private(self.path.parent)
            self._lock.acquire()
        except Timeout:
            raise LockHeld(
                f"another process works on this portfolio: {self.holder()} ({self.path}). "
                "Nothing was sent. Wait for it to end; if it hangs, stop that process."
            ) from None
        except OSError as error:
            raise StateError(f"{self.path}: the lock cannot be taken: {error}") from error
        now = dt.datetime.now(dt.UTC)
        who = {
            "pid": os.getpid(),
            "launcher": os.getppid(),
            "kind": self.kind,
            "start": now.isoformat(timespec="seconds"),
            "deadline": (now + HOLDER_DEADLINE).isoformat(timespec="seconds"),
        }
        write_whole(self.holder_file, json.dumps(who), durable=False)
        return self

    def holder_kind(self) -> str:
        """Return what the holder does, or nothing where it is not written."""
        return str(self._written().get("kind", ""))

    def holder(self) -> str:
        """Return who holds the lock, as far as it is written."""
        who = self._written()
        if not who:
            return "an unnamed holder"
        return f"{who['kind']} with pid {who['pid']} since {who['start'].isoformat()}"

    def _written(self) -> dict[str, Any]:
        """Return what the holder wrote of itself; nothing where that is not whole."""
        try:
            who = json.loads(self.holder_file.read_text(encoding="utf-8"))
            moments = {name: dt.datetime.fromisoformat(who[name]) for name in ("start", "deadline")}
            return {"kind": who["kind"], "pid": int(who["pid"]), **moments}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def stranger(self) -> str:
        """Return why the holder is none of ours that will end by itself, or nothing when it is."""
        why = self._strangeness()
        for _ in range(_NAMELESS_POLLS):
            if not why:
                break
            time.sleep(_POLL_SECONDS)
            why = self._strangeness()
        return why

    def _strangeness(self) -> str:
        import psutil

        if not self.is_held():
            return ""
        who = self._written()
        if not who:
            return "its holder has no name"
        if not psutil.pid_exists(who["pid"]):
            return f"its holder {who['kind']} with pid {who['pid']} is gone"
        if dt.datetime.now(dt.UTC) > who["deadline"]:
            return f"{self.holder()} is past its deadline and could not be ended"
        return ""

    def is_held(self) -> bool:
        """Whether somebody holds it now."""
        try:
            self._lock.acquire()
        except Timeout:
            return True
        self._lock.release()
        return False

    def overdue(self, now: dt.datetime) -> tuple[int, dt.datetime] | None:
        """Return the holder's process and when it took the lock if its deadline is past."""
        who = self._written()
        return (who["pid"], who["start"]) if who and now > who["deadline"] else None

    def release(self) -> None:
        """Give the lock back; the holder's name goes with it."""
        if self._lock.is_locked:
            self.holder_file.unlink(missing_ok=True)
            self._lock.release()

    def __enter__(self) -> ProcessLock:
        """Take the lock."""
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        """Give it back."""
        self.release()


def portfolio_lock(portfolio_uuid: str, *, kind: str) -> ProcessLock:
    """Return the lock of one portfolio, whichever folder or clone asks."""
    return ProcessLock(lock_folder() / f"{portfolio_uuid}.lock", kind=kind)


def state_lock(state: Path, *, kind: str) -> ProcessLock:
    """Return the lock of one state folder."""
    return ProcessLock(state / "run.lock", kind=kind)


def wait_for_guard(lock: ProcessLock, *, seconds: float) -> ProcessLock:
    """
    Take a lock, waiting for a guard to end but never for another run.

    Raises
    ------
    LockHeld
        A run holds it, or the guard still did when the time was over.
    """
    # A holder that is just beginning or ending has no name; it may be a guard.
    return _taken_within(seconds, lock, is_awaited=lambda: lock.holder_kind() in ("guard", ""))


def _taken_within(
    seconds: float, lock: ProcessLock, *, is_awaited: Callable[[], bool]
) -> ProcessLock:
    """Take a lock, waiting so long at most, and only while its holder is one to wait for."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return lock.acquire()
        except LockHeld:
            if not is_awaited() or time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_SECONDS)


def sender_lock(portfolio_uuid: str, state: Path, *, seconds: float = 30.0) -> ProcessLock:
    """
    Take the lock of the process that sends, waiting for one whose launcher is gone to end.

    Raises
    ------
    LockHeld
        A process that somebody still watches over is sending.
    """
    lock = ProcessLock(lock_folder() / f"{portfolio_uuid}.sender.lock", kind="sender")
    try:
        return _taken_within(seconds, lock, is_awaited=lambda: True)
    except LockHeld:
        if not _end_orphan(lock, state):
            raise
        return lock.acquire()


def _end_orphan(lock: ProcessLock, state: Path) -> bool:
    """End a sender that lost its launcher; whether it is gone."""
    import psutil

    try:
        who = json.loads(lock.holder_file.read_text(encoding="utf-8"))
        holder, launcher = psutil.Process(int(who["pid"])), int(who["launcher"])
        if holder.ppid() == launcher or holder.pid == os.getpid():
            return False
        epoch.raise_epoch(state)
        holder.kill()
        holder.wait(timeout=10)
    except psutil.NoSuchProcess:
        return True
    except (OSError, ValueError, KeyError, psutil.Error):
        return False
    return True


def take_from_holder(lock: ProcessLock, state: Path) -> bool:
    """
    End a holder that is past its deadline, and everything it started; whether it is gone.

    The epoch goes up first, so that a process which only slept can send nothing when it wakes.
    """
    import psutil

    found = lock.overdue(dt.datetime.now(dt.UTC))
    if found is None or found[0] == os.getpid():
        return False
    epoch.raise_epoch(state)
    try:
        holder = psutil.Process(found[0])
        # A process younger than the lock got a dead holder's number; it is not ours to end.
        if holder.create_time() > found[1].timestamp() + 1:
            return True
        family = [*holder.children(recursive=True), holder]
    except psutil.NoSuchProcess:
        return True
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    return not alive

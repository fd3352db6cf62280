"""Locks between real processes: one holder, named, released by its death, ended when overdue."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import begun
from tf_lib.errors import LockHeld, PreflightRefused, StateError
from tf_lib.safety import epoch
from tf_lib.safety.lock import (
    lock_folder,
    portfolio_lock,
    state_lock,
    take_from_holder,
    wait_for_guard,
)

HOLD = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from tf_lib.safety.lock import state_lock\n"
    "with state_lock(Path(sys.argv[1]), kind=sys.argv[2]):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.readline()\n"
)


@contextmanager
def another_process(state: Path, kind: str) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the lock of a state folder."""
    words = [sys.executable, "-c", HOLD, str(state), kind]
    process = begun(words, stdin=subprocess.PIPE, stderr=None)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    """The second is told who, what and since when; and that nothing was sent."""
    with another_process(tmp_path, "run") as other:
        with pytest.raises(LockHeld) as held, state_lock(tmp_path, kind="run"):
            pass
        text = str(held.value)

        assert f"run with pid {other.pid} since 20" in text
        assert "Nothing was sent" in text
        assert held.value.exit_code == 4


def test_released_at_the_end_and_by_an_error(tmp_path: Path) -> None:
    """The holder's name goes with it."""

    def fail() -> None:
        with state_lock(tmp_path, kind="run") as lock:
            assert lock.holder_file.exists()
            raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        fail()
    with state_lock(tmp_path, kind="run") as lock:
        pass
    assert not lock.holder_file.exists()


def test_released_by_death(tmp_path: Path) -> None:
    """A killed holder leaves its name and no lock."""
    with another_process(tmp_path, "run") as other:
        other.kill()
        other.wait()
        with state_lock(tmp_path, kind="run") as lock:
            assert f"pid {other.pid}" not in lock.holder()


def test_a_run_waits_for_a_guard_and_never_for_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard ends within seconds; another run may take the whole gate."""
    waits: list[float] = []
    with another_process(tmp_path, "run"), monkeypatch.context() as patch:
        patch.setattr("tf_lib.safety.lock.time.sleep", waits.append)
        with pytest.raises(LockHeld):
            wait_for_guard(state_lock(tmp_path, kind="run"), seconds=30)
    assert waits == []

    with another_process(tmp_path, "guard") as guard:
        assert guard.stdin is not None
        guard.stdin.write("end\n")
        guard.stdin.flush()
        wait_for_guard(state_lock(tmp_path, kind="run"), seconds=30).release()

    with another_process(tmp_path, "guard"), pytest.raises(LockHeld, match="guard with pid"):
        wait_for_guard(state_lock(tmp_path, kind="run"), seconds=0)


def test_a_holder_without_a_name_may_be_a_guard(tmp_path: Path) -> None:
    """Between lock and name, at begin and end, it is waited for until the name is there."""
    with another_process(tmp_path, "guard") as guard:
        mine = state_lock(tmp_path, kind="run")
        mine.holder_file.unlink()
        threading.Timer(0.3, guard.kill).start()

        wait_for_guard(mine, seconds=10).release()


def test_overdue_holder_is_ended(tmp_path: Path) -> None:
    """The epoch goes up first, the process is gone, the lock is free."""
    with another_process(tmp_path, "run") as other:
        mine = state_lock(tmp_path, kind="guard")
        assert not take_from_holder(mine, tmp_path)
        assert other.poll() is None
        who = json.loads(mine.holder_file.read_text(encoding="utf-8"))
        past = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
        mine.holder_file.write_text(json.dumps(who | {"deadline": past.isoformat()}))

        assert take_from_holder(mine, tmp_path)
        assert other.poll() is not None
        assert epoch.current(tmp_path) == 1
        mine.acquire().release()


def test_number_of_a_dead_holder_is_not_ended(tmp_path: Path) -> None:
    """Another process has the number now: it is younger than the lock, and not ours to end."""
    with another_process(tmp_path / "other", "run") as innocent:
        mine = state_lock(tmp_path, kind="guard")
        long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(hours=2)
        who = {"pid": innocent.pid, "kind": "run", "start": long_ago.isoformat()}
        mine.holder_file.write_text(json.dumps(who | {"deadline": long_ago.isoformat()}))

        assert take_from_holder(mine, tmp_path)
        assert innocent.poll() is None


def test_a_sleeper_of_an_old_epoch_sends_nothing(tmp_path: Path) -> None:
    """It began under another number than the one that counts now."""
    began = epoch.current(tmp_path)
    epoch.check(tmp_path, began)
    epoch.raise_epoch(tmp_path)

    with pytest.raises(PreflightRefused, match=r"took over \(epoch 1, this one began under 0\)"):
        epoch.check(tmp_path, began)


def test_an_epoch_that_cannot_be_read(tmp_path: Path) -> None:
    """Named; it must not count as the first one."""
    (tmp_path / epoch.EPOCH_FILE).write_text("one", encoding="utf-8")

    with pytest.raises(StateError, match="epoch: the epoch cannot be read"):
        epoch.current(tmp_path)


def test_locks_of_an_account_are_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever folder or clone asks: by the account's uuid, in one place."""
    monkeypatch.setenv("TF_LOCK_DIR", str(tmp_path / "locks"))
    assert portfolio_lock("some-uuid", kind="run").path == tmp_path / "locks" / "some-uuid.lock"

    monkeypatch.delenv("TF_LOCK_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert lock_folder() == tmp_path / ".tf_lib" / "locks"

    monkeypatch.delenv("HOME")
    assert lock_folder().name == "locks"


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    """Named with its path; not taken for a held one."""
    (tmp_path / "file").write_text("x", encoding="utf-8")

    with pytest.raises(StateError, match=r"run\.lock: the lock cannot be taken"):
        state_lock(tmp_path / "file", kind="run").acquire()

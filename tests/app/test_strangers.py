"""Other people on the machine, and files that lie where cron starts us."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.app.mailbox import Mailbox
from tests.app.profile import PROJECT, MakeProfile, Profile, must_end
from tests.processes import ended
from tf_lib.app.commands.schedule.crontab import crontab
from tf_lib.app.commands.schedule.jobs import jobs_of
from tf_lib.app.options import ProfileOptions
from tf_lib.safety.lock import state_lock

DAY = "2024-03-11"
MODULES = ("random.py", "yaml.py", "json.py", "tf_lib.py", "pandas.py", "tornado.py")


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Cron's: what is made may be read by all."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """Return what anybody but the owner may do something with."""
    paths = [folder, *folder.rglob("*")]
    return [str(p) for p in paths if not p.is_symlink() and p.stat().st_mode & 0o077]


@pytest.mark.usefixtures("open_umask")
def test_everything_is_its_owners_alone(profile: Profile, tmp_path: Path) -> None:
    """Run, guard and protect under cron's umask; the locks too."""
    locks = tmp_path / "locks"
    for command in ("run", "guard", "protect"):
        dated = ["--date", DAY, "--no-notebook"] if command == "run" else []
        must_end(profile.shell(command, *dated, TF_LOCK_DIR=str(locks)))

    assert list(locks.glob("*.lock"))
    assert open_to_others(profile.folder) == []
    assert open_to_others(locks) == []


def test_what_an_older_version_left_open_is_closed(profile: Profile) -> None:
    """At the next start of anything; what belongs to a link's target is left alone."""
    assert profile.run(DAY)[0] == 0
    outside = profile.runs.parent / "outside.txt"
    outside.write_text("not ours to close", encoding="utf-8")
    outside.chmod(0o644)
    (profile.folder / "link").symlink_to(outside)
    for path in (profile.folder, *profile.folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)

    assert profile.shell("guard")[0] == 0

    assert open_to_others(profile.folder) == []
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


@contextmanager
def held_by_nobody(path: Path) -> Iterator[None]:
    """Hold a lock file as somebody does who only opened it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.usefixtures("no_waiting")
def test_a_lock_that_nobody_named_is_an_alarm(make_profile: MakeProfile, mailbox: Mailbox) -> None:
    """Not a reason to stand back for ever: exit 1 each time, one mail; a good end after it."""
    profile = make_profile(notifications={"email": True, "on_success": False})
    assert profile.run(DAY)[0] == 0

    with held_by_nobody(profile.state / "run.lock"):
        for _ in range(3):
            said = must_end(profile.call("guard"), 1)
            assert "ALARM the lock" in said
            assert "no name" in said

    assert len(mailbox.messages) == 1
    assert "lock" in mailbox.messages[0]["Subject"]
    assert profile.call("guard")[0] == 0


@pytest.mark.usefixtures("no_waiting")
def test_a_lock_past_its_deadline_whose_holder_is_gone_is_an_alarm(profile: Profile) -> None:
    """Who is named died long ago, and yet somebody holds it."""
    assert profile.run(DAY)[0] == 0
    lock = state_lock(profile.state, kind="run")
    who = {"kind": "run", "pid": 2**22 + 1, "launcher": 1, "start": "2024-03-11T00:01:00+00:00"}
    with held_by_nobody(lock.path):
        past = who | {"deadline": "2024-03-11T00:46:00+00:00"}
        lock.holder_file.write_text(json.dumps(past), encoding="utf-8")
        said = must_end(profile.call("guard"), 1)

    assert "is gone" in said


def test_a_run_at_work_is_no_alarm(profile: Profile) -> None:
    """Its name and its process are there."""
    assert profile.run(DAY)[0] == 0
    with state_lock(profile.state, kind="run"):
        code, said = profile.call("guard")

    assert (code, said.split(":")[0]) == (0, "stands back")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with files that are called like modules we need."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in MODULES:
        (folder / name).write_text("raise ImportError('imported from home')\n", encoding="utf-8")
    return folder


def from_home(home: Path, *words: str) -> str:
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    environment["TF_LOCK_DIR"] = os.environ["TF_LOCK_DIR"]
    code, out, err = ended(words, cwd=home, env=environment)
    assert code == 0, out + err
    return out


def test_crons_own_lines_import_nothing_from_where_they_start(profile: Profile, home: Path) -> None:
    """The guard's line as it is printed, in a home full of strange modules."""
    assert profile.run(DAY)[0] == 0
    jobs = jobs_of(ProfileOptions(config=profile.config, runs=profile.runs), root=PROJECT)
    line = crontab(jobs, offsets=(0,)).splitlines()[-1]
    python = str(PROJECT / ".venv" / "bin" / "python")
    command = line.removeprefix("*/15 * * * * ").replace(python, sys.executable)

    assert "0 unprotected" in from_home(home, "/bin/sh", "-c", command)


def test_by_hand_too(profile: Profile, home: Path) -> None:
    """`python -m tf_lib` where no tf_lib.py lies; the notebook's kernel as well."""
    (home / "tf_lib.py").unlink()
    words = ("run", *profile.options(), "--date", DAY)

    from_home(home, sys.executable, "-m", "tf_lib", *words)

    assert profile.marks(DAY)[-1] == "done"

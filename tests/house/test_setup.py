"""scripts/setup.sh: nothing when current, all or nothing otherwise."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import begun, end, ended

# Stands in for python3, pip included: notes how it was called, and makes a
# .venv whose python is itself. A file `pip_says` beside it makes pip fail.
PYTHON = """#!/bin/sh
here=$(dirname "$0")
[ -f "$here/calls" ] || here=$STUB_FOLDER
case "$*" in
  *"import ensurepip"*) echo "ok 3.11.7" ;;
  *"sys.prefix"*) echo "$PWD/.venv" ;;
  *"-m venv"*) echo venv >>"$here/calls"; rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  *"-m pip install"*requirements.lock*)
    echo $$ >"$here/pip_id"
    echo install >>"$here/calls"
    sleep ${STUB_SECONDS:-0.05}
    if [ -f "$here/pip_says" ]; then cat "$here/pip_says" >&2; exit 1; fi ;;
  *"-m pip uninstall -y rfc3987-syntax"*) echo uninstall >>"$here/calls" ;;
  *"-m pip install"*"-e ."*) echo project >>"$here/calls" ;;
esac
"""  # noqa: E501
ALL_STEPS = ["venv", "install", "uninstall", "project"]


class Checkout:
    """A copy of what set-up reads, with a stand-in for Python."""

    def __init__(self, folder: Path, project_root: Path) -> None:
        self.root = folder / "project"
        self.stub = folder / "stub"
        self.stub.mkdir(parents=True)
        (self.stub / "calls").touch()
        (self.stub / "python3").write_text(PYTHON)
        (self.stub / "python3").chmod(0o755)
        (self.root / "scripts").mkdir(parents=True)
        for name in ("requirements.lock", "pyproject.toml", "scripts/setup.sh"):
            shutil.copy(project_root / name, self.root / name)

    @property
    def environment(self) -> dict[str, str]:
        stub = {"STUB_FOLDER": str(self.stub), "TF_PYTHON": str(self.stub / "python3")}
        return {"PATH": "/usr/bin:/bin"} | stub

    def start(self, **environment: str) -> subprocess.Popen[str]:
        words = ["bash", self.root / "scripts/setup.sh"]
        return begun(words, env=self.environment | environment, cwd="/")

    def set_up(self, **environment: str) -> tuple[int, str, str]:
        return end(self.start(**environment))

    def calls(self) -> list[str]:
        made = (self.stub / "calls").read_text().split()
        (self.stub / "calls").write_text("")
        return made


@pytest.fixture
def checkout(tmp_path: Path, project_root: Path) -> Checkout:
    return Checkout(tmp_path, project_root)


def test_current_environment_is_left_alone_at_once(project_root: Path) -> None:
    """The .venv that these tests run in is current: nothing printed, nothing touched."""
    stamp = project_root / ".venv/set_up_from"
    if not stamp.exists():
        pytest.skip("these tests do not run in an environment of scripts/setup.sh")
    log = project_root / ".venv.log"
    before = [path.stat().st_mtime_ns for path in (stamp, log) if path.exists()]

    assert ended(["bash", "scripts/setup.sh"], cwd=project_root) == (0, "", "")
    after = [path.stat().st_mtime_ns for path in (stamp, log) if path.exists()]
    assert after == before, "no step of a set-up was begun"


def test_first_set_up_does_every_step_and_the_second_none(checkout: Checkout) -> None:
    """A line when it begins, one for each step with the time so far, one at the end; then none."""
    code, out, err = checkout.set_up()
    first, *steps, last = err.splitlines()

    assert (code, out) == (0, "")
    assert re.fullmatch(r"set-up: making .*; one to four minutes", first)
    parts = ["virtual environment", "requirements.lock", "rfc3987-syntax", "the project"]
    for part, line in zip([*parts, "fit together", "packages", "kernels"], steps, strict=True):
        assert re.fullmatch(rf"set-up: .*{part} \(\d+ s\)", line)
    assert re.fullmatch(r"set-up: done in \d+ s", last)
    assert checkout.calls() == ALL_STEPS
    assert checkout.set_up() == (0, "", "")
    assert checkout.calls() == []
    assert not (checkout.root / ".venv.lock").exists()


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", "scripts/setup.sh"])
def test_changed_file_refreshes_in_place(checkout: Checkout, name: str) -> None:
    """The environment is refreshed, not made anew: without network the old one stays."""
    checkout.set_up()
    checkout.calls()
    with (checkout.root / name).open("a") as file:
        file.write("# changed\n")
    code, _, err = checkout.set_up(TF_PYTHON="")

    assert code == 0
    assert "refreshing" in err
    assert checkout.calls() == ["install", "uninstall", "project"]


def test_a_long_step_shows_its_time(checkout: Checkout) -> None:
    """On a terminal every second, over the same line."""
    ours, theirs = pty.openpty()
    words = ["bash", checkout.root / "scripts/setup.sh"]
    environment = checkout.environment | {"STUB_SECONDS": "2.5"}
    assert ended(words, env=environment, cwd="/", stderr=theirs)[0] == 0
    os.close(theirs)
    said = os.read(ours, 100_000).decode()
    os.close(ours)

    assert re.search(r"set-up:   installing requirements\.lock, \d+ s \r", said)


def test_moved_project_is_set_up_again(checkout: Checkout) -> None:
    """The scripts inside a .venv hold the path that it was made in."""
    checkout.set_up()
    checkout.calls()
    checkout.root = checkout.root.rename(checkout.root.with_name("elsewhere"))

    assert checkout.set_up()[0] == 0
    assert "install" in checkout.calls()


@pytest.mark.parametrize(
    ("pip_says", "advice"),
    [
        ("WARNING: Retrying: Temporary failure in name resolution", "check the network"),
        ("ERROR: Could not find a version that satisfies numpy", "check the network"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "do not go on"),
        ("PermissionError: [Errno 13] Permission denied: 'x'", "someone else"),
    ],
)
def test_failure_says_what_to_do_and_is_redone(
    checkout: Checkout, pip_says: str, advice: str
) -> None:
    """Why, pip's own last words, where the log is; and the next set-up starts over."""
    (checkout.stub / "pip_says").write_text(pip_says + "\n")
    code, out, err = checkout.set_up()

    assert (code, out) == (1, "")
    assert "set-up: FAILED: installing requirements.lock" in err
    assert advice in err
    assert f"  | {pip_says}" in err
    assert str(checkout.root / ".venv.log") in err
    assert not (checkout.root / ".venv/set_up_from").exists()
    assert not (checkout.root / ".venv.lock").exists()

    (checkout.stub / "pip_says").unlink()
    assert checkout.set_up()[0] == 0
    assert checkout.set_up() == (0, "", "")


def test_unsuitable_python_is_named(checkout: Checkout) -> None:
    """The message says what is needed, what was found, and how to go on."""
    broken = checkout.stub / "broken"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    code, _, err = checkout.set_up(TF_PYTHON=str(broken))

    assert code == 1
    assert "no suitable Python: 3.11, 3.12 or 3.13 is needed" in err
    assert f"{broken}: does not start" in err
    assert "TF_PYTHON=" in err


def test_two_at_once_install_once(checkout: Checkout) -> None:
    """cron and a person at the same minute: one works, the other waits for it."""
    with checkout.start(STUB_SECONDS="0.5") as first, checkout.start() as second:
        first.communicate(timeout=60)
        second.communicate(timeout=60)

    assert (first.returncode, second.returncode) == (0, 0)
    assert checkout.calls() == ALL_STEPS


@pytest.mark.parametrize(
    "owner",
    ["999999999 Thu Jan  1 00:00:00 1970", f"{os.getpid()} long ago"],
    ids=["nobody", "another process with its number"],
)
def test_set_up_that_was_cut_short_is_made_anew(checkout: Checkout, owner: str) -> None:
    """A lock whose owner is gone, or whose id is now another process's, holds nobody up."""
    checkout.set_up()
    checkout.calls()
    (checkout.root / ".venv/set_up_from").unlink()
    (checkout.root / ".venv.lock").mkdir()
    (checkout.root / ".venv.lock/owner").write_text(owner + "\n")
    code, _, err = checkout.set_up()

    assert code == 0
    assert "was cut short; starting again" in err
    assert checkout.calls() == ALL_STEPS
    assert not (checkout.root / ".venv.lock").exists()


def test_signal_leaves_the_mark_that_it_was_cut_short(checkout: Checkout) -> None:
    """Stopped in the middle of pip: the next set-up makes everything anew."""
    with checkout.start(STUB_SECONDS="5") as process:
        while "install" not in (checkout.stub / "calls").read_text():
            assert process.poll() is None
        process.terminate()
        _, err = process.communicate(timeout=60)
    checkout.calls()

    assert process.returncode == 1
    assert "cut short by SIGTERM" in err
    assert (checkout.root / ".venv.lock").exists()
    assert "was cut short; starting again" in checkout.set_up()[2]
    assert checkout.calls() == ALL_STEPS


def test_failure_while_packages_change_is_made_anew(checkout: Checkout) -> None:
    """A full disk may leave a package half written: nothing of it is kept."""
    (checkout.stub / "pip_says").write_text("Installing collected packages: numpy\nErrno 28\n")
    assert checkout.set_up()[0] == 1

    (checkout.stub / "pip_says").unlink()
    checkout.calls()
    assert "was cut short; starting again" in checkout.set_up()[2]
    assert checkout.calls() == ALL_STEPS


def test_pip_of_a_killed_set_up_is_ended_first(checkout: Checkout) -> None:
    """It would go on writing into the .venv that is being made anew."""
    step, pip_id = checkout.root / ".venv.lock/step", checkout.stub / "pip_id"
    with checkout.start(STUB_SECONDS="5") as process:
        while not pip_id.exists() or step.read_text().split()[:1] != pip_id.read_text().split():
            assert process.poll() is None
        process.kill()
    orphan = int(pip_id.read_text())
    os.kill(orphan, 0)

    assert checkout.set_up()[0] == 0
    with pytest.raises(ProcessLookupError):
        os.kill(orphan, 0)


def test_folder_that_cannot_be_written_is_named(checkout: Checkout) -> None:
    """One line instead of a traceback."""
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    checkout.root.chmod(0o555)
    code, _, err = checkout.set_up()
    checkout.root.chmod(0o755)

    assert code == 1
    assert f"cannot write in {checkout.root}" in err


def test_an_argument_is_refused(project_root: Path) -> None:
    """Exit code 2, as for all wrong usage."""
    code, _, err = ended(["bash", project_root / "scripts/setup.sh", "--quick"])

    assert code == 2
    assert "--quick" in err

"""scripts/run_papermill.sh: cron's way in, with a stand-in for the Python behind it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import Ended, begun, end

# Notes its arguments and surroundings, then ends as told by a file.
PYTHON = f"""#!/bin/sh
[ "$1" = --version ] && {{ echo Python 3.11.7; exit 0; }}
echo "$*" >>"$STUB_FOLDER/calls"
env >"$STUB_FOLDER/environment"
pwd >"$STUB_FOLDER/folder"
umask >"$STUB_FOLDER/umask"
echo "$3 says hello"
echo "$3 complains" >&2
case "$3" in
  run) [ -f "$STUB_FOLDER/run.py" ] && exec {sys.executable} "$STUB_FOLDER/run.py"
       exit "$(cat "$STUB_FOLDER/run_exit")" ;;
  protect) exit "$(cat "$STUB_FOLDER/protect_exit")" ;;
esac
"""
SECRET = "hunter2 is the password"


class Checkout:
    """A project folder with the script, and nothing real behind it."""

    def __init__(self, folder: Path, project_root: Path) -> None:
        self.root = folder / "pro ject"
        self.home = folder / "home"
        self.stub = folder / "stub"
        for made in (self.root / "scripts", self.root / ".venv/bin", self.home, self.stub):
            made.mkdir(parents=True)
        (self.root / "parameters").mkdir()
        for profile in ("demo", "paper", "live"):
            (self.root / f"parameters/{profile}.yaml").touch()
        self.script = self.root / "scripts/run_papermill.sh"
        shutil.copy(project_root / "scripts/run_papermill.sh", self.script)
        (self.root / "scripts/setup.sh").write_text("exit 0\n")
        python = self.root / ".venv/bin/python"
        python.write_text(PYTHON)
        python.chmod(0o755)
        self.ends_with(run=0, protect=0)

    def ends_with(self, *, run: int, protect: int = 0) -> None:
        (self.stub / "run_exit").write_text(str(run))
        (self.stub / "protect_exit").write_text(str(protect))

    def start(
        self, *options: str, cwd: Path | None = None, script: Path | None = None, **extra: str
    ) -> subprocess.Popen[str]:
        """Start it as cron does: no environment to speak of."""
        environment = {"HOME": str(self.home), "STUB_FOLDER": str(self.stub)} | extra
        environment = {name: value for name, value in environment.items() if value}
        words = ["bash", script or self.script, *options]
        return begun(words, cwd=cwd or self.home, env=environment)

    def run(self, *options: str, **more: Any) -> Ended:
        return end(self.start(*options, **more))

    def calls(self) -> list[str]:
        noted = self.stub / "calls"
        return noted.read_text().splitlines() if noted.exists() else []

    def environment(self) -> dict[str, str]:
        lines = (self.stub / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def log(self, name: str = "live_run.log", profile: str = "demo") -> str:
        return (self.root / "runs" / profile / "state" / name).read_text()


@pytest.fixture
def checkout(tmp_path: Path, project_root: Path) -> Checkout:
    return Checkout(tmp_path, project_root)


def test_no_option_is_one_run_of_the_demo(checkout: Checkout) -> None:
    """Python gets no option either; what it prints is shown and logged."""
    code, out, err = checkout.run()

    assert (code, out) == (0, "run says hello\n")
    assert err == "run complains\n"
    assert checkout.calls() == ["-m tf_lib run"]
    assert "run says hello\n" in checkout.log()
    assert "run complains\n" in checkout.log()
    assert "exit code 0\n" in checkout.log()


@pytest.mark.parametrize("code", range(6))
def test_exit_code_of_an_orderly_end_is_passed_on(checkout: Checkout, code: int) -> None:
    """Each of the six means something to whoever reads it."""
    checkout.ends_with(run=code)

    assert checkout.run()[0] == code
    assert checkout.calls() == ["-m tf_lib run"]


@pytest.mark.parametrize("ended", [137, 139, 143, 99])
@pytest.mark.parametrize(("protected", "code"), [(0, 1), (3, 3), (1, 3), (137, 3)])
def test_disorderly_end_protects(checkout: Checkout, ended: int, protected: int, code: int) -> None:
    """Killed or crashed: protect runs for the same account, and its word decides."""
    checkout.ends_with(run=ended, protect=protected)
    options = ("--profile", "paper", "--runs", "/nowhere", "--date", "2024-01-02")

    assert checkout.run(*options)[0] == code
    assert checkout.calls() == [
        "-m tf_lib run --profile paper --runs /nowhere --date 2024-01-02",
        "-m tf_lib protect --profile paper --runs /nowhere",
    ]


def test_dry_run_never_protects(checkout: Checkout) -> None:
    """A dry run sends no changing request, however it ends."""
    checkout.ends_with(run=137)

    assert checkout.run("--dry-run")[0] == 1
    assert checkout.calls() == ["-m tf_lib run --dry-run"]


def test_failed_set_up_runs_nothing(checkout: Checkout) -> None:
    """Exit code 5, refused before anything was sent, and the reason in the log."""
    (checkout.root / "scripts/setup.sh").write_text("echo no network >&2\nexit 1\n")
    code, _, err = checkout.run()

    assert code == 5
    assert "no network" in err
    assert "no network" in checkout.log()
    assert checkout.calls() == []


def test_every_option_reaches_python(checkout: Checkout) -> None:
    """In the order given, with values that hold blanks whole."""
    options = "--profile live --force-run --dry-run --run-at-utc-hour 1 --gate-minutes 9"
    checkout.run(*options.split())

    assert checkout.calls() == [f"-m tf_lib run {options}"]


def test_relative_paths_are_relative_to_the_caller(checkout: Checkout) -> None:
    """The run works in the project root; both spellings of an option count."""
    (checkout.home / "my.yaml").touch()
    checkout.run("--config=my.yaml", "--runs", "my runs")

    assert checkout.calls() == [
        f"-m tf_lib run --config {checkout.home}/my.yaml --runs {checkout.home}/my runs"
    ]
    assert (checkout.stub / "folder").read_text().strip() == str(checkout.root)
    assert (checkout.home / "my runs/my/state/live_run.log").exists()


def test_profile_names_the_state_folder(checkout: Checkout) -> None:
    """Each profile keeps its own logs."""
    checkout.run("--profile", "live")

    assert "run says hello" in checkout.log(profile="live")
    assert not (checkout.root / "runs/demo").exists()


@pytest.mark.parametrize("name", ["no_such", "../../tmp", "", "a b"])
def test_unknown_profile_is_left_to_python(checkout: Checkout, name: str) -> None:
    """It gets its exit code 2 and no folder."""
    checkout.ends_with(run=2)

    assert checkout.run("--profile", name)[0] == 2
    assert not (checkout.root / "runs").exists()


def test_option_without_its_value_is_wrong_usage(checkout: Checkout) -> None:
    """Said before anything is done."""
    code, _, err = checkout.run("--runs")

    assert code == 2
    assert "--runs needs a value" in err
    assert checkout.calls() == []


def test_runs_folder_that_cannot_be_made_is_left_to_python(checkout: Checkout) -> None:
    """A warning, then the run all the same: Python has the exit code for it."""
    (checkout.home / "file").touch()
    checkout.ends_with(run=2)
    code, out, err = checkout.run("--runs", "file/runs")

    assert (code, out) == (2, "run says hello\n")
    assert "going on without live_run.log" in err


def test_help_shows_usage_and_runs_nothing(checkout: Checkout) -> None:
    """Also through the link that a person may have put into a folder on PATH."""
    code, out, _ = checkout.run("--help")

    assert code == 0
    assert "--run-at-utc-hour" in out
    assert "Exit codes:" in out
    assert checkout.calls() == []


def test_script_finds_its_project_through_links(checkout: Checkout) -> None:
    """A relative link to an absolute link to the script."""
    first = checkout.home / "first.sh"
    first.symlink_to(checkout.script)
    (checkout.home / "bin").mkdir()
    second = checkout.home / "bin/second.sh"
    second.symlink_to("../first.sh")

    assert checkout.run(script=second)[0] == 0
    assert (checkout.stub / "folder").read_text().strip() == str(checkout.root)


@pytest.mark.parametrize("surroundings", [{}, {"HOME": ""}, {"PATH": "/usr/bin:/bin"}])
def test_cron_environment_is_enough(checkout: Checkout, surroundings: dict[str, Any]) -> None:
    """Locale, paths and privacy are set here, not in the crontab."""
    assert checkout.run(PYTHONDONTWRITEBYTECODE="1", PYTHONHOME="/x", **surroundings)[0] == 0
    environment = checkout.environment()

    assert environment["PYTHONPATH"] == str(checkout.root)
    assert environment["PYTHONUNBUFFERED"] == "1"
    assert environment["PYTHONUTF8"] == "1"
    assert environment["HOME"]
    assert environment.get("LC_ALL") in {"C.UTF-8", "en_US.UTF-8", None}
    assert not {"PYTHONDONTWRITEBYTECODE", "PYTHONHOME"} & environment.keys()
    assert (checkout.stub / "umask").read_text().strip() == "0077"
    assert (checkout.root / "runs/demo/state").stat().st_mode & 0o077 == 0


def test_mail_settings_are_never_executed(checkout: Checkout) -> None:
    """The file is data that Python reads: no command in it runs, nothing of it is exported."""
    settings, mark = checkout.home / "tf_email.env", checkout.home / "was_run"
    settings.write_text(f"touch '{mark}'\nTF_SMTP_PASS='{SECRET}'\nexport PATH=/nowhere\nexit 7\n")
    settings.chmod(0o666)
    code, out, err = checkout.run()
    written = out + err + checkout.log() + checkout.log("cron_env_debug.log")

    assert (code, out) == (0, "run says hello\n")
    assert not mark.exists()
    assert "TF_SMTP_PASS" not in checkout.environment()
    assert SECRET not in written
    assert "tf_email.env present" in written


def test_surroundings_are_noted_without_the_environment(checkout: Checkout) -> None:
    """Who, where and which versions; not what else happens to be set."""
    packages = checkout.root / ".venv/lib/python3.11/site-packages"
    (packages / "pandas-3.1.1.dist-info").mkdir(parents=True)
    checkout.run(API_TOKEN=SECRET)
    noted = checkout.log("cron_env_debug.log")

    for word in ("user ", "host ", "python ", "PATH ", "umask 0077", str(checkout.root)):
        assert word in noted
    assert "package    pandas-3.1.1\n" in noted
    assert "Python 3.11.7" in noted
    assert "API_TOKEN" not in noted
    assert "hunter2" not in noted


@pytest.mark.parametrize("name", ["live_run.log", "cron_env_debug.log"])
def test_long_logs_are_rotated(checkout: Checkout, name: str) -> None:
    """Above 5 MB a log becomes .1, and what was .4 becomes .5."""
    state = checkout.root / "runs/demo/state"
    state.mkdir(parents=True)
    (state / name).write_text("x" * 5_000_001)
    (state / f"{name}.4").write_text("fourth")
    (state / f"{name}.5").write_text("fifth")
    checkout.run()

    assert (state / f"{name}.1").stat().st_size == 5_000_001
    assert (state / f"{name}.5").read_text() == "fourth"
    assert 0 < (state / name).stat().st_size < 10_000


def test_logs_grow_from_run_to_run(checkout: Checkout) -> None:
    """Yesterday's lines stay."""
    checkout.run()
    checkout.run()

    assert checkout.log().count("run says hello") == 2
    assert checkout.log("cron_env_debug.log").count("=== ") == 2


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_signal_is_handed_on_and_waited_for(checkout: Checkout, name: str) -> None:
    """The run gets it once, can end in its own way, and its exit code counts."""
    (checkout.stub / "run.py").write_text(
        "import signal, sys, time\n"
        "came = []\n"
        "def note(number, _):\n"
        "    came.append(number)\n"
        "for each in (signal.SIGTERM, signal.SIGHUP):\n"
        "    signal.signal(each, note)\n"
        # Started deaf to Ctrl-C, as bash does by default, Python would not hear it.
        "if signal.getsignal(signal.SIGINT) is signal.default_int_handler:\n"
        "    signal.signal(signal.SIGINT, note)\n"
        "print('ready', flush=True)\n"
        "while not came:\n"
        "    time.sleep(0.01)\n"
        "time.sleep(0.2)\n"
        "print('orderly end after', [signal.Signals(n).name for n in came])\n"
        "sys.exit(3)\n"
    )
    with checkout.start() as process:
        assert process.stdout is not None
        while process.stdout.readline() != "ready\n":
            assert process.poll() is None
        process.send_signal(signal.Signals[name])
        try:
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()

    assert process.returncode == 3
    assert f"orderly end after ['{name}']" in out
    assert f"orderly end after ['{name}']" in checkout.log()
    assert len(checkout.calls()) == 1


def test_run_that_is_killed_is_protected(checkout: Checkout) -> None:
    """The kernel of a machine out of memory asks nobody."""
    (checkout.stub / "run.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    code, _, err = checkout.run()

    assert code == 1
    assert "ended by signal 9 (KILL)" in err
    assert checkout.calls() == ["-m tf_lib run", "-m tf_lib protect"]


def test_reader_that_goes_away_does_not_hurt_the_run(checkout: Checkout) -> None:
    """A closed terminal or a dead mail program must not end a run between two orders."""
    (checkout.stub / "run.py").write_text(
        "import sys\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
        f"open({str(checkout.stub / 'go')!r}).read()\n"
        "for n in range(2000):\n"
        "    print('a line long enough to fill a pipe', n, flush=True)\n"
        "print('the last line', flush=True)\n"
    )
    os.mkfifo(checkout.stub / "go")
    with checkout.start() as process:
        assert process.stdout is not None
        while process.stdout.readline() != "ready\n":
            assert process.poll() is None
        process.stdout.close()
        (checkout.stub / "go").write_text("go")
        process.wait(timeout=60)

    assert process.returncode == 0
    assert "the last line\n" in checkout.log()

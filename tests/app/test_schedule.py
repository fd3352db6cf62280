"""`schedule`: what cron, systemd and launchd are given, and what `--install` leaves."""

from __future__ import annotations

import os
import plistlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import command, must_end, write_parameters
from tests.processes import ended
from tf_lib.app.commands.schedule.crontab import crontab, with_block
from tf_lib.app.commands.schedule.installed import GUARD, RUN, started
from tf_lib.app.commands.schedule.jobs import Jobs, jobs_of
from tf_lib.app.commands.schedule.launchd import agents
from tf_lib.app.commands.schedule.systemd import units
from tf_lib.app.options import ProfileOptions
from tf_lib.errors import ParameterError

NEW_YORK = (-300, -240)
WHAT = ("guard", "run", "weekly", "weekly-2")
StandIn = Callable[[str, str], Path]


@pytest.fixture
def jobs() -> Jobs:
    """Return the jobs of a project whose folder has all that a scheduler may stumble over."""
    return jobs_of(ProfileOptions("live"), root=Path("/home/me/my $project 100%"))


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Return a maker of programs of the system; each keeps its calls and what it is fed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def made(name: str, script: str) -> Path:
        program, calls = folder / name, tmp_path / f"{name}.calls"
        program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{script}\n', encoding="utf-8")
        program.chmod(0o755)
        return calls

    return made


@pytest.fixture
def cron_table(stand_in: StandIn, tmp_path: Path) -> Path:
    """Return the crontab of a machine whose cron keeps one file."""
    table = tmp_path / "table"
    stand_in("crontab", f'if [ "$1" = -l ]; then cat {table}; else cat > {table}; fi')
    return table


# -- systemd ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_units_are_valid(jobs: Jobs, tmp_path: Path) -> None:
    """Also with a space, a dollar and a percent sign in the path."""
    root = tmp_path / "my $project 100%"
    jobs = jobs_of(ProfileOptions("live"), root=root)
    for words in (jobs.run, jobs.guard):
        program = Path(words[0])
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n", encoding="utf-8")
        program.chmod(0o755)
    paths = []
    for name, text in units(jobs).items():
        paths.append(tmp_path / name)
        paths[-1].write_text(text, encoding="utf-8")

    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    code, _, err = ended(["systemd-analyze", "--user", "verify", *paths], env=environment)

    assert (code, err) == (0, "")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_timers_fire_in_utc_whatever_the_clocks_do(jobs: Jobs) -> None:
    """On the day of Berlin's autumn: five starts of the run, the guard in the hour that repeats."""
    texts = units(jobs)
    run, guard = (texts[f"trend-following-live-{what}.timer"] for what in ("run", "guard"))

    assert elapses(run, 6, "2026-10-24 12:00") == [
        *(f"2026-10-25 00:0{minute}" for minute in range(1, 6)),
        "2026-10-26 00:01",
    ]
    assert elapses(guard, 6, "2026-10-25 00:30") == [
        *("2026-10-25 00:45", "2026-10-25 01:00", "2026-10-25 01:15"),
        *("2026-10-25 01:30", "2026-10-25 01:45", "2026-10-25 02:00"),
    ]


def elapses(timer: str, n: int, after: str) -> list[str]:
    """Return the next UTC minutes at which systemd would fire a timer, in Berlin."""
    when = next(line for line in timer.splitlines() if line.startswith("OnCalendar="))
    words = ["systemd-analyze", "calendar", f"--iterations={n}", f"--base-time={after}:01 UTC"]
    words.append(when.removeprefix("OnCalendar="))
    code, said, err = ended(words, env=os.environ | {"TZ": "Europe/Berlin"})
    assert code == 0, err
    found = [line.split("UTC):" if "(in UTC)" in line else "\0")[-1] for line in said.splitlines()]
    both = zip(found, said.splitlines(), strict=True)
    lines = [line.split()[1:3] for line, whole in both if "(in UTC)" in whole]
    return [f"{day} {moment[:5]}" for day, moment in lines]


def test_a_late_run_is_not_made_up_for_and_a_late_look_is(jobs: Jobs) -> None:
    """Hours later the gate is over; a guard that was slept through looks at once."""
    kept = {name: "Persistent=true" in text for name, text in units(jobs).items()}

    assert kept["trend-following-live-run.timer"] is False
    assert kept["trend-following-live-guard.timer"] is True


def test_systemd_takes_units_and_starts_timers(stand_in: StandIn, tmp_path: Path) -> None:
    """Units in the user's folder, timers enabled; doctor then knows that they start it."""
    calls = stand_in("systemctl", "exit 0")

    said = must_end(command("schedule", "--kind", "systemd", "--install"))

    folder = tmp_path / "config" / "systemd" / "user"
    assert "loginctl enable-linger" in said
    written = {path.name: path.read_text() for path in folder.iterdir()}
    assert written == units(jobs_of(ProfileOptions("live")))
    reload, enable = calls.read_text().splitlines()
    assert reload == "--user daemon-reload"
    assert enable.split()[:3] == ["--user", "enable", "--now"]
    assert sorted(enable.split()[3:]) == sorted(p.name for p in folder.glob("*.timer"))
    assert started(jobs_of(ProfileOptions("live")))["systemd"] == {RUN, GUARD}


def test_systemd_that_takes_nothing_is_told(stand_in: StandIn) -> None:
    """As in a session without a bus: what to call is said."""
    stand_in("systemctl", "echo no bus here >&2; exit 1")

    code, said = command("schedule", "--kind", "systemd", "--install")

    assert code == 2
    assert "no bus here" in said
    assert "systemctl --user daemon-reload && systemctl --user enable --now" in said


# -- cron ------------------------------------------------------------------------------------------


def test_cron_is_given_a_block_and_other_lines_stay(cron_table: Path, tmp_path: Path) -> None:
    """Twice is once; a second profile has a block of its own."""
    other = write_parameters(tmp_path / "mine.yaml")
    cron_table.write_text("5 5 * * * backup", encoding="utf-8")

    for _ in range(2):
        must_end(command("schedule", "--kind", "cron", "--install"))
    must_end(command("schedule", "--kind", "cron", "--install", "--config", str(other)))

    lines = cron_table.read_text().splitlines()
    assert lines[0] == "5 5 * * * backup"
    assert [line for line in lines if ">>>" in line] == [
        "# >>> trend following live >>>",
        "# >>> trend following mine >>>",
    ]
    assert sum(" guard --profile live" in line for line in lines) == 1
    assert sum(line.endswith("tf_lib site") for line in lines) == 2
    assert started(jobs_of(ProfileOptions("live"))) == {"cron": {RUN, GUARD}}
    assert started(jobs_of(ProfileOptions("demo"))) == {}


def test_a_block_that_does_not_end_is_left_alone(jobs: Jobs) -> None:
    """Whatever stands after it may be somebody's."""
    with pytest.raises(ParameterError):
        with_block("# >>> trend following live >>>\n5 5 * * * backup\n", jobs, crontab(jobs))


@pytest.mark.parametrize(
    ("kind", "program"), [("cron", "crontab"), ("systemd", "systemctl"), ("launchd", "launchctl")]
)
def test_a_scheduler_that_is_not_here(
    kind: str, program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Said with what else there is; nothing is written."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))

    code, said = command("schedule", "--kind", kind, "--install")

    assert (code, "--kind" in said) == (2, True)
    assert list(tmp_path.iterdir()) == []


# -- launchd ---------------------------------------------------------------------------------------


def test_agents_are_property_lists(jobs: Jobs) -> None:
    """In New York the run has the minutes of both offsets, the guard every quarter."""
    found: dict[str, Any] = {
        name: plistlib.loads(text) for name, text in agents(jobs, offsets=NEW_YORK).items()
    }

    run = found["trend-following.live.run.plist"]
    times = [(one["Hour"], one["Minute"]) for one in run["StartCalendarInterval"]]
    assert times == [(hour, minute) for hour in (19, 20) for minute in range(1, 6)]
    assert run["ProgramArguments"] == jobs.run
    guard = found["trend-following.live.guard.plist"]
    assert [one["Minute"] for one in guard["StartCalendarInterval"]] == [0, 15, 30, 45]
    assert all(name == f"{one['Label']}.plist" for name, one in found.items())


def test_launchd_is_given_agents_anew(stand_in: StandIn, tmp_path: Path) -> None:
    """What was there is taken out first, so that twice is once."""
    calls = stand_in("launchctl", "exit 0")

    must_end(command("schedule", "--kind", "launchd", "--install"))

    folder = tmp_path / "home" / "Library" / "LaunchAgents"
    names = {path.name for path in folder.iterdir()}
    assert names == {f"trend-following.live.{what}.plist" for what in WHAT}
    verbs = [line.split()[0] for line in calls.read_text().splitlines()]
    assert verbs == ["bootout", "bootstrap"] * len(WHAT)


# -- all -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cron", "systemd", "launchd"])
def test_each_says_what_a_night_and_a_clock_do_to_it(kind: str) -> None:
    """What is shown names both, and the runs' folder where it is not the default."""
    said = must_end(command("schedule", "--kind", kind, "--runs", "/there"))

    assert "After a night asleep" in said
    assert "When clocks change" in said
    assert "/there" in said


def test_a_kind_that_is_none() -> None:
    """Exit 2 with the kinds there are."""
    code, said = command("schedule", "--kind", "anacron")

    assert code == 2
    assert "cron, systemd, launchd" in said

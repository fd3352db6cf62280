"""The crontab lines hit 00:01 to 00:05 UTC once a minute on every day of two years, in any zone."""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.app.profile import PROJECT, command, must_end, write_parameters
from tests.processes import ended
from tf_lib.app.commands.schedule.crontab import crontab
from tf_lib.app.commands.schedule.jobs import jobs_of
from tf_lib.app.options import ProfileOptions

ZONES = ("America/New_York", "Europe/Berlin", "UTC", "Asia/Kolkata", "Australia/Lord_Howe")
START, DAYS = dt.date(2026, 1, 1), 730


def lines_in(zone: str) -> list[str]:
    """Return what `tf cron` prints on a machine of that zone."""
    words = [sys.executable, "-m", "tf_lib", "cron"]
    code, out, _ = ended(words, cwd=PROJECT, env=os.environ | {"TZ": zone})
    assert code == 0
    return [line for line in out.splitlines() if not line.startswith("#")]


def daily(lines: list[str]) -> list[tuple[int, int]]:
    """Return (hour, minute) of each start of the daily run."""
    runs = [line.split() for line in lines if "run_papermill.sh" in line]
    assert all(words[2:5] == ["*", "*", "*"] for words in runs)
    return [(int(words[1]), int(each)) for words in runs for each in words[0].split(",")]


@pytest.mark.parametrize("zone", ZONES)
def test_each_minute_is_hit_once(zone: str) -> None:
    """Local time of 00:01 to 00:05 UTC is in the lines, also around both changes of the clock."""
    times = daily(lines_in(zone))
    assert len(times) == len(set(times))
    for number in range(DAYS):
        for minute in range(1, 6):
            moment = dt.datetime.combine(
                START + dt.timedelta(days=number), dt.time(0, minute), tzinfo=dt.UTC
            )
            local = moment.astimezone(ZoneInfo(zone))

            assert times.count((local.hour, local.minute)) == 1, (zone, moment)


@pytest.mark.parametrize("zone", ZONES)
def test_no_other_moment_passes_the_gate(zone: str) -> None:
    """What does not hit starts outside 00:00 to 00:05 UTC: five starts a day pass, no more."""
    times, hits = daily(lines_in(zone)), 0
    for number in range(DAYS):
        day = START + dt.timedelta(days=number)
        for hour, minute in times:
            for fold in (0, 1):
                local = dt.datetime.combine(
                    day, dt.time(hour, minute, fold=fold), tzinfo=ZoneInfo(zone)
                )
                utc = local.astimezone(dt.UTC)
                # An hour that is left out has no such local time, and fold 1 is the same moment
                # as fold 0 on all days but one.
                is_real = utc.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local.replace(
                    tzinfo=None, fold=0
                )
                is_second = fold == 1 and utc != local.replace(fold=0).astimezone(dt.UTC)
                if is_real and (fold == 0 or is_second) and utc.hour == 0 and utc.minute <= 5:
                    hits += 1
    # The first or the last local day may have its 00:01 UTC just outside the span.
    assert 5 * (DAYS - 1) <= hits <= 5 * (DAYS + 1)


def test_new_york_as_in_the_runbook() -> None:
    """From 19:01 and from 20:01 local."""
    times = [(hour, minute) for hour in (19, 20) for minute in range(1, 6)]
    assert sorted(daily(lines_in("America/New_York"))) == times


def test_utc_has_one_line() -> None:
    """No summer time, no second line."""
    assert daily(lines_in("UTC")) == [(0, minute) for minute in range(1, 6)]


def test_lines_name_the_script_of_this_folder() -> None:
    """Whole paths, the live profile, and the guard; quoted, so that a space does no harm."""
    said = must_end(command("cron"))

    assert f"{PROJECT}/scripts/run_papermill.sh --profile live" in said
    assert "python -P -m tf_lib guard --profile live" in said


def test_a_path_with_a_space_is_quoted() -> None:
    """cron gives the line to a shell."""
    text = crontab(jobs_of(ProfileOptions("live"), root=Path("/home/me/my project")), offsets=(0,))

    assert "1,2,3,4,5 0 * * * '/home/me/my project/scripts/run_papermill.sh' --profile live" in text


def test_lines_for_parameters_of_ones_own(tmp_path: Path) -> None:
    """The whole path of the file, for run and guard; a percent sign would end cron's line."""
    config = write_parameters(tmp_path / "100% mine" / "live.yaml")

    code, said = command("cron", "--config", str(config))

    lines = [line for line in said.splitlines() if line and not line.startswith("#")]
    assert code == 0
    named = f"--config '{config}'".replace("%", r"\%")
    assert [named in line for line in lines] == [True] * len(lines)
    assert "guard" in lines[-1]


def test_lines_for_parameters_that_are_wrong(tmp_path: Path) -> None:
    """Better told now than at midnight."""
    assert command("cron", "--config", str(tmp_path / "none.yaml"))[0] == 2
    assert command("cron", "--profile", "nobody")[0] == 2

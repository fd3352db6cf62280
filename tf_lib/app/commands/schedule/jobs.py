"""
The jobs that a scheduler starts for a profile: when, and with which words.

One statement for cron, systemd and launchd. The run is started once a minute for as long as its
gate is open: a run that was killed is taken up by the next start, one that is at work ends the
others (exit 4), and after it they find the day done, which costs nothing.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tf_lib.app.options import ProfileOptions
from tf_lib.project import IS_INSTALLED, ROOT, default_runs

RUN_MINUTES = range(1, 6)
"""Past 00:00 UTC, within the gate of `--gate-minutes 5`."""
GUARD_EVERY = 15
"""Minutes."""
WEEKLY_AT = dt.time(4, 40)
"""On Sundays; UTC where a scheduler knows it, else local. Nothing depends on it."""


@dataclass(frozen=True)
class Jobs:
    """
    What is started for one profile, in whole paths, as a scheduler starts in the home.

    Attributes
    ----------
    name : str
        Of the profile or of the parameter file: what the scheduler's own files are named by.
    run, guard : list of str
    weekly : list of list of str
        One after the other.
    runs : Path
        Where the runs are.
    """

    name: str
    run: list[str]
    guard: list[str]
    weekly: list[list[str]]
    runs: Path


def jobs_of(options: ProfileOptions, *, root: Path = ROOT, runs: Path | None = None) -> Jobs:
    """
    Return the jobs of a profile, or of a parameter file.

    Parameters
    ----------
    options : ProfileOptions
        Checked before: it names a profile or a file.
    root : Path
        Of the project.
    runs : Path, optional
        Where the runs are, if not where they are by default.
    """
    if options.config is not None:
        name, named = options.config.stem, ["--config", str(options.config.resolve())]
    else:
        name, named = str(options.profile), ["--profile", str(options.profile)]
    there = options.runs.resolve() if options.runs is not None else None
    if there is None and IS_INSTALLED:
        there = default_runs()
    where = [] if there is None else ["--runs", str(there)]
    python = sys.executable if IS_INSTALLED else str(root / ".venv" / "bin" / "python")
    # -P: a random.py in the home is not ours to import.
    ours = [python, "-P", "-m", "tf_lib"]
    start = [*ours, "run"] if IS_INSTALLED else [str(root / "scripts" / "run_papermill.sh")]
    return Jobs(
        name,
        run=[*start, *named, *where],
        guard=[*ours, "guard", *named, *where],
        weekly=[[*ours, "prune", *named, *where], [*ours, "site", *where]],
        runs=there or runs or default_runs(),
    )


def local_offsets() -> tuple[int, ...]:
    """Return the UTC offsets, in minutes, that this machine's zone uses within a year."""
    start = dt.datetime.now(dt.UTC)
    moments = [start + dt.timedelta(days=7 * week) for week in range(53)]
    seconds = {time.localtime(moment.timestamp()).tm_gmtoff for moment in moments}
    return tuple(sorted(value // 60 for value in seconds))


def local_run_times(offset: int) -> dict[int, list[int]]:
    """Return the minutes of the gate by local hour, in a zone so many minutes east of UTC."""
    by_hour: dict[int, list[int]] = {}
    for past in RUN_MINUTES:
        hour, minute = divmod((past + offset) % 1440, 60)
        by_hour.setdefault(hour, []).append(minute)
    return by_hour

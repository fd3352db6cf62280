"""
Cron lines for a machine whose cron knows local time only.

00:01 UTC falls on different local hours with and without summer time, so there is one line for
each; the gate lets the one through that hits the hour, and the other prints `gate_skip`. Each
starts once a minute for as long as the gate is open: a run that was killed is taken up by the next
start, one that is at work ends the others (exit 4), and after it they find the day done, which
costs nothing.
"""

from __future__ import annotations

import datetime as dt
import shlex
import sys
import time
from pathlib import Path

from tf_lib.app.connection import LIVE_PROFILE
from tf_lib.app.options import ProfileOptions
from tf_lib.errors import EXIT_DONE
from tf_lib.project import IS_INSTALLED, ROOT, default_runs

_MINUTES = range(1, 6)
"""Past 00:00 UTC, within the gate of `--gate-minutes 5`."""


def cron_command(options: ProfileOptions) -> int:
    """Print the lines for a profile, the live one unless another is named, or for a config."""
    if options.profile is None and options.config is None:
        options = ProfileOptions(LIVE_PROFILE)
    name = options.load()[0]
    if options.config is not None:
        print(crontab("--config", str(options.config.resolve())))
    else:
        print(crontab("--profile", name))
    return EXIT_DONE


def crontab(*options: str, root: Path = ROOT, offsets: tuple[int, ...] | None = None) -> str:
    """
    Return the crontab lines: the daily trigger of each UTC offset, and the guard.

    Parameters
    ----------
    *options : str
        What names the parameters, for run and guard alike.
    offsets : tuple of int, optional
        Minutes east of UTC that this machine's zone uses; read from the machine if not given.
    """
    run, guard = _commands(options, root)
    used = local_offsets() if offsets is None else offsets
    lines = [
        "# Trend following: 00:01 to 00:05 UTC in this machine's time. One start does the day,",
        "# the others find it done; where there are two lines, the gate skips the other hour.",
    ]
    for offset in used:
        lines += [f"{when} * * * {_quoted(run)}" for when in _local_times(offset)]
    lines.append("# The guard, every 15 minutes: alarms, and covers what is unprotected.")
    lines.append(f"*/15 * * * * {_quoted(guard)}")
    return "\n".join(lines)


def _commands(options: tuple[str, ...], root: Path) -> tuple[list[str], list[str]]:
    """Return what starts the daily run, and the guard: whole paths, as cron starts in the home."""
    python = sys.executable if IS_INSTALLED else str(root / ".venv" / "bin" / "python")
    # -P: a random.py in the home is not ours to import.
    ours = [python, "-P", "-m", "tf_lib"]
    if IS_INSTALLED:
        options = (*options, "--runs", str(default_runs()))
        return [*ours, "run", *options], [*ours, "guard", *options]
    script = str(root / "scripts" / "run_papermill.sh")
    return [script, *options], [*ours, "guard", *options]


def _local_times(offset: int) -> list[str]:
    """Return the minutes of the gate as cron's first two fields, a line for each local hour."""
    by_hour: dict[int, list[int]] = {}
    for past in _MINUTES:
        hour, minute = divmod((past + offset) % 1440, 60)
        by_hour.setdefault(hour, []).append(minute)
    return [f"{','.join(map(str, minutes))} {hour}" for hour, minutes in by_hour.items()]


def _quoted(words: list[str]) -> str:
    """Quote for the shell that cron starts; cron itself would end the line at a percent sign."""
    return shlex.join(words).replace("%", r"\%")


def local_offsets() -> tuple[int, ...]:
    """Return the UTC offsets, in minutes, that this machine's zone uses within a year."""
    start = dt.datetime.now(dt.UTC)
    moments = [start + dt.timedelta(days=7 * week) for week in range(53)]
    seconds = {time.localtime(moment.timestamp()).tm_gmtoff for moment in moments}
    return tuple(sorted(value // 60 for value in seconds))

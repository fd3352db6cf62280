"""
Cron lines for a machine whose cron knows local time only.

00:01 UTC falls on different local hours with and without summer time, so there is one line for
each; the gate lets the one through that hits the hour, and the other prints `gate_skip`.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import textwrap

from tf_lib.app.commands.schedule.jobs import (
    GUARD_EVERY,
    WEEKLY_AT,
    Jobs,
    local_offsets,
    local_run_times,
)
from tf_lib.errors import ParameterError

NIGHTS = (
    "After a night asleep: cron starts nothing afterwards. The day's trades are left out, resting "
    "stops stay, and the guard looks within 15 minutes of waking.",
    "When clocks change: there is a line for each offset of this zone, and the gate goes by UTC. "
    "The run starts on both days; the guard looks on through the hour that comes twice.",
)


def crontab(jobs: Jobs, *, offsets: tuple[int, ...] | None = None, has_weekly: bool = False) -> str:
    """
    Return the crontab lines: the daily run at each UTC offset, the weekly upkeep, the guard.

    Parameters
    ----------
    offsets : tuple of int, optional
        Minutes east of UTC that this machine's zone uses; read from the machine if not given.
    """
    used = local_offsets() if offsets is None else offsets
    lines = [
        f"# Trend following, {jobs.name}: 00:01 to 00:05 UTC in this machine's time. One start",
        "# does the day, the others find it done; of two lines the gate skips the other hour.",
        *(f"# {line}" for words in NIGHTS for line in textwrap.wrap(words, 88)),
    ]
    for offset in used:
        for hour, minutes in local_run_times(offset).items():
            lines.append(f"{','.join(map(str, minutes))} {hour} * * * {_quoted(jobs.run)}")
    if has_weekly:
        lines.append("# Once a week, on Sunday: old days are packed, all runs are listed.")
        weekly = " && ".join(_quoted(words) for words in jobs.weekly)
        lines.append(f"{WEEKLY_AT.minute} {WEEKLY_AT.hour} * * 0 {weekly}")
    lines.append(
        f"# The guard, every {GUARD_EVERY} minutes: alarms, and covers what is unprotected."
    )
    lines.append(f"*/{GUARD_EVERY} * * * * {_quoted(jobs.guard)}")
    return "\n".join(lines)


def _quoted(words: list[str]) -> str:
    """Quote for the shell that cron starts; cron itself would end the line at a percent sign."""
    return shlex.join(words).replace("%", r"\%")


def _marks(jobs: Jobs) -> tuple[str, str]:
    return f"# >>> trend following {jobs.name} >>>", f"# <<< trend following {jobs.name} <<<"


def with_block(table: str, jobs: Jobs, lines: str) -> str:
    """
    Return a crontab with the lines of a profile in their block, and all other lines as they were.

    Raises
    ------
    ParameterError
        If a block of it begins and does not end.
    """
    first, last = _marks(jobs)
    before, begin, rest = table.partition(f"{first}\n")
    _, end, after = rest.partition(f"{last}\n")
    if begin and not end:
        raise ParameterError(
            f"your crontab has {first!r} without {last!r}: put it right by crontab -e"
        )
    if not begin and before and not before.endswith("\n"):
        before += "\n"
    return f"{before}{first}\n{lines}\n{last}\n{after}"


def listed_crontab() -> str:
    """Return this user's crontab; nothing where there is none."""
    listed = subprocess.run(["crontab", "-l"], capture_output=True, text=True, check=False)
    return listed.stdout if listed.returncode == 0 else ""


def install(jobs: Jobs) -> list[str]:
    """
    Put the lines into this user's crontab, in a block of their own; return what was done.

    Raises
    ------
    ParameterError
        If there is no cron here, or it does not take the lines; nothing was changed.
    """
    if not shutil.which("crontab"):
        raise ParameterError("there is no crontab command here; try --kind systemd or launchd")
    table = with_block(listed_crontab(), jobs, crontab(jobs, has_weekly=True))
    done = subprocess.run(
        ["crontab", "-"], input=table, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ParameterError(f"crontab took no lines: {done.stderr.strip()}; nothing was changed")
    return [f"your crontab has the lines of {jobs.name}; other lines are as they were"]

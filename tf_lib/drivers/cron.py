"""
Cron lines for a machine whose cron knows local time only.

00:01 UTC falls on different local hours with and without summer time, so there is one line for
each; the gate lets the one through that hits the hour, and the other prints `gate_skip`.
"""

from __future__ import annotations

import datetime as dt
import shlex
import time
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
_MINUTE = 1


def crontab(*, root: Path = PROJECT_ROOT, offsets: tuple[int, ...] | None = None) -> str:
    """
    Return the crontab lines: the daily trigger of each UTC offset, and the guard.

    Parameters
    ----------
    offsets : tuple of int, optional
        Minutes east of UTC that this machine's zone uses; read from the machine if not given.
    """
    script = shlex.quote(str(root / "scripts" / "run_papermill.sh"))
    python = shlex.quote(str(root / ".venv" / "bin" / "python"))
    used = local_offsets() if offsets is None else offsets
    lines = ["# Trend following: 00:01 UTC in this machine's local time; the gate skips the other."]
    for offset in used:
        hour, minute = divmod((_MINUTE + offset) % 1440, 60)
        lines.append(f"{minute} {hour} * * * {script} --profile live")
    lines.append("# The guard, every 15 minutes: alarms, and covers what is bare.")
    lines.append(f"*/15 * * * * {python} -m tf_lib guard --profile live")
    return "\n".join(lines)


def local_offsets() -> tuple[int, ...]:
    """Return the UTC offsets, in minutes, that this machine's zone uses within a year."""
    start = dt.datetime.now(dt.UTC)
    moments = [start + dt.timedelta(days=7 * week) for week in range(53)]
    seconds = {time.localtime(moment.timestamp()).tm_gmtoff for moment in moments}
    return tuple(sorted(value // 60 for value in seconds))

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

from tf_lib.drivers.options import PROJECT_ROOT, RunOptions
from tf_lib.drivers.place import LIVE_PROFILE
from tf_lib.errors import EXIT_DONE

_MINUTE = 1


def cron_command(profile: str | None, config: Path | None) -> int:
    """Print the lines for a profile, the live one unless another is named, or for a config."""
    RunOptions(config=config, profile=profile or (None if config else LIVE_PROFILE)).load()
    if config is not None:
        print(crontab("--config", str(config.resolve())))
    else:
        print(crontab("--profile", profile or LIVE_PROFILE))
    return EXIT_DONE


def crontab(
    *options: str, root: Path = PROJECT_ROOT, offsets: tuple[int, ...] | None = None
) -> str:
    """
    Return the crontab lines: the daily trigger of each UTC offset, and the guard.

    Parameters
    ----------
    *options : str
        What names the parameters, for run and guard alike.
    offsets : tuple of int, optional
        Minutes east of UTC that this machine's zone uses; read from the machine if not given.
    """
    script = [str(root / "scripts" / "run_papermill.sh"), *options]
    guard = [str(root / ".venv" / "bin" / "python"), "-m", "tf_lib", "guard", *options]
    used = local_offsets() if offsets is None else offsets
    lines = ["# Trend following: 00:01 UTC in this machine's local time; the gate skips the other."]
    for offset in used:
        hour, minute = divmod((_MINUTE + offset) % 1440, 60)
        lines.append(f"{minute} {hour} * * * {_quoted(script)}")
    lines.append("# The guard, every 15 minutes: alarms, and covers what is bare.")
    lines.append(f"*/15 * * * * {_quoted(guard)}")
    return "\n".join(lines)


def _quoted(words: list[str]) -> str:
    """Quote for the shell that cron starts; cron itself would end the line at a percent sign."""
    return shlex.join(words).replace("%", r"\%")


def local_offsets() -> tuple[int, ...]:
    """Return the UTC offsets, in minutes, that this machine's zone uses within a year."""
    start = dt.datetime.now(dt.UTC)
    moments = [start + dt.timedelta(days=7 * week) for week in range(53)]
    seconds = {time.localtime(moment.timestamp()).tm_gmtoff for moment in moments}
    return tuple(sorted(value // 60 for value in seconds))

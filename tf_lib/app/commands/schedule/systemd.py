"""
Units of systemd for a user: timers in UTC, and the services that they start.

A timer says UTC, so that neither the machine's zone nor a change of its clocks matters; one in
local time is silent for the whole hour that autumn repeats.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tf_lib.app.commands.schedule.jobs import GUARD_EVERY, RUN_MINUTES, WEEKLY_AT, Jobs
from tf_lib.errors import ParameterError
from tf_lib.store.files import write_whole

NIGHTS = (
    "After a night asleep: the run is not made up for (Persistent=false: its gate is over, and the "
    "day's prices are gone); the guard looks at once on waking (Persistent=true).",
    "When clocks change: nothing happens, the timers are in UTC.",
    "User units run while nobody is logged in only after: loginctl enable-linger",
)


def unit_folder() -> Path:
    """Return where systemd reads a user's own units."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "systemd" / "user"


def units(jobs: Jobs) -> dict[str, str]:
    """Return the text of each unit by its file name."""
    stem = f"trend-following-{_escaped(jobs.name)}"
    minutes = f"{RUN_MINUTES[0]:02}..{RUN_MINUTES[-1]:02}"
    weekly = f"Sun *-*-* {WEEKLY_AT:%H:%M}:00 UTC"
    return {
        f"{stem}-run.service": _service("daily run", jobs, [jobs.run], _RUN_SERVICE),
        f"{stem}-run.timer": _timer("daily run", jobs, f"*-*-* 00:{minutes}:00 UTC", *_NOT_LATE),
        f"{stem}-guard.service": _service("guard", jobs, [jobs.guard], ""),
        f"{stem}-guard.timer": _timer("guard", jobs, f"*-*-* *:00/{GUARD_EVERY}:00 UTC", *_AT_ONCE),
        f"{stem}-weekly.service": _service("weekly upkeep", jobs, jobs.weekly, ""),
        f"{stem}-weekly.timer": _timer("weekly upkeep", jobs, weekly, *_LATER),
    }


_NOT_LATE = (False, "Hours later the gate is over and the day's prices are gone.")
_AT_ONCE = (True, "A look that was slept through is made on waking: it covers, and buys nothing.")
_LATER = (True, "What was slept through is done on waking.")
_RUN_SERVICE = """\
# 4: another start is at work on this day already.
SuccessExitStatus=4
# The script hears of a stop and covers what is held before it ends.
KillMode=mixed
TimeoutStartSec=1h
TimeoutStopSec=5min
"""


def _service(what: str, jobs: Jobs, commands: list[list[str]], more: str) -> str:
    starts = "\n".join(f"ExecStart={_quoted(words)}" for words in commands)
    return (
        f"[Unit]\nDescription=Trend following, {_plain(jobs.name)}: {what}\n\n"
        f"[Service]\nType=oneshot\nUMask=0077\n{more}{starts}\n"
    )


def _timer(what: str, jobs: Jobs, when: str, is_persistent: bool, why: str) -> str:
    return (
        f"[Unit]\nDescription=Trend following, {_plain(jobs.name)}: when the {what} starts\n\n"
        f"[Timer]\nOnCalendar={when}\nAccuracySec=1s\n"
        f"# {why}\nPersistent={str(is_persistent).lower()}\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def _escaped(name: str) -> str:
    """Return a name as part of a unit's: letters, digits, dot, dash and underscore."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)


def _plain(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(words: list[str]) -> str:
    """Quote a command line as systemd reads one: each word alone, nothing of it expanded."""
    escaped = [_plain(word).replace("\\", "\\\\").replace('"', '\\"') for word in words]
    # Of the program itself systemd expands no variable, and so undoes no doubled dollar.
    rest = [word.replace("$", "$$") for word in escaped[1:]]
    return " ".join(f'"{word}"' for word in [escaped[0], *rest])


def install(jobs: Jobs) -> list[str]:
    """
    Write the units and start the timers; return what was done.

    Raises
    ------
    ParameterError
        If there is no systemd for this user.
    """
    if not shutil.which("systemctl"):
        raise ParameterError("there is no systemd here; try --kind cron or launchd")
    folder, texts = unit_folder(), units(jobs)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_whole(folder / name, text)
    timers = [name for name in texts if name.endswith(".timer")]
    for words in (["daemon-reload"], ["enable", "--now", *timers]):
        done = subprocess.run(
            ["systemctl", "--user", *words], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ParameterError(
                f"the units are in {folder}, but systemd does not take them "
                f"({done.stderr.strip()}). As the user whom they are for: "
                f"systemctl --user daemon-reload && systemctl --user enable --now "
                f"{' '.join(timers)}"
            )
    return [f"{folder}: {len(texts)} units; started: {', '.join(timers)}", NIGHTS[-1]]

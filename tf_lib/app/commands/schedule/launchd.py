"""Agents of launchd, for macOS: local times only, so each UTC offset of the zone has its own."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tf_lib.app.commands.schedule.jobs import (
    GUARD_EVERY,
    WEEKLY_AT,
    Jobs,
    local_offsets,
    local_run_times,
)
from tf_lib.errors import ParameterError
from tf_lib.store.files import write_whole

NIGHTS = (
    "After a night asleep: launchd makes one start of a missed time on waking; the gate refuses "
    "the run then (gate_skip), and the guard looks. A Mac that is shut down makes up for nothing.",
    "When clocks change: each offset of this zone has its times, and the gate goes by UTC. In "
    "another zone, install anew.",
    "Agents run while you are logged in. Let the Mac be awake at 00:00 UTC: pmset repeat "
    "wakeorpoweron",
)


def agent_folder() -> Path:
    """Return where launchd reads a user's own agents."""
    return Path.home() / "Library" / "LaunchAgents"


def agents(jobs: Jobs, *, offsets: tuple[int, ...] | None = None) -> dict[str, bytes]:
    """
    Return the property list of each agent by its file name.

    Parameters
    ----------
    offsets : tuple of int, optional
        Minutes east of UTC that this machine's zone uses; read from the machine if not given.
    """
    used = local_offsets() if offsets is None else offsets
    times = [
        {"Hour": hour, "Minute": minute}
        for offset in used
        for hour, minutes in local_run_times(offset).items()
        for minute in minutes
    ]
    sunday = [{"Weekday": 0, "Hour": WEEKLY_AT.hour, "Minute": WEEKLY_AT.minute}]
    guard = [{"Minute": minute} for minute in range(0, 60, GUARD_EVERY)]
    made = {"run": (jobs.run, times), "guard": (jobs.guard, guard)}
    for number, words in enumerate(jobs.weekly, start=1):
        made["weekly" if number == 1 else f"weekly-{number}"] = (words, sunday)
    return {
        f"{_label(jobs, what)}.plist": _plist(jobs, what, words, when)
        for what, (words, when) in made.items()
    }


def _label(jobs: Jobs, what: str) -> str:
    return f"trend-following.{jobs.name}.{what}"


def _plist(jobs: Jobs, what: str, words: list[str], when: list[dict[str, int]]) -> bytes:
    log = str(jobs.runs / jobs.name / "state" / f"launchd_{what}.log")
    content: dict[str, Any] = {
        "Label": _label(jobs, what),
        "ProgramArguments": words,
        "StartCalendarInterval": when,
        "Umask": 0o077,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    if what == "run":
        # The script hears of a stop and covers what is held before it ends.
        content["ExitTimeOut"] = 300
    return plistlib.dumps(content)


def install(jobs: Jobs) -> list[str]:
    """
    Write the agents and start them; return what was done.

    Raises
    ------
    ParameterError
        If there is no launchd here, or it does not take them.
    """
    if not shutil.which("launchctl"):
        raise ParameterError("there is no launchd here; try --kind cron or systemd")
    folder, lists = agent_folder(), agents(jobs)
    folder.mkdir(parents=True, exist_ok=True)
    (jobs.runs / jobs.name / "state").mkdir(parents=True, exist_ok=True)
    domain = f"gui/{os.getuid()}"
    for name, content in lists.items():
        path = folder / name
        write_whole(path, content.decode())
        label = name.removesuffix(".plist")
        subprocess.run(
            ["launchctl", "bootout", f"{domain}/{label}"], capture_output=True, check=False
        )
        done = subprocess.run(
            ["launchctl", "bootstrap", domain, str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ParameterError(
                f"{path} is written, but launchd does not take it ({done.stderr.strip()}); try: "
                f"launchctl bootstrap {domain} '{path}'"
            )
    return [f"{folder}: {len(lists)} agents, started"]

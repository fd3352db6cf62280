"""Whether a scheduler of this machine really starts a profile's daily run and its guard."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping

from tf_lib.app.commands.schedule import crontab, launchd, systemd
from tf_lib.app.commands.schedule.jobs import Jobs

RUN, GUARD = "the daily run", "the guard"


def started(jobs: Jobs) -> dict[str, set[str]]:
    """Return which of run and guard a scheduler starts, by its name; none left out."""
    found = {name: look(jobs) for name, look in _LOOKS.items()}
    return {name: what for name, what in found.items() if what}


def _by_cron(jobs: Jobs) -> set[str]:
    if not shutil.which("crontab"):
        return set()
    listed = crontab.listed_crontab().replace(r"\%", "%").splitlines()
    lines = [line for line in listed if not line.lstrip().startswith("#")]
    # The profile or file as it is named last, whatever else stands on the line.
    named = jobs.guard[jobs.guard.index("guard") + 2]
    mine = [line for line in lines if re.search(rf"(?<!\S)'?{re.escape(named)}'?(?!\S)", line)]
    signs = {RUN: r"run_papermill\.sh| run ", GUARD: r" guard "}
    return {what for what, sign in signs.items() if any(re.search(sign, line) for line in mine)}


def _by_systemd(jobs: Jobs) -> set[str]:
    if not shutil.which("systemctl"):
        return set()
    folder, texts = systemd.unit_folder(), systemd.units(jobs)
    found = set()
    for what, sign in ((RUN, "-run."), (GUARD, "-guard.")):
        mine = [name for name in texts if sign in name]
        is_there = all((folder / name).is_file() for name in mine)
        if is_there and all(_is_enabled(name) for name in mine if name.endswith(".timer")):
            found.add(what)
    return found


def _is_enabled(timer: str) -> bool:
    done = subprocess.run(
        ["systemctl", "--user", "is-active", timer], capture_output=True, text=True, check=False
    )
    return done.returncode == 0


def _by_launchd(jobs: Jobs) -> set[str]:
    if not shutil.which("launchctl"):
        return set()
    folder = launchd.agent_folder()
    signs = {RUN: ".run.plist", GUARD: ".guard.plist"}
    return {
        what
        for what, sign in signs.items()
        if any(name.endswith(sign) and (folder / name).is_file() for name in launchd.agents(jobs))
    }


_LOOKS: Mapping[str, Callable[[Jobs], set[str]]] = {
    "cron": _by_cron,
    "systemd": _by_systemd,
    "launchd": _by_launchd,
}

"""The ``schedule`` command: what a scheduler starts is shown, or installed; ``cron`` shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tf_lib.app.commands.schedule import crontab, launchd, systemd
from tf_lib.app.commands.schedule.jobs import Jobs, jobs_of
from tf_lib.app.connection import LIVE_PROFILE
from tf_lib.app.options import ProfileOptions
from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.text.shown import shown


@dataclass(frozen=True)
class Scheduler:
    """
    A scheduler that can start the jobs.

    Attributes
    ----------
    shown : callable
        Returns what it is given for a profile's jobs, as text.
    install : callable
        Gives it that; returns what was done.
    """

    shown: Callable[[Jobs], str]
    install: Callable[[Jobs], list[str]]


def _files(found: Mapping[str, str | bytes], folder: object, nights: tuple[str, ...]) -> str:
    parts = [f"# {words}" for words in nights]
    for name, text in found.items():
        content = text.decode() if isinstance(text, bytes) else text
        parts += ["", f"# --- {folder}/{name}", content.rstrip()]
    return "\n".join(parts)


SCHEDULERS: Mapping[str, Scheduler] = {
    "cron": Scheduler(lambda jobs: crontab.crontab(jobs, has_weekly=True), crontab.install),
    "systemd": Scheduler(
        lambda jobs: _files(systemd.units(jobs), systemd.unit_folder(), systemd.NIGHTS),
        systemd.install,
    ),
    "launchd": Scheduler(
        lambda jobs: _files(launchd.agents(jobs), launchd.agent_folder(), launchd.NIGHTS),
        launchd.install,
    ),
}


def schedule_command(options: ProfileOptions, kind: str, *, install: bool) -> int:
    """Show what starts a profile's jobs, the live one unless another is named; or install it."""
    if kind not in SCHEDULERS:
        raise ParameterError(f"--kind must be one of {', '.join(SCHEDULERS)}, got {shown(kind)}")
    scheduler, jobs = SCHEDULERS[kind], _jobs(options)
    print("\n".join(scheduler.install(jobs)) if install else scheduler.shown(jobs))
    return EXIT_DONE


def cron_command(options: ProfileOptions) -> int:
    """Print the crontab lines of run and guard."""
    print(crontab.crontab(_jobs(options)))
    return EXIT_DONE


def _jobs(options: ProfileOptions) -> Jobs:
    if options.profile is None and options.config is None:
        options = replace(options, profile=LIVE_PROFILE)
    options.load()
    return jobs_of(options)

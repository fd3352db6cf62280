"""What of the machine could keep the daily run from doing its work."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tf_lib.app.commands.doctor.checks import Check, Warned
from tf_lib.app.commands.schedule.installed import GUARD, RUN, started
from tf_lib.app.commands.schedule.jobs import jobs_of, local_offsets
from tf_lib.app.connection import has_own_clock, is_embedded, key_file_problem
from tf_lib.app.launch.alarms import guard_silence
from tf_lib.app.options import ProfileOptions
from tf_lib.errors import ParameterError
from tf_lib.exchange.clock import wall_now
from tf_lib.notify.mail_file import NEEDED_VARIABLES, mail_environment, mail_file_problems
from tf_lib.parameters import Config
from tf_lib.project import ROOT
from tf_lib.safety.lock import lock_folder
from tf_lib.store.ledger import LEDGER_FILE, Ledger
from tf_lib.store.run_folder import DONE_FILE, ProfileFolder

_LEAST_FREE_BYTES = 500_000_000
_PIN = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)==(?P<version>[^\s;\\]+)\s*(?P<marker>;.*?)?\s*\\?$")


def machine_checks(
    name: str, config: Config, folder: ProfileFolder, options: ProfileOptions, *, send_test: bool
) -> list[Check]:
    """Return the checks of a profile that need no exchange."""
    return [
        Check("python", _python),
        Check("packages", _packages),
        Check("parameters", lambda: f"{name}: {len(config.universe.tickers)} tickers"),
        Check("runs folder", lambda: _writable(folder)),
        Check("disk", lambda: _disk(folder)),
        Check("locks", lambda: str(lock_folder())),
        Check("time zone", _time_zone),
        Check("schedule", lambda: _schedule(config, name, options)),
        Check("last runs", lambda: _last_runs(config, folder)),
        Check("paused", lambda: _paused(folder)),
        Check("key file", lambda: _key_file(config)),
        Check("mail", lambda: _mail(config, name, send_test=send_test)),
    ]


def _python() -> str:
    return f"{sys.version.split()[0]} at {sys.executable}"


def _packages() -> str:
    """Hold what is installed against the lock file, where there is one."""
    lock = ROOT / "requirements.lock"
    if not lock.is_file():
        return "as the wheel asked for them"
    wrong, n = [], 0
    for line in lock.read_text(encoding="utf-8").splitlines():
        pinned = _PIN.match(line)
        # A line for other systems or versions names no package of this one.
        if pinned is None or pinned["marker"]:
            continue
        try:
            found = version(pinned["name"])
        except PackageNotFoundError:
            continue  # one that set-up takes out again
        n += 1
        if found != pinned["version"]:
            wrong.append(f"{pinned['name']} {found} (locked {pinned['version']})")
    if wrong:
        raise Warned(f"not as locked: {', '.join(wrong)}; scripts/setup.sh puts them right")
    return f"{n} as locked"


def _time_zone() -> str:
    """Say when the run begins in this machine's time, and what its clocks do within a year."""
    offsets = local_offsets()
    minutes = [(1 + offset) % 1440 for offset in offsets]
    said = " or ".join(f"{each // 60:02}:{each % 60:02}" for each in minutes)
    changes = ", its clocks change within a year" if len(offsets) > 1 else ""
    return f"00:01 UTC is {said} here{changes}"


def _last_runs(config: Config, folder: ProfileFolder) -> str:
    """Look when the run and the guard were there last."""
    days = folder.days()
    if not days:
        return "none yet"
    newest = days[-1]
    said = f"last run {newest.name}"
    if has_own_clock(config):
        return said
    if not (newest / DONE_FILE).exists():
        raise Warned(f"{said}, which did not end: tf show {newest.name}")
    today = wall_now().date()
    if today - dt.date.fromisoformat(newest.name) > dt.timedelta(days=1):
        raise Warned(f"{said}, today is {today}: nothing starts it, see schedule")
    silence = guard_silence(folder.state, wall_now())
    if silence:
        raise Warned(f"{said}; {silence}")
    return f"{said}, the guard reports"


def _writable(folder: ProfileFolder) -> str:
    folder.prepare()
    return str(folder.path)


def _disk(folder: ProfileFolder) -> str:
    """Ask the disk where the folder is, or would be made."""
    there = next(each for each in (folder.state, *folder.state.parents) if each.is_dir())
    free = shutil.disk_usage(there).free
    if free < _LEAST_FREE_BYTES:
        raise OSError(f"only {free / 1e6:.0f} MB free, a year of runs needs about 1 GB")
    return f"{free / 1e9:.1f} GB free"


def _paused(folder: ProfileFolder) -> str:
    state = Ledger(folder.state / LEDGER_FILE, wall_now).state
    today = max(state.marks, default=wall_now().date())
    if state.pause is not None and state.pause.holds_on(today):
        raise Warned(f"{state.pause.in_words}; tf resume ends it")
    return "no"


def _key_file(config: Config) -> str:
    named, problem = config.exchange.key_file, key_file_problem(config)
    if problem:
        raise ParameterError(f"{problem} (a live run is refused until then)")
    if named is None:
        return "none is named"
    if is_embedded(config):
        return f"{named} is not used, the exchange is embedded"
    if not (Path(named).is_file() and os.access(named, os.R_OK)):
        raise ParameterError(
            f"{named}: there is no such file that can be read; put the exchange's key file there, "
            "or name another one in exchange.key_file"
        )
    return named


def _mail(config: Config, profile: str, *, send_test: bool) -> str:
    if not config.notifications.email:
        return "switched off (notifications.email)"
    wrong = mail_file_problems(os.environ)
    if wrong:
        raise ParameterError("; ".join(wrong))
    known = mail_environment(os.environ)
    missing = [name for name in NEEDED_VARIABLES if not known.get(name, "").strip()]
    said = f"{', '.join(missing)} not set (put them into ~/tf_email.env)"
    if len(missing) == len(NEEDED_VARIABLES):
        raise Warned(f"not set up, nobody is told of a bad day: {said}")
    if missing:
        raise ParameterError(f"half set up, no mail can be sent: {said}")
    from tf_lib.notify.send import reach_server, send_test_mail

    if not send_test:
        where = reach_server(known)
        return f"{where}; --send-test sends a mail to {known['TF_EMAIL_TO']}"
    prefix = config.notifications.subject_prefix
    return f"{send_test_mail(known, profile, prefix=prefix)}; look whether it arrived"


def _schedule(config: Config, profile: str, options: ProfileOptions) -> str:
    """Look what starts the daily run and the guard of a profile without its own clock."""
    option = options.in_words
    if has_own_clock(config):
        return f"not needed: {profile} has a clock of its own"
    jobs = jobs_of(options)
    found = started(jobs)
    if any({RUN, GUARD} <= what for what in found.values()):
        return "; ".join(f"{name} starts {' and '.join(sorted(w))}" for name, w in found.items())
    lacking = {RUN, GUARD}.difference(*found.values())
    what = " and ".join(sorted(lacking)) or "both, by different schedulers"
    raise Warned(
        f"no cron, systemd or launchd of this user starts {what} of {profile}: tf schedule "
        f"{option} --kind cron|systemd|launchd --install, unless something else starts it"
    )

"""Doctor: what could keep the daily run from doing its work, checked one by one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tf_lib.app.commands.schedule.installed import GUARD, RUN, started
from tf_lib.app.commands.schedule.jobs import jobs_of
from tf_lib.app.connection import (
    connect,
    has_own_clock,
    is_embedded,
    key_file_problem,
    open_endpoint,
)
from tf_lib.app.options import ProfileOptions
from tf_lib.errors import EXIT_DONE, EXIT_FAILED, ParameterError, TfError
from tf_lib.exchange.clock import clock_offset, wall_now
from tf_lib.execution.ownership import not_ours
from tf_lib.notify.mail_file import NEEDED_VARIABLES, mail_environment, mail_file_problems
from tf_lib.parameters import Config
from tf_lib.safety.lock import lock_folder
from tf_lib.safety.preflight import check_account
from tf_lib.store.ledger import LEDGER_FILE, Ledger
from tf_lib.store.run_folder import ProfileFolder

_LEAST_FREE_BYTES = 500_000_000


class Warned(TfError):
    """A check that found something missing which the daily run can do without."""


def doctor_command(options: ProfileOptions, *, send_test: bool = False) -> int:
    """Print one line a check; exit 1 if any failed, a warning alone is exit 0."""
    name, parameters, folder = options.load(decides=True)
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", _python),
        ("parameters", lambda: f"{name}: {len(parameters.universe.tickers)} tickers"),
        ("runs folder", lambda: _writable(folder)),
        ("disk", lambda: _disk(folder)),
        ("locks", lambda: str(lock_folder())),
        ("exchange", lambda: _exchange(parameters, folder)),
        ("holdings", lambda: _holdings(parameters, folder)),
        ("key file", lambda: _key_file(parameters)),
        ("mail", lambda: _mail(parameters, name, send_test=send_test)),
        ("schedule", lambda: _schedule(parameters, name, options)),
    ]
    failed: set[str] = set()
    for label, check in checks:
        if label == "holdings" and "exchange" in failed:
            print(f"WARN  {label:12} not known: the exchange cannot be asked")
            continue
        try:
            print(f"ok    {label:12} {check()}")
        except Warned as error:
            print(f"WARN  {label:12} {error}")
        except (TfError, OSError) as error:
            failed.add(label)
            print(f"FAIL  {label:12} {error}")
    return EXIT_FAILED if failed else EXIT_DONE


def _python() -> str:
    return f"{sys.version.split()[0]} at {sys.executable}"


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


def _exchange(config: Config, folder: ProfileFolder) -> str:
    if is_embedded(config):
        return "embedded simulated exchange, no key needed"
    with open_endpoint(config, folder, wall_now().date()) as endpoint:
        line = connect(endpoint).client.line
        check = check_account(line, config.portfolio.name)
        offset = 0.0 if config.exchange.clock == "exchange" else clock_offset(line)
    return f"{check.name} ({check.uuid}), clock off by {offset:+.2f} s"


def _holdings(config: Config, folder: ProfileFolder) -> str:
    """Return what is held and not ours: locked, or found before the first run."""
    state = Ledger(folder.state / LEDGER_FILE, wall_now).state
    if state.marks:
        locked = [f"{name} locked: {why}" for name, why in sorted(state.locked.items())]
        return "; ".join([*locked, "tf release when it is as you want it"]) if locked else "ours"
    if is_embedded(config):
        return "none yet, the exchange of this profile is made by its first run"
    with open_endpoint(config, folder, wall_now().date()) as endpoint:
        found = not_ours(connect(endpoint).client, config)
    if not found:
        return "nothing of the universe is held that no order of ours explains"
    return (
        f"{'; '.join(found)}: there before the first run, which will put it under stops and sell "
        "nothing of it until tf release"
    )


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

"""
The guard: looks every few minutes whether anything is bare, and covers it.

It may settle intents, cover, restore, leave by the rules of emergency, and raise an alarm. It
buys nothing, computes and raises no level, plans nothing and writes no day mark (EXECUTION
section 8). It takes over from a run that is past its deadline.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import traceback
from pathlib import Path
from typing import Any

from tf_lib.core.client_ids import parse_client_id
from tf_lib.core.impediments import Impediment, ImpedimentKind, in_a_line
from tf_lib.drivers.finish import GUARD_LOG, failures, unsettled
from tf_lib.drivers.impediments import standing_impediments
from tf_lib.drivers.place import has_own_clock
from tf_lib.drivers.protect import protect_holdings
from tf_lib.drivers.upkeep import armed, never_ran, profile_of
from tf_lib.edge.clock import wall_now
from tf_lib.edge.files import append_json_line, write_json
from tf_lib.edge.ledger import Ledger
from tf_lib.edge.ledger_rescue import protection_ledger_of, unreadable
from tf_lib.edge.lock import state_lock, take_over
from tf_lib.edge.mail_file import mail_environment
from tf_lib.edge.run_store import ProfileFolder, RunLogs
from tf_lib.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_UNPROTECTED,
    LockHeld,
    PreflightRefused,
    TfError,
)
from tf_lib.parameters import Config

DONE_DEADLINE = dt.time(1, 15)
"""UTC; a day without its done mark by then is an alarm."""

_SELLS_ONLY = "the guard only cancels and sells"


def guard_command(profile: str | None, config: Path | None, runs: Path | None) -> int:
    """Look once; exit 3 when something stays bare, 1 for any other alarm, 0 otherwise."""
    name, parameters, folder = profile_of(profile, config, runs)
    if never_ran(parameters, folder):
        print("0 held, 0 bare: this profile never ran")
        return EXIT_DONE
    try:
        lock = state_lock(folder.state, kind="guard").acquire()
    except LockHeld as held:
        if not take_over(state_lock(folder.state, kind="guard"), folder.state):
            _log(folder, "stands_back", reason=str(held))
            print(f"stands back: {held}")
            return EXIT_DONE
        lock = state_lock(folder.state, kind="guard").acquire()
        _log(folder, "took_over", reason=str(held))
    try:
        return _look(name, parameters, folder)
    finally:
        lock.release()


def _look(name: str, config: Config, folder: ProfileFolder) -> int:
    logs = RunLogs(folder.state / "guard", wall_now)
    rows: list[dict[str, Any]] | None = None
    alarms: list[str] = []
    bare: list[str] = []
    now = wall_now()
    try:
        with armed(name, config, folder, kind="guard", allows=_sells_only) as connection:
            logs.now, now = connection.now, connection.now()
            day = now.date()
            rows = protect_holdings(
                connection, config, folder.state, logs, day, may_cancel_intact=False
            )
            bare = [f"not protected: {line}" for line in failures(rows)]
    except TfError as error:
        alarms.append(f"the guard could not look: {error}")
    except Exception as error:  # whatever it was, somebody must hear of it
        alarms.append(f"the guard could not look: {type(error).__name__}: {error}")
        _log(folder, "failed", traceback=traceback.format_exc())
    ledger = protection_ledger_of(folder.state, wall_now)
    alarms += unreadable(folder.state, wall_now)
    alarms += [f"own order unsettled: {order}" for order in unsettled(ledger)]
    alarms += [f"{p} is locked: {why}" for p, why in sorted(ledger.state.locked.items())]
    alarms += [in_a_line(one.to_mapping()) for one in _for_a_person(folder)]
    alarms += _missing_done(ledger, config, now)
    _log(folder, "looked", held=None if rows is None else len(rows), alarms=[*bare, *alarms])
    for line in (*bare, *alarms):
        print(f"ALARM {line}")
    found = "not looked" if rows is None else f"{len(rows)} held, {len(bare)} bare"
    print(f"{found}, {len(alarms)} other alarms")
    _tell(name, config, folder, [*bare, *alarms])
    if bare:
        return EXIT_UNPROTECTED
    return EXIT_FAILED if alarms else EXIT_DONE


_SEEN_BY_ITSELF = (ImpedimentKind.LOCKED, ImpedimentKind.UNPROTECTED)


def _for_a_person(folder: ProfileFolder) -> list[Impediment]:
    """Return what stood in the last run's way and needs somebody; what the guard sees is not it."""
    standing = standing_impediments(folder.state)
    return [one for one in standing if one.needs_person and one.kind not in _SEEN_BY_ITSELF]


def _sells_only(action: str, subject: str) -> None:
    """Let nothing through that could buy."""
    parsed = parse_client_id(subject)
    is_sale = action == "cancel" or action == "create_stop_limit_sell"
    is_sale = is_sale or (parsed is not None and parsed.leg.ends_in_cooldown)
    if not is_sale:
        raise PreflightRefused(f"{action} {subject}: {_SELLS_ONLY}")


def _missing_done(ledger: Ledger, config: Config, now: dt.datetime) -> list[str]:
    """Return an alarm when today should be over and is not."""
    if has_own_clock(config) or not ledger.state.marks:
        return []
    if now.time() < DONE_DEADLINE or ledger.state.has_mark(now.date(), "done"):
        return []
    return [
        f"{now.date()} has no done mark at {now:%H:%M} UTC: the daily run did not finish. Resting "
        "stops are checked; run scripts/run_papermill.sh --force-run if you want today's trades."
    ]


def _log(folder: ProfileFolder, event: str, **fields: Any) -> None:
    line = {"at": wall_now().isoformat(timespec="seconds"), "event": event, **fields}
    append_json_line(folder.state / GUARD_LOG, line)


def _tell(name: str, config: Config, folder: ProfileFolder, alarms: list[str]) -> None:
    """Mail a set of alarms once, not every few minutes; one that could not be sent, again."""
    memory = folder.state / "guard_alarms.json"
    try:
        before = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = []
    if alarms == before:
        return
    if not alarms or not config.notifications.email:
        write_json(memory, alarms)
        return
    from tf_lib.edge.notify import send_summary

    summary = {
        "date": wall_now().date().isoformat(),
        "profile": name,
        "state": "alarm",
        "exit_code": EXIT_UNPROTECTED,
        "errors": [{"severity": "error", "message": line} for line in alarms],
    }
    results = send_summary(
        summary, mail_environment(os.environ), prefix=config.notifications.subject_prefix
    )
    _log(folder, "told", results=[str(result) for result in results])
    if all(result["result"] != "failed" for result in results):
        write_json(memory, alarms)

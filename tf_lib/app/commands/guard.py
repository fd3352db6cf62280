"""
The guard: looks every few minutes whether anything is unprotected, and covers it.

It may look intents up, cover, restore, exit by the rules of emergency, and raise an alarm. It
buys nothing, computes and raises no level, plans nothing and writes no day mark (docs/execution.md
section 8). It takes over from a run that is past its deadline.
"""

from __future__ import annotations

import datetime as dt
import shlex
import traceback
from typing import Any

from tf_lib.app.connection import has_own_clock
from tf_lib.app.launch.alarms import (
    GUARD_LOG,
    Alarm,
    ToldAlarms,
    closed_alarms,
    is_told_by_run,
    is_unprotected,
    unprotected_alarms,
    unsettled_alarms,
)
from tf_lib.app.launch.cover import armed, never_ran, only_sales, opened, protect_holdings
from tf_lib.app.options import ProfileOptions
from tf_lib.app.record.impediment_rows import standing_impediments
from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.impediments import Impediment, ImpedimentKind, in_a_line
from tf_lib.core.model.run_rows import StopRow
from tf_lib.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_UNPROTECTED,
    LockHeld,
    TfError,
)
from tf_lib.exchange.clock import wall_now
from tf_lib.parameters import Config
from tf_lib.project import RUN_COMMAND
from tf_lib.safety.ledger_rescue import protection_ledger_of, unreadable
from tf_lib.safety.lock import ProcessLock, state_lock, take_from_holder
from tf_lib.store.files import append_json_line
from tf_lib.store.ledger import Ledger
from tf_lib.store.run_folder import ProfileFolder, RunLogs

DONE_DEADLINE = dt.time(1, 15)
"""UTC; a day without its done mark by then is an alarm."""

_SELLS_ONLY = only_sales("the guard", Leg.EMERGENCY)


def guard_command(options: ProfileOptions) -> int:
    """Look once; exit 3 when something stays unprotected, 1 for any other alarm, else 0."""
    name, parameters, folder = opened(options)
    if never_ran(parameters, folder):
        print("0 held, 0 unprotected: this profile never ran")
        return EXIT_DONE
    told = ToldAlarms(name, parameters, folder.state, lambda results: _told(folder, results))
    lock = state_lock(folder.state, kind="guard")
    held = _blocked(lock, folder)
    if held is not None:
        return _stand_back(told, folder, lock, held)
    try:
        return _look(told, folder)
    finally:
        lock.release()


def _blocked(lock: ProcessLock, folder: ProfileFolder) -> LockHeld | None:
    """Take the lock, from a holder that is overdue if need be; return what keeps it from us."""
    try:
        lock.acquire()
    except LockHeld as held:
        if not take_from_holder(lock, folder.state):
            return held
        try:
            lock.acquire()
        except LockHeld as still:
            return still
        _log(folder, "took_over", reason=str(held))
    return None


def _stand_back(told: ToldAlarms, folder: ProfileFolder, lock: ProcessLock, held: LockHeld) -> int:
    """Leave it to whoever holds the lock; one that nobody can see or end is an alarm."""
    _log(folder, "stands_back", reason=str(held))
    print(f"stands back: {held}")
    strange = lock.stranger()
    if not strange:
        return EXIT_DONE
    alarm = Alarm(
        "lock_held",
        f"the lock {lock.path} is held, and {strange}: nobody protects. Find who holds it "
        f"(fuser -v {shlex.quote(str(lock.path))}), stop that process, and run: tf protect",
    )
    print(f"ALARM {alarm.text}")
    told.tell([alarm], still_holds=lambda key: True)
    return EXIT_FAILED


def _look(told: ToldAlarms, folder: ProfileFolder) -> int:
    config, logs = told.config, RunLogs(folder.state / "guard", wall_now)
    rows: list[StopRow] | None = None
    alarms: list[Alarm] = []
    now = wall_now()
    try:
        with armed(told.profile, config, folder, kind="guard", allows=_SELLS_ONLY) as connection:
            logs.now, now = connection.now, connection.now()
            day = now.date()
            rows = protect_holdings(
                connection, config, folder.state, logs, day, may_cancel_intact=False
            )
            alarms += [*unprotected_alarms(rows), *closed_alarms(rows)]
    except TfError as error:
        alarms.append(Alarm("cannot_look", f"the guard could not look: {error}"))
    except Exception as error:  # whatever it was, somebody must hear of it
        why = f"the guard could not look: {type(error).__name__}: {error}"
        alarms.append(Alarm("cannot_look", why))
        _log(folder, "failed", traceback=traceback.format_exc())
    alarms += _by_the_ledger(protection_ledger_of(folder.state, wall_now), config, now)
    spoilt = unreadable(folder.state, wall_now)
    alarms += [Alarm(f"unreadable:{number}", why) for number, why in enumerate(spoilt)]
    alarms += [
        Alarm(":".join(one.key), in_a_line(one.to_mapping())) for one in _for_a_person(folder)
    ]
    held = None if rows is None else len(rows)
    _log(folder, "looked", held=held, alarms=[alarm.text for alarm in alarms])
    unprotected = sum(alarm.is_unprotected for alarm in alarms)
    for alarm in alarms:
        print(f"ALARM {alarm.text}")
    found = "not looked" if rows is None else f"{held} held, {unprotected} unprotected"
    print(f"{found}, {len(alarms) - unprotected} other alarms")
    told.tell(alarms, still_holds=lambda key: is_told_by_run(key) or _is_unseen(key, rows))
    if unprotected:
        return EXIT_UNPROTECTED
    return EXIT_FAILED if alarms else EXIT_DONE


_SEEN_BY_ITSELF = (
    ImpedimentKind.LOCKED,
    ImpedimentKind.UNPROTECTED,
    ImpedimentKind.NOT_TRADABLE,
    ImpedimentKind.UNKNOWN_HOLDING,
    ImpedimentKind.FLATTEN_UNFINISHED,
)


def _for_a_person(folder: ProfileFolder) -> list[Impediment]:
    """Return what stood in the last run's way and needs somebody; what the guard sees is not it."""
    standing = standing_impediments(folder.state)
    # A pause was somebody's own wish.
    silent = (*_SEEN_BY_ITSELF, ImpedimentKind.PAUSED)
    return [one for one in standing if one.needs_person and one.kind not in silent]


def _is_unseen(key: str, rows: list[StopRow] | None) -> bool:
    """Whether a look that failed cannot know if what was unprotected is covered now."""
    return rows is None and is_unprotected(key)


def _by_the_ledger(ledger: Ledger, config: Config, now: dt.datetime) -> list[Alarm]:
    """Return the alarms that need nobody to be asked."""
    locked = sorted(ledger.state.locked.items())
    return [
        *unsettled_alarms(ledger),
        *_unfinished(ledger),
        *(Alarm(f"locked:{p}", f"{p} is locked: {why}") for p, why in locked),
        *_missing_done(ledger, config, now),
    ]


def _unfinished(ledger: Ledger) -> list[Alarm]:
    """Return an alarm while somebody's wish to be out is not carried out."""
    wish = ledger.state.flatten
    return [] if wish is None else [Alarm("flatten", f"{wish.in_words}: {wish.what_to_do}")]


def _missing_done(ledger: Ledger, config: Config, now: dt.datetime) -> list[Alarm]:
    """Return an alarm when today should be over and is not."""
    if has_own_clock(config) or not ledger.state.marks:
        return []
    if now.time() < DONE_DEADLINE or ledger.state.has_mark(now.date(), "done"):
        return []
    why = (
        f"{now.date()} has no done mark at {now:%H:%M} UTC: the daily run did not finish. Resting "
        f"stops are checked; run {RUN_COMMAND} --force-run if you want today's trades."
    )
    return [Alarm(f"not_done:{now.date()}", why)]


def _told(folder: ProfileFolder, results: list[str]) -> None:
    _log(folder, "told", results=results)


def _log(folder: ProfileFolder, event: str, **fields: Any) -> None:
    line = {"at": wall_now().isoformat(timespec="seconds"), "event": event, **fields}
    append_json_line(folder.state / GUARD_LOG, line)

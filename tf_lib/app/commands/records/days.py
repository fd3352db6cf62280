"""The ``runs`` and ``show`` commands: the days of a profile in the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_lib.app.options import ProfileOptions
from tf_lib.app.record.packed import changed_record
from tf_lib.app.record.run_inputs import finished_run
from tf_lib.core.model.day_result import change_in_short
from tf_lib.core.model.run_rows import summary_file
from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.notify.mail_text import compose
from tf_lib.pages.site import Run, read_profile
from tf_lib.safety.lock import ProcessLock, state_lock, wait_for_guard
from tf_lib.store.run_folder import ProfileFolder
from tf_lib.text.days import FORM, is_day
from tf_lib.text.shown import printable, shown

NEWEST = "last"
_GUARD_SECONDS = 60.0


def runs_command(options: ProfileOptions, *, last: int | None, as_json: bool) -> int:
    """Print a line for each run of a profile, oldest first; what cannot be read is named."""
    if last is not None and last < 1:
        raise ParameterError(f"--last must be at least 1, got {last}")
    name, _, folder = options.load()
    found = sorted(read_profile(folder.path), key=lambda run: (run.date, run.folder.name))
    found = found[-last:] if last is not None else found
    if as_json:
        print(json.dumps([_row(run) for run in found], indent=2))
        return EXIT_DONE
    if not found:
        print(f"profile {name}: never ran ({folder.path})")
    for run in found:
        print(_line(_row(run)))
    return EXIT_DONE


def _row(run: Run) -> dict[str, Any]:
    summary = run.summary
    return {
        "date": run.date,
        "kind": run.kind or "day",
        "state": summary.get("state", "unreadable" if run.problem else "?"),
        "exit_code": summary.get("exit_code"),
        "equity": summary.get("equity"),
        "change": change_in_short(summary.get("result") or {}),
        "orders": len(summary.get("orders") or []),
        "held": len(summary.get("positions") or {}),
        "impediments": len(summary.get("impediments") or []),
        "problem": run.problem,
        "folder": str(run.folder),
    }


def _line(row: Mapping[str, Any]) -> str:
    equity = "" if row["equity"] is None else f"{row['equity']:,.2f}"
    told = [f"{row['orders']} orders", f"{row['held']} held"]
    if row["impediments"]:
        told.append(f"{row['impediments']} in the way")
    if row["kind"] != "day":
        told.append(row["kind"])
    said = printable(row["problem"]) if row["problem"] else ", ".join(told)
    return f"{row['date']}  {row['state']:11}  {equity:>14}  {row['change']:24}  {said}".rstrip()


def show_command(options: ProfileOptions, day: str) -> int:
    """Print what a day's mail says, and where its record lies."""
    folder = day_folder(options.load()[2], day)
    summary = finished_run(folder).read_json(summary_file(folder.name))
    mail = compose(summary)
    print(f"{mail.text.rstrip()}\n\nrecord: {folder}")
    for words in changed_record(folder):
        print(f"RECORD CHANGED: {words}", file=sys.stderr)
    return EXIT_DONE


def day_folder(folder: ProfileFolder, day: str) -> Path:
    """
    Return the folder of a day of a profile, ``last`` for the newest.

    Raises
    ------
    ParameterError
        If that is no day, or none that ran; it names those that did.
    """
    known = folder.days()
    if day == NEWEST and known:
        return known[-1]
    if day != NEWEST and not is_day(day):
        raise ParameterError(f"DAY must be {FORM} or {NEWEST}, got {shown(day)}")
    found = [path for path in known if path.name == day]
    if not found:
        raise ParameterError(f"{folder.path} has no run of {day}; {_which(known)}")
    return found[0]


def guarded(folder: ProfileFolder, *, kind: str) -> ProcessLock:
    """Take the lock of a profile's state, once a guard that is at work has ended."""
    return wait_for_guard(state_lock(folder.state, kind=kind), seconds=_GUARD_SECONDS)


def _which(known: Sequence[Path]) -> str:
    if not known:
        return "the profile never ran"
    return f"it has {len(known)} days, {known[0].name} to {known[-1].name}: tf runs lists them"

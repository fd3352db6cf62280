"""The ``transfers`` command: money that came in or went out, and what a person says of it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tf_lib.app.commands.records.days import guarded
from tf_lib.app.options import ProfileOptions
from tf_lib.app.record.equity_record import RECORD_FILE
from tf_lib.core.model.day_result import SMALLEST_TRANSFER
from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.exchange.clock import wall_now
from tf_lib.pages.words import counted
from tf_lib.store.files import append_json_line, read_json_lines
from tf_lib.text.shown import printable

LABELS_FILE = "transfer_labels.jsonl"


@dataclass(frozen=True)
class Transfer:
    """
    Money that came in (positive) or went out before a run saw it, in quote currency.

    `equity` is the run's, with it; `label` what a person said of it last.
    """

    date: str
    amount: float
    equity: float
    label: str = ""


def transfers_of(state: Path) -> list[Transfer]:
    """Return what each run of a profile saw coming in or going out, oldest first."""
    lines = read_json_lines(state / RECORD_FILE)[0]
    by_day = {str(line["date"]): line for line in lines}
    labels = {
        str(line["date"]): str(line["label"]) for line in read_json_lines(state / LABELS_FILE)[0]
    }
    found, before = [], 0.0
    for date, line in sorted(by_day.items()):
        amount = round(float(line["paid_in"]) - before, 2)
        before = float(line["paid_in"])
        if abs(amount) >= SMALLEST_TRANSFER:
            found.append(Transfer(date, amount, float(line["equity"]), labels.get(date, "")))
    return found


def transfers_command(
    options: ProfileOptions, *, day: dt.date | None, label: str | None, as_json: bool
) -> int:
    """List the transfers of a profile; with a day and a label, say of one what it was."""
    if (day is None) != (label is None):
        raise ParameterError("--day and --label go together: which transfer, and what it was")
    name, config, folder = options.load()
    if day is not None and label is not None:
        with guarded(folder, kind="transfers"):
            _label(folder.state, day.isoformat(), label)
    found = transfers_of(folder.state)
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2))
        return EXIT_DONE
    currency = config.universe.quote_currency
    for one in found:
        way = "came in" if one.amount > 0 else "went out"
        said = f"  {printable(one.label)}" if one.label else ""
        print(f"{one.date}  {abs(one.amount):>14,.2f} {currency} {way:8}{said}".rstrip())
    total = sum(one.amount for one in found)
    n_found = counted(len(found), "transfer")
    print(f"profile {name}: {n_found}, {total:+,.2f} {currency} in all; taken out of every result")
    return EXIT_DONE


def _label(state: Path, date: str, label: str) -> None:
    known: Mapping[str, Transfer] = {one.date: one for one in transfers_of(state)}
    if date not in known:
        days = ", ".join(known) or "none"
        raise ParameterError(f"no run of {date} saw a transfer; days that did: {days}")
    line = {"at": wall_now().isoformat(timespec="seconds"), "date": date, "label": label}
    append_json_line(state / LABELS_FILE, line)

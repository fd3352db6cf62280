"""Status: one screen of where a profile stands, from its files alone."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

from tf_lib.app.connection import last_day_known
from tf_lib.app.options import ProfileOptions
from tf_lib.app.record.impediment_rows import standing_impediments
from tf_lib.app.record.packed import changed_record
from tf_lib.core.model.cooldown import is_cooling
from tf_lib.core.model.day_result import result_in_lines
from tf_lib.core.model.impediments import in_a_line
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.run_rows import summary_file
from tf_lib.errors import EXIT_DONE
from tf_lib.exchange.clock import wall_now
from tf_lib.project import RUN_COMMAND, default_runs
from tf_lib.store.ledger import LEDGER_FILE, Ledger
from tf_lib.store.ledger_state import LedgerState
from tf_lib.store.run_folder import ProfileFolder

_LISTED = {
    "cooldowns": "cooling down since",
    "locked": "locked until tf release",
    "bare_now": "without a stop since",
}


def status_command(options: ProfileOptions, *, as_json: bool) -> int:
    """Print the last day, what is held and protected, and what needs a person."""
    name, parameters, folder = options.load()
    ledger = Ledger(folder.state / LEDGER_FILE, wall_now)
    days = parameters.execution_and_costs.cooldown_counter_threshold
    found = _facts(folder, ledger.state, days)
    pause = ledger.state.paused_on(last_day_known(parameters, ledger.state.marks))
    found["sold_since"] = sorted(_sold_since(ledger.state, found["last_day"]))
    found["paused"] = None if pause is None else pause.to_mapping()
    wish = ledger.state.flatten
    found["flatten"] = None if wish is None else wish.to_mapping()
    if options.runs is not None and not options.runs.is_dir():
        print(
            f"--runs {options.runs}: there is no such folder; name the one that holds the "
            f"folders of the profiles. Without --runs it is {default_runs()}",
            file=sys.stderr,
        )
    print(json.dumps(found, indent=2) if as_json else _screen(name, found, options.in_words))
    return EXIT_DONE


def _facts(folder: ProfileFolder, state: LedgerState, cooldown_days: int) -> dict[str, Any]:
    newest = next(iter(reversed(folder.days())), None)
    summary = _summary(newest)
    today = wall_now().date() if not summary else dt.date.fromisoformat(summary["date"])
    return {
        "profile": folder.profile,
        "last_day": newest.name if newest is not None else None,
        "state": summary.get("state", "not finished" if newest is not None else "never ran"),
        "exit_code": summary.get("exit_code"),
        "done": newest is not None and (newest / "done.json").exists(),
        "equity": summary.get("equity"),
        "cash": summary.get("cash"),
        "result": summary.get("result") or {},
        "positions": summary.get("positions", {}),
        "open_orders": [
            {"client_id": o.client_id, "product": o.product_id, "stage": str(o.stage)}
            for o in state.live_orders()
        ],
        "cooldowns": {
            ticker: start.isoformat()
            for ticker, start in sorted(state.cooldowns.items())
            if is_cooling(start, today, days=cooldown_days)
        },
        "locked": dict(state.locked),
        "bare_now": {p: since.isoformat() for p, since in state.bare_since.items()},
        "impediments": [one.to_mapping() for one in standing_impediments(folder.state)],
        "record_changed": [] if newest is None else changed_record(newest),
        "errors": [line.get("message") for line in summary.get("errors", [])],
    }


def _sold_since(state: LedgerState, last_day: str | None) -> set[str]:
    """Return the positions that are gone since the last day's effects, as far as anybody looked."""
    marks = {} if last_day is None else state.marks.get(dt.date.fromisoformat(last_day), {})
    looked = marks.get("effects_complete")
    if looked is None:
        return set()
    gone = {name for name, line in state.flat_line.items() if line > looked["line"]}
    return gone - set(state.levels)


def _summary(newest: Path | None) -> dict[str, Any]:
    if newest is None:
        return {}
    path = newest / summary_file(newest.name)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        found = None
    if _is_sound(found, newest.name):
        return dict(found)
    message = (
        f"{path}: this summary cannot be read, so no holding is shown; cooldowns, locks and orders "
        "are the ledger's and stand. tf guard asks the exchange what is held and covers it"
    )
    return {"date": newest.name, "state": "unreadable", "errors": [{"message": message}]}


def _is_sound(found: Any, day: str) -> bool:
    """Whether a summary has the form that the screen shows; it may be of years ago, or spoilt."""
    if not isinstance(found, dict) or found.get("date") != day:
        return False
    rows, errors = found.get("positions", {}), found.get("errors", [])
    equity, cash = found.get("equity"), found.get("cash")
    are_numbers = all(isinstance(each, int | float) for each in (equity, cash))
    return (
        (equity is None or are_numbers)
        and isinstance(rows, dict)
        and all(
            isinstance(row, dict) and {"stop", "status", "notional"} <= set(row)
            for row in rows.values()
        )
        and isinstance(errors, list)
        and all(isinstance(line, dict) for line in errors)
    )


def _paused(found: dict[str, Any]) -> list[str]:
    """Return the lines of a pause, and of a flatten that did not finish."""
    wish = found["flatten"]
    open_ = [] if wish is None else [f"UNFINISHED: {wish['in_words']}; {wish['what_to_do']}"]
    return open_ + _pause(found)


def _pause(found: dict[str, Any]) -> list[str]:
    return (
        []
        if found["paused"] is None
        else [found["paused"]["in_words"].replace("paused", "PAUSED", 1)]
    )


def _screen(name: str, found: dict[str, Any], option: str) -> str:
    if found["last_day"] is None:
        said = f"profile {name}: never ran. Start with {RUN_COMMAND} {option}"
        return "\n".join([said, *_paused(found)])
    equity, code = found["equity"], found["exit_code"]
    ended = "no exit code" if code is None else f"exit {code}"
    lines = [
        f"profile {name}, {found['last_day']}: {found['state']} ({ended})",
        f"equity {equity:,.2f}, cash {found['cash']:,.2f}" if equity is not None else "no equity",
    ]
    lines += _paused(found)
    lines += result_in_lines(found["result"], found["result"].get("currency", ""))
    for ticker, row in found["positions"].items():
        none = "too small for a stop" if row["status"] == "skip" else "NO STOP"
        stop = f"stop {row['stop']}" if row["stop"] else none
        if ticker in found["sold_since"]:
            lines.append(f"  {ticker:10} sold since")
            continue
        mark = "  NOT PROTECTED" if row["status"] == "failed" else ""
        lines.append(f"  {ticker:10} {float(row['notional'] or 0):>12,.2f}  {stop}{mark}")
    for key, title in _LISTED.items():
        if found[key]:
            lines.append(f"{title}: " + ", ".join(f"{k} ({v})" for k, v in found[key].items()))
    if found["impediments"]:
        lines.append("stands in the way:")
        lines.extend(f"  {in_a_line(one)}" for one in found["impediments"])
    lines.extend(
        f"order {order['client_id']} of {order['product']} is {order['stage']}"
        for order in found["open_orders"]
        if order["stage"] != OrderStage.WORKING
    )
    lines.extend(f"RECORD CHANGED: {words}" for words in found["record_changed"])
    lines.extend(f"error: {message}" for message in found["errors"])
    return "\n".join(lines)

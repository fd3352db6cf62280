"""
Replay: a run's plan made again from its inputs, and compared.

Reads ``inputs/`` and ``config.yaml`` for the decision and the run's own artifacts to compare
with, nothing else. The inputs are sealed by their sha256, so that a digit that happens not to
matter for the plan is seen, too. On the machine of the run, with the same lock file, the plan is
the same to the byte; elsewhere decisions and order strings are equal and numbers within 1e-9.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tf_lib.app.options import ProfileOptions
from tf_lib.app.record.resumption import ACCOUNT_NOW, SEAL
from tf_lib.app.record.run_inputs import (
    account_from,
    candles_from,
    config_of,
    day_of,
    finished_run,
)
from tf_lib.core.decision import covariance_at
from tf_lib.core.plan import Inputs, decision_of, lagged, plan_of, signals_of
from tf_lib.errors import (
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_FAILED,
    BarsError,
    ParameterError,
    StateError,
    TfError,
)
from tf_lib.store.run_folder import RunFolder

TOLERANCE = 1e-9
_MOST_SHOWN = 10


def replay_all_command(options: ProfileOptions, *, last: int | None) -> tuple[str, int]:
    """
    Replay the days of a profile, or the last ones, with the installed code, newest last.

    After an update it says which decisions would have been others, and by how much. 0: none;
    1: at least one; 2: there is nothing to replay.
    """
    if last is not None and last < 1:
        raise ParameterError(f"--last must be at least 1, got {last}")
    folder = options.load()[2]
    days = folder.days()[-last:] if last is not None else folder.days()
    lines, codes = [], []
    for day in days:
        said, code = replay_command(day)
        codes.append(code)
        head = {EXIT_DONE: "the same", EXIT_FAILED: "DIFFERS"}.get(code, "not replayed")
        lines.append(f"{day.name}  {head}")
        if code != EXIT_DONE:
            lines += [f"  {line}" for line in (_decided_otherwise(day) or said.splitlines())]
    n_same = codes.count(EXIT_DONE)
    lines.append(f"{n_same} of {len(days)} days decide the same, {codes.count(EXIT_FAILED)} differ")
    if EXIT_FAILED in codes:
        return "\n".join(lines), EXIT_FAILED
    return "\n".join(lines), EXIT_DONE if n_same else EXIT_BAD_INPUT


def _decided_otherwise(day: Path) -> list[str]:
    """Return what a day's plan would be now where that is another one, in money."""
    folder = finished_run(day)
    try:
        recorded = folder.read_json("plan.json")
        again = json.loads(_again(folder, recorded.get("attempt"))[0])
        then, now = (plan["decision"]["tickers"] for plan in (recorded, again))
        found = []
        for ticker in sorted({*then, *now}):
            one, other = then.get(ticker, {}), now.get(ticker, {})
            if _moves(one, other):
                found.append(f"{ticker}: {_in_money(one)} then, {_in_money(other)} now")
    except (TfError, KeyError, ValueError, TypeError, AttributeError):
        return []
    return found


def _moves(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    names = ("reason", "target_notional", "trade_notional")
    return not all(_same(one.get(name), other.get(name)) for name in names)


def _in_money(row: Mapping[str, Any]) -> str:
    if not row:
        return "not in the universe"
    target, trade = float(row["target_notional"]), float(row["trade_notional"])
    return f"target {target:,.2f}, trade {trade:+,.2f} ({row['reason']})"


def replay_command(run_dir: Path) -> tuple[str, int]:
    """
    Replay a run folder; return what there is to say and the exit code.

    0: the same (perhaps with a note that bytes differ within the tolerance); 1: it differs, with
    the first differences; 2: there is nothing to replay.
    """
    folder = finished_run(Path(run_dir))
    if not (folder.path / "plan.json").is_file():
        return f"nothing to replay: {_lacks_a_plan(folder.path)}", EXIT_BAD_INPUT
    try:
        recorded = folder.read_json("plan.json")
        recorded_text = (folder.path / "plan.json").read_text(encoding="utf-8")
        broken = folder.broken_seals(SEAL)
        again, tables = _again(folder, recorded.get("attempt"))
    except (StateError, BarsError, ParameterError) as error:
        return f"nothing to replay: {error}", EXIT_BAD_INPUT
    except (TfError, KeyError, ValueError, TypeError) as error:
        return f"the inputs of {run_dir} give no plan: {error}", EXIT_FAILED
    found = [*broken, *_differences(recorded, json.loads(again), "plan")]
    for name, table in tables.items():
        found.extend(_table_differences(folder, name, table))
    if found:
        shown = "\n".join(f"  {line}" for line in found[:_MOST_SHOWN])
        return f"DIFFERS in {len(found)} places, the first:\n{shown}", EXIT_FAILED
    if again == recorded_text:
        resumed = (folder.path / ACCOUNT_NOW).exists()
        whose = f" (the plan of attempt {recorded['attempt']}, carried on)" if resumed else ""
        return f"the same, byte for byte: {run_dir}{whose}", EXIT_DONE
    return f"the same within {TOLERANCE:g}, not byte for byte (another machine?)", EXIT_DONE


def _lacks_a_plan(path: Path) -> str:
    """Say why a folder is none of a run that came to a plan, and which one to name."""
    if not path.is_dir():
        return f"{path}: there is no such folder of a run. Name one, as runs/<profile>/<day>"
    plans = sorted(path.glob("*/plan.json")) or sorted(path.glob("*/*/plan.json"))
    if plans:
        return f"{path} holds runs and is none itself. Name one of them, as {plans[-1].parent}"
    return f"{path} has no plan.json: it is none of a run, or of one that ended before its plan"


def _again(folder: RunFolder, attempt: int | None) -> tuple[str, dict[str, pd.DataFrame]]:
    """Make plan, signals and covariance again from the inputs."""
    config = config_of(folder.path)
    inputs = Inputs(day_of(folder), config, candles_from(folder), account_from(folder))
    bars = lagged(inputs.candles, inputs.day, config)
    computed = signals_of(inputs, bars)
    plan = replace(plan_of(inputs, decision_of(inputs, bars, computed)), attempt=attempt)
    matrix = covariance_at(computed, config, as_of=inputs.day)
    tickers = list(computed.tickers)
    covariance = pd.DataFrame(matrix, index=pd.Index(tickers, name="ticker"), columns=tickers)
    return plan.to_json(), {
        "signals.parquet": computed.to_frame(),
        "covariance.parquet": covariance,
    }


def _differences(recorded: Any, again: Any, where: str) -> Iterator[str]:
    """Yield where two values differ: text and structure exactly, numbers within the tolerance."""
    if isinstance(recorded, Mapping) and isinstance(again, Mapping):
        for key in sorted({*recorded, *again}):
            if key not in recorded or key not in again:
                side = "only in the record" if key in recorded else "only in the replay"
                yield f"{where}.{key}: {side}"
            else:
                yield from _differences(recorded[key], again[key], f"{where}.{key}")
    elif isinstance(recorded, list) and isinstance(again, list):
        if len(recorded) != len(again):
            yield f"{where}: {len(recorded)} in the record, {len(again)} in the replay"
        for number, (one, other) in enumerate(zip(recorded, again, strict=False)):
            yield from _differences(one, other, f"{where}[{number}]")
    elif not _same(recorded, again):
        yield f"{where}: {recorded!r} in the record, {again!r} in the replay"


def _same(one: Any, other: Any) -> bool:
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    if not numbers or isinstance(one, bool) or isinstance(other, bool):
        return bool(one == other) and type(one) is type(other)
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _table_differences(folder: RunFolder, name: str, again: pd.DataFrame) -> Iterator[str]:
    recorded = folder.read_frame(name)
    if "date" in recorded.columns:
        again = again[again["date"] >= recorded["date"].min()]
    if list(recorded.columns) != list(again.columns) or len(recorded) != len(again):
        yield f"{name}: shape or columns differ"
        return
    for column in recorded.columns:
        one, other = recorded[column].to_numpy(), again[column].to_numpy()
        if np.issubdtype(one.dtype, np.floating):
            same = np.isclose(one, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        else:
            same = one == other
        if not same.all():
            row = int(np.flatnonzero(~same)[0])
            yield f"{name}: {column} row {row}: {one[row]!r} recorded, {other[row]!r} replayed"

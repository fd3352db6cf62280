"""The ``compare`` command: two days side by side, by what was set, decided and held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tf_lib.app.commands.records.days import day_folder
from tf_lib.app.options import ProfileOptions
from tf_lib.app.record.resumption import CONFIG
from tf_lib.app.record.run_inputs import finished_run
from tf_lib.core.model.run_rows import summary_file
from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.parameters import flat
from tf_lib.store.run_folder import RunFolder
from tf_lib.text.shown import shown
from tf_lib.text.written import read_yaml

_OF_TICKER = ("reason", "final_signal", "target_notional", "close")
_MONEY = 10.0
_OF_DAY = ("state", "exit_code", "equity", "cash")


def compare_command(options: ProfileOptions, one: str, other: str) -> int:
    """Print what differs between two days of a profile, or between two run folders."""
    profile = options.load()[2]
    folders = [Path(name) if "/" in name else day_folder(profile, name) for name in (one, other)]
    for path in folders:
        if not path.is_dir():
            raise ParameterError(f"{path}: there is no such folder of a run")
    runs = [finished_run(path) for path in folders]
    found = [*_parameters(*runs), *_days(*runs), *_tickers(*runs)]
    print(f"{folders[0]}  |  {folders[1]}")
    print("\n".join(found) if found else "the same parameters, decisions and money")
    return EXIT_DONE


def _parameters(one: RunFolder, other: RunFolder) -> Iterator[str]:
    left, right = (flat(read_yaml(run.path / CONFIG)) for run in (one, other))
    for key in dict.fromkeys([*left, *right]):
        if left.get(key) != right.get(key):
            values = [shown(each.get(key)) if key in each else "-" for each in (left, right)]
            yield f"parameter {key}: {values[0]}  |  {values[1]}"


def _days(one: RunFolder, other: RunFolder) -> Iterator[str]:
    left, right = (run.read_json(summary_file(run.path.name[:10])) for run in (one, other))
    for key in _OF_DAY:
        if left.get(key) != right.get(key):
            yield f"{key}: {_said(left.get(key))}  |  {_said(right.get(key))}"
    held = [{t: row.get("notional") for t, row in s["positions"].items()} for s in (left, right)]
    for ticker in sorted({*held[0], *held[1]}):
        if held[0].get(ticker) != held[1].get(ticker):
            values = [_said(each.get(ticker, 0.0)) for each in held]
            yield f"held {ticker}: {values[0]}  |  {values[1]}"


def _tickers(one: RunFolder, other: RunFolder) -> Iterator[str]:
    left, right = (
        run.read_json("plan.json")["decision"]["tickers"]
        if (run.path / "plan.json").exists()
        else {}
        for run in (one, other)
    )
    for ticker in sorted({*left, *right}):
        rows = [each.get(ticker, {}) for each in (left, right)]
        said = {key: [_said(row.get(key)) for row in rows] for key in _OF_TICKER}
        parts = [f"{key} {a} | {b}" for key, (a, b) in said.items() if a != b]
        if parts:
            yield f"{ticker}: {'; '.join(parts)}"


def _said(value: Any) -> str:
    """Return a value as a person compares it: money to the cent, small numbers to four digits."""
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= _MONEY else f"{round(value, 4):g}"
    return "-" if value is None else shown(value).strip("'")

"""Replay: the same plan from the same inputs to the byte, and no changed digit goes unseen."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.app.profile import Profile, after_days, command, must_end, tree, write_parameters

DAY = "2024-03-11"
THREE = ("2024-03-08", DAY, "2024-03-18")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Return a profile with three days: entries, adds and a raise, a trim."""
    folder = tmp_path_factory.mktemp("ran")
    return after_days(write_parameters(folder / "demo.yaml"), *THREE)


@pytest.fixture
def day(ran: Profile, tmp_path: Path) -> Path:
    """Return a copy of one day's folder, somewhere else, to change."""
    return shutil.copytree(ran.day(DAY), tmp_path / DAY, copy_function=shutil.copyfile)


def replayed(folder: Path) -> tuple[int, str]:
    return command("replay", str(folder))


@pytest.mark.parametrize("number", range(3))
def test_the_same_to_the_byte(ran: Profile, number: int) -> None:
    """Said so, exit 0, and the folder is not touched."""
    folder = ran.day(THREE[number])
    before = tree(folder)

    code, said = replayed(folder)

    assert (code, said) == (0, f"the same, byte for byte: {folder}\n")
    assert tree(folder) == before


def test_inputs_and_parameters_are_enough(day: Path) -> None:
    """Ledger, logs and exchange are not looked at; the folder may be anywhere."""
    for name in ("logs", "snapshots", "journal.jsonl", "session.json", "account_after.json"):
        path = day / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    assert replayed(day)[0] == 0


def change_digit(path: Path, pattern: str) -> None:
    """Change the last digit of the first match by one."""
    text = path.read_text(encoding="utf-8")
    found = re.search(pattern, text)
    assert found, pattern
    number = found[1]
    other = number[:-1] + ("4" if number[-1] != "4" else "5")
    start, end = found.span(1)
    path.write_text(text[:start] + other + text[end:], encoding="utf-8")


@pytest.mark.parametrize(
    "pattern",
    [
        r'"available": "(\d+\.\d+)"',
        r'"last": "(\d+\.\d+)"',
        r'"bid": "(\d+\.\d+)"',
        r'"hold": "(\d+\.\d+)"',
        r'"taker": (0\.\d+)',
        r'"base_increment": "(\d+\.\d+)"',
        r'"read_at": "2024-03-11T00:01:(\d\d)',
        r'"open_stops": \{\s+"[A-Z]+-USD": "(\d+\.\d+)"',
        r'"levels": \{\s+"[A-Z]+-USD": "(\d+\.\d+)"',
    ],
)
def test_a_digit_of_the_account(day: Path, pattern: str) -> None:
    """Whichever: exit 1 with the file and the first differences."""
    change_digit(day / "inputs" / "account.json", pattern)

    said = must_end(replayed(day), 1)

    assert said.startswith("DIFFERS in ")
    assert "inputs/account.json is not the file this run wrote" in said


@pytest.mark.parametrize(
    "pattern",
    [r"atr_multiplier: (1\.75)", r"seed: (7)", r"cap_low: (0\.35)", r"end_date: '(202\d)"],
)
def test_a_digit_of_the_parameters(day: Path, pattern: str) -> None:
    """Also one that the decision does not use."""
    change_digit(day / "config.yaml", pattern)

    said = must_end(replayed(day), 1)

    assert "config.yaml is not the file this run wrote" in said


Change = Callable[[pd.DataFrame], None]


def set_last_close(table: pd.DataFrame) -> None:
    at = table.index[table["ticker"] == "BTC-USD"][-1]
    table.loc[at, "close"] += 0.01


def set_first_volume(table: pd.DataFrame) -> None:
    table["volume"] += np.where(table.index == 0, 1.0, 0.0)


def set_old_high(table: pd.DataFrame) -> None:
    table["high"] += np.where(table.index == 3, 0.01, 0.0)


@pytest.mark.parametrize("change", [set_last_close, set_first_volume, set_old_high])
def test_a_digit_of_the_candles(day: Path, change: Change) -> None:
    """Also one that is years old, and one of a volume, which nothing looks at."""
    path = day / "inputs" / "candles.parquet"
    table = pd.read_parquet(path)
    change(table)
    table.to_parquet(path, engine="pyarrow", compression="zstd")

    said = must_end(replayed(day), 1)

    assert "inputs/candles.parquet is not the file this run wrote" in said


def test_the_first_differences_are_shown(day: Path) -> None:
    """A price that moves equity: which figure, what was recorded, what came now."""
    change_digit(day / "inputs" / "account.json", r'"bid": "(\d)')

    lines = replayed(day)[1].splitlines()

    assert re.fullmatch(r"DIFFERS in \d+ places, the first:", lines[0])
    assert len(lines) <= 11
    assert any(re.search(r"plan\.\S+: \S+ in the record, \S+ in the replay", x) for x in lines)


def test_a_changed_plan_or_table(day: Path) -> None:
    """The record may be what was changed: it is compared as well."""
    plan = json.loads((day / "plan.json").read_text(encoding="utf-8"))
    plan["orders"][0]["base_size"] += "1"
    (day / "plan.json").write_text(json.dumps(plan, indent=2, sort_keys=True), encoding="utf-8")
    code, said = replayed(day)
    assert (code, "plan.orders[0].base_size" in said) == (1, True)

    table = pd.read_parquet(day / "signals.parquet")
    table.loc[table.index[-1], "ma_rank"] += 1e-6
    table.to_parquet(day / "signals.parquet")

    assert "signals.parquet: ma_rank row" in replayed(day)[1]


def test_another_machines_rounding_is_a_note(day: Path) -> None:
    """Numbers within 1e-9 are the same, decisions and order strings must be equal."""
    plan = json.loads((day / "plan.json").read_text(encoding="utf-8"))
    plan["decision"]["portfolio"]["equity"] += 1e-11
    text = json.dumps(plan, indent=2, sort_keys=True) + "\n"
    (day / "plan.json").write_text(text, encoding="utf-8")

    said = must_end(replayed(day))

    assert said == "the same within 1e-09, not byte for byte (another machine?)\n"


@pytest.mark.parametrize(
    "name", ["plan.json", "config.yaml", "inputs/account.json", "inputs/candles.parquet"]
)
def test_nothing_to_replay(day: Path, name: str) -> None:
    """A file that is missing, or holds nothing that can be read: exit 2, and its name."""
    (day / name).unlink()
    code, said = replayed(day)
    assert (code, name in said) == (2, True), said

    (day / name).write_bytes(b"\x00\x01 broken {")
    code, said = replayed(day)

    assert (code, Path(name).name in said) == (2, True), said
    assert "Traceback" not in said


def test_missing_folder(tmp_path: Path) -> None:
    """Exit 2 with its name."""
    said = must_end(replayed(tmp_path / "nowhere"), 2)

    assert str(tmp_path / "nowhere") in said


def test_a_failed_run_has_nothing_to_replay(ran: Profile, tmp_path: Path) -> None:
    """A day that never came to a plan."""
    early = Profile(ran.config, tmp_path / "runs")
    assert early.run("2018-02-01")[0] == 2

    said = must_end(replayed(early.day("2018-02-01")), 2)

    assert said.startswith("nothing to replay: ")


def test_the_folder_of_a_profile(ran: Profile) -> None:
    """Holds runs: one of them is named."""
    said = must_end(replayed(ran.folder), 2)

    assert f"{ran.folder} holds runs and is none itself. Name one of them, as {ran.folder}/" in said

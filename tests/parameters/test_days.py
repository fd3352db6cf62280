"""Days have one form, YYYY-MM-DD, in parameters, in every option and in portfolio files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.profile import PROJECT, command

STRATEGY = PROJECT / "parameters" / "strategy_v020.yaml"
OTHER_FORMS = (
    "20240101", "2024-W01-1", "2024W011", "2024-001", "2024-1-1", "2024-01-01T00:00", " 2024-01-01",
    "2024-02-30", "\u0662\u0660\u0662\u0664-\u0660\u0661-\u0660\u0661", "",
)  # fmt: skip
COMMANDS = (
    ("decide", "--portfolio", "p.json", "--as-of"),
    ("backtest", "--out", "out", "--start"),
    ("backtest", "--out", "out", "--end"),
    ("sweep", "--grid", "g.yaml", "--out", "out", "--start"),
    ("sweep", "--grid", "g.yaml", "--out", "out", "--end"),
)


@pytest.mark.parametrize("text", OTHER_FORMS)
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda each: f"{each[0]} {each[-1]}")
def test_options(tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    """Exit 2 before anything is read."""
    files = ("--config", str(STRATEGY), "--candles", str(tmp_path / "nowhere"))

    code, said = command(*arguments[:-1], *files, arguments[-1], text)

    assert code == 2
    assert f"{arguments[-1]} must be a day as YYYY-MM-DD, got " in said


@pytest.mark.parametrize("text", OTHER_FORMS)
def test_date_of_a_run_and_of_the_simulator(tmp_path: Path, text: str) -> None:
    """The clock that would be moved stays where it is."""
    code, said = command("run", "--date", text, "--runs", str(tmp_path / "runs"))
    assert (code, not (tmp_path / "runs").exists()) == (2, True)
    assert "--date must be a day as YYYY-MM-DD" in said

    code, said = command("simulator", "--candles", "synthetic", "--as-of", text)
    assert code == 2
    assert "--as-of must be a day as YYYY-MM-DD" in said


@pytest.mark.parametrize("text", OTHER_FORMS)
@pytest.mark.parametrize("key", ["start_date", "end_date", "signal_start_date"])
def test_parameters(tmp_path: Path, key: str, text: str) -> None:
    """`20240101` would come after `2024-02-29`, compared as text."""
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: {STRATEGY}\nrun:\n  {key}: '{text}'\n", encoding="utf-8")

    code, said = command("status", "--config", str(path), "--runs", str(tmp_path / "runs"))

    assert code == 2
    assert f"{path}: run.{key}: got {text!r}; expected a day as YYYY-MM-DD" in said
    assert "(line 3)" in said


@pytest.mark.parametrize("text", OTHER_FORMS)
def test_portfolio_files(tmp_path: Path, text: str) -> None:
    """Days of cooldowns, too."""
    path = tmp_path / "portfolio.json"
    path.write_text(json.dumps({"cooldowns": {"BTC-USD": text}}), encoding="utf-8")

    code, said = command(
        "decide", "--config", str(STRATEGY), "--candles", str(tmp_path),
        "--as-of", "2024-03-01", "--portfolio", str(path),
    )  # fmt: skip

    assert code == 2
    assert f"{path}: cooldowns.BTC-USD: expected a day as YYYY-MM-DD" in said

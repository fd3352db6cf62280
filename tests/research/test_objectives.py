"""Objectives: one rule of what is best, for the table, the folds and the judgement."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.research.sweeping import ATR, FAST, THRESHOLD, write_inputs
from tf_lib.app.commands.research.sweep import sweep_command
from tf_lib.errors import ParameterError
from tf_lib.research.backtest.statistics import performance
from tf_lib.research.inference.objectives import KINDS, Objective, objective_of
from tf_lib.research.inference.splits import WalkForward, walk_forward_folds
from tf_lib.research.search.sweep_file import ObjectiveOptions
from tf_lib.research.sweep.selection import BestPerFold

GRID = f"{FAST}: [10, 20, 40]\n{ATR}: [1.5, 2.5, 4.0]\n"
OWN = """import math

def score(returns, metrics):
    if metrics["max_drawdown"] < -0.9:
        return math.nan
    return float(metrics["cagr"] - 2.0 * abs(metrics["max_drawdown"]))

def broken(returns, metrics):
    return metrics["no such figure"]
"""


@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_those_of_a_track_record(kind: str) -> None:
    """Row by row what `performance` says of the same days."""
    rows = np.random.default_rng(3).normal(0.001, 0.02, (5, 400))
    found = Objective(kind).figures(rows)
    expected = [performance(np.cumprod(1.0 + row), 1.0)[kind] for row in rows]

    assert found.tolist() == pytest.approx(expected, rel=1e-9)


def test_figures_by_hand() -> None:
    """Two days of a two-day year: 1.1 x 0.9 = 0.99, so CAGR -1 %; down 10 % from the peak."""
    rows = np.array([[0.1, -0.1]])

    assert Objective("cagr", days_per_year=2).figures(rows)[0] == pytest.approx(-0.01)
    assert Objective("calmar", days_per_year=2).figures(rows)[0] == pytest.approx(-0.1)
    assert Objective("sortino", days_per_year=2).figures(rows)[0] == pytest.approx(0.0)
    assert Objective("sharpe", days_per_year=2).figures(rows)[0] == pytest.approx(0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_that_never_moved_or_fell_too_deep_has_no_figure(kind: str) -> None:
    """The limit itself is allowed, to the last digit that is written."""
    rows = np.array([[0.0, 0.0, 0.0], [0.3, -0.25, 0.4], [0.3, -0.26, 0.4]])
    found = Objective(kind, max_drawdown=0.25).figures(rows)

    assert np.isfinite(found).tolist() == [False, True, False]


def test_folds_choose_by_the_objective() -> None:
    """By a plain loop over the training days; what has no figure is chosen last."""
    returns = np.random.default_rng(4).normal(0, 0.02, (6, 200))
    by = Objective("cagr", max_drawdown=0.2)
    watcher = BestPerFold(walk_forward_folds(200, WalkForward(60, 40)), by)
    watcher.see([5, 4, 3], returns[[5, 4, 3]])
    watcher.see([2, 1, 0], returns[[2, 1, 0]])
    chosen = set()
    for choice in watcher.chosen:
        train = [performance(np.cumprod(1.0 + row[choice.fold.train]), 1.0) for row in returns]
        figures = [one["cagr"] if one["max_drawdown"] >= -0.2 else -np.inf for one in train]
        chosen.add(choice.number)

        assert choice.number == int(np.argmax(figures))
        assert choice.train_figure == pytest.approx(max(figures))
    assert len(chosen) > 1


def test_best_is_one_rule_from_the_table_to_the_walk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """CAGR under a limit: table, summary, plateau and terminal name sets within it."""
    text = GRID + "objective: {kind: cagr, max_drawdown: 0.105}\n"
    config, grid, candles = write_inputs(tmp_path, text)
    out = tmp_path / "out"
    sweep_command(config, grid, candles, out, n_workers=1)
    first = {file.name: file.read_bytes() for file in out.iterdir() if file.is_file()}
    said = capsys.readouterr().out
    summary = json.loads(first["summary.json"])
    table = pd.read_csv(out / "results.csv")
    allowed = table[table["max_drawdown"] >= -0.105]

    assert 0 < len(allowed) < len(table)
    assert table["objective"].notna().tolist() == (table["max_drawdown"] >= -0.105).tolist()
    assert allowed["objective"].tolist() == pytest.approx(allowed["cagr"].tolist(), rel=1e-9)
    assert summary["best"]["set"] == allowed.set_index("set")["cagr"].idxmax()
    assert summary["best_plateau"]["set"] in set(allowed["set"])
    assert summary["objective"]["best"] == summary["best"]["objective"]
    assert summary["objective"]["max_drawdown"] == 0.105
    assert "Luck is told by Sharpe ratios" in summary["objective"]["judged_by"]
    assert f"best     set {summary['best']['set']}: CAGR" in said
    assert "train_objective" in pd.read_csv(out / "walk_forward.csv").columns
    assert "sets with the highest CAGR" in first["report.html"].decode()
    sweep_command(config, grid, candles, out, n_workers=1)
    assert {name: (out / name).read_bytes() for name in first} == first


def test_no_set_within_the_limit_is_no_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said plainly, and nothing passes."""
    config, grid, candles = write_inputs(tmp_path, GRID)
    options = ObjectiveOptions("calmar", 0.001)
    sweep_command(config, grid, candles, tmp_path / "out", n_workers=1, options=options)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())

    assert summary["best"] is None
    assert summary["sharpe"] is None
    assert summary["best_plateau"] is None
    assert not summary["passed"]
    assert "best     none: no set that traded" in capsys.readouterr().out


def test_a_function_of_ones_own_ranks_and_is_in_the_record(tmp_path: Path) -> None:
    """Beside the grid file; its digest says which text it was."""
    config, grid, candles = write_inputs(tmp_path, GRID + "objective: mine.py:score\n")
    (tmp_path / "mine.py").write_text(OWN)
    sweep_command(config, grid, candles, tmp_path / "out", n_workers=1)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    score = table["cagr"] - 2.0 * table["max_drawdown"].abs()

    assert summary["best"]["set"] == score.to_numpy().argmax()
    assert table["objective"].tolist() == pytest.approx(score.tolist(), rel=1e-6)
    assert summary["objective"]["function"] == "mine.py:score"
    assert summary["objective"]["sha256"] == hashlib.sha256(OWN.encode()).hexdigest()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("sharp", "did you mean 'sharpe'"),
        ({"kind": "cagr", "drawdown": 0.3}, "expected {kind, max_drawdown}"),
        ({"kind": "cagr", "max_drawdown": 30}, "a fraction between 0 and 1"),
        ("absent.py:score", "absent.py: there is no such file"),
        ("mine.py:scores", "has no function 'scores'; it has score, broken"),
        ("mine.py", "expected FILE.py:FUNCTION"),
        ("torn.py:score", "SyntaxError"),
        (None, "expected one of"),
    ],
)
def test_what_cannot_be_an_objective_is_said(tmp_path: Path, given: object, said: str) -> None:
    """By the file and what was wanted."""
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "torn.py").write_text("def score(:\n")

    with pytest.raises(ParameterError, match=r"g\.yaml: objective") as caught:
        objective_of(given, source="g.yaml", folder=tmp_path)
    assert said in str(caught.value)


def test_a_function_that_fails_is_named_with_its_line(tmp_path: Path) -> None:
    """Not a traceback of the sweep."""
    (tmp_path / "mine.py").write_text(OWN)
    by = objective_of("mine.py:broken", source="g.yaml", folder=tmp_path)

    with pytest.raises(ParameterError, match=r"mine\.py:broken: failed on 3 days .*line 9: KeyErr"):
        by.figures(np.array([[0.1, 0.0, 0.2]]))


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    """And a bad limit of it is named as its own."""
    config, grid, candles = write_inputs(tmp_path, f"{THRESHOLD}: [0.05, 0.1]\nobjective: calmar\n")
    options = ObjectiveOptions("sortino")
    sweep_command(config, grid, candles, tmp_path / "out", n_workers=1, options=options)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())

    assert summary["objective"]["kind"] == "sortino"
    with pytest.raises(ParameterError, match="--max-drawdown: max_drawdown must be a fraction"):
        sweep_command(
            config, grid, candles, tmp_path / "two", options=ObjectiveOptions(max_drawdown=3.0)
        )
    assert not (tmp_path / "two").exists()

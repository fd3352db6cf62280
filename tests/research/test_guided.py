"""A guided search: every step counts, the same seed is the same bytes, whatever happened."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.research.sweeping import ATR, CAP, FAST, THRESHOLD, config, planned, write_inputs
from tf_lib.app.commands.research.sweep import sweep_command
from tf_lib.errors import ParameterError
from tf_lib.research.inference.objectives import Objective
from tf_lib.research.search.guided import guided_sweep
from tf_lib.research.search.proposals import SearchSettings, Step, proposals, search_of
from tf_lib.research.search.sweep_file import sweep_file_of
from tf_lib.research.sweep.evaluate import Evaluation
from tf_lib.research.sweep.grid import axes_of
from tf_lib.research.sweep.run_sweep import SweepResult
from tf_lib.research.sweep.study import Study
from tf_lib.research.sweep.trials import INVALID, TrialLedger
from tf_lib.research.sweep.workers import in_this_process

SETTINGS = SearchSettings("optuna", trials=12, seed=3, per_round=4)
SPACE: dict[str, Any] = {
    FAST: {"low": 5, "high": 300},  # above 200 it is no faster than the slow one: invalid
    ATR: [1.5, 2.5, 4.0],
    THRESHOLD: [0.05, 5.0],  # at 5 nothing is ever traded
}


def sought(folder: Path, **settings: Any) -> SweepResult:
    study, _, _ = planned({FAST: [20]})
    axes = axes_of(SPACE, config(), source="g.yaml")
    found = {"objective": Objective(), **settings}
    return guided_sweep(study, axes, found.pop("settings", SETTINGS), folder, **found)


def bytes_of(folder: Path, result: SweepResult) -> tuple[str, str, bytes]:
    ledger = (folder / "trials.jsonl").read_bytes()
    return result.table.to_csv(), json.dumps(result.to_mapping()), ledger


def test_every_step_is_a_row_and_a_trial(tmp_path: Path) -> None:
    """Those that are invalid and those that never traded as well; none of them is the best."""
    result = sought(tmp_path)
    table = result.table

    assert len(table) == len(TrialLedger(tmp_path)) == result.judgement.trials.n_trials == 12
    assert table.duplicated([FAST, ATR, THRESHOLD]).sum() == 0
    assert (table["status"] == INVALID).any()
    assert (table["trades"] == 0).any()
    assert result.best["sharpe"] == table["sharpe"].max()
    assert result.search is not None
    assert result.search["without_figure"] == table["sharpe"].isna().sum() > 0
    assert result.judgement.effective_trials > 1.0


def test_the_same_seed_is_the_same_bytes_however_a_round_was_shared(tmp_path: Path) -> None:
    """One at a time and backwards, too; another seed is another search."""

    def backwards(study: Study, portions: Sequence[Any]) -> Generator[list[Evaluation]]:
        yield from in_this_process(study, portions[::-1])

    one = sought(tmp_path / "one")
    three = sought(tmp_path / "three", workers=backwards, n_workers=3)
    other = sought(tmp_path / "other", settings=replace(SETTINGS, seed=4))

    assert bytes_of(tmp_path / "one", one) == bytes_of(tmp_path / "three", three)
    assert one.table[FAST].tolist() != other.table[FAST].tolist()


@pytest.mark.parametrize("n_portions", [1, 2, 5])
def test_a_search_that_was_stopped_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, n_portions: int
) -> None:
    """In the middle of a round, too; what was done is not done again, also without its ledger."""

    class StoppedError(Exception):
        pass

    left = [n_portions]
    evaluated: list[str] = []

    def counted(study: Study, portions: Sequence[Any], *, may_stop: bool) -> Any:
        for landed in in_this_process(study, portions):
            if may_stop and left[0] == 0:
                raise StoppedError
            left[0] -= 1
            evaluated.extend(one.key for one in landed)
            yield landed

    by = Objective("cagr", max_drawdown=0.3)
    whole = sought(tmp_path / "whole", objective=by)
    stopping = functools.partial(counted, may_stop=True)
    with pytest.raises(StoppedError):
        sought(tmp_path / "torn", objective=by, workers=stopping, n_workers=3)
    (tmp_path / "torn" / "trials.jsonl").unlink()
    again = functools.partial(counted, may_stop=False)
    resumed = sought(tmp_path / "torn", objective=by, workers=again)

    assert len(evaluated) == len(set(evaluated))
    assert bytes_of(tmp_path / "whole", whole)[0] == bytes_of(tmp_path / "torn", resumed)[0]
    assert bytes_of(tmp_path / "whole", whole)[1:] == bytes_of(tmp_path / "torn", resumed)[1:]


def test_sets_without_a_figure_are_a_lesson() -> None:
    """With 15 % of the range good, most steps come to lie there; told as nothing, few would."""
    axes = axes_of({CAP: {"low": 0.0, "high": 1.0}}, config(), source="g.yaml")
    steps: list[Step] = []
    while len(steps) < 100:
        for step in proposals(axes, steps, SearchSettings("optuna", 100), n=10):
            at = float(step.changes[CAP])
            steps.append(step if at > 0.15 else replace(step, figure=-at))

    assert sum(step.changes[CAP] > 0.15 for step in steps) <= 45


def test_a_space_that_is_used_up_ends_the_search(tmp_path: Path) -> None:
    """Six sets are six trials, however many were asked for; and it is said."""
    text = (
        f"search: {{kind: optuna, trials: 50, seed: 1}}\n{FAST}: [10, 20, 40]\n{ATR}: [1.5, 2.5]\n"
    )
    inputs = write_inputs(tmp_path, text)
    sweep_command(*inputs, tmp_path / "out", n_workers=1)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())

    assert summary["n_sets"] == summary["n_trials"] == summary["search"]["tried"] == 6
    assert "flatter" in summary["search"]["note"]
    assert "nothing new came up" in (tmp_path / "out" / "report.html").read_text()


def test_files_are_the_same_from_one_process_and_from_two(tmp_path: Path) -> None:
    """Real worker processes, started once for all rounds."""
    text = (
        "search: {kind: optuna, trials: 12, seed: 2, per_round: 4}\n"
        f"{FAST}: {{low: 5, high: 60}}\n"
    )
    inputs = write_inputs(tmp_path, text)
    for n_workers in (1, 2):
        sweep_command(*inputs, tmp_path / str(n_workers), n_workers=n_workers)
    files = [path.name for path in (tmp_path / "1").iterdir() if path.is_file()]

    assert {"results.csv", "summary.json", "trials.jsonl"} <= set(files)
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
    assert pd.read_csv(tmp_path / "1" / "results.csv")[FAST].between(5, 60).all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (300, "expected {kind: optuna"),
        ({"kind": "grid", "trials": 3}, "search.kind: expected optuna, got 'grid'"),
        ({"kind": "optuna"}, "search.trials: must be a whole number from 1 to 10000"),
        ({"kind": "optuna", "trials": 3, "seed": -1}, "search.seed"),
        ({"kind": "optuna", "trials": 3, "n": 2}, "unknown key"),
    ],
)
def test_what_cannot_be_a_search_is_said(given: object, said: str) -> None:
    """By key, with what came."""
    with pytest.raises(ParameterError) as caught:
        search_of(given, source="g.yaml")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"random": {"n": 3}}, "remove 'random'"),
        ({"run.warmup_days": [300, 310]}, "days and tickers are the same"),
        ({"signals.moving_average.fast": [3]}, "did you mean"),
    ],
)
def test_a_search_that_cannot_be_is_refused(more: dict[str, Any], said: str) -> None:
    """Before anything is computed."""
    content = {"search": {"kind": "optuna", "trials": 3}, FAST: [10, 20], **more}
    with pytest.raises(ParameterError) as caught:
        sweep_file_of(content, config(), source=Path("g.yaml"))
    assert said in str(caught.value)


def test_who_does_not_search_never_pays_for_the_sampler() -> None:
    """Neither the command line nor a sweep imports it."""
    code = (
        "import sys, tf_lib.app.cli, tf_lib.app.commands.research.sweep\n"
        "import tf_lib.research.search.guided\n"
        "print('optuna' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"

"""Two sweeps in one research folder: one after the other, and no set twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.research.sweeping import CAP, FAST, GRID, swept
from tf_lib.research.sweep.evaluate import Evaluation
from tf_lib.research.sweep.run_sweep import SweepResult
from tf_lib.research.sweep.study import Study
from tf_lib.research.sweep.trials import TrialLedger
from tf_lib.research.sweep.workers import in_this_process

OTHER = {FAST: [12, 14, 16], CAP: [0.5, 0.6]}


def at_once(folder: Path, second: dict[str, Any]) -> tuple[list[Any], SweepResult]:
    """Start a second sweep when the first has landed a portion; what it did, and its result."""
    done: list[Any] = []
    results: list[SweepResult] = []

    def watched(study: Study, portions: Sequence[Any]) -> Iterator[list[Evaluation]]:
        done.extend(portions)
        yield from in_this_process(study, portions)

    def also() -> None:
        results.append(swept(folder, second, workers=watched, per_portion=1))

    other = threading.Thread(target=also)

    def interrupted(study: Study, portions: Sequence[Any]) -> Iterator[list[Evaluation]]:
        arriving = in_this_process(study, portions)
        yield next(arriving)
        other.start()
        # Long enough for a second one that does not wait to begin.
        other.join(timeout=1.0)
        yield from arriving

    swept(folder, GRID, workers=interrupted, per_portion=1)
    other.join()
    return done, results[0]


def test_the_same_grid_at_once_is_evaluated_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second waits, says so, and finds all done."""
    done, second = at_once(tmp_path, GRID)

    assert done == []
    assert second.judgement.trials.n_trials == 8
    assert f"another one works in {tmp_path} (pid " in capsys.readouterr().err


def test_another_grid_at_once_counts_the_trials_of_both(tmp_path: Path) -> None:
    """Its verdict knows what the first one tried, and no line is lost."""
    done, second = at_once(tmp_path, OTHER)

    assert len(done) == 6
    assert second.judgement.trials.n_trials == 8 + 6
    assert len(TrialLedger(tmp_path)) == 8 + 6
    assert not (tmp_path / ".sweep.holder").exists()

"""What is kept of a proof that is done again."""

from __future__ import annotations

from pathlib import Path

from tests.proofs.result import Result


def test_a_smaller_part_is_told_beside_the_larger(tmp_path: Path) -> None:
    """The table keeps the larger one; what the smaller one found counts."""
    path = tmp_path / "crash.json"
    Result("crash", cases=1_700, worst_bare_seconds=3.0, commit="aaa").keep(path, seed=1)
    Result("crash", cases=40, worst_bare_seconds=5.0, commit="bbb").keep(path, seed=2)

    kept = Result.read(path)

    assert (kept.cases, kept.commit, kept.worst_bare_seconds) == (1_700, "aaa", 5.0)
    assert kept.figures == {"again at bbb, seed 2": "40 cases, 0 failures"}
    assert kept.holds


def test_a_part_that_fails_is_not_hidden_and_gives_way_to_the_next(tmp_path: Path) -> None:
    """It makes the whole fail, until the proof is done again and holds."""
    path = tmp_path / "crash.json"
    Result("crash", cases=1_700, commit="aaa").keep(path, seed=1)
    Result("crash", cases=40, failures=["bare"], commit="bbb").keep(path, seed=2)
    assert not Result.read(path).holds

    Result("crash", cases=30, commit="ccc").keep(path, seed=3)

    assert (Result.read(path).cases, Result.read(path).holds) == (30, True)

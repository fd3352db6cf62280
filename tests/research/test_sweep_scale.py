"""Sweeps of many sets: memory for each, neighbours of each, and the bits of the verdict."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.research.sweeping import ATR, CAP, FAST, candles, config
from tf_lib.core.jit.arrays import FloatArray
from tf_lib.research.sweep.evaluate import METRICS, Evaluation
from tf_lib.research.sweep.grid import grid_of
from tf_lib.research.sweep.plateaus import NEAREST, axis_ranks, plateaus
from tf_lib.research.sweep.run_sweep import run_sweep
from tf_lib.research.sweep.study import Study, make_study

# docs/sweeps.md: what the process that asks keeps of each set.
BYTES_PER_SET, BYTES_PER_PATH = 2_500, 200
_VERDICT = """
import numpy as np
from tf_lib.research.inference.bootstrap import Resampling
from tf_lib.research.inference.overfitting import block_sums, probability_of_overfitting
from tf_lib.research.inference.reality_check import RealityCheck
from tf_lib.research.inference.trial_luck import TrialLuck
from tf_lib.research.sweep.set_keys import digest

returns = np.random.default_rng(5).normal(0.0004, 0.02, (40, 1100))
luck, check = TrialLuck(1100), RealityCheck(1100, Resampling(block_rows=20, n_samples=500))
luck.see(returns)
check.see(returns)
overfitting = probability_of_overfitting(block_sums(returns.T, 12))
print(
    luck.expected_maximum(n_trials=40).hex(),
    digest(check._luckiest.tobytes(), overfitting.out_of_sample.tobytes()),
)
"""


def verdict_bits(n_processors: int) -> str:
    """Return the verdict's numbers to the bit, computed by a process that uses so many."""
    done = subprocess.run(
        [sys.executable, "-c", _VERDICT],
        env={**os.environ, "OPENBLAS_NUM_THREADS": str(n_processors)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_verdict_is_the_same_bits_on_one_processor_and_on_two() -> None:
    """Sums of 1,100 days are long enough for the library to split them among processors."""
    one = verdict_bits(1)

    assert one.split()
    assert verdict_bits(2) == one


def made_up(study: Study, portions: Sequence[Any]) -> Generator[list[Evaluation], None, None]:
    """Evaluate nothing: returns are drawn by the set's key."""
    for portion in portions:
        landed = []
        for one in portion:
            random = np.random.default_rng(int(one.key[:8], 16))
            returns = random.normal(0.0005, 0.02, study.n_days)
            metrics = (*returns[: len(METRICS) - 1].tolist(), float(returns.mean() / returns.std()))
            landed.append(Evaluation(one.key, "ok", "", metrics, returns))
        yield landed


def peak_bytes(folder: Path, n_sets: int) -> int:
    """Return the most that a whole sweep of drawn sets holds at any time, from grid to verdict."""
    base = config()
    ranges = {FAST: {"low": 5, "high": 90}, CAP: {"low": 0.4, "high": 0.9}}
    drawn = {**ranges, ATR: {"low": 1.0, "high": 4.0}, "random": {"n": n_sets, "seed": 1}}
    candles()
    tracemalloc.start()
    try:
        grid = grid_of(drawn, base, source="g.yaml")
        study, sets = make_study(candles(), base, grid)
        result = run_sweep(study, sets, grid, folder, workers=made_up)
        assert result.counts == {"ok": n_sets}
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_grows_by_so_many_bytes_a_set_and_a_parameter(tmp_path: Path) -> None:
    """Returns are in the parts, 2.5 kB a set for these days, and pass by some at a time."""
    peak_bytes(tmp_path / "first", 50)
    # More sets than pass by at a time: what is held of those is the same for any number.
    few, many = (peak_bytes(tmp_path / str(n), n) for n in (1200, 1800))

    assert (many - few) / 600 <= BYTES_PER_SET + 3 * BYTES_PER_PATH


def slow_neighbours(places: FloatArray, at: int) -> list[int]:
    """Return the nearest others within one unit on every axis, by looking at all of them."""
    apart = places - places[at]
    away = np.square(apart).sum(axis=1)
    near = (np.abs(apart).max(axis=1) <= 1.0 + 1e-9) & (away > 0.0)
    order = np.lexsort((np.arange(len(places)), away))
    return sorted([one for one in order.tolist() if near[one]][:NEAREST])


@pytest.mark.parametrize("n_sets", [40, 900])
@pytest.mark.parametrize("n_values", [12, 10_000])
@pytest.mark.parametrize("n_paths", [1, 3])
def test_nearest_eight_of_drawn_sets_are_those_of_looking_at_all(
    n_sets: int, n_values: int, n_paths: int
) -> None:
    """Crowded and lone, with many at the same distance and with none."""
    random = np.random.default_rng(n_sets + n_paths)
    drawn = np.unique(random.integers(0, n_values, (n_sets, n_paths)), axis=0).astype(np.float64)
    paths = [f"path{column}" for column in range(n_paths)]
    ranks = axis_ranks([dict(zip(paths, row, strict=True)) for row in drawn.tolist()], paths)
    figures = random.normal(size=len(drawn))
    units = np.array([(np.unique(column).size - 1.0) / 4.0 for column in ranks.T])
    found = plateaus(ranks, figures, is_product=False)
    wanted = [slow_neighbours(ranks / units, at) for at in range(len(drawn))]

    assert found["neighbours"].tolist() == [len(near) for near in wanted]
    means = [figures[[at, *near]].mean() if near else np.nan for at, near in enumerate(wanted)]
    np.testing.assert_array_equal(found["plateau_sharpe"], means)

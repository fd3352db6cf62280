"""Sweeps of many sets: the verdict's bits, on however many processors it was computed."""

from __future__ import annotations

import os
import subprocess
import sys

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

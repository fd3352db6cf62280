"""A seeded part of every proof's cases, so that none of them rots between two full runs."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.proofs.busy import busy_stage
from tests.proofs.fork_server import PROJECT
from tests.proofs.proofs import PROOFS, SAMPLE, Bench

COUNTS = dict.fromkeys(sorted(PROOFS), 1) | {
    **{"answers": 3, "crash": 5, "flatten": 4},
    **{"teeth": 2, "wall": 2},
}
Cases = Callable[[str], list[Any]]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Return one stage for all of them."""
    with busy_stage() as made:
        yield Bench(made)


@pytest.fixture(scope="module")
def cases(bench: Bench) -> Cases:
    return functools.cache(lambda name: list(PROOFS[name].cases(bench, SAMPLE)))


@pytest.mark.parametrize(
    ("name", "number"), [(name, n) for name, count in COUNTS.items() for n in range(count)]
)
def test_a_case_holds(bench: Bench, cases: Cases, name: str, number: int) -> None:
    """Nothing is found in it; a planted fault is caught."""
    assert len(cases(name)) == COUNTS[name]

    met = PROOFS[name].meet(bench, cases(name)[number])

    assert met.findings == (), str(met.case)
    assert PROOFS[name].figures(bench, SAMPLE, [met]) is not None


def test_every_planted_fault_finds_what_it_breaks() -> None:
    """What was renamed cannot be broken, and a proof would be silent for nothing."""
    script = "from tests.proofs.planted import FAULTS, plant\nfor fault in FAULTS: plant(fault)"
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True)

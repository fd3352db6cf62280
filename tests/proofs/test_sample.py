"""A seeded part of every proof, so that none of them rots between two full runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.proofs.busy import busy_stage
from tests.proofs.proofs import PROOFS, SAMPLE, Bench


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Return one stage for all of them."""
    with busy_stage() as made:
        yield Bench(made)


@pytest.mark.parametrize("name", sorted(PROOFS))
def test_a_part_of_the_proof_holds(bench: Bench, name: str) -> None:
    """Nothing is found, and every planted fault of the part is caught."""
    result = PROOFS[name](bench, SAMPLE)

    assert result.failures == []
    assert result.holds
    assert len(result.caught) == result.planted

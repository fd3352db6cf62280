"""A profile that holds three positions under their stops, to copy for each scenario."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.app.profile import (
    FAULTS,
    FEW_UNIVERSE,
    Faulty,
    Profile,
    going_wrong,
    new_profile,
    write_parameters,
)
from tests.execution.desks import Bench
from tests.execution.desks import bench as open_bench

DAY = "2024-03-11"
HELD = ("ADA-USD", "ETH-USD", "XTZ-USD")


@pytest.fixture(scope="session", autouse=True)
def _own_locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Return a profile after its first day, 2024-03-11."""
    folder = tmp_path_factory.mktemp("first")
    profile = new_profile(folder / "few.yaml", DAY, universe=FEW_UNIVERSE, exchange=FAULTS)
    assert profile.exchange().held_products == HELD
    return profile


@pytest.fixture
def held(first_day: Profile, tmp_path: Path) -> Profile:
    """Return a copy of it."""
    return first_day.copied(tmp_path / "runs")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Return a desk of its own on an exchange of its own."""
    config = write_parameters(tmp_path / "few.yaml", universe=FEW_UNIVERSE)
    with open_bench(config, tmp_path) as made:
        yield made


@pytest.fixture
def faulty(held: Profile) -> Faulty:
    """Return a block in which the exchange's answers are changed as told."""
    return partial(going_wrong, held)

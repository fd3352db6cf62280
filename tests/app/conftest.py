"""Folders, profiles and spans of days that the tests of the drivers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import FEW_UNIVERSE, Profile, real_parameters, write_parameters

MAIL_VARIABLES = ("HOST", "PORT", "USER", "PASS")


@pytest.fixture(scope="session", autouse=True)
def _nobody_elses_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep locks away from the home folder, and mail settings and keys out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        for name in MAIL_VARIABLES:
            patch.delenv(f"TF_SMTP_{name}", raising=False)
        for name in ("TF_EMAIL_FROM", "TF_EMAIL_TO", "TF_RUN_DIR", "COINBASE_API_KEY"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def make_profile(tmp_path: Path) -> Callable[..., Profile]:
    """Return a maker of profiles on the made-up market of four tickers, changed by sections."""

    def make(name: str = "few", **sections: Any) -> Profile:
        sections = {"universe": FEW_UNIVERSE} | sections
        return Profile(write_parameters(tmp_path / f"{name}.yaml", **sections), tmp_path / "runs")

    return make


@pytest.fixture
def profile(make_profile: Callable[..., Profile]) -> Profile:
    """Return a profile of four tickers that has never run."""
    return make_profile()


@pytest.fixture
def make_real(tmp_path: Path) -> Callable[..., Profile]:
    """Return a maker of profiles on real candles; skips without them."""

    def make(name: str = "real", **sections: Any) -> Profile:
        return Profile(real_parameters(tmp_path / f"{name}.yaml", **sections), tmp_path / "runs")

    return make

"""Folders, profiles and spans of days that the tests of the drivers share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.app.mailbox import Mailbox, mail_settings
from tests.app.profile import (
    BUSY_UNIVERSE,
    DAY_BEFORE,
    FAULTS,
    FEW_UNIVERSE,
    Faulty,
    MakeProfile,
    Profile,
    after_days,
    going_wrong,
    real_parameters,
    write_parameters,
)
from tests.app.remote import closed_port

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
def make_profile(tmp_path: Path) -> MakeProfile:
    """Return a maker of profiles on the made-up market of four tickers, changed by sections."""

    def make(name: str = "few", **sections: Any) -> Profile:
        sections = {"universe": FEW_UNIVERSE} | sections
        return Profile(write_parameters(tmp_path / f"{name}.yaml", **sections), tmp_path / "runs")

    return make


@pytest.fixture
def profile(make_profile: MakeProfile) -> Profile:
    """Return a profile of four tickers that has never run."""
    return make_profile()


@pytest.fixture
def make_real(tmp_path: Path) -> MakeProfile:
    """Return a maker of profiles on real candles; skips without them."""

    def make(name: str = "real", **sections: Any) -> Profile:
        return Profile(real_parameters(tmp_path / f"{name}.yaml", **sections), tmp_path / "runs")

    return make


@pytest.fixture(scope="session")
def busy_day_before(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Return a profile that holds three positions, on the evening before the busy day."""
    folder = tmp_path_factory.mktemp("day_before")
    config = write_parameters(folder / "busy.yaml", universe=BUSY_UNIVERSE, exchange=FAULTS)
    return after_days(config, DAY_BEFORE)


@pytest.fixture
def busy(busy_day_before: Profile, tmp_path: Path) -> Profile:
    """Return a copy of it."""
    return busy_day_before.copied(tmp_path / "runs")


@pytest.fixture
def busy_by_mail(busy: Profile, tmp_path: Path) -> Profile:
    """Return such a copy that tells of its days by mail."""
    sections = {"exchange": FAULTS, "notifications": {"email": True}}
    config = write_parameters(tmp_path / "busy.yaml", universe=BUSY_UNIVERSE, **sections)
    return Profile(config, busy.runs)


@pytest.fixture
def faulty(profile: Profile, no_waiting: None) -> Faulty:
    """Return a block in which the profile's own exchange fails by the rules given."""
    return partial(going_wrong, profile)


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """Yield the mailbox of a server that the environment names."""
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=closed_port())
    server.start()
    for name, value in mail_settings(server.port).items():
        monkeypatch.setenv(name, value)
    yield box
    server.stop()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits cost no time."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def unanswered(make_profile: MakeProfile, no_waiting: None) -> Profile:
    """Return a profile that mails, of an exchange that does not answer."""
    exchange = {"kind": "coinbase", "base_url": f"127.0.0.1:{closed_port()}", "key_file": "key"}
    profile = make_profile(exchange=exchange, notifications={"email": True})
    (profile.config.parent / "key").write_text("{}", encoding="utf-8")
    return profile


@pytest.fixture
def mailing(make_profile: MakeProfile) -> Profile:
    return make_profile(notifications={"email": True})

"""Candles that end before the day: nobody is moved to today by accident, and it is said."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.app.profile import FEW_UNIVERSE, MakeProfile, Profile, must_end
from tests.app.test_bad_input import write_candles

END = dt.date(2024, 3, 10)


@pytest.fixture
def ended(make_profile: MakeProfile, tmp_path: Path) -> Profile:
    """Return a profile on a folder whose candles end in 2024."""
    folder = tmp_path / "candles"
    write_candles(folder, list(FEW_UNIVERSE["sleeves"]["Core"]["tickers"]), END)
    core = {"weight": 1.0, "tickers": FEW_UNIVERSE["sleeves"]["Core"]["tickers"]}
    universe = {"tickers": core["tickers"], "sleeves": {"Core": core}}
    return make_profile(universe=universe, exchange={"candles": str(folder)})


def test_without_a_date_it_is_refused(ended: Profile) -> None:
    """Before anything is made; the message names the day that can be run."""
    said = must_end(ended.run(), 2)

    assert f"candles in {ended.config.parent}/candles are stale: they end on {END}" in said
    assert "--date 2024-03-11" in said
    assert not ended.runs.exists()


def test_the_day_after_the_last_candle_is_run(ended: Profile) -> None:
    """And not a word about stale candles."""
    said = must_end(ended.run("2024-03-11"))

    assert "stale" not in said


def test_a_later_day_is_run_and_the_age_is_said(ended: Profile) -> None:
    """Who names a day gets it; terminal and status say what it stands on."""
    said = ended.run("2024-03-20")[1]
    words = f"are stale: they end on {END}, 10 days before 2024-03-20"

    assert f"candles_stale last={END} day=2024-03-20" in said
    assert words in said
    assert words in ended.call("status")[1]

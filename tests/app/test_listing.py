"""Tickers that are listed late: no candle, no trade, no trouble for the others."""

from __future__ import annotations

import pytest

from tests.app.profile import MakeProfile, command, must_end

LATE = {
    "tickers": ["BTC-USD", "ETH-USD", "KRL-USD"],
    "sleeves": {
        "Core": {"weight": 0.6, "tickers": ["BTC-USD", "ETH-USD"]},
        "AI": {"weight": 0.4, "tickers": ["KRL-USD"]},
    },
}


@pytest.mark.parametrize("day", ["2021-01-05", "2021-10-05", "2021-10-06", "2021-12-01"])
def test_a_ticker_that_lists_late(make_profile: MakeProfile, day: str) -> None:
    """KRL lists on 2021-10-05: before, on that day and after, the run is done and replays."""
    profile = make_profile(universe=LATE)

    must_end(profile.run(day))

    row = profile.summary(day)["tickers"]["KRL-USD"]
    assert (row["final_signal"], row["target_weight"]) == (None, 0.0)
    assert row["reason"] in ("stale_or_missing_ohlc", "no_position")
    assert profile.wrong(day) == []
    assert command("replay", str(profile.day(day)))[0] == 0

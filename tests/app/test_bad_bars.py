"""A bar that the live price contradicts: no trade of it, its stop stays, and it is remembered."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.app.profile import (
    FAULTS,
    MADE_UP_UNIVERSE,
    Profile,
    command,
    going_wrong,
    must_end,
    new_profile,
)
from tests.core.build import market
from tests.research.test_backtest_parity import write_candles

DAY_BEFORE, BAD_DAY, DAY_AFTER = "2024-03-08", "2024-03-09", "2024-03-10"
Bar = dict[str, float]
PRICES = ("open", "high", "low", "close")


@pytest.fixture(scope="module")
def day_before(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Return a profile that has just entered."""
    folder = tmp_path_factory.mktemp("day_before")
    return new_profile(folder / "demo.yaml", DAY_BEFORE, exchange=FAULTS)


@pytest.fixture(scope="module")
def held(day_before: Profile) -> str:
    return day_before.exchange().held_products[0]


@pytest.fixture(scope="module")
def true_bar(day_before: Profile, held: str, tmp_path_factory: pytest.TempPathFactory) -> Bar:
    """Return the bar of the first day as the exchange lists it."""
    clean = day_before.copied(tmp_path_factory.mktemp("clean") / "runs")
    assert clean.run(BAD_DAY)[0] == 0
    table = pd.read_parquet(clean.day(BAD_DAY) / "inputs/candles.parquet")
    row = table[(table["ticker"] == held) & (table["date"] == pd.Timestamp(DAY_BEFORE, tz="UTC"))]
    return {name: float(row[name].iloc[0]) for name in PRICES}


def wrong_bar(held: str, bar: Bar, factor: float, *, row: int) -> dict[str, Any]:
    """Return the fault that lists one bar, counted back from the newest, wrong by a factor."""
    fields = {name: f"{price * factor:.12g}" for name, price in bar.items()}
    rule = {"kind": "candles_revised", "endpoint": f"GET /products/{held}/candles"}
    return rule | {"value": {str(row): fields}}


@pytest.mark.parametrize("factor", [0.01, 0.5, 2.0, 10.0])
def test_a_bar_that_the_live_price_contradicts(
    day_before: Profile, held: str, true_bar: Bar, factor: float, tmp_path: Path
) -> None:
    """Held and wrong by a factor: stale, no fill, the stop stays; the same the day after."""
    profile = day_before.copied(tmp_path / "runs")
    before = [(stop.order_id, stop.stop) for stop in profile.exchange().stops(held)]
    filled = len(profile.exchange().fills)
    with going_wrong(profile, wrong_bar(held, true_bar, factor, row=0)):
        must_end(profile.run(BAD_DAY))

    summary = profile.summary(BAD_DAY)
    assert summary["tickers"][held]["reason"] == "stale_or_missing_ohlc"
    assert held in summary["data_quality"]["not_ok"]
    listed = [bar for bar in summary["data_quality"]["quarantined"] if bar["ticker"] == held]
    assert [(bar["day"], bar["until"]) for bar in listed] == [(DAY_BEFORE, None)]
    noted = profile.lines(BAD_DAY, "impediments")
    assert [one["product"] for one in noted if one["kind"] == "data_not_believed"] == [held]
    assert not [fill for fill in profile.exchange().fills[filled:] if fill.product == held]
    assert [(stop.order_id, stop.stop) for stop in profile.exchange().stops(held)] == before
    assert command("replay", str(profile.day(BAD_DAY)))[0] == 0

    with going_wrong(profile, wrong_bar(held, true_bar, factor, row=1)):
        must_end(profile.run(DAY_AFTER))

    row = profile.summary(DAY_AFTER)["tickers"][held]
    assert row["data_ok"]
    assert row["highest_high"] < 1.5 * true_bar["close"]
    assert row["chandelier_stop"] > 0.5 * true_bar["close"]
    assert profile.exchange().stops(held)
    assert command("replay", str(profile.day(DAY_AFTER)))[0] == 0


def test_a_bar_that_the_exchange_revises_is_believed_again(
    day_before: Profile, held: str, true_bar: Bar, tmp_path: Path
) -> None:
    profile = day_before.copied(tmp_path / "runs")
    with going_wrong(profile, wrong_bar(held, true_bar, 2.0, row=0)):
        profile.run(BAD_DAY)
    must_end(profile.run(DAY_AFTER))

    assert profile.summary(DAY_AFTER)["data_quality"]["quarantined"] == []
    assert command("replay", str(profile.day(DAY_AFTER)))[0] == 0


def test_a_dry_run_remembers_nothing(
    day_before: Profile, held: str, true_bar: Bar, tmp_path: Path
) -> None:
    profile = day_before.copied(tmp_path / "runs")
    with going_wrong(profile, wrong_bar(held, true_bar, 2.0, row=0)):
        profile.run(BAD_DAY, "--dry-run")

    assert not list(profile.state.rglob("not_believed.json"))


def test_candles_that_ended_long_before_the_day_are_said(tmp_path: Path) -> None:
    """A folder of candles that ends, and a run for a day long after it."""
    candles = write_candles(tmp_path / "candles", market(500))
    exchange = {"candles": str(candles)}
    profile = new_profile(tmp_path / "p.yaml", universe=MADE_UP_UNIVERSE, exchange=exchange)
    end = market(500)["AAA-USD"].index[-1].date()
    profile.run(end + dt.timedelta(days=40))
    noted = profile.lines(end + dt.timedelta(days=40), "impediments")

    said = {one["product"]: one["why"] for one in noted if one["kind"] == "data_not_believed"}
    assert set(said) == set(MADE_UP_UNIVERSE["tickers"])
    assert said["AAA-USD"] == f"the last bar that may be traded on is of {end}"

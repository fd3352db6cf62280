"""One product under two names: the exchange answers under its canonical id."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import FEW_UNIVERSE, Profile, write_parameters
from tf_lib.app import connection
from tf_lib.exchange.coinbase.lists import OurNames
from tf_lib.parameters import load_config
from tf_lib.simulator import SimulatedExchange

DAY, NEXT = "2024-03-11", "2024-03-12"


def in_usdc() -> dict[str, Any]:
    """Return the universe bought with USDC."""
    tickers = [t.replace("-USD", "-USDC") for t in FEW_UNIVERSE["tickers"]]
    sleeves = {
        name: {**each, "tickers": [t.replace("-USD", "-USDC") for t in each["tickers"]]}
        for name, each in FEW_UNIVERSE["sleeves"].items()
    }
    return {"tickers": tickers, "sleeves": sleeves}


def test_names_both_ways() -> None:
    """By the product's record, and where there is none by the two names of the dollar."""
    names = OurNames()
    names.use(["ETH-USDC", "BTC-EUR"])
    names.learn({"product_id": "BTC-EUR", "alias": "BTC-EURC", "alias_to": []})

    assert names.ours("ETH-USD") == "ETH-USDC"
    assert names.ours("BTC-EURC") == "BTC-EUR"
    assert names.ours("SOL-USD") == "SOL-USD"
    assert names.all_names(["ETH-USDC"]) == ["ETH-USDC", "ETH-USD"]
    other = OurNames()
    other.use(["ETH-USD"])
    assert other.ours("ETH-USDC") == "ETH-USD"
    assert other.all_names(["ETH-USD"]) == ["ETH-USD"]


@pytest.fixture
def in_usdc_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """Return a profile in USDC on an exchange whose replies name the canonical products."""
    made = connection._settings
    world = {"world": {"usdc_aliases": True, "canonical_replies": True}}
    listed = {"tickers": tuple(FEW_UNIVERSE["tickers"]), "products": {}, "faults": world}
    monkeypatch.setattr(connection, "_settings", lambda *a: replace(made(*a), **listed))
    config = write_parameters(tmp_path / "usdc.yaml", universe=in_usdc())
    profile = Profile(config, tmp_path / "runs")
    profile.state.mkdir(parents=True)
    file, day = profile.state / connection.EXCHANGE_FILE, dt.date.fromisoformat(DAY)
    settings = connection._settings(load_config(config), profile.state, file, day)
    with SimulatedExchange(settings) as exchange:
        exchange.deposit("USDC", Decimal(15_000))
    return profile


def test_a_universe_in_usdc_is_traded_under_canonical_replies(in_usdc_profile: Profile) -> None:
    """Bought, protected and left alone: no stop is cancelled because of another name."""
    code, said = in_usdc_profile.run(DAY)

    assert code == 0, said
    stops = [o for o in in_usdc_profile.exchange().orders if o.leg in ("sc", "sa")]
    assert stops
    assert {o.status for o in stops} == {"OPEN"}
    positions = in_usdc_profile.summary(DAY)["positions"]
    assert set(positions) == {"ADA-USDC", "ETH-USDC", "XTZ-USDC"}
    assert all(row["stop"] for row in positions.values())
    before = in_usdc_profile.count_requests()
    assert in_usdc_profile.call("guard")[0] == 0
    assert in_usdc_profile.changed(after=before) == []
    code, said = in_usdc_profile.run(NEXT)
    assert code == 0, said
    assert not [x for x in in_usdc_profile.ledger() if x.get("to") == "MISMATCH"]
    held = {
        t: (r["notional"], r["stop"], r["status"])
        for t, r in in_usdc_profile.summary(NEXT)["positions"].items()
    }
    assert all(stop for worth, stop, _ in held.values() if worth > 10), held

"""One product under two names: the exchange answers under its canonical id."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import FEW_UNIVERSE, must_end
from tests.app.remote import to_remote
from tests.app.venue import at
from tf_lib.exchange.coinbase.lists import OurNames
from tf_lib.simulator import SimulatedExchange, SimulatorSettings

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
def exchange(tmp_path: Path) -> Iterator[SimulatedExchange]:
    """Yield an exchange whose replies name the canonical products, with cash in USDC."""
    state = tmp_path / "runs" / "remote" / "state"
    state.mkdir(parents=True)
    settings = SimulatorSettings(
        tickers=tuple(FEW_UNIVERSE["tickers"]),
        as_of=dt.date.fromisoformat(DAY),
        state_file=state / "exchange.sqlite",
        log_file=state / "exchange_requests.jsonl",
        faults={"world": {"usdc_aliases": True, "canonical_replies": True}},
    )
    with SimulatedExchange(settings) as made:
        made.deposit("USDC", Decimal(15_000))
        made.advance_to(at(DAY, "00:01"))
        yield made


def test_a_universe_in_usdc_is_traded_under_canonical_replies(
    exchange: SimulatedExchange, tmp_path: Path
) -> None:
    """Bought, protected and left alone: no stop is cancelled because of another name."""
    profile = to_remote(tmp_path, exchange.start().to_mapping(), universe=in_usdc())

    must_end(profile.run())

    stops = [o for o in profile.exchange().orders if o.leg in ("sc", "sa")]
    assert stops
    assert {o.status for o in stops} == {"OPEN"}
    positions = profile.summary(DAY)["positions"]
    assert set(positions) == {"ADA-USDC", "ETH-USDC", "XTZ-USDC"}
    assert all(row["stop"] for row in positions.values())
    before = profile.count_requests()
    assert profile.call("guard")[0] == 0
    assert profile.changed(after=before) == []
    exchange.advance_to(at(NEXT, "00:01"))
    must_end(profile.run())
    assert not [x for x in profile.ledger() if x.get("to") == "MISMATCH"]
    held = profile.summary(NEXT)["positions"].values()
    assert all(row["stop"] for row in held if row["notional"] > 10), held

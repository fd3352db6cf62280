"""Paper: prices of an exchange elsewhere, orders on one of our own; nothing is sent there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import FEW_UNIVERSE, Profile, must_end, new_profile, simulator
from tests.app.remote import closed_port
from tests.oracle.exchange_state import requests

DAY, NEXT = "2024-03-11", "2024-03-12"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Yield an exchange that stands in for the real one, at 00:01 UTC of the day."""
    folder = tmp_path_factory.mktemp("market")
    with simulator(folder, "--candles", "synthetic", "--as-of", DAY) as found:
        yield found


def on_paper(folder: Path, market: dict[str, Any], **exchange: Any) -> Profile:
    """Return a paper profile that reads that market; it has no key."""
    where = {"market_data_url": market["base_url"], "ca_file": market["ca_file"]}
    exchange = {"kind": "paper", "clock": "exchange"} | where | exchange
    return new_profile(folder / "paper.yaml", universe=FEW_UNIVERSE, exchange=exchange)


def test_a_day_on_paper(market: dict[str, Any], tmp_path: Path) -> None:
    """Trades and protects on its own exchange, at the prices of the other; then is done."""
    profile = on_paper(tmp_path, market)

    must_end(profile.run(None, "--force-run"))

    assert profile.exchange().held_products
    assert profile.wrong(DAY) == []
    assert profile.run(None, "--force-run")[0] == 0
    assert profile.marks(DAY) == ["claimed", "effects_complete", "done"] * 2


def test_nothing_is_sent_elsewhere(market: dict[str, Any], tmp_path: Path) -> None:
    """Only public reads reach the other exchange: no key is needed, none is used."""
    before = len(requests(market["log"]))
    assert on_paper(tmp_path, market).run(None, "--force-run")[0] == 0
    lines = requests(market["log"])[before:]

    assert lines
    assert {line["method"] for line in lines} == {"GET"}
    paths = {line["path"] for line in lines}
    assert all("/market/" in path or "/time" in path for path in paths), paths


def test_decides_as_the_demo_on_the_same_market(market: dict[str, Any], tmp_path: Path) -> None:
    """Same candles, same price, same rules: the same plan."""
    paper = on_paper(tmp_path, market)
    demo = new_profile(tmp_path / "demo" / "demo.yaml", universe=FEW_UNIVERSE)
    assert paper.run(None, "--force-run")[0] == demo.run(DAY)[0] == 0
    plans = [json.loads(each.plan(DAY)) for each in (paper, demo)]

    assert plans[0]["orders"] == plans[1]["orders"]
    assert plans[0]["stops"] == plans[1]["stops"]


def test_next_day_runs_along_the_bars_of_the_last(market: dict[str, Any], tmp_path: Path) -> None:
    """What happened there in between happens here: the account moves on, stops included."""
    paper = on_paper(tmp_path, market)
    assert paper.run(None, "--force-run")[0] == 0
    demo = new_profile(tmp_path / "demo" / "demo.yaml", universe=FEW_UNIVERSE)
    for day in (DAY, NEXT):
        assert demo.run(day)[0] == 0
    with simulator(tmp_path / "later", "--candles", "synthetic", "--as-of", NEXT) as later:
        moved = on_paper(tmp_path, later)
        must_end(moved.run(None, "--force-run"))

    assert moved.wrong(NEXT) == []
    assert moved.summary(NEXT)["equity"] == pytest.approx(demo.summary(NEXT)["equity"])
    assert moved.exchange().held_products == demo.exchange().held_products


@pytest.mark.usefixtures("no_waiting")
def test_no_market_no_run(market: dict[str, Any], tmp_path: Path) -> None:
    """Exit 5 with the address; nothing is held anywhere real."""
    address = f"127.0.0.1:{closed_port()}"
    profile = on_paper(tmp_path, market, market_data_url=address)

    said = must_end(profile.run(None, "--force-run"), 5)

    assert f"no market data from {address}" in said
    assert not list(profile.folder.glob("20*"))


def test_its_day_is_not_ours_to_choose(market: dict[str, Any], tmp_path: Path) -> None:
    """--date is for the simulated exchange."""
    assert on_paper(tmp_path, market).run(DAY)[0] == 2


def test_paper_never_trades_on_a_real_host(market: dict[str, Any], tmp_path: Path) -> None:
    """An address for orders that is not this machine is refused before any connection."""
    profile = on_paper(tmp_path, market, base_url="api.coinbase.com", clock="wall")

    said = must_end(profile.run(None, "--force-run"), 5)

    assert "profile paper has exchange.kind paper at api.coinbase.com" in said


def test_clock_of_the_real_market_is_the_walls(market: dict[str, Any], tmp_path: Path) -> None:
    """`clock: exchange` with real prices is a bad parameter."""
    profile = on_paper(tmp_path, market, market_data_url=None)

    said = must_end(profile.run(None, "--force-run"), 2)

    assert "'exchange' is refused for the real host" in said


def test_protect_and_status_on_paper(market: dict[str, Any], tmp_path: Path) -> None:
    """They see the same account."""
    profile = on_paper(tmp_path, market)
    assert profile.run(None, "--force-run")[0] == 0
    held = len(profile.exchange().held_products)

    said = must_end(profile.call("protect"))

    assert f"{held} held, 0 unprotected" in said
    assert str(profile.exchange().now.date()) == DAY
    assert profile.call("status")[0] == 0

"""
The simulated exchange keeps the contract; the real one is asked only when a person says so.

With ``TF_CONTRACT_KEY_FILE`` (a view-only key) `test_the_real_exchange` runs and prints what
differs; otherwise it is skipped, and nothing here leaves this machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.contract.__main__ import FACTS, main, report, why_not
from tests.contract.asking import PREFIX, REAL_HOST, Asker, Fact, read_facts
from tests.simulator.conftest import order_body
from tf_lib.simulator import SimulatedExchange, SimulatorSettings
from tf_lib.simulator.api.routes import ROUTES
from tf_lib.simulator.prices.synthetic import FIRST_DAY
from tf_lib.simulator.simulated_clock import start_of

KEY_FILE = os.environ.get("TF_CONTRACT_KEY_FILE", "")
KNOWN = read_facts(FACTS)


@pytest.fixture(scope="module")
def simulated() -> Iterator[Asker]:
    """Yield an asker at an exchange that has bought, holds a stop and two resting orders."""
    as_of = FIRST_DAY.replace(year=FIRST_DAY.year + 5)
    settings = SimulatorSettings(tickers=("BTC-USD", "ETH-USD"), as_of=as_of)
    with SimulatedExchange(settings) as exchange:
        assert exchange.engine.now() == start_of(as_of)
        endpoint = exchange.start()
        asker = Asker(
            endpoint.base_url, endpoint.key_file, ca_file=endpoint.ca_file, may_change=True
        )
        made = {
            name: _placed(exchange, name, side, configuration)
            for name, side, configuration in _orders(exchange)
        }
        asker.learn()
        asker.known |= made
        yield asker
        asker.close()


def _orders(exchange: SimulatedExchange) -> Iterator[tuple[str, str, dict[str, dict[str, str]]]]:
    last = exchange.engine.venue.matching.last_price("BTC-USD")
    assert last is not None
    low = f"{last * Decimal('0.8'):.2f}"
    yield "bought", "BUY", {"market_market_ioc": {"base_size": "0.1"}}
    stop = {"base_size": "0.01", "limit_price": low, "stop_price": low}
    direction = {"stop_direction": "STOP_DIRECTION_STOP_DOWN"}
    yield "stop_order", "SELL", {"stop_limit_stop_limit_gtc": stop | direction}
    for name in ("open_order", "edit_order"):
        yield name, "BUY", {"limit_limit_gtc": {"base_size": "0.01", "limit_price": low}}


def _placed(
    exchange: SimulatedExchange, name: str, side: str, configuration: dict[str, dict[str, str]]
) -> str:
    body = order_body(side, configuration, name)
    _, reply = exchange.engine.handle("POST", f"{PREFIX}/orders", None, body)
    return str(reply["success_response"]["order_id"])


@pytest.mark.parametrize("fact", KNOWN, ids=lambda fact: fact.name)
def test_the_simulated_exchange_keeps_it(simulated: Asker, fact: Fact) -> None:
    finding = simulated.ask(fact)
    assert finding is not None
    assert finding.faults == ()


def test_it_reaches_every_path_of_the_spot_subset() -> None:
    """A route without a fact is a promise nobody checks."""
    asked = {(fact.method, PREFIX + fact.path) for fact in KNOWN}
    apart = ("/v2/", "/cfm/", "/convert/", "/payment_methods", "move_funds", "close_position")
    missing = [
        route.pattern.pattern
        for route in ROUTES
        if not any(part in route.pattern.pattern for part in apart)
        and not any(
            method == route.method and route.pattern.fullmatch(path) for method, path in asked
        )
    ]
    assert missing == []


def test_real_exchange_is_never_asked_to_change_anything(simulated: Asker, tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text('{"name": "none", "privateKey": "none"}')
    with pytest.raises(ValueError, match="only a simulated exchange"):
        Asker(REAL_HOST, key, ca_file=None, may_change=True)
    asker = Asker(REAL_HOST, key, ca_file=None)
    for fact in KNOWN:
        if fact.method == "POST" and not fact.path.endswith("preview"):
            with pytest.raises(ValueError, match="would change something"):
                asker.ask(fact)
    asker.close()


def test_a_key_that_may_trade_is_not_used(simulated: Asker) -> None:
    assert "only view" in why_not(simulated)


def test_what_differs_is_printed(simulated: Asker, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = Fact("time is a number", "GET", "/time", shape={"epochSeconds": "number"})
    short = Fact("new keys", "GET", "/time", shape={"iso": "time"}, question=99, says="is it so?")
    assert report(simulated, [wrong, short]) == 1
    said = capsys.readouterr().out
    assert "DIFFERS  time is a number" in said
    assert "answer.epochSeconds: expected number, got '" in said
    assert "as said  new keys" in said
    assert "new: answer.epochSeconds, answer.epochMillis" in said
    assert "1 of 2 differ" in said
    assert "question 99: is it so?" in said


def test_the_command_with_a_key_that_may_only_view(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a person would ask the real exchange, here pointed at a simulated one."""
    settings = SimulatorSettings(
        tickers=("BTC-USD", "ETH-USD"), as_of=FIRST_DAY.replace(year=2023), can_trade=False
    )
    with SimulatedExchange(settings) as exchange:
        endpoint = exchange.start()
        words = ["--key-file", endpoint.key_file, "--base-url", endpoint.base_url]
        words += ["--ca-file", endpoint.ca_file]
        monkeypatch.setattr("sys.argv", ["contract", *map(str, words)])
        assert main() == 0
        assert not any(line["changing"] for line in exchange.request_log)
    said = capsys.readouterr().out
    assert "\n0 of " in said
    assert "skipped  one order" in said
    assert "question 1: is a spot stop-limit taken?" in said


@pytest.mark.skipif(not KEY_FILE, reason="asks the real exchange only with TF_CONTRACT_KEY_FILE")
def test_the_real_exchange(capsys: pytest.CaptureFixture[str]) -> None:
    asker = Asker(REAL_HOST, Path(KEY_FILE), ca_file=None)
    try:
        assert why_not(asker) == ""
        asker.learn()
        with capsys.disabled():
            differs = report(asker, [fact for fact in KNOWN if fact.is_harmless])
    finally:
        asker.close()
    assert differs == 0

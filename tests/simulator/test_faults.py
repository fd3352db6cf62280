"""Schedules: what they may say, that they strike where they say, and always in the same places."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.conftest import (
    DAY,
    PREFIX,
    SCHEDULE_KEYS,
    Hands,
    Make,
    MakeHands,
    at,
    stop_limit,
)
from tf_lib.errors import ParameterError
from tf_lib.simulator import SimulatedExchange, SimulatorSettings
from tf_lib.simulator.dispatcher import LineError
from tf_lib.simulator.faults.effects import KINDS
from tf_lib.simulator.faults.rules import read_faults

DEPOSIT = {"currency": "USD", "at": "2024-03-01"}


def outcomes(exchange: SimulatedExchange, path: str, count: int) -> list[Any]:
    """Return the status of each of `count` equal calls; 0 where the line was cut."""
    found: list[Any] = []
    for _ in range(count):
        try:
            found.append(exchange.engine.handle("GET", PREFIX + path)[0])
        except LineError:
            found.append(0)
    return found


def test_by_call_number_and_endpoint(make_exchange: Make) -> None:
    schedule = {
        "faults": [
            {"kind": "status", "status": 502, "endpoint": "GET /accounts", "calls": [2, "4-5"]},
            {"kind": "drop_before", "endpoint": "GET /products/*", "calls": 1},
        ]
    }
    exchange = make_exchange(faults=schedule)
    assert outcomes(exchange, "/accounts", 6) == [200, 502, 200, 502, 502, 200]
    assert outcomes(exchange, "/products/BTC-USD", 2) == [0, 200]
    assert outcomes(exchange, "/time", 2) == [200, 200]


def test_by_seeded_probability(make_exchange: Make) -> None:
    def run(seed: int) -> list[Any]:
        rule = {"kind": "unauthorized", "endpoint": "GET /accounts", "probability": 0.3}
        exchange = make_exchange(faults={"seed": seed, "faults": [rule]})
        return outcomes(exchange, "/accounts", 200)

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 30 < run(1).count(401) < 90


def test_counting_survives_a_restart(kept: SimulatorSettings, make_exchange: Make) -> None:
    rule = {"kind": "status", "endpoint": "GET /accounts", "calls": [3]}
    kept = replace(kept, faults={"faults": [rule]})
    first = make_exchange(kept)
    assert outcomes(first, "/accounts", 2) == [200, 200]
    first.stop()
    assert outcomes(make_exchange(kept), "/accounts", 2) == [503, 200]


def test_rules_about_what_a_call_holds(exchange: SimulatedExchange, hands: Hands) -> None:
    exchange.add_fault(kind="drop_after", endpoint="POST /orders", contains="ETH-USD")
    assert hands.buy("1")
    with pytest.raises(LineError):
        hands.buy("1", "ETH-USD")
    assert hands.wallet("ETH") == (1, 0)
    exchange.clear_faults()
    assert hands.buy("1", "ETH-USD")


def test_a_storm_by_the_time_of_day(make_exchange: Make) -> None:
    """From its begin to before its end, every day; waiting at the exchange goes on in it."""
    storm = {"kind": "status", "status": 503, "from": "00:01:10", "until": "00:03:30"}
    exchange = make_exchange(faults={"faults": [storm]})

    def status_at(text: str) -> int:
        exchange.advance_to(at(text))
        return int(exchange.engine.handle("GET", f"{PREFIX}/accounts")[0])

    before, begun = status_at("2024-03-01 00:01:09"), status_at("2024-03-01 00:01:10")
    waited, _ = exchange.engine.handle("POST", "/simulator/advance", None, {"seconds": 130})
    last, over = status_at("2024-03-01 00:03:29"), status_at("2024-03-01 00:03:30")
    assert (before, begun, waited, last, over) == (200, 503, 200, 503, 200)
    assert status_at("2024-03-02 00:01:10") == 503


def test_a_storm_on_its_dates_over_midnight(exchange: SimulatedExchange) -> None:
    """A date is the day on which it begins; calls outside of it are not counted."""
    span: dict[str, Any] = {"from": "23:59", "until": "00:02", "dates": ["2024-03-02"]}
    exchange.add_fault(kind="status", endpoint="GET /accounts", calls=[2], **span)

    def statuses_at(text: str) -> list[Any]:
        exchange.advance_to(at(text))
        return outcomes(exchange, "/accounts", 2)

    assert statuses_at("2024-03-01 23:59") == [200, 200]
    assert statuses_at("2024-03-02 00:01") == [200, 200]
    exchange.advance_to(at("2024-03-02 23:59:30"))
    assert outcomes(exchange, "/accounts", 1) == [200]
    assert statuses_at("2024-03-03 00:01") == [503, 200]
    assert statuses_at("2024-03-03 23:59") == [200, 200]


def test_rule_in_place_of_another_counts_anew(kept: SimulatorSettings, make_exchange: Make) -> None:
    """A rule that has come in the place of another begins at its own first call."""
    rule: dict[str, Any] = {"kind": "status", "endpoint": "GET /time", "calls": [9]}
    first = make_exchange(kept, faults={"faults": [rule]})
    outcomes(first, "/time", 5)
    first.stop()
    other = {"faults": [rule | {"endpoint": "GET /accounts", "calls": [1]}]}
    assert outcomes(make_exchange(kept, faults=other), "/accounts", 2) == [503, 200]


def test_answers_bent(exchange: SimulatedExchange, hands: Hands) -> None:
    hands.buy("1")
    path = "/orders/historical/batch"
    exchange.add_fault(
        kind="put_field", endpoint=f"GET {path}", field="orders.*.status", value="NEW", calls=1
    )
    assert hands.get(path)["orders"][0]["status"] == "NEW"
    assert hands.get(path)["orders"][0]["status"] == "FILLED"
    exchange.add_fault(kind="remove_field", endpoint=f"GET {path}", field="orders.0.side", calls=1)
    assert "side" not in hands.get(path)["orders"][0]
    exchange.add_fault(kind="loop_cursor", endpoint="GET /accounts")
    first = hands.get("/accounts")
    assert first["has_next"]
    assert hands.get("/accounts", cursor=first["cursor"]) == first
    assert exchange.engine.venue.matching.orders  # nothing inside was touched


CANDLES = "GET /products/*/candles"


@pytest.mark.parametrize(
    ("fault", "closes"),
    [
        ({"kind": "candles_missing", "value": [0]}, ["100"]),
        ({"kind": "candles_doubled", "value": [0]}, ["100", "100", "100"]),
        ({"kind": "candles_revised", "value": {"0": {"close": "101"}}}, ["101", "100"]),
        ({"kind": "put_field", "field": "candles", "value": []}, []),
    ],
)
def test_candles_bent(hands: Hands, fault: dict[str, Any], closes: list[str]) -> None:
    hands.exchange.add_fault(**fault, endpoint=CANDLES)
    rows = hands.candles("2024-02-28", "2024-02-29")
    assert [row["close"] for row in rows] == closes


def test_world_of_schedule(kept: SimulatorSettings, make_hands: MakeHands, tmp_path: Path) -> None:
    schedule = tmp_path / "faults.yaml"
    schedule.write_text(
        """
world:
  hold_release_seconds: 5
  cancel_ack_seconds: 2
  partial_fills: {ETH-USD: "0.5"}
  jumps:
    - product: BTC-USD
      at: "2024-03-01T00:10:00Z"
      price: "85"
      hold_until: "2024-03-01T01:00:00Z"
  flags:
    - {product: ETH-USD, at: "2024-03-01T00:20:00Z", flag: cancel_only, value: true}
  deposits:
    - {currency: BTC, at: "2024-03-01T00:05:00Z", amount: "2"}
  fees:
    - {at: "2024-03-01T00:30:00Z", maker: "0.004", taker: "0.008"}
  foreign_orders:
    - at: "2024-03-01T00:06:00Z"
      product: BTC-USD
      side: SELL
      order_configuration: {limit_limit_gtc: {base_size: "1", limit_price: "140"}}
"""
    )
    hands = make_hands(kept, faults=schedule)
    assert hands.show(hands.buy("2", "ETH-USD"))["filled_size"] == "1"
    hands.until("2024-03-01 00:07")
    assert hands.wallet("BTC") == (1, 1)
    hands.exchange.stop()
    hands = make_hands(kept, faults=schedule)  # the same schedule again plants nothing twice
    hands._count = 5
    hands.until("2024-03-01 00:40")
    assert hands.wallet("BTC") == (1, 1)
    assert hands.get("/products/BTC-USD")["price"] == "85"
    assert hands.get("/products/ETH-USD")["cancel_only"]
    assert hands.get("/transaction_summary")["fee_tier"]["taker_fee_rate"] == "0.008"
    (foreign,) = hands.orders(order_status="OPEN")
    assert (foreign["side"], foreign["outstanding_hold_amount"]) == ("SELL", "1")


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"faults": [{"kind": "explode"}]}, "unknown kind 'explode'; known are drop_before"),
        ({"faults": [{"kind": "status", "colour": "red"}]}, "unknown key 'colour'"),
        ({"faults": [{"kind": "status", "body": "xml"}]}, "body must be one of json"),
        ({"faults": [{"kind": "put_field"}]}, "needs field"),
        ({"faults": [{"kind": "status", "calls": ["x"]}]}, "calls are numbers"),
        ({"faults": {"kind": "status"}}, "faults must be a list"),
        ({"fault": []}, "unknown key 'fault'"),
        ({"world": {"hold_release": 5}}, "unknown key 'hold_release'"),
        ({"world": {"jumps": [{"product": "BTC-USD", "at": "noon", "price": "1"}]}}, "at must be"),
        ({"world": {"jumps": [{"at": "2024-03-01T00:10:00Z", "cost": 1}]}}, "unknown key 'cost'"),
        ({"world": {"deposits": [{**DEPOSIT, "amount": "much"}]}}, "expected a decimal"),
    ],
)
def test_a_wrong_schedule_is_named(make_exchange: Make, schedule: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make_exchange(faults=schedule)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"none\.yaml"):
        read_faults(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("faults: [")
    with pytest.raises(ParameterError, match=r"broken\.yaml: is not valid YAML"):
        read_faults(broken)


def test_clock_skew_shows_in_time_alone(exchange: SimulatedExchange, hands: Hands) -> None:
    exchange.add_fault(kind="clock_skew", endpoint="GET /time", seconds=7)
    assert hands.get("/time")["iso"].startswith("2024-03-01T00:01:07")
    assert exchange.now() < at("2024-03-01 00:01:01")


def test_orders_by_hand_follow_the_rules(exchange: SimulatedExchange, hands: Hands) -> None:
    exchange.place_by_hand("BTC-USD", "SELL", stop_limit("1", "95", "93"))
    assert hands.orders() == []
    exchange.deposit("BTC", Decimal(1))
    exchange.place_by_hand("BTC-USD", "SELL", stop_limit("1", "95", "93"))
    (order,) = hands.orders()
    assert order["status"] == "OPEN"
    assert dt.date.fromisoformat(order["created_time"][:10]) == DAY


def test_every_kind_and_every_key_of_a_schedule_is_in_the_docs(project_root: Path) -> None:
    text = (project_root / "docs" / "simulator.md").read_text(encoding="utf-8")
    known = [f"`{kind}`" for kind in KINDS] + [f"`{key}" for key in SCHEDULE_KEYS]
    assert [name for name in known if name not in text] == []

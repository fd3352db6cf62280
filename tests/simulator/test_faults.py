"""Schedules: what they may say, that they strike where they say, and always in the same places."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.conftest import DAY, PREFIX, SCHEDULE_KEYS, Hands, at, stop_limit
from tf_lib.errors import ParameterError
from tf_lib.simulator import SimulatedExchange, SimulatorSettings
from tf_lib.simulator.dispatcher import LineError
from tf_lib.simulator.faults.effects import KINDS
from tf_lib.simulator.faults.rules import read_faults

Make = Callable[..., SimulatedExchange]
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


def test_by_call_number_and_endpoint(settings: SimulatorSettings, make_exchange: Make) -> None:
    schedule = {
        "faults": [
            {"kind": "status", "status": 502, "endpoint": "GET /accounts", "calls": [2, "4-5"]},
            {"kind": "drop_before", "endpoint": "GET /products/*", "calls": 1},
        ]
    }
    exchange = make_exchange(replace(settings, faults=schedule))
    assert outcomes(exchange, "/accounts", 6) == [200, 502, 200, 502, 502, 200]
    assert outcomes(exchange, "/products/BTC-USD", 2) == [0, 200]
    assert outcomes(exchange, "/time", 2) == [200, 200]


def test_by_seeded_probability(settings: SimulatorSettings, make_exchange: Make) -> None:
    def run(seed: int) -> list[Any]:
        rule = {"kind": "unauthorized", "endpoint": "GET /accounts", "probability": 0.3}
        exchange = make_exchange(replace(settings, faults={"seed": seed, "faults": [rule]}))
        return outcomes(exchange, "/accounts", 200)

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 30 < run(1).count(401) < 90


def test_counting_survives_a_restart(
    settings: SimulatorSettings, make_exchange: Make, tmp_path: Path
) -> None:
    rule = {"kind": "status", "endpoint": "GET /accounts", "calls": [3]}
    kept = replace(settings, state_file=tmp_path / "s.sqlite", faults={"faults": [rule]})
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


def test_a_storm_by_the_time_of_day(settings: SimulatorSettings, make_exchange: Make) -> None:
    """From its begin to before its end, every day; waiting at the exchange goes on in it."""
    storm = {"kind": "status", "status": 503, "from": "00:01:10", "until": "00:03:30"}
    exchange = make_exchange(replace(settings, faults={"faults": [storm]}))

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


def test_rules_count_for_themselves_in_a_changed_schedule(
    settings: SimulatorSettings, make_exchange: Make, tmp_path: Path
) -> None:
    """A rule that has come in the place of another begins at its own first call."""
    kept = replace(settings, state_file=tmp_path / "s.sqlite")
    first = make_exchange(
        replace(
            kept, faults={"faults": [{"kind": "status", "endpoint": "GET /time", "calls": [9]}]}
        )
    )
    outcomes(first, "/time", 5)
    first.stop()
    other = {"faults": [{"kind": "status", "endpoint": "GET /accounts", "calls": [1]}]}
    assert outcomes(make_exchange(replace(kept, faults=other)), "/accounts", 2) == [503, 200]


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
QUERY = {
    "start": int(at("2024-02-28").timestamp()),
    "end": int(at("2024-02-29").timestamp()),
    "granularity": "ONE_DAY",
}


@pytest.mark.parametrize(
    ("fault", "closes"),
    [
        ({"kind": "candles_missing", "value": [0]}, ["100"]),
        ({"kind": "candles_doubled", "value": [0]}, ["100", "100", "100"]),
        ({"kind": "candles_revised", "value": {"0": {"close": "101"}}}, ["101", "100"]),
        ({"kind": "put_field", "field": "candles", "value": []}, []),
    ],
)
def test_candles_bent(
    exchange: SimulatedExchange, hands: Hands, fault: dict[str, Any], closes: list[str]
) -> None:
    exchange.add_fault(**fault, endpoint=CANDLES)
    rows = hands.get("/products/BTC-USD/candles", **QUERY)["candles"]
    assert [row["close"] for row in rows] == closes


def test_the_world_of_a_schedule(
    settings: SimulatorSettings, make_exchange: Make, tmp_path: Path
) -> None:
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
    kept = replace(settings, faults=schedule, state_file=tmp_path / "s.sqlite")
    exchange = make_exchange(kept)
    hands = Hands(exchange)
    assert hands.show(hands.buy("2", "ETH-USD"))["filled_size"] == "1"
    exchange.advance_to(at("2024-03-01 00:07"))
    assert hands.wallet("BTC") == (1, 1)
    exchange.stop()
    exchange = make_exchange(kept)  # the same schedule again plants nothing twice
    hands = Hands(exchange)
    hands._count = 5
    exchange.advance_to(at("2024-03-01 00:40"))
    assert hands.wallet("BTC") == (1, 1)
    assert hands.get("/products/BTC-USD")["price"] == "85"
    assert hands.get("/products/ETH-USD")["cancel_only"]
    assert hands.get("/transaction_summary")["fee_tier"]["taker_fee_rate"] == "0.008"
    (foreign,) = hands.get("/orders/historical/batch", order_status="OPEN")["orders"]
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
def test_a_wrong_schedule_is_named(
    settings: SimulatorSettings, schedule: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        SimulatedExchange(replace(settings, faults=schedule))


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


def test_every_kind_is_in_the_docs(project_root: Path) -> None:
    text = (project_root / "docs" / "simulator.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in text] == []


def test_orders_by_hand_follow_the_rules(exchange: SimulatedExchange, hands: Hands) -> None:
    exchange.place_by_hand("BTC-USD", "SELL", stop_limit("1", "95", "93"))
    assert hands.get("/orders/historical/batch")["orders"] == []
    exchange.deposit("BTC", Decimal(1))
    exchange.place_by_hand("BTC-USD", "SELL", stop_limit("1", "95", "93"))
    (order,) = hands.get("/orders/historical/batch")["orders"]
    assert order["status"] == "OPEN"
    assert dt.date.fromisoformat(order["created_time"][:10]) == DAY


def test_every_kind_and_every_key_of_a_schedule_is_in_the_docs(project_root: Path) -> None:
    text = (project_root / "docs" / "simulator.md").read_text(encoding="utf-8")
    known = {*KINDS, *SCHEDULE_KEYS}
    assert sorted(name for name in known if f"`{name}" not in text) == []

"""Attached brackets: they come into being with what their parent filled, and live on their own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.conftest import Hands, MakeHands, at, order_body
from tests.simulator.test_order_entry import UNKNOWN, UNSUPPORTED, limit, market
from tf_lib.simulator import SimulatedExchange, SimulatorSettings

ONE = market(base_size="1")


def bracket(take_profit: str, trigger: str, **more: Any) -> dict[str, Any]:
    fields = {"limit_price": take_profit, "stop_trigger_price": trigger, **more}
    return {"trigger_bracket_gtc": fields}


def asked(hands: Hands, configuration: Any, attached: Any, side: str = "BUY") -> Any:
    body = order_body(side, configuration, attached_order_configuration=attached)
    return hands.post("/orders", body)


def made(hands: Hands, configuration: dict[str, Any], attached: Any) -> tuple[str, str]:
    """Return the ids of an order and of what was attached to it, "" before it exists."""
    reply = asked(hands, configuration, attached)
    assert reply["success"], reply
    order_id = reply["success_response"]["order_id"]
    return order_id, hands.show(order_id)["attached_order_id"]


def test_a_market_buy_is_followed_by_its_bracket_at_once(hands: Hands) -> None:
    parent, child = made(hands, market(base_size="2"), bracket("110", "95"))
    shown = hands.show(child)
    assert (shown["status"], shown["side"], shown["order_type"]) == ("OPEN", "SELL", "BRACKET")
    assert shown["originating_order_id"] == parent
    assert shown["order_configuration"]["trigger_bracket_gtc"]["base_size"] == "2"
    assert hands.wallet("BTC") == (Decimal(0), Decimal(2))
    asked_for = hands.show(parent)["attached_order_configuration"]
    assert asked_for == bracket("110", "95")


def test_its_stop_side_sells_five_percent_beyond(hands: Hands) -> None:
    _, child = made(hands, market(base_size="2"), bracket("110", "95"))
    hands.exchange.advance_to(at("2024-03-01 12:00"))  # the low of 90 was at 08:00
    shown = hands.show(child)
    assert (shown["status"], shown["trigger_status"]) == ("FILLED", "STOP_TRIGGERED")
    assert Decimal(shown["average_filled_price"]) == Decimal(95) * Decimal("0.999")


def test_a_resting_buy_carries_it_until_it_fills(hands: Hands) -> None:
    parent, child = made(hands, limit("3", "92"), bracket("105", "91"))
    assert child == ""
    hands.exchange.advance_to(at("2024-03-01 07:00"))  # 92 was met, it stands at 91.29
    child = hands.show(parent)["attached_order_id"]
    assert hands.show(child)["status"] == "OPEN"
    hands.exchange.advance_to(at("2024-03-01 08:30"))
    assert hands.show(child)["filled_size"] == "3"


def test_a_part_that_filled_is_covered_when_the_rest_is_cancelled(hands: Hands) -> None:
    hands.exchange.thin_out({"BTC-USD": "0.25"})
    parent, child = made(hands, market(base_size="4"), bracket("110", "80"))
    assert hands.show(parent)["status"] == "CANCELLED"
    assert hands.show(child)["order_configuration"]["trigger_bracket_gtc"]["base_size"] == "1"


def test_nothing_follows_an_order_that_ends_without_fills(hands: Hands) -> None:
    parent, _ = made(hands, limit("3", "50"), bracket("105", "45"))
    hands.cancel(parent)
    assert hands.show(parent)["attached_order_id"] == ""
    assert hands.wallet("BTC") == (Decimal(0), Decimal(0))


def test_a_stop_that_is_met_when_it_comes_triggers_at_once(hands: Hands) -> None:
    parent, _ = made(hands, limit("1", "99"), bracket("105", "98"))
    hands.exchange.plant_jump("BTC-USD", at("2024-03-01 00:10"), Decimal("97"))
    hands.exchange.advance_to(at("2024-03-01 00:11"))
    child = hands.show(hands.show(parent)["attached_order_id"])
    assert child["trigger_status"] == "STOP_TRIGGERED"
    assert child["status"] == "FILLED"


@pytest.mark.parametrize(
    ("side", "configuration", "attached", "code"),
    [
        ("BUY", ONE, bracket("110", "95", base_size="1"), "ATTACHED_ORDER_SIZE_MUST_BE_NIL"),
        ("BUY", ONE, {"limit_limit_gtc": {"limit_price": "110"}}, UNSUPPORTED),
        ("SELL", limit("1", "120"), bracket("90", "130"), UNSUPPORTED),
        ("BUY", ONE, bracket("99", "95"), "INVALID_LIMIT_PRICE"),
        ("BUY", ONE, bracket("110", "101"), UNKNOWN),
        ("BUY", ONE, bracket("110.001", "95"), "INVALID_PRICE_PRECISION"),
    ],
)
def test_refused(hands: Hands, side: str, configuration: Any, attached: Any, code: str) -> None:
    reply = asked(hands, configuration, attached, side)
    assert not reply["success"]
    assert reply["error_response"]["error"] == code
    assert hands.wallet("USD") == (Decimal(15000), Decimal(0))


@pytest.mark.parametrize("attached", [[], "x", {"a": {}, "b": {}}, {"trigger_bracket_gtc": 3}])
def test_malformed_is_a_400(exchange: SimulatedExchange, attached: Any) -> None:
    body = order_body("BUY", ONE, attached_order_configuration=attached)
    status, reply = exchange.engine.handle("POST", "/api/v3/brokerage/orders", None, body)
    assert (status, reply["error"]) == (400, "INVALID_ARGUMENT")


def test_it_outlives_a_restart(kept: SimulatorSettings, make_hands: MakeHands) -> None:
    hands = make_hands(kept)
    parent, _ = made(hands, limit("3", "92"), bracket("105", "85"))
    before = hands.exchange.engine.venue.matching.orders
    hands.exchange.stop()
    hands = make_hands(kept)
    assert hands.exchange.engine.venue.matching.orders == before
    hands.until("2024-03-01 07:30")
    assert hands.show(hands.show(parent)["attached_order_id"])["status"] == "OPEN"

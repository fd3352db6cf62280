"""The list of mishaps of the facts, one by one, and that every run of a schedule is the same."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.conftest import (
    FILLS,
    ORDERS,
    PREFIX,
    Hands,
    Make,
    MakeHands,
    at,
    order_body,
    stop_limit,
)
from tests.simulator.test_order_entry import limit, market
from tf_lib.errors import ParameterError
from tf_lib.simulator import SimulatedExchange
from tf_lib.simulator.dispatcher import LineError
from tf_lib.simulator.faults.effects import BODIES

ONE = market(base_size="1")
FIRST_TIER = {"name": "Intro", "usd_from": 0, "maker": "0.005", "taker": "0.009"}


def reply_to(hands: Hands, **fault: Any) -> tuple[int, Any]:
    """Return what a market buy of 1 is answered with under a fault; 0 where the line was cut."""
    hands.exchange.add_fault(endpoint="POST /orders", calls=[1], **fault)
    body = order_body("BUY", ONE)
    try:
        return hands.exchange.engine.handle("POST", f"{PREFIX}/orders", None, body)
    except LineError:
        return 0, None


@pytest.mark.parametrize("kind", ["drop_before", "reset_before", "drop_after", "reset_after"])
def test_no_answer_before_and_after_processing(hands: Hands, kind: str) -> None:
    assert reply_to(hands, kind=kind) == (0, None)
    assert hands.wallet("BTC")[0] == (1 if kind.endswith("after") else 0)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
@pytest.mark.parametrize("body", ["json", "empty", "html", "text"])
@pytest.mark.parametrize("kind", ["status", "status_after"])
def test_every_status_with_every_body(hands: Hands, kind: str, status: int, body: str) -> None:
    got, text = reply_to(hands, kind=kind, status=status, body=body)
    assert got == status
    if status == 429 and body == "json":
        assert json.loads(text)["errors"][0]["id"] == "rate_limit_exceeded"
    else:
        assert text == BODIES[body]
    assert hands.wallet("BTC")[0] == (1 if kind == "status_after" else 0)


def test_spurious_401_and_truncated_json(exchange: SimulatedExchange, hands: Hands) -> None:
    assert reply_to(hands, kind="unauthorized") == (401, "Unauthorized\n")
    assert hands.wallet("BTC")[0] == 0
    exchange.clear_faults()
    status, text = reply_to(hands, kind="truncated_json")
    assert status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    assert hands.wallet("BTC")[0] == 1


def test_null_missing_and_unknown_fields(exchange: SimulatedExchange, hands: Hands) -> None:
    _, reply = reply_to(hands, kind="put_field", field="order_configuration", value=None)
    assert reply["order_configuration"] is None
    exchange.clear_faults()
    _, reply = reply_to(hands, kind="remove_field", field="success_response")
    assert "success_response" not in reply
    exchange.clear_faults()
    for name, value in (("orders", None), ("orders.*.edit_history", None), ("proof", {"a": 1})):
        exchange.add_fault(kind="put_field", endpoint=f"GET {ORDERS}", field=name, value=value)
        answer = hands.get(ORDERS)
        first = answer["orders"][0] if answer["orders"] else {}
        assert {**first, **answer}.get(name.rpartition(".")[2]) == value
        exchange.clear_faults()


def test_unknown_enum_values(exchange: SimulatedExchange, hands: Hands) -> None:
    order_id = hands.buy("1")
    at_order = {"kind": "put_field", "endpoint": "GET /orders/historical/*"}
    for name, value in (("order_type", "UNKNOWN_ORDER_TYPE"), ("status", "UNKNOWN_ORDER_STATUS")):
        exchange.add_fault(field=f"order.{name}", value=value, **at_order)
        assert hands.show(order_id)[name] == value
        exchange.clear_faults()


@pytest.mark.parametrize("path", ["/accounts", ORDERS, FILLS])
def test_looping_cursors(exchange: SimulatedExchange, hands: Hands, path: str) -> None:
    hands.buy("1")
    exchange.add_fault(kind="loop_cursor", endpoint=f"GET {path}")
    first = hands.get(path, limit=1)
    assert first["cursor"]
    assert hands.get(path, limit=1, cursor=first["cursor"]) == first
    assert ("has_next" in first) == (path != FILLS)


def test_clock_skew_and_tokens(make_hands: MakeHands, hands: Hands) -> None:
    before = int(hands.get("/time")["epochSeconds"])
    hands.exchange.add_fault(kind="clock_skew", endpoint="GET /time", seconds=90)
    assert int(hands.get("/time")["epochSeconds"]) == before + 90
    strict = {"world": {"token_skew_seconds": -30}}  # as if every client were half a minute ahead
    client = make_hands(faults=strict).client()
    with client.session, pytest.raises(Exception, match="401"):
        client.get_accounts()


def test_product_turns(exchange: SimulatedExchange, hands: Hands) -> None:
    resting = hands.made("BUY", limit("1", "90"))
    for flag in ("cancel_only", "trading_disabled", "view_only", "is_disabled", "auction_mode"):
        exchange.set_flag("BTC-USD", flag, True)
        assert hands.get("/products/BTC-USD")[flag]
        assert not hands.order("BUY", limit("1", "90"))["success"]
        exchange.set_flag("BTC-USD", flag, False)
    exchange.set_flag("BTC-USD", "limit_only", True)
    refused = hands.order("BUY", ONE)
    assert refused["error_response"]["error"] == "UNSUPPORTED_ORDER_CONFIGURATION"
    exchange.set_flag("BTC-USD", "cancel_only", True)
    (result,) = hands.cancel(resting)
    assert result["success"]


def test_partial_fill_then_cancel(exchange: SimulatedExchange, hands: Hands) -> None:
    exchange.thin_out({"BTC-USD": "0.25"})
    order = hands.made("BUY", limit("4", "101"))
    assert hands.show(order)["status"] == "OPEN"
    assert hands.show(order)["completion_percentage"] == "25"
    hands.cancel(order)
    shown = hands.show(order)
    assert (shown["status"], shown["filled_size"]) == ("CANCELLED", "1")
    assert hands.wallet("USD")[1] == 0


def test_a_hold_that_is_not_released(exchange: SimulatedExchange, hands: Hands) -> None:
    exchange.set_delays(hold_release_seconds=86_400 * 3650)
    order = hands.made("BUY", limit("1", "90"))
    hands.cancel(order)
    exchange.advance_to(at("2024-03-05 00:00"))
    assert hands.show(order)["status"] == "CANCELLED"
    assert hands.wallet("USD")[1] == Decimal("90") * Decimal("1.012")


def test_candles_late_and_partial(exchange: SimulatedExchange, hands: Hands) -> None:
    exchange.set_delays(candle_visible_seconds=60)
    (forming,) = hands.candles("2024-03-01")
    assert Decimal(forming["volume"]) < 1
    exchange.advance_to(at("2024-03-02 00:00"))
    assert hands.candles("2024-03-01") == []
    assert len(hands.candles("2024-02-29")) == 1
    exchange.advance_to(at("2024-03-02 00:01:01"))
    (day,) = hands.candles("2024-03-01")
    assert (day["close"], day["volume"]) == ("102", "1000")


def test_edits_queue(exchange: SimulatedExchange, hands: Hands) -> None:
    exchange.set_delays(edit_ack_seconds=60)
    order = hands.made("BUY", limit("1", "90"))

    def edit(price: str) -> Any:
        return hands.post("/orders/edit", {"order_id": order, "price": price, "size": "2"})

    assert edit("80")["success"]
    assert hands.show(order)["status"] == "EDIT_QUEUED"
    assert hands.orders(order_status="OPEN") == []
    assert edit("81")["errors"][0]["edit_failure_reason"] == "ORDER_IS_ALREADY_BEING_REPLACED"
    (result,) = hands.cancel(order)
    assert result["failure_reason"] == "ORDER_IS_BEING_REPLACED"
    exchange.advance_to(at("2024-03-01 00:03"))
    shown = hands.show(order)
    assert shown["status"] == "OPEN"
    assert shown["order_configuration"]["limit_limit_gtc"]["limit_price"] == "80"
    assert hands.wallet("USD")[1] == 160 * Decimal("1.012")


def test_an_edit_that_comes_too_late_or_costs_too_much(hands: Hands) -> None:
    hands.exchange.set_delays(edit_ack_seconds=86_000)
    filled = hands.made("BUY", limit("1", "95"))
    poor = hands.made("BUY", limit("1", "70"))
    for order in (filled, poor):
        body = {"order_id": order, "price": "69", "size": "100"}
        assert hands.post("/orders/edit", body)["success"]
    hands.exchange.deposit("USD", Decimal(-10_000))
    hands.until("2024-03-02 00:00")  # fell to 90 on the way
    assert (hands.show(filled)["status"], hands.show(filled)["filled_size"]) == ("FILLED", "1")
    shown = hands.show(poor)
    assert (shown["status"], shown["edit_history"]) == ("OPEN", [])


def test_used_client_ids_may_be_refused(exchange: SimulatedExchange, hands: Hands) -> None:
    exchange.set_delays(duplicate_client_order_id=True)
    hands.buy("1")
    hands._count -= 1
    reply = hands.order("BUY", ONE)
    assert not reply["success"]
    assert reply["error_response"]["new_order_failure_reason"] == "DUPLICATE_CLIENT_ORDER_ID"
    assert hands.wallet("BTC")[0] == 1


def test_stops_refuse_edits_in_either_way(exchange: SimulatedExchange, hands: Hands) -> None:
    hands.buy("1")
    stop = hands.stop("1", "95", "93")
    exchange.set_delays(stop_edit_refusal="FIELD_STOPPRICE_NOT_SUPPORTED")
    body = {"order_id": stop, "price": "92", "size": "1"}
    reason = hands.post("/orders/edit", body)["errors"][0]["edit_failure_reason"]
    assert reason == "FIELD_STOPPRICE_NOT_SUPPORTED"
    exchange.set_delays(stop_edit_refusal="ONLY_LIMIT_ORDER_EDITS_SUPPORTED")
    again = hands.post("/orders/edit", {**body, "stop_price": "94"})
    assert again["error_response"]["edit_order_failure_reason"] == "FIELD_STOPPRICE_NOT_SUPPORTED"


def test_rules_of_a_schedule(make_hands: MakeHands) -> None:
    second = {"name": "Advanced 1", "usd_from": 1000, "maker": "0.003", "taker": "0.006"}
    tiers = [FIRST_TIER, second]
    world = {"price_band": "0.1", "depth_usd": "500", "fee_tiers": tiers}
    hands = make_hands(faults={"world": world})
    refused = hands.order("BUY", limit("1", "120"))["error_response"]
    assert refused["preview_failure_reason"] == "PREVIEW_BREACHED_PRICE_LIMIT"
    thin = hands.show(hands.buy("20"))
    assert thin["status"] == "CANCELLED"
    assert Decimal(thin["filled_value"]) <= 500
    for _ in range(3):
        hands.buy("4")
    summary = hands.get("/transaction_summary")["fee_tier"]
    assert (summary["pricing_tier"], summary["taker_fee_rate"]) == ("Advanced 1", "0.006")


def test_a_band_for_stops_alone(make_hands: MakeHands) -> None:
    """A stop's limit lies at most so far beyond its stop; other limits lie where they like."""
    hands = make_hands(faults={"world": {"stop_band": "0.01"}})
    hands.buy("2")
    refused = hands.order("SELL", stop_limit("1", "90", "89"))["error_response"]
    assert refused["error"] == "LIMIT_ORDER_PRICE_EXCEEDS_PRICE_BAND_ON_SELL"
    assert refused["preview_failure_reason"] == "PREVIEW_BREACHED_PRICE_LIMIT"
    assert hands.order("SELL", stop_limit("1", "90", "89.1"))["success"]
    assert hands.order("BUY", limit("1", "50"))["success"]


@pytest.mark.parametrize(
    ("which", "in_base", "in_quote", "limits"),
    [("base_sized", False, True, True), ("all", False, False, False)],
)
def test_buys_that_are_not_taken(
    make_hands: MakeHands, which: str, in_base: bool, in_quote: bool, limits: bool
) -> None:
    """A refusal about the order's configuration, in a preview, too; sells are taken."""
    hands = make_hands(faults={"world": {"refused_buys": which}})
    hands.exchange.deposit("BTC", Decimal(1))
    reply = hands.order("BUY", ONE)
    assert reply["success"] is in_base
    assert reply["error_response"]["error"] == "UNSUPPORTED_ORDER_CONFIGURATION"
    assert reply["error_response"]["message"]
    assert hands.preview("BUY", ONE)["errs"] == ["PREVIEW_INVALID_ORDER_CONFIG"]
    assert hands.order("BUY", market(quote_size="50"))["success"] is in_quote
    assert hands.order("BUY", limit("1", "50"))["success"] is limits
    assert hands.order("SELL", ONE)["success"]


def test_one_refused_stop_on_a_day(exchange: SimulatedExchange, hands: Hands) -> None:
    """The refusal has the exchange's own form and nothing rests; the next one is taken."""
    exchange.add_fault(
        kind="refuse",
        endpoint="POST /orders",
        contains=["BTC-USD", "stop_limit"],
        calls=[1],
        dates=["2024-03-01"],
        preview="PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE",
    )
    hands.buy("2")
    reply = hands.order("SELL", stop_limit("1", "90", "80"))
    assert reply["success"] is False
    assert reply["order_configuration"] == stop_limit("1", "90", "80")
    assert reply["error_response"]["error"] == "UNKNOWN_FAILURE_REASON"
    codes = reply["error_response"]["preview_failure_reason"]
    assert codes == "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE"
    assert hands.wallet("BTC") == (2, 0)
    assert hands.order("SELL", stop_limit("1", "90", "80"))["success"]


@pytest.mark.parametrize(
    ("world", "message"),
    [
        ({"canonical_replies": ["all"]}, "canonical_replies: true or some of lists, books"),
        ({"refused_buys": "some"}, "refused_buys must be one of base_sized, all"),
        ({"fee_tiers": []}, "fee_tiers must be a list"),
        ({"fee_tiers": [{"name": "a"}]}, "each has name, usd_from, maker, taker"),
        ({"fee_tiers": [{**FIRST_TIER, "usd_from": 5}]}, "must begin at 0 and rise"),
        ({"price_band": "wide"}, "price_band: expected a decimal"),
        ({"stop_edit_refusal": "NO"}, "stop_edit_refusal must be one of"),
        ({"edit_ack_seconds": "soon"}, "edit_ack_seconds: expected a decimal"),
    ],
)
def test_wrong_rules_are_named(make_exchange: Make, world: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make_exchange(faults={"world": world})


def test_usdc_aliases_share_a_book_and_settle_apart(make_hands: MakeHands) -> None:
    hands = make_hands(faults={"world": {"usdc_aliases": True}})
    listed = {row["product_id"]: row for row in hands.get("/products")["products"]}
    assert listed["BTC-USDC"]["alias"] == "BTC-USD"
    assert listed["BTC-USD"]["alias_to"] == ["BTC-USDC"]
    assert listed["BTC-USDC"]["price"] == listed["BTC-USD"]["price"]
    refused = hands.order("BUY", ONE, "BTC-USDC")
    assert refused["error_response"]["error"] == "INSUFFICIENT_FUND"  # dollars do not pay for it
    hands.exchange.deposit("USDC", Decimal(500))
    hands.buy("2", "BTC-USDC")
    assert hands.wallet("USDC")[0] == 500 - 2 * Decimal("100.1") * Decimal("1.012")
    assert hands.wallet("USD")[0] == 15_000
    stop = hands.stop("1", "95", "93", "BTC-USDC")
    hands.exchange.plant_jump("BTC-USD", at("2024-03-01 00:10"), Decimal("94"))
    hands.until("2024-03-01 00:20")
    assert hands.show(stop)["status"] == "FILLED"
    rows = hands.get("/products/BTC-USDC/candles", granularity="ONE_DAY", end=1709164800)["candles"]
    assert rows[0]["close"] == "100"


SCHEDULE: dict[str, Any] = {
    "seed": 3,
    "faults": [
        {"kind": "drop_after", "endpoint": "POST /orders", "probability": 0.3},
        {"kind": "status", "endpoint": "GET /accounts", "status": 502, "probability": 0.4},
        {"kind": "truncated_json", "endpoint": "GET *", "probability": 0.1},
        {"kind": "candles_missing", "endpoint": "GET */candles", "value": [0, 2]},
    ],
    "world": {
        "hold_release_seconds": 7,
        "cancel_ack_seconds": 3,
        "edit_ack_seconds": 2,
        "partial_fills": {"BTC-USD": "0.4"},
        "jumps": [{"product": "BTC-USD", "at": "2024-03-01T03:00:00Z", "price": "60"}],
        "deposits": [{"currency": "USD", "at": "2024-03-01T02:00:00Z", "amount": "50"}],
        "foreign_orders": [
            {
                "at": "2024-03-01T01:00:00Z",
                "product": "ETH-USD",
                "side": "BUY",
                "order_configuration": {"market_market_ioc": {"base_size": "3"}},
            }
        ],
    },
}


def test_every_run_of_a_schedule_is_identical(make_exchange: Make, tmp_path: Path) -> None:
    def run(name: str) -> list[dict[str, Any]]:
        exchange = make_exchange(faults=SCHEDULE, log_file=tmp_path / name)
        for number in range(40):
            side = "BUY" if number % 3 else "SELL"
            price = "98" if side == "BUY" else "102"
            body = order_body(side, limit("1", price), f"c{number // 2}")
            asks: tuple[tuple[str, str, Any], ...] = (
                ("POST", "/orders", body),
                ("GET", "/accounts", None),
                ("GET", "/products/BTC-USD/candles?granularity=ONE_HOUR", None),
                ("GET", ORDERS, None),
            )
            for method, path, content in asks:
                bare, _, query = path.partition("?")
                try:
                    exchange.engine.handle(method, PREFIX + bare, query, content)
                except LineError:
                    continue
            hour, quarter = divmod(number + 1, 4)
            exchange.advance_to(at("2024-03-01 00:05").replace(hour=hour, minute=15 * quarter + 5))
        exchange.stop()
        lines = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        assert all(line.pop("wall_time") for line in lines)
        return lines

    first = run("one")
    assert first == run("two")
    kinds = {rule["kind"] for rule in SCHEDULE["faults"]}
    assert {line["fault"] for line in first} == {None} | kinds


def test_replies_may_name_the_canonical_product(make_hands: MakeHands) -> None:
    """Lists, books, orders and fills of an alias stand under its product; wallets do not."""
    world = {"usdc_aliases": True, "canonical_replies": True}
    hands = make_hands(faults={"world": world})
    hands.exchange.deposit("USDC", Decimal(500))
    client = hands.client()
    bought = hands.buy("2", "BTC-USDC")
    assert hands.show(bought)["product_id"] == "BTC-USD"
    assert client.list_orders().to_dict()["orders"][0]["product_id"] == "BTC-USD"
    assert client.get_fills().to_dict()["fills"][0]["product_id"] == "BTC-USD"
    books = client.get_best_bid_ask(product_ids=["BTC-USDC"]).to_dict()["pricebooks"]
    assert [book["product_id"] for book in books] == ["BTC-USD"]
    listed = client.get_products(product_ids=["BTC-USDC", "ETH-USDC"]).to_dict()["products"]
    assert [row["product_id"] for row in listed] == ["BTC-USD", "ETH-USD"]
    assert listed[0]["alias_to"] == ["BTC-USDC"]
    assert hands.wallet("BTC")[0] == 2
    assert hands.wallet("USD")[0] == 15_000


def test_one_kind_of_reply_alone_names_the_canonical_product(make_hands: MakeHands) -> None:
    world = {"usdc_aliases": True, "canonical_replies": ["books"]}
    hands = make_hands(faults={"world": world})
    (book,) = hands.get("/best_bid_ask", product_ids="ETH-USDC")["pricebooks"]
    assert book["product_id"] == "ETH-USD"
    (listed,) = hands.get("/products", product_ids="ETH-USDC")["products"]
    assert listed["product_id"] == "ETH-USDC"


def test_a_wrong_bar_that_is_put_right_later(exchange: SimulatedExchange, hands: Hands) -> None:
    """A high of its date is shown 1.9 times as high on one day, and as it was on the next."""
    exchange.add_fault(
        kind="candles_scaled",
        endpoint="GET /products/BTC-USD/candles",
        value={"2024-03-02": {"high": "1.9"}, "2024-03-01": {"all": "0.5"}},
        dates=["2024-03-03..2024-03-04"],
    )

    def shown() -> dict[str, tuple[str, str, str]]:
        found = hands.get("/products/BTC-USD/candles", granularity="ONE_DAY")["candles"]
        rows = {str(at_second(row["start"])): row for row in found}
        return {day: (row["low"], row["high"], row["close"]) for day, row in rows.items()}

    def at_second(text: str) -> Any:
        return dt.datetime.fromtimestamp(int(text), dt.UTC).date()

    exchange.advance_to(at("2024-03-03 00:01"))
    wrong = shown()
    exchange.advance_to(at("2024-03-05 00:01"))
    right = shown()
    assert wrong["2024-03-02"] == ("101", "201.4", "105")
    assert right["2024-03-02"] == ("101", "106", "105")
    assert wrong["2024-03-01"] == ("45", "52", "51")
    assert right["2024-03-01"] == ("90", "104", "102")
    assert wrong["2024-02-29"] == right["2024-02-29"]

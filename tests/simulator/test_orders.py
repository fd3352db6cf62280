"""The life of orders: fills by hand, holds, cancels, edits, delays."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.conftest import PREFIX, Hands, MakeHands, at, stop_limit
from tests.simulator.test_order_entry import limit, market
from tf_lib.simulator import SimulatedExchange
from tf_lib.simulator.matching.order import TERMINAL, TRANSITIONS, Order, Status
from tf_lib.simulator.matching.pricing import FeeTier

D = Decimal


def test_market_buy_and_sell_to_the_last_digit(hands: Hands) -> None:
    hands.buy("0.12345678")
    value = D("100.1") * D("0.12345678")
    fee = value * D("0.012")
    assert hands.wallet("USD") == (15_000 - value - fee, 0)
    assert hands.wallet("BTC") == (D("0.12345678"), 0)
    sold = hands.show(hands.made("SELL", {"market_market_ioc": {"base_size": "0.1"}}))
    assert D(sold["average_filled_price"]) == D("99.9")
    assert D(sold["total_value_after_fees"]) == D("9.99") * D("0.988")


def test_buy_for_an_amount_of_money_includes_the_fee(hands: Hands) -> None:
    order = hands.show(hands.made("BUY", {"market_market_ioc": {"quote_size": "1000"}}))
    assert hands.wallet("USD") == (14_000, 0)
    assert order["size_in_quote"]
    assert D(order["total_value_after_fees"]) == 1000
    (fill,) = hands.fills()
    assert fill["size_in_quote"]
    assert D(fill["size"]) + D(fill["commission"]) == 1000
    assert abs(D(fill["size"]) / D(fill["price"]) - D(order["filled_size"])) < D("1E-15")
    assert hands.wallet("BTC")[0] == D(order["filled_size"])
    # 1000 / 1.012 / 100.1 = 9.87155137352765811..., of which a step is 0.00000001
    assert order["filled_size"] == "9.8715513735276581"
    everything = {"market_market_ioc": {"base_size": order["filled_size"]}}
    assert not hands.order("SELL", everything)["success"]
    hands.made("SELL", {"market_market_ioc": {"base_size": "9.87155137"}})
    assert hands.wallet("BTC") == (D("0.0000000035276581"), 0)


def test_preview_of_a_buy_for_an_amount_of_money(hands: Hands) -> None:
    """Says the size that the buy has: no whole steps, and the whole amount as its total."""
    configuration = {"market_market_ioc": {"quote_size": "1000"}}
    said = hands.preview("BUY", configuration)
    assert said["errs"] == []
    assert said["base_size"] == "9.8715513735276581"
    assert D(said["order_total"]) == 1000


def test_a_part_of_a_buy_for_an_amount_of_money(exchange: SimulatedExchange, hands: Hands) -> None:
    """What finds no other side is not spent; the fee is of what was bought."""
    exchange.thin_out({"BTC-USD": "0.5"})
    order = hands.show(hands.made("BUY", {"market_market_ioc": {"quote_size": "1000"}}))
    assert order["status"] == "CANCELLED"
    assert D(order["total_fees"]) == (D(order["filled_value"]) * D("0.012")).quantize(D("1E-16"))
    assert hands.wallet("USD") == (15_000 - D(order["total_value_after_fees"]), 0)


def test_gap_below_the_limit_rests_and_comes_back(hands: Hands) -> None:
    hands.until("2024-03-02 12:00")
    hands.buy("10")
    stop = hands.stop("10", "98", "95")
    hands.until("2024-03-03 00:00")  # opens at 80
    order = hands.show(stop)
    assert (order["status"], order["trigger_status"]) == ("OPEN", "STOP_TRIGGERED")
    assert order["filled_size"] == "0"
    assert hands.wallet("BTC") == (0, 10)
    hands.until("2024-03-04 23:00")  # 71 -> 70 -> 99
    order = hands.show(stop)
    assert order["status"] == "FILLED"
    fill = hands.fills(order_ids=stop)[0]
    assert (fill["price"], fill["liquidity_indicator"]) == ("95", "MAKER")
    assert D(fill["commission"]) == D(950) * D("0.006")
    # from 70 at 08:00 to 99 at 16:00
    assert fill["trade_time"] == "2024-03-04T14:53:47.586207Z"


def test_opening_between_stop_and_limit_fills_at_the_jump(hands: Hands) -> None:
    hands.until("2024-03-02 12:00")
    hands.buy("10")
    stop = hands.stop("10", "98", "79")
    hands.until("2024-03-03 00:00")
    fill = hands.fills(order_ids=stop)[0]
    assert (fill["price"], fill["trade_time"]) == ("79.92", "2024-03-03T00:00:00.000000Z")


def test_planted_jump(exchange: SimulatedExchange, hands: Hands) -> None:
    hands.buy("10")
    stop = hands.stop("10", "98", "95")
    until = at("2024-03-01 02:00")
    exchange.plant_jump("BTC-USD", at("2024-03-01 00:10"), D("85"), hold_until=until)
    exchange.advance_to(at("2024-03-01 01:00"))
    assert hands.show(stop)["trigger_status"] == "STOP_TRIGGERED"
    assert hands.get("/products/BTC-USD")["price"] == "85"
    exchange.advance_to(at("2024-03-02 00:00"))
    assert hands.show(stop)["average_filled_price"] == "95"
    (candle,) = hands.candles("2024-03-01")
    assert (candle["open"], candle["low"], candle["high"]) == ("100", "85", "104")


def test_limit_orders(hands: Hands) -> None:
    resting = hands.made("BUY", limit("10", "95"))
    assert hands.wallet("USD") == (15_000 - 950 * D("1.012"), 950 * D("1.012"))
    crossing = hands.show(hands.made("BUY", limit("1", "100.05")))
    assert (crossing["status"], crossing["average_filled_price"]) == ("FILLED", "100.05")
    ioc = {"sor_limit_ioc": {"base_size": "1", "limit_price": "99"}}
    assert hands.show(hands.made("BUY", ioc))["status"] == "CANCELLED"
    hands.until("2024-03-01 09:00")
    order = hands.show(resting)
    assert (order["status"], order["average_filled_price"]) == ("FILLED", "95")
    assert D(order["total_fees"]) == D(950) * D("0.006")
    assert hands.wallet("USD")[1] == 0


@pytest.mark.parametrize(("high", "low", "price"), [("103", "80", "103"), ("120", "96", "95.904")])
def test_bracket(hands: Hands, high: str, low: str, price: str) -> None:
    hands.buy("1")
    fields = {"base_size": "1", "limit_price": high, "stop_trigger_price": low}
    order = hands.made("SELL", {"trigger_bracket_gtc": fields})
    assert hands.show(order)["order_type"] == "BRACKET"
    hands.until("2024-03-01 20:00")
    assert hands.show(order)["average_filled_price"] == price


def test_good_till_date_expires_and_gives_its_hold_back(hands: Hands) -> None:
    fields = {"base_size": "1", "limit_price": "50", "end_time": "2024-03-01T05:00:00Z"}
    order = hands.made("BUY", {"limit_limit_gtd": fields})
    hands.until("2024-03-01 05:00")
    assert hands.show(order)["status"] == "EXPIRED"
    assert hands.wallet("USD") == (15_000, 0)


def test_late_release_and_late_cancel(exchange: SimulatedExchange, hands: Hands) -> None:
    hands.buy("1")
    exchange.set_delays(hold_release_seconds=60, cancel_ack_seconds=30)
    stop = hands.stop("1", "95", "93")
    assert hands.cancel(stop)[0]["success"]
    order = hands.show(stop)
    assert (order["status"], order["pending_cancel"]) == ("CANCEL_QUEUED", True)
    again = hands.cancel(stop)[0]
    assert again["failure_reason"] == "DUPLICATE_CANCEL_REQUEST"
    exchange.advance_to(at("2024-03-01 00:01:40"))
    assert hands.show(stop)["status"] == "CANCELLED"
    assert hands.wallet("BTC") == (0, 1)
    assert not hands.order("SELL", market(base_size="1"))["success"]
    exchange.advance_to(at("2024-03-01 00:02:40"))
    assert hands.wallet("BTC") == (1, 0)


def test_a_fill_beats_a_slow_cancel(exchange: SimulatedExchange, hands: Hands) -> None:
    hands.buy("1")
    stop = hands.stop("1", "95", "93")
    exchange.advance_to(at("2024-03-01 04:07"))
    exchange.set_delays(cancel_ack_seconds=60)
    hands.cancel(stop)
    exchange.advance_to(at("2024-03-01 05:00"))
    order = hands.show(stop)
    assert (order["status"], order["filled_size"]) == ("FILLED", "1")
    assert hands.wallet("BTC") == (0, 0)


def test_orders_and_fills_that_show_up_late(exchange: SimulatedExchange, hands: Hands) -> None:
    exchange.set_delays(order_visible_seconds=5, fill_visible_seconds=10)
    order = hands.buy("1")
    status, payload = exchange.engine.handle("GET", f"{PREFIX}/orders/historical/{order}")
    assert (status, payload["error"]) == (404, "NOT_FOUND")
    assert hands.orders() == []
    exchange.advance_to(at("2024-03-01 00:01:07"))
    assert hands.show(order)["filled_size"] == "1"
    assert hands.fills() == []
    exchange.advance_to(at("2024-03-01 00:01:12"))
    assert len(hands.fills()) == 1


def test_thin_book_fills_a_part(exchange: SimulatedExchange, hands: Hands) -> None:
    exchange.thin_out({"BTC-USD": "0.3"})
    order = hands.show(hands.buy("10"))
    assert (order["status"], order["filled_size"]) == ("CANCELLED", "3")
    assert hands.wallet("USD")[1] == 0


def test_depth_and_price_band(make_hands: MakeHands) -> None:
    hands = make_hands(depth_usd=D(500), price_band=D("0.10"))
    order = hands.show(hands.buy("10"))
    assert (order["status"], order["filled_size"]) == ("CANCELLED", "4.99500499")
    refused = hands.order("SELL", stop_limit("1", "95", "85"))["error_response"]
    assert refused["error"] == "LIMIT_ORDER_PRICE_EXCEEDS_PRICE_BAND_ON_SELL"
    assert refused["preview_failure_reason"] == "PREVIEW_BREACHED_PRICE_LIMIT"
    assert hands.order("SELL", stop_limit("1", "95", "85.5"))["success"]
    assert not hands.order("BUY", limit("1", "110.01"))["success"]
    assert hands.order("BUY", limit("1", "50"))["success"]


def test_stop_that_finds_half_a_buyer(exchange: SimulatedExchange, hands: Hands) -> None:
    hands.buy("2")
    stop = hands.stop("2", "95", "93")
    exchange.thin_out({"BTC-USD": "0.5"})
    exchange.advance_to(at("2024-03-01 05:00"))
    order = hands.show(stop)
    assert (order["status"], order["filled_size"]) == ("OPEN", "1")
    assert order["trigger_status"] == "STOP_TRIGGERED"
    assert hands.wallet("BTC") == (0, 1)
    exchange.advance_to(at("2024-03-01 16:00"))
    order = hands.show(stop)
    assert (order["status"], order["average_filled_price"]) == ("FILLED", "93.9525")


def test_edit(exchange: SimulatedExchange, hands: Hands) -> None:
    order = hands.made("BUY", limit("10", "95"))

    def edit(order_id: str, **fields: str) -> Any:
        return hands.post("/orders/edit", {"order_id": order_id, **fields})

    def reason(order_id: str, **fields: str) -> Any:
        reply = edit(order_id, **fields)
        assert not reply["success"]
        return reply["error_response"]["edit_order_failure_reason"]

    taken = {"success": True, "success_response": {"order_id": order}, "errors": []}
    assert edit(order, price="94", size="20") == taken
    shown = hands.show(order)
    assert shown["order_configuration"]["limit_limit_gtc"]["limit_price"] == "94"
    assert [e["size"] for e in shown["edit_history"]] == ["20"]
    assert hands.wallet("USD")[1] == 94 * 20 * D("1.012")
    assert reason(order, price="94") == "INVALID_EDITED_SIZE"
    assert reason(order, price="94", size="20") == "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"
    assert reason(order, price="94.001", size="20") == "INVALID_EDITED_PRICE"
    assert reason(order, price="94", size="2000") == "INSUFFICIENT_FUND"
    assert reason("nope", price="94", size="1") == "ORDER_NOT_FOUND"
    hands.buy("1")
    stop = hands.stop("1", "95", "93")
    assert reason(stop, price="92", size="1") == "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"
    hands.cancel(order)
    assert reason(order, price="93", size="1") == "ONLY_OPEN_ORDERS_CAN_BE_EDITED"


def test_cancel_answers(hands: Hands, exchange: SimulatedExchange) -> None:
    filled = hands.buy("1")
    gone = hands.made("BUY", limit("1", "50"))
    hands.cancel(gone)
    results = hands.cancel(filled, gone, "nope")
    assert [(r["success"], r["failure_reason"]) for r in results] == [
        (False, "ORDER_IS_FULLY_FILLED"),
        (False, "UNKNOWN_CANCEL_ORDER"),
        (False, "UNKNOWN_CANCEL_ORDER"),
    ]
    many = {"order_ids": ["x"] * 101}
    status, payload = exchange.engine.handle("POST", f"{PREFIX}/orders/batch_cancel", None, many)
    assert (status, payload["error"]) == (400, "InvalidArgument")
    assert payload["message"] == "Too many orderIDs entered, limit is 100"


def test_pending_orders_hide_from_the_open_list(exchange: SimulatedExchange, hands: Hands) -> None:
    hands.buy("2")
    exchange.set_delays(order_pending_seconds=30)
    first, second = hands.stop("1", "95", "93"), hands.stop("1", "96", "93")
    assert hands.show(first)["status"] == "PENDING"
    assert hands.orders(order_status="OPEN") == []
    assert hands.cancel(second)[0]["success"]
    exchange.plant_jump("BTC-USD", at("2024-03-01 00:01:20"), D("94"))
    exchange.advance_to(at("2024-03-01 00:01:40"))
    assert hands.show(second)["status"] == "CANCELLED"
    order = hands.show(first)
    assert order["status"] == "FILLED"
    assert D("93.9") < D(order["average_filled_price"]) < D("94")


def test_market_order_that_fills_late(exchange: SimulatedExchange, hands: Hands) -> None:
    exchange.set_delays(market_fill_seconds=20)
    late, stopped = hands.buy("1"), hands.buy("1")
    assert hands.show(late)["status"] == "OPEN"
    assert hands.wallet("USD")[1] == 2 * D("100.1") * D("1.012")
    hands.cancel(stopped)
    exchange.advance_to(at("2024-03-01 00:02"))
    assert hands.show(late)["average_filled_price"] == "100.1"
    assert hands.show(stopped)["status"] == "CANCELLED"
    assert hands.wallet("BTC") == (1, 0)
    assert hands.wallet("USD")[1] == 0


def test_order_that_is_taken_and_then_fails(exchange: SimulatedExchange, hands: Hands) -> None:
    exchange.engine.venue.matching.world.failures["BTC-USD"] = "HOLD_FAILURE"
    order = hands.show(hands.buy("1"))
    assert (order["status"], order["reject_reason"]) == ("FAILED", "HOLD_FAILURE")
    assert hands.wallet("USD") == (15_000, 0)


def test_fee_tier_follows_the_volume(make_hands: MakeHands) -> None:
    first = FeeTier("Intro", D(0), D("0.006"), D("0.012"))
    second = FeeTier("Advanced 1", D(500), D("0.003"), D("0.005"))
    hands = make_hands(fee_tiers=(first, second))
    assert D(hands.show(hands.buy("5"))["total_fees"]) == D("500.5") * D("0.012")
    assert hands.get("/transaction_summary")["fee_tier"]["pricing_tier"] == "Advanced 1"
    assert D(hands.show(hands.buy("5"))["total_fees"]) == D("500.5") * D("0.005")
    hands.until("2024-04-15 00:00")
    assert hands.get("/transaction_summary")["fee_tier"]["usd_to"] == "500"


def test_the_table_of_transitions(hands: Hands, exchange: SimulatedExchange) -> None:
    assert {status for status, after in TRANSITIONS.items() if not after} == TERMINAL
    order: Order = exchange.engine.venue.matching.orders[hands.buy("1")]
    with pytest.raises(Exception, match="from FILLED to OPEN"):
        order.move_to(Status.OPEN, 0)


def test_products_list_late_and_stand_flat_after_their_last_candle(hands: Hands) -> None:
    hands.until("2024-03-09 12:00")
    assert hands.get("/products/BTC-USD")["price"] == "98.5"
    assert len(hands.candles("2024-03-01", "2024-03-09")) == 5


def test_clock_does_not_go_back(exchange: SimulatedExchange) -> None:
    with pytest.raises(Exception, match="cannot go back"):
        exchange.advance_to(at("2024-02-29 00:00"))

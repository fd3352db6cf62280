"""Lists: filters, paging, candles, accounts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from tests.simulator.conftest import PREFIX, Hands, MakeHands, at
from tests.simulator.test_order_entry import limit
from tf_lib.simulator import SimulatedExchange, SimulatorSettings


def status_of(exchange: SimulatedExchange, path: str, **query: Any) -> tuple[int, Any]:
    return exchange.engine.handle("GET", PREFIX + path, query)


def pages(hands: Hands, path: str, name: str, **query: Any) -> list[Any]:
    """Follow cursors to the end."""
    rows: list[Any] = []
    cursor = ""
    for _ in range(100):
        answer = hands.get(path, cursor=cursor, **query)
        rows += answer[name]
        cursor = answer["cursor"]
        if not answer.get("has_next", bool(cursor)):
            break
    return rows


def test_orders_page_newest_first(hands: Hands) -> None:
    made = [hands.made("BUY", limit("0.1", "50")) for _ in range(23)]
    for size in (1, 5, 23, 1000):
        listed = pages(hands, "/orders/historical/batch", "orders", limit=size)
        assert [order["order_id"] for order in listed] == made[::-1]


def test_order_filters(exchange: SimulatedExchange, hands: Hands) -> None:
    bought = hands.buy("1")
    eth = hands.buy("1", "ETH-USD")
    exchange.advance_to(at("2024-03-01 01:00"))
    stop = hands.stop("1", "95", "93")
    exchange.place_by_hand("BTC-USD", "BUY", limit("0.1", "40"), source="RETAIL_SIMPLE")

    def listed(**query: Any) -> list[str]:
        return [o["order_id"] for o in hands.orders(**query)]

    assert listed() == [stop, eth, bought]
    assert listed(order_status="OPEN") == [stop]
    assert listed(order_status=["FILLED", "CANCELLED"]) == [eth, bought]
    assert listed(product_ids=["ETH-USD"]) == [eth]
    assert listed(product_id="ETH-USD") == [stop, eth, bought]
    assert listed(order_side="SELL") == [stop]
    assert listed(order_types="STOP_LIMIT") == [stop]
    assert listed(start_date="2024-03-01T00:30:00Z") == [stop]
    assert listed(end_date="2024-03-01T00:30:00Z") == [eth, bought]
    assert listed(end_date="2024-03-01T00:30:00Z", order_status="OPEN") == [stop]
    assert listed(order_ids=[stop, eth]) == [stop, eth]
    assert len(listed(order_placement_source="RETAIL_SIMPLE")) == 1
    assert listed(time_in_forces="IMMEDIATE_OR_CANCEL") == [eth, bought]


@pytest.mark.parametrize(
    "query",
    [
        {"order_status": ["OPEN", "FILLED"]},
        {"order_status": "NONSENSE"},
        {"limit": "many"},
        {"limit": "-1"},
        {"cursor": "%%%"},
        {"start_date": "yesterday"},
        {"start_date": "2024-03-02T00:00:00Z", "end_date": "2024-03-01T00:00:00Z"},
        {"sort_by": "NAME"},
    ],
)
def test_bad_order_queries_are_400(exchange: SimulatedExchange, query: dict[str, Any]) -> None:
    status, payload = status_of(exchange, "/orders/historical/batch", **query)
    assert (status, payload["error"]) == (400, "INVALID_ARGUMENT")


def test_fills_page_without_has_next(hands: Hands) -> None:
    for _ in range(7):
        hands.buy("0.1")
    assert "has_next" not in hands.get("/orders/historical/fills")
    rows = pages(hands, "/orders/historical/fills", "fills", limit=3)
    assert len({row["entry_id"] for row in rows}) == 7
    times = [row["trade_time"] for row in rows]
    assert times == sorted(times, reverse=True)
    begin = times[2]
    late = hands.fills(start_sequence_timestamp=begin)
    assert len(late) == 3


def test_accounts_page_by_49(exchange: SimulatedExchange, hands: Hands) -> None:
    for number in range(120):
        exchange.deposit(f"C{number}", Decimal(1))
    first = hands.get("/accounts")
    assert (first["size"], first["has_next"]) == (49, True)
    assert len(pages(hands, "/accounts", "accounts")) == 121
    assert hands.get("/accounts", limit=1000)["size"] == 121
    assert hands.get("/accounts", limit=0)["size"] == 1


DAY = 86_400
MORE = "start and end argument is invalid - number of candles requested should be less than 350"
END = int(at("2024-03-01").timestamp())


def test_candle_cap_and_bounds(exchange: SimulatedExchange, hands: Hands) -> None:
    path = "/products/BTC-USD/candles"

    def asked(days: int) -> tuple[int, Any]:
        query = {"start": END - days * DAY, "end": END, "granularity": "ONE_DAY"}
        return status_of(exchange, path, **query)

    assert asked(349)[0] == 200
    status, payload = asked(350)
    assert (status, payload["error"]) == (400, "INVALID_ARGUMENT")
    assert payload["message"] == MORE
    rows = hands.get(path, start=END - DAY, end=END, granularity="ONE_DAY")["candles"]
    assert [row["start"] for row in rows] == [str(END), str(END - DAY)]
    off_grid = hands.get(path, start=END - DAY + 1, end=END - 1, granularity="ONE_DAY")
    assert off_grid == {"candles": []}
    assert status_of(exchange, path, granularity="ONE_WEEK")[0] == 400
    assert status_of(exchange, path)[0] == 400
    assert status_of(exchange, path, start=END, end=END - 1, granularity="ONE_DAY")[0] == 400


def test_hours_make_up_the_day(hands: Hands) -> None:
    hands.until("2024-03-02 00:30")
    hours = hands.candles("2024-03-01", "2024-03-01 23:59:59", granularity="ONE_HOUR")
    assert len(hours) == 24
    assert hours[-1]["open"] == "100"
    assert hours[0]["close"] == "102"
    assert max(Decimal(row["high"]) for row in hours) == 104
    assert min(Decimal(row["low"]) for row in hours) == 90
    volume = sum(Decimal(row["volume"]) for row in hours)
    assert volume == pytest.approx(1000, abs=Decimal("0.000001"))


def test_the_forming_candle_shows_what_has_happened(hands: Hands) -> None:
    hands.until("2024-03-01 12:00")
    (row,) = hands.candles("2024-03-01")
    assert (row["open"], row["high"], row["low"]) == ("100", "100", "90")
    assert Decimal(row["close"]) == pytest.approx(Decimal(97), abs=Decimal("0.01"))


def test_a_missing_day_has_a_flat_price(settings: SimulatorSettings, make_hands: MakeHands) -> None:
    assert settings.candles is not None
    whole = settings.candles["BTC-USD"]
    assert isinstance(whole, pd.DataFrame)
    holed = whole.drop(whole.index[3])
    hands = make_hands(candles={"BTC-USD": holed})
    hands.until("2024-03-02 18:00")
    assert hands.get("/products/BTC-USD")["price"] == "102"
    assert len(hands.candles("2024-03-01", "2024-03-02")) == 1


def test_a_product_before_its_listing(make_hands: MakeHands) -> None:
    import datetime as dt

    hands = make_hands(SimulatorSettings(as_of=dt.date(2021, 1, 1)))
    assert hands.get("/products/KRL-USD")["price"] == ""
    assert hands.get("/products/KRL-USD")["view_only"]
    assert hands.get("/products/KRL-USD/candles", granularity="ONE_DAY") == {"candles": []}
    reply = hands.order("BUY", {"market_market_ioc": {"base_size": "1"}}, "KRL-USD")
    assert reply["error_response"]["error"] == "INELIGIBLE_PAIR"


def test_products_narrowed(hands: Hands) -> None:
    assert len(hands.get("/products")["products"]) == 2
    assert hands.get("/products", product_ids=["ETH-USD"])["num_products"] == 1
    assert hands.get("/products", limit=1, offset=1)["products"][0]["product_id"] == "ETH-USD"
    assert hands.get("/products", product_type="FUTURE")["products"] == []
    assert hands.get("/products", get_all_products="True")["num_products"] == 2

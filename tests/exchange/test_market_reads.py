"""Prices are there or absent, candles are finished days."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pytest

from tests.exchange.canned_exchange import Canned, Edge
from tests.exchange.samples import candle_record, product_record
from tf_lib.errors import UnknownState
from tf_lib.exchange.coinbase.client import Coinbase
from tf_lib.exchange.coinbase.market import listed_product

DAY = 86_400
MARCH_1 = 1709251200  # 2024-03-01T00:00:00Z
CANDLES = "/products/BTC-USD/candles"
NOON = {"iso": "", "epochSeconds": "", "epochMillis": str((MARCH_1 + 4 * DAY + 43_200) * 1000)}


def test_the_time_is_exact_to_the_millisecond(edge: Edge) -> None:
    """Milliseconds come as text."""
    edge.get("/time", {"iso": "", "epochSeconds": "1", "epochMillis": "1709251260789"})

    assert edge.client.line.server_time() == dt.datetime(
        2024, 3, 1, 0, 1, 0, 789_000, tzinfo=dt.UTC
    )


def test_products_come_in_one_request(edge: Edge) -> None:
    """Rules exact, last price where there is one; strangers and broken ones left out."""
    empty = product_record("ETH-USD", price="")
    broken = product_record("SOL-USD", base_increment="")
    edge.get(
        "/products", {"products": [product_record(), empty, product_record("XRP-USD"), broken]}
    )
    listed = edge.client.products(["BTC-USD", "ETH-USD", "SOL-USD", "GONE-USD"])

    assert sorted(listed) == ["BTC-USD", "ETH-USD"]
    assert listed["BTC-USD"].last == Decimal("40000.12")
    assert listed["BTC-USD"].product.base_increment == Decimal("0.00000001")
    assert listed["ETH-USD"].last is None
    (asked,) = edge.asked("/products")
    assert asked.query["product_ids"] == ["BTC-USD", "ETH-USD", "SOL-USD", "GONE-USD"]
    assert asked.query["get_tradability_status"] == ["True"]


def test_no_products_ask_nothing(edge: Edge) -> None:
    """An empty filter would list the whole exchange."""
    assert edge.client.products([]) == {}
    assert edge.client.quotes([]) == {}
    assert edge.seen == []


@pytest.mark.parametrize(
    ("changes", "tradable", "market"),
    [
        ({}, True, True),
        ({"status": "ONLINE"}, True, True),
        ({"status": "offline"}, False, False),
        ({"status": None}, False, False),
        ({"trading_disabled": True}, False, False),
        ({"view_only": None}, False, False),
        ({"limit_only": True}, True, False),
    ],
)
def test_what_a_product_takes(changes: dict[str, Any], tradable: bool, market: bool) -> None:
    """A flag that is neither yes nor no counts as the worse."""
    product = listed_product(product_record(**changes)).product

    assert (product.is_tradable, product.accepts_market_orders) == (tradable, market)


def test_an_old_product_without_a_tick_uses_its_quote_step() -> None:
    """price_increment is the newer field."""
    product = listed_product(product_record(price_increment=None, quote_increment="0.5")).product

    assert product.price_increment == Decimal("0.5")


@pytest.mark.parametrize(
    "changes", [{"base_increment": "0"}, {"quote_min_size": ""}, {"product_id": "BTCUSD"}]
)
def test_a_product_that_cannot_be_believed_is_unknown(changes: dict[str, Any]) -> None:
    """Named with what is wrong."""
    with pytest.raises(UnknownState, match="BTC"):
        listed_product({**product_record(), **changes})


def test_quotes_have_both_sides_or_are_absent(edge: Edge) -> None:
    """An empty side is no price of zero."""
    edge.get(
        "/best_bid_ask",
        {
            "pricebooks": [
                {"product_id": "BTC-USD", "bids": [{"price": "1"}], "asks": [{"price": "2"}]},
                {"product_id": "ETH-USD", "bids": [], "asks": [{"price": "2"}]},
                {"product_id": "SOL-USD", "bids": [{"price": ""}], "asks": [{"price": "2"}]},
                {"product_id": "ADA-USD", "bids": [{"price": "0"}], "asks": None},
            ]
        },
    )
    books = edge.client.quotes(["BTC-USD", "ETH-USD", "SOL-USD", "ADA-USD"])

    assert books == {"BTC-USD": (Decimal(1), Decimal(2))}


@pytest.mark.parametrize("body", [{"trades": []}, {"trades": [{"price": ""}]}, {"best_bid": "1"}])
def test_no_last_trade_is_unknown(edge: Edge, body: dict[str, Any]) -> None:
    """Stops are judged by it."""
    edge.get("/products/BTC-USD/ticker", body)
    with pytest.raises(UnknownState, match="BTC-USD: last trade"):
        edge.client.last_trade("BTC-USD")


def test_the_last_trade_is_the_first_listed(edge: Edge) -> None:
    """Newest first."""
    edge.get("/products/BTC-USD/ticker", {"trades": [{"price": "7"}, {"price": "8"}]})

    assert edge.client.last_trade("BTC-USD") == 7


def test_candles_are_the_days_that_were_asked_for(edge: Edge) -> None:
    """A gap and strangers are left out."""
    rows = [candle_record(MARCH_1 + n * DAY, close=str(n)) for n in (4, 3, 1, 0, -1)]
    edge.get(CANDLES, {"candles": rows})
    first = dt.date(2024, 3, 1)
    bars = edge.client.candle_page("BTC-USD", first, dt.date(2024, 3, 4))

    assert {(day - first).days: bar[3] for day, bar in bars.items()} == {0: 0.0, 1: 1.0, 3: 3.0}
    (asked,) = edge.asked(CANDLES)
    # 1 to 4 March, both included: four buckets.
    assert asked.query["start"] == [str(MARCH_1)]
    assert asked.query["end"] == [str(MARCH_1 + 3 * DAY)]
    assert asked.query["granularity"] == ["ONE_DAY"]


def test_a_candle_that_is_no_number_is_a_row_of_nan(edge: Edge) -> None:
    """It counts as missing later; the others stand."""
    rows = [candle_record(MARCH_1, high="NaN"), candle_record(MARCH_1 + DAY, volume=None)]
    edge.get(CANDLES, {"candles": [*rows, candle_record(MARCH_1 + 2 * DAY)]})
    day = dt.date(2024, 3, 1)
    bars = edge.client.candle_page("BTC-USD", day, dt.date(2024, 3, 3))

    assert [math.isnan(bars[each][0]) for each in sorted(bars)] == [True, True, False]


@pytest.mark.parametrize("start", ["", "x", str(MARCH_1 + 1), "-86400", "1e40"])
def test_a_candle_of_no_day_is_unknown(edge: Edge, start: str) -> None:
    """It cannot be put anywhere."""
    edge.get(CANDLES, {"candles": [candle_record(0) | {"start": start}]})
    with pytest.raises(UnknownState, match="candle start"):
        edge.client.candle_page("BTC-USD", dt.date(2024, 3, 1), dt.date(2024, 3, 2))


def test_a_page_too_long_is_our_mistake(client: Coinbase) -> None:
    """The exchange would refuse it."""
    with pytest.raises(ValueError, match="300"):
        client.candle_page("BTC-USD", dt.date(2024, 1, 1), dt.date(2024, 10, 27))


def test_a_product_nobody_knows_is_refused(edge: Edge) -> None:
    """With the exchange's words."""
    body = {"error": "NOT_FOUND", "message": "Product X not supported"}
    edge.get(CANDLES, Canned(body, 404))
    with pytest.raises(Exception, match="not supported"):
        edge.client.candle_page("BTC-USD", dt.date(2024, 3, 1), dt.date(2024, 3, 1))

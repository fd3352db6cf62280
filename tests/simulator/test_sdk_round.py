"""A full round with the official SDK, over real TLS."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
import requests
from coinbase.rest import RESTClient

from tests.simulator.conftest import at, sdk_client
from tf_lib.simulator import Endpoint, SimulatedExchange


def test_account_side(client: RESTClient, endpoint: Endpoint) -> None:
    rights = client.get_api_key_permissions().to_dict()
    assert rights["can_view"]
    assert rights["can_trade"]
    assert not rights["can_transfer"]
    assert rights["portfolio_uuid"] == endpoint.portfolio_uuid
    named = [p for p in client.get_portfolios().portfolios if p["uuid"] == endpoint.portfolio_uuid]
    assert [(p["name"], p["type"]) for p in named] == [("Trend Following", "CONSUMER")]
    (usd,) = client.get_accounts().accounts
    assert usd["available_balance"] == {"value": "15000", "currency": "USD"}
    assert client.get_account(usd["uuid"]).account["currency"] == "USD"
    assert client.get_unix_time()["epoch_seconds"] == str(int(at("2024-03-01 00:01").timestamp()))
    assert client.get_transaction_summary().to_dict()["fee_tier"]["taker_fee_rate"] == "0.012"
    breakdown = client.get_portfolio_breakdown(endpoint.portfolio_uuid).to_dict()["breakdown"]
    assert breakdown["portfolio_balances"]["total_balance"]["value"] == "15000"


def test_market_side(client: RESTClient) -> None:
    assert [p["product_id"] for p in client.get_products().products] == ["BTC-USD", "ETH-USD"]
    product = client.get_product("BTC-USD", get_tradability_status=True)
    assert (product["price"], product["price_increment"]) == ("100", "0.01")
    (book,) = client.get_best_bid_ask(product_ids=["BTC-USD"]).pricebooks
    assert (book["bids"][0]["price"], book["asks"][0]["price"]) == ("99.99", "100.01")
    assert len(client.get_product_book("BTC-USD", limit=5).pricebook["bids"]) == 5
    assert client.get_market_trades("BTC-USD", limit=3).trades[0]["price"] == "100"
    for candles in (client.get_candles, client.get_public_candles):
        rows = candles(
            "BTC-USD",
            start=str(int(at("2024-02-01").timestamp())),
            end=str(int(at("2024-03-01").timestamp())),
            granularity="ONE_DAY",
        ).candles
        days = [dt.datetime.fromtimestamp(int(row["start"]), dt.UTC).day for row in rows]
        assert days == [1, 29, 28]
        assert (rows[1]["open"], rows[1]["high"], rows[1]["low"]) == ("100", "103", "99")


def test_buy_protect_cancel_and_stop_out(client: RESTClient, exchange: SimulatedExchange) -> None:
    bought = client.market_order_buy("buy-1", "BTC-USD", base_size="10")
    assert bought["success"]
    order = client.get_order(bought["success_response"]["order_id"]).order
    assert (order["status"], order["average_filled_price"]) == ("FILLED", "100.1")
    stop = client.stop_limit_order_gtc_sell(
        "stop-1", "BTC-USD", "10", "93", "95", "STOP_DIRECTION_STOP_DOWN"
    )["success_response"]["order_id"]
    refused = client.market_order_sell("sell-1", "BTC-USD", base_size="1")
    assert refused["error_response"]["preview_failure_reason"] == "PREVIEW_INSUFFICIENT_FUND"
    (open_order,) = client.list_orders(order_status=["OPEN"]).orders
    assert open_order["order_id"] == stop
    assert open_order["trigger_status"] == "STOP_PENDING"
    (result,) = client.cancel_orders([stop]).results
    assert result["success"]
    assert client.get_order(stop).order["status"] == "CANCELLED"
    stop = client.stop_limit_order_gtc_sell(
        "stop-2", "BTC-USD", "10", "93", "95", "STOP_DIRECTION_STOP_DOWN"
    )["success_response"]["order_id"]
    exchange.advance_to(at("2024-03-01 12:00"))
    fill = client.get_fills(order_ids=[stop]).fills[0]
    assert (fill["price"], fill["liquidity_indicator"]) == ("94.905", "TAKER")
    assert Decimal(fill["commission"]) == Decimal("94.905") * 10 * Decimal("0.012")
    assert fill["trade_time"] == "2024-03-01T04:07:30.000000Z"


def test_no_market_trade_without_rights(endpoint: Endpoint) -> None:
    client = sdk_client(endpoint, key_file=endpoint.ed25519_key_file)
    with client.session:
        assert client.get_accounts()["size"] == 1
        with pytest.raises(requests.HTTPError, match="404"):
            client.get_product("NOPE-USD")

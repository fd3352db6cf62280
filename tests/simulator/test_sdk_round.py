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


def test_every_way_to_order(client: RESTClient, exchange: SimulatedExchange) -> None:
    end = "2024-03-01T12:00:00Z"
    up, down = "STOP_DIRECTION_STOP_UP", "STOP_DIRECTION_STOP_DOWN"
    assert client.market_order_buy("b", "BTC-USD", quote_size="3000")["success"]
    product, size = "BTC-USD", "0.5"
    orders = [
        client.market_order_sell("m1", product, size),
        client.limit_order_ioc_buy("i1", product, size, "101"),
        client.limit_order_ioc_sell("i2", product, size, "101"),
        client.limit_order_gtc_buy("g1", product, size, "90", post_only=True),
        client.limit_order_gtc_sell("g2", product, size, "110"),
        client.limit_order_gtd_buy("d1", product, size, "90", end),
        client.limit_order_gtd_sell("d2", product, size, "110", end),
        client.limit_order_fok_buy("f1", product, size, "101"),
        client.limit_order_fok_sell("f2", product, size, "99"),
        client.stop_limit_order_gtc_buy("s1", product, size, "106", "105", up),
        client.stop_limit_order_gtc_sell("s2", product, size, "94", "95", down),
        client.stop_limit_order_gtd_buy("s3", product, size, "106", "105", end, up),
        client.stop_limit_order_gtd_sell("s4", product, size, "94", "95", end, down),
        client.trigger_bracket_order_gtc_buy("t1", product, size, "95", "105"),
        client.trigger_bracket_order_gtc_sell("t2", product, size, "105", "95"),
        client.trigger_bracket_order_gtd_buy("t3", product, size, "95", "105", end),
        client.trigger_bracket_order_gtd_sell("t4", product, size, "105", "95", end),
    ]
    assert [reply["success"] for reply in orders] == [True] * len(orders)
    listed = client.list_orders(product_ids=[product]).orders
    assert len(listed) == len(orders) + 1
    open_ids = [o["order_id"] for o in client.list_orders(order_status=["OPEN"]).orders]
    assert len(open_ids) == 12
    edited = next(o["order_id"] for o in listed if o["client_order_id"] == "g2")
    assert client.preview_edit_order(edited, size="0.4", price="111").errors == []
    assert client.edit_order(edited, size="0.4", price="111")["success"]
    assert all(result["success"] for result in client.cancel_orders(open_ids).results)
    usd, btc = client.get_accounts().accounts
    assert (usd["hold"]["value"], btc["hold"]["value"]) == ("0", "0")


def test_every_way_to_preview(client: RESTClient) -> None:
    client.market_order_buy("b", "BTC-USD", base_size="10")
    end = "2024-03-01T12:00:00Z"
    up, down = "STOP_DIRECTION_STOP_UP", "STOP_DIRECTION_STOP_DOWN"
    product, size = "BTC-USD", "0.5"
    previews = [
        client.preview_market_order_buy(product, base_size=size),
        client.preview_market_order_sell(product, size),
        client.preview_limit_order_ioc_buy(product, size, "101"),
        client.preview_limit_order_ioc_sell(product, size, "99"),
        client.preview_limit_order_gtc_buy(product, size, "90"),
        client.preview_limit_order_gtc_sell(product, size, "110"),
        client.preview_limit_order_gtd_buy(product, size, "90", end),
        client.preview_limit_order_gtd_sell(product, size, "110", end),
        client.preview_limit_order_fok_buy(product, size, "101"),
        client.preview_limit_order_fok_sell(product, size, "99"),
        client.preview_stop_limit_order_gtc_buy(product, size, "106", "105", up),
        client.preview_stop_limit_order_gtc_sell(product, size, "94", "95", down),
        client.preview_stop_limit_order_gtd_buy(product, size, "106", "105", end, up),
        client.preview_stop_limit_order_gtd_sell(product, size, "94", "95", end, down),
        client.preview_trigger_bracket_order_gtc_buy(product, size, "95", "105"),
        client.preview_trigger_bracket_order_gtc_sell(product, size, "105", "95"),
    ]
    assert [preview["errs"] for preview in previews] == [[]] * len(previews)
    assert previews[0]["commission_total"] == "0.6006"
    assert previews[0]["order_total"] == "50.6506"
    assert len(client.list_orders().orders) == 1


def test_public_methods_without_a_key(endpoint: Endpoint) -> None:
    client = RESTClient(api_key=None, api_secret=None, base_url=endpoint.base_url, timeout=(3, 10))
    client.session.trust_env = False
    client.session.verify = str(endpoint.ca_file)
    with client.session:
        assert client.get_public_products(limit=1)["num_products"] == 1
        assert client.get_public_product("BTC-USD")["price"] == "100"
        assert client.get_public_product_book("BTC-USD", limit=1)["last"] == "100"
        assert client.get_public_market_trades("BTC-USD", limit=2).trades[0]["price"] == "100"
        assert client.get_unix_time()["epoch_seconds"]

"""A client written by others, ccxt, does a full round; only address, certificate, key are set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt
import pytest

from tests.simulator.conftest import at
from tf_lib.simulator import Endpoint, SimulatedExchange

BTC, ETH = "BTC/USD", "ETH/USD"


def outside_client(endpoint: Endpoint, key_file: Path) -> Any:
    """Return ccxt's Coinbase class as its users make it, pointed at the exchange."""
    key = json.loads(key_file.read_text())
    client = ccxt.coinbase({"apiKey": key["name"], "secret": key["privateKey"]})
    client.urls["api"]["rest"] = f"https://{endpoint.base_url}"
    client.validateServerSsl = str(endpoint.ca_file)
    return client


@pytest.fixture
def outsider(endpoint: Endpoint) -> Iterator[Any]:
    client = outside_client(endpoint, endpoint.key_file)
    yield client
    client.session.close()


def test_markets_candles_and_quotes(outsider: Any) -> None:
    markets = outsider.load_markets()
    assert sorted(markets) == [BTC, ETH]
    assert (markets[BTC]["taker"], markets[BTC]["maker"]) == (0.012, 0.006)
    assert markets[BTC]["active"]
    assert markets[BTC]["precision"] == {"amount": 1e-8, "price": 0.01}
    assert {"BTC", "ETH", "USD"} <= set(outsider.fetch_currencies())
    assert outsider.fetch_time() == 1000 * (at("2024-03-01 00:01").timestamp())
    since = int(at("2024-02-28").timestamp() * 1000)
    assert outsider.fetch_ohlcv(BTC, "1d", since=since, limit=2) == [
        [since, 95.0, 101.0, 94.0, 100.0, 1000.0],
        [since + 86_400_000, 100.0, 103.0, 99.0, 100.0, 1000.0],
    ]
    # As docs/simulator.md says: without `since` it asks up to the machine's now, years later.
    assert outsider.fetch_ohlcv(BTC, "1d") == []
    recent = outsider.fetch_time() - 30 * 86_400_000
    assert outsider.fetch_ohlcv(BTC, "1d", since=recent, limit=31)[-1][0] >= since + 86_400_000
    hours = outsider.fetch_ohlcv(BTC, "1h", since=since, limit=24)
    assert len(hours) == 24
    assert max(bar[2] for bar in hours) <= 101.0
    book = outsider.fetch_order_book(BTC, 5)
    assert (book["bids"][0][0], book["asks"][0][0], len(book["bids"])) == (99.99, 100.01, 5)
    ticker = outsider.fetch_ticker(BTC)
    assert (ticker["last"], ticker["bid"], ticker["ask"]) == (100.0, 99.99, 100.01)
    assert outsider.fetch_tickers([BTC, ETH])[ETH]["last"] == 10.0
    assert outsider.fetch_bids_asks([BTC])[BTC]["bid"] == 99.99
    assert [trade["price"] for trade in outsider.fetch_trades(BTC, limit=3)] == [100.0] * 3


def test_a_round_of_orders(outsider: Any, exchange: SimulatedExchange) -> None:
    bought = outsider.create_order(BTC, "market", "buy", 2, 100)  # 2 at 100: spend 200
    shown = outsider.fetch_order(bought["id"])
    assert (shown["status"], shown["type"], shown["side"]) == ("closed", "market", "buy")
    assert (shown["average"], shown["filled"]) == (100.1, 1.9743102747055317)
    assert shown["cost"] == pytest.approx(197.628, abs=0.001)
    assert float(shown["fee"]["cost"]) == pytest.approx(2.3715, abs=0.0001)

    stop = outsider.create_order(BTC, "limit", "sell", 1, 90, {"stopLossPrice": 92})
    resting = outsider.create_order(BTC, "limit", "buy", 1, 80)
    assert {order["id"] for order in outsider.fetch_open_orders(BTC)} == {
        stop["id"], resting["id"],
    }  # fmt: skip
    protected = outsider.fetch_order(stop["id"])
    assert (protected["status"], protected["stopPrice"], protected["price"]) == ("open", 92.0, 90.0)
    balance = outsider.fetch_balance({"v3": True})
    assert (balance["BTC"]["used"], balance["BTC"]["free"]) == (1.0, 0.9743102747055316)
    assert balance["USD"]["used"] == 80.96

    outsider.edit_order(resting["id"], BTC, "limit", "buy", 1.5, 81)
    edited = outsider.fetch_order(resting["id"])
    assert (edited["amount"], edited["price"]) == (1.5, 81.0)
    with pytest.raises(ccxt.ExchangeError, match="ONLY_LIMIT_ORDER_EDITS_SUPPORTED"):
        outsider.edit_order(stop["id"], BTC, "limit", "sell", 1, 89)

    assert outsider.cancel_order(resting["id"])["id"] == resting["id"]
    assert [order["id"] for order in outsider.fetch_canceled_orders(BTC)] == [resting["id"]]
    exchange.advance_to(at("2024-03-01 09:00"))  # the low is 90: the stop has traded
    assert outsider.fetch_open_orders(BTC) == []
    closed = {order["id"]: order for order in outsider.fetch_closed_orders(BTC)}
    assert set(closed) == {bought["id"], stop["id"]}
    assert closed[stop["id"]]["filled"] == 1.0

    trades = outsider.fetch_my_trades(BTC)
    assert [trade["order"] for trade in trades] == [bought["id"], stop["id"]]
    assert [trade["takerOrMaker"] for trade in trades] == ["taker", "taker"]
    assert trades[0]["fee"]["cost"] == pytest.approx(float(shown["fee"]["cost"]))
    fees = outsider.fetch_trading_fees()
    assert (fees[BTC]["maker"], fees[BTC]["taker"]) == (0.006, 0.012)


def test_refusals_reach_it_as_its_own_errors(outsider: Any) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        outsider.create_order(BTC, "limit", "buy", 1000, 80)
    with pytest.raises(ccxt.BadRequest):
        outsider.cancel_order("no-such-order")
    with pytest.raises(ccxt.ExchangeError, match="order with this orderID was not found"):
        outsider.fetch_order("00000000-0000-0000-0000-000000000000")
    with pytest.raises(ccxt.PermissionDenied):
        outsider.fetch_convert_quote("USD", "USDC", 10)
    with pytest.raises(ccxt.ExchangeError, match="PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"):
        outsider.create_order(BTC, "limit", "buy", 1, 101, {"postOnly": True})


def test_paths_beside_the_spot_subset(outsider: Any, endpoint: Endpoint) -> None:
    names = {row["id"] for row in outsider.fetch_portfolios()}
    assert endpoint.portfolio_uuid in names
    assert {row["code"] for row in outsider.fetch_accounts()} == {"USD"}
    assert outsider.fetch_balance()["USD"]["total"] == 15_000.0  # its default asks /v2/accounts
    assert outsider.fetch_ledger("USD") == []
    assert outsider.fetch_deposits("USD") == []
    assert outsider.fetch_withdrawals("USD") == []
    assert outsider.fetch_positions() == []
    assert outsider.fetch_deposit_method_ids() == []
    (row,) = outsider.fetch_portfolio_details(endpoint.portfolio_uuid)
    assert (row["currency"], row["available_balance"]) == ("USD", 15_000.0)


def test_ed25519_key_and_a_wrong_one(endpoint: Endpoint, tmp_path: Path) -> None:
    client = outside_client(endpoint, endpoint.ed25519_key_file)
    assert {row["code"] for row in client.fetch_accounts()} == {"USD"}
    client.session.close()
    other = json.loads(endpoint.key_file.read_text())
    stranger = tmp_path / "key.json"
    stranger.write_text(json.dumps(other | {"name": other["name"][:-4] + "0000"}))
    client = outside_client(endpoint, stranger)
    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_accounts()
    client.session.close()

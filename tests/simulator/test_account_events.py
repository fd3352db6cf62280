"""Account events: what happens to an account without a request, over real HTTP."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from coinbase.rest import RESTClient

from tests.simulator.conftest import Hands, MakeHands, at, stop_limit
from tf_lib.errors import ParameterError
from tf_lib.simulator import SimulatorSettings

REWARD = {"kind": "reward", "currency": "ETH", "amount": "0.00000002", "daily_at": "00:00:30"}
LATER = "2024-03-02T12:00:00Z"
CLOSE = {"kind": "flag", "product": "BTC-USD", "flag": "view_only", "value": True, "at": LATER}


@pytest.fixture
def living(make_hands: MakeHands) -> MakeHands:
    """Return a maker of traders to whose account events happen."""
    return lambda *events, **changes: make_hands(faults={"events": list(events)}, **changes)


def rows_of(client: RESTClient, currency: str) -> list[dict[str, Any]]:
    found = client.get("/api/v3/brokerage/accounts", params={"limit": 250})["accounts"]
    return [row for row in found if row["currency"] == currency]


def test_a_reward_comes_every_day(living: MakeHands) -> None:
    """Units appear in the wallet; no order and no fill tells why."""
    hands = living(REWARD)
    client = hands.client()
    for day, number in (("01", 0), ("02", 1), ("03", 2)):
        hands.until(f"2024-03-{day} 00:01:10")
        (wallet,) = rows_of(client, "ETH") or [{"available_balance": {"value": "0"}}]
        assert Decimal(wallet["available_balance"]["value"]) == number * Decimal("0.00000002")
    assert client.list_orders().to_dict()["orders"] == []
    assert client.get_fills().to_dict()["fills"] == []


def test_a_reward_on_its_dates(living: MakeHands) -> None:
    hands = living({**REWARD, "dates": ["2024-03-03"]})
    hands.until("2024-03-03 00:00:29")
    assert hands.wallet("ETH") == (0, 0)
    hands.until("2024-03-05 00:00:29")
    assert hands.wallet("ETH") == (Decimal("0.00000002"), 0)


def test_money_comes_and_goes(living: MakeHands) -> None:
    """Below zero it leaves, as far as it is free; any currency will do."""
    events: list[dict[str, Any]] = [
        {"kind": "transfer", "currency": "USD", "amount": -15_250, "at": LATER},
        {"kind": "transfer", "currency": "NEWCOIN", "amount": "7.5", "at": LATER},
    ]
    hands = living(*events)
    hands.buy("1")
    hands.until("2024-03-02 12:00")
    assert hands.wallet("USD") == (0, 0)
    assert hands.wallet("NEWCOIN") == (Decimal("7.5"), 0)


def test_the_person_trades(living: MakeHands) -> None:
    configuration = {"market_market_ioc": {"base_size": "0.4"}}
    trade = {"kind": "trade", "product": "BTC-USD", "side": "SELL", "at": LATER}
    hands = living(trade | {"order_configuration": configuration})
    hands.buy("1")
    hands.until("2024-03-02 12:00")
    assert hands.wallet("BTC") == (Decimal("0.6"), 0)
    client = hands.client()
    (sold, _) = client.list_orders().to_dict()["orders"]
    assert (sold["side"], sold["status"]) == ("SELL", "FILLED")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"available_balance": {"value": "-0.01"}}, {"available_balance": "-0.01"}),
        ({"hold": None}, {"hold": None}),
        ({"default": False, "available_balance": {"value": "3"}}, {"default": False}),
        (
            {"deleted_at": "2021-01-01T00:00:00Z", "available_balance": {"value": "5"}},
            {"deleted_at": "2021-01-01T00:00:00Z", "available_balance": "5"},
        ),
        ({"type": "ACCOUNT_TYPE_VAULT"}, {"type": "ACCOUNT_TYPE_VAULT"}),
    ],
)
def test_rows_that_no_wallet_stands_behind(living: MakeHands, row: Any, expected: Any) -> None:
    """Each is shown as it is written, beside the wallets and through a restart."""
    event = {"kind": "account", "currency": "EUR", "row": row, "at": "2024-03-01"}
    client = living(event).client()
    (shown,) = rows_of(client, "EUR")
    for name, value in expected.items():
        got = shown[name]
        assert (got["value"] if isinstance(got, dict) else got) == value
    assert client.get_account(shown["uuid"])["account"]["currency"] == "EUR"
    assert len(rows_of(client, "USD")) == 1


def test_a_second_wallet_before_the_first_and_gone_again(living: MakeHands, tmp_path: Path) -> None:
    second = {"kind": "account", "currency": "USD", "row": {"default": False}, "first": True}
    gone = {"kind": "account", "currency": "USD", "row": None, "at": LATER}
    events = second | {"at": "2024-03-01"}, gone
    hands = living(*events, state_file=tmp_path / "s.sqlite")
    assert [row["default"] for row in rows_of(hands.client(), "USD")] == [False, True]
    hands.exchange.stop()
    hands = living(*events, state_file=tmp_path / "s.sqlite")
    client = hands.client()
    assert [row["default"] for row in rows_of(client, "USD")] == [False, True]
    hands.until("2024-03-02 12:00")
    assert [row["default"] for row in rows_of(client, "USD")] == [True]


def test_a_product_closes_and_its_stops_are_cancelled(living: MakeHands) -> None:
    """Only those of the product, only where the event says so; what they held is free again."""
    hands = living(CLOSE | {"cancels": True})
    hands.buy("1")
    hands.buy("1", "ETH-USD")
    stopped = hands.stop("1", "80", "75")
    other = hands.stop("1", "8", "7.5", "ETH-USD")
    hands.until("2024-03-02 12:00")
    assert hands.show(stopped)["status"] == "CANCELLED"
    assert hands.show(other)["status"] == "OPEN"
    assert hands.wallet("BTC") == (1, 0)
    assert not hands.order("SELL", stop_limit("1", "80", "75"))["success"]


def test_a_coin_gets_another_name(kept: SimulatorSettings, make_hands: MakeHands) -> None:
    """Old product gone, stop cancelled, wallet emptied, ten new units for each old one."""
    rename = {"kind": "rename", "product": "ETH-USD", "to": "NEW-USD", "ratio": 10, "at": LATER}
    schedule = {"events": [rename], "world": {"hold_release_seconds": 100}}
    hands = make_hands(kept, faults=schedule)
    hands.buy("3", "ETH-USD")
    stopped = hands.stop("2", "8", "7.5", "ETH-USD")
    names = [row["product_id"] for row in hands.get("/products")["products"]]
    assert names == ["BTC-USD", "ETH-USD"]
    hands.until("2024-03-02 11:59:59")
    before = Decimal(hands.get("/products/ETH-USD")["price"])
    hands.until("2024-03-02 12:00")

    hands.exchange.stop()
    hands.exchange = make_hands(kept, faults=schedule).exchange
    products = {row["product_id"]: row for row in hands.get("/products")["products"]}
    assert sorted(products) == ["BTC-USD", "NEW-USD"]
    assert abs(Decimal(products["NEW-USD"]["price"]) - before / 10) < Decimal("0.01")
    assert hands.show(stopped)["status"] == "CANCELLED"
    assert hands.wallet("ETH") == (0, 0)
    assert hands.wallet("NEW") == (30, 0)
    assert hands.order("SELL", stop_limit("1", "8", "7"), "ETH-USD")["success"] is False
    assert hands.order("SELL", stop_limit("30", "0.5", "0.4"), "NEW-USD")["success"]
    (candle,) = hands.candles("2024-02-01", "2024-04-01", product="NEW-USD")
    assert int(candle["start"]) == int(at("2024-03-02 00:00").timestamp())


def test_a_product_is_delisted(living: MakeHands) -> None:
    """Unknown by name, its stop cancelled; what is held of it stays where it is."""
    gone = {"kind": "delist", "product": "ETH-USD", "at": LATER}
    hands = living(gone)
    hands.buy("3", "ETH-USD")
    hands.stop("3", "8", "7.5", "ETH-USD")
    hands.until("2024-03-02 12:00")
    status, _ = hands.exchange.engine.handle("GET", "/api/v3/brokerage/products/ETH-USD")
    assert status == 404
    assert hands.wallet("ETH") == (3, 0)
    (order, _) = hands.orders()
    assert order["status"] == "CANCELLED"


def test_a_book_without_bids_and_far_from_the_last_trade(living: MakeHands) -> None:
    """Nobody buys what is sold at the market; later the book is as it was."""
    odd = {"kind": "book", "product": "ETH-USD", "bids": False, "away": "0.021", "at": "2024-03-01"}
    usual = {"kind": "book", "product": "ETH-USD", "at": LATER}
    hands = living(odd, usual)
    hands.buy("3", "ETH-USD")
    client = hands.client()

    def shown(product: str) -> Any:
        found = client.get_best_bid_ask(product_ids=[product]).to_dict()["pricebooks"]
        return found[0]["bids"], found[0]["asks"]

    bids, asks = shown("ETH-USD")
    last = Decimal(hands.get("/products/ETH-USD")["price"])
    assert bids == []
    assert abs(Decimal(asks[0]["price"]) / last - Decimal("1.021")) < Decimal("0.002")
    assert shown("BTC-USD")[0]
    unsold = hands.show(hands.made("SELL", {"market_market_ioc": {"base_size": "1"}}, "ETH-USD"))
    assert (unsold["status"], unsold["filled_size"]) == ("CANCELLED", "0")
    hands.until("2024-03-02 12:00")
    assert shown("ETH-USD")[0]


def test_orders_and_fills_from_years_ago(living: MakeHands) -> None:
    """They come after all others, page by page, with what they had then, or without it."""
    rows: list[dict[str, Any]] = [
        {"kind": "old_order", "row": {"total_fees": "", "filled_value": 12.5}},
        {"kind": "old_order", "row": {"product_id": "OLD-EUR", "client_order_id": "(missing)"}},
        {"kind": "old_fill", "row": {"product_id": "OLD-EUR", "commission": ""}},
    ]
    hands = living(*(row | {"at": "2024-03-01"} for row in rows))
    hands.buy("1")
    first = hands.get("/orders/historical/batch", limit=2)
    assert (first["has_next"], len(first["orders"])) == (True, 2)
    odd = first["orders"][1]
    assert (odd["total_fees"], odd["filled_value"]) == ("", 12.5)
    assert odd["created_time"].startswith("2021-03")
    last = hands.orders(limit=2, cursor=first["cursor"])
    assert [row["product_id"] for row in last] == ["OLD-EUR"]
    assert "client_order_id" not in last[0]
    assert hands.show(odd["order_id"]) == odd
    asked = {"product_ids": "BTC-USD", "start_date": "2024-01-01T00:00:00Z"}
    assert len(hands.orders(**asked)) == 1
    assert hands.orders(order_status="OPEN") == []
    client = hands.client()
    fills = client.get_fills().to_dict()["fills"]
    assert [row["commission"] for row in fills][1:] == [""]
    assert len(client.get_fills(product_ids=["BTC-USD"]).to_dict()["fills"]) == 1


def test_each_event_happens_once(living: MakeHands, tmp_path: Path) -> None:
    """Through restarts; a new line is planted, one that is taken out does not happen any more."""
    gift = {"kind": "transfer", "currency": "BTC", "amount": "1", "at": LATER}
    first = living(gift, REWARD, state_file=tmp_path / "s.sqlite")
    first.until("2024-03-02 12:00")
    first.exchange.stop()
    hands = living(gift, gift | {"amount": "0.5"}, state_file=tmp_path / "s.sqlite")
    hands.until("2024-03-04 00:00")
    assert hands.wallet("BTC") == (Decimal("1.5"), 0)
    assert hands.wallet("ETH") == (Decimal("0.00000002"), 0)


def test_fields_are_picked_by_what_stands_in_their_row(hands: Hands) -> None:
    hands.buy("1")
    hands.exchange.add_fault(
        kind="put_field", endpoint="GET /accounts", field="accounts.currency=BTC.hold", value=None
    )
    holds = {row["currency"]: row["hold"] for row in hands.get("/accounts")["accounts"]}
    assert holds["BTC"] is None
    assert holds["USD"] == {"value": "0", "currency": "USD"}


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"kind": "gift"}, "unknown kind 'gift'; known are reward"),
        ({**REWARD, "amount": "-1"}, "amount: expected a number above 0, got '-1'"),
        ({**REWARD, "at": LATER}, "exactly one of at and daily_at"),
        ({**REWARD, "daily_at": 750}, "expected a time of day in quotes"),
        ({**REWARD, "colour": "red"}, "unknown key 'colour'"),
        ({"kind": "reward", "amount": 1, "at": LATER}, "reward: currency is missing"),
        ({"kind": "account", "currency": "EUR", "row": 3, "at": LATER}, "row must be a mapping"),
        ({**CLOSE, "product": "XX-USD"}, "no product 'XX-USD'"),
    ],
)
def test_events_that_cannot_be(living: MakeHands, event: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        living(event)

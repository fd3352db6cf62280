"""Account events: what happens to an account without a request, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from coinbase.rest import RESTClient

from tests.simulator.conftest import Hands, at, sdk_client, stop_limit
from tf_lib.errors import ParameterError
from tf_lib.simulator import SimulatedExchange, SimulatorSettings

Make = Callable[..., SimulatedExchange]
REWARD = {"kind": "reward", "currency": "ETH", "amount": "0.00000002", "daily_at": "00:00:30"}
LATER = "2024-03-02T12:00:00Z"
CLOSE = {"kind": "flag", "product": "BTC-USD", "flag": "view_only", "value": True, "at": LATER}


def with_events(settings: SimulatorSettings, *events: dict[str, Any]) -> SimulatorSettings:
    return replace(settings, faults={"events": list(events)})


def rows_of(client: RESTClient, currency: str) -> list[dict[str, Any]]:
    found = client.get("/api/v3/brokerage/accounts", params={"limit": 250})["accounts"]
    return [row for row in found if row["currency"] == currency]


def test_a_reward_comes_every_day(settings: SimulatorSettings, make_exchange: Make) -> None:
    """Units appear in the wallet; no order and no fill tells why."""
    exchange = make_exchange(with_events(settings, REWARD))
    client = sdk_client(exchange.start())
    for day, number in (("01", 0), ("02", 1), ("03", 2)):
        exchange.advance_to(at(f"2024-03-{day} 00:01:10"))
        (wallet,) = rows_of(client, "ETH") or [{"available_balance": {"value": "0"}}]
        assert Decimal(wallet["available_balance"]["value"]) == number * Decimal("0.00000002")
    assert client.list_orders().to_dict()["orders"] == []
    assert client.get_fills().to_dict()["fills"] == []


def test_a_reward_on_its_dates(settings: SimulatorSettings, make_exchange: Make) -> None:
    exchange = make_exchange(with_events(settings, {**REWARD, "dates": ["2024-03-03"]}))
    exchange.advance_to(at("2024-03-03 00:00:29"))
    assert Hands(exchange).wallet("ETH") == (0, 0)
    exchange.advance_to(at("2024-03-05 00:00:29"))
    assert Hands(exchange).wallet("ETH") == (Decimal("0.00000002"), 0)


def test_money_comes_and_goes(settings: SimulatorSettings, make_exchange: Make) -> None:
    """Below zero it leaves, as far as it is free; any currency will do."""
    events: list[dict[str, Any]] = [
        {"kind": "transfer", "currency": "USD", "amount": -15_250, "at": LATER},
        {"kind": "transfer", "currency": "NEWCOIN", "amount": "7.5", "at": LATER},
    ]
    exchange = make_exchange(with_events(settings, *events))
    hands = Hands(exchange)
    hands.buy("1")
    exchange.advance_to(at("2024-03-02 12:00"))
    assert hands.wallet("USD") == (0, 0)
    assert hands.wallet("NEWCOIN") == (Decimal("7.5"), 0)


def test_the_person_trades(settings: SimulatorSettings, make_exchange: Make) -> None:
    configuration = {"market_market_ioc": {"base_size": "0.4"}}
    trade = {"kind": "trade", "product": "BTC-USD", "side": "SELL", "at": LATER}
    exchange = make_exchange(with_events(settings, trade | {"order_configuration": configuration}))
    hands = Hands(exchange)
    hands.buy("1")
    exchange.advance_to(at("2024-03-02 12:00"))
    assert hands.wallet("BTC") == (Decimal("0.6"), 0)
    client = sdk_client(exchange.start())
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
def test_rows_that_no_wallet_stands_behind(
    settings: SimulatorSettings, make_exchange: Make, row: Any, expected: dict[str, Any]
) -> None:
    """Each is shown as it is written, beside the wallets and through a restart."""
    event = {"kind": "account", "currency": "EUR", "row": row, "at": "2024-03-01"}
    exchange = make_exchange(with_events(settings, event))
    client = sdk_client(exchange.start())
    (shown,) = rows_of(client, "EUR")
    for name, value in expected.items():
        got = shown[name]
        assert (got["value"] if isinstance(got, dict) else got) == value
    assert client.get_account(shown["uuid"])["account"]["currency"] == "EUR"
    assert len(rows_of(client, "USD")) == 1


def test_a_second_wallet_before_the_first_and_gone_again(
    settings: SimulatorSettings, make_exchange: Make, tmp_path: Path
) -> None:
    second = {"kind": "account", "currency": "USD", "row": {"default": False}, "first": True}
    gone = {"kind": "account", "currency": "USD", "row": None, "at": LATER}
    kept = replace(settings, state_file=tmp_path / "s.sqlite")
    schedule = with_events(kept, second | {"at": "2024-03-01"}, gone)
    exchange = make_exchange(schedule)
    assert [row["default"] for row in rows_of(sdk_client(exchange.start()), "USD")] == [False, True]
    exchange.stop()
    again = make_exchange(schedule)
    client = sdk_client(again.start())
    assert [row["default"] for row in rows_of(client, "USD")] == [False, True]
    again.advance_to(at("2024-03-02 12:00"))
    assert [row["default"] for row in rows_of(client, "USD")] == [True]


def test_a_product_closes_and_its_stops_are_cancelled(
    settings: SimulatorSettings, make_exchange: Make
) -> None:
    """Only those of the product, only where the event says so; what they held is free again."""
    exchange = make_exchange(with_events(settings, CLOSE | {"cancels": True}))
    hands = Hands(exchange)
    hands.buy("1")
    hands.buy("1", "ETH-USD")
    stopped = hands.stop("1", "80", "75")
    other = hands.stop("1", "8", "7.5", "ETH-USD")
    exchange.advance_to(at("2024-03-02 12:00"))
    assert hands.show(stopped)["status"] == "CANCELLED"
    assert hands.show(other)["status"] == "OPEN"
    assert hands.wallet("BTC") == (1, 0)
    assert not hands.order("SELL", stop_limit("1", "80", "75"))["success"]


def test_a_coin_gets_another_name(
    settings: SimulatorSettings, make_exchange: Make, tmp_path: Path
) -> None:
    """Old product gone, stop cancelled, wallet emptied, ten new units for each old one."""
    rename = {"kind": "rename", "product": "ETH-USD", "to": "NEW-USD", "ratio": 10, "at": LATER}
    schedule = with_events(replace(settings, state_file=tmp_path / "s.sqlite"), rename)
    assert isinstance(schedule.faults, Mapping)
    world = {"hold_release_seconds": 100}
    schedule = replace(schedule, faults={**schedule.faults, "world": world})
    exchange = make_exchange(schedule)
    hands = Hands(exchange)
    hands.buy("3", "ETH-USD")
    stopped = hands.stop("2", "8", "7.5", "ETH-USD")
    names = [row["product_id"] for row in hands.get("/products")["products"]]
    assert names == ["BTC-USD", "ETH-USD"]
    exchange.advance_to(at("2024-03-02 11:59:59"))
    before = Decimal(hands.get("/products/ETH-USD")["price"])
    exchange.advance_to(at("2024-03-02 12:00"))

    exchange.stop()
    hands.exchange = again = make_exchange(schedule)
    client = sdk_client(again.start())
    products = {row["product_id"]: row for row in client.get_products().to_dict()["products"]}
    assert sorted(products) == ["BTC-USD", "NEW-USD"]
    assert abs(Decimal(products["NEW-USD"]["price"]) - before / 10) < Decimal("0.01")
    assert hands.show(stopped)["status"] == "CANCELLED"
    assert hands.wallet("ETH") == (0, 0)
    assert hands.wallet("NEW") == (30, 0)
    assert hands.order("SELL", stop_limit("1", "8", "7"), "ETH-USD")["success"] is False
    assert hands.order("SELL", stop_limit("30", "0.5", "0.4"), "NEW-USD")["success"]
    start = int(at("2024-02-01 00:00").timestamp())
    asked = {"granularity": "ONE_DAY", "start": start, "end": start + 60 * 86_400}
    (candle,) = hands.get("/products/NEW-USD/candles", **asked)["candles"]
    assert int(candle["start"]) == int(at("2024-03-02 00:00").timestamp())


def test_a_product_is_delisted(settings: SimulatorSettings, make_exchange: Make) -> None:
    """Unknown by name, its stop cancelled; what is held of it stays where it is."""
    gone = {"kind": "delist", "product": "ETH-USD", "at": LATER}
    exchange = make_exchange(with_events(settings, gone))
    hands = Hands(exchange)
    hands.buy("3", "ETH-USD")
    hands.stop("3", "8", "7.5", "ETH-USD")
    exchange.advance_to(at("2024-03-02 12:00"))
    status, _ = exchange.engine.handle("GET", "/api/v3/brokerage/products/ETH-USD")
    assert status == 404
    assert hands.wallet("ETH") == (3, 0)
    (order, _) = hands.get("/orders/historical/batch")["orders"]
    assert order["status"] == "CANCELLED"


def test_a_book_without_bids_and_far_from_the_last_trade(
    settings: SimulatorSettings, make_exchange: Make
) -> None:
    """Nobody buys what is sold at the market; later the book is as it was."""
    odd = {"kind": "book", "product": "ETH-USD", "bids": False, "away": "0.021", "at": "2024-03-01"}
    usual = {"kind": "book", "product": "ETH-USD", "at": LATER}
    exchange = make_exchange(with_events(settings, odd, usual))
    hands = Hands(exchange)
    hands.buy("3", "ETH-USD")
    client = sdk_client(exchange.start())

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
    exchange.advance_to(at("2024-03-02 12:00"))
    assert shown("ETH-USD")[0]


def test_orders_and_fills_from_years_ago(settings: SimulatorSettings, make_exchange: Make) -> None:
    """They come after all others, page by page, with what they had then, or without it."""
    rows: list[dict[str, Any]] = [
        {"kind": "old_order", "row": {"total_fees": "", "filled_value": 12.5}},
        {"kind": "old_order", "row": {"product_id": "OLD-EUR", "client_order_id": "(missing)"}},
        {"kind": "old_fill", "row": {"product_id": "OLD-EUR", "commission": ""}},
    ]
    exchange = make_exchange(with_events(settings, *(row | {"at": "2024-03-01"} for row in rows)))
    hands = Hands(exchange)
    hands.buy("1")
    first = hands.get("/orders/historical/batch", limit=2)
    assert (first["has_next"], len(first["orders"])) == (True, 2)
    odd = first["orders"][1]
    assert (odd["total_fees"], odd["filled_value"]) == ("", 12.5)
    assert odd["created_time"].startswith("2021-03")
    last = hands.get("/orders/historical/batch", limit=2, cursor=first["cursor"])["orders"]
    assert [row["product_id"] for row in last] == ["OLD-EUR"]
    assert "client_order_id" not in last[0]
    assert hands.show(odd["order_id"]) == odd
    asked = {"product_ids": "BTC-USD", "start_date": "2024-01-01T00:00:00Z"}
    assert len(hands.get("/orders/historical/batch", **asked)["orders"]) == 1
    assert hands.get("/orders/historical/batch", order_status="OPEN")["orders"] == []
    client = sdk_client(exchange.start())
    fills = client.get_fills().to_dict()["fills"]
    assert [row["commission"] for row in fills][1:] == [""]
    assert len(client.get_fills(product_ids=["BTC-USD"]).to_dict()["fills"]) == 1


def test_each_event_happens_once(
    settings: SimulatorSettings, make_exchange: Make, tmp_path: Path
) -> None:
    """Through restarts; a new line is planted, one that is taken out does not happen any more."""
    kept = replace(settings, state_file=tmp_path / "s.sqlite")
    gift = {"kind": "transfer", "currency": "BTC", "amount": "1", "at": LATER}
    first = make_exchange(with_events(kept, gift, REWARD))
    first.advance_to(at("2024-03-02 12:00"))
    first.stop()
    other = {"kind": "transfer", "currency": "BTC", "amount": "0.5", "at": LATER}
    second = make_exchange(with_events(kept, gift, other))
    second.advance_to(at("2024-03-04 00:00"))
    hands = Hands(second)
    assert hands.wallet("BTC") == (Decimal("1.5"), 0)
    assert hands.wallet("ETH") == (Decimal("0.00000002"), 0)


def test_fields_are_picked_by_what_stands_in_their_row(
    exchange: SimulatedExchange, hands: Hands
) -> None:
    hands.buy("1")
    exchange.add_fault(
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
def test_events_that_cannot_be(
    settings: SimulatorSettings, make_exchange: Make, event: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        make_exchange(with_events(settings, event))

"""What is owned and ordered: whole or unknown."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from tests.exchange.canned_exchange import Canned, Edge
from tests.exchange.samples import account_record, fill_record, order_record
from tf_lib.core.model.records import FeeRates, Holding
from tf_lib.errors import RejectedError, UnknownState
from tf_lib.exchange.port import KeyPermissions, PortfolioRef

ORDERS = "/orders/historical/batch"
FILLS = "/orders/historical/fills"
KEY = {"can_view": True, "can_trade": True, "can_transfer": False, "portfolio_uuid": "p-1"}


def page(*records: dict[str, Any], key: str = "accounts", cursor: str = "") -> dict[str, Any]:
    """Return a page; with a cursor there is more."""
    return {key: list(records), "has_next": bool(cursor), "cursor": cursor, "size": len(records)}


def test_the_key_says_what_it_may_do(edge: Edge) -> None:
    """And which portfolio it is bound to."""
    edge.get("/key_permissions", KEY)

    assert edge.client.line.key_permissions() == KeyPermissions(True, True, False, "p-1")


@pytest.mark.parametrize("change", [{"can_transfer": None}, {"portfolio_uuid": ""}])
def test_half_an_answer_about_the_key_is_unknown(edge: Edge, change: dict[str, Any]) -> None:
    """A missing can_transfer must not pass for no."""
    edge.get("/key_permissions", {**KEY, **change})
    with pytest.raises(UnknownState, match="key permissions"):
        edge.client.line.key_permissions()


def test_portfolios_and_fees(edge: Edge) -> None:
    """As they are listed."""
    row = {"name": "Trend Following", "uuid": "p-1", "type": "CONSUMER", "deleted": False}
    tier = {"maker_fee_rate": "0.006", "taker_fee_rate": "0.012", "pricing_tier": "Intro 1"}
    edge.get("/portfolios", {"portfolios": [row]})
    edge.get("/transaction_summary", {"total_volume": 1.5, "fee_tier": tier})

    assert edge.client.line.portfolios() == [PortfolioRef("Trend Following", "p-1", False)]
    assert edge.client.fee_rates() == FeeRates(maker=0.006, taker=0.012)


@pytest.mark.parametrize("rate", ["", None, "1.2", "-0.1", "x"])
def test_a_fee_that_cannot_be_believed_is_unknown(edge: Edge, rate: object) -> None:
    """1.2 would be 120 %."""
    tier = {"maker_fee_rate": rate, "taker_fee_rate": "0.012"}
    edge.get("/transaction_summary", {"fee_tier": tier})
    with pytest.raises(UnknownState, match="maker_fee_rate"):
        edge.client.fee_rates()


def test_holdings_are_all_pages(edge: Edge) -> None:
    """Available and held, a zero that was read included."""
    edge.get(
        "/accounts",
        page(account_record("BTC", "0.05000000", "0.01"), cursor="c1"),
        page(account_record("ETH", "0.0000000000000000")),
    )

    assert edge.client.holdings() == {
        "BTC": Holding(Decimal("0.05"), Decimal("0.01")),
        "ETH": Holding(Decimal(0), Decimal(0)),
    }
    first, second = edge.asked("/accounts")
    assert first.query == {"limit": ["250"]}
    assert second.query == {"limit": ["250"], "cursor": ["c1"]}


def bad_accounts() -> list[Any]:
    """Return answers that must not be taken for holdings."""
    btc = account_record("BTC", "1")
    return [
        pytest.param([page(btc, cursor="c1"), page(btc, cursor="c1")], id="same page again"),
        pytest.param([page(btc, cursor="c1"), page(btc)], id="an account twice"),
        pytest.param([page(cursor="c1"), page(cursor="c1")], id="a cursor in a circle"),
        pytest.param([{"accounts": [btc], "has_next": True}], id="more without a cursor"),
        pytest.param([{"accounts": [btc]}], id="no word on more"),
        pytest.param([{"accounts": [btc], "has_next": "false"}], id="a word that is no bool"),
        pytest.param([{"has_next": False}], id="no accounts"),
        pytest.param([{"accounts": "none", "has_next": False}], id="no list"),
        pytest.param([page({**btc, "hold": None})], id="no hold"),
        pytest.param([page({**btc, "hold": {"currency": "BTC"}})], id="no value"),
        pytest.param([page(account_record("BTC", ""))], id="empty"),
        pytest.param([page(account_record("BTC", "-1"))], id="negative"),
        pytest.param([page(account_record("BTC", "NaN"))], id="nan"),
        pytest.param([page({**btc, "hold": {"value": 0.5, "currency": "BTC"}})], id="a float"),
        pytest.param([page({**btc, "hold": {"value": "1", "currency": "X"}})], id="other unit"),
        pytest.param([page(btc, {**btc, "uuid": "other"})], id="two wallets of one currency"),
        pytest.param([page({**btc, "uuid": ""})], id="no uuid"),
    ]


@pytest.mark.parametrize("pages", bad_accounts())
def test_holdings_that_cannot_be_believed_are_unknown(edge: Edge, pages: Any) -> None:
    """Never a zero, never a part."""
    edge.get("/accounts", *pages)
    with pytest.raises(UnknownState, match="account"):
        edge.client.holdings()


def test_an_empty_second_wallet_and_a_vault_do_not_count(edge: Edge) -> None:
    """Neither can be traded from."""
    edge.get(
        "/accounts",
        page(
            account_record("BTC", "1"),
            account_record("BTC", "0", uuid="old"),
            account_record("BTC", "5", uuid="vault", type="ACCOUNT_TYPE_VAULT"),
            account_record("USD", "9", type="FIAT"),
        ),
    )

    assert {name: one.total for name, one in edge.client.holdings().items()} == {"BTC": 1, "USD": 9}


def two_btc_wallets(is_second_default: bool) -> list[dict[str, Any]]:
    """Return two wallets of one currency that both hold something."""
    second = account_record("BTC", "2", uuid="second", default=is_second_default)
    return [account_record("BTC", "1", default=not is_second_default), second]


@pytest.mark.parametrize(("is_second_default", "units"), [(False, 1), (True, 2)])
def test_default_wallet_of_currency_trades(edge: Edge, is_second_default: bool, units: int) -> None:
    """The other one is named and left alone."""
    edge.get("/accounts", page(*two_btc_wallets(is_second_default)))

    assert edge.client.holdings()["BTC"].total == units
    assert any("not the default one" in why for why in edge.client.left_out)


@pytest.mark.parametrize(
    "bad",
    [
        account_record("EUR", "-0.01"),
        account_record("EUR", "1", hold="x"),
        account_record("EUR", "1", uuid="wallet-BTC"),
        account_record("BTC", "1", uuid=7, type="ACCOUNT_TYPE_STAKED"),
        account_record("BTC", "1", uuid=7, deleted_at="2020-01-01T00:00:00Z"),
        {"uuid": "nothing else"},
    ],
)
def test_only_what_is_traded_here_is_strict(edge: Edge, bad: dict[str, Any]) -> None:
    """A bad record of another currency, a staked or a deleted wallet stop nothing."""
    edge.client.names.use(["BTC-USD"])
    edge.get("/accounts", page(account_record("BTC", "1"), bad))

    assert edge.client.holdings() == {"BTC": Holding(Decimal(1), Decimal(0))}


def test_the_wallet_of_the_money_is_read_or_nothing_is(edge: Edge) -> None:
    """Cash is never guessed."""
    edge.client.names.use(["BTC-USD"])
    edge.get("/accounts", page(account_record("BTC", "1"), account_record("USD", "-1")))
    with pytest.raises(UnknownState, match="USD"):
        edge.client.holdings()


@pytest.mark.parametrize("bad", [{"available_balance": None}, {"hold": None}, {"hold": "x"}])
def test_a_coin_that_cannot_be_read_is_unknown_and_the_others_are_not(edge: Edge, bad: Any) -> None:
    """It is in no entry, which is not zero: who asks for it is told why."""
    edge.client.names.use(["BTC-USD", "ETH-USD"])
    rows = ({**account_record("BTC", "1"), **bad}, account_record("ETH", "2"))
    edge.get("/accounts", page(*rows))
    found = edge.client.holdings()

    assert found == {"ETH": Holding(Decimal(2), Decimal(0))}
    assert set(found.unreadable) == {"BTC"}
    with pytest.raises(UnknownState, match="BTC"):
        found.of("BTC")


def test_a_wallet_beside_the_default_one_stops_nothing(edge: Edge) -> None:
    """Nothing is traded in it; without a default one that can be read it stays strict."""
    edge.client.names.use(["BTC-USD"])
    beside = account_record("BTC", "1", uuid="beside", hold="-1", default=False)
    edge.get("/accounts", page(beside, account_record("BTC", "2", default=True)))

    assert edge.client.holdings()["BTC"].total == 2
    assert any("hold" in why for why in edge.client.left_out)

    edge.get("/accounts", page(beside, account_record("BTC", "0", default=False)))
    with pytest.raises(UnknownState, match="hold"):
        edge.client.holdings().of("BTC")


def test_an_order_of_ours_stays_strict(edge: Edge) -> None:
    """One of others is left out of the same list."""
    theirs = order_record(order_id="o-2", client_order_id="by hand", total_fees=1.5)
    edge.get(ORDERS, page(order_record(), theirs, key="orders"))

    assert [one.order_id for one in edge.client.orders()] == [order_record()["order_id"]]
    own = order_record(client_order_id="tf1-240311-en1-0123456789abcdef", total_fees=1.5)
    edge.get(ORDERS, page(own, key="orders"))
    with pytest.raises(UnknownState, match="total_fees"):
        edge.client.orders()


def test_a_strangers_fill_that_cannot_be_read_is_left_out(edge: Edge) -> None:
    """Only the fills of what was asked for are read."""
    stranger = fill_record(3, order_id="stranger", price="")
    edge.get(FILLS, {"fills": [fill_record(1), stranger], "cursor": ""})

    assert [one.entry_id for one in edge.client.fills(["o-1"])] == ["entry-1"]


def test_orders_are_listed_whole_and_without_a_status(edge: Edge) -> None:
    """One that stands on two pages counts once, as it was read last."""
    edge.get(
        ORDERS,
        page(order_record(), order_record(order_id="o-2"), key="orders", cursor="c"),
        page(order_record(status="CANCELLED"), key="orders"),
    )
    found = edge.client.orders(["BTC-USD", "ETH-USD"], start=dt.datetime(2024, 3, 1, tzinfo=dt.UTC))

    assert [(one.order_id[-1], one.status) for one in found] == [("1", "CANCELLED"), ("2", "OPEN")]
    query = edge.asked(ORDERS)[0].query
    assert query["product_ids"] == ["BTC-USD", "ETH-USD"]
    assert query["start_date"] == ["2024-03-01T00:00:00.000000Z"]
    assert "order_status" not in query


def test_open_orders_ask_for_open_alone(edge: Edge) -> None:
    """The exchange refuses OPEN beside another status."""
    edge.get(ORDERS, page(order_record(), key="orders"))

    assert len(edge.client.orders(is_open=True)) == 1
    assert edge.asked(ORDERS)[0].query["order_status"] == ["OPEN"]


def test_a_full_list_of_open_orders_is_cut_off(edge: Edge) -> None:
    """The exchange lists at most a thousand."""
    many = [order_record(order_id=f"o-{number}") for number in range(1000)]
    edge.get(ORDERS, page(*many, key="orders"))
    with pytest.raises(UnknownState, match="cut off"):
        edge.client.orders(is_open=True)


def test_null_orders_are_none(edge: Edge) -> None:
    """The SDK's own types raise on it."""
    edge.get(ORDERS, {"orders": None, "has_next": False, "cursor": ""})

    assert edge.client.orders() == []


def test_one_order(edge: Edge) -> None:
    """By its id."""
    record = order_record()
    edge.get(f"/orders/historical/{record['order_id']}", {"order": record})
    state = edge.client.order(record["order_id"])

    assert state is not None
    assert state.is_live_stop


@pytest.mark.parametrize(
    "body",
    [
        {"error": "NOT_FOUND", "error_details": "order with this orderID was not found"},
        {"error": "unknown", "message": "order with this orderID was not found"},
    ],
)
def test_no_such_order_is_none(edge: Edge, body: dict[str, str]) -> None:
    """Which right after a create means: not yet."""
    edge.get("/orders/historical/o-1", Canned(body, 404))

    assert edge.client.order("o-1") is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Canned("<html>no such page</html>", 404, "text/html"), RejectedError),
        (Canned({"error": "INVALID_ARGUMENT"}, 400), RejectedError),
        (Canned({"order": order_record(order_id="o-9")}), UnknownState),
        (Canned({"order": None}), UnknownState),
    ],
)
def test_any_other_answer_means_no_absence(edge: Edge, answer: Canned, error: Any) -> None:
    """A proxy's 404, a bad id, another order."""
    edge.get("/orders/historical/o-1", answer)
    with pytest.raises(error, match="o-1"):
        edge.client.order("o-1")


def test_fills_are_each_counted_once(edge: Edge) -> None:
    """Pages overlap, the last repeats its cursor, a stranger's fill is left out."""
    edge.get(
        FILLS,
        {"fills": [fill_record(2), fill_record(1)], "cursor": "c"},
        {"fills": [fill_record(2), fill_record(3, order_id="stranger")], "cursor": "c"},
    )

    assert [one.entry_id for one in edge.client.fills(["o-1"])] == ["entry-1", "entry-2"]
    assert len(edge.asked(FILLS)) == 2


@pytest.mark.parametrize(
    "pages",
    [[{"cursor": ""}], [{}], [{"cursor": None}], [{"cursor": "a"}, {"fills": [], "cursor": "b"}]],
)
def test_fills_end_with_an_empty_cursor_or_an_empty_page(edge: Edge, pages: Any) -> None:
    """There is no has_next."""
    edge.get(FILLS, *({"fills": [fill_record()], **each} for each in pages))

    assert len(edge.client.fills(["o-1"])) == 1


def test_fills_that_never_end_are_unknown(edge: Edge) -> None:
    """A full page that points to itself."""
    full = [fill_record(number) for number in range(250)]
    edge.get(FILLS, {"fills": full, "cursor": "c"})
    with pytest.raises(UnknownState, match="again and again"):
        edge.client.fills(["o-1"])


def test_a_fill_with_two_contents_is_unknown(edge: Edge) -> None:
    """Which of the two was paid?"""
    edge.get(FILLS, {"fills": [fill_record(), fill_record(size="9")], "cursor": ""})
    with pytest.raises(UnknownState, match="two contents"):
        edge.client.fills(["o-1"])


def test_no_orders_have_no_fills(edge: Edge) -> None:
    """An empty filter would return everybody's."""
    assert edge.client.fills([]) == []
    assert edge.seen == []


def test_many_ids_are_asked_in_parts(edge: Edge) -> None:
    """An address line has an end."""
    edge.get(FILLS, {"fills": [], "cursor": ""})
    edge.client.fills(f"o-{number}" for number in range(120))

    assert [len(one.query["order_ids"]) for one in edge.asked(FILLS)] == [50, 50, 20]

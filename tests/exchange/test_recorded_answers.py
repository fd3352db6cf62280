"""
Answers in the shapes that the real exchange and the recordings of other clients show.

The records are made up; field names, types, empty values and enumerations are those that were
seen: what is left out, what is null, how many digits a time or an amount has.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from tests.exchange.canned_exchange import Edge
from tests.exchange.samples import account_record, fill_record, order_record, product_record
from tf_lib.core.model.records import FeeRates, Holding, Side
from tf_lib.exchange.coinbase.order_records import fill, order_state
from tf_lib.execution.order_check import add_up

D = Decimal
DAY = dt.date(2024, 3, 1)
BRIEF = {"uuid": "w-1", "currency": "BTC", "active": True, "ready": True} | {
    "available_balance": {"value": "1.2500000000000000", "currency": "BTC"},
    "hold": {"value": "0.2500000000000000", "currency": "BTC"},
}
HELD = Holding(D("1.25"), D("0.25"))
DERIVATIVES = {"uuid": "cfm", "platform": "ACCOUNT_PLATFORM_CFM_CONSUMER"}
PERPETUALS = {"uuid": "intx", "platform": "ACCOUNT_PLATFORM_INTX"}


def accounts(*records: dict[str, Any]) -> dict[str, Any]:
    return {"accounts": list(records), "has_next": False, "cursor": "", "size": len(records)}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(accounts(BRIEF), {"BTC": HELD}, id="few fields"),
        pytest.param({**accounts(BRIEF), "cursor": None}, {"BTC": HELD}, id="null cursor"),
        pytest.param({"accounts": [BRIEF], "has_next": False}, {"BTC": HELD}, id="no cursor"),
        pytest.param(
            accounts(account_record("USD", "7", type="FIAT")),
            {"USD": Holding(D(7), D(0))},
            id="the type as it was written in old days",
        ),
        pytest.param(
            accounts(BRIEF, {**BRIEF, "uuid": "v", "type": "ACCOUNT_TYPE_VAULT", "default": True}),
            {"BTC": HELD},
            id="a vault",
        ),
        pytest.param(
            accounts(
                account_record("USD", "7"),
                account_record("USD", "900", **DERIVATIVES),
                account_record("USD", "800", **PERPETUALS),
            ),
            {"USD": Holding(D(7), D(0))},
            id="dollars of derivatives, each wallet the default of its platform",
        ),
        pytest.param(
            accounts(BRIEF, account_record("ETH", "5", deleted_at="2021-05-31T09:59:59.000Z")),
            {"BTC": HELD},
            id="deleted with a balance",
        ),
    ],
)
def test_accounts(edge: Edge, answer: dict[str, Any], expected: dict[str, Holding]) -> None:
    """What is not traded on spot counts as nothing; what is left out stops nothing."""
    edge.get("/accounts", answer)
    assert edge.client.holdings() == expected


QUOTE_SIZED = order_record(
    order_configuration={"market_market_ioc": {"quote_size": "8"}},
    side="BUY",
    status="FILLED",
    time_in_force="IMMEDIATE_OR_CANCEL",
    created_time="2024-03-01T00:01:02.123456789Z",
    last_fill_time="2024-03-01T00:01:02.323456789Z",
    completion_percentage="100",
    filled_size="0.3377692006125412",
    average_filled_price="23.4700000000000012",
    number_of_fills="2",
    filled_value="7.9275431380840001",
    size_in_quote=True,
    size_inclusive_of_fees=True,
    total_fees="0.0724568619159999",
    total_value_after_fees="8",
    trigger_status="INVALID_ORDER_TYPE",
    order_type="MARKET",
    settled=True,
    cancel_message="Internal error",
    outstanding_hold_amount="0",
)


def test_a_buy_for_an_amount_of_money_is_filled_though_its_rest_was_cancelled() -> None:
    """Sixteen decimals, times to the nanosecond, FILLED with a cancel message."""
    order = order_state(QUOTE_SIZED)
    assert (order.kind, order.quote_size, order.base_size) == ("market", D(8), None)
    assert (order.status, order.is_terminal, order.remaining) == ("FILLED", True, Decimal(0))
    assert order.filled_size == D("0.3377692006125412")
    assert order.filled_value + order.total_fees == 8
    assert order.created_time == dt.datetime(2024, 3, 1, 0, 1, 2, 123456, tzinfo=dt.UTC)
    assert order.last_fill_time == dt.datetime(2024, 3, 1, 0, 1, 2, 323456, tzinfo=dt.UTC)


def test_fills_of_a_buy_for_an_amount_of_money_account_for_it() -> None:
    """They are sized in money; the units they stand for are quotients, and add up all the same."""
    sized_in_money = {"size_in_quote": True, "liquidity_indicator": "UNKNOWN_LIQUIDITY_INDICATOR"}
    parts = [
        fill(fill_record(n, size=size, price="23.47", **sized_in_money))
        for n, size in ((1, "5.0000000000000000"), (2, "2.9275431383763416"))
    ]
    assert parts[0].base_size != D("0.2130379207498935")
    assert add_up(parts, D("0.3377734613710840"))
    assert not add_up(parts[:1], D("0.3377734613710840"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"order_type": "UNKNOWN_ORDER_TYPE", "time_in_force": "UNKNOWN_TIME_IN_FORCE"}, {}),
        ({"last_fill_time": "0001-01-01T00:00:00Z"}, {"last_fill_time": None}),
        ({"last_fill_time": ""}, {"last_fill_time": None}),
        ({"outstanding_hold_amount": ""}, {}),
        ({"reject_reason": "", "reject_message": "", "margin_type": ""}, {}),
        ({"edit_history": [], "leverage": "1", "retail_portfolio_id": ""}, {}),
        ({"total_fees_native": {"value": "5.00", "currency": "USD"}, "equity": None}, {}),
        ({"status": "CANCELLED", "cancel_message": "User requested cancel"}, {"remaining": 0}),
        ({"status": "EDIT_QUEUED"}, {"is_live_stop": False, "is_terminal": False}),
        ({"status": "QUEUED"}, {"is_live_stop": False, "is_terminal": False}),
        ({"status": "UNKNOWN_ORDER_STATUS"}, {"is_live_stop": False, "is_terminal": False}),
        ({"trigger_status": "STOP_TRIGGERED"}, {"is_live_stop": False, "is_terminal": False}),
        ({"side": "UNKNOWN_ORDER_SIDE"}, {"side": None, "is_live_stop": False}),
        ({"number_of_fills": "0", "fee": "", "total_fees": ""}, {"total_fees": 0}),
        ({"average_filled_price": "", "filled_value": ""}, {"average_filled_price": 0}),
        (
            {"product_id": "BIP-20DEC30-CDE", "product_type": "FUTURE", "client_order_id": ""},
            {"product_id": "BIP-20DEC30-CDE"},
        ),
        (
            {"order_configuration": {"twap_limit_gtd": {"quote_size": "50"}}},
            {"kind": "other", "quote_size": 50},
        ),
        (
            {
                "order_configuration": {
                    "trigger_bracket_gtc": {"limit_price": "9", "stop_trigger_price": "5"}
                },
                "order_type": "BRACKET",
            },
            {"kind": "other", "is_live_stop": False},
        ),
        ({"order_configuration": None}, {"kind": "other", "base_size": None}),
    ],
)
def test_orders(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """Whatever stands in the fields that nobody needs, an order is what it is."""
    order = order_state(order_record(**changes))
    assert {name: getattr(order, name) for name in expected} == expected
    if "side" not in expected:
        assert order.side is Side.SELL


@pytest.mark.parametrize("missing", ["outstanding_hold_amount", "last_fill_time", "edit_history"])
def test_fields_that_orders_had_not_in_old_days(missing: str) -> None:
    record = order_record()
    del record[missing]
    assert order_state(record).is_live_stop


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"trade_time": "2024-03-01T00:02:03.091377090Z"}, {}),
        ({"commission": "0"}, {"commission": 0}),
        ({"commission": "0.0000280983986004"}, {"commission": D("0.0000280983986004")}),
        ({"side": "UNKNOWN_ORDER_SIDE"}, {"side": None}),
        ({"fillSource": "FILL_SOURCE_UNKNOWN", "commission_detail_total": None}, {}),
        ({"retail_portfolio_id": "", "trade_type": "FILL"}, {}),
        ({"size": "0.2132552648459785"}, {"base_size": D("0.2132552648459785")}),
        (
            {"size": "0.0046830664333996", "price": "21220.64", "size_in_quote": True},
            {"price": D("21220.64")},
        ),
    ],
)
def test_fills(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    one = fill(fill_record(**changes))
    assert {name: getattr(one, name) for name in expected} == expected
    assert one.trade_time.tzinfo is dt.UTC


SESSION = {"is_session_open": True, "session_state": "FCM_TRADING_SESSION_STATE_OPEN"}


def test_products_beside_aliases_futures_and_fields_nobody_knows(edge: Edge) -> None:
    """Rows that are asked for are read, with whatever else stands in them or beside them."""
    btc = product_record(
        price="58382.78",
        price_percentage_change_24h="-4.23785541063979",
        mid_market_price="",
        alias="",
        alias_to=["BTC-USDC"],
        fcm_trading_session_details=None,
        new_at=None,
        market_cap="1500000000000",
        icon_color="red",
        best_bid_price="",
        about_description="",
        product_venue="CBE",
    )
    halted = product_record("ADA-USD", price="", status="OFFLINE", view_only=None)
    old = {k: v for k, v in product_record("ETH-USD").items() if k != "price_increment"}
    future = product_record("ETH-USD", fcm_trading_session_details=SESSION)
    future |= {"product_id": "BIP-20DEC30-CDE", "product_type": "FUTURE", "price_increment": "5"}
    paging = {"prev_cursor": "", "next_cursor": "", "has_next": False, "has_prev": False}
    answer = {"products": [future, halted, btc, old], "num_products": 4, "pagination": paging}
    edge.get("/products", answer)

    listed = edge.client.products(["BTC-USD", "ADA-USD", "ETH-USD", "LTC-USD"])

    assert sorted(listed) == ["ADA-USD", "BTC-USD", "ETH-USD"]
    assert listed["BTC-USD"].last == D("58382.78")
    assert listed["ADA-USD"].last is None
    ada = listed["ADA-USD"].product
    assert (ada.status, ada.view_only) == ("offline", True)
    assert listed["ETH-USD"].product.price_increment == D("0.01")


@pytest.mark.parametrize(
    ("book", "expected"),
    [
        ({"bids": [{"price": "9.5", "size": "1"}], "asks": [{"price": "9.6"}]}, True),
        ({"bids": [], "asks": [{"price": "9.6", "size": "2"}]}, False),
        ({"bids": None, "asks": None, "time": ""}, False),
        ({"bids": [{"price": "", "size": ""}], "asks": [{"price": "9.6", "size": "2"}]}, False),
        ({"bids": [{"price": "0", "size": "0"}], "asks": [{"price": "9.6", "size": "2"}]}, False),
    ],
)
def test_books(edge: Edge, book: dict[str, Any], expected: bool) -> None:
    """A side that holds nothing, or says nothing, makes the product one without a book."""
    row = {"product_id": "BTC-USD", "time": "2024-03-01T00:01:02.123456789Z", **book}
    edge.get("/best_bid_ask", {"pricebooks": [row]})
    found = edge.client.quotes(["BTC-USD"])
    assert found == ({"BTC-USD": (D("9.5"), D("9.6"))} if expected else {})


@pytest.mark.parametrize(
    ("changes", "is_number"),
    [
        ({"volume": "9.8829938"}, True),
        ({"close": "0.0000089123"}, True),
        ({"volume": "1e-05"}, True),
        ({"close": ""}, False),
        ({"high": None}, False),
    ],
)
def test_candles(edge: Edge, changes: dict[str, Any], is_number: bool) -> None:
    start = int(dt.datetime(2024, 3, 1, tzinfo=dt.UTC).timestamp())
    row = {"start": str(start), "low": "0.5", "high": "3", "open": "2", "close": "1", "volume": "9"}
    edge.get("/products/BTC-USD/candles", {"candles": [row | changes]})
    bar = edge.client.candle_page("BTC-USD", DAY, DAY)[DAY]
    assert all(value == value for value in bar) is is_number


TIER = {"pricing_tier": "Advanced 1", "usd_from": "0", "usd_to": "10000"}
TIER |= {"taker_fee_rate": "0.0120", "maker_fee_rate": "0.0060"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"margin_rate": None, "goods_and_services_tax": None, "coinbase_pro_volume": 0},
        {"margin_rate": {"value": "0.1"}, "goods_and_services_tax": {"rate": "0.1"}},
        {"total_volume": 1234.5678, "total_fees": 25, "total_balance": ""},
        {"fee_tier_without_promotion": {"current_tier": {"taker_fee_rate": "0.02"}}},
        {"volume_breakdown": [{"volume_type": "VOLUME_TYPE_SPOT", "volume": 1000}]},
    ],
)
def test_fees(edge: Edge, more: dict[str, Any]) -> None:
    edge.get("/transaction_summary", {"fee_tier": TIER, **more})
    assert edge.client.fee_rates() == FeeRates(maker=0.006, taker=0.012)


@pytest.mark.parametrize("kind", ["DEFAULT", "CONSUMER", "INTX", "UNDEFINED", None])
def test_key_and_portfolios(edge: Edge, kind: object) -> None:
    """Portfolios without a name, and deleted ones, are listed as what they are."""
    rights = {"can_view": True, "can_trade": True, "can_transfer": False}
    edge.get("/key_permissions", {**rights, "portfolio_uuid": "p-1", "portfolio_type": kind})
    rows = [{"name": "", "uuid": "p-1", "type": kind}, {"uuid": "p-2", "deleted": True}]
    edge.get("/portfolios", {"portfolios": rows})
    assert edge.client.line.key_permissions().portfolio_uuid == "p-1"
    found = edge.client.line.portfolios()
    assert [(one.uuid, one.deleted) for one in found] == [("p-1", False), ("p-2", True)]

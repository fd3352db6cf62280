"""An order is what its configuration says; it protects only when everything says so."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.exchange.samples import fill_record, order_record
from tf_lib.core.model.records import Side
from tf_lib.errors import UnknownState
from tf_lib.exchange.coinbase.order_records import fill, order_state
from tf_lib.exchange.port import Liquidity


def test_a_resting_stop_is_read_whole() -> None:
    """Numbers exact, kind from the configuration though the type is unknown."""
    state = order_state(order_record())

    assert state.kind == "stop_limit"
    assert state.side is Side.SELL
    assert state.base_size == Decimal("0.05")
    assert (state.stop_price, state.limit_price) == (Decimal(39000), Decimal(38000))
    assert state.created_time.isoformat() == "2024-03-01T00:01:02.123456+00:00"
    assert state.last_fill_time is None
    assert state.is_live_stop
    assert not state.is_terminal
    assert state.remaining == Decimal("0.05")


CONFIG = order_record()["order_configuration"]["stop_limit_stop_limit_gtc"]
UP = {"stop_limit_stop_limit_gtc": {**CONFIG, "stop_direction": "STOP_DIRECTION_STOP_UP"}}


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "PENDING"},
        {"status": "CANCEL_QUEUED"},
        {"status": "CANCELLED"},
        {"status": "UNKNOWN_ORDER_STATUS"},
        {"trigger_status": "STOP_TRIGGERED"},
        {"trigger_status": "UNKNOWN_TRIGGER_STATUS"},
        {"pending_cancel": True},
        {"pending_cancel": None},
        {"side": "BUY"},
        {"side": "UNKNOWN_ORDER_SIDE"},
        {"order_configuration": UP},
        {"order_configuration": {"limit_limit_gtc": CONFIG}},
        {"order_configuration": None},
        {"order_configuration": {}},
    ],
)
def test_a_stop_that_is_not_plainly_live_protects_nothing(changes: dict[str, Any]) -> None:
    """One doubt is enough."""
    assert not order_state(order_record(**changes)).is_live_stop


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("market_market_ioc", "market"),
        ("market_market_fok", "market"),
        ("limit_limit_gtc", "limit"),
        ("sor_limit_ioc", "limit"),
        ("stop_limit_stop_limit_gtd", "stop_limit"),
        ("trigger_bracket_gtc", "other"),
        ("something_new", "other"),
    ],
)
def test_the_kind_comes_from_the_configuration(name: str, kind: str) -> None:
    """Never from order_type."""
    configuration = {name: {"base_size": "1", "quote_size": ""}, "empty": None}
    state = order_state(order_record(order_configuration=configuration, order_type="MARKET"))

    assert state.kind == kind
    assert (state.base_size, state.quote_size) == (Decimal(1), None)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"filled_size": "0.02"}, "0.03"),
        ({"filled_size": "0.07"}, "0"),
        ({"status": "CANCELLED", "filled_size": "0.02"}, "0"),
    ],
)
def test_what_remains_is_size_less_fills_while_it_lives(changes: Any, wanted: str) -> None:
    """Nothing remains of a dead order."""
    changes = {"filled_value": "800", "total_fees": "1", "average_filled_price": "40000", **changes}

    assert order_state(order_record(**changes)).remaining == Decimal(wanted)


def test_what_remains_of_a_quote_sized_order_is_not_known() -> None:
    """Its size is money."""
    configuration = {"market_market_ioc": {"quote_size": "100"}}

    assert order_state(order_record(order_configuration=configuration)).remaining is None


@pytest.mark.parametrize(
    "changes",
    [
        {"filled_size": "much"},
        {"filled_size": "-1"},
        {"filled_size": "", "number_of_fills": "1"},
        {"filled_size": None, "status": "FILLED"},
        {"filled_value": "", "filled_size": "1"},
        {"created_time": ""},
        {"status": ""},
        {"order_id": ""},
        {"product_id": None},
    ],
)
def test_an_order_that_cannot_be_believed_is_unknown(changes: dict[str, Any]) -> None:
    """A missing fill is not a fill of zero."""
    with pytest.raises(UnknownState, match="order"):
        order_state(order_record(**changes))


def test_an_order_without_fills_may_leave_them_empty() -> None:
    """When nothing else speaks of fills."""
    empty = dict.fromkeys(("filled_size", "filled_value", "average_filled_price"), "")

    assert order_state(order_record(status="PENDING", **empty)).filled_size == 0


def test_a_fill_is_read_exactly() -> None:
    """Base units, price, fee."""
    one = fill(fill_record())

    assert (one.base_size, one.price) == (Decimal("0.01"), Decimal(40000))
    assert one.commission == Decimal("4.8")
    assert (one.entry_id, one.side, one.liquidity) == ("entry-1", Side.BUY, Liquidity.TAKER)


def test_a_fill_in_money_is_turned_into_units() -> None:
    """400 USD at 40,000 are 0.01."""
    assert fill(fill_record(size="400", size_in_quote=True)).base_size == Decimal("0.01")


def test_a_fill_without_an_id_is_told_by_trade_and_order() -> None:
    """So that it is still counted once."""
    assert fill(fill_record(entry_id="")).entry_id == "trade-1/o-1"


@pytest.mark.parametrize(
    "changes", [{"price": "0"}, {"size": ""}, {"commission": None}, {"trade_time": "x"}]
)
def test_a_fill_that_cannot_be_believed_is_unknown(changes: dict[str, Any]) -> None:
    """Naming its order."""
    with pytest.raises(UnknownState, match="fill of order o-1"):
        fill(fill_record(**changes))

"""Orders: exact sizes on the product's grid, nothing the exchange would refuse, no dust left."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_lib.core.client_ids import Leg
from tf_lib.core.orders import (
    OrderBuild,
    PlannedOrder,
    below_minimum,
    build_order,
    ceil_to,
    floor_to,
    is_dust,
    smallest_protectable,
    to_decimal,
)
from tf_lib.core.records import Holding, Product, Quote, Reason, Side
from tf_lib.errors import TfError

D = Decimal

COIN = Product(
    product_id="COIN-USD",
    base_increment=D("0.01"),
    price_increment=D("0.001"),
    quote_increment=D("0.01"),
    base_min_size=D("0.05"),
    quote_min_size=D("1"),
)
QUOTE = Quote(bid=D("9.999"), ask=D("10.001"), last=D("10"))  # mid 10
LIMIT = D("8")  # of today's stop


def built(notional: float, reason: Reason, *, held: str = "0") -> OrderBuild:
    return build_order(
        COIN,
        trade_notional=notional,
        reason=reason,
        quote=QUOTE,
        holding=Holding(D(held), D(0)),
        stop_limit_price=LIMIT,
    )


# -- the border ------------------------------------------------------------------------------------


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_crosses_by_its_shortest_text(value: float) -> None:
    """What comes back is the same float, and 0.1 is 0.1."""
    assert float(to_decimal(value)) == value
    assert to_decimal(0.1) == D("0.1")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_only_numbers_become_orders(value: float) -> None:
    """Named, since it would otherwise be a size."""
    with pytest.raises(TfError, match=f"expected a finite number for an order, got {value}"):
        to_decimal(value)


@given(
    value=st.decimals(D(0), D(10**9), places=12, allow_nan=False),
    step=st.sampled_from([D("1e-8"), D("0.01"), D("0.1"), D(1), D("2.5")]),
)
def test_floor_and_ceiling_stand_on_the_grid(value: D, step: D) -> None:
    """Never above, never below, less than a step away."""
    low, high = floor_to(value, step), ceil_to(value, step)

    assert low % step == high % step == 0
    assert low <= value <= high
    assert value - low < step
    assert high - value < step


# -- dust ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("0", True),
        ("0.049", True),  # below base_min_size
        ("0.05", True),  # 0.05 x 8 = 0.40, below quote_min_size
        ("0.12", True),  # 0.96
        ("0.125", True),  # floored to 0.12 first
        ("0.13", False),  # 1.04
    ],
)
def test_dust_is_judged_at_the_stops_limit(size: str, expected: bool) -> None:
    """Floored size below the base minimum, or its value at the limit below the quote minimum."""
    assert is_dust(D(size), COIN, LIMIT) is expected


@given(
    limit=st.decimals(D("0.001"), D(100_000), places=3, allow_nan=False),
    step=st.sampled_from([D("1e-8"), D("0.01"), D("0.1"), D(1)]),
)
def test_the_smallest_protectable_is_no_dust(limit: D, step: D) -> None:
    """On the grid, and still protected when the limit is a few percent lower tomorrow."""
    product = Product("C-USD", step, D("0.001"), D("0.01"), step, D(1))
    size = smallest_protectable(product, limit)

    assert size % step == 0
    assert not is_dust(size, product, limit)
    assert not is_dust(size, product, limit * D("0.95"))


# -- building --------------------------------------------------------------------------------------


def test_a_buy_by_hand() -> None:
    """100.19 USD at mid 10 are 10.019 units, down to 10.01."""
    order = built(100.19, Reason.ENTER).order

    assert order is not None
    assert (order.side, order.leg, order.base_size) == (Side.BUY, Leg.ENTRY, D("10.01"))
    assert (order.reference_price, order.notional) == (D(10), D("100.10"))


def test_a_trim_by_hand() -> None:
    """A sale of 30.07 USD of 10 units held: 3.00 go, 7 stay and can be protected."""
    order = built(-30.07, Reason.TRIM, held="10").order

    assert order is not None
    assert (order.side, order.leg, order.base_size) == (Side.SELL, Leg.TRIM, D("3.00"))


def test_a_trim_that_would_leave_dust_is_an_exit() -> None:
    """9.9 of 10 sold would leave 0.1, worth 0.80 at the limit: all of it goes."""
    order = built(-99.0, Reason.TRIM, held="10").order

    assert order is not None
    assert (order.leg, order.base_size) == (Leg.EXIT, D("10.00"))


def test_a_full_exit_sells_all_that_is_owned() -> None:
    """Whatever the notional says: 7.777 units floored to the step, held and free alike."""
    build = build_order(
        COIN,
        trade_notional=-1.0,
        reason=Reason.FULL_EXIT,
        quote=QUOTE,
        holding=Holding(D("0.777"), D(7)),
        stop_limit_price=None,
    )

    assert build.order is not None
    assert (build.order.leg, build.order.base_size) == (Leg.EXIT, D("7.77"))


@pytest.mark.parametrize(
    ("notional", "reason", "held", "size"),
    [
        (0.4, Reason.ENTER, "0", "0.04"),  # below the base minimum
        (0.9, Reason.ADD, "3", "0.09"),  # below the quote minimum
        (-0.9, Reason.TRIM, "3", "0.09"),
        (-50.0, Reason.FULL_EXIT, "0.04", "0.04"),
        (-50.0, Reason.FULL_EXIT, "0.009", "0.00"),
    ],
)
def test_what_the_exchange_would_refuse_is_not_built(
    notional: float, reason: Reason, held: str, size: str
) -> None:
    """The note says product, size, price and both minimums."""
    build = built(notional, reason, held=held)

    assert build.order is None
    assert build.note == (
        f"COIN-USD: {size} at 10.000 is below the exchange's minimums (0.05 base, 1 quote)"
    )


def test_no_notional_no_order() -> None:
    """Said so."""
    assert built(0.0, Reason.BELOW_THRESHOLD).note == "no trade desired"


@given(
    notional=st.floats(-1e6, 1e6, allow_nan=False),
    held=st.decimals(D(0), D(100_000), places=4, allow_nan=False),
)
def test_no_order_breaks_a_rule(notional: float, held: D) -> None:
    """On the grid, above the minimums, never more than is owned, never a trim into dust."""
    reason = Reason.ENTER if notional > 0 else Reason.TRIM
    build = built(notional, reason, held=str(held))
    if build.order is None:
        return
    order = build.order

    assert order.base_size % COIN.base_increment == 0
    assert not below_minimum(order.base_size, COIN, QUOTE.mid)
    if order.side is Side.SELL:
        left = held - order.base_size
        assert left >= 0
        assert order.leg is (Leg.EXIT if is_dust(left, COIN, LIMIT) else Leg.TRIM)
    else:
        assert order.notional <= D(repr(notional))


def test_a_planned_order_survives_its_file() -> None:
    """plan.json holds strings; what is read back is equal to the digit."""
    order = PlannedOrder("COIN-USD", Side.BUY, Leg.ENTRY, D("10.0100"), D("10.00"), Reason.ADD)

    assert PlannedOrder.from_mapping(order.to_mapping()) == order
    assert order.to_mapping()["base_size"] == "10.0100"

"""Orders: exact sizes on the product's grid, nothing the exchange would refuse, no dust left."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.records import Holding, Product, Quote, Reason, Side
from tf_lib.core.orders import compiled
from tf_lib.core.orders.build import (
    OrderBuild,
    PlannedOrder,
    WantedStop,
    below_minimum,
    build_order,
    ceil_to,
    floor_to,
    is_dust,
    to_decimal,
)
from tf_lib.core.orders.lots_and_ticks import spec_of, stop_rules
from tf_lib.core.orders.stops import limit_below, pilot_size, plan_stop
from tf_lib.errors import TfError
from tf_lib.parameters import StopsSection

D = Decimal

COIN = Product(
    "COIN-USD", D("0.01"), D("0.001"), D("0.01"), base_min_size=D("0.05"), quote_min_size=D(1)
)
TEN_AT_LEAST = Product("C-USD", D("0.001"), D("0.01"), D("0.01"), D("0.001"), D(10))
QUOTE = Quote(bid=D("9.999"), ask=D("10.001"), last=D("10"))  # mid 10
STOP = WantedStop(COIN, D("8"), 0.5, stop_rules(StopsSection()))  # limit 7.75
WIDE = WantedStop(COIN, D("8"), 0.5, stop_rules(StopsSection(limit_buffer_atr=30)))  # limit 7.2


def built(
    notional: float, reason: Reason, *, held: str = "0", stop: WantedStop = STOP
) -> OrderBuild:
    holding = Holding(D(held), D(0))
    return build_order(stop, trade_notional=notional, reason=reason, quote=QUOTE, holding=holding)


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
        ("0.05", True),  # 0.05 x 10 = 0.50, below 1.05 x quote_min_size
        ("0.10", True),  # 1.00: the exchange would take it, and a move of 5 % would not
        ("0.109", True),  # floored to 0.10 first
        ("0.11", False),  # 1.10
    ],
)
def test_dust_is_judged_at_the_last_price(size: str, expected: bool) -> None:
    """Floored size below the base minimum, or worth less than 1.05 x the quote minimum."""
    assert is_dust(D(size), COIN, QUOTE.last) is expected


@pytest.mark.parametrize("wide", [0.5, 30, 100])
def test_no_buffer_makes_dust_of_a_holding(wide: float) -> None:
    """What it is worth decides: a stop of 0.15, worth 1.50, is protectable with any buffer."""
    stop = WantedStop(COIN, D("8"), 2.0, stop_rules(StopsSection(limit_buffer_atr=wide)))

    assert stop.is_protectable(D("0.15"), QUOTE.last)
    assert not stop.is_protectable(D("0.12"), QUOTE.last)  # 0.12 x 7.999 is below 1


@given(
    limit=st.decimals(D("0.001"), D(100_000), places=3, allow_nan=False),
    step=st.sampled_from([D("1e-8"), D("0.01"), D("0.1"), D(1)]),
)
def test_the_smallest_protectable_is_no_dust(limit: D, step: D) -> None:
    """On the grid, no dust at its own limit, and a stop still there when it is 5 % lower."""
    product = Product("C-USD", step, D("0.001"), D("0.01"), step, D(1))
    size = pilot_size(D(0), D(10**12), product, limit)

    assert size % step == 0
    assert not is_dust(size, product, limit)
    assert not below_minimum(size, product, limit * D("0.95"))


@st.composite
def rounds(draw: st.DrawFn) -> tuple[Product, D, D, D, float, StopsSection]:
    """Round sizes, prices and minimums, where a tick more or less decides."""
    tick = draw(st.sampled_from([D("0.0001"), D("0.01"), D("0.1"), D(1)]))
    lot = draw(st.sampled_from([D("1e-8"), D("0.001"), D("0.1"), D(1)]))
    least = draw(st.sampled_from([D("0.5"), D(1), D(10)]))
    level = draw(st.integers(2, 500)) * tick
    last = level + draw(st.integers(0, 200)) * tick
    size = draw(st.integers(1, 60_000)) * D("0.005")
    atr = draw(st.integers(0, 50)) * float(tick)
    stops = StopsSection(limit_buffer_atr=draw(st.sampled_from([0.0, 0.5, 3.0, 30.0])))
    return Product("C-USD", lot, tick, D("0.01"), lot, least), size, level, last, atr, stops


@given(rounds())
@example((TEN_AT_LEAST, D("26.315"), D("0.4"), D("0.41"), 0.02, StopsSection()))
def test_gate_builder_and_stop_agree(case: tuple[Product, D, D, D, float, StopsSection]) -> None:
    """One rule: what the gate lets in, a trim may leave, and its stop is then planned."""
    product, size, level, last, atr, stops = case
    stop = WantedStop(product, level, atr, stop_rules(stops))
    lots = int(size / product.base_increment)
    steps = spec_of(product)
    gate = compiled.is_protectable(lots, float(level), float(last), atr, steps, stop.rules)
    plan = plan_stop(stop, last, base_size=size)

    sold = 1 + int(10 / last)
    build = build_order(
        stop,
        trade_notional=-float(sold * last),
        reason=Reason.TRIM,
        quote=Quote(bid=last, ask=last, last=last),
        holding=Holding(size + sold, D(0)),
    )

    assert build.order is not None
    assert gate == (build.order.leg is Leg.TRIM) == stop.is_protectable(size, last)
    if gate:
        assert plan is not None
        floored = floor_to(size, product.base_increment)
        assert floored * plan.limit_price >= product.quote_min_size * D("0.9999999999")
        assert plan.limit_price < plan.resting_level


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


@pytest.mark.parametrize("stop", [STOP, replace(STOP, level=None)])
def test_a_trim_that_would_leave_dust_is_an_exit_and_says_so(stop: WantedStop) -> None:
    """9.9 of 10 sold would leave 0.1, worth 1.00: all of it goes, and the order tells why."""
    build = built(-99.0, Reason.TRIM, held="10", stop=stop)

    assert build.order is not None
    assert (build.order.leg, build.order.base_size) == (Leg.EXIT, D("10.00"))
    assert build.order.reason is Reason.TRIM
    assert build.note == "sells everything: the 0.1 that would be left are too small to be kept"
    assert build.order.note == build.note


def test_a_trim_whose_rest_could_carry_no_stop_is_an_exit_and_says_so() -> None:
    """0.12 left, worth 1.20: no dust, but under a stop at 8 it is worth less than 1."""
    build = built(-98.8, Reason.TRIM, held="10")

    assert build.order is not None
    assert build.order.leg is Leg.EXIT
    assert build.note == "sells everything: the 0.12 that would be left could carry no stop"


def test_a_wide_buffer_does_not_make_an_exit_of_a_trim() -> None:
    """The limit of the rest is brought nearer; only the trim is sold."""
    order = built(-98.6, Reason.TRIM, held="10", stop=WIDE).order

    assert order is not None
    assert (order.leg, order.base_size) == (Leg.TRIM, D("9.86"))  # 0.14 stay: 1.00 at 7.2
    assert limit_below(D("8"), WIDE) == D("7.2")


def test_a_full_exit_sells_all_that_is_owned() -> None:
    """Whatever the notional says: 7.777 units floored to the step, held and free alike."""
    build = build_order(
        replace(STOP, level=None),
        trade_notional=-1.0,
        reason=Reason.FULL_EXIT,
        quote=QUOTE,
        holding=Holding(D("0.777"), D(7)),
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
def test_what_would_be_refused_is_not_built(
    notional: float, reason: Reason, held: str, size: str
) -> None:
    """The note says product, size, price and both minimums."""
    build = built(notional, reason, held=held)

    assert build.order is None
    minimums = "the exchange's minimums (0.05 base, 1 quote)"
    assert build.note == f"COIN-USD: {size} at 10.000 is below {minimums}"


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
        can_stay = STOP.is_protectable(left, QUOTE.last)
        assert order.leg is (Leg.TRIM if can_stay else Leg.EXIT)
    else:
        assert order.notional <= D(repr(notional))


def test_a_planned_order_survives_its_file() -> None:
    """plan.json holds strings; what is read back is equal to the digit."""
    order = PlannedOrder("COIN-USD", Side.BUY, Leg.ENTRY, D("10.0100"), D("10.00"), Reason.ADD)
    noted = replace(order, note="sells everything")

    assert PlannedOrder.from_mapping(json.loads(json.dumps(noted.to_mapping()))) == noted
    assert "note" not in order.to_mapping()
    assert PlannedOrder.from_mapping(json.loads(json.dumps(order.to_mapping()))) == order
    assert order.to_mapping()["base_size"] == "10.0100"

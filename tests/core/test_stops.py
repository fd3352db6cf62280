"""Stop levels and limits by hand: ratchet, clamp, buffers, and what a raise is worth."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_lib.core.model.records import Product
from tf_lib.core.orders.build import WantedStop, to_decimal
from tf_lib.core.orders.compiled import level_today as compiled_level
from tf_lib.core.orders.lots_and_ticks import stop_rules
from tf_lib.core.orders.stops import (
    LAST_GOOD,
    REMEMBERED,
    TODAYS,
    UNKNOWN,
    level_today,
    limit_below,
    plan_stop,
    raised_level,
)
from tf_lib.parameters import StopsSection

D = Decimal

COIN = Product("COIN-USD", D("0.01"), D("0.01"), D("0.01"), D("0.01"), D(1))


def wanted(
    level: D | None, atr: float | None, *, product: Product = COIN, **stops: Any
) -> WantedStop:
    """A stop under the usual rules: 200 bps, 0.5 ATR, 50 bps."""
    return WantedStop(product, level, atr, stop_rules(StopsSection(**stops)))


@pytest.mark.parametrize(
    ("level", "remembered", "is_ok", "ratchets", "target", "source"),
    [
        (100.5, 0, True, True, 100.5, TODAYS),
        (100.5, 99, True, True, 100.5, TODAYS),
        (100.5, 101, True, True, 101, TODAYS),
        (100.5, 101, True, False, 100.5, TODAYS),
        (100.5, 99, False, True, 99, REMEMBERED),
        (0, 99, True, True, 99, REMEMBERED),
        (100.5, 0, False, True, 100.5, LAST_GOOD),
        (0, 0, True, True, 0, UNKNOWN),
    ],
)
def test_level_is_never_lowered_while_held(
    level: float, remembered: float, is_ok: bool, ratchets: bool, target: float, source: int
) -> None:
    """The day's, or what is remembered if higher or the day is not good; live and compiled."""
    exact = level_today(D(str(level)), D(remembered), is_ok, ratchets)

    assert exact == (D(str(target)), source)
    assert compiled_level(float(level), float(remembered), is_ok, ratchets) == (target, source)


@given(st.lists(st.integers(1, 10**6), min_size=1), st.sampled_from([0.03, 0.2, 0.5]))
def test_a_percentage_trail_hangs_from_the_highest_close(closes: list[int], share: float) -> None:
    """Day by day from the last close alone, live and compiled."""
    live, compiled = D(0), 0.0
    for close in closes:
        level = close * (1 - share)
        live, _ = level_today(to_decimal(level), live, True, True)
        compiled, _ = compiled_level(level, compiled, True, True)

    assert float(live) == compiled == max(closes) * (1 - share)


@pytest.mark.parametrize(
    ("atr", "limit"),
    [
        (1.0, "98.00"),  # 2 % of 100 is more than half an ATR
        (10.0, "95.00"),  # half of 10 is more
        (None, "98.00"),
        (float("nan"), "98.00"),
        (float("inf"), "98.00"),
        (0.0, "98.00"),
        (4.013, "97.99"),  # 100 - 2.0065, down to the tick
        (30.0, "90.00"),  # 15 would be more than 10 % of the level
        (500.0, "90.00"),
    ],
)
def test_limit_is_the_larger_of_two_buffers_below(atr: float | None, limit: str) -> None:
    """200 bps or half an ATR, floored to the tick, and 1000 bps at most."""
    assert limit_below(D(100), wanted(None, atr)) == D(limit)


@pytest.mark.parametrize(
    ("level", "max_bps", "limit"),
    [
        ("100", 1000, "90.00"),
        ("100", 500, "95.00"),
        ("100.05", 1000, "90.05"),  # 10.005 below would be 90.045: on the tick above it
        ("0.05", 1000, "0.04"),  # 10 % are less than a tick: one tick
        ("0.02", 5000, "0.01"),
    ],
)
def test_a_wide_buffer_ends_at_the_most(level: str, max_bps: float, limit: str) -> None:
    """`limit_max_bps` bounds both buffers; a tick below the level it is at least."""
    stop = wanted(None, 50.0, limit_buffer_atr=30, limit_max_bps=max_bps)

    assert limit_below(D(level), stop) == D(limit)


@pytest.mark.parametrize(
    ("size", "limit"),
    [
        ("1", "89.10"),  # worth enough at 10 % below
        ("0.0112", "89.29"),  # 0.0112 x 89.29 = 1.000048
        ("0.01", None),  # 0.01 x 98.99 = 0.9899: no limit below the level is near enough
    ],
)
def test_limit_is_brought_nearer_until_stop_is_worth_enough(size: str, limit: str | None) -> None:
    """A holding worth more than the exchange's least gets a stop, however wide the buffer."""
    fine = Product("COIN-USD", D("0.0001"), D("0.01"), D("0.01"), D("0.0001"), D(1))
    found = limit_below(D("99"), wanted(None, 50.0, product=fine), base_size=D(size))

    assert found == (None if limit is None else D(limit))


def test_a_stop_below_the_market_rests_at_its_level() -> None:
    """100.019 stands on the tick 100.01; the limit is 2 % lower."""
    plan = plan_stop(wanted(D("100.019"), 1.0), D("105"))

    assert plan is not None
    assert (plan.target_level, plan.resting_level) == (D("100.01"), D("100.01"))
    assert plan.limit_price == D("98.00")  # 100.01 - 2.0002 = 98.0098
    order = plan.order(D("3"))
    assert (order.product_id, order.base_size, order.stop_price, order.limit_price) == (
        "COIN-USD",
        D("3"),
        D("100.01"),
        D("98.00"),
    )


@pytest.mark.parametrize("last", ["100.01", "99.50"])
def test_a_level_that_is_not_below_the_market_is_clamped(last: str) -> None:
    """Two ticks under the last trade; the target stays what it was."""
    plan = plan_stop(wanted(D("100.01"), 1.0), D(last))

    assert plan is not None
    assert plan.target_level == D("100.01")
    assert plan.resting_level == D(last) - D("0.02")


@pytest.mark.parametrize("last", ["0.01", "0.02", "0.03"])
def test_where_no_level_is_possible(last: str) -> None:
    """A stop needs a price below the market and above the tick."""
    assert plan_stop(wanted(D("5"), 1.0), D(last)) is None


@given(
    target=st.decimals(D("0.01"), D(10**6), places=4, allow_nan=False),
    last=st.decimals(D("0.01"), D(10**6), places=2, allow_nan=False),
    atr=st.none() | st.floats(0, 1e6),
)
def test_every_plan_keeps_the_exchanges_geometry(target: D, last: D, atr: float | None) -> None:
    """Limit below stop below market, all on the tick, the resting level never above its target."""
    plan = plan_stop(wanted(target, atr), last)
    if plan is None:
        return

    assert D(0) < plan.limit_price < plan.resting_level < last
    assert plan.resting_level <= max(plan.target_level, last)
    assert plan.resting_level <= plan.target_level or plan.target_level >= last
    for price in (plan.target_level, plan.resting_level, plan.limit_price):
        assert price % COIN.price_increment == 0


@pytest.mark.parametrize(
    ("level", "bps", "expected"),
    [
        ("100.50", 50.0, True),
        ("100.49", 50.0, False),
        ("100", 50.0, False),
        ("100", 0.0, False),  # the same level is no raise
        ("100.01", 0.0, True),
        ("99", 0.0, False),
    ],
)
def test_only_a_worthwhile_raise_is_made(level: str, bps: float, expected: bool) -> None:
    """50 bps of 100 are 0.50; lowering is never worthwhile."""
    raised = raised_level(D(100), wanted(D(level), 1.0, min_raise_bps=bps), D(200))

    assert raised == (D(level) if expected else None)


@pytest.mark.parametrize(("above", "expected"), [("clamp", D("109.98")), ("keep", None)])
def test_a_stop_is_raised_to_where_it_can_rest(above: str, expected: D | None) -> None:
    """A level of 120 above the market of 110: two ticks below it, or the old stop is kept."""
    rules = stop_rules(StopsSection.model_validate({"level_above_market": above}))

    assert raised_level(D(100), WantedStop(COIN, D(120), 1.0, rules), D(110)) == expected

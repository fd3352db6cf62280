"""Whole lots and ticks say what exact decimals say, to the last step."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tf_lib.core.model.products import default_product
from tf_lib.core.model.records import Product
from tf_lib.core.orders import compiled, lots_and_ticks
from tf_lib.core.orders.build import (
    WantedStop,
    affordable_size,
    below_minimum,
    ceil_to,
    floor_to,
    is_dust,
    to_decimal,
)
from tf_lib.core.orders.stops import limit_below, pilot_size, plan_stop, raised_level
from tf_lib.parameters import StopsSection

STEP_TEXTS = ("0.00000001", "0.0001", "0.01", "0.1", "1", "0.25", "10")


@st.composite
def products(draw: st.DrawFn) -> Product:
    """Products with the steps and minimums that exchanges use, and some they do not."""
    base = Decimal(draw(st.sampled_from(STEP_TEXTS)))
    tick = Decimal(draw(st.sampled_from(STEP_TEXTS)))
    return Product(
        product_id="BTC-USD",
        base_increment=base,
        price_increment=tick,
        quote_increment=tick,
        base_min_size=base * draw(st.sampled_from([1, 5, 100])),
        quote_min_size=Decimal(draw(st.sampled_from(["1", "0.5", "10"]))),
    )


@st.composite
def stop_settings(draw: st.DrawFn) -> StopsSection:
    """Stop settings, plain and odd."""
    return StopsSection(
        limit_buffer_bps=draw(st.sampled_from([0.0, 50.0, 200.0, 12.5, 333.3])),
        limit_buffer_atr=draw(st.sampled_from([0.0, 0.5, 1.0, 0.3, 30.0])),
        limit_max_bps=draw(st.sampled_from([1000.0, 250.0, 33.3])),
        min_raise_bps=draw(st.sampled_from([0.0, 50.0, 7.5])),
    )


# Prices and ranges as they come: short decimals, and floats that are none.
amounts = st.one_of(
    st.decimals("0.0001", "100000", places=4).map(float), st.floats(1e-4, 1e5, allow_nan=False)
)


@given(value=st.one_of(amounts, st.floats(0, 1e9)), step=st.sampled_from(STEP_TEXTS))
@example(value=0.3, step="0.1")
@example(value=0.29999999999999993, step="0.1")
def test_whole_steps_are_those_of_exact_decimals(value: float, step: str) -> None:
    """A float that reads as a whole number of steps is one, and the one below it is not."""
    ratio = Decimal(step).as_integer_ratio()
    assume(value / float(step) < 1e15)

    whole = int(floor_to(to_decimal(value), Decimal(step)) / Decimal(step))
    assert lots_and_ticks.whole_increments(value, *ratio) == whole
    assert compiled.whole_increments(value, *ratio) == lots_and_ticks.whole_increments(
        value, *ratio
    )


def exact_limit(level: Decimal, atr: float, product: Product, settings: StopsSection) -> Decimal:
    """The limit under a level in exact decimals, as docs/execution.md section 7 has it."""
    tick = product.price_increment
    by_bps = level * to_decimal(settings.limit_buffer_bps) / 10_000
    by_atr = to_decimal(atr) * to_decimal(settings.limit_buffer_atr)
    most = level * to_decimal(settings.limit_max_bps) / 10_000
    limit = max(floor_to(level - max(by_bps, by_atr), tick), ceil_to(level - most, tick))
    return max(min(limit, level - tick), tick)


@given(product=products(), settings=stop_settings(), level=st.integers(1, 10**7), atr=amounts)
def test_limits_stand_on_the_exact_tick(
    product: Product, settings: StopsSection, level: int, atr: float
) -> None:
    """The limit under a level, in ticks, is the one exact decimals find."""
    rules, its_spec = lots_and_ticks.stop_rules(settings), lots_and_ticks.spec_of(product)
    tick = product.price_increment

    expected = Decimal(0)
    for range_ in (atr, 0.0):
        expected = exact_limit(level * tick, range_, product, settings)
        assert lots_and_ticks.limit_ticks(level, range_, its_spec, rules) * tick == expected
        assert limit_below(level * tick, WantedStop(product, None, range_, rules)) == expected
    assert lots_and_ticks.limit_ticks(level, math.nan, its_spec, rules) * tick == expected
    assert limit_below(level * tick, WantedStop(product, None, None, rules)) == expected


@given(product=products(), settings=stop_settings(), level=amounts, last=amounts, atr=amounts)
@example(
    product=default_product("A-USD", tick="0.01", base_step="0.01"),
    settings=StopsSection(),
    level=10.0,
    last=10.0,
    atr=1.0,
)
def test_stops_rest_at_the_same_level_and_limit(
    product: Product, settings: StopsSection, level: float, last: float, atr: float
) -> None:
    """Clamped or not, and where none is possible."""
    its_spec, tick = lots_and_ticks.spec_of(product), product.price_increment
    target = floor_to(to_decimal(level), tick)
    highest = floor_to(to_decimal(last), tick) - 2 * tick
    expected = target if target < to_decimal(last) else highest

    wanted = WantedStop(product, to_decimal(level), atr, lots_and_ticks.stop_rules(settings))
    planned = plan_stop(wanted, to_decimal(last))

    resting = lots_and_ticks.resting_ticks(level, last, its_spec)
    if expected <= tick:
        assert (planned, resting) == (None, lots_and_ticks.NOWHERE)
        return
    assert planned is not None
    assert resting * tick == planned.resting_level == expected
    assert planned.limit_price == exact_limit(expected, atr, product, settings)
    assert lots_and_ticks.is_clamped(resting, level, its_spec) == (expected < target)


@given(settings=stop_settings(), resting=st.integers(1, 10**7), raised=st.integers(0, 10**5))
def test_the_same_raises_are_worthwhile(settings: StopsSection, resting: int, raised: int) -> None:
    """A raise of exactly the least wanted counts."""
    rules, level = lots_and_ticks.stop_rules(settings), resting + raised
    least = resting * (1 + to_decimal(settings.min_raise_bps) / 10_000)
    expected = raised > 0 and level >= least

    assert lots_and_ticks.is_worth_raising(resting, level, rules) == expected
    stop = WantedStop(default_product("A-USD", tick="1"), Decimal(level), None, rules)
    assert raised_level(Decimal(resting), stop, Decimal(level + 1)) == (level if expected else None)


@given(product=products(), lots=st.integers(0, 10**9), last=st.integers(1, 10**6))
def test_dust_and_minimum_are_those_of_exact_decimals(
    product: Product, lots: int, last: int
) -> None:
    """Too small by size, by worth at the last price, or for the exchange."""
    size, price = lots * product.base_increment, last * product.price_increment
    is_small, least = size < product.base_min_size or size <= 0, product.quote_min_size
    # A product of two rounded numbers may be off in its last bit just at the least value.
    assume(all(_apart(size * price, worth) for worth in (least, least * Decimal("1.05"))))

    assert is_dust(size, product, price) == (is_small or size * price < least * Decimal("1.05"))
    assert below_minimum(size, product, price) == (is_small or size * price < least)


@given(
    product=products(),
    settings=stop_settings(),
    lots=st.tuples(*[st.integers(0, 10**6)] * 3),
    prices=st.tuples(amounts, amounts, amounts),
)
def test_compiled_rules_answer_as_the_live_ones(
    product: Product,
    settings: StopsSection,
    lots: tuple[int, int, int],
    prices: tuple[float, float, float],
) -> None:
    """The backtest's machine code and the Python of the live day are one function each."""
    its_spec, rules = lots_and_ticks.spec_of(product), lots_and_ticks.stop_rules(settings)
    level, last, atr = prices
    ticks = lots_and_ticks.ticks_below(last, its_spec)
    asked: dict[str, tuple[object, ...]] = {
        "can_stay": (lots[0], level, last, atr, its_spec, rules),
        "is_small_rest": (lots[0], level, last, atr, its_spec, rules, lots[1] > lots[2]),
        "slot_for_rest": lots,
        "raised_ticks": (lots[0] + 1, level, last, its_spec, rules),
        "lots_paid_for": (atr, last, 0.001, 0.012, its_spec),
        "pilot_lots": (lots[0], lots[1], ticks + 1, its_spec),
    }

    for name, arguments in asked.items():
        compiled_one, live_one = getattr(compiled, name), getattr(lots_and_ticks, name)
        assert compiled_one(*arguments) == live_one(*arguments), name


@given(product=products(), limit=st.integers(1, 10**6))
def test_the_least_protectable_size(product: Product, limit: int) -> None:
    """A tenth above the exchange's least value, rounded up to a lot; one lot at a tie."""
    price, step = limit * product.price_increment, product.base_increment
    exact = product.quote_min_size * Decimal("1.1") / price / step
    assume(exact < Decimal("1e15"))
    expected = ceil_to(max(exact * step, product.base_min_size), step)

    size = pilot_size(Decimal(0), 3 * expected, product, price)

    assert abs(size - expected) <= step
    if abs(exact - round(exact)) > Decimal("1e-9") * exact:
        assert size == expected


@given(product=products(), notional=amounts, price=amounts)
def test_a_notional_buys_the_same_lots(product: Product, notional: float, price: float) -> None:
    """The float quotient and the exact one agree but within its last bits of a whole lot."""
    exact = to_decimal(notional) / to_decimal(price) / product.base_increment
    assume(exact < Decimal("1e14"))
    lots = lots_and_ticks.lots_for(notional, price, lots_and_ticks.spec_of(product))

    assert abs(lots - int(exact)) <= 1
    if abs(exact - round(exact)) > exact * Decimal("4e-16"):
        assert lots == int(exact)


@given(product=products(), cash=amounts, ask=amounts)
def test_cash_pays_for_the_same_lots(product: Product, cash: float, ask: float) -> None:
    """The size that is sent is exact: never more than cash pays for; the loop's differs by bits."""
    slippage, fee = 0.001, 0.012
    paid = to_decimal(ask) * (1 + to_decimal(slippage)) * (1 + to_decimal(fee))
    assume(to_decimal(cash) / paid / product.base_increment < Decimal("1e14"))
    size = affordable_size(
        to_decimal(cash),
        to_decimal(ask),
        slippage=to_decimal(slippage),
        fee=to_decimal(fee),
        product=product,
    )
    steps = lots_and_ticks.spec_of(product)
    lots = lots_and_ticks.lots_paid_for(cash, ask, slippage, fee, steps)

    assert size * paid <= to_decimal(cash) < (size + product.base_increment) * paid
    assert abs(lots - size / product.base_increment) <= 1


@pytest.mark.parametrize("lots", [0, 7, 123456789, 10**13])
def test_units_read_like_the_decimal(lots: int) -> None:
    """Units and prices are the floats nearest to the exact decimals."""
    product = default_product("A-USD")

    assert lots_and_ticks.units_of(lots, lots_and_ticks.spec_of(product)) == float(
        lots * product.base_increment
    )


def _apart(value: Decimal, least: Decimal) -> bool:
    return abs(value - least) > least * Decimal("1e-12")

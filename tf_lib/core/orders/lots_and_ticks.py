"""
Lots and ticks: sizes as whole lots and prices as whole ticks, and the rules that live on them.

What the exchange takes is a whole number of a product's base increment at a whole number of its
price increment. Counted in those, sizes and stop prices are integers and exact. The functions are
plain arithmetic: `tf_lib.core.orders.compiled` compiles the very same ones for the backtest, and
`tf_lib.core.orders.build` and `tf_lib.core.orders.stops` ask them on sizes and prices of orders.
So the gate, the order builder, the cover and the backtest cannot differ by an increment.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from tf_lib.core.model.records import Product
from tf_lib.parameters import StopsSection

CLAMP_TICKS = 2
PILOT_MARGIN = 1.1
MOST_PILOTS = 2
"""Pilots that a purchase may be worth and still be made at once."""
DUST_MARGIN = 1.05
"""Of the exchange's least value: what is worth less at the last price is dust."""
MOST_STOPS = 3
"""Stops of one product: one for what was held first, two for what was added since."""
NOWHERE = 0
_LARGEST_COUNT = 9.0e15
_LARGEST_DENOMINATOR = 10**9


class Spec(NamedTuple):
    """
    One product's increments, as whole numerator / denominator, and minimums.

    `least_lots` is the least size, `least_value` the least value of an order in quote currency.
    """

    lot_numerator: int
    lot_denominator: int
    tick_numerator: int
    tick_denominator: int
    least_lots: int
    least_value: float


class StopRules(NamedTuple):
    """
    The numbers of docs/execution.md section 7, fractions as two whole numbers.

    The limit lies below the level by the larger of `buffer` of the level and `atr` average
    ranges, and by `most` of the level at most; a raise is worthwhile from `raise` times the old
    level on.
    """

    buffer_numerator: int
    buffer_denominator: int
    atr_numerator: int
    atr_denominator: int
    most_numerator: int
    most_denominator: int
    raise_numerator: int
    raise_denominator: int
    ratchets: bool
    keeps_above_market: bool


def spec_of(product: Product) -> Spec:
    """Return a product's specification."""
    lot, per_lot = product.base_increment.as_integer_ratio()
    tick, per_tick = product.price_increment.as_integer_ratio()
    least, per_least = product.base_min_size.as_integer_ratio()
    least_lots = -(-least * per_lot // (per_least * lot))
    return Spec(lot, per_lot, tick, per_tick, max(least_lots, 1), float(product.quote_min_size))


def stop_rules(stops: StopsSection) -> StopRules:
    """Return the numbers of the stop rules."""
    buffer = _fraction(stops.limit_buffer_bps) / 10_000
    ranges = _fraction(stops.limit_buffer_atr)
    most = _fraction(stops.limit_max_bps) / 10_000
    worthwhile = 1 + _fraction(stops.min_raise_bps) / 10_000
    return StopRules(
        buffer.numerator,
        buffer.denominator,
        ranges.numerator,
        ranges.denominator,
        most.numerator,
        most.denominator,
        worthwhile.numerator,
        worthwhile.denominator,
        stops.ratchet,
        stops.level_above_market == "keep",
    )


@functools.lru_cache(maxsize=4096)
def _fraction(value: float) -> Fraction:
    return Fraction(repr(float(value))).limit_denominator(_LARGEST_DENOMINATOR)


def whole_increments(value: float, numerator: int, denominator: int) -> int:
    """
    Return the largest number of increments whose value is not above `value`.

    A multiple of one is one correctly rounded division, so the answer is that of exact decimal
    arithmetic on the shortest decimal that reads as `value`.

    Examples
    --------
    >>> whole_increments(0.3, 1, 10), whole_increments(0.29999999999999993, 1, 10)
    (3, 2)
    """
    if not value > 0.0:
        return 0
    count = math.floor(min(value * denominator / numerator, _LARGEST_COUNT))
    while count * numerator / denominator > value:
        count -= 1
    while count < _LARGEST_COUNT and (count + 1) * numerator / denominator <= value:
        count += 1
    return count


def units_of(lots: int, spec: Spec) -> float:
    """Return a size in base units, rounded once."""
    return lots * spec.lot_numerator / spec.lot_denominator


def price_of(ticks: int, spec: Spec) -> float:
    """Return a price in quote currency, rounded once."""
    return ticks * spec.tick_numerator / spec.tick_denominator


def lots_for(notional: float, price: float, spec: Spec) -> int:
    """Return the whole lots that a notional pays for at a price."""
    return whole_increments(notional / price, spec.lot_numerator, spec.lot_denominator)


def ticks_below(price: float, spec: Spec) -> int:
    """Return the last tick that is not above a price."""
    return whole_increments(price, spec.tick_numerator, spec.tick_denominator)


def _ticks_over(distance: float, spec: Spec, rules: StopRules) -> int:
    """Return the least ticks that are not below the range buffer at this average range."""
    if rules.atr_numerator == 0 or not (distance > 0.0 and math.isfinite(distance)):
        return 0
    over = float(spec.tick_numerator) * rules.atr_denominator
    under = float(spec.tick_denominator) * rules.atr_numerator
    ticks = math.ceil(min(distance * under / over, _LARGEST_COUNT))
    while ticks > 0 and (ticks - 1) * over / under >= distance:
        ticks -= 1
    while ticks < _LARGEST_COUNT and ticks * over / under < distance:
        ticks += 1
    return ticks


def limit_ticks(level: int, atr: float, spec: Spec, rules: StopRules) -> int:
    """
    Return the limit price of a stop at `level`, both in ticks.

    A tick below the level at least, and never below the lowest price there is.

    Parameters
    ----------
    level : int
        Stop price in ticks.
    atr : float
        Average true range in quote currency; not finite counts as 0.
    """
    buffer = -(-level * rules.buffer_numerator // rules.buffer_denominator)
    most = level * rules.most_numerator // rules.most_denominator
    distance = min(max(buffer, _ticks_over(atr, spec, rules)), most)
    return max(level - max(distance, 1), 1)


def resting_ticks(level: float, last: float, spec: Spec) -> int:
    """
    Return where a stop that belongs at `level` rests now, in ticks; `NOWHERE` if it cannot.

    A level that is not below the last trade is clamped two ticks under it.
    """
    target = ticks_below(level, spec)
    resting = target
    if price_of(target, spec) >= last:
        resting = ticks_below(last, spec) - CLAMP_TICKS
    return resting if resting > 1 else NOWHERE


def is_clamped(resting: int, level: float, spec: Spec) -> bool:
    """Whether a stop rests below where it belongs."""
    return resting < ticks_below(level, spec)


def is_below_least(lots: int, price: float, spec: Spec) -> bool:
    """Whether the exchange would refuse an order of this size at this price as too small."""
    return lots <= 0 or lots < spec.least_lots or units_of(lots, spec) * price < spec.least_value


def stop_limit_ticks(resting: int, atr: float, lots: int, spec: Spec, rules: StopRules) -> int:
    """
    Return the limit of a stop over `lots` that is placed at `resting`, in ticks.

    Where the order would be worth less than the exchange takes, the limit is brought nearer to
    the level; `NOWHERE` if no limit is near enough.
    """
    if is_below_least(lots, price_of(resting - 1, spec), spec):
        return NOWHERE
    limit = limit_ticks(resting, atr, spec, rules)
    if is_below_least(lots, price_of(limit, spec), spec):
        return _ticks_worth_least(lots, spec)
    return limit


def _ticks_worth_least(lots: int, spec: Spec) -> int:
    """Return the lowest price, in ticks, at which so many lots are worth what is taken."""
    ticks = 1 + ticks_below(spec.least_value / units_of(lots, spec), spec)
    while ticks > 1 and not is_below_least(lots, price_of(ticks - 1, spec), spec):
        ticks -= 1
    while is_below_least(lots, price_of(ticks, spec), spec):
        ticks += 1
    return ticks


def is_worth_raising(resting: int, level: int, rules: StopRules) -> bool:
    """Whether moving a stop up to `level`, in ticks, is worth a moment without it."""
    return level > resting and level * rules.raise_denominator >= resting * rules.raise_numerator


def is_of_little_worth(worth: float, least_value: float) -> bool:
    """Whether what is worth so much is dust where the exchange takes `least_value` at least."""
    return worth < DUST_MARGIN * least_value


def is_dust(lots: int, last: float, spec: Spec) -> bool:
    """
    Whether a holding is too small to matter: by its size, or by its worth at the last price.

    What it is worth decides, never where a stop's limit would lie (docs/execution.md section 6.5).
    """
    if lots <= 0 or lots < spec.least_lots:
        return True
    return is_of_little_worth(units_of(lots, spec) * last, spec.least_value)


def is_protectable(
    lots: int, level: float, last: float, atr: float, spec: Spec, rules: StopRules
) -> bool:
    """Whether a holding is no dust and the exchange would take its stop for `level`."""
    if not level > 0.0 or is_dust(lots, last, spec):
        return False
    resting = resting_ticks(level, last, spec)
    return resting != NOWHERE and stop_limit_ticks(resting, atr, lots, spec, rules) != NOWHERE


def can_stay(
    lots: int, level: float, last: float, atr: float, spec: Spec, rules: StopRules
) -> bool:
    """Whether what a trim leaves can be kept; where no level is known (NaN), its worth decides."""
    if not level > 0.0:
        return not is_dust(lots, last, spec)
    return is_protectable(lots, level, last, atr, spec, rules)


def is_small_rest(
    lots: int,
    level: float,
    last: float,
    atr: float,
    spec: Spec,
    rules: StopRules,
    is_beside: bool,
) -> bool:
    """Whether lots that no stop covers need none: too few for one, beside one that protects."""
    if lots <= 0:
        return True
    return is_beside and not is_protectable(lots, level, last, atr, spec, rules)


def slot_for_rest(first: int, second: int, third: int) -> int:
    """
    Return which of a product's stops, by the lots each covers, takes lots that have none.

    A free one: the first is for what was held first, the others for what came since. Else the
    smallest of those that were added is placed anew, resized.

    Examples
    --------
    >>> slot_for_rest(0, 5, 0), slot_for_rest(9, 5, 0), slot_for_rest(9, 5, 3)
    (0, 2, 2)
    """
    if first == 0:
        return 0
    if second == 0 or third == 0:
        return 1 if second == 0 else 2
    return 2 if third < second else 1


def raised_ticks(resting: int, level: float, last: float, spec: Spec, rules: StopRules) -> int:
    """Return where a stop that rests at `resting` ticks is moved up to; `NOWHERE` if it stays."""
    ticks = resting_ticks(level, last, spec)
    if ticks == NOWHERE or (rules.keeps_above_market and is_clamped(ticks, level, spec)):
        return NOWHERE
    return ticks if is_worth_raising(resting, ticks, rules) else NOWHERE


def lots_paid_for(cash: float, ask: float, slippage: float, fee: float, spec: Spec) -> int:
    """Return the whole lots that cash pays for at the ask, slippage and fee included."""
    return lots_for(cash, ask * (1.0 + slippage) * (1.0 + fee), spec)


def least_protectable(limit: int, spec: Spec) -> int:
    """Return the least lots whose own stop, with its limit at `limit` ticks, is taken."""
    by_value = spec.least_value * PILOT_MARGIN / price_of(limit, spec)
    lots = whole_increments(by_value, spec.lot_numerator, spec.lot_denominator)
    if units_of(lots, spec) < by_value:
        lots += 1
    return max(lots, spec.least_lots)


def pilot_lots(owned: int, wanted: int, limit: int, spec: Spec) -> int:
    """
    Return the size of a product's first purchase, made to see that its stop is taken.

    The least that can carry one with its limit at `limit` ticks; all that is wanted if that is
    little more, 0 where what is owned already serves.
    """
    least = least_protectable(limit, spec)
    if owned >= least:
        return 0
    return wanted if wanted <= MOST_PILOTS * least else least


KERNELS: tuple[Callable[..., Any], ...] = (
    whole_increments,
    units_of,
    price_of,
    lots_for,
    ticks_below,
    _ticks_over,
    limit_ticks,
    resting_ticks,
    is_clamped,
    is_below_least,
    _ticks_worth_least,
    stop_limit_ticks,
    is_worth_raising,
    is_of_little_worth,
    is_dust,
    is_protectable,
    can_stay,
    is_small_rest,
    slot_for_rest,
    raised_ticks,
    lots_paid_for,
    least_protectable,
    pilot_lots,
)
"""In the order in which they use one another, for `tf_lib.core.orders.compiled`."""

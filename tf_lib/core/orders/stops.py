"""
Stop levels and limits: where the protective order of a position rests.

The level is computed once a day from finished bars, never lowered while held; the price it
rests at can be lower for a moment (a stop must lie below the last trade), but that clamp is
never remembered (docs/execution.md section 7). The arithmetic is that of
`tf_lib.core.orders.lots_and_ticks`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import TypeVar

from tf_lib.core.model.records import Product, StopOrder
from tf_lib.core.orders.build import floor_to, whole_lots
from tf_lib.core.orders.lots_and_ticks import (
    NOWHERE,
    is_worth_raising,
    least_protectable,
    limit_ticks,
    resting_ticks,
    steps_of,
    stop_limit_ticks,
    stop_rules,
)
from tf_lib.parameters import StopsSection

Level = TypeVar("Level", float, Decimal)

UNKNOWN, TODAYS, REMEMBERED, LAST_GOOD = range(4)
"""Which level a stop belongs at: none is known, or where the known one comes from."""


@dataclass(frozen=True)
class StopPlan:
    """
    Today's protection of one product.

    Attributes
    ----------
    target_level : Decimal
        Where the stop belongs: the level of the day, ratcheted. Remembered.
    resting_level : Decimal
        Where it can rest now, below the last trade. Never remembered.
    limit_price : Decimal
        The least price at which it may sell.
    """

    product_id: str
    target_level: Decimal
    resting_level: Decimal
    limit_price: Decimal

    def order(self, base_size: Decimal) -> StopOrder:
        """Return the stop order that covers `base_size`."""
        return StopOrder(self.product_id, base_size, self.resting_level, self.limit_price)


def level_today(level: Level, remembered: Level, is_ok: bool, ratchets: bool) -> tuple[Level, int]:
    """
    Return where a ticker's stop belongs today, and which level that is.

    The strategy's level of the day, never below what is remembered while held. Without good data
    what is remembered stands and nothing moves, and where nothing is, the last good level.

    Parameters
    ----------
    level, remembered : float or Decimal
        In quote currency; not above 0 where there is none. The backtest compiles this function.
    """
    if is_ok and level > 0:
        return (max(level, remembered) if ratchets else level), TODAYS
    if remembered > 0:
        return remembered, REMEMBERED
    return level, (LAST_GOOD if level > 0 else UNKNOWN)


def limit_below(
    level: Decimal,
    atr: float | None,
    product: Product,
    stops: StopsSection,
    *,
    base_size: Decimal | None = None,
) -> Decimal | None:
    """
    Return the limit price of a stop at `level`: lower by the larger of two buffers.

    Parameters
    ----------
    level : Decimal
        Stop price in quote currency, on the tick.
    atr : float or None
        Average true range in quote currency; None or not finite counts as 0.
    base_size : Decimal or None
        What the stop covers: the limit is brought nearer to the level where the order would be
        worth less than the exchange takes. None for as much as is needed.

    Returns
    -------
    Decimal or None
        None if no limit below the level is near enough.
    """
    its_steps, rules = steps_of(product), stop_rules(stops)
    ticks, range_ = whole_ticks(level, product), math.nan if atr is None else atr
    if base_size is None:
        return price_at(limit_ticks(ticks, range_, its_steps, rules), product)
    limit = stop_limit_ticks(ticks, range_, whole_lots(base_size, product), its_steps, rules)
    return None if limit == NOWHERE else price_at(limit, product)


def whole_ticks(price: Decimal, product: Product) -> int:
    """Return the last tick that is not above a price."""
    return int((price / product.price_increment).to_integral_value(rounding=ROUND_FLOOR))


def price_at(ticks: int, product: Product) -> Decimal:
    """Return the price of a whole number of ticks."""
    return ticks * product.price_increment


def plan_stop(
    target_level: Decimal,
    *,
    last: Decimal,
    atr: float | None,
    product: Product,
    stops: StopsSection,
    base_size: Decimal | None = None,
) -> StopPlan | None:
    """
    Return where the stop of a product rests given its last trade, or None if nowhere can.

    A target that is not below the last trade is clamped two ticks under it. `base_size` is what
    it covers, None for as much as is needed.
    """
    ticks = resting_ticks(float(target_level), float(last), steps_of(product))
    if ticks == NOWHERE:
        return None
    resting = price_at(ticks, product)
    limit = limit_below(resting, atr, product, stops, base_size=base_size)
    if limit is None:
        return None
    target = floor_to(target_level, product.price_increment)
    return StopPlan(product.product_id, target, resting, limit)


def smallest_protectable(product: Product, stop_limit_price: Decimal) -> Decimal:
    """Return the least size whose own stop the exchange would take, in base units."""
    limit = whole_ticks(stop_limit_price, product)
    return least_protectable(limit, steps_of(product)) * product.base_increment


def is_worthwhile_raise(resting: Decimal, level: Decimal, stops: StopsSection) -> bool:
    """Whether moving a stop from `resting` up to `level` is worth a moment without it."""
    return is_worth_raising(resting, level, stop_rules(stops))

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

from tf_lib.core.model.records import ZERO, Product, StopOrder
from tf_lib.core.orders.build import WantedStop, floor_to, whole_lots
from tf_lib.core.orders.lots_and_ticks import (
    NOWHERE,
    limit_ticks,
    pilot_lots,
    raised_ticks,
    resting_ticks,
    spec_of,
    stop_limit_ticks,
)

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
    level: Decimal, stop: WantedStop, *, base_size: Decimal | None = None
) -> Decimal | None:
    """
    Return the limit price of a stop at `level`: lower by the larger of two buffers.

    Parameters
    ----------
    level : Decimal
        Stop price in quote currency, on the tick.
    stop : WantedStop
        For its product, range and rules; no range, or one that is not finite, counts as 0.
    base_size : Decimal or None
        What the stop covers: the limit is brought nearer to the level where the order would be
        worth less than the exchange takes. None for as much as is needed.

    Returns
    -------
    Decimal or None
        None if no limit below the level is near enough.
    """
    product, spec = stop.product, spec_of(stop.product)
    ticks, atr = whole_ticks(level, product), math.nan if stop.atr is None else stop.atr
    if base_size is None:
        return exact_price(limit_ticks(ticks, atr, spec, stop.rules), product)
    limit = stop_limit_ticks(ticks, atr, whole_lots(base_size, product), spec, stop.rules)
    return None if limit == NOWHERE else exact_price(limit, product)


def whole_ticks(price: Decimal, product: Product) -> int:
    """Return the last tick that is not above a price."""
    return int((price / product.price_increment).to_integral_value(rounding=ROUND_FLOOR))


def exact_price(ticks: int, product: Product) -> Decimal:
    """Return the price of a whole number of ticks."""
    return ticks * product.price_increment


def plan_stop(
    stop: WantedStop, last: Decimal, *, base_size: Decimal | None = None
) -> StopPlan | None:
    """
    Return where the stop of a product rests given its last trade, or None if nowhere can.

    A target that is not below the last trade is clamped two ticks under it. `base_size` is what
    it covers, None for as much as is needed.
    """
    product, level = stop.product, stop.level or ZERO
    ticks = resting_ticks(float(level), float(last), spec_of(product))
    if ticks == NOWHERE:
        return None
    resting = exact_price(ticks, product)
    limit = limit_below(resting, stop, base_size=base_size)
    if limit is None:
        return None
    target = floor_to(level, product.price_increment)
    return StopPlan(product.product_id, target, resting, limit)


def raised_level(resting: Decimal, stop: WantedStop, last: Decimal) -> Decimal | None:
    """Return where a stop that rests at a level is moved up to, or None if it stays."""
    product, level = stop.product, float(stop.level or ZERO)
    rests = whole_ticks(resting, product)
    ticks = raised_ticks(rests, level, float(last), spec_of(product), stop.rules)
    return None if ticks == NOWHERE else exact_price(ticks, product)


def pilot_size(
    owned: Decimal, wanted: Decimal, product: Product, stop_limit_price: Decimal
) -> Decimal:
    """Return the size of a product's first purchase; 0 where what is owned serves as well."""
    lots = pilot_lots(
        whole_lots(owned, product),
        whole_lots(wanted, product),
        whole_ticks(stop_limit_price, product),
        spec_of(product),
    )
    return lots * product.base_increment

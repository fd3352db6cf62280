"""
Stop levels and limits: where the protective order of a position rests.

The level is computed once a day from finished bars, never lowered while held; the price it
rests at can be lower for a moment (a stop must lie below the last trade), but that clamp is
never remembered (EXECUTION section 7).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tf_lib.core.orders import floor_to, to_decimal
from tf_lib.core.records import Product, StopOrder
from tf_lib.parameters import StopsSection

_CLAMP_TICKS = 2


@dataclass(frozen=True)
class StopPlan:
    """
    Today's protection of one product.

    Attributes
    ----------
    target_level : Decimal
        Where the stop belongs: the chandelier, ratcheted. Remembered.
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


def ratcheted_level(
    chandelier: float | Decimal, remembered: Decimal | None, *, ratchet: bool
) -> Decimal:
    """Return the target level: the chandelier, never below what was remembered while held."""
    level = chandelier if isinstance(chandelier, Decimal) else to_decimal(chandelier)
    if ratchet and remembered is not None:
        return max(level, remembered)
    return level


def limit_below(
    level: Decimal, atr: float | None, product: Product, stops: StopsSection
) -> Decimal:
    """
    Return the limit price of a stop at `level`: lower by the larger of two buffers.

    Parameters
    ----------
    level : Decimal
        Stop price in quote currency.
    atr : float or None
        Average true range in quote currency; None or not finite counts as 0.
    """
    by_bps = level * to_decimal(stops.limit_buffer_bps) / Decimal(10_000)
    usable = atr is not None and atr == atr and atr != float("inf")
    by_atr = to_decimal(atr or 0.0) * to_decimal(stops.limit_buffer_atr) if usable else Decimal(0)
    limit = floor_to(level - max(by_bps, by_atr), product.price_increment)
    # A wide range on a cheap coin can push the limit to zero: the lowest price there is stays.
    return max(limit, product.price_increment)


def plan_stop(
    target_level: Decimal,
    *,
    last: Decimal,
    atr: float | None,
    product: Product,
    stops: StopsSection,
) -> StopPlan | None:
    """
    Return where the stop of a product rests given its last trade, or None if nowhere can.

    A target that is not below the last trade is clamped two ticks under it.
    """
    tick = product.price_increment
    target = floor_to(target_level, tick)
    highest = floor_to(last, tick) - _CLAMP_TICKS * tick
    resting = target if target < last else highest
    if resting <= tick:
        return None
    limit = min(limit_below(resting, atr, product, stops), resting - tick)
    return StopPlan(product.product_id, target, resting, limit)


def is_worthwhile_raise(resting: Decimal, level: Decimal, *, min_raise_bps: float) -> bool:
    """Whether moving a stop from `resting` up to `level` is worth a moment without it."""
    return level > resting and level >= resting * (1 + to_decimal(min_raise_bps) / Decimal(10_000))

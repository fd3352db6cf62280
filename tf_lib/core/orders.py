"""
Orders: from float notionals to exact sizes and prices.

Stage 8 of the pipeline (desired trades -> *orders* -> fills). The one place where a float
becomes a `Decimal`. Sizes go down to the product's step, prices stand on its tick, and what
the exchange would refuse is never built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tf_lib.core.client_ids import Leg
from tf_lib.core.records import ZERO, Holding, Product, Quote, Reason, Side
from tf_lib.errors import TfError


def to_decimal(value: float) -> Decimal:
    """Return the shortest decimal that reads back as `value`: the border between the two."""
    number = Decimal(repr(float(value)))
    if not number.is_finite():
        raise TfError(f"expected a finite number for an order, got {value}")
    return number


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """
    Return the largest multiple of `step` that is not above `value`.

    Examples
    --------
    >>> floor_to(Decimal("1.2399"), Decimal("0.01"))
    Decimal('1.23')
    """
    return (value / step).to_integral_value(rounding=ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of `step` that is not below `value`."""
    return (value / step).to_integral_value(rounding=ROUND_CEILING) * step


@dataclass(frozen=True)
class PlannedOrder:
    """One rebalance order of the day's plan, before it has an id."""

    product_id: str
    side: Side
    leg: Leg
    base_size: Decimal
    reference_price: Decimal
    reason: Reason

    @property
    def notional(self) -> Decimal:
        """Size times the price it was planned at, in quote currency."""
        return self.base_size * self.reference_price

    def to_mapping(self) -> dict[str, str]:
        """Return plain strings, as plan.json holds them."""
        return {
            "product_id": self.product_id,
            "side": str(self.side),
            "leg": str(self.leg),
            "base_size": format(self.base_size, "f"),
            "reference_price": format(self.reference_price, "f"),
            "notional": format(self.notional, "f"),
            "reason": str(self.reason),
        }

    @classmethod
    def from_mapping(cls, record: Mapping[str, str]) -> PlannedOrder:
        """Read back what `to_mapping` wrote."""
        return cls(
            product_id=record["product_id"],
            side=Side(record["side"]),
            leg=Leg(record["leg"]),
            base_size=Decimal(record["base_size"]),
            reference_price=Decimal(record["reference_price"]),
            reason=Reason(record["reason"]),
        )


@dataclass(frozen=True)
class OrderBuild:
    """What became of one desired trade: an order, or why there is none."""

    product_id: str
    reason: Reason
    order: PlannedOrder | None
    note: str


def is_dust(base_size: Decimal, product: Product, stop_limit_price: Decimal) -> bool:
    """
    Whether a holding is too small to protect or sell.

    Dust is a floored size below ``base_min_size``, or one whose value at the stop's limit is
    below ``quote_min_size`` (EXECUTION section 6.5).
    """
    floored = floor_to(base_size, product.base_increment)
    if floored < product.base_min_size or floored <= 0:
        return True
    return floored * stop_limit_price < product.quote_min_size


def smallest_protectable(product: Product, stop_limit_price: Decimal) -> Decimal:
    """Return the least size whose own stop the exchange would take, in base units."""
    # A tenth above the minimum, so that a limit a little lower tomorrow still protects it.
    by_value = product.quote_min_size * Decimal("1.1") / stop_limit_price
    return ceil_to(max(by_value, product.base_min_size), product.base_increment)


def build_order(
    product: Product,
    *,
    trade_notional: float,
    reason: Reason,
    quote: Quote,
    holding: Holding,
    stop_limit_price: Decimal | None,
) -> OrderBuild:
    """
    Turn one desired trade into an order that the exchange would take.

    Parameters
    ----------
    product : Product
        Steps and minimums.
    trade_notional : float
        Signed, in quote currency; 0 gives no order.
    quote : Quote
        Sizes are notionals divided by its mid.
    holding : Holding
        What is owned of the base; a full exit sells all of it, floored to the step.
    stop_limit_price : Decimal or None
        Limit of today's stop, in quote currency; decides what would be left as dust.
        None when no level is known: then only the exchange's minimums decide.
    """
    limit = stop_limit_price if stop_limit_price is not None else quote.mid
    if trade_notional == 0:
        return OrderBuild(product.product_id, reason, None, "no trade desired")
    if trade_notional > 0:
        return _build_buy(product, trade_notional, reason, quote)
    everything = floor_to(holding.total, product.base_increment)
    if reason is Reason.FULL_EXIT:
        return _sell_or_dust(product, everything, Leg.EXIT, reason, quote)
    size = floor_to(to_decimal(-trade_notional) / quote.mid, product.base_increment)
    if is_dust(holding.total - size, product, limit):
        return _sell_or_dust(product, everything, Leg.EXIT, reason, quote)
    return _sell_or_dust(product, size, Leg.TRIM, reason, quote)


def _build_buy(product: Product, trade_notional: float, reason: Reason, quote: Quote) -> OrderBuild:
    size = floor_to(to_decimal(trade_notional) / quote.mid, product.base_increment)
    if below_minimum(size, product, quote.mid):
        return OrderBuild(product.product_id, reason, None, _too_small(size, product, quote.mid))
    order = PlannedOrder(product.product_id, Side.BUY, Leg.ENTRY, size, quote.mid, reason)
    return OrderBuild(product.product_id, reason, order, "")


def _sell_or_dust(
    product: Product, size: Decimal, leg: Leg, reason: Reason, quote: Quote
) -> OrderBuild:
    if below_minimum(size, product, quote.mid):
        return OrderBuild(product.product_id, reason, None, _too_small(size, product, quote.mid))
    order = PlannedOrder(product.product_id, Side.SELL, leg, size, quote.mid, reason)
    return OrderBuild(product.product_id, reason, order, "")


def below_minimum(size: Decimal, product: Product, price: Decimal) -> bool:
    """Whether the exchange would refuse an order of this size at this price as too small."""
    return size <= ZERO or size < product.base_min_size or size * price < product.quote_min_size


def _too_small(size: Decimal, product: Product, price: Decimal) -> str:
    return (
        f"{product.product_id}: {format(size, 'f')} at {format(price, 'f')} is below the "
        f"exchange's minimums ({format(product.base_min_size, 'f')} base, "
        f"{format(product.quote_min_size, 'f')} quote)"
    )

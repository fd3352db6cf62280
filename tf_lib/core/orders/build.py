"""
Orders: from float notionals to exact sizes and prices.

Stage 8 of the pipeline (desired trades -> *orders* -> fills). The one place where a float
becomes a `Decimal`. Sizes go down to the product's step, prices stand on its tick, and what
the exchange would refuse is never built.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.records import Holding, Product, Quote, Reason, Side
from tf_lib.core.model.run_rows import OrderRow
from tf_lib.core.orders import lots_and_ticks
from tf_lib.core.orders.lots_and_ticks import StopRules, steps_of
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
    """
    One rebalance order of the day's plan, before it has an id.

    `note` says what its reason does not: why a trim sells everything.
    """

    product_id: str
    side: Side
    leg: Leg
    base_size: Decimal
    reference_price: Decimal
    reason: Reason
    note: str = ""

    @property
    def notional(self) -> Decimal:
        """Size times the price it was planned at, in quote currency."""
        return self.base_size * self.reference_price

    def to_mapping(self) -> OrderRow:
        """Return plain strings, as plan.json holds them; a note only where there is one."""
        row: OrderRow = {
            "product_id": self.product_id,
            "side": str(self.side),
            "leg": str(self.leg),
            "base_size": format(self.base_size, "f"),
            "reference_price": format(self.reference_price, "f"),
            "notional": format(self.notional, "f"),
            "reason": str(self.reason),
        }
        if self.note:
            row["note"] = self.note
        return row

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
            note=record.get("note", ""),
        )


@dataclass(frozen=True)
class OrderBuild:
    """What became of one desired trade: an order, or why there is none."""

    product_id: str
    reason: Reason
    order: PlannedOrder | None
    note: str


def whole_lots(size: Decimal, product: Product) -> int:
    """Return the whole lots in a size: the border to the rules of `lots_and_ticks`."""
    return int((size / product.base_increment).to_integral_value(rounding=ROUND_FLOOR))


@dataclass(frozen=True)
class WantedStop:
    """
    Where the stop of a holding belongs.

    Attributes
    ----------
    level : Decimal
        In quote currency, on the tick or not.
    atr : float or None
        Average true range in quote currency, for the limit's distance.
    rules : StopRules
    """

    level: Decimal
    atr: float | None
    rules: StopRules


def is_protectable(base_size: Decimal, product: Product, last: Decimal, stop: WantedStop) -> bool:
    """Whether a holding is no dust and the exchange would take its stop."""
    return lots_and_ticks.is_protectable(
        whole_lots(base_size, product),
        float(stop.level),
        float(last),
        math.nan if stop.atr is None else stop.atr,
        steps_of(product),
        stop.rules,
    )


def is_dust(base_size: Decimal, product: Product, last: Decimal) -> bool:
    """Whether a holding is dust at the last price (docs/execution.md section 6.5)."""
    return lots_and_ticks.is_dust(whole_lots(base_size, product), float(last), steps_of(product))


def below_minimum(size: Decimal, product: Product, price: Decimal) -> bool:
    """Whether the exchange would refuse an order of this size at this price as too small."""
    return lots_and_ticks.is_below_least(whole_lots(size, product), float(price), steps_of(product))


def build_order(
    product: Product,
    *,
    trade_notional: float,
    reason: Reason,
    quote: Quote,
    holding: Holding,
    stop: WantedStop | None,
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
    stop : WantedStop or None
        Today's stop; a trim that would leave what cannot carry one sells everything. None when
        no level is known: then only what the rest is worth decides.
    """
    if trade_notional == 0:
        return OrderBuild(product.product_id, reason, None, "no trade desired")
    if trade_notional > 0:
        return _build_buy(product, trade_notional, reason, quote)
    everything = floor_to(holding.total, product.base_increment)
    if reason is Reason.FULL_EXIT:
        return _sell_or_dust(product, everything, Leg.EXIT, reason, quote)
    size = floor_to(to_decimal(-trade_notional) / quote.mid, product.base_increment)
    why = _why_nothing_stays(holding.total - size, product, quote.last, stop)
    if why:
        return _sell_or_dust(product, everything, Leg.EXIT, reason, quote, note=why)
    return _sell_or_dust(product, size, Leg.TRIM, reason, quote)


def _why_nothing_stays(
    rest: Decimal, product: Product, last: Decimal, stop: WantedStop | None
) -> str:
    """Return why a trim sells everything, or nothing where its rest can be kept."""
    size = format(floor_to(rest, product.base_increment), "f")
    if is_dust(rest, product, last):
        return f"sells everything: the {size} that would be left are too small to be kept"
    if stop is not None and not is_protectable(rest, product, last, stop):
        return f"sells everything: the {size} that would be left could carry no stop"
    return ""


def _build_buy(product: Product, trade_notional: float, reason: Reason, quote: Quote) -> OrderBuild:
    size = floor_to(to_decimal(trade_notional) / quote.mid, product.base_increment)
    if below_minimum(size, product, quote.mid):
        return OrderBuild(product.product_id, reason, None, _too_small(size, product, quote.mid))
    order = PlannedOrder(product.product_id, Side.BUY, Leg.ENTRY, size, quote.mid, reason)
    return OrderBuild(product.product_id, reason, order, "")


def _sell_or_dust(
    product: Product, size: Decimal, leg: Leg, reason: Reason, quote: Quote, *, note: str = ""
) -> OrderBuild:
    if below_minimum(size, product, quote.mid):
        return OrderBuild(product.product_id, reason, None, _too_small(size, product, quote.mid))
    order = PlannedOrder(product.product_id, Side.SELL, leg, size, quote.mid, reason, note)
    return OrderBuild(product.product_id, reason, order, note)


def _too_small(size: Decimal, product: Product, price: Decimal) -> str:
    return (
        f"{product.product_id}: {format(size, 'f')} at {format(price, 'f')} is below the "
        f"exchange's minimums ({format(product.base_min_size, 'f')} base, "
        f"{format(product.quote_min_size, 'f')} quote)"
    )

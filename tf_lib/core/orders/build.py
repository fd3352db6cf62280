"""
Orders: from float notionals to exact sizes and prices.

Stage 8 of the pipeline (desired trades -> *orders* -> fills). The one place where a float
becomes a `Decimal`. Sizes go down to the product's increment, prices stand on its tick, and what
the exchange would refuse is never built.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.records import Holding, Product, Protection, Quote, Reason, Side
from tf_lib.core.model.run_rows import OrderRow
from tf_lib.core.orders import lots_and_ticks
from tf_lib.core.orders.lots_and_ticks import Spec, StopRules, spec_of, stop_rules
from tf_lib.errors import TfError
from tf_lib.parameters import StopsSection


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
    Where the stop of a holding belongs, and what the rules say of a size under it.

    Attributes
    ----------
    product : Product
    level : Decimal or None
        In quote currency, on the tick or not; None where none is known.
    atr : float or None
        Average true range in quote currency, for the limit's distance.
    rules : StopRules
    """

    product: Product
    level: Decimal | None
    atr: float | None
    rules: StopRules

    @classmethod
    def of(cls, product: Product, known: Protection | None, stops: StopsSection) -> WantedStop:
        """Return where today's stop of a product belongs, as far as that is known."""
        level, atr = (None, None) if known is None else (known.target_level, known.atr)
        return cls(product, level, atr, stop_rules(stops))

    def is_protectable(self, base_size: Decimal, last: Decimal) -> bool:
        """Whether a holding is no dust and the exchange would take its stop."""
        return lots_and_ticks.is_protectable(*self._asked(base_size, last))

    def is_small_rest(self, base_size: Decimal, last: Decimal, *, is_beside: bool) -> bool:
        """Whether units that no stop covers need none: too few for one, beside one that rests."""
        return lots_and_ticks.is_small_rest(*self._asked(base_size, last), is_beside)

    def can_stay(self, base_size: Decimal, last: Decimal) -> bool:
        """Whether what a trim leaves can be kept."""
        return lots_and_ticks.can_stay(*self._asked(base_size, last))

    def _asked(
        self, base_size: Decimal, last: Decimal
    ) -> tuple[int, float, float, float, Spec, StopRules]:
        level = math.nan if self.level is None else float(self.level)
        atr = math.nan if self.atr is None else self.atr
        lots = whole_lots(base_size, self.product)
        return lots, level, float(last), atr, spec_of(self.product), self.rules


def is_dust(base_size: Decimal, product: Product, last: Decimal) -> bool:
    """Whether a holding is dust at the last price (docs/execution.md section 6.5)."""
    return lots_and_ticks.is_dust(whole_lots(base_size, product), float(last), spec_of(product))


def below_minimum(size: Decimal, product: Product, price: Decimal) -> bool:
    """Whether the exchange would refuse an order of this size at this price as too small."""
    return lots_and_ticks.is_below_least(whole_lots(size, product), float(price), spec_of(product))


def build_order(
    stop: WantedStop, *, trade_notional: float, reason: Reason, quote: Quote, holding: Holding
) -> OrderBuild:
    """
    Turn one desired trade into an order that the exchange would take.

    Parameters
    ----------
    stop : WantedStop
        The product, and today's stop: a trim that would leave what cannot carry one sells
        everything. Where no level is known, only what the rest is worth decides.
    trade_notional : float
        Signed, in quote currency; 0 gives no order.
    quote : Quote
        Sizes are notionals divided by its mid.
    holding : Holding
        What is owned of the base; a full exit sells all of it, floored to the increment.
    """
    product = stop.product
    if trade_notional == 0:
        return OrderBuild(product.product_id, reason, None, "no trade desired")
    size = floor_to(to_decimal(abs(trade_notional)) / quote.mid, product.base_increment)
    side, leg, why = Side.BUY, Leg.ENTRY, ""
    if trade_notional < 0:
        side, leg = Side.SELL, Leg.TRIM
        if reason is not Reason.FULL_EXIT:
            why = _why_nothing_stays(holding.total - size, quote.last, stop)
        if why or reason is Reason.FULL_EXIT:
            leg, size = Leg.EXIT, floor_to(holding.total, product.base_increment)
    if below_minimum(size, product, quote.mid):
        return OrderBuild(product.product_id, reason, None, _too_small(size, product, quote.mid))
    order = PlannedOrder(product.product_id, side, leg, size, quote.mid, reason, why)
    return OrderBuild(product.product_id, reason, order, why)


def _why_nothing_stays(rest: Decimal, last: Decimal, stop: WantedStop) -> str:
    """Return why a trim sells everything, or nothing where its rest can be kept."""
    if stop.can_stay(rest, last):
        return ""
    left = format(floor_to(rest, stop.product.base_increment), "f")
    is_small = is_dust(rest, stop.product, last)
    why = "are too small to be kept" if is_small else "could carry no stop"
    return f"sells everything: the {left} that would be left {why}"


def affordable_size(
    cash: Decimal, ask: Decimal, *, slippage: Decimal, fee: Decimal, product: Product
) -> Decimal:
    """Return the whole lots that cash pays for at the ask, slippage and fee included."""
    return floor_to(cash / (ask * (1 + slippage) * (1 + fee)), product.base_increment)


def _too_small(size: Decimal, product: Product, price: Decimal) -> str:
    return (
        f"{product.product_id}: {format(size, 'f')} at {format(price, 'f')} is below the "
        f"exchange's minimums ({format(product.base_min_size, 'f')} base, "
        f"{format(product.quote_min_size, 'f')} quote)"
    )

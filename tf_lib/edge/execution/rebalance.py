"""
Rebalance: the plan's sells and buys, one product at a time, each under its stop before the next.

EXECUTION section 6. A sell first frees what its stops hold, re-covers what is to stay, sells,
and covers whatever is left. A buy re-reads its product, spends only cash that is there, and is
protected before the next one begins.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tf_lib.core.client_ids import Leg, LegKey
from tf_lib.core.order_life import OrderStage
from tf_lib.core.orders import (
    PlannedOrder,
    below_minimum,
    floor_to,
    is_dust,
    smallest_protectable,
    to_decimal,
)
from tf_lib.core.records import ZERO, MarketOrder, Reason, Side
from tf_lib.core.stops import limit_below, plan_stop
from tf_lib.edge.execution.cover import Cover, CoverResult, Protection
from tf_lib.edge.execution.desk import Desk
from tf_lib.edge.ledger_state import OrderRecord

PLAN_AGE_LIMIT = dt.timedelta(minutes=10)


@dataclass
class TradeResult:
    """What became of one planned order."""

    planned: PlannedOrder
    status: str
    reason: str = ""
    filled_size: Decimal = ZERO
    filled_value: Decimal = ZERO
    fees: Decimal = ZERO
    cover: CoverResult | None = None
    client_ids: list[str] = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        """Whether nothing of it is still open to question."""
        return self.status != "unsettled"

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values for the record."""
        value = self.filled_value / self.filled_size if self.filled_size else None
        return {
            **self.planned.to_mapping(),
            "status": self.status,
            "note": self.reason,
            "filled_size": format(self.filled_size, "f"),
            "filled_value": format(self.filled_value, "f"),
            "average_price": None if value is None else f"{value:.10g}",
            "fees": format(self.fees, "f"),
            "client_ids": list(self.client_ids),
        }


@dataclass
class Rebalance:
    """
    Carries out the orders of one plan.

    Parameters
    ----------
    desk : Desk
    protections : mapping of product to Protection
        Today's level of every product that is or may become held.
    planned_at : datetime
        When the plan was frozen, in exchange time; an old plan is dead.
    """

    desk: Desk
    protections: Mapping[str, Protection]
    planned_at: dt.datetime
    halted: str = ""

    def execute(self, planned: PlannedOrder) -> TradeResult:
        """Carry out one planned order, as far as the day and earlier attempts allow."""
        remaining = self.remaining(planned)
        if remaining <= 0:
            return self._collect(TradeResult(planned, "done", "filled by an earlier attempt"))
        stale = self._too_late()
        if stale or (self.halted and planned.side is Side.BUY):
            return self._collect(TradeResult(planned, "skipped", stale or self.halted))
        if planned.side is Side.SELL:
            return self._sell(planned, remaining)
        return self._buy(planned, remaining)

    def remaining(self, planned: PlannedOrder) -> Decimal:
        """Return the units of a planned order that no earlier order of the day has filled."""
        filled = sum((order.filled_size for order in self._orders_of(planned)), ZERO)
        return planned.base_size - filled

    def _orders_of(self, planned: PlannedOrder) -> list[OrderRecord]:
        state = self.desk.ledger.state
        legs = (Leg.ENTRY, Leg.PILOT) if planned.leg is Leg.ENTRY else (planned.leg,)
        return [
            order
            for leg in legs
            for order in state.of_leg(LegKey(self.desk.day, planned.product_id, planned.side, leg))
            if order.intended_at >= self.planned_at
        ]

    def _too_late(self) -> str:
        now = self.desk.now()
        if now - self.planned_at > PLAN_AGE_LIMIT:
            return f"the plan of {self.planned_at:%H:%M:%S} is older than 10 minutes"
        if now.date() != self.desk.day:
            return f"the day of the plan, {self.desk.day}, is over"
        return ""

    def _collect(self, result: TradeResult) -> TradeResult:
        """Fill in what all orders of this planned order did."""
        orders = self._orders_of(result.planned)
        result.filled_size = sum((o.filled_size for o in orders), ZERO)
        result.filled_value = sum((o.filled_value for o in orders), ZERO)
        result.fees = sum((o.fees for o in orders), ZERO)
        result.client_ids = [o.client_id for o in orders]
        if any(order.may_be_live for order in orders):
            result.status = "unsettled"
            result.reason = "the exchange has not said what became of it"
            self.halted = f"{result.planned.product_id}: an own order is unsettled"
        return result

    # -- sells ---------------------------------------------------------------------------

    def _sell(self, planned: PlannedOrder, size: Decimal) -> TradeResult:
        product = self.desk.products[planned.product_id]
        fresh = self.desk.client.products([product.product_id]).get(product.product_id)
        if fresh is None or not fresh.product.is_tradable:
            return self._collect(TradeResult(planned, "skipped", "the product takes no sells now"))
        self.desk.products[product.product_id] = fresh.product
        cover = Cover(self.desk, product.product_id, self.protections[product.product_id])
        if not self._free(product.product_id):
            result = TradeResult(planned, "skipped", "its stops could not be cancelled")
            return self._end_sell(result, cover)
        free = cover.free_units()
        is_exit = planned.leg in (Leg.EXIT, Leg.DUST)
        size = free if is_exit else min(size, free)
        if not is_exit and free > size and not cover.place_remainder(free - size):
            # Without its stop the rest must not wait for a sale: what rested is put back.
            result = TradeResult(planned, "skipped", "the rest could not be protected first")
            return self._end_sell(result, cover)
        if below_minimum(size, product, self.desk.client.last_trade(product.product_id)):
            result = TradeResult(planned, "skipped", f"{format(size, 'f')} is below the minimums")
            return self._end_sell(result, cover)
        record = self._send(planned.leg, MarketOrder(product.product_id, Side.SELL, size))
        return self._end_sell(_told(planned, record), cover)

    def _free(self, product_id: str) -> bool:
        """Cancel the product's own stops, so that their hold does not make the sell fail."""
        for order in self.desk.ledger.state.live_orders(product_id):
            if order.key.leg.is_stop:
                self.desk.ledger.append(
                    "group",
                    product=product_id,
                    day=self.desk.day.isoformat(),
                    cancel=order.client_id,
                    restore=dict(order.body),
                    reason="sell",
                )
                if self.desk.cancel(order.client_id).may_be_live:
                    return False
        return True

    def _end_sell(self, result: TradeResult, cover: Cover) -> TradeResult:
        """Cover whatever is left before the next product is touched."""
        result.cover = cover.ensure()
        return self._collect(result)

    def _send(self, leg: Leg, order: MarketOrder) -> OrderRecord:
        record = self.desk.send(leg, order)
        if record.may_be_live:
            record = self.desk.wait_until_done(record.client_id)
        return record

    # -- buys ----------------------------------------------------------------------------

    def _buy(self, planned: PlannedOrder, size: Decimal) -> TradeResult:
        product_id = planned.product_id
        void = self._void(planned)
        if void:
            return self._collect(TradeResult(planned, "void", void))
        product = self.desk.products[product_id]
        protection = self.protections[product_id]
        if product_id not in self.desk.ledger.state.proven_products:
            pilot = self._pilot(planned, size)
            if pilot is not None:
                return pilot
            size = self.remaining(planned)
        size = min(size, self._affordable(product_id))
        if below_minimum(size, product, planned.reference_price):
            result = TradeResult(planned, "skipped", "not enough cash is there")
            return self._collect(self._with_cover(result, protection))
        record = self._bought(Leg.ENTRY, product_id, size)
        return self._collect(self._with_cover(_told(planned, record), protection))

    def _void(self, planned: PlannedOrder) -> str:
        """Re-read the product: what happened since the plan can make its buy wrong."""
        product_id = planned.product_id
        fresh = self.desk.client.products([product_id]).get(product_id)
        if fresh is None or not fresh.product.is_tradable:
            return "the product takes no orders now"
        self.desk.products[product_id] = fresh.product
        for order in self.desk.ledger.state.live_orders(product_id):
            if order.key.side is Side.SELL:
                seen = self.desk.refresh(order.client_id)
                if seen.stage is OrderStage.TRIGGERED or seen.filled_size > order.filled_size:
                    return "its stop triggered since the plan"
        level = self.protections[product_id].target_level
        last = fresh.last if fresh.last is not None else self.desk.client.last_trade(product_id)
        if last <= level:
            self._start_cooldown(product_id, f"last {last} at or below the stop {level}")
            return f"last trade {last} is at or below today's stop {level}"
        return ""

    def _start_cooldown(self, product_id: str, cause: str) -> None:
        self.desk.ledger.append(
            "cooldown", product=product_id, start=self.desk.day.isoformat(), cause=cause
        )

    def _pilot(self, planned: PlannedOrder, size: Decimal) -> TradeResult | None:
        """
        Buy the least that can carry a stop, to see that this product's stops are taken.

        Returns None when the rest may follow, else the ended result.
        """
        product_id = planned.product_id
        product, protection = self.desk.products[product_id], self.protections[product_id]
        plan = plan_stop(
            protection.target_level,
            last=self.desk.client.last_trade(product_id),
            atr=protection.atr,
            product=product,
            stops=self.desk.config.stops,
        )
        if plan is None:
            return self._collect(TradeResult(planned, "skipped", "no stop level is possible"))
        least = smallest_protectable(product, plan.limit_price)
        if self._held(product_id) >= least or size <= 2 * least:
            return None
        record = self._bought(Leg.PILOT, product_id, least)
        result = self._with_cover(_told(planned, record), protection)
        if result.cover is not None and result.cover.is_protected and record.filled_size:
            return None
        if record.filled_size:
            self._sell_pilot(product_id, record.filled_size)
        self.desk.ledger.append(
            "not_protectable", product=product_id, day=self.desk.day.isoformat()
        )
        result.status, result.reason = "void", "the exchange took no stop for the pilot"
        return self._collect(result)

    def _sell_pilot(self, product_id: str, size: Decimal) -> None:
        self._send(Leg.EMERGENCY, MarketOrder(product_id, Side.SELL, size))

    def _held(self, product_id: str) -> Decimal:
        holding = self.desk.client.holdings().get(product_id.split("-")[0])
        return holding.total if holding is not None else ZERO

    def _bought(self, leg: Leg, product_id: str, size: Decimal) -> OrderRecord:
        record = self._send(leg, MarketOrder(product_id, Side.BUY, size))
        if record.filled_size:
            self.desk.note_bare(product_id, record.last_fill_at or self.desk.now())
        return record

    def _affordable(self, product_id: str) -> Decimal:
        """Return the units that the free cash pays for, fee and slippage included."""
        product = self.desk.products[product_id]
        wallet = self.desk.client.holdings().get(product.quote_currency)
        cash = wallet.available if wallet is not None else ZERO
        costs = self.desk.config.execution_and_costs
        _, ask = self.desk.client.quotes([product_id])[product_id]
        fee = to_decimal(costs.taker_fee)
        price = ask * (1 + to_decimal(costs.transaction_cost_est)) * (1 + fee)
        return floor_to(cash / price, product.base_increment)

    def _with_cover(self, result: TradeResult, protection: Protection) -> TradeResult:
        """Protect what was bought before anything else happens; the old stop is not touched."""
        still = Protection(
            protection.target_level, protection.atr, may_move=False, source=protection.source
        )
        result.cover = Cover(self.desk, result.planned.product_id, still).ensure()
        if not result.cover.is_protected:
            self.halted = f"{result.planned.product_id} could not be protected"
        return result

    # -- dust ----------------------------------------------------------------------------

    def dust_order(self, product_id: str, held: Decimal) -> tuple[PlannedOrder | None, str]:
        """Return the order that closes a residual, or why it stays."""
        product = self.desk.products[product_id]
        protection = self.protections.get(product_id)
        last = self.desk.client.last_trade(product_id)
        if protection is not None:
            level, atr = protection.target_level, protection.atr
            limit = limit_below(level, atr, product, self.desk.config.stops)
            if not is_dust(held, product, limit):
                return None, "not dust"
        size = floor_to(held, product.base_increment)
        if below_minimum(size, product, last):
            return None, "too small for the exchange to sell"
        costs = self.desk.config.execution_and_costs
        rate = to_decimal(costs.taker_fee) + to_decimal(costs.transaction_cost_est)
        cost = size * last * rate
        if cost > to_decimal(costs.dust_max_cost_usd):
            return None, f"closing it would cost {cost:.4f}, more than dust_max_cost_usd"
        return (
            PlannedOrder(product_id, Side.SELL, Leg.DUST, size, last, Reason.FULL_EXIT),
            f"costs about {cost:.4f}",
        )


def _told(planned: PlannedOrder, record: OrderRecord) -> TradeResult:
    if record.stage is OrderStage.REFUSED:
        return TradeResult(planned, "refused", record.detail)
    if record.stage in (OrderStage.DONE, OrderStage.MISMATCH):
        return TradeResult(planned, "done" if record.filled_size else "unfilled", record.detail)
    if record.stage is OrderStage.ABSENT:
        return TradeResult(planned, "absent", "the request never arrived")
    return TradeResult(planned, "unsettled", record.detail)

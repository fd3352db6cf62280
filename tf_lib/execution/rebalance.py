"""
Rebalance: the plan's sells and buys, one product at a time, each under its stop before the next.

docs/execution.md section 6. A sell first frees what its stops hold, re-covers what is to stay,
sells, and covers whatever is left. A buy re-reads its product, spends only cash that is there, and
is protected before the next one begins.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tf_lib.core.model.account import is_withheld
from tf_lib.core.model.client_ids import Leg, LegKey
from tf_lib.core.model.cooldown import is_cooling
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import ZERO, MarketOrder, Protection, Reason, Side
from tf_lib.core.model.run_rows import OrderRow
from tf_lib.core.orders.build import (
    PlannedOrder,
    affordable_size,
    below_minimum,
    floor_to,
    is_dust,
    to_decimal,
)
from tf_lib.core.orders.stops import pilot_size
from tf_lib.exchange.freshness import Read
from tf_lib.exchange.port import RefusalKind
from tf_lib.execution.market_exit import left_to_sell
from tf_lib.execution.order_sender import OrderSender
from tf_lib.execution.protection import Cover, CoverResult
from tf_lib.store.ledger_state import OrderRecord

_TRIES = 3
_BY_EARLIER = "filled by an earlier attempt"
_TRADABLE_HOLDS = dt.timedelta(seconds=5)


@dataclass
class TradeResult:
    """
    What became of one planned order.

    `status` is ``void`` where the strategy's own gates took it back since the plan, ``skipped``
    or ``given_up`` where something else stood in its way.
    """

    planned: PlannedOrder
    status: str
    reason: str = ""
    filled_size: Decimal = ZERO
    filled_value: Decimal = ZERO
    fees: Decimal = ZERO
    cover: CoverResult | None = None
    client_ids: list[str] = field(default_factory=list)

    def to_mapping(self) -> OrderRow:
        """Return plain values for the record."""
        value = self.filled_value / self.filled_size if self.filled_size else None
        return {
            **self.planned.to_mapping(),
            "status": self.status,
            "note": "; ".join(filter(None, (self.planned.note, self.reason))),
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
    sender : OrderSender
    cover_of : callable
        Returns the protection of a product; told whether intact stops may be raised.
    planned_at : datetime
        When the plan was frozen, in exchange time: an old plan is dead. Which orders are the
        plan's is not asked of it, but of the plan's id in the ledger.
    taker_fee : Decimal
        Fraction of notional that a buy must leave room for.
    blocked : mapping of product to why
        Not traded now, whatever the frozen plan says.
    exits : set of product
        Of those blocked, the ones whose own units may be sold to the last.
    halted : str
        Why nothing is bought any more, or empty.
    paused : str
        Why only full exits are made, whatever the frozen plan says; or empty.
    """

    sender: OrderSender
    cover_of: Callable[[str, bool], Cover]
    planned_at: dt.datetime
    taker_fee: Decimal
    blocked: Mapping[str, str] = field(default_factory=dict)
    exits: frozenset[str] = frozenset()
    halted: str = ""
    paused: str = ""
    _tradable: Read[str] | None = None
    _sized_by_money: set[str] = field(default_factory=set)

    def execute(self, planned: PlannedOrder) -> TradeResult:
        """Carry out one planned order, as far as the day and earlier attempts allow."""
        remaining = self.remaining(planned)
        if any(order.may_be_live for order in self._orders_of(planned)):
            return self._collect(TradeResult(planned, "unsettled"))
        if remaining <= 0:
            return self._collect(TradeResult(planned, "done", _BY_EARLIER))
        stale = self._too_late() or self._blocked(planned)
        if stale or (self.halted and planned.side is Side.BUY):
            return self._collect(TradeResult(planned, "skipped", stale or self.halted))
        if planned.side is Side.SELL:
            return self._sell(planned, remaining)
        return self._buy(planned, remaining)

    def _blocked(self, planned: PlannedOrder) -> str:
        if is_withheld(self.paused, planned.reason):
            return self.paused
        if planned.leg is Leg.EXIT and planned.product_id in self.exits:
            return ""
        return self.blocked.get(planned.product_id, "")

    def withhold(self, planned: PlannedOrder, why: str) -> TradeResult:
        """Return what became of a planned order that must not be carried on."""
        if self.remaining(planned) <= 0:
            return self._collect(TradeResult(planned, "done", _BY_EARLIER))
        return self._collect(TradeResult(planned, "skipped", why))

    def remaining(self, planned: PlannedOrder) -> Decimal:
        """Return the whole steps of a planned order that no order of the day has filled yet."""
        filled = sum((order.filled_size for order in self._orders_of(planned)), ZERO)
        product = self.sender.products.get(planned.product_id)
        left = planned.base_size - filled
        return left if product is None else floor_to(left, product.base_increment)

    def _orders_of(self, planned: PlannedOrder) -> list[OrderRecord]:
        state, plan = self.sender.ledger.state, self.sender.current_plan()
        legs = (Leg.ENTRY, Leg.PILOT) if planned.leg is Leg.ENTRY else (planned.leg,)
        return [
            order
            for leg in legs
            for order in state.of_plan(
                LegKey(self.sender.day, planned.product_id, planned.side, leg),
                plan.id if plan is not None else "",
            )
        ]

    def _too_late(self) -> str:
        return self.sender.plan_is_dead(self.planned_at)

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
        if not self._is_tradable(planned.product_id):
            return self._collect(TradeResult(planned, "skipped", "the product takes no sells now"))
        cover = self.cover_of(planned.product_id, True)
        result = self._sell_freed(planned, size, cover)
        # Whatever is left is covered before the next product is touched.
        result.cover = cover.ensure()
        return self._collect(result)

    def _sell_freed(self, planned: PlannedOrder, size: Decimal, cover: Cover) -> TradeResult:
        position, is_exit = cover.position, planned.leg in (Leg.EXIT, Leg.DUST)
        held = position.held()
        if planned.leg is Leg.EXIT and is_dust(held, position.product, planned.reference_price):
            return TradeResult(planned, "void", "nothing is left of it to sell")
        owned = position.coverable(held)
        rested = self._cancel_stops(planned.product_id)
        if any(stop.may_be_live for stop in rested):
            return TradeResult(planned, "skipped", "its stops could not be cancelled")
        if any(s.key.leg.is_stop for s in self.sender.ledger.state.live_orders(planned.product_id)):
            return TradeResult(planned, "skipped", "the product takes no sells any more")
        free = position.await_release(owned)
        if not is_exit:
            highest = max(rested, key=lambda s: Decimal(s.body["stop_price"]), default=None)
            if highest is not None and cover.exit_if_through(highest):
                return TradeResult(planned, "void", "price fell through its stop: all was sold")
            if free > size and not cover.place_remainder(free - size):
                # Without its stop the rest must not wait for a sale: what rested is put back.
                return TradeResult(planned, "skipped", "the rest could not be protected first")
        elif free > size:
            # What is not ours stays: under its stop first, if that can be.
            cover.place_remainder(free - size)
        # Never more than was planned, whatever has been put into the account since; and where a
        # stop took some of ours meanwhile, never what is not ours.
        size = min(size, position.ours_of(free))
        if below_minimum(size, position.product, position.last_now()):
            return TradeResult(planned, "skipped", f"{format(size, 'f')} is below the minimums")
        late = self._too_late()
        if late:
            # The machine slept while the stops were being cancelled: what was freed is covered.
            return TradeResult(planned, "skipped", late)
        return _told(planned, self._sold(planned, size, cover))

    def _cancel_stops(self, product_id: str) -> list[OrderRecord]:
        """Cancel the product's own stops, so that their hold does not make the sell fail."""
        ended = []
        for order in self.sender.ledger.state.live_orders(product_id):
            if order.key.leg.is_stop:
                if not self._is_tradable_now(product_id):
                    break
                self.sender.ledger.append(
                    "group",
                    product=product_id,
                    day=self.sender.day.isoformat(),
                    cancel=order.client_id,
                    restore=dict(order.body),
                    reason="sell",
                )
                ended.append(self.sender.cancel(order.client_id))
                if ended[-1].may_be_live:
                    break
        return ended

    def _sold(self, planned: PlannedOrder, size: Decimal, cover: Cover) -> OrderRecord:
        """Sell at the market; a rest of the price band or a lagging hold is tried again."""
        product = cover.position.product
        record = self._send(planned.leg, MarketOrder(planned.product_id, Side.SELL, size))
        for _ in range(_TRIES - 1):
            if record.stage not in (OrderStage.DONE, OrderStage.REFUSED):
                break
            size = left_to_sell(cover.position, size, record)
            is_small = not size or below_minimum(size, product, planned.reference_price)
            if is_small or self._too_late():
                break
            record = self._send(planned.leg, MarketOrder(planned.product_id, Side.SELL, size))
        return record

    def _send(self, leg: Leg, order: MarketOrder) -> OrderRecord:
        too_late = self._too_late if leg.is_rebalance else lambda: ""
        return self.sender.wait_until_done(
            self.sender.send(leg, order, too_late=too_late).client_id
        )

    def _is_tradable(self, product_id: str) -> bool:
        fresh = self.sender.client.products([product_id]).get(product_id)
        if fresh is None:
            return False
        self.sender.products[product_id] = fresh.product
        self._tradable = self.sender.fresh.read(product_id) if fresh.product.is_tradable else None
        return fresh.product.is_tradable

    def _is_tradable_now(self, product_id: str) -> bool:
        """Whether the product was seen to take orders within the last seconds."""
        seen = self._tradable
        is_seen = self.sender.fresh.is_young(seen, _TRADABLE_HOLDS) and seen.value == product_id
        return is_seen or self._is_tradable(product_id)

    # -- buys ----------------------------------------------------------------------------

    def _buy(self, planned: PlannedOrder, size: Decimal) -> TradeResult:
        product_id = planned.product_id
        # The old stop is not touched: what is bought gets one of its own.
        cover = self.cover_of(product_id, False)
        if not self._is_tradable(product_id):
            return self._collect(TradeResult(planned, "skipped", "the product takes no orders now"))
        void = self._void(planned, cover.protection)
        if void:
            return self._collect(TradeResult(planned, "void", void))
        if product_id not in self.sender.ledger.state.proven_products:
            ended = self._pilot(planned, size, cover)
            if ended is not None:
                return self._collect(ended)
            size = self.remaining(planned)
        size = min(size, self._affordable(product_id))
        if below_minimum(size, cover.position.product, planned.reference_price):
            what = "done" if self.remaining(planned) < planned.base_size else "skipped"
            return self._collect(TradeResult(planned, what, "no cash is there for more"))
        late = self._too_late()
        if late:
            return self._collect(TradeResult(planned, "skipped", late))
        result = _told(planned, self._bought(Leg.ENTRY, product_id, size))
        return self._collect(self._with_cover(result, cover))

    def _void(self, planned: PlannedOrder, protection: Protection) -> str:
        """Re-read the product: what happened since the plan can make its buy wrong."""
        product_id = planned.product_id
        for order in self.sender.ledger.state.live_orders(product_id):
            if order.key.side is Side.SELL:
                self.sender.refresh(order.client_id)
        for order in self.sender.ledger.state.orders.values():
            if order.product_id == product_id and self._took_from_us(order):
                self._start_cooldown(product_id, f"{order.client_id} triggered since the plan")
                return "its stop triggered since the plan"
        if self._is_cooling(product_id):
            return "a cooldown is active"
        last = self.sender.client.last_trade(product_id)
        if last <= protection.target_level:
            level = protection.target_level
            self._start_cooldown(product_id, f"last {last} at or below the stop {level}")
            return f"last trade {last} is at or below today's stop {level}"
        return ""

    def _took_from_us(self, order: OrderRecord) -> bool:
        """Whether a stop or market exit did something that the plan did not know of."""
        if not order.key.leg.ends_in_cooldown:
            return False
        if order.stage is OrderStage.TRIGGERED:
            return True
        plan = self.sender.ledger.state.plans[self.sender.day]
        return bool(order.fill_seen_line > plan["line"])

    def _is_cooling(self, product_id: str) -> bool:
        start = self.sender.ledger.state.cooldowns.get(product_id)
        days = self.sender.config.execution_and_costs.cooldown_counter_threshold
        return is_cooling(start, self.sender.day, days=days)

    def _start_cooldown(self, product_id: str, cause: str) -> None:
        if not self._is_cooling(product_id):
            start = self.sender.day.isoformat()
            self.sender.ledger.append("cooldown", product=product_id, start=start, cause=cause)

    def _pilot(self, planned: PlannedOrder, size: Decimal, cover: Cover) -> TradeResult | None:
        """
        See that this product's stops are taken, on the least that can carry one.

        What is held already is protected first and serves as well. Returns None when the rest
        may follow, else the ended result.
        """
        position, product = cover.position, cover.position.product
        plan = cover.placement.plan(position.last())
        if plan is None:
            return TradeResult(planned, "skipped", "no stop level is possible")
        pilot = pilot_size(position.held(), size, product, plan.limit_price)
        if not pilot:
            covered = cover.ensure()
            if covered.is_protected:
                return None
            return TradeResult(planned, "skipped", "what is held is not protected", cover=covered)
        pilot = min(pilot, self._affordable(planned.product_id))
        if below_minimum(pilot, product, planned.reference_price):
            return TradeResult(planned, "skipped", "no cash is there")
        late = self._too_late()
        if late:
            return TradeResult(planned, "skipped", late)
        record = self._bought(Leg.PILOT, planned.product_id, pilot)
        result = self._with_cover(_told(planned, record), cover)
        if not record.filled_size or record.may_be_live:
            return result
        if result.cover is not None and result.cover.is_protected:
            return None if pilot < size else result
        if result.cover is not None and not result.cover.is_refused:
            # Nothing proves that no stop is taken: what was bought stays, and is covered later.
            return result
        return self._give_up(result, floor_to(record.filled_size, product.base_increment))

    def _give_up(self, result: TradeResult, size: Decimal) -> TradeResult:
        """Sell a pilot whose stop was not taken: this product cannot be held."""
        product_id = result.planned.product_id
        why = result.cover.reason if result.cover is not None else ""
        self._send(Leg.EMERGENCY, MarketOrder(product_id, Side.SELL, size))
        day = self.sender.day.isoformat()
        self.sender.ledger.append("not_protectable", product=product_id, day=day, why=why)
        result.cover = self.cover_of(product_id, False).ensure()
        if result.cover.is_protected:
            self.halted = ""
        result.status, result.reason = "given_up", f"the exchange took no stop for the pilot: {why}"
        return result

    def _bought(self, leg: Leg, product_id: str, size: Decimal) -> OrderRecord:
        """Buy; only what was provably refused may be sent once more, and in another form."""
        record = self._send(leg, self._buy_of(product_id, size))
        for _ in range(_TRIES - 1):
            if product_id not in self._sized_by_money and _is_form_refused(record):
                self._sized_by_money.add(product_id)
            elif record.refusal == RefusalKind.FUNDS:
                step = self.sender.products[product_id].base_increment
                size = min(floor_to(size * Decimal("0.99"), step), self._affordable(product_id))
            elif not self.sender.waited_out(record):
                break
            last = self.sender.client.last_trade(product_id)
            if below_minimum(size, self.sender.products[product_id], last) or self._too_late():
                break
            record = self._send(leg, self._buy_of(product_id, size))
        return record

    def _buy_of(self, product_id: str, size: Decimal) -> MarketOrder:
        """Return a buy; by the money that it costs at the ask where no other one is taken."""
        if product_id not in self._sized_by_money:
            return MarketOrder(product_id, Side.BUY, size)
        quote = self.sender.client.quotes([product_id]).get(product_id)
        if quote is None:
            return MarketOrder(product_id, Side.BUY, size)
        # Fees come out of that money, or on top of it: either way no more is bought than planned.
        money = floor_to(size * quote[1], self.sender.products[product_id].quote_increment)
        return MarketOrder(product_id, Side.BUY, size, money)

    def _affordable(self, product_id: str) -> Decimal:
        """Return the units that the free cash pays for, fee and slippage included."""
        product = self.sender.products[product_id]
        wallet = self.sender.client.holdings().get(product.quote_currency)
        quote = self.sender.client.quotes([product_id]).get(product_id)
        if wallet is None or quote is None:
            return ZERO
        slippage = to_decimal(self.sender.config.execution_and_costs.transaction_cost_est)
        return affordable_size(
            wallet.available, quote[1], slippage=slippage, fee=self.taker_fee, product=product
        )

    def _with_cover(self, result: TradeResult, cover: Cover) -> TradeResult:
        """Protect what was bought before anything else happens."""
        result.cover = cover.ensure()
        if not result.cover.is_protected:
            self.halted = f"{result.planned.product_id} could not be protected"
        return result

    # -- dust ----------------------------------------------------------------------------

    def dust_order(self, product_id: str, held: Decimal) -> tuple[PlannedOrder | None, str]:
        """Return the order that closes a residual, or why it stays."""
        product = self.sender.products[product_id]
        last = self.sender.client.last_trade(product_id)
        if not is_dust(held, product, last):
            return None, "not dust"
        size = floor_to(held, product.base_increment)
        if below_minimum(size, product, last):
            return None, "too small for the exchange to sell"
        costs = self.sender.config.execution_and_costs
        cost = size * last * (self.taker_fee + to_decimal(costs.transaction_cost_est))
        if cost > to_decimal(costs.dust_max_cost_usd):
            return None, f"closing it would cost {cost:.4f}, more than dust_max_cost_usd"
        return (
            PlannedOrder(product_id, Side.SELL, Leg.DUST, size, last, Reason.FULL_EXIT),
            f"costs about {cost:.4f}",
        )


def _is_form_refused(record: OrderRecord) -> bool:
    """Whether a market order by units was refused for how it is sized, not for what it is."""
    is_refused = record.body["type"] == "market" and record.stage is OrderStage.REFUSED
    return is_refused and record.refusal == RefusalKind.CONFIGURATION


def _told(planned: PlannedOrder, record: OrderRecord) -> TradeResult:
    if record.stage is OrderStage.REFUSED:
        return TradeResult(planned, "refused", record.detail)
    if record.stage in (OrderStage.DONE, OrderStage.MISMATCH):
        return TradeResult(planned, "done" if record.filled_size else "unfilled", record.detail)
    if record.stage is OrderStage.ABSENT:
        return TradeResult(planned, "absent", "the request never arrived")
    return TradeResult(planned, "unsettled", record.detail)

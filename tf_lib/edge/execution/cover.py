"""
Cover: the stops of one product, so that every unit above dust rests under one.

Two slots: *core* for what was held, *add* for what was bought since, so that the old stop never
moves while the new units get theirs (EXECUTION section 7). A replacement is checked before the
old stop is cancelled, and a placement that fails falls back step by step; the market exit is
the last of them and only where the rules allow it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tf_lib.core.client_ids import Leg
from tf_lib.core.order_life import OrderStage
from tf_lib.core.orders import floor_to, is_dust
from tf_lib.core.records import ZERO, MarketOrder, Side, StopOrder
from tf_lib.core.stops import StopPlan, is_worthwhile_raise, limit_below, plan_stop
from tf_lib.edge.execution.desk import Desk
from tf_lib.edge.ledger_state import OrderRecord

_HOLD_TRIES = 15
_HOLD_SECONDS = 2.0
_EXIT_TRIES = 3
_TRIGGER_PATIENCE_SECONDS = 20.0
_LADDER = ("5 ticks", "1 %", "2 %")


@dataclass(frozen=True)
class Protection:
    """
    What one product's stop should be today.

    Attributes
    ----------
    target_level : Decimal
        Where the stop belongs, ratcheted; in quote currency.
    atr : float or None
        For the limit's distance.
    may_move : bool
        Whether intact stops may be raised: not on bad data, and never by the guard.
    source : str
        Where the level came from, for the record.
    """

    target_level: Decimal
    atr: float | None
    may_move: bool = True
    source: str = "chandelier"


@dataclass(frozen=True)
class Reading:
    """Units held and last price of a product, read when `changes` requests had been sent."""

    held: Decimal
    last: Decimal
    changes: int


@dataclass
class CoverResult:
    """What was done for one product: the row of ``stop_updates`` and of the page."""

    product_id: str
    status: str
    reason: str
    held: Decimal = ZERO
    covered: Decimal = ZERO
    target_level: Decimal | None = None
    resting_level: Decimal | None = None
    limit_price: Decimal | None = None
    last: Decimal | None = None
    source: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def is_protected(self) -> bool:
        """Whether nothing above dust is bare."""
        return self.status != "failed"

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values for the log."""
        text = {k: None if v is None else format(v, "f") for k, v in self._decimals().items()}
        return {
            "product": self.product_id,
            "status": self.status,
            "reason": self.reason,
            "source": self.source,
            "notes": list(self.notes),
            **text,
        }

    def _decimals(self) -> dict[str, Decimal | None]:
        return {
            "held": self.held,
            "covered": self.covered,
            "target_level": self.target_level,
            "resting_level": self.resting_level,
            "limit_price": self.limit_price,
            "last": self.last,
        }


class Cover:
    """
    The protection of one product, from what is held to stops that are seen open.

    Parameters
    ----------
    desk : Desk
    product_id : str
    protection : Protection
        Today's level.
    foreign_cover, foreign_hold : Decimal
        Units under somebody else's protective stop, and held by other foreign sells.
    known : Reading or None
        What this run has just read, while nothing was sent since: spares reading it again.
    """

    def __init__(
        self,
        desk: Desk,
        product_id: str,
        protection: Protection,
        *,
        foreign_cover: Decimal = ZERO,
        foreign_hold: Decimal = ZERO,
        known: Reading | None = None,
    ) -> None:
        self.desk = desk
        self._known = known
        self.product = desk.products[product_id]
        self.protection = protection
        self.foreign = foreign_cover + foreign_hold
        self.foreign_hold = foreign_hold
        self.result = CoverResult(
            product_id,
            "skip",
            "",
            target_level=protection.target_level,
            source=protection.source,
        )

    # -- the whole of it -----------------------------------------------------------------

    def ensure(self) -> CoverResult:
        """Make sure that everything held above dust rests under stops, and raise them if due."""
        self._exit_if_triggered()
        stops = self._live_stops()
        held = self._held()
        self.result.held = held
        self.result.last = self._last()
        if self._is_dust(held):
            self.result.reason = "dust" if held else "nothing held"
            return self._finish(stops)
        gap = self._coverable(held) - _remaining(stops)
        lost = self._vanished_stop() if gap > 0 else None
        if lost is not None:
            self.result.notes.append(f"stop {lost.client_id} ended without our cancel")
            self.desk.note_bare(self.product.product_id, self.desk.last_verified())
            if self._market_is_through(Decimal(lost.body["stop_price"])):
                self._emergency_exit(gap, "a stop vanished and price is below it")
                return self._finish(self._live_stops())
        if gap > 0 and not self._too_small_alone(gap, bool(stops)):
            self.desk.note_bare(self.product.product_id, self.desk.now())
            self._close_gap(stops, held)
        elif self.protection.may_move:
            for stop in stops:
                self._raise(stop)
        return self._finish(self._live_stops())

    def free_units(self) -> Decimal:
        """Wait until everything that is not somebody else's is free, and return it, floored."""
        return self._await_release(self._coverable(self._held()))

    def place_remainder(self, size: Decimal) -> bool:
        """Place the stop of what stays before the rest is sold; whether that is protected."""
        return self._is_dust(size) or self._place(Leg.STOP_CORE, size)

    def _finish(self, stops: list[OrderRecord]) -> CoverResult:
        result = self.result
        result.held = self._held() if result.status != "skip" else result.held
        result.covered = _remaining(stops)
        if stops:
            result.resting_level = min(Decimal(stop.body["stop_price"]) for stop in stops)
            result.limit_price = min(Decimal(stop.body["limit_price"]) for stop in stops)
        bare = self._coverable(result.held) - result.covered
        if self.foreign_hold and not self._is_dust(self.foreign_hold):
            result.status, result.reason = "failed", "held by a sell order that is not ours"
        elif not self._is_dust(result.held) and not self._too_small_alone(bare, bool(stops)):
            result.status = "failed"
            result.reason = result.reason or f"{format(bare, 'f')} is not under a stop"
        else:
            self.desk.note_covered(self.product.product_id)
            if result.status == "skip" and not result.reason:
                result.reason = "stop in place"
        if stops and not self._is_dust(result.held):
            self._remember()
        return result

    def _remember(self) -> None:
        """Keep the level for the ratchet: the target, never what it was clamped to."""
        state, product_id = self.desk.ledger.state, self.product.product_id
        known = state.levels.get(product_id)
        level = floor_to(self.protection.target_level, self.product.price_increment)
        if known is None or level > known:
            self.desk.ledger.append("level", product=product_id, target_level=format(level, "f"))
        if product_id not in state.proven_products:
            self.desk.ledger.append("proven", product=product_id)

    # -- what is there -------------------------------------------------------------------

    def _live_stops(self) -> list[OrderRecord]:
        """Return our stops of this product that were just read OPEN and untriggered."""
        live = []
        for order in self.desk.ledger.state.live_orders(self.product.product_id):
            if order.key.leg.is_stop:
                record = self._read_order(order)
                seen = self.desk.seen.get(order.client_id)
                if record.stage is OrderStage.WORKING and seen is not None and seen.is_live_stop:
                    live.append(record)
        return live

    def _reading(self) -> Reading | None:
        """Return what is known already, unless something was sent since it was read."""
        is_fresh = self._known is not None and self._known.changes == self.desk.changes
        return self._known if is_fresh else None

    def _read_order(self, order: OrderRecord) -> OrderRecord:
        if self._reading() is not None and order.client_id in self.desk.seen:
            return order
        return self.desk.refresh(order.client_id)

    def _vanished_stop(self) -> OrderRecord | None:
        """Return the newest stop if it ended unfilled without us having cancelled it."""
        orders = self.desk.ledger.state.orders.values()
        stops = [o for o in orders if o.product_id == self.product.product_id and o.key.leg.is_stop]
        newest = stops[-1] if stops else None
        if newest is None or newest.stage is not OrderStage.DONE or newest.cancel_sent:
            return None
        return newest if newest.filled_size < newest.base_size else None

    def _held(self) -> Decimal:
        known = self._reading()
        if known is not None:
            return known.held
        holding = self.desk.client.holdings().get(self.product.base_currency)
        return holding.total if holding is not None else ZERO

    def _coverable(self, held: Decimal) -> Decimal:
        return floor_to(max(held - self.foreign, ZERO), self.product.base_increment)

    def _last(self) -> Decimal:
        known = self._reading()
        if known is not None:
            return known.last
        return self.desk.client.last_trade(self.product.product_id)

    def _is_dust(self, size: Decimal) -> bool:
        level = self.protection.target_level
        limit = limit_below(level, self.protection.atr, self.product, self.desk.config.stops)
        return is_dust(size, self.product, limit)

    def _too_small_alone(self, gap: Decimal, has_stop: bool) -> bool:
        """A rest too small for a stop of its own is not a wrong size while the core is covered."""
        return gap <= 0 or (has_stop and self._is_dust(gap))

    def _plan(self, last: Decimal) -> StopPlan | None:
        return plan_stop(
            self.protection.target_level,
            last=last,
            atr=self.protection.atr,
            product=self.product,
            stops=self.desk.config.stops,
        )

    # -- placing -------------------------------------------------------------------------

    def _close_gap(self, stops: list[OrderRecord], held: Decimal) -> None:
        """Give bare units a stop: the core slot if it is free, else the add slot, resized."""
        core = next((s for s in stops if s.key.leg is Leg.STOP_CORE), None)
        add = next((s for s in stops if s.key.leg is Leg.STOP_ADD), None)
        if core is not None and add is not None:
            self._open_group(add, reason="add slot resized")
            self.desk.cancel(add.client_id)
            self._await_release(self._coverable(self._held()) - _remaining([core]))
            stops = self._live_stops()
        elif core is None and add is not None:
            size = self._coverable(held) - _remaining(stops)
            self._place(Leg.STOP_CORE, size)
            return
        leg = Leg.STOP_ADD if core is not None else Leg.STOP_CORE
        size = self._coverable(self._held()) - _remaining(stops)
        self._place(leg, size)

    def _place(self, leg: Leg, size: Decimal, *, fallback: StopOrder | None = None) -> bool:
        """Place a stop: at today's level, then at the old one, then down the ladder."""
        if size <= 0 or self._is_dust(size):
            self.result.notes.append(f"{format(size, 'f')} is too small for a stop")
            return False
        codes: list[str] = []
        for name, order in self._candidates(size, fallback):
            record = self._try(leg, order)
            if record is not None and record.stage is OrderStage.WORKING:
                self.result.status, self.result.reason = "placed", name
                return True
            if record is not None and record.stage is not OrderStage.REFUSED:
                self.result.notes.append(f"{name}: {record.stage} {record.detail}")
                if record.stage is OrderStage.DONE:
                    return True
                continue
            codes.append(f"{name}: {record.detail if record is not None else 'not possible'}")
        self.result.notes.extend(codes)
        self.result.status, self.result.reason = "failed", "; ".join(codes) or "no level possible"
        if self.desk.config.stops.exit_if_unprotectable:
            self._emergency_exit(size, "every placement was refused")
        return False

    def _candidates(self, size: Decimal, fallback: StopOrder | None) -> list[tuple[str, StopOrder]]:
        last = self._last()
        found: list[tuple[str, StopOrder]] = []
        plan = self._plan(last)
        if plan is not None:
            clamped = plan.resting_level < plan.target_level
            found.append(
                ("clamped below the market" if clamped else "at its level", plan.order(size))
            )
        if fallback is not None and fallback.stop_price < last:
            found.append(
                (
                    "old level again",
                    StopOrder(
                        self.product.product_id, size, fallback.stop_price, fallback.limit_price
                    ),
                )
            )
        tick = self.product.price_increment
        for name, below in zip(
            _LADDER, (last - 5 * tick, last * Decimal("0.99"), last * Decimal("0.98")), strict=True
        ):
            level = floor_to(below, tick)
            if level <= tick or any(level >= order.stop_price for _, order in found[:1]):
                continue
            stops = self.desk.config.stops
            limit = min(limit_below(level, self.protection.atr, self.product, stops), level - tick)
            found.append(
                (f"{name} below last", StopOrder(self.product.product_id, size, level, limit))
            )
        return found

    def _try(self, leg: Leg, order: StopOrder) -> OrderRecord | None:
        """Send one stop; a lack of funds is a lagging hold or a wrong size: resize, never exit."""
        record: OrderRecord | None = None
        for attempt in range(_EXIT_TRIES):
            if attempt:
                self.desk.pause(_HOLD_SECONDS)
                held = self.desk.client.holdings().get(self.product.base_currency)
                free = floor_to(held.available if held else ZERO, self.product.base_increment)
                size = min(order.base_size, free)
                if self._is_dust(size):
                    continue
                order = StopOrder(order.product_id, size, order.stop_price, order.limit_price)
            record = self.desk.send(leg, order)
            lacks_funds = record.stage is OrderStage.REFUSED and "INSUFFICIENT" in record.detail
            if record.stage is not OrderStage.MISMATCH and not lacks_funds:
                return record
        return record

    # -- moving --------------------------------------------------------------------------

    def _raise(self, stop: OrderRecord) -> None:
        """Replace one stop at today's level if that is worth a moment without it."""
        rests = Decimal(stop.body["stop_price"])
        plan = self._plan(self._last())
        stops = self.desk.config.stops
        if plan is None:
            return
        if plan.resting_level < plan.target_level and stops.level_above_market == "keep":
            return
        if not is_worthwhile_raise(rests, plan.resting_level, min_raise_bps=stops.min_raise_bps):
            return
        if not self._accepts_sells():
            self.result.notes.append("not raised: the product takes no new sells now")
            return
        self.replace(stop)

    def _accepts_sells(self) -> bool:
        fresh = self.desk.client.products([self.product.product_id]).get(self.product.product_id)
        return fresh is not None and fresh.product.is_tradable

    def replace(self, stop: OrderRecord) -> None:
        """Cancel one stop and place it again at today's level, with the old one as way back."""
        old = StopOrder(
            stop.product_id,
            stop.base_size - stop.filled_size,
            Decimal(stop.body["stop_price"]),
            Decimal(stop.body["limit_price"]),
        )
        if self._is_dust(old.base_size):
            return
        self._open_group(stop, reason="raise")
        ended = self.desk.cancel(stop.client_id)
        if ended.stage is not OrderStage.DONE:
            self.result.notes.append(f"cancel did not end {stop.client_id}: {ended.stage}")
            return
        left = stop.base_size - ended.filled_size
        free = self._await_release(left)
        if self._market_is_through(old.stop_price):
            self._emergency_exit(min(left, free), "price fell through while the stop was replaced")
            return
        self._place(stop.key.leg, min(left, free), fallback=old)

    def _open_group(self, stop: OrderRecord, *, reason: str) -> None:
        """One durable record of what is about to happen, before the cancel."""
        self.desk.ledger.append(
            "group",
            product=stop.product_id,
            day=self.desk.day.isoformat(),
            cancel=stop.client_id,
            restore=dict(stop.body),
            place=format(self.protection.target_level, "f"),
            reason=reason,
        )

    def _await_release(self, wanted: Decimal) -> Decimal:
        """Wait, bounded, until a cancelled order's hold is free; return the free units, floored."""
        free = ZERO
        for attempt in range(_HOLD_TRIES):
            if attempt:
                self.desk.pause(_HOLD_SECONDS)
            holding = self.desk.client.holdings().get(self.product.base_currency)
            free = floor_to(holding.available if holding else ZERO, self.product.base_increment)
            if free >= wanted:
                break
        return free

    # -- leaving -------------------------------------------------------------------------

    def _market_is_through(self, level: Decimal) -> bool:
        """Both the last trade and the best bid are at or below the level that rested."""
        if self._last() > level:
            return False
        bid, _ = self.desk.client.quotes([self.product.product_id])[self.product.product_id]
        return bid <= level

    def _exit_if_triggered(self) -> None:
        """A stop that triggered and cannot fill protects nothing: look twice, then sell."""
        for order in self.desk.ledger.state.live_orders(self.product.product_id):
            if not order.key.leg.is_stop:
                continue
            seen = self._read_order(order)
            if seen.stage is not OrderStage.TRIGGERED:
                continue
            limit = Decimal(seen.body["limit_price"])
            if self._last() >= limit:
                continue
            self.desk.pause(_TRIGGER_PATIENCE_SECONDS)
            self._known = None
            if self._last() >= limit:
                continue
            ended = self.desk.cancel(seen.client_id)
            if ended.stage is OrderStage.DONE:
                left = seen.base_size - ended.filled_size
                free = self._await_release(left)
                self._emergency_exit(min(left, free), "stop triggered and price is below its limit")

    def _emergency_exit(self, size: Decimal, why: str) -> None:
        """Sell at the market what cannot be protected; a remainder is tried again, bounded."""
        left = floor_to(size, self.product.base_increment)
        for _ in range(_EXIT_TRIES):
            if left < self.product.base_min_size or left <= 0 or not self._accepts_sells():
                break
            order = MarketOrder(self.product.product_id, Side.SELL, left)
            record = self.desk.send(Leg.EMERGENCY, order)
            if record.stage not in (OrderStage.DONE, OrderStage.REFUSED):
                record = self.desk.wait_until_done(record.client_id)
            self.result.notes.append(f"emergency exit ({why}): {record.stage} {record.detail}")
            if record.may_be_live or record.stage is OrderStage.REFUSED:
                break
            left -= record.filled_size
        self.result.status, self.result.reason = "placed", f"market exit: {why}"


def _remaining(stops: list[OrderRecord]) -> Decimal:
    return sum((stop.base_size - stop.filled_size for stop in stops), ZERO)

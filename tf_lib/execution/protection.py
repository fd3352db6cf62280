"""
Cover: the stops of one product, so that every unit above dust rests under one.

Slots: *core* for what was held first, *add* for what came since, so that the old stop never moves
while the new units get theirs (docs/execution.md sections 7 and 14). A replacement is checked
before the old stop is cancelled, and a placement that fails falls back step by step; the market
exit is the last of them and only where the rules allow it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import ZERO, Protection, StopOrder
from tf_lib.core.model.run_rows import StopRow
from tf_lib.core.orders.build import floor_to, whole_lots
from tf_lib.core.orders.lots_and_ticks import MOST_STOPS, slot_for_rest
from tf_lib.execution.market_exit import sell_out
from tf_lib.execution.position import Foreign, Position, Reading, remaining
from tf_lib.execution.stop_placement import StopPlacement
from tf_lib.store.ledger_state import OrderRecord

__all__ = ["Cover", "CoverResult", "Foreign", "Position", "Reading"]

_TRIGGER_PATIENCE_SECONDS = 20.0


@dataclass
class CoverResult:
    """
    What was done for one product: the row of ``stop_updates`` and of the page.

    `is_refused` says that the exchange provably refused every stop that was tried last, `closed`
    why the product takes no orders now.
    """

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
    verified_at: str | None = None
    notes: list[str] = field(default_factory=list)
    is_refused: bool = False
    closed: str = ""

    @property
    def is_protected(self) -> bool:
        """Whether nothing above dust is unprotected."""
        return self.status != "failed"

    def to_mapping(self) -> StopRow:
        """Return plain values for the log."""
        row: StopRow = {
            "product": self.product_id,
            "status": self.status,
            "reason": self.reason,
            "source": self.source,
            "verified_at": self.verified_at,
            "notes": list(self.notes),
            "held": _in_text(self.held),
            "covered": _in_text(self.covered),
            "target_level": _in_text(self.target_level),
            "resting_level": _in_text(self.resting_level),
            "limit_price": _in_text(self.limit_price),
            "last": _in_text(self.last),
        }
        if self.closed:
            row["closed"] = self.closed
        return row


def _in_text(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")


class Cover:
    """
    The protection of one product, from what is held to stops that are seen open.

    Parameters
    ----------
    position : Position
    protection : Protection
        Today's level.
    """

    def __init__(self, position: Position, protection: Protection) -> None:
        self.position = position
        self.sender = position.sender
        self.protection = protection
        self.placement = StopPlacement(position, protection)
        self.result = CoverResult(
            position.product_id,
            "skip",
            "",
            target_level=protection.target_level,
            source=protection.source,
        )

    # -- the whole of it -----------------------------------------------------------------

    def ensure(self) -> CoverResult:
        """Make sure that everything held above dust rests under stops, and raise them if due."""
        position, result = self.position, self.result
        self._exit_if_triggered()
        self._end_altered()
        stops = position.live_stops()
        result.held, result.last = position.held(), position.last()
        if self.placement.is_dust(result.held):
            result.reason = result.reason or ("dust" if result.held else "nothing held")
            return self._finish(stops)
        gap = position.coverable(result.held) - remaining(stops)
        if not self._is_small_rest(gap, stops):
            self._close(gap, stops)
        elif self.protection.may_move:
            for stop in stops:
                self._raise(stop)
        return self._finish(position.live_stops())

    def _close(self, gap: Decimal, stops: list[OrderRecord]) -> None:
        """Cover what is unprotected, or exit where price went through the level it rested at."""
        position = self.position
        ended = position.ended_stops()
        for stop in ended:
            if not stop.cancel_sent:
                self.result.notes.append(f"stop {stop.client_id} ended without our cancel")
        self.sender.unprotected_time.begin(
            position.product_id, self.sender.unprotected_time.last_in_order(position.product_id)
        )
        for stop in ended:
            if not position.is_through(Decimal(stop.body["stop_price"])):
                # The other slot's level is below this one.
                break
            # The last one speaks for whatever was added beside it.
            size = gap if stop is ended[-1] else min(gap, stop.unfilled)
            why = "we had cancelled its stop" if stop.cancel_sent else "its stop ended"
            self._exit(size, f"{why} and price is at or below its level")
            gap -= size
        if gap > 0 and not (ended and not self.placement.is_protectable(gap)):
            self._close_gap(stops)

    def _finish(self, stops: list[OrderRecord]) -> CoverResult:
        """Judge by what was read last, and write down what outlives the run."""
        result, position = self.result, self.position
        result.held = position.held() if result.status != "skip" else result.held
        result.covered = remaining(stops)
        if stops:
            result.resting_level = min(Decimal(stop.body["stop_price"]) for stop in stops)
            result.limit_price = min(Decimal(stop.body["limit_price"]) for stop in stops)
            result.verified_at = self.sender.now().isoformat()
        unprotected = position.coverable(result.held) - result.covered
        is_dust = self.placement.is_dust(result.held)
        if position.foreign.hold and not self.placement.is_dust(position.foreign.hold):
            result.status, result.reason = "failed", "held by a sell order that is not ours"
        elif not is_dust and not self._is_small_rest(unprotected, stops):
            result.status = "failed"
            result.reason = result.reason or f"{format(unprotected, 'f')} is not under a stop"
        else:
            notional = position.most_held * (result.last or ZERO)
            self.sender.unprotected_time.end(position.product_id, notional)
            if result.status == "failed":
                result.status = "placed"
            if result.status == "skip" and not result.reason:
                result.reason = "stop in place"
        if stops and not is_dust:
            self._remember()
        return result

    def _remember(self) -> None:
        """Keep the level for the ratchet: the target, never what it was clamped to."""
        state, product_id = self.sender.ledger.state, self.position.product_id
        known = state.levels.get(product_id)
        level = floor_to(self.protection.target_level, self.position.product.price_increment)
        is_new = known is None or level > known or not self.sender.config.stops.ratchet
        if not self.protection.is_guess and is_new and level != known:
            self.sender.ledger.append("level", product=product_id, target_level=format(level, "f"))
        if product_id not in state.proven_products:
            self.sender.ledger.append("proven", product=product_id)

    def _is_small_rest(self, gap: Decimal, stops: list[OrderRecord]) -> bool:
        """A rest too small for a stop of its own is not a wrong size beside one that protects."""
        is_beside = bool(stops) or self.position.foreign.cover > 0
        return self.placement.is_small_rest(gap, is_beside=is_beside)

    def _end_altered(self) -> None:
        """Cancel a stop of ours that somebody edited: it covers nothing, and ours comes back."""
        for stop, problem in self.position.altered_stops():
            self.result.notes.append(f"stop {stop.client_id} was altered: {problem}")
            if self.sender.may_cancel_intact:
                self._free_slot(stop, "altered by somebody")

    # -- placement -----------------------------------------------------------------------

    def place_remainder(self, size: Decimal) -> bool:
        """Place the stop of what stays before the rest is sold; whether that is protected."""
        return self.placement.is_dust(size) or self._place(Leg.STOP_CORE, size)

    def _close_gap(self, stops: list[OrderRecord]) -> None:
        """
        Give unprotected units a stop of their own; what rests is not given up for them.

        Only where there are as many stops as there may be, the smallest that was added is resized.
        """
        slots = self._slots(stops)
        product = self.position.product
        at = slot_for_rest(*(whole_lots(remaining(slot), product) for slot in slots))
        old = None
        for stop in slots[at]:
            if not self._free_slot(stop, "add slot resized"):
                return
            old, stops = _as_order(stop), self.position.live_stops()
        leg = Leg.STOP_ADD if at else Leg.STOP_CORE
        size = self.position.coverable(self.position.held()) - remaining(stops)
        free = min(size, self.position.await_release(size))
        if old is None or not self._exit_if_through(old.stop_price, free):
            self._place(leg, free, fallback=old)

    @staticmethod
    def _slots(stops: list[OrderRecord]) -> list[list[OrderRecord]]:
        """Return the stop of each slot, none where it is free: core first, then what was added."""
        slots = [[stop] for stop in sorted(stops, key=lambda one: one.key.leg is Leg.STOP_ADD)]
        if not any(stop.key.leg is Leg.STOP_CORE for stop in stops):
            slots.insert(0, [])
        return [*slots, *([] for _ in range(MOST_STOPS))][:MOST_STOPS]

    def _free_slot(self, stop: OrderRecord, why: str) -> bool:
        """Cancel a stop that is to be placed anew, unless that could not be placed."""
        can_rest = self.placement.plan(self.position.last_now()) is not None
        if not (can_rest and self.position.accepts_sells()):
            self.result.notes.append("not replaced: the product takes no new sells now")
            return False
        self._open_group(stop, reason=why)
        return self.sender.cancel(stop.client_id).stage is OrderStage.DONE

    def _place(self, leg: Leg, size: Decimal, *, fallback: StopOrder | None = None) -> bool:
        placed = self.placement.place(leg, size, fallback=fallback)
        self.result.notes.extend(placed.refusals)
        if placed.rests:
            self.result.status, self.result.reason = "placed", placed.how
            return True
        self.result.status, self.result.reason = "failed", placed.why
        self.result.is_refused = placed.is_proven
        if placed.is_proven and self.sender.config.stops.exit_if_unprotectable:
            self._exit(size, "every placement was refused")
        return False

    # -- moving --------------------------------------------------------------------------

    def _raise(self, stop: OrderRecord) -> None:
        """Replace one stop at today's level if that is worth a moment without it."""
        if self.placement.raised_level(Decimal(stop.body["stop_price"])) is None:
            return
        if not self.position.accepts_sells():
            self.result.notes.append("not raised: the product takes no new sells now")
            return
        self.replace(stop)

    def replace(self, stop: OrderRecord) -> None:
        """Cancel one stop and place it again at today's level, with the old one as way back."""
        old = _as_order(stop)
        if not self.placement.is_protectable(old.base_size):
            return
        self._open_group(stop, reason="raise")
        ended = self.sender.cancel(stop.client_id)
        if ended.stage is not OrderStage.DONE:
            self.result.notes.append(f"cancel did not end {stop.client_id}: {ended.stage}")
            return
        left = ended.unfilled
        if left <= 0:
            return
        free = min(left, self.position.await_release(left))
        if self._exit_if_through(old.stop_price, free):
            return
        is_placed = self._place(stop.key.leg, free, fallback=old)
        if not is_placed:
            self._exit_if_through(old.stop_price, free)

    def _open_group(self, stop: OrderRecord, *, reason: str) -> None:
        """One durable record of what is about to happen, before the cancel."""
        self.sender.ledger.append(
            "group",
            product=stop.product_id,
            day=self.sender.day.isoformat(),
            cancel=stop.client_id,
            restore=dict(stop.body),
            place=format(self.protection.target_level, "f"),
            reason=reason,
        )

    # -- market exit ---------------------------------------------------------------------

    def exit_if_through(self, stop: OrderRecord) -> bool:
        """Sell everything when price went through the level of a stop that we just cancelled."""
        free = self.position.await_release(self.position.coverable(self.position.held()))
        return self._exit_if_through(Decimal(stop.body["stop_price"]), free)

    def _exit_if_through(self, level: Decimal, size: Decimal) -> bool:
        if not self.position.is_through(level):
            return False
        self._exit(size, "price fell through while the stop was cancelled")
        return True

    def _exit(self, size: Decimal, why: str) -> None:
        self.result.notes.extend(sell_out(self.position, size, why))
        self.result.status, self.result.reason = "placed", f"market exit: {why}"

    def _exit_if_triggered(self) -> None:
        """
        A stop that triggered and does not fill protects nothing: look twice, then cancel it.

        It is sold at the market where price was below its limit both times, or is at or below the
        level it rested at now; else what is left of it is unprotected and gets a stop again.
        """
        for stop in self.position.triggered_stops():
            was_below = self._is_below_limit(stop)
            self.sender.pause(_TRIGGER_PATIENCE_SECONDS)
            again = self.sender.refresh(stop.client_id)
            if again.stage is not OrderStage.TRIGGERED or again.filled_size != stop.filled_size:
                continue
            if not self.position.accepts_sells():
                self.result.notes.append("triggered and unfilled; the product takes no sells now")
                continue
            ended = self.sender.cancel(stop.client_id)
            left = ended.unfilled
            if ended.stage is OrderStage.DONE and left > 0:
                free = min(left, self.position.await_release(left))
                if was_below and self._is_below_limit(stop):
                    self._exit(free, "stop triggered and price is below its limit")
                elif self.position.is_through(Decimal(stop.body["stop_price"])):
                    self._exit(free, "stop triggered and it did not fill")

    def _is_below_limit(self, stop: OrderRecord) -> bool:
        return self.position.last_now() < Decimal(stop.body["limit_price"])


def _as_order(stop: OrderRecord) -> StopOrder:
    """Return what is left of a stop as it was sent: the way back to it."""
    return StopOrder(
        stop.product_id,
        stop.unfilled,
        Decimal(stop.body["stop_price"]),
        Decimal(stop.body["limit_price"]),
    )

"""
The sender: sends one order, and finds out what became of it.

Rules kept here (docs/execution.md sections 2 to 4): the intent is on disk before the request; an
order counts only after it was read back as it was sent; an answer that proves nothing is unknown,
and an unknown order is looked up before anything else; an unknown buy is never sent again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tf_lib.core.model.client_ids import Leg, LegKey, is_own
from tf_lib.core.model.impediments import Impediment
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import MarketOrder, Product, Side, StopOrder
from tf_lib.errors import UnknownState
from tf_lib.exchange.freshness import Freshness, Read
from tf_lib.exchange.port import (
    PASSING_REFUSALS,
    Accepted,
    Answer,
    CancelOutcome,
    Exchange,
    Fill,
    OrderState,
    Refused,
    Trigger,
    Unknown,
)
from tf_lib.execution.order_check import (
    ABSENT,
    ABSENT_AFTER,
    Heard,
    Step,
    add_up,
    body_of,
    dead_because,
    difference,
    fill_facts,
    order_of,
    resolution,
)
from tf_lib.execution.unprotected_time import UnprotectedTime
from tf_lib.parameters import Config
from tf_lib.store.ledger import Ledger
from tf_lib.store.ledger_state import OrderRecord
from tf_lib.store.run_folder import RunLogs

_READ_BACK_TRIES = 6
_POLL_SECONDS = 2.0
_PATIENCE_SECONDS = 30.0
_BUSY_SECONDS = 5.0


@dataclass(frozen=True)
class PlanRef:
    """The plan that orders are sent for: its id in the ledger, and when it was made."""

    id: str
    planned_at: dt.datetime


@dataclass
class OrderSender:
    """
    Everything an acting step needs, and the two acts themselves.

    Parameters
    ----------
    client : Exchange
        Its changing requests are guarded by arming and lock.
    now, pause : callable
        Exchange time, and waiting in it (seconds).
    products : dict of Product
        Rules of the universe's products, re-read where a rule asks for it.
    known_ids : set of str
        Own client ids seen at the exchange, so that lost state cannot reuse one.
    seen : dict of Read
        The last read of each own order, by client id.
    older_fills : dict of Decimal
        Units that own orders bought, by product, which a ledger that was lost does not know.
    may_rebalance : bool
        Whether orders of the plan may be sent again; never by guard and protect.
    may_cancel_intact : bool
        Whether a core stop that protects may be cancelled; never by the guard.
    plan : PlanRef or None
        The plan that is carried out; None for the day's own.
    """

    client: Exchange
    ledger: Ledger
    logs: RunLogs
    config: Config
    day: dt.date
    now: Callable[[], dt.datetime]
    pause: Callable[[float], None]
    products: dict[str, Product] = field(default_factory=dict)
    known_ids: set[str] = field(default_factory=set)
    seen: dict[str, Read[OrderState]] = field(default_factory=dict)
    older_fills: dict[str, Decimal] = field(default_factory=dict)
    may_rebalance: bool = True
    may_cancel_intact: bool = True
    plan: PlanRef | None = None
    _met_at: dict[dt.datetime, dt.datetime] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Set the clocks up, and say what is traded here."""
        universe = self.config.universe.tickers
        self.client.names.use({*universe, *self.ledger.state.bought_products})
        self.fresh = Freshness(self.now)
        self.unprotected_time = UnprotectedTime(self.ledger, self.day, self.now)

    def impede(self, found: Impediment) -> None:
        """Write down what stands in the way of the day; the finish brings it all together."""
        self.logs.write("impediments", **found.to_mapping())

    # -- sending -------------------------------------------------------------------------

    def send(
        self,
        leg: Leg,
        order: MarketOrder | StopOrder,
        *,
        too_late: Callable[[], str] = lambda: "",
    ) -> OrderRecord:
        """
        Send a new order of a leg and return it as far as it is proven.

        The stage of the returned record says what to do next: REFUSED (its `detail` has the
        code), WORKING, DONE, MISMATCH, or one that is still open to question.

        Parameters
        ----------
        too_late : callable
            Asked once the intent is on disk: the machine may have slept since it was decided.
            What it says keeps the order from being sent.
        """
        side = order.side if isinstance(order, MarketOrder) else Side.SELL
        key = LegKey(self.day, order.product_id, side, leg)
        record = self.ledger.intend(
            key,
            body_of(order, self.products, self.client.last_trade),
            known_ids=frozenset(self.known_ids),
            plan=None if self.plan is None else self.plan.id,
        )
        late = too_late()
        if late:
            return self.ledger.move(
                record.client_id, OrderStage.REFUSED, detail=f"not sent: {late}"
            )
        answer = self._post(record)
        return self._after(record, answer)

    def waited_out(self, record: OrderRecord) -> bool:
        """Wait where a refusal said nothing of the order itself; whether it may be sent again."""
        is_passing = record.refusal in PASSING_REFUSALS
        if is_passing:
            self.pause(_BUSY_SECONDS)
        return is_passing

    def _post(self, record: OrderRecord) -> Answer:
        """Send exactly what the ledger froze, under its id."""
        self.fresh.changed()
        return self.client.send(record.client_id, order_of(record))

    def _after(self, record: OrderRecord, answer: Answer) -> OrderRecord:
        self._log_answer(record, answer)
        if isinstance(answer, Accepted):
            self.ledger.move(record.client_id, OrderStage.ACKED, order_id=answer.order_id)
            return self.read_back(record.client_id)
        if isinstance(answer, Refused) and not answer.exists:
            detail = f"{answer.code}: {answer.message}"
            return self.ledger.move(
                record.client_id, OrderStage.REFUSED, detail=detail, refusal=str(answer.kind)
            )
        why = answer.message if isinstance(answer, Refused) else answer.why
        # Sent by now at the latest: between intent and request the machine may have slept.
        self.ledger.move(record.client_id, OrderStage.UNKNOWN, detail=why, sent=True)
        # Stops never add up to more than is owned, so an unprotected one need not wait.
        return self.resolve(record.client_id, patient=not record.key.leg.is_stop)

    def _log_answer(self, record: OrderRecord, answer: Answer) -> None:
        line: dict[str, Any] = {
            "product": record.product_id,
            "side": str(record.key.side),
            "leg": str(record.key.leg),
            "client_id": record.client_id,
            **record.body,
        }
        if isinstance(answer, Accepted):
            line |= {"answer": "accepted", "order_id": answer.order_id}
        elif isinstance(answer, Refused):
            line |= {"answer": "refused", "code": answer.code, "message": answer.message}
        else:
            line |= {"answer": "unknown", "message": answer.why}
        name = "dust_submit" if record.key.leg is Leg.DUST else "order_submit"
        self.logs.write("stop_updates" if record.key.leg.is_stop else name, action="send", **line)

    # -- finding out ---------------------------------------------------------------------

    def read_back(self, identity: str) -> OrderRecord:
        """Read an acknowledged order and check that it is the one that was sent."""
        record = self.ledger.state.orders[identity]
        for attempt in range(_READ_BACK_TRIES):
            if attempt:
                self.pause(1.0)
            seen = self._read(record)
            if seen is not None:
                return self._verify(record, seen)
        return self._by_our_own_id(record)

    def _by_our_own_id(self, record: OrderRecord) -> OrderRecord:
        """Look for an order that is not there under the name it was given: ours may find it."""
        found = self._look_up(record)
        if found is None or found.order_id == record.order_id:
            return record
        self.ledger.append("facts", client_id=record.client_id, order_id=found.order_id)
        return self.read_back(record.client_id)

    def _read(self, record: OrderRecord) -> OrderState | None:
        seen = self.client.order(record.order_id)
        if seen is not None:
            self.note_seen(record.client_id, seen)
        return seen

    def note_seen(self, identity: str, seen: OrderState) -> None:
        """Keep what an order was read as, and when."""
        self.seen[identity] = self.fresh.read(seen)

    def is_live_stop(self, identity: str) -> bool:
        """Whether an order was last read as a stop that protects."""
        return identity in self.seen and self.seen[identity].value.is_live_stop

    def _verify(self, record: OrderRecord, seen: OrderState) -> OrderRecord:
        problem = difference(record, seen)
        if problem:
            return self._mismatch(record, seen, problem)
        if seen.is_terminal:
            return self.finish(record, seen)
        self.unprotected_time.note_bought(record, seen)
        moved = self.ledger.move(record.client_id, OrderStage.WORKING, **fill_facts(seen))
        return self.note_trigger(moved, seen)

    def _mismatch(self, record: OrderRecord, seen: OrderState, problem: str) -> OrderRecord:
        """Close an id that answered with another order: a stop is over, others take it over."""
        facts = {} if record.key.leg.is_stop else fill_facts(seen)
        moved = self.ledger.move(record.client_id, OrderStage.MISMATCH, detail=problem, **facts)
        is_intact = seen.is_live_stop and not self.may_cancel_intact
        is_ours = is_own(seen.client_order_id) and not is_intact
        if record.key.leg.is_stop and not seen.is_terminal and is_ours:
            # It would hold the base under a level that nobody chose today.
            self._ask_to_cancel(record)
        return moved

    def refresh(self, identity: str, *, patient: bool = True) -> OrderRecord:
        """
        Read an order of ours again and write down what changed.

        Without patience an order that nobody has seen yet stays open to question.
        """
        record = self.ledger.state.orders[identity]
        if not record.may_be_live:
            return record
        if record.stage in (OrderStage.INTENDED, OrderStage.UNKNOWN):
            return self.resolve(identity, patient=patient)
        if record.stage is OrderStage.ACKED:
            return self.read_back(identity)
        seen = self._read(record)
        if seen is None:
            raise UnknownState(
                f"{record.product_id}: order {identity} ({record.order_id}) was there and is "
                "not found now; holdings and stops of this product are left as they are"
            )
        if seen.is_terminal:
            return self.finish(record, seen)
        self._note_fills(record, seen)
        record = self._forget_old_cancel(self.ledger.state.orders[identity], seen)
        return self.note_trigger(record, seen)

    def _note_fills(self, record: OrderRecord, seen: OrderState) -> None:
        if seen.filled_size == record.filled_size:
            return
        self.unprotected_time.note_bought(record, seen)
        self.ledger.append("facts", client_id=record.client_id, **fill_facts(seen))
        self._start_cooldown(self.ledger.state.orders[record.client_id])

    def _forget_old_cancel(self, record: OrderRecord, seen: OrderState) -> OrderRecord:
        """A cancel that cannot arrive any more, of an order that works on, was none."""
        sent = record.cancel_sent_at
        is_old = sent is not None and self.now() - self._past(sent) > ABSENT_AFTER
        if record.stage is not OrderStage.CANCEL_SENT or not is_old or seen.pending_cancel:
            return record
        detail = "its cancel never arrived"
        return self.ledger.move(record.client_id, OrderStage.WORKING, detail=detail)

    def note_trigger(self, record: OrderRecord, seen: OrderState) -> OrderRecord:
        """Write down that a stop triggered: from then on it protects nothing."""
        triggered = seen.trigger is Trigger.TRIGGERED
        if triggered and record.stage in (OrderStage.WORKING, OrderStage.CANCEL_SENT):
            self.unprotected_time.begin(
                record.product_id, self.unprotected_time.last_in_order(record.product_id)
            )
            return self.ledger.move(record.client_id, OrderStage.TRIGGERED)
        return record

    def finish(self, record: OrderRecord, seen: OrderState) -> OrderRecord:
        """Write the end of an order once its fills add up to what it says was filled."""
        fills: list[Fill] = []
        if seen.filled_size:
            for attempt in range(_READ_BACK_TRIES):
                if attempt:
                    self.pause(1.0)
                fills = self.client.fills([seen.order_id])
                if add_up(fills, seen.filled_size):
                    break
            else:
                self._note_fills(record, seen)
                return self.ledger.state.orders[record.client_id]
        self.unprotected_time.note_bought(record, seen, fills)
        self.unprotected_time.note_late_fill(record, seen, fills)
        done = self.ledger.move(
            record.client_id, OrderStage.DONE, detail=seen.status, **fill_facts(seen, fills)
        )
        self._start_cooldown(done)
        return done

    def _start_cooldown(self, record: OrderRecord) -> None:
        if not (record.key.leg.ends_in_cooldown and record.filled_size):
            return
        start = (record.last_fill_at or self.now()).date()
        known = self.ledger.state.cooldowns.get(record.product_id)
        if known is None or known < start:
            self.ledger.append(
                "cooldown",
                product=record.product_id,
                start=start.isoformat(),
                cause=record.client_id,
            )

    def resolve(self, identity: str, *, patient: bool = True) -> OrderRecord:
        """
        Find out whether an order without a proven answer exists.

        By the steps of `tf_lib.execution.order_check.resolution`. A sale or stop of today may be
        sent once more, byte for byte, after a look-up missed it; a buy never.
        """
        record = self.ledger.state.orders[identity]
        if record.stage is OrderStage.INTENDED:
            record = self.ledger.move(identity, OrderStage.UNKNOWN, detail="no answer on record")
        steps = resolution(patient=patient, is_adopted=record.adopted)
        step, order_id = next(steps), None
        try:
            while True:
                step = steps.send(self._done(step, identity))
        except StopIteration as end:
            order_id = end.value
        if order_id is None:
            return self.ledger.state.orders[identity]
        if order_id == ABSENT:
            return self.ledger.move(identity, OrderStage.ABSENT)
        self.ledger.move(identity, OrderStage.ACKED, order_id=order_id)
        return self.read_back(identity)

    def _done(self, step: Step, identity: str) -> Heard:
        """Carry out a step of a resolution and return what came of it."""
        record = self.ledger.state.orders[identity]
        if step == "look":
            looked_at = self.now()
            found = self._look_up(record)
            silent_for = looked_at - self._past(record.last_sent_at)
            return Heard(found.order_id if found else "", silent_for, self._may_resend(record))
        if step == "resend":
            self.ledger.append("resent", client_id=identity)
            record = self.ledger.state.orders[identity]
            answer = self._post(record)
            self._log_answer(record, answer)
            if isinstance(answer, Unknown):
                self.ledger.append("unanswered", client_id=identity)
            return Heard(answer.order_id if isinstance(answer, Accepted) else "")
        self.pause(step)
        return Heard()

    def _past(self, line_at: dt.datetime) -> dt.datetime:
        """Return a moment of the ledger; one in the exchange's future was over when first met."""
        now = self.now()
        return line_at if line_at <= now else self._met_at.setdefault(line_at, now)

    def _may_resend(self, record: OrderRecord) -> bool:
        """Whether an unseen order may go out again: never a buy, never an earlier day's."""
        if record.key.side is not Side.SELL or record.key.day != self.day or record.adopted:
            return False
        if not record.key.leg.is_rebalance:
            return True
        plan = self.current_plan()
        if plan is None or record.plan != plan.id or not self.may_rebalance:
            return False
        if record.key.leg is Leg.TRIM and self.ledger.state.paused_on(self.day):
            return False
        return not self.plan_is_dead(plan.planned_at)

    def current_plan(self) -> PlanRef | None:
        """Return the plan that is carried out: the day's, where there is no other."""
        day = self.ledger.state.plans.get(self.day)
        if self.plan is not None or day is None:
            return self.plan
        return PlanRef(str(day["id"]), dt.datetime.fromisoformat(day["planned_at"]))

    def plan_is_dead(self, planned_at: dt.datetime) -> str:
        """Return why no order of a plan of that moment goes out any more, or nothing."""
        return dead_because(planned_at, now=self.now(), day=self.day)

    def _look_up(self, record: OrderRecord) -> OrderState | None:
        # From the day that stands in its id on: the time of its intent may be of a wrong clock.
        since = dt.datetime.combine(record.key.day, dt.time(), dt.UTC) - dt.timedelta(minutes=5)
        listed = self.client.orders(
            product_ids=[record.product_id], start=None if record.adopted else since
        )
        self.remember(listed)
        return next((seen for seen in listed if seen.client_order_id == record.client_id), None)

    def remember(self, listed: Iterable[OrderState]) -> None:
        """Keep the own ids of a list, so that no ordinal is used twice."""
        self.known_ids.update(o.client_order_id for o in listed if is_own(o.client_order_id))

    def wait_until_done(self, identity: str) -> OrderRecord:
        """Wait, bounded, for an order to end; cancel it when it does not."""
        record = self.ledger.state.orders[identity]
        for cancelled in (False, True):
            waited = 0.0
            while record.may_be_live and waited < _PATIENCE_SECONDS:
                record = self.refresh(identity)
                if record.may_be_live:
                    self.pause(_POLL_SECONDS)
                    waited += _POLL_SECONDS
            if not record.may_be_live or cancelled or not record.order_id:
                return record
            record = self.cancel(identity)
        return record

    # -- cancelling ----------------------------------------------------------------------

    def cancel(self, identity: str) -> OrderRecord:
        """
        Ask for a cancel and wait, bounded, until the order is really over.

        A cancel that is on record may never have left: after reading it is asked for again.
        """
        record = self.refresh(identity)
        stages = (OrderStage.WORKING, OrderStage.TRIGGERED, OrderStage.CANCEL_SENT)
        if record.stage not in stages or self._must_stay(record):
            return record
        if record.key.leg.is_stop:
            self.unprotected_time.begin(record.product_id)
        if record.stage is OrderStage.CANCEL_SENT:
            self.ledger.append("cancel_repeated", client_id=identity)
        else:
            self.ledger.move(identity, OrderStage.CANCEL_SENT)
        outcome = self._ask_to_cancel(record)
        waited = 0.0
        record = self.refresh(identity)
        while record.may_be_live and waited < _PATIENCE_SECONDS:
            self.pause(_POLL_SECONDS)
            waited += _POLL_SECONDS
            record = self.refresh(identity)
        seen = self._read(record) if record.may_be_live else None
        if (
            seen is not None
            and record.stage is OrderStage.CANCEL_SENT
            and outcome is CancelOutcome.REFUSED
            and not (seen.is_terminal or seen.pending_cancel)
        ):
            # The exchange took no cancel: the order works on as before.
            return self.ledger.move(identity, OrderStage.WORKING, detail="the cancel was not taken")
        return record

    def _must_stay(self, record: OrderRecord) -> bool:
        is_core = record.key.leg is Leg.STOP_CORE
        return is_core and not self.may_cancel_intact and self.is_live_stop(record.client_id)

    def _ask_to_cancel(self, record: OrderRecord) -> CancelOutcome:
        self.fresh.changed()
        answer = self.client.cancel([record.order_id])[record.order_id]
        self.logs.write(
            "stop_updates" if record.key.leg.is_stop else "order_submit",
            action="cancel",
            product=record.product_id,
            client_id=record.client_id,
            order_id=record.order_id,
            answer=str(answer.outcome),
            why=answer.reason,
        )
        return answer.outcome

"""
The desk: sends one order, and finds out what became of it.

Rules kept here (EXECUTION sections 2 to 4): the intent is on disk before the request; an order
counts only after it was read back as it was sent; an answer that proves nothing is unknown,
and an unknown order is looked up before anything else; an unknown buy is never sent again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tf_lib.core.client_ids import Leg, LegKey, is_own, parse_client_id
from tf_lib.core.order_life import OrderStage
from tf_lib.core.records import ZERO, MarketOrder, Product, Side, StopOrder
from tf_lib.edge.coinbase import Accepted, Answer, Coinbase, OrderState, Refused
from tf_lib.edge.ledger import Ledger
from tf_lib.edge.ledger_state import OrderRecord
from tf_lib.edge.run_store import RunLogs
from tf_lib.errors import UnknownState
from tf_lib.parameters import Config

ABSENT_AFTER = dt.timedelta(seconds=150)
"""A token lives 120 s: a request unseen for longer than this can no longer arrive."""

CLOCK_TOLERANCE = dt.timedelta(seconds=5)
_READ_BACK_TRIES = 6
_POLL_SECONDS = 2.0
_PATIENCE_SECONDS = 30.0


@dataclass
class Desk:
    """
    Everything an acting step needs, and the two acts themselves.

    Parameters
    ----------
    client : Coinbase
        The wire; its changing requests are guarded by arming and lock.
    now, pause : callable
        Exchange time, and waiting in it (seconds).
    products : dict of Product
        Rules of the universe's products, re-read where a rule asks for it.
    known_ids : set of str
        Own client ids seen at the exchange, so that lost state cannot reuse one.
    seen : dict of OrderState
        The last read of each own order, by client id.
    changes : int
        Changing requests sent so far: what was read before the last one may be old.
    """

    client: Coinbase
    ledger: Ledger
    logs: RunLogs
    config: Config
    day: dt.date
    now: Callable[[], dt.datetime]
    pause: Callable[[float], None]
    products: dict[str, Product] = field(default_factory=dict)
    known_ids: set[str] = field(default_factory=set)
    seen: dict[str, OrderState] = field(default_factory=dict)
    changes: int = 0

    # -- sending -------------------------------------------------------------------------

    def send(self, leg: Leg, order: MarketOrder | StopOrder) -> OrderRecord:
        """
        Send a new order of a leg and return it as far as it is proven.

        The stage of the returned record says what to do next: REFUSED (its `detail` has the
        code), WORKING, DONE, MISMATCH, or one that is still open to question.
        """
        side = order.side if isinstance(order, MarketOrder) else Side.SELL
        key = LegKey(self.day, order.product_id, side, leg)
        record = self.ledger.intend(key, self._body(order), known_ids=frozenset(self.known_ids))
        answer = self._post(record)
        return self._after(record, answer)

    def _body(self, order: MarketOrder | StopOrder) -> dict[str, str]:
        """Return the frozen body; a product without market orders is met with an IOC limit."""
        size = format(order.base_size, "f")
        if isinstance(order, StopOrder):
            return {
                "type": "stop_limit",
                "base_size": size,
                "stop_price": format(order.stop_price, "f"),
                "limit_price": format(order.limit_price, "f"),
            }
        product = self.products[order.product_id]
        if product.accepts_market_orders:
            return {"type": "market", "base_size": size}
        return {"type": "ioc_limit", "base_size": size, "limit_price": self._ioc_price(order)}

    def _ioc_price(self, order: MarketOrder) -> str:
        """Return a limit 2 % through the last trade: it fills like a market order, or ends."""
        last = self.client.last_trade(order.product_id)
        tick = self.products[order.product_id].price_increment
        away = Decimal("1.02") if order.side is Side.BUY else Decimal("0.98")
        return format((last * away / tick).to_integral_value() * tick, "f")

    def _post(self, record: OrderRecord) -> Answer:
        """Send exactly what the ledger froze, under its id."""
        self.changes += 1
        body, size = record.body, record.base_size
        if body["type"] == "stop_limit":
            stop = StopOrder(
                record.product_id, size, Decimal(body["stop_price"]), Decimal(body["limit_price"])
            )
            return self.client.create_stop_limit_sell(record.client_id, stop)
        order = MarketOrder(record.product_id, record.key.side, size)
        if body["type"] == "ioc_limit":
            return self.client.create_ioc_limit(
                record.client_id, order, Decimal(body["limit_price"])
            )
        return self.client.create_market(record.client_id, order)

    def _after(self, record: OrderRecord, answer: Answer) -> OrderRecord:
        self._log_answer(record, answer)
        if isinstance(answer, Accepted):
            self.ledger.move(record.client_id, OrderStage.ACKED, order_id=answer.order_id)
            return self.read_back(record.client_id)
        if isinstance(answer, Refused) and not answer.exists:
            detail = f"{answer.code}: {answer.message}"
            return self.ledger.move(record.client_id, OrderStage.REFUSED, detail=detail)
        why = answer.message if isinstance(answer, Refused) else answer.why
        self.ledger.move(record.client_id, OrderStage.UNKNOWN, detail=why)
        return self.resolve(record.client_id)

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
        return record

    def _read(self, record: OrderRecord) -> OrderState | None:
        seen = self.client.order(record.order_id)
        if seen is not None:
            self.seen[record.client_id] = seen
        return seen

    def _verify(self, record: OrderRecord, seen: OrderState) -> OrderRecord:
        problem = _difference(record, seen)
        if problem:
            # A stop takes the next ordinal; anything else takes over what that order did.
            facts = {} if record.key.leg.is_stop else _fill_facts(seen)
            return self.ledger.move(record.client_id, OrderStage.MISMATCH, detail=problem, **facts)
        if seen.is_terminal:
            return self._finish(record, seen)
        moved = self.ledger.move(record.client_id, OrderStage.WORKING, **_fill_facts(seen))
        return self._note_trigger(moved, seen)

    def refresh(self, identity: str) -> OrderRecord:
        """Read an order of ours again and write down what changed."""
        record = self.ledger.state.orders[identity]
        if not record.may_be_live:
            return record
        if record.stage in (OrderStage.INTENDED, OrderStage.UNKNOWN):
            return self.resolve(identity)
        if record.stage is OrderStage.ACKED:
            return self.read_back(identity)
        seen = self._read(record)
        if seen is None:
            raise UnknownState(
                f"{record.product_id}: order {identity} ({record.order_id}) was there and is "
                "not found now; holdings and stops of this product are left as they are"
            )
        if seen.is_terminal:
            return self._finish(record, seen)
        if seen.filled_size != record.filled_size:
            self.ledger.append("facts", client_id=identity, **_fill_facts(seen))
            self._start_cooldown(self.ledger.state.orders[identity])
        return self._note_trigger(self.ledger.state.orders[identity], seen)

    def _note_trigger(self, record: OrderRecord, seen: OrderState) -> OrderRecord:
        triggered = seen.trigger_status == "STOP_TRIGGERED"
        if triggered and record.stage in (OrderStage.WORKING, OrderStage.CANCEL_SENT):
            self.note_bare(record.product_id, self.last_verified())
            return self.ledger.move(record.client_id, OrderStage.TRIGGERED)
        return record

    def _finish(self, record: OrderRecord, seen: OrderState) -> OrderRecord:
        """Write the end of an order once its fills add up to what it says was filled."""
        if seen.filled_size:
            for attempt in range(_READ_BACK_TRIES):
                if attempt:
                    self.pause(1.0)
                fills = self.client.fills([seen.order_id])
                if sum((fill.base_size for fill in fills), ZERO) == seen.filled_size:
                    break
            else:
                return self.ledger.state.orders[record.client_id]
        done = self.ledger.move(
            record.client_id, OrderStage.DONE, detail=seen.status, **_fill_facts(seen)
        )
        self._start_cooldown(done)
        return done

    def _start_cooldown(self, record: OrderRecord) -> None:
        if not (record.key.leg.ends_in_cooldown and record.filled_size):
            return
        start = (record.last_fill_at or self.now()).date()
        if self.ledger.state.cooldowns.get(record.product_id) != start:
            self.ledger.append(
                "cooldown",
                product=record.product_id,
                start=start.isoformat(),
                cause=record.client_id,
            )

    def resolve(self, identity: str) -> OrderRecord:
        """
        Find out whether an order without a proven answer exists.

        It is looked for by id in the complete list. A sale or stop of today may be sent once
        more, byte for byte, after a look-up missed it; a buy never. It is ABSENT only when a
        complete list read long enough after the last send does not hold it.
        """
        record = self.ledger.state.orders[identity]
        if record.stage is OrderStage.INTENDED:
            record = self.ledger.move(identity, OrderStage.UNKNOWN, detail="no answer on record")
        may_resend = record.key.side is Side.SELL and record.key.day == self.day
        last_send = record.intended_at
        while True:
            found = self._look_up(record)
            if found is not None:
                self.ledger.move(identity, OrderStage.ACKED, order_id=found.order_id)
                return self.read_back(identity)
            if may_resend:
                may_resend, last_send = False, self.now()
                self.ledger.append("resent", client_id=identity)
                answer = self._post(record)
                self._log_answer(record, answer)
                if isinstance(answer, Accepted):
                    self.ledger.move(identity, OrderStage.ACKED, order_id=answer.order_id)
                    return self.read_back(identity)
                continue
            if self.now() - last_send > ABSENT_AFTER:
                return self.ledger.move(identity, OrderStage.ABSENT)
            self.pause(_PATIENCE_SECONDS)

    def _look_up(self, record: OrderRecord) -> OrderState | None:
        since = record.intended_at - dt.timedelta(minutes=5)
        listed = self.client.orders(product_ids=[record.product_id], start=since)
        self.remember(listed)
        return next((seen for seen in listed if seen.client_order_id == record.client_id), None)

    def adopt(self, seen: OrderState) -> OrderRecord | None:
        """
        Take an own order into a ledger that lacks it: its state was lost, or moved elsewhere.

        Returns None for an order that is not ours or that has no size in base units.
        """
        parsed = parse_client_id(seen.client_order_id)
        if parsed is None or seen.side is None or seen.base_size is None:
            return None
        body = {"type": str(seen.kind), "base_size": format(seen.base_size, "f")}
        for name in ("stop_price", "limit_price"):
            price = getattr(seen, name)
            if price is not None:
                body[name] = format(price, "f")
        self.ledger.append(
            "intent",
            client_id=seen.client_order_id,
            day=parsed.day.isoformat(),
            product=seen.product_id,
            side=str(seen.side),
            leg=str(parsed.leg),
            ordinal=parsed.ordinal,
            body=body,
            adopted=True,
        )
        self.seen[seen.client_order_id] = seen
        acked = self.ledger.move(seen.client_order_id, OrderStage.ACKED, order_id=seen.order_id)
        if seen.is_terminal:
            return self._finish(acked, seen)
        moved = self.ledger.move(acked.client_id, OrderStage.WORKING, **_fill_facts(seen))
        return self._note_trigger(moved, seen)

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
        if record.stage not in (OrderStage.WORKING, OrderStage.TRIGGERED, OrderStage.CANCEL_SENT):
            return record
        if record.key.leg.is_stop:
            self.note_bare(record.product_id, self.now())
        if record.stage is not OrderStage.CANCEL_SENT:
            self.ledger.move(identity, OrderStage.CANCEL_SENT)
        self.changes += 1
        answer = self.client.cancel([record.order_id]).get(record.order_id)
        self.logs.write(
            "stop_updates" if record.key.leg.is_stop else "order_submit",
            action="cancel",
            product=record.product_id,
            client_id=identity,
            order_id=record.order_id,
            answer=str(answer.outcome) if answer is not None else "no answer",
            why=answer.reason if answer is not None else "",
        )
        waited = 0.0
        record = self.refresh(identity)
        while record.may_be_live and waited < _PATIENCE_SECONDS:
            self.pause(_POLL_SECONDS)
            waited += _POLL_SECONDS
            record = self.refresh(identity)
        seen = self._read(record) if record.may_be_live else None
        if seen is not None and not seen.is_terminal and not seen.pending_cancel:
            # The exchange took no cancel: the order works on as before.
            return self.ledger.move(identity, OrderStage.WORKING, detail="the cancel was not taken")
        return record

    # -- bare time -----------------------------------------------------------------------

    def note_bare(self, product_id: str, since: dt.datetime) -> None:
        """Start the clock of a position without its stop; a clock that runs goes on."""
        if product_id not in self.ledger.state.bare_since:
            self.ledger.append("bare", product=product_id, since=since.isoformat())

    def last_verified(self) -> dt.datetime:
        """
        Return when stops were last seen in order: the start of a bare time of unknown begin.

        The exchange does not tell when a stop triggered or vanished, and too long a bare time is
        the error that does no harm.
        """
        marks = [
            dt.datetime.fromisoformat(found["effects_complete"]["at"])
            for found in self.ledger.state.marks.values()
            if "effects_complete" in found
        ]
        return max(marks, default=self.now())

    def note_covered(self, product_id: str) -> None:
        """Stop that clock: a stop of the right size was read OPEN."""
        if product_id in self.ledger.state.bare_since:
            self.ledger.append("covered", product=product_id, day=self.day.isoformat())


def _difference(record: OrderRecord, seen: OrderState) -> str:
    """Return how an order at the exchange differs from what was sent, or nothing."""
    wanted: dict[str, object] = {
        "product": record.product_id,
        "side": record.key.side,
        "base_size": record.base_size,
    }
    came: dict[str, object] = {
        "product": seen.product_id,
        "side": seen.side,
        "base_size": seen.base_size,
    }
    for name in ("stop_price", "limit_price"):
        if name in record.body:
            wanted[name] = Decimal(record.body[name])
            came[name] = getattr(seen, name)
    different = [f"{n}: sent {wanted[n]}, found {came[n]}" for n in wanted if wanted[n] != came[n]]
    created = seen.created_time
    if created is not None and created < record.intended_at - CLOCK_TOLERANCE:
        different.append(f"created {created.isoformat()}, before it was intended")
    return "; ".join(different)


def _fill_facts(seen: OrderState) -> dict[str, str]:
    facts = {
        "filled_size": format(seen.filled_size, "f"),
        "filled_value": format(seen.filled_value, "f"),
        "fees": format(seen.total_fees, "f"),
    }
    if seen.last_fill_time is not None:
        facts["last_fill_at"] = seen.last_fill_time.isoformat()
    return facts

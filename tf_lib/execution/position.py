"""One position as it is read: units held and free, prices, and the stops that are seen open."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import ZERO, Holding, Product
from tf_lib.core.orders.build import floor_to
from tf_lib.errors import UnknownState
from tf_lib.exchange.freshness import READS_HOLD, Read
from tf_lib.execution.order_check import ABSENT_AFTER, alteration
from tf_lib.execution.order_sender import OrderSender
from tf_lib.store.ledger_state import OrderRecord

_HOLD_SECONDS = 2.0
_HOLD_PATIENCE = 150.0
_HOLD_IS_LATE = 30.0
_HOLD_TRIES = 6
_VISIBLE_SECONDS = 60.0
_POLL_SECONDS = 5.0
_JUST_NOW = dt.timedelta(seconds=5)
"""So long a read is as good as a new one where seconds count, if nothing was sent since."""


@dataclass(frozen=True)
class Reading:
    """Units held and last price of a product."""

    held: Decimal
    last: Decimal


@dataclass(frozen=True)
class Foreign:
    """
    What orders of others do with a product's base.

    Attributes
    ----------
    cover : Decimal
        Units under somebody else's protective stop.
    hold : Decimal
        Units that somebody else's other sells hold: unprotected, and not ours to free.
    """

    cover: Decimal = ZERO
    hold: Decimal = ZERO


class Position:
    """
    The reads that the protection of one product is judged by.

    Parameters
    ----------
    sender : OrderSender
    product_id : str
    foreign : Foreign
    known : Read of Reading or None
        What this run has just read: spares reading it again.
    is_changed : bool
        The holding is known to differ from our record: the account is believed as it is.
    """

    def __init__(
        self,
        sender: OrderSender,
        product_id: str,
        *,
        foreign: Foreign,
        known: Read[Reading] | None = None,
        is_changed: bool = False,
    ) -> None:
        self.sender = sender
        self.product_id = product_id
        self.foreign = foreign
        self.most_held = ZERO
        self._held = None if known is None else known.of(known.value.held)
        self._last = None if known is None else known.of(known.value.last)
        self._wallet_seen: Read[Holding] | None = None
        # Without a reading of this run, nothing that was read before now is believed.
        self._reads_before = sender.fresh.reads if known is None else 0
        self._is_changed = is_changed

    @property
    def product(self) -> Product:
        """The product's rules as they were read last."""
        return self.sender.products[self.product_id]

    # -- units ---------------------------------------------------------------------------

    def held(self) -> Decimal:
        """
        Return the units that are owned.

        Raises
        ------
        UnknownState
            If the account keeps contradicting our own fills: unknown is never zero.
        """
        self._held = self.sender.fresh.renewed(self._held, self._read_held)
        self.most_held = max(self.most_held, self._held.value)
        return self._held.value

    def _read_held(self) -> Decimal:
        doubt = ""
        for attempt in range(_HOLD_TRIES):
            if attempt:
                self.sender.pause(_HOLD_SECONDS)
                for order in self.sender.ledger.state.live_orders(self.product_id):
                    self.sender.refresh(order.client_id, patient=False)
            holding = self._wallet()
            doubt = self._doubt(holding)
            if not doubt:
                return holding.total
        raise UnknownState(f"{self.product_id}: {doubt}")

    def _wallet(self) -> Holding:
        found = self.sender.client.holdings().of(self.product.base_currency)
        wallet = found if found is not None else Holding(ZERO, ZERO)
        self._wallet_seen = self.sender.fresh.read(wallet)
        return wallet

    def _freed(self, wallet: Holding) -> Decimal:
        return floor_to(wallet.available, self.product.base_increment)

    def _doubt(self, holding: Holding) -> str:
        """Return why a wallet cannot be believed, or nothing."""
        state, product = self.sender.ledger.state, self.product
        if self._is_changed or state.unsettled_orders(self.product_id):
            return ""
        expected = state.expected(product.base_currency)
        if expected is None or product.base_currency not in state.confirmed:
            return self._doubt_of_first(holding)
        if abs(holding.total - expected) < product.rounding:
            return ""
        return f"our fills add up to {expected}, the account has {holding.total}"

    def _doubt_of_first(self, holding: Holding) -> str:
        """Return why a coin that was never held before cannot be gone right after it was bought."""
        sender = self.sender
        bought = sum(
            (
                order.signed_fill
                for order in sender.ledger.state.of_day(sender.day)
                if order.product_id == self.product_id and not order.adopted
            ),
            ZERO,
        )
        if holding.total > bought - self.product.rounding:
            return ""
        return f"our fills of today add up to {bought}, the account has {holding.total}"

    def coverable(self, held: Decimal) -> Decimal:
        """Return the units that are ours to protect, floored to the product's step."""
        others = self.foreign.cover + self.foreign.hold
        return floor_to(max(held - others, ZERO), self.product.base_increment)

    def ours_of(self, free: Decimal) -> Decimal:
        """Return what may be sold of free units: not those that were never ours."""
        theirs = self.sender.ledger.state.not_ours.get(self.product.base_currency, ZERO)
        kept = max(theirs - self.foreign.cover - self.foreign.hold, ZERO)
        return floor_to(max(free - kept, ZERO), self.product.base_increment)

    def await_release(self, wanted: Decimal) -> Decimal:
        """
        Wait, bounded, until a cancelled order's hold is free; return the free units, floored.

        Holds have come back two minutes late. What is free before that may be a small rest: a stop
        over it alone would leave the units of the cancelled one without any.
        """
        if self.sender.fresh.holds(self._wallet_seen, _JUST_NOW):
            free = self._freed(self._wallet_seen.value)
            if free >= wanted:
                return free
        waited = 0.0
        while True:
            free = self._freed(self._wallet())
            if free >= wanted or waited >= _HOLD_PATIENCE:
                return free
            seconds = _HOLD_SECONDS if waited < _HOLD_IS_LATE else _POLL_SECONDS
            self.sender.pause(seconds)
            waited += seconds

    # -- prices --------------------------------------------------------------------------

    def last(self) -> Decimal:
        """Return the price of the last trade: what size is dust, what a holding is worth."""
        return self._last_within(READS_HOLD)

    def last_now(self) -> Decimal:
        """Return the price of the last trade as it was seconds ago: for where a stop can rest."""
        return self._last_within(_JUST_NOW)

    def _last_within(self, age: dt.timedelta) -> Decimal:
        self._last = self.sender.fresh.renewed(
            self._last, lambda: self.sender.client.last_trade(self.product_id), age
        )
        return self._last.value

    def is_through(self, level: Decimal) -> bool:
        """Whether both the last trade and the best bid are at or below a level."""
        if self.last_now() > level:
            return False
        quote = self.sender.client.quotes([self.product_id]).get(self.product_id)
        return quote is not None and quote[0] <= level

    def accepts_sells(self) -> bool:
        """Read whether the product takes new orders now."""
        fresh = self.sender.client.products([self.product_id]).get(self.product_id)
        if fresh is None:
            return False
        self.sender.products[self.product_id] = fresh.product
        return fresh.product.is_tradable

    # -- stops ---------------------------------------------------------------------------

    def live_stops(self) -> list[OrderRecord]:
        """
        Return our stops of this product that were just read OPEN and untriggered.

        A stop that the exchange named and does not show yet may hold the base: it is waited for.

        Raises
        ------
        UnknownState
            If it never shows.
        """
        live = []
        for order in self._stops():
            record = self._resolved(order)
            if record.stage is OrderStage.ACKED:
                raise UnknownState(
                    f"{self.product_id}: the exchange took stop {record.client_id} as "
                    f"{record.order_id} and does not show it"
                )
            if self._alteration(record) == "":
                live.append(record)
        return live

    def altered_stops(self) -> list[tuple[OrderRecord, str]]:
        """Return our stops that were read resting otherwise than they were sent: edited by hand."""
        found = []
        for record in self._stops():
            problem = self._alteration(record)
            if problem:
                found.append((record, problem))
        return found

    def _alteration(self, record: OrderRecord) -> str | None:
        """Return how a resting stop differs from what was sent; None for one that rests not."""
        if record.stage is OrderStage.WORKING and self.sender.is_live_stop(record.client_id):
            return alteration(record, self.sender.seen[record.client_id].value)
        return None

    def _stops(self) -> list[OrderRecord]:
        live = self.sender.ledger.state.live_orders(self.product_id)
        return [order for order in live if order.key.leg.is_stop]

    def read(self, order: OrderRecord) -> OrderRecord:
        """Read an order, unless that was just done and nothing was sent since."""
        if self.sender.fresh.holds(self.sender.seen.get(order.client_id), after=self._reads_before):
            return order
        return self.sender.refresh(order.client_id, patient=False)

    def _resolved(self, order: OrderRecord) -> OrderRecord:
        """Read a stop until the exchange shows it, and until a cancel of ours is decided."""
        record, waited = self.read(order), 0.0
        if record.stage is OrderStage.CANCEL_SENT and self.sender.may_cancel_intact:
            record = self.sender.cancel(record.client_id)
        while waited < self._patience(record):
            self.sender.pause(_POLL_SECONDS)
            waited += _POLL_SECONDS
            record = self.sender.refresh(record.client_id, patient=False)
        return record

    def await_open(self, record: OrderRecord) -> OrderRecord:
        """Read a stop until it is seen OPEN, or is known to have become something else."""
        if record.stage is OrderStage.WORKING and self.sender.is_live_stop(record.client_id):
            return record
        return self._resolved(record) if record.may_be_live else record

    def _patience(self, record: OrderRecord) -> float:
        """Return for how long an answer about a stop is worth waiting for, in seconds."""
        if record.stage is OrderStage.ACKED:
            return _VISIBLE_SECONDS
        if record.stage is OrderStage.CANCEL_SENT:
            return ABSENT_AFTER.total_seconds() + 2 * _POLL_SECONDS
        is_seen = record.client_id in self.sender.seen
        is_open = self.sender.is_live_stop(record.client_id)
        if record.stage is OrderStage.WORKING and is_seen and not is_open:
            # Taken and not open yet, or being cancelled by somebody.
            return _VISIBLE_SECONDS
        return 0.0

    def triggered_stops(self) -> list[OrderRecord]:
        """Return our stops that triggered and did not fill."""
        found = [self.read(order) for order in self._stops()]
        return [record for record in found if record.stage is OrderStage.TRIGGERED]

    def ended_stops(self) -> list[OrderRecord]:
        """
        Return the stops of this holding that ended with units left to sell, highest level first.

        Each is judged by its own: one that was cancelled leaves its units unprotected however young
        the others are. What has been placed since one ended stands in for it.
        """
        stops = self.sender.ledger.state.stops_of_holding(self.product_id)
        placed_last = max((stop.intended_line for stop in stops), default=0)
        ended = [
            stop
            for stop in stops
            if stop.stage is OrderStage.DONE and stop.filled_size < stop.base_size
            if stop.intended_line == placed_last or stop.ended_line > placed_last
        ]
        return sorted(ended, key=lambda stop: Decimal(stop.body["stop_price"]), reverse=True)


def remaining(stops: list[OrderRecord]) -> Decimal:
    """Return the units that stops still cover."""
    return sum((stop.unfilled for stop in stops), ZERO)

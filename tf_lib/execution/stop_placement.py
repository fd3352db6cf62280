"""
Stop placement: getting one stop to rest, from where it belongs down to where it is taken.

A lack of funds is a lagging hold or a wrong size and is met by reading again; only a refusal for
the price band or by the venue leads down the ladder; what proves nothing leads nowhere
(docs/execution.md sections 4 and 7).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import ZERO, Protection, StopOrder
from tf_lib.core.orders.build import WantedStop, ceil_to, floor_to, is_dust
from tf_lib.core.orders.stops import StopPlan, limit_below, plan_stop, raised_level
from tf_lib.exchange.port import PASSING_REFUSALS, OrderStatus, RefusalKind
from tf_lib.execution.position import Position
from tf_lib.store.ledger_state import OrderRecord

_TRIES = 4
_ROUNDS = 3
_WAITS = (2.0, 5.0, 10.0)
_OLD_LEVEL = "old level again"
_NEARER = "with its limit"
_LADDER = ("5 ticks", "1 %", "2 %")
_AGAIN = PASSING_REFUSALS | {RefusalKind.FUNDS}
_SHOWN = (OrderStage.ACKED, OrderStage.WORKING)
_DOWN = frozenset({RefusalKind.BAND, RefusalKind.VENUE})


@dataclass
class Placed:
    """
    What came of trying to place a stop.

    Attributes
    ----------
    rests : bool
        It was read OPEN, or traded at once.
    how : str
        Which rung of the ladder it rests on.
    refusals : list of str
        Why each rung was not taken.
    is_proven : bool
        Every rung was provably refused, none for lack of funds.
    """

    rests: bool = False
    how: str = ""
    refusals: list[str] = field(default_factory=list)
    is_proven: bool = True

    @property
    def why(self) -> str:
        """What kept it from resting: the rungs that got the same answer are named together."""
        rungs: dict[str, list[str]] = {}
        for refusal in self.refusals:
            rung, colon, said = refusal.partition(": ")
            rungs.setdefault(said, []).append(rung if colon else refusal)
        return "; ".join(
            ", ".join(names) + f": {said}" * bool(said) for said, names in rungs.items()
        )


class StopPlacement:
    """
    Places the stops of one position.

    Parameters
    ----------
    position : Position
    protection : Protection
    """

    def __init__(self, position: Position, protection: Protection) -> None:
        self.position = position
        self.protection = protection

    @property
    def wanted(self) -> WantedStop:
        """Where the stop belongs, for the rules of the core."""
        stops = self.position.sender.config.stops
        return WantedStop.of(self.position.product, self.protection, stops)

    def is_dust(self, size: Decimal) -> bool:
        """Whether a size is too small to matter at the last price."""
        return size <= 0 or is_dust(size, self.position.product, self.position.last())

    def is_protectable(self, size: Decimal) -> bool:
        """Whether a size is no dust and the exchange would take its stop."""
        return self.wanted.is_protectable(size, self.position.last())

    def is_small_rest(self, size: Decimal, *, is_beside: bool) -> bool:
        """Whether a rest is too small for a stop of its own, beside one that protects."""
        return self.wanted.is_small_rest(size, self.position.last(), is_beside=is_beside)

    def raised_level(self, resting: Decimal) -> Decimal | None:
        """Return where a stop that rests at a level is moved up to now, or None if it stays."""
        return raised_level(resting, self.wanted, self.position.last_now())

    def plan(self, last: Decimal, size: Decimal | None = None) -> StopPlan | None:
        """Return where a stop over `size` would rest now; None for as much as is needed."""
        return plan_stop(self.wanted, last, base_size=size)

    def place(self, leg: Leg, size: Decimal, *, fallback: StopOrder | None = None) -> Placed:
        """
        Place a stop: at today's level, else at the old one, else down the ladder.

        A refusal for the price band is about the distance between stop and limit more often than
        not, and no lower level mends that: there the same level is tried with a nearer limit first.
        """
        placed = Placed()
        if not self.is_protectable(size):
            placed.refusals.append(
                f"{format(size, 'f')} is too small: a stop for {self.protection.target_level} "
                "would be worth less than the exchange takes"
            )
            placed.is_proven = False
            return placed
        for _ in range(_ROUNDS):
            again = self._go_down(leg, size, fallback, placed)
            if not again:
                break
        return placed

    def _go_down(self, leg: Leg, size: Decimal, fallback: StopOrder | None, placed: Placed) -> bool:
        """Try rung after rung; whether the price has moved and all of it is worth another try."""
        may_go_down, refusal = True, ""
        for name, order in self._candidates(size, fallback):
            is_nearer = name.startswith(_NEARER)
            if is_nearer and refusal != RefusalKind.BAND:
                continue
            if not (may_go_down or is_nearer or name == _OLD_LEVEL):
                continue
            record = self._try(leg, order)
            refusal = record.refusal
            if record.stage is OrderStage.WORKING or _traded(record):
                placed.rests, placed.how = True, name
                return False
            placed.refusals.append(f"{name}: {record.detail or record.stage}")
            if record.refusal == RefusalKind.GEOMETRY:
                return True
            if record.stage is OrderStage.REFUSED and record.refusal not in _AGAIN:
                may_go_down = may_go_down and record.refusal in _DOWN
                continue
            placed.is_proven = False
            if record.stage is not OrderStage.DONE or _failed(record):
                return False
        if not placed.refusals:
            placed.refusals.append("no level is possible")
        return False

    def _candidates(self, size: Decimal, fallback: StopOrder | None) -> list[tuple[str, StopOrder]]:
        """Return the rungs from the top: no level is above the one before."""
        last, product = self.position.last_now(), self.position.product
        found: list[tuple[str, StopOrder]] = []
        plan = self.plan(last, size)
        if plan is not None:
            clamped = plan.resting_level < plan.target_level
            name = "clamped below the market" if clamped else "at its level"
            found.append((name, plan.order(size)))
            found.extend(_nearer(plan.order(size), product.price_increment))
        if fallback is not None and fallback.stop_price < last:
            again = self._stop_at(fallback.stop_price, size, nearest=fallback.limit_price)
            found.extend([(_OLD_LEVEL, again)] if again is not None else [])
        tick = product.price_increment
        below = (last - 5 * tick, last * Decimal("0.99"), last * Decimal("0.98"))
        for name, price in zip(_LADDER, below, strict=True):
            level = floor_to(price, tick)
            if level <= tick or (found and level >= found[0][1].stop_price):
                continue
            order = self._stop_at(level, size)
            found.extend([(f"{name} below last", order)] if order is not None else [])
        return found

    def _stop_at(
        self, level: Decimal, size: Decimal, *, nearest: Decimal = ZERO
    ) -> StopOrder | None:
        """Return the stop over `size` at a level; its limit is not below `nearest`."""
        limit = limit_below(level, self.wanted, base_size=size)
        if limit is None:
            return None
        return StopOrder(self.position.product_id, size, level, max(limit, nearest))

    def _try(self, leg: Leg, order: StopOrder) -> OrderRecord:
        """Send one stop, again with another id where the answer allows it."""
        sender, waits = self.position.sender, list(_WAITS)
        record = self._until_seen(sender.send(leg, order))
        for _ in range(_TRIES - 1):
            if not _may_try_again(record):
                break
            if record.refusal == RefusalKind.FUNDS or _failed(record):
                free = self.position.await_release(order.base_size)
                if not self.is_protectable(free):
                    break
                size = min(order.base_size, free)
                order = StopOrder(order.product_id, size, order.stop_price, order.limit_price)
            elif record.stage is OrderStage.REFUSED:
                sender.pause(waits.pop(0))
            record = self._until_seen(sender.send(leg, order))
        return record

    def _until_seen(self, record: OrderRecord) -> OrderRecord:
        """Give an order that has no proven answer a moment to show."""
        for seconds in _WAITS:
            if record.stage not in (OrderStage.UNKNOWN, OrderStage.ACKED):
                break
            self.position.sender.pause(seconds)
            record = self.position.sender.refresh(record.client_id, patient=False)
        return self.position.await_open(record) if record.stage in _SHOWN else record


def _nearer(order: StopOrder, tick: Decimal) -> list[tuple[str, StopOrder]]:
    """Return the same stop with ever nearer limits: 1 %, 0.5 % and one tick below its level."""
    level, limit = order.stop_price, order.limit_price
    found = []
    for name, price in (
        ("1 %", ceil_to(level * Decimal("0.99"), tick)),
        ("0.5 %", ceil_to(level * Decimal("0.995"), tick)),
        ("one tick", level - tick),
    ):
        if limit < price < level:
            limit = price
            found.append((f"{_NEARER} {name} below", replace(order, limit_price=limit)))
    return found


def _may_try_again(record: OrderRecord) -> bool:
    """
    Whether another id may be tried: all stops together never hold more than is owned.

    One that the exchange took and does not show is not among them: it would be in the way.
    """
    if record.stage is OrderStage.REFUSED:
        return record.refusal in _AGAIN
    return _failed(record) or record.stage in (
        OrderStage.MISMATCH,
        OrderStage.UNKNOWN,
        OrderStage.ABSENT,
    )


def _failed(record: OrderRecord) -> bool:
    """Whether the exchange took an order and failed it afterwards, as it does for want of funds."""
    is_over = record.stage is OrderStage.DONE and not record.filled_size
    return is_over and record.detail == OrderStatus.FAILED


def _traded(record: OrderRecord) -> bool:
    return record.stage is OrderStage.TRIGGERED or (
        record.stage is OrderStage.DONE and record.filled_size > ZERO
    )

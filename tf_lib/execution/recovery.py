"""
Recovery: what earlier runs and other people left at the exchange, before anything new is done.

Own orders that the ledger lacks, because its state was lost or moved, are taken in.

One order that cannot be read makes its product unknown and nothing else (docs/execution.md sections
5, 6 and 9).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tf_lib.core.model.client_ids import is_own, parse_client_id
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import ZERO, Product, Protection, Side
from tf_lib.core.orders.build import floor_to
from tf_lib.errors import ExchangeError
from tf_lib.exchange.port import OrderState
from tf_lib.execution.order_check import fill_facts
from tf_lib.execution.order_sender import OrderSender
from tf_lib.execution.position import Foreign
from tf_lib.execution.reconciliation import Reconciled
from tf_lib.store.ledger_state import LedgerState, OrderRecord

_UNLISTED_SPAN = dt.timedelta(hours=48)
_STOPGAP_DISTANCE = Decimal("0.10")
_OVER_BY_PROOF = frozenset({OrderStage.ABSENT, OrderStage.REFUSED, OrderStage.MISMATCH})


@dataclass
class Learned:
    """
    What the exchange knew and the ledger did not.

    Attributes
    ----------
    open_orders : list of OrderState
        As the exchange lists them.
    rebalances : list of str
        Own orders of today's plan that the ledger lacked.
    risen : mapping of product to client id
        Orders that were thought never to have arrived.
    """

    open_orders: list[OrderState] = field(default_factory=list)
    rebalances: list[str] = field(default_factory=list)
    risen: dict[str, str] = field(default_factory=dict)


def learn(sender: OrderSender) -> Learned:
    """Read the open orders and the recent ones, and take in those of ours that the ledger lacks."""
    days = sender.config.execution_and_costs.cooldown_counter_threshold + 2
    start = dt.datetime.combine(sender.day, dt.time(), dt.UTC) - dt.timedelta(days=days)
    learned = Learned(sender.client.orders(is_open=True))
    history = _history(sender, start)
    recent = [order for order in history if _counts_since(order, start)]
    listed = {o.order_id: o for o in (*recent, *learned.open_orders)}
    sender.remember(listed.values())
    for order in sorted(listed.values(), key=lambda one: one.created_time):
        parsed = parse_client_id(order.client_order_id)
        if parsed is None:
            continue
        known = sender.ledger.state.orders.get(order.client_order_id)
        if known is None:
            adopt(sender, order)
            if parsed.day == sender.day and parsed.leg.is_rebalance:
                learned.rebalances.append(order.client_order_id)
        elif _has_risen(known, order) and known.client_id not in sender.ledger.state.risen:
            learned.risen[known.product_id] = known.client_id
    ours = sender.ledger.state.orders
    # An order that rose bought or sold what the ledger knows nothing of.
    untold = (
        o
        for o in history
        if o.client_order_id not in ours or _has_risen(ours[o.client_order_id], o)
    )
    sender.older_fills = signed_fills(untold)
    return learned


def signed_fills(history: Iterable[OrderState]) -> dict[str, Decimal]:
    """Return what the own orders of a list bought less what they sold, by product."""
    found: dict[str, Decimal] = {}
    for order in history:
        if is_own(order.client_order_id):
            signed = order.filled_size if order.side is Side.BUY else -order.filled_size
            found[order.product_id] = found.get(order.product_id, ZERO) + signed
    return found


def _history(sender: OrderSender, start: dt.datetime) -> list[OrderState]:
    """
    Return the orders of the last days, or all.

    A ledger that has seen no day to its end asks for all orders: it may have been lost, and a
    stop that was placed long ago may have filled only yesterday.
    """
    if any("effects_complete" in marks for marks in sender.ledger.state.marks.values()):
        return sender.client.orders(start=start)
    return sender.client.orders()


def _counts_since(order: OrderState, start: dt.datetime) -> bool:
    parsed = parse_client_id(order.client_order_id)
    if order.created_time >= start or parsed is None:
        return order.created_time >= start
    filled_at = order.last_fill_time or start
    return parsed.leg.ends_in_cooldown and bool(order.filled_size) and filled_at >= start


def _has_risen(known: OrderRecord, seen: OrderState) -> bool:
    """Whether an order did something that was proven never to have been taken."""
    if known.stage is OrderStage.ABSENT:
        return True
    # A refused order may be listed as failed: it did nothing.
    is_refused = known.stage is OrderStage.REFUSED
    return is_refused and not (seen.is_terminal and not seen.filled_size)


def resolve_open_orders(sender: OrderSender, *, patient: bool) -> dict[str, str]:
    """
    Bring every order that is open on record to what the exchange says of it.

    Returns
    -------
    dict of product to why
        Products of which an order cannot be read.
    """
    lost: dict[str, str] = {}
    for order in sender.ledger.state.live_orders():
        if order.product_id in lost:
            continue
        try:
            sender.refresh(order.client_id, patient=patient)
        except ExchangeError as error:
            lost[order.product_id] = str(error)
    return lost


def read_open_orders(sender: OrderSender) -> None:
    """Read the orders whose id is known; one without an answer stays open, nothing is sent."""
    for order in sender.ledger.state.live_orders():
        if order.order_id:
            sender.refresh(order.client_id)


def is_unresolved(sender: OrderSender) -> bool:
    """Whether anything may be unprotected: a running clock, or an order that is no resting stop."""
    state = sender.ledger.state
    return bool(state.bare_since or state.unsettled_orders())


def foreign_orders(
    sender: OrderSender, reconciled: Reconciled, open_orders: Sequence[OrderState]
) -> dict[str, Foreign]:
    """
    Find what orders of others hold: their protective stops cover, their other sells do not.

    The open list hides orders that are pending or queued, so where the hold of a base is more
    than the listed sells explain, everything of the last two days is looked through. An order of
    ours that was thought never to have arrived is treated like one of others.
    """
    listed = {o.order_id: o for o in open_orders}
    products = list(sender.products.values())
    unexplained = [p for p in products if _hold_exceeds(p, reconciled, listed.values())]
    if unexplained:
        since = sender.now() - _UNLISTED_SPAN
        recent = sender.client.orders([p.product_id for p in unexplained], start=since)
        listed |= {o.order_id: o for o in recent if not o.is_terminal}
    found: dict[str, Foreign] = {}
    for order in listed.values():
        if order.side is not Side.SELL or _is_ours(sender, order):
            continue
        known = found.get(order.product_id, Foreign())
        units = order.remaining or ZERO
        if order.is_live_stop:
            known = Foreign(known.cover + units, known.hold)
        else:
            known = Foreign(known.cover, known.hold + units)
        found[order.product_id] = known
    return found


def _is_ours(sender: OrderSender, order: OrderState) -> bool:
    if not is_own(order.client_order_id):
        return False
    record = sender.ledger.state.orders.get(order.client_order_id)
    return record is None or record.stage not in _OVER_BY_PROOF


def _hold_exceeds(product: Product, reconciled: Reconciled, listed: Iterable[OrderState]) -> bool:
    sells = (o for o in listed if o.product_id == product.product_id and o.side is Side.SELL)
    explained = sum((order.remaining or ZERO for order in sells), ZERO)
    return reconciled.holding(product).hold - explained >= product.base_increment


def recall_level(sender: OrderSender, product: Product, held: Decimal) -> None:
    """
    Give the ledger back the level of a holding that it has none of, or one from long ago.

    The highest own stop of this holding at the exchange, in any status, is the memory that
    outlives a lost ledger, and one that came back from a backup.
    """
    name = product.product_id
    known = sender.ledger.state.levels.get(name)
    own = [
        order
        for order in sender.client.orders([name])
        if is_own(order.client_order_id) and not _is_of_before(sender.ledger.state, order)
    ]
    stops = stops_of_this_holding(own, held, dust=product.base_min_size)
    prices = [order.stop_price for order in stops if order.stop_price is not None]
    if prices:
        level = floor_to(max(prices), product.price_increment)
        if known is None or level > known:
            sender.ledger.append("level", product=name, target_level=format(level, "f"))


def is_level_old(sender: OrderSender, name: str) -> bool:
    """Whether a stop of this holding stood above the level that the ledger remembers of it."""
    state = sender.ledger.state
    level = state.levels.get(name)
    if level is None or not sender.config.stops.ratchet:
        return False
    stops = state.stops_of_holding(name)
    return any(Decimal(stop.body["stop_price"]) > level for stop in stops)


def _is_of_before(state: LedgerState, order: OrderState) -> bool:
    """Whether an order belongs to a holding that is gone, as far as the ledger tells."""
    known, gone_at = state.orders.get(order.client_order_id), state.flat_at.get(order.product_id)
    if known is not None:
        return known.intended_line < state.flat_line.get(order.product_id, 0)
    # The ledger has forgotten it, which takes years, or it was lost for longer than days.
    return gone_at is not None and order.created_time <= gone_at


def fallback_protection(sender: OrderSender, product: Product) -> Protection:
    """
    Return a level for a holding that the day's plan says nothing of.

    In this order: the remembered level or the highest own stop of this holding, whichever is
    higher; the level of the latest plan; 10 % below the last trade. Intact stops are not moved.
    """
    state, name = sender.ledger.state, product.product_id
    plan = state.plans.get(max(state.plans), {}) if state.plans else {}
    if plan and state.flat_line.get(name, 0) > plan["line"]:
        # It speaks of another holding, by the level of that one.
        plan = {}
    planned: Mapping[str, str | float] | None = plan.get("levels", {}).get(name)
    atr = float(planned["atr"]) if planned is not None and planned["atr"] is not None else None
    # One that was found may be of an earlier holding; `recall_level` has told those apart.
    stops = [
        Decimal(order.body["stop_price"])
        for order in state.stops_of_holding(name)
        if not order.adopted or order.may_be_live
    ]
    if name in state.levels and state.levels[name] >= max(stops, default=ZERO):
        return Protection(state.levels[name], atr, may_move=False, source="ledger")
    if stops:
        # A run that died had raised some of it already: the rest is not left below.
        return Protection(max(stops), atr, may_move=False, source="own stops")
    if planned is not None:
        level = Decimal(planned["target_level"])
        return Protection(level, atr, may_move=False, source="plan")
    return stopgap(sender.client.last_trade(name), None)


def stopgap(last: Decimal, atr: float | None) -> Protection:
    """Return a level 10 % below the last trade: for a holding of which no better one is known."""
    level = last * (1 - _STOPGAP_DISTANCE)
    return Protection(level, atr, may_move=False, source="10 % below last", is_guess=True)


def adopt(sender: OrderSender, seen: OrderState) -> OrderRecord | None:
    """
    Take an own order into a ledger that lacks it, and follow it to where it stands.

    One line says that it is ours, that the exchange has it, and since when by the exchange's own
    time: killed at any moment, nobody later sends its id again or finds that it never arrived.

    Returns None for an order that is not ours or that has no size.
    """
    parsed = parse_client_id(seen.client_order_id)
    # What is sized by its money has, in base units, what it has bought.
    size = seen.filled_size if seen.quote_size is not None else seen.base_size
    if parsed is None or seen.side is None or size is None:
        return None
    body = {"type": str(seen.kind), "base_size": format(size, "f")}
    for name in ("quote_size", "stop_price", "limit_price"):
        price = getattr(seen, name)
        if price is not None:
            body[name] = format(price, "f")
    sender.ledger.append(
        "intent",
        client_id=seen.client_order_id,
        day=parsed.day.isoformat(),
        product=seen.product_id,
        side=str(seen.side),
        leg=str(parsed.leg),
        ordinal=parsed.ordinal,
        body=body,
        adopted=True,
        created_at=seen.created_time.isoformat(),
        order_id=seen.order_id,
        **fill_facts(seen),
    )
    sender.note_seen(seen.client_order_id, seen)
    acked = sender.ledger.state.orders[seen.client_order_id]
    if seen.is_terminal:
        return sender.finish(acked, seen)
    moved = sender.ledger.move(acked.client_id, OrderStage.WORKING, **fill_facts(seen))
    return sender.note_trigger(moved, seen)


def stops_of_this_holding(
    listed: Sequence[OrderState], held: Decimal, *, dust: Decimal
) -> list[OrderState]:
    """
    Return the own stops that belong to what is held now.

    Parameters
    ----------
    listed : sequence of OrderState
        Own orders of one product, in any state and order.
    held : Decimal
        Units owned now. Fills are taken back from the newest on until no more than `dust` is
        left: there this holding began. One that began elsewhere began with the oldest order.
    """
    newest_first = sorted(listed, key=lambda order: order.created_time, reverse=True)
    left, found = held, []
    for order in newest_first:
        if left <= dust:
            break
        if order.kind == "stop_limit" and order.side is Side.SELL:
            found.append(order)
        signed = order.filled_size if order.side is Side.BUY else -order.filled_size
        left -= signed or ZERO
    return found

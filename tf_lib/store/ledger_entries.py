"""
How an entry changes the ledger's state: one function for each kind of line.

A pure fold: the same lines give the same state, whoever reads them and whenever. What came before
what is told by the number of its line, and what belongs to which plan by the plan's id: the times
on the lines are for people, since no two clocks are the same.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tf_lib.core.model.client_ids import Leg, LegKey
from tf_lib.core.model.order_life import OrderStage, check_move
from tf_lib.core.model.records import ZERO, Side
from tf_lib.errors import EXIT_UNPROTECTED, StateError
from tf_lib.store.ledger_state import LedgerState, NotProtectable, OpenFlatten, OrderRecord, Pause
from tf_lib.text.tickers import base_of, quote_of


def apply_entry(state: LedgerState, line: Mapping[str, Any]) -> None:
    """Add one line; raise and change nothing when it contradicts what is there."""
    handler = _HANDLERS.get(str(line.get("kind")))
    state.lines += 1
    try:
        if handler is not None:
            handler(state, line)
    except BaseException:
        state.lines -= 1
        raise


def _with(order: OrderRecord, **changes: Any) -> OrderRecord:
    """Return a record with changes; `dataclasses.replace`, for thousands of lines."""
    changed = object.__new__(OrderRecord)
    changed.__dict__.update(order.__dict__, **changes)
    return changed


def _time(text: object) -> dt.datetime:
    return dt.datetime.fromisoformat(str(text))


def _day(text: object) -> dt.date:
    return dt.date.fromisoformat(str(text))


def _pin(state: LedgerState, line: Mapping[str, Any]) -> None:
    if state.portfolio_uuid and state.portfolio_uuid != line["portfolio_uuid"]:
        raise StateError(
            f"the ledger belongs to portfolio {state.portfolio_uuid}, "
            f"a line names {line['portfolio_uuid']}"
        )
    state.portfolio_uuid = line["portfolio_uuid"]


def _mark(state: LedgerState, line: Mapping[str, Any]) -> None:
    day = _day(line["day"])
    marks = state.marks.setdefault(day, {})
    if line["mark"] == "effects_complete" and "claimed" in marks:
        # Everything was looked at between these two marks.
        state.in_order_at = _time(marks["claimed"]["at"])
    marks[line["mark"]] = {**line, "line": state.lines}
    if line["mark"] == "done":
        is_bare = line.get("exit_code") == EXIT_UNPROTECTED
        state.in_doubt = f"the run of {day} ended with something unprotected" if is_bare else ""
    if line["mark"] == "claimed":
        state.in_doubt = f"the run of {day} did not end"
        state.attempts[day] = state.attempts.get(day, 0) + 1
        if line.get("forced"):
            # A forced run is a second set of effects: what was complete belongs to the first.
            for mark in ("effects_complete", "done"):
                state.marks[day].pop(mark, None)
            state.plans.pop(day, None)
            for found in state.traded_elsewhere(day):
                state.orders[found] = _with(state.orders[found], adopted=False)


def _plan(state: LedgerState, line: Mapping[str, Any]) -> None:
    day = _day(line["day"])
    # Every attempt makes one plan at most, and each is marked above it.
    attempt = state.attempts.get(day, 0)
    state.plans[day] = {
        **line,
        "id": f"{day}-{attempt}",
        "attempt": attempt,
        "line": state.lines,
    }


def _intent(state: LedgerState, line: Mapping[str, Any]) -> None:
    key = LegKey(_day(line["day"]), line["product"], Side(line["side"]), Leg(line["leg"]))
    known = state.orders.get(line["client_id"])
    if known is not None and known.body != line["body"]:
        raise StateError(
            f"order {line['client_id']} was written with another body: "
            f"{known.body} then {line['body']}"
        )
    if known is None:
        found = state.orders[line["client_id"]] = OrderRecord(
            client_id=line["client_id"],
            key=key,
            ordinal=int(line["ordinal"]),
            body=dict(line["body"]),
            intended_at=_time(line.get("created_at", line["at"])),
            adopted=line.get("adopted") is True,
            plan=_plan_of(state, key, line),
            intended_line=state.lines,
        )
        if line.get("order_id"):
            # Taken in: the exchange has shown it.
            _record_facts(state, found, line, {"stage": OrderStage.ACKED})
        if key.leg in (Leg.ENTRY, Leg.PILOT):
            state.bought_products.add(key.product_id)


def _plan_of(state: LedgerState, key: LegKey, line: Mapping[str, Any]) -> str:
    """Return the plan that an intent names; an older ledger's belong to the plan above them."""
    if not key.leg.is_rebalance:
        return ""
    return str(line["plan"]) if "plan" in line else state.plan_id(key.day)


def _move(state: LedgerState, line: Mapping[str, Any]) -> None:
    order = state.orders.get(line["client_id"])
    if order is None:
        raise StateError(f"a line moves order {line['client_id']}, which no line intended")
    to = check_move(order.stage, OrderStage(line["to"]), client_id=order.client_id)
    at = _time(line["at"]) if "at" in line else None
    changes: dict[str, Any] = {"stage": to}
    if to is OrderStage.CANCEL_SENT:
        changes |= {"cancel_sent": True, "cancel_sent_at": at}
    elif to is OrderStage.WORKING:
        # A cancel that was not taken is none: what ends the order later is not our doing.
        changes |= {"cancel_sent": False, "working_at": at}
    elif to is OrderStage.DONE:
        changes["ended_line"] = state.lines
    elif to is OrderStage.UNKNOWN and line.get("sent"):
        changes["resent_at"] = at
    _record_facts(state, order, line, changes)


def _sent_again(state: LedgerState, line: Mapping[str, Any]) -> None:
    """A request went out once more: that for the order, or that to cancel it."""
    order = state.orders.get(line["client_id"])
    if order is not None:
        moment = "cancel_sent_at" if line["kind"] == "cancel_repeated" else "resent_at"
        state.orders[order.client_id] = _with(order, **{moment: _time(line["at"])})


def _facts(state: LedgerState, line: Mapping[str, Any]) -> None:
    """Fills seen while the order stays where it is."""
    order = state.orders.get(line["client_id"])
    if order is None:
        raise StateError(f"a line tells of order {line['client_id']}, which no line intended")
    _record_facts(state, order, line, {})


_AMOUNTS = ("filled_size", "filled_value", "fees")
_TIMES = ("last_fill_at", "first_fill_at")
_TEXTS = ("order_id", "detail", "refusal")


def _record_facts(
    state: LedgerState, order: OrderRecord, line: Mapping[str, Any], changes: dict[str, Any]
) -> None:
    changes |= {name: Decimal(line[name]) for name in _AMOUNTS if name in line}
    changes |= {name: _time(line[name]) for name in _TIMES if line.get(name)}
    changes |= {name: line[name] for name in _TEXTS if name in line}
    if changes.get("filled_size", order.filled_size) != order.filled_size:
        changes["fill_seen_line"] = state.lines
    updated = _with(order, **changes)
    base, quote = base_of(order.product_id), quote_of(order.product_id)
    paid = updated.signed_value - order.signed_value
    for currency, gained in ((base, updated.signed_fill - order.signed_fill), (quote, -paid)):
        if gained:
            known = state.fills_since_confirmed.get(currency, ZERO)
            state.fills_since_confirmed[currency] = known + gained
    state.orders[order.client_id] = updated


def _level(state: LedgerState, line: Mapping[str, Any]) -> None:
    state.levels[line["product"]] = Decimal(line["target_level"])


def _flat(state: LedgerState, line: Mapping[str, Any]) -> None:
    """A holding that fell to dust ends what was remembered of its level and of its owner."""
    state.levels.pop(line["product"], None)
    state.not_ours.pop(base_of(line["product"]), None)
    state.flat_at[line["product"]] = _time(line["at"])
    state.flat_line[line["product"]] = state.lines


def _cooldown(state: LedgerState, line: Mapping[str, Any]) -> None:
    start = _day(line["start"])
    known = state.cooldowns.get(line["product"])
    state.cooldowns[line["product"]] = max(start, known) if known else start


def _confirmed(state: LedgerState, line: Mapping[str, Any]) -> None:
    for base, total in line["totals"].items():
        state.confirmed[base] = Decimal(total)
        state.fills_since_confirmed.pop(base, None)
        state.let_go.discard(base)


def _take_over(state: LedgerState, line: Mapping[str, Any]) -> Decimal:
    """Expect from now on what is there, whoever made the difference; return it."""
    base, units = base_of(line["product"]), Decimal(line.get("units", "0"))
    if units:
        known = state.fills_since_confirmed.get(base, ZERO)
        state.fills_since_confirmed[base] = known + units
    return units


def _locked(state: LedgerState, line: Mapping[str, Any]) -> None:
    state.locked[line["product"]] = line["why"]
    units = _take_over(state, line)
    if units:
        # What was taken away and comes back is ours again.
        base = base_of(line["product"])
        state.not_ours[base] = state.not_ours.get(base, ZERO) + units
    if line.get("missing"):
        state.missing.add(line["product"])
    if line.get("order"):
        # What is told once is released once, however long the exchange lists the order.
        state.risen.add(line["order"])


def _found(state: LedgerState, line: Mapping[str, Any]) -> None:
    """A product that was missing is listed again."""
    if line["product"] in state.missing:
        state.missing.discard(line["product"])
        state.locked.pop(line["product"], None)


def _released(state: LedgerState, line: Mapping[str, Any]) -> None:
    """Whatever the next reading shows counts; of what is missing nothing is expected any more."""
    product, base = line["product"], base_of(line["product"])
    state.locked.pop(product, None)
    state.let_go.add(base)
    for known in (state.confirmed, state.fills_since_confirmed, state.not_ours):
        known.pop(base, None)
    if product in state.missing:
        state.missing.discard(product)
        state.levels.pop(product, None)
        state.bare_since.pop(product, None)


def _renamed(state: LedgerState, line: Mapping[str, Any]) -> None:
    """Let everything that is known of a product go over to the one it became."""
    old, new, ratio = line["product"], line["to"], Decimal(line["ratio"])
    state.renamed[old] = new
    _move_units(state, base_of(old), base_of(new), ratio)
    if state.not_ours.get(base_of(new), ZERO) <= 0:
        state.locked.pop(new, None)
    state.locked.pop(old, None)
    state.missing.discard(old)
    level = state.levels.pop(old, None)
    if level is not None:
        state.levels[new] = max(level / ratio, state.levels.get(new, ZERO))
    start = state.cooldowns.pop(old, None)
    if start is not None:
        state.cooldowns[new] = max(start, state.cooldowns.get(new, start))
    since = state.bare_since.pop(old, None)
    if since is not None:
        state.bare_since.setdefault(new, since)
    if old in state.bought_products:
        state.bought_products -= {old}
        state.bought_products |= {new}


def _move_units(state: LedgerState, old: str, new: str, ratio: Decimal) -> None:
    """Expect the new coin in the place of the old one, also where it was taken for a stranger's."""
    held = state.expected(old)
    theirs = state.not_ours.pop(old, ZERO) * ratio
    for known in (state.confirmed, state.fills_since_confirmed):
        known.pop(old, None)
    if held is None:
        return
    moved = held * ratio
    arrived = min(moved, max(state.not_ours.get(new, ZERO), ZERO))
    state.not_ours[new] = state.not_ours.get(new, ZERO) - arrived + theirs
    expected = state.expected(new) or ZERO
    state.fills_since_confirmed.pop(new, None)
    state.confirmed[new] = expected + moved - arrived


def _proven(state: LedgerState, line: Mapping[str, Any]) -> None:
    state.proven_products.add(line["product"])
    state.not_protectable.pop(line["product"], None)


def _not_protectable(state: LedgerState, line: Mapping[str, Any]) -> None:
    day, known = _day(line["day"]), state.not_protectable.get(line["product"])
    since, times = (day, 1) if known is None else (known.since, known.times + 1)
    found = NotProtectable(since, day, times, line.get("why", ""))
    state.not_protectable[line["product"]] = found


def _bare(state: LedgerState, line: Mapping[str, Any]) -> None:
    state.bare_since.setdefault(line["product"], _time(line["since"]))


def _covered(state: LedgerState, line: Mapping[str, Any]) -> None:
    since = state.bare_since.pop(line["product"], None)
    if since is not None:
        key = (_day(line["day"]), line["product"])
        until = _time(line.get("until", line["at"]))
        seconds = max((until - since).total_seconds(), 0.0)
        state.bare_seconds[key] = state.bare_seconds.get(key, 0.0) + seconds
        usd_seconds = seconds * float(line.get("notional", 0))
        state.bare_usd_seconds[key] = state.bare_usd_seconds.get(key, 0.0) + usd_seconds


def _unprotected(state: LedgerState, line: Mapping[str, Any]) -> None:
    """What somebody who looked found without its stop; it stands until all is seen covered."""
    state.in_doubt = line["why"]


def _protected(state: LedgerState, line: Mapping[str, Any]) -> None:
    state.in_doubt = ""


def _paused(state: LedgerState, line: Mapping[str, Any]) -> None:
    """A pause takes the place of the one before; one that still holds began where that did."""
    day, until = _day(line["day"]), line.get("until")
    known = state.paused_on(day)
    since = day if known is None else known.since
    state.pause = Pause(since, _day(until) if until else None, line.get("why", ""))


def _resumed(state: LedgerState, line: Mapping[str, Any]) -> None:
    """Whoever wants to trade again no longer wants to be out."""
    state.pause = state.flatten = None


def _flatten(state: LedgerState, line: Mapping[str, Any]) -> None:
    """What an earlier wish left unsold is still wanted."""
    known = state.flatten or OpenFlatten((), _time(line["at"]))
    wanted = {*known.products, *line["products"]}
    state.flatten = OpenFlatten(tuple(sorted(wanted)), known.begun_at)


def _flattened(state: LedgerState, line: Mapping[str, Any]) -> None:
    if state.flatten is not None:
        left = tuple(p for p in state.flatten.products if p not in line["products"])
        state.flatten = OpenFlatten(left, state.flatten.begun_at) if left else None


_HANDLERS: Mapping[str, Callable[[LedgerState, Mapping[str, Any]], object]] = {
    "pin": _pin,
    "mark": _mark,
    "plan": _plan,
    "intent": _intent,
    "move": _move,
    "resent": _sent_again,
    "unanswered": _sent_again,
    "cancel_repeated": _sent_again,
    "facts": _facts,
    "level": _level,
    "flat": _flat,
    "cooldown": _cooldown,
    "confirmed": _confirmed,
    "adopted": _take_over,
    "locked": _locked,
    "found": _found,
    "renamed": _renamed,
    "released": _released,
    "proven": _proven,
    "not_protectable": _not_protectable,
    "bare": _bare,
    "covered": _covered,
    "unprotected": _unprotected,
    "protected": _protected,
    "paused": _paused,
    "resumed": _resumed,
    "flatten": _flatten,
    "flattened": _flattened,
}

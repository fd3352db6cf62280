"""
The checkpoint: what the ledger's first lines add up to, so that they need not be read every day.

A copy that can be thrown away at any time: the ledger stays the only truth, append-only and whole.
A checkpoint counts only if it is intact and the ledger ends, at the byte it was made at, in the
same 64 kB. Settled orders that nothing asks for any more are left out, so that neither the file
nor the time to read it grows with the years.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tf_lib.core.model.client_ids import Leg, LegKey
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import Side
from tf_lib.store.files import write_whole
from tf_lib.store.ledger_state import LedgerState, NotProtectable, OrderRecord

FILE_NAME = "ledger_checkpoint.json"
VERSION = 3
KEPT_DAYS = 400
"""Charts show the fills of 400 days; who looks back further says so."""

_SEAL_BYTES = 1 << 16
_TYPES = {one.name: str(one.type) for one in dataclasses.fields(OrderRecord)}
_AMOUNTS = tuple(name for name, kind in _TYPES.items() if kind == "Decimal")
_MOMENTS = tuple(name for name, kind in _TYPES.items() if kind.startswith("dt.datetime"))


@dataclass(frozen=True)
class Checkpoint:
    """The state after the first `lines` lines of a ledger, which end at byte `size`."""

    state: LedgerState
    lines: int
    size: int


def seal(ledger: Path, size: int) -> str:
    """Return the sha256 of the 64 kB before a byte of the ledger; nothing if it is shorter."""
    with ledger.open("rb") as file:
        begin = max(size - _SEAL_BYTES, 0)
        file.seek(begin)
        piece = file.read(size - begin)
    return hashlib.sha256(piece).hexdigest() if len(piece) == size - begin else ""


def write_checkpoint(ledger: Path, checkpoint: Checkpoint, *, oldest: dt.date) -> None:
    """Write a checkpoint beside its ledger, without orders that ended before a day."""
    state = json.dumps(_plain(_without_past(checkpoint.state, oldest)))
    content = {
        "version": VERSION,
        "lines": checkpoint.lines,
        "size": checkpoint.size,
        "seal": seal(ledger, checkpoint.size),
        "sha256": hashlib.sha256(state.encode()).hexdigest(),
        "state": state,
    }
    write_whole(ledger.with_name(FILE_NAME), json.dumps(content), durable=False)


def read_checkpoint(ledger: Path) -> Checkpoint | None:
    """Return the checkpoint of a ledger, or None when there is none that can be trusted."""
    try:
        content = json.loads(ledger.with_name(FILE_NAME).read_bytes())
        is_intact = (
            content["version"] == VERSION
            and content["sha256"] == hashlib.sha256(content["state"].encode()).hexdigest()
            and content["seal"] == seal(ledger, content["size"])
        )
        if not is_intact:
            return None
        state = _state(json.loads(content["state"]))
        return Checkpoint(state, content["lines"], content["size"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _without_past(state: LedgerState, oldest: dt.date) -> LedgerState:
    begin = dt.datetime.combine(oldest, dt.time(), dt.UTC)
    held_under = {
        stop.client_id
        for product in {order.product_id for order in state.orders.values()}
        for stop in state.stops_of_holding(product)
    }
    return dataclasses.replace(
        state,
        orders={
            identity: order
            for identity, order in state.orders.items()
            if order.may_be_live or identity in held_under or _last_told(order) >= begin
        },
        marks={day: marks for day, marks in state.marks.items() if day >= oldest},
        attempts={day: count for day, count in state.attempts.items() if day >= oldest},
        plans={day: state.plans[day] for day in sorted(state.plans)[-1:]},
        bare_seconds={k: v for k, v in state.bare_seconds.items() if k[0] >= oldest},
        bare_usd_seconds={k: v for k, v in state.bare_usd_seconds.items() if k[0] >= oldest},
    )


def _last_told(order: OrderRecord) -> dt.datetime:
    return max(order.last_sent_at, order.last_fill_at or order.intended_at)


# -- to plain values and back ----------------------------------------------------------------


def _plain(state: LedgerState) -> dict[str, Any]:
    return {
        "lines": state.lines,
        "portfolio_uuid": state.portfolio_uuid,
        "orders": [_plain_order(order) for order in state.orders.values()],
        "marks": _by_day(state.marks),
        "attempts": _by_day(state.attempts),
        "plans": _by_day(state.plans),
        "levels": _texts(state.levels),
        "cooldowns": _texts(state.cooldowns),
        "confirmed": _texts(state.confirmed),
        "fills_since_confirmed": _texts(state.fills_since_confirmed),
        "locked": state.locked,
        "not_ours": _texts(state.not_ours),
        "missing": sorted(state.missing),
        "let_go": sorted(state.let_go),
        "renamed": state.renamed,
        "risen": sorted(state.risen),
        "proven_products": sorted(state.proven_products),
        "bought_products": sorted(state.bought_products),
        "not_protectable": {
            name: [str(one.since), str(one.day), one.times, one.why]
            for name, one in state.not_protectable.items()
        },
        "bare_since": _texts(state.bare_since),
        "bare_seconds": [[str(day), name, n] for (day, name), n in state.bare_seconds.items()],
        "bare_usd_seconds": [
            [str(day), name, n] for (day, name), n in state.bare_usd_seconds.items()
        ],
        "flat_at": _texts(state.flat_at),
        "flat_line": state.flat_line,
        "in_doubt": state.in_doubt,
        "in_order_at": None if state.in_order_at is None else state.in_order_at.isoformat(),
    }


def _plain_order(order: OrderRecord) -> dict[str, Any]:
    found = {
        name: value
        for name, value in order.__dict__.items()
        if value not in (None, "", False) and name != "key"
    }
    found |= {name: str(found[name]) for name in (*_AMOUNTS, "stage") if name in found}
    found |= {name: found[name].isoformat() for name in _MOMENTS if name in found}
    key = order.key
    return found | {"key": [str(key.day), key.product_id, str(key.side), str(key.leg)]}


def _order(record: Mapping[str, Any]) -> OrderRecord:
    day, product, side, leg = record["key"]
    found = dict(record)
    found["key"] = LegKey(dt.date.fromisoformat(day), product, Side(side), Leg(leg))
    found["stage"] = OrderStage(found["stage"])
    found |= {name: Decimal(found[name]) for name in _AMOUNTS if name in found}
    found |= {name: _moment(found[name]) for name in _MOMENTS if name in found}
    return OrderRecord(**found)


def _state(plain: Mapping[str, Any]) -> LedgerState:
    orders = (_order(record) for record in plain["orders"])
    return LedgerState(
        lines=plain["lines"],
        portfolio_uuid=plain["portfolio_uuid"],
        orders={order.client_id: order for order in orders},
        marks={_day(day): marks for day, marks in plain["marks"].items()},
        attempts={_day(day): count for day, count in plain["attempts"].items()},
        plans={_day(day): found for day, found in plain["plans"].items()},
        levels=_decimals(plain["levels"]),
        cooldowns=_days(plain["cooldowns"]),
        confirmed=_decimals(plain["confirmed"]),
        fills_since_confirmed=_decimals(plain["fills_since_confirmed"]),
        locked=dict(plain["locked"]),
        not_ours=_decimals(plain["not_ours"]),
        missing=set(plain["missing"]),
        let_go=set(plain["let_go"]),
        renamed=dict(plain["renamed"]),
        risen=set(plain["risen"]),
        proven_products=set(plain["proven_products"]),
        bought_products=set(plain["bought_products"]),
        not_protectable={
            name: NotProtectable(_day(since), _day(day), times, why)
            for name, (since, day, times, why) in plain["not_protectable"].items()
        },
        bare_since=_moments(plain["bare_since"]),
        bare_seconds=_by_day_and_name(plain["bare_seconds"]),
        bare_usd_seconds=_by_day_and_name(plain["bare_usd_seconds"]),
        flat_at=_moments(plain["flat_at"]),
        flat_line=dict(plain["flat_line"]),
        in_doubt=plain.get("in_doubt", ""),
        in_order_at=None if plain["in_order_at"] is None else _moment(plain["in_order_at"]),
    )


def _by_day(found: Mapping[dt.date, Any]) -> dict[str, Any]:
    return {str(day): value for day, value in found.items()}


def _texts(found: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value.isoformat() if isinstance(value, dt.date) else str(value)
        for name, value in found.items()
    }


def _decimals(found: Mapping[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in found.items()}


def _days(found: Mapping[str, str]) -> dict[str, dt.date]:
    return {name: _day(text) for name, text in found.items()}


def _moments(found: Mapping[str, str]) -> dict[str, dt.datetime]:
    return {name: _moment(text) for name, text in found.items()}


def _by_day_and_name(rows: Iterable[tuple[str, str, float]]) -> dict[tuple[dt.date, str], float]:
    return {(_day(day), name): number for day, name, number in rows}


def _day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)

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
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from tf_lib.store.files import write_whole
from tf_lib.store.ledger_state import LedgerState, OrderRecord

CHECKPOINT_FILE = "ledger_checkpoint.json"
VERSION = 6
"""Goes up with every kind of line that is new: what an older program did not know is not in it."""
KEPT_DAYS = 400
"""Charts show the fills of 400 days; who looks back further says so."""

_SEAL_BYTES = 1 << 16
_PLAIN = TypeAdapter(LedgerState)


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
    kept = _without_past(checkpoint.state, oldest)
    state = json.dumps(_PLAIN.dump_python(kept, mode="json", exclude_defaults=True))
    content = {
        "version": VERSION,
        "lines": checkpoint.lines,
        "size": checkpoint.size,
        "seal": seal(ledger, checkpoint.size),
        "sha256": hashlib.sha256(state.encode()).hexdigest(),
        "state": state,
    }
    write_whole(ledger.with_name(CHECKPOINT_FILE), json.dumps(content), durable=False)


def read_checkpoint(ledger: Path) -> Checkpoint | None:
    """Return the checkpoint of a ledger, or None when there is none that can be trusted."""
    try:
        content = json.loads(ledger.with_name(CHECKPOINT_FILE).read_bytes())
        is_intact = (
            content["version"] == VERSION
            and content["sha256"] == hashlib.sha256(content["state"].encode()).hexdigest()
            and content["seal"] == seal(ledger, content["size"])
        )
        if not is_intact:
            return None
        state = _PLAIN.validate_python(json.loads(content["state"]))
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

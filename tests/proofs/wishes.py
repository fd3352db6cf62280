"""
Wishes: what somebody asked for by hand, against what was sent.

A part of the oracle, so it imports nothing of ``tf_lib``: a pause and a flatten are read from the
ledger's lines as text, what was done from the exchange's own file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.oracle.exchange_state import ExchangeState

WITHHELD_LEGS = ("en", "pi", "tr")
Line = Mapping[str, Any]


def against_wishes(lines: Sequence[Line], exchange: ExchangeState) -> Iterator[str]:
    """Yield what was sent in a pause, and sales beyond the plan of a flatten."""
    yield from _paused(lines)
    yield from _beyond_a_flatten(lines, exchange)


def _paused(lines: Sequence[Line]) -> Iterator[str]:
    """While a pause holds, no entry, addition or trim is sent, nor sent again."""
    pause: Line | None = None
    intents = {line["client_id"]: line for line in lines if line["kind"] == "intent"}
    for line in lines:
        if line["kind"] in ("paused", "resumed"):
            pause = line if line["kind"] == "paused" else None
        if line["kind"] not in ("intent", "resent") or line.get("adopted"):
            continue
        intent = intents[line["client_id"]]
        holds = pause is not None and intent["day"] < pause.get("until", "9999-12-31")
        if holds and intent["leg"] in WITHHELD_LEGS:
            yield f"paused: {intent['client_id']} was sent in a pause ({line['kind']})"


def _beyond_a_flatten(lines: Sequence[Line], exchange: ExchangeState) -> Iterator[str]:
    """No plan of a flatten sells more than itself, whatever other plans of the day there are."""
    of_plan = {x["client_id"]: x.get("plan") for x in lines if x["kind"] == "intent"}
    for line in lines:
        if line["kind"] == "flatten_plan":
            size = sum((Decimal(row["base_size"]) for row in line["orders"]), Decimal(0))
            own = (o for o in exchange.orders if of_plan.get(o.client_id) == line["id"])
            filled = sum((order.filled for order in own), Decimal(0))
            if filled > size:
                yield f"overfilled: {line['id']}: {filled} sold, {size} planned"

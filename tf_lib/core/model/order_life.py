"""
The life of one order as a table: what may follow what.

An order is written down before it is sent, so the first state already means *possibly sent*.
A partial fill is a quantity and "protected" is derived from reads; neither is a state here.
`docs/order_life.md` is generated from this table.
"""

from __future__ import annotations

from enum import StrEnum

from tf_lib.errors import TfError


class OrderStage(StrEnum):
    """Where an order of ours stands, as far as we have proof."""

    INTENDED = "INTENDED"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"
    ABSENT = "ABSENT"
    ACKED = "ACKED"
    WORKING = "WORKING"
    MISMATCH = "MISMATCH"
    TRIGGERED = "TRIGGERED"
    CANCEL_SENT = "CANCEL_SENT"
    DONE = "DONE"


_S = OrderStage

TRANSITIONS: dict[OrderStage, frozenset[OrderStage]] = {
    # On disk and possibly sent.
    _S.INTENDED: frozenset({_S.REFUSED, _S.UNKNOWN, _S.ACKED}),
    # No proof either way; only a look-up decides.
    _S.UNKNOWN: frozenset({_S.ACKED, _S.ABSENT}),
    # The exchange named an order id; it must be read back before it counts.
    _S.ACKED: frozenset({_S.WORKING, _S.MISMATCH, _S.DONE}),
    _S.WORKING: frozenset({_S.TRIGGERED, _S.CANCEL_SENT, _S.DONE}),
    # A refused cancel leaves the order working; a fill may beat the cancel.
    _S.CANCEL_SENT: frozenset({_S.WORKING, _S.TRIGGERED, _S.DONE}),
    _S.TRIGGERED: frozenset({_S.CANCEL_SENT, _S.DONE}),
    _S.REFUSED: frozenset(),
    _S.ABSENT: frozenset(),
    _S.MISMATCH: frozenset(),
    _S.DONE: frozenset(),
}

SETTLED = frozenset(stage for stage, following in TRANSITIONS.items() if not following)
"""Stages that nothing follows."""

MAY_BE_LIVE = frozenset(TRANSITIONS) - SETTLED
"""Stages in which the exchange may hold or fill the order."""


class IllegalMove(TfError):
    """An order was asked to go where the table does not let it."""


def check_move(stage: OrderStage, to: OrderStage, *, client_id: str) -> OrderStage:
    """
    Return `to` if an order in `stage` may go there.

    Raises
    ------
    IllegalMove
        Naming the order and both stages; the caller must not have changed anything yet.
    """
    if to not in TRANSITIONS[stage]:
        allowed = ", ".join(sorted(TRANSITIONS[stage])) or "nothing: its end is known"
        raise IllegalMove(f"order {client_id}: {stage} may become {allowed}; asked for {to}")
    return to

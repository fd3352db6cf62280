"""The life of an order: the table of the design, and nothing beside it."""

from __future__ import annotations

import itertools

import pytest

from tf_lib.core.model.order_life import (
    MAY_BE_LIVE,
    SETTLED,
    TRANSITIONS,
    IllegalMove,
    OrderStage,
    check_move,
)

# docs/execution.md section 3, written once more.
ALLOWED = {
    "INTENDED": "REFUSED UNKNOWN ACKED",
    "UNKNOWN": "ACKED ABSENT",
    "ACKED": "WORKING MISMATCH DONE",
    "WORKING": "TRIGGERED CANCEL_SENT DONE",
    "CANCEL_SENT": "WORKING TRIGGERED DONE",
    "TRIGGERED": "CANCEL_SENT DONE",
    "REFUSED": "",
    "ABSENT": "",
    "MISMATCH": "",
    "DONE": "",
}
PAIRS = list(itertools.product(OrderStage, OrderStage))


def test_every_stage_is_in_the_table() -> None:
    """Ten stages, four of them final."""
    assert {str(stage) for stage in TRANSITIONS} == set(ALLOWED) == {str(s) for s in OrderStage}
    assert {str(s) for s in SETTLED} == {"REFUSED", "ABSENT", "MISMATCH", "DONE"}
    assert set(OrderStage) == MAY_BE_LIVE | SETTLED
    assert not MAY_BE_LIVE & SETTLED


@pytest.mark.parametrize(("stage", "to"), PAIRS, ids=lambda one: str(one))
def test_move(stage: OrderStage, to: OrderStage) -> None:
    """Allowed ones pass; all others raise, naming order and both stages."""
    if str(to) in ALLOWED[str(stage)].split():
        assert check_move(stage, to, client_id="tf1-x") is to
    else:
        with pytest.raises(IllegalMove, match=rf"order tf1-x: {stage} may become .*asked for {to}"):
            check_move(stage, to, client_id="tf1-x")


def test_every_live_stage_can_end() -> None:
    """From each a way leads to an end, and none leads on from there."""
    can_end = set(SETTLED)
    for _ in OrderStage:
        can_end |= {stage for stage, following in TRANSITIONS.items() if following & can_end}

    assert can_end == set(OrderStage)

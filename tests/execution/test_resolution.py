"""What becomes of an order without an answer, step by step and without a clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import pytest

from tf_lib.execution.order_check import ABSENT, ABSENT_AFTER, Heard, Step, resolution

NOTHING = Heard()
LATE = Heard(silent_for=ABSENT_AFTER + dt.timedelta(microseconds=1))
JUST_NOT_LATE = Heard(silent_for=ABSENT_AFTER)
MAY_GO = Heard(may_resend=True)
THERE = Heard(order_id="o-1")


def told(
    answers: Iterable[Heard], *, patient: bool = True, is_adopted: bool = False
) -> tuple[list[Step], str | None]:
    """Return the steps that were asked for and the verdict; open while there are no answers."""
    steps = resolution(patient=patient, is_adopted=is_adopted)
    asked = [next(steps)]
    try:
        for answer in answers:
            asked.append(steps.send(answer))
    except StopIteration as end:
        return asked, end.value
    return asked, "open"


@pytest.mark.parametrize(
    ("answers", "asked", "verdict"),
    [
        ([THERE], ["look"], "o-1"),
        ([LATE], ["look"], ABSENT),
        ([JUST_NOT_LATE, NOTHING, LATE], ["look", 1.0, "look"], ABSENT),
        ([NOTHING, NOTHING, THERE], ["look", 1.0, "look"], "o-1"),
        ([MAY_GO, THERE], ["look", "resend"], "o-1"),
        ([MAY_GO, NOTHING, THERE], ["look", "resend", "look"], "o-1"),
        ([MAY_GO, NOTHING, MAY_GO, NOTHING, LATE], ["look", "resend", "look", 1.0, "look"], ABSENT),
        ([Heard(silent_for=LATE.silent_for, may_resend=True)], ["look"], ABSENT),
    ],
)
def test_it_is_looked_for_before_and_after_it_is_sent_again(
    answers: list[Heard], asked: list[Step], verdict: str
) -> None:
    """Once more at most; absent only by a list that was read late enough."""
    assert told(answers) == (asked, verdict)


def test_it_waits_ever_longer() -> None:
    """Half a minute in all, then every half minute."""
    asked, verdict = told([NOTHING] * 14)

    assert asked[1::2] == [1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0]
    assert (set(asked[::2]), verdict) == ({"look"}, "open")


@pytest.mark.parametrize(("answer", "steps"), [(NOTHING, 1), (JUST_NOT_LATE, 1)])
def test_without_patience_it_stays_open(answer: Heard, steps: int) -> None:
    """One look, and nothing is waited for."""
    assert told([answer], patient=False) == (["look"] * steps, None)


def test_an_adopted_order_is_never_absent() -> None:
    """The exchange has shown it: that it is not listed proves nothing."""
    assert told([LATE], is_adopted=True) == (["look", 1.0], "open")
    assert told([LATE], is_adopted=True, patient=False) == (["look"], None)

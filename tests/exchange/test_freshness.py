"""For how long a read counts."""

from __future__ import annotations

import datetime as dt

from tf_lib.exchange.freshness import READS_HOLD, Freshness, Read

NOON = dt.datetime(2024, 3, 1, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


class Clock:
    """A time that is set by hand."""

    now = NOON

    def __call__(self) -> dt.datetime:
        return self.now


def test_a_read_holds_for_half_a_minute_and_until_the_next_send() -> None:
    """To the second, and not beyond."""
    clock = Clock()
    fresh = Freshness(clock)
    read = fresh.read("price")
    clock.now = NOON + READS_HOLD
    is_young = fresh.holds(read)
    clock.now += SECOND
    is_old = fresh.holds(read)
    clock.now = NOON
    fresh.changed()

    assert (is_young, is_old, fresh.holds(read), fresh.holds(None)) == (True, False, False, False)
    assert fresh.is_young(read, SECOND)


def test_what_was_read_before_a_moment_can_be_told_apart() -> None:
    """By the number of reads: a clock may stand still."""
    fresh = Freshness(Clock())
    first = fresh.read(1)
    moment = fresh.reads
    second = fresh.read(2)

    assert [fresh.holds(one, after=moment) for one in (first, second)] == [False, True]


def test_nothing_is_asked_while_the_last_answer_holds() -> None:
    """Asked once, once more when it is old, and what goes with a read is as old as that."""
    clock, answers = Clock(), iter([1, 2])
    fresh = Freshness(clock)
    known: Read[int] | None = None
    values = []
    for seconds in (0, 30, 31):
        clock.now = NOON + seconds * SECOND
        known = fresh.renewed(known, lambda: next(answers))
        values.append(known.value)

    assert values == [1, 1, 2]
    assert known is not None
    assert fresh.holds(known.of("another"))
    assert fresh.read(3, at=NOON).at == NOON

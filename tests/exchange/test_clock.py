"""Whose time it is, and how far it is off."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

import pytest

from tests.exchange.canned_exchange import Canned, Edge
from tf_lib.errors import ParameterError
from tf_lib.exchange.clock import HeardTime, clock_offset, now_source

NOON = dt.datetime(2024, 3, 1, 12, tzinfo=dt.UTC)


def test_the_offset_is_measured_at_the_middle_of_the_request(edge: Edge) -> None:
    """Asked at 11:59:58, answered at 12:00:00, the exchange says 12:00:01: two seconds ahead."""
    edge.get("/time", {"epochMillis": str(int(NOON.timestamp() + 1) * 1000)})
    ticks = iter([NOON - dt.timedelta(seconds=2), NOON])

    assert clock_offset(edge.client.line, wall=lambda: next(ticks)) == 2.0


def test_now_comes_from_the_exchange_when_asked_for(edge: Edge) -> None:
    """From one read, and on with this machine's steady clock."""
    edge.get("/time", {"epochMillis": str(int(NOON.timestamp()) * 1000)})
    now = now_source("exchange", edge.client.line)

    assert 0 <= (now() - NOON).total_seconds() < 5
    assert len(edge.seen) == 1


def test_an_exchange_that_tells_its_time_is_believed_with_every_answer(edge: Edge) -> None:
    """A simulated clock may stand still between requests."""
    later = NOON + dt.timedelta(hours=3)
    body = {"epochMillis": str(int(NOON.timestamp()) * 1000)}
    told = [
        Canned(body, headers=(("x-exchange-time", t.isoformat()), ("x-exchange-clock", "standing")))
        for t in (NOON, later)
    ]
    edge.get("/time", *told)
    now = now_source("exchange", edge.client.line)
    first = [now(), now()]
    edge.client.line.server_time()

    assert first == [NOON, NOON]
    assert now() == later


def test_the_wall_clock_is_what_the_answers_told(edge: Edge) -> None:
    """Asked for once if nobody has told it, however wrong the machine's own time is."""
    edge.get("/time", {"epochMillis": str(int(NOON.timestamp()) * 1000)})
    edge.client.line.heard_time.hear(NOON - dt.timedelta(seconds=4))
    now = now_source("wall", edge.client.line)
    first = now()
    edge.client.line.server_time()

    assert 0 <= (first - (NOON - dt.timedelta(seconds=4))).total_seconds() < 4
    assert NOON <= now() < NOON + dt.timedelta(seconds=5)
    assert len(edge.seen) == 1


class Running:
    """A clock of the machine that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_what_is_heard_never_runs_backwards() -> None:
    """Late answers and whole seconds prove less than what is known; they change nothing."""
    running = Running()
    heard = HeardTime(running=running)
    told, seen = [0.9, 0.0, 1.0, 1.0, 3.2, 2.0, 2.9], []
    for late in told:
        heard.hear(NOON + dt.timedelta(seconds=late))
        seen.append(heard.now())
        running.seconds += 0.25

    assert seen == sorted(seen)
    assert seen[0] == NOON + dt.timedelta(seconds=0.9)
    assert seen[4] == NOON + dt.timedelta(seconds=3.2)
    assert seen[-1] == NOON + dt.timedelta(seconds=3.7)


def test_one_answer_alone_does_not_move_the_clock_far() -> None:
    """A proxy writes what it likes; a machine that slept hears it again with the next answer."""
    heard = HeardTime(running=Running())
    heard.hear(NOON)
    heard.hear(NOON + dt.timedelta(days=900))
    heard.hear(NOON)
    after_one = heard.now()
    for _ in range(2):
        heard.hear(NOON + dt.timedelta(hours=2))

    assert after_one == NOON
    assert heard.now() == NOON + dt.timedelta(hours=2)


def test_the_real_exchange_does_not_tell_the_time() -> None:
    """Its day is the world's; a wrong answer would move ours."""

    class Real:
        host = "api.coinbase.com"
        heard_time = HeardTime()

        def server_time(self) -> dt.datetime:
            raise AssertionError("asked")

        def listen(self, hear: Callable[[Mapping[str, str]], None]) -> None:
            raise AssertionError("listened")

    with pytest.raises(ParameterError, match="refused for the real host"):
        now_source("exchange", Real())

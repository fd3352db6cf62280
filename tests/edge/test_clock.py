"""Whose time it is, and how far it is off."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

import pytest

from tests.edge.canned_exchange import Canned, CannedExchange
from tf_lib.edge.clock import clock_offset, now_source, wall_now
from tf_lib.edge.coinbase import Coinbase
from tf_lib.errors import ParameterError

NOON = dt.datetime(2024, 3, 1, 12, tzinfo=dt.UTC)


def test_the_offset_is_measured_at_the_middle_of_the_request(
    canned: CannedExchange, client: Coinbase
) -> None:
    """Asked at 11:59:58, answered at 12:00:00, the exchange says 12:00:01: two seconds ahead."""
    canned.answer("GET", "/time", {"epochMillis": str(int(NOON.timestamp() + 1) * 1000)})
    ticks = iter([NOON - dt.timedelta(seconds=2), NOON])

    assert clock_offset(client, wall=lambda: next(ticks)) == 2.0


def test_now_comes_from_the_exchange_when_asked_for(
    canned: CannedExchange, client: Coinbase
) -> None:
    """From one read, and on with this machine's steady clock."""
    canned.answer("GET", "/time", {"epochMillis": str(int(NOON.timestamp()) * 1000)})
    now = now_source("exchange", client)

    assert 0 <= (now() - NOON).total_seconds() < 5
    assert len(canned.seen) == 1


def test_an_exchange_that_tells_its_time_is_believed_with_every_answer(
    canned: CannedExchange, client: Coinbase
) -> None:
    """A simulated clock may stand still between requests."""
    later = NOON + dt.timedelta(hours=3)
    body = {"epochMillis": str(int(NOON.timestamp()) * 1000)}
    told = [
        Canned(body, headers=(("x-exchange-time", t.isoformat()), ("x-exchange-clock", "standing")))
        for t in (NOON, later)
    ]
    canned.answer("GET", "/time", *told)
    now = now_source("exchange", client)
    first = [now(), now()]
    client.server_time()

    assert first == [NOON, NOON]
    assert now() == later


def test_the_wall_clock_asks_nobody(canned: CannedExchange, client: Coinbase) -> None:
    """And is aware."""
    now = now_source("wall", client)()

    assert now.tzinfo is dt.UTC
    assert abs((now - wall_now()).total_seconds()) < 5
    assert canned.seen == []


def test_the_real_exchange_does_not_tell_the_time() -> None:
    """Its day is the world's; a wrong answer would move ours."""

    class Real:
        host = "api.coinbase.com"

        def server_time(self) -> dt.datetime:
            raise AssertionError("asked")

        def listen(self, hear: Callable[[Mapping[str, str]], None]) -> None:
            raise AssertionError("listened")

    with pytest.raises(ParameterError, match="refused for the real host"):
        now_source("exchange", Real())

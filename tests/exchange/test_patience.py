"""Patience ends: by the clock, by what was waited, and never inside itself."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tf_lib.errors import RetryableError
from tf_lib.exchange.patience import Patience

START = dt.datetime(2024, 3, 11, 0, 1, tzinfo=dt.UTC)


class Clock:
    """A clock that goes on by waiting, or stands still although it is waited for."""

    def __init__(self, *, stands_still: bool = False) -> None:
        self.now = START
        self.waited: list[float] = []
        self._stands_still = stands_still

    def pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        if not self._stands_still:
            self.now += dt.timedelta(seconds=seconds)


def patience(clock: Clock, minutes: float, **options: Any) -> Patience:
    until = START + dt.timedelta(minutes=minutes)
    return Patience(until=until, now=lambda: clock.now, pause=clock.pause, **options)


def used_up(found: Patience, **tried: float) -> int:
    """Wait until there is no patience left; return how often."""
    tries = 0
    while found.wait("503", **tried):
        tries += 1
        assert tries < 10_000
    return tries


@pytest.mark.parametrize("minutes", [5, 10])
def test_until_a_moment_and_not_a_second_longer(minutes: int) -> None:
    """By the clock, with jitter."""
    clock = Clock()
    used_up(patience(clock, minutes, most=3600))

    assert clock.now == START + dt.timedelta(minutes=minutes)
    assert len(set(clock.waited)) > 10


def test_three_minutes_at_least() -> None:
    """Also when the moment has passed already."""
    clock = Clock()
    used_up(patience(clock, -30, most=3600))

    assert sum(clock.waited) == pytest.approx(180)


def test_a_clock_that_stands_still_ends_too() -> None:
    """By what was waited."""
    clock = Clock(stands_still=True)
    used_up(patience(clock, 60, most=300))

    assert sum(clock.waited) == pytest.approx(300)


def test_an_exchange_that_hangs_uses_it_up() -> None:
    """What a try took counts."""
    clock = Clock()
    assert used_up(Patience(pause=clock.pause), tried_seconds=25) < 8


def test_waiting_that_fails_is_not_waited_for() -> None:
    """Where to wait takes a request, that request is made once."""

    def pause(seconds: float) -> None:
        assert not found.wait("the request to wait")
        raise RetryableError("503")

    found = Patience(pause=pause)
    with pytest.raises(RetryableError):
        found.wait("503")


def test_one_word_for_each_storm() -> None:
    """Not one for each try; the next storm is told of anew."""
    said: list[str] = []
    found = Patience(pause=lambda seconds: found.answered(), tell=said.append)
    for storm in ("first", "second"):
        for _ in range(3):
            found.wait(storm)
        found.answered()

    assert said == ["first", "second"]

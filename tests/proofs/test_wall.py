"""The machines of the proofs: what their clocks say, and that a clock that falls back is seen."""

from __future__ import annotations

import json

import pytest

from tests.proofs.wall import SETTINGS, Machine, goes_back, setting_of_world


def test_a_machine_is_ahead_drifts_and_is_set_in_mid_run() -> None:
    seconds = iter([100.0, 101.0, 104.0])
    clock = Machine(0.5, drift=0.1, step=-3.0, step_after=2.0)._clock(lambda: next(seconds))
    assert clock() == pytest.approx(101.6)
    assert clock() == pytest.approx(100 + 4.4 + 0.5 - 3)


def test_a_line_dated_before_the_one_above_is_found_and_a_torn_one_is_no_line() -> None:
    times = ("2024-01-01T00:01:02", "2024-01-01T00:01:02", "2024-01-01T00:01:01.600")
    rows = [json.dumps({"seq": n, "at": f"{at}+00:00"}) for n, at in enumerate(times, start=1)]
    assert not goes_back("\n".join([*rows[:2], '{"seq": 3, "a']).encode())
    (found,) = goes_back("\n".join(rows).encode())
    assert found.startswith("clock: line 3 of the ledger is dated 0.400 s before")


def test_every_third_world_lives_by_the_wall_clock_and_machines_differ() -> None:
    worlds = [setting_of_world(number) for number in range(1, 301)]
    on_machines = [one for one in worlds if one is not None]
    assert len(on_machines) == 100
    assert set(SETTINGS.values()) <= set(on_machines)

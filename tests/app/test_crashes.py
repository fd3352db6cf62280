"""
Killed in the middle: SIGKILL at points of a busy day, then a rerun, or `protect` and a rerun.

The points are read off an undisturbed run: every line of the ledger and every changing request,
before and after, and lines of which half is on disk. A seeded dozen is tried here; with
TF_SLOW=1 every point.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import (
    BUSY_DAY,
    BUSY_EVE,
    BUSY_MORROW,
    BUSY_UNIVERSE,
    PROJECT,
    Profile,
    write_parameters,
)

EVE, DAY, MORROW = BUSY_EVE, BUSY_DAY, BUSY_MORROW
KILLED = -9
SEED, HOW_MANY = 20240311, 12


class ForkServer:
    """Commands in forked children of one warm process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.app.fork_server"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == {"ready": True}

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def call(self, profile: Profile, name: str, *arguments: str, **point: Any) -> tuple[int, str]:
        """Return exit code (negative: the signal) and what was said."""
        assert self._process.stdin is not None
        said = profile.runs.with_name("said.txt")
        said.unlink(missing_ok=True)
        order = {"arguments": [name, *profile.options(), *arguments], "said": str(said)}
        self._process.stdin.write(json.dumps(order | point) + "\n")
        self._process.stdin.flush()
        code = self._answer()["code"]
        return code, said.read_text(encoding="utf-8") if said.exists() else ""

    def run(self, profile: Profile, day: str, **point: Any) -> tuple[int, str]:
        return self.call(profile, "run", "--date", day, "--no-notebook", **point)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(timeout=30) == 0
        self._process.stdout.close()


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    with contextlib.closing(ForkServer()) as server:
        yield server


@pytest.fixture(scope="session")
def eve(forks: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Return a profile on the evening before the busy day."""
    folder = tmp_path_factory.mktemp("eve")
    config = write_parameters(folder / "busy.yaml", universe=BUSY_UNIVERSE)
    profile = Profile(config, folder / "runs")
    code, said = forks.run(profile, EVE)
    assert code == 0, said
    return profile


@pytest.fixture(scope="session")
def undisturbed(forks: ForkServer, eve: Profile) -> tuple[Profile, list[str]]:
    """Return the busy day as it goes when nobody is killed, and its points."""
    profile = eve.copied(eve.runs.with_name("undisturbed"))
    listing = eve.runs.with_name("points.txt")
    code, said = forks.run(profile, DAY, listing=str(listing))
    assert code == 0, said
    return profile, listing.read_text(encoding="utf-8").splitlines()


def chosen(points: list[str]) -> list[tuple[int, str, str]]:
    """Return (number, moment, what) of the points that are tried."""
    everything = [
        (int(line.split()[0]), moment, line)
        for line in points
        for moment in ("before", "torn", "after")
        if not (moment == "torn" and " request " in line)
    ]
    if os.environ.get("TF_SLOW"):
        return everything
    picked = random.Random(SEED).sample(everything, HOW_MANY)
    return sorted(picked)


def same_day_effects(profile: Profile) -> dict[tuple[str, str], Decimal]:
    """Return units filled per product and leg of the day."""
    filled: dict[tuple[str, str], Decimal] = {}
    for order in profile.exchange().orders:
        if order.is_own and order.day == dt.date.fromisoformat(DAY) and order.filled:
            leg = "en" if order.leg == "pi" else order.leg
            key = (order.product, leg)
            filled[key] = filled.get(key, Decimal(0)) + order.filled
    return filled


def check(profile: Profile, where: str) -> None:
    """Hold a recovered day against the exchange's own state."""
    exchange = profile.exchange()
    planned = {
        (row["product_id"], row["leg"]): Decimal(row["base_size"])
        for line in profile.ledger()
        if line["kind"] == "plan" and line["day"] == DAY
        for row in line["orders"]
    }
    filled = same_day_effects(profile)
    intents = [x["client_id"] for x in profile.ledger() if x["kind"] == "intent"]

    assert profile.wrong(DAY) == [], where
    assert all(size <= planned.get(key, Decimal(0)) for key, size in filled.items()), where
    assert {o.client_id for o in exchange.orders} <= set(intents), where
    assert len(intents) == len(set(intents)), where
    assert exchange.cash == exchange.cash_by_fills(Decimal(15000)), where
    assert exchange.cash >= 0, where


def test_points_cover_the_whole_day(undisturbed: tuple[Profile, list[str]]) -> None:
    """From the claim to the done mark, with all kinds of requests between."""
    profile, points = undisturbed
    words = [" ".join(line.split()[1:4]) for line in points]

    assert words[0] == "ledger mark claimed"
    assert words[-1] == "ledger mark done"
    assert sum(word.startswith("request create_market") for word in words) >= 4
    assert sum(word.startswith("request cancel") for word in words) >= 2
    assert set(same_day_effects(profile)) == {
        ("ADA-USD", "tr"),
        ("XTZ-USD", "tr"),
        ("ETH-USD", "en"),
    }


def test_killed_and_run_again(
    forks: ForkServer,
    eve: Profile,
    undisturbed: tuple[Profile, list[str]],
    tmp_path: Path,
) -> None:
    """A rerun within minutes finishes the frozen plan: nothing bare, nothing twice, done."""
    whole = same_day_effects(undisturbed[0])
    for case, (number, moment, what) in enumerate(chosen(undisturbed[1])):
        profile = eve.copied(tmp_path / f"{case}")
        where = f"killed {moment} point {what}"
        code, said = forks.run(profile, DAY, number=number, moment=moment)
        assert code == KILLED, (where, code, said)

        if case % 2:
            code, said = forks.call(profile, "protect")
            assert code == 0, (where, said)
            assert profile.exchange().now.date() == dt.date.fromisoformat(DAY), where

        was_done = "done" in profile.marks(DAY)
        code, said = forks.run(profile, DAY)
        assert code == 0, (where, said)
        if was_done:
            assert said == f"already_ran day={DAY}\n"
        check(profile, where)
        assert profile.marks(DAY)[-1] == "done", where
        assert same_day_effects(profile) == whole, where
        shutil.rmtree(profile.runs)


def test_killed_and_found_the_next_day(
    forks: ForkServer,
    eve: Profile,
    undisturbed: tuple[Profile, list[str]],
    tmp_path: Path,
) -> None:
    """Nobody looked for a day: yesterday's plan is dead, what it left is covered first."""
    points = [p for p in chosen(undisturbed[1]) if not p[2].endswith("mark done")]
    for number, moment, what in points[1::4]:
        profile = eve.copied(tmp_path / f"{number}{moment}")
        where = f"killed {moment} point {what}"
        assert forks.run(profile, DAY, number=number, moment=moment)[0] == KILLED, where
        before = [o.client_id for o in profile.exchange().orders]

        code, said = forks.run(profile, MORROW)

        assert code == 0, (where, said)
        assert profile.wrong(MORROW) == [], where
        late = [
            o.client_id
            for o in profile.exchange().orders
            if o.client_id not in before and str(o.day) == DAY and o.leg in ("en", "pi", "tr", "ex")
        ]
        assert late == [], where
        assert profile.marks(MORROW)[-1] == "done", where
        shutil.rmtree(profile.runs)

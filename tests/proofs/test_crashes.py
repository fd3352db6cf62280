"""
Killed together with the exchange: SIGKILL at points of a busy day, then a rerun or `protect`.

The same hooks, points and oracle as of the crash matrix, but the exchange is embedded in the
process that dies, and the next process has its SQLite file only. A seeded dozen is tried here; the
slow test tries every point.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import (
    BUSY_DAY,
    BUSY_UNIVERSE,
    DAY_AFTER,
    DAY_BEFORE,
    Profile,
    write_parameters,
)
from tests.oracle.exchange_state import requests
from tests.proofs.crash import Point
from tests.proofs.evidence import stop_rows
from tests.proofs.fork_server import KILLED, ForkServer
from tests.proofs.oracle import Evidence, judge
from tests.proofs.sample import sampled

SEED, HOW_MANY = 20240311, 12
Kill = tuple[Point, str]


class Forks:
    """Commands of any profile in children of one fork server."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server

    def call(self, profile: Profile, name: str, *arguments: str, **order: Any) -> tuple[int, str]:
        """Return exit code (negative: the signal) and what was said."""
        said = profile.runs.with_name("said.txt")
        said.unlink(missing_ok=True)
        told = {
            "arguments": [name, *profile.options(), *arguments],
            "root": str(profile.folder),
            "said": str(said),
            "late": str(profile.runs.with_name("late.json")),
        }
        code = self._server.ask(told | order)["code"]
        return code, said.read_text(encoding="utf-8") if said.exists() else ""

    def run(self, profile: Profile, day: str, **order: Any) -> tuple[int, str]:
        return self.call(profile, "run", "--date", day, "--no-notebook", **order)

    def kill(self, profile: Profile, point: Point, moment: str) -> None:
        kill = {"number": point.number, "moment": moment}
        code, said = self.run(profile, BUSY_DAY, kill=kill)
        assert code == KILLED, (point, moment, code, said)


def busy_profile(folder: Path) -> Profile:
    return Profile(write_parameters(folder / "busy.yaml", universe=BUSY_UNIVERSE), folder / "runs")


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    warm = busy_profile(tmp_path_factory.mktemp("warm"))
    locks = str(tmp_path_factory.mktemp("locks"))
    first = ["run", *warm.options(), "--date", BUSY_DAY, "--no-notebook"]
    with contextlib.closing(ForkServer(first, TF_LOCK_DIR=locks)) as server:
        yield Forks(server)


@pytest.fixture(scope="module")
def day_before(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Return a profile on the evening before the busy day."""
    profile = busy_profile(tmp_path_factory.mktemp("day_before"))
    code, said = forks.run(profile, DAY_BEFORE)
    assert code == 0, said
    return profile


@pytest.fixture(scope="module")
def undisturbed(forks: Forks, day_before: Profile) -> tuple[Profile, list[Point]]:
    """Return the busy day as it goes when nobody is killed, and its points."""
    profile = day_before.copied(day_before.runs.with_name("undisturbed"))
    listing = day_before.runs.with_name("points.jsonl")
    code, said = forks.run(profile, BUSY_DAY, trace=str(listing))
    assert code == 0, said
    rows = [json.loads(line) for line in listing.read_text(encoding="utf-8").splitlines()]
    points = [Point(*row) for row in rows]
    return profile, [p for p in points if p.is_changing or p.what.startswith("ledger")]


def every_kill(points: list[Point]) -> list[Kill]:
    """Return all points with their moments; what arrives late has no exchange to arrive at."""
    return [
        (point, moment)
        for point in points
        for moment in ("before", "torn", "after")
        if not (moment == "torn" and point.is_changing)
    ]


def chosen(points: list[Point]) -> list[Kill]:
    def kind(kill: Kill) -> tuple[bool, str]:
        return kill[0].is_changing, kill[1]

    picked = sampled(every_kill(points), kind, count=HOW_MANY, seed=SEED)
    return sorted(picked, key=lambda kill: (kill[0].number, kill[1]))


def traded(profile: Profile) -> dict[tuple[str, str], Decimal]:
    """Return units filled per product and leg of the busy day."""
    filled: dict[tuple[str, str], Decimal] = {}
    for order in profile.exchange().orders:
        if order.is_own and order.day == dt.date.fromisoformat(BUSY_DAY) and order.filled:
            key = (order.product, "en" if order.leg == "pi" else order.leg)
            filled[key] = filled.get(key, Decimal(0)) + order.filled
    return filled


def judged(profile: Profile, day: str) -> list[str]:
    """Return what the oracle finds once a day was recovered."""
    account = profile.json(day, "inputs/account.json")
    evidence = Evidence(
        exchange=profile.exchange(),
        ledger=(profile.state / "ledger.jsonl").read_bytes(),
        rules=profile.rules(day),
        last={name: Decimal(quote["last"]) for name, quote in account["quotes"].items()},
        cash=Decimal(15000),
        profile=profile.folder,
        rows=list(stop_rows(profile.folder)),
        requests=requests(profile.request_log),
    )
    return [*judge(evidence), *profile.wrong(day)]


def test_points_cover_the_whole_day(undisturbed: tuple[Profile, list[Point]]) -> None:
    """From the claim to the done mark, with all kinds of requests between."""
    profile, points = undisturbed

    assert points[0].what == "ledger mark claimed"
    assert points[-1].what == "ledger mark done"
    assert sum(point.what == "POST /orders" for point in points) >= 4
    assert sum(point.what == "POST /orders/batch_cancel" for point in points) >= 2
    assert set(traded(profile)) == {("ADA-USD", "tr"), ("XTZ-USD", "tr"), ("ETH-USD", "en")}


@pytest.mark.parametrize("is_whole", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_killed_and_run_again(
    forks: Forks,
    day_before: Profile,
    undisturbed: tuple[Profile, list[Point]],
    tmp_path: Path,
    is_whole: bool,
) -> None:
    """A rerun within minutes finishes the frozen plan: all protected, nothing twice, done."""
    wanted = traded(undisturbed[0])
    kills = every_kill(undisturbed[1]) if is_whole else chosen(undisturbed[1])
    for case, (point, moment) in enumerate(kills):
        profile, where = day_before.copied(tmp_path / f"{case}"), (point, moment)
        forks.kill(profile, point, moment)

        if case % 2:
            code, said = forks.call(profile, "protect")
            assert code == 0, (where, said)
            assert str(profile.exchange().now.date()) == BUSY_DAY, where

        was_done = "done" in profile.marks(BUSY_DAY)
        code, said = forks.run(profile, BUSY_DAY)
        assert code == 0, (where, said)
        if was_done:
            assert said == f"already_ran day={BUSY_DAY}\n"
        assert judged(profile, BUSY_DAY) == [], where
        assert profile.exchange().cash >= 0, where
        assert profile.marks(BUSY_DAY)[-1] == "done", where
        assert traded(profile) == wanted, where
        shutil.rmtree(profile.runs)


def test_killed_and_found_the_next_day(
    forks: Forks, day_before: Profile, undisturbed: tuple[Profile, list[Point]], tmp_path: Path
) -> None:
    """Nobody looked for a day: yesterday's plan is dead, what it left is covered first."""
    kills = [kill for kill in chosen(undisturbed[1]) if kill[0].what != "ledger mark done"]
    for point, moment in kills[1::4]:
        profile, where = day_before.copied(tmp_path / f"{point.number}{moment}"), (point, moment)
        forks.kill(profile, point, moment)
        before = [o.client_id for o in profile.exchange().orders]

        code, said = forks.run(profile, DAY_AFTER)

        assert code == 0, (where, said)
        assert judged(profile, DAY_AFTER) == [], where
        late = [
            o.client_id
            for o in profile.exchange().orders
            if o.client_id not in before
            and str(o.day) == BUSY_DAY
            and o.leg in ("en", "pi", "tr", "ex")
        ]
        assert late == [], where
        assert profile.marks(DAY_AFTER)[-1] == "done", where
        shutil.rmtree(profile.runs)

"""
Tier 1: killed at every point of a busy day, and found again.

Points are read off an undisturbed run: every call, every line of the ledger, every rename. A case
is a point, a moment of it, what the world does meanwhile, and who comes to find it. The exchange
stays up; only the process that trades dies.

By the wall clock the points are read off again on each machine, for what is asked and waited for
depends on it; there a start may also come late, or find records of some days ago.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.proofs.dirt import Backups
from tests.proofs.evidence import evidence_of
from tests.proofs.fork_server import KILLED
from tests.proofs.oracle import judge, worst_bare_seconds
from tests.proofs.result import Met
from tests.proofs.stage import Ended, Stage
from tests.proofs.wall import SETTINGS, goes_back
from tests.proofs.wire import Wire
from tf_lib.app.commands.schedule.crontab import crontab
from tf_lib.app.commands.schedule.jobs import jobs_of
from tf_lib.app.options import ProfileOptions

RECOVERIES = ("rerun", "guard", "next_day")
RECOVERIES_BY_WALL = (*RECOVERIES, "late_start", "backup")
LATE_MINUTES = range(2, 12)
WORLDS = ("still", "lag", "between", "below", "partial")
LAGS = {"hold_release_seconds": 8, "cancel_ack_seconds": 6}
LAGS |= {"order_visible_seconds": 4, "fill_visible_seconds": 5}
NO_LAGS = dict.fromkeys(LAGS, 0)
GUARD_AFTER_SECONDS = 840.0
BOUND_SECONDS = 86_400.0


@dataclass(frozen=True)
class Point:
    """One thing that the undisturbed run did."""

    number: int
    what: str
    is_changing: bool

    @property
    def moments(self) -> tuple[str, ...]:
        """What differs for who comes later; before a point is after the one before."""
        if self.what.startswith("ledger"):
            return ("torn", "after")
        if self.is_changing:
            return ("late", "after")
        return ("after",)


@dataclass(frozen=True)
class Case:
    """One kill and what follows."""

    scene: str
    point: Point
    moment: str
    world: str
    recovery: str
    power: bool = False
    second: int = 0
    setting: str = ""

    def __str__(self) -> str:
        power = " (power)" if self.power else ""
        second = f", killed again at {self.second}" if self.second else ""
        machine = f" ({self.setting})" if self.setting else ""
        return (
            f"{self.scene}{machine}: {self.moment} {self.point.number} {self.point.what}{power}, "
            f"{self.world}, {self.recovery}{second}"
        )


@dataclass(frozen=True)
class Scene:
    """
    A busy day, ready to be done again and again; perhaps on a machine with its own clock.

    Attributes
    ----------
    command : tuple of str
        What is killed.
    moved : tuple of (currency, amount, moment)
        What others put in before it.
    """

    name: str
    day: dt.date
    eve: Path
    points: dict[str, list[Point]]
    backups: Backups
    setting: str = ""
    command: tuple[str, ...] = ("run",)
    recoveries: tuple[str, ...] = RECOVERIES
    moved: tuple[tuple[str, Decimal, dt.datetime], ...] = ()


def prepare(stage: Stage, name: str, first: dt.date, day: dt.date) -> Scene:
    """Do the days before, keep their evening, and enumerate the points of the busy day."""
    one, backups = first, Backups(stage, name)
    while one < day:
        ended = stage.do_day(one)
        assert ended.code == 0, ended.said
        backups.keep()
        one += dt.timedelta(days=1)
    stage.go_to(day)
    eve = stage.keep(f"eve-{name}")
    return Scene(name, day, eve, points_of(stage, eve), backups)


def on_machine(stage: Stage, scene: Scene, setting: str) -> Scene:
    """Return a scene as it goes by the wall clock of a machine."""
    with stage.living_on(SETTINGS[setting]):
        return replace(scene, points=points_of(stage, scene.eve), setting=setting)


def points_of(
    stage: Stage, eve: Path, command: tuple[str, ...] = ("run",)
) -> dict[str, list[Point]]:
    """Return the points of a busy day, with and without lags."""
    points = {}
    for world in ("still", "lag"):
        stage.put_back(eve)
        if world == "lag":
            stage.exchange.set_delays(**LAGS)
        points[world] = trace(stage, *command)
    return points


def trace(stage: Stage, *command: str, **order: Any) -> list[Point]:
    """Return the points of an undisturbed run."""
    listing = stage.folder / "points.jsonl"
    listing.unlink(missing_ok=True)
    name, *arguments = command or ("run",)
    ended = stage.do(name, *arguments, trace=str(listing), **order)
    assert ended.code == 0, ended.said
    rows = [json.loads(line) for line in listing.read_text(encoding="utf-8").splitlines()]
    return [Point(*row) for row in rows]


def every_case(scene: Scene) -> Iterator[Case]:
    """Yield all cases of a scene: points, moments, worlds and recoveries crossed."""
    recoveries = RECOVERIES_BY_WALL if scene.setting else scene.recoveries
    case = functools.partial(Case, scene.name, setting=scene.setting)
    for world in WORLDS:
        for point in scene.points["lag" if world == "lag" else "still"]:
            for moment in point.moments:
                for recovery in recoveries:
                    yield case(point, moment, world, recovery)
    for point in scene.points["still"]:
        for moment in point.moments:
            if moment != "late":
                for recovery in recoveries:
                    yield case(point, moment, "still", recovery, power=True)


def kind_of(case: Case) -> tuple[str, ...]:
    """Return what has its share in a sample: the kind of point, its moment, world and power."""
    return (case.point.what.split()[0], case.moment, case.world, str(case.power))


def kind_by_wall(case: Case, *, first: int = 0) -> int:
    """Return what has its share on a machine: who comes; another comes first on another one."""
    return (RECOVERIES_BY_WALL.index(case.recovery) + first) % len(RECOVERIES_BY_WALL)


# -- one case --------------------------------------------------------------------------------


@dataclass
class Play:
    """One case on a stage."""

    stage: Stage
    scene: Scene
    case: Case
    planted: str = ""
    durable: bytes = b""
    triggered: dict[str, dt.datetime] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def go(self) -> Met[Case]:
        with self.stage.living_on(SETTINGS.get(self.case.setting)):
            return self._go()

    def _go(self) -> Met[Case]:
        stage, case = self.stage, self.case
        stage.put_back(self.scene.eve)
        if case.world == "lag":
            stage.exchange.set_delays(**LAGS)
        kill = {"number": case.point.number, "moment": case.moment, "power": case.power}
        ended = self._call(*self.scene.command, kill=kill)
        if ended.code != KILLED:
            said = f"harness: not killed, exit {ended.code}: {ended.said[-300:]}"
            return Met(case, ended.code, (said,))
        self.durable = stage.ledger.read_bytes() if stage.ledger.exists() else b""
        findings = self._meanwhile()
        findings += self._recover()
        findings += self._settle()
        evidence = evidence_of(
            stage,
            durable=self.durable,
            triggered=self.triggered,
            moved=self.scene.moved,
            ledger_is_whole=case.recovery != "backup",
        )
        findings += judge(evidence)
        findings += goes_back(evidence.ledger) if case.setting else []
        findings += self._quiet()
        return Met(
            case,
            findings=tuple(findings),
            worst_bare=worst_bare_seconds(evidence),
            is_looked_after=case.recovery not in ("next_day", "backup"),
        )

    def _call(self, name: str, *arguments: str, **order: Any) -> Ended:
        order = {"planted": self.planted} | order
        ended = self.stage.do(name, *arguments, **order)
        self.said.append(f"{name}: exit {ended.code}\n{ended.said}")
        return ended

    def _meanwhile(self) -> list[str]:
        """Let the world go on: a late request, a price that moves."""
        stage, case = self.stage, self.case
        if case.moment == "late":
            self._deliver_late()
        if case.world in ("between", "below", "partial"):
            self._move_price()
        stage.wait(20)
        return []

    def _deliver_late(self) -> None:
        """Let the request that was cut off arrive while somebody is looking for it."""
        stage, chance = self.stage, random.Random(str(self.case))
        request = json.loads(stage.late.read_text())
        wire = Wire(stage)
        deadline = stage.exchange.now() + dt.timedelta(seconds=110)
        left = [chance.choice((0, 1, 3, 8, 20, 60))]

        def responded(*arguments: Any) -> Any:
            is_due = left[0] <= 0 or stage.exchange.now() >= deadline
            left[0] -= 1
            if is_due:
                wire.restore()
                if stage.exchange.now() <= deadline + dt.timedelta(seconds=10):
                    wire.respond(request["method"], request["path"], None, request["body"])
            return wire.respond(*arguments)

        wire.put(responded)

    def _move_price(self) -> None:
        """Move the price of one held product to where its stop is, or was."""
        stage, case = self.stage, self.case
        exchange = stage.held()
        stops = {
            o.product: o
            for o in sorted(exchange.orders, key=lambda one: one.created)
            if o.is_own and o.leg == "sc" and o.stop and exchange.held(o.product)
        }
        if not stops:
            return
        product = random.Random(str(case)).choice(sorted(stops))
        stop = stops[product]
        assert stop.stop is not None
        assert stop.limit is not None
        between, below = (stop.stop + stop.limit) / 2, stop.limit * Decimal("0.95")
        price = below if case.world == "below" else between
        price = stage.on_grid(product, price)
        if case.world == "partial":
            stage.exchange.thin_out({product: "0.4"})
        at = stage.exchange.now() + dt.timedelta(seconds=10)
        stage.exchange.plant_jump(product, at, price, hold_until=at + dt.timedelta(minutes=40))
        self._jump = at
        self._moved = product

    _jump: dt.datetime | None = None
    _moved: str = ""
    _guard_sent: int = 0

    def _recover(self) -> list[str]:
        stage, case = self.stage, self.case
        if case.second:
            self._kill_again()
        if case.recovery == "rerun":
            return self._must_end(self._call("run"))
        if case.recovery == "guard":
            stage.wait(GUARD_AFTER_SECONDS)
            return self._must_end(self._call("guard"))
        if case.recovery == "late_start":
            return self._start_late()
        stage.go_to(self.scene.day + dt.timedelta(days=1), self._next_start())
        if case.recovery == "backup":
            return self._from_backup()
        return self._must_end(self._call("run"))

    def _kill_again(self) -> None:
        """Kill the same command once more on its way."""
        kill = {"number": self.case.second, "moment": "after"}
        if self._call(*self.scene.command, kill=kill).code == KILLED:
            self.durable = self.stage.ledger.read_bytes()
            self.stage.wait(20)

    def _next_start(self) -> dt.time:
        """By the wall clock a start may come right after midnight, when theirs is still to be."""
        usual = dt.time(0, 1)
        if not self.case.setting:
            return usual
        return random.Random(str(self.case)).choice((dt.time(0, 0, 1), usual))

    def _start_late(self) -> list[str]:
        """Start when the machine is up again, each minute that the lines of `tf cron` have left."""
        first = random.Random(str(self.case)).choice(LATE_MINUTES)
        findings = []
        for minute in (first, *(m for m in _minutes_of_cron() if m > first)):
            self.stage.go_to(self.scene.day, dt.time(0, minute))
            findings += self._must_end(self._call("run", "--gate-minutes", "5"))
        return findings

    def _from_backup(self) -> list[str]:
        """The next day finds records that are up to eight days old."""
        backups = self.scene.backups
        backups.bring_back(random.Random(str(self.case)).randint(0, min(7, backups.oldest)))
        self.durable = b""
        findings = self._must_end(self._call("run"))
        self.stage.call("release", "--all")
        return findings

    def _must_end(self, ended: Ended) -> list[str]:
        if ended.code < 0 or ended.code in (2, 4, 5, 98, 99):
            return [f"recovery: exit {ended.code}: {ended.said[-600:]}"]
        return []

    def _settle(self) -> list[str]:
        """Let lags drain; where the recovery met one, a guard looks once more."""
        stage = self.stage
        stage.exchange.set_delays(**NO_LAGS)
        stage.wait(200)
        sent = stage.count_changes()
        ended = self._call("guard")
        self._guard_sent = stage.count_changes() - sent
        findings = self._must_end(ended)
        if ended.code == 3:
            findings.append(f"bare: the guard says so: {ended.said[-400:]}")
        stage.wait(1)
        self._note_triggers()
        return findings

    def _note_triggers(self) -> None:
        if self._jump is None:
            return
        for order in self.stage.held().orders:
            if order.product == self._moved and order.is_triggered and order.created < self._jump:
                self.triggered[order.client_id] = self._jump

    def _quiet(self) -> list[str]:
        """One more guard sends nothing; the last one was it when it sent nothing."""
        if not self._guard_sent:
            return []
        sent = self.stage.count_changes()
        ended = self._call("guard")
        more = self.stage.count_changes() - sent
        if more:
            return [f"not_quiet: one more guard sent {more} requests: {ended.said[-300:]}"]
        return []


@functools.cache
def _minutes_of_cron() -> list[int]:
    """Return the minutes past 00:00 UTC at which the lines of `tf cron` start the day's run."""
    lines = crontab(jobs_of(ProfileOptions("demo")), offsets=(0,)).splitlines()
    daily = next(line for line in lines if not line.startswith("#"))
    return [int(minute) for minute in daily.split()[0].split(",")]


def figures(mets: Sequence[Met[Case]]) -> dict[str, Any]:
    """Return the figures of a matrix."""
    bad = [met for met in mets if met.findings]
    found = {
        "findings": Counter(finding.split(":")[0] for met in bad for finding in met.findings),
        "by_world": Counter(met.case.world for met in mets),
        "by_recovery": Counter(met.case.recovery for met in mets),
        "by_moment": Counter(met.case.moment for met in mets),
        "by_machine": Counter(met.case.setting for met in mets if met.case.setting),
    }
    worst = max((met.worst_bare for met in mets), default=0.0)
    return {
        "longest unprotected seconds where nobody looked before the next day": round(worst, 1),
        **{name: dict(counts) for name, counts in found.items() if counts},
        "power": sum(met.case.power for met in mets),
        "second_kills": sum(bool(met.case.second) for met in mets),
    }

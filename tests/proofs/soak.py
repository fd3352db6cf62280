"""
Soak: thousands of days, one after the other, with seeded faults, kills, lags, jumps, dirt, people.

Days come in worlds: a market of its own, a fresh account, two months of days. Every third world
lives by the wall clock of a machine that is ahead, behind, drifting or set in between. Most days
are quiet; on the others the run is killed at some point and found again, or answers go wrong, or
prices jump through stops, or a person meddles. The oracle judges after every disturbance has had
its recovery.
Each finished world is a line of the progress file, so that a soak that was stopped goes on.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.proofs import dirt
from tests.proofs.answers import GENERAL
from tests.proofs.crash import LAGS, NO_LAGS
from tests.proofs.evidence import evidence_of
from tests.proofs.fork_server import KILLED
from tests.proofs.markets import wandering, write_market
from tests.proofs.oracle import judge, worst_bare_seconds
from tests.proofs.result import Met
from tests.proofs.stage import Ended, Stage, scratch_folder
from tests.proofs.story import FIRST
from tests.proofs.wall import setting_of_world

DAYS = 10_000
WORLD_DAYS = 50
CPU_OF_A_QUIET_DAY = "CPU ms of a quiet day, trader"
GUARD_AFTER_SECONDS = 840.0
HANDS_OFF = (2, 4, 98, 99)
"""Exit codes that no disturbance of the soak may lead to."""


@dataclass(frozen=True)
class Case:
    """One world that is to be lived in; its result is looked up in the progress file, and kept."""

    number: int
    days: int = WORLD_DAYS
    progress: Path | None = None
    stamp: str = ""


@dataclass
class WorldResult:
    """What became of one world."""

    number: int
    days: int = 0
    failures: list[str] = field(default_factory=list)
    worst_bare: float = 0.0
    quiet_days: int = 0
    quiet_cpu: float = 0.0
    quiet_exchange_cpu: float = 0.0
    kinds: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"world {self.number}"


class World:
    """One market and its days."""

    def __init__(self, made: Stage, number: int, days: int) -> None:
        self.stage = made
        self.chance = random.Random(f"soak {number}")
        self.result = WorldResult(number)
        self.days = days
        self.kinds: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.moved: list[tuple[str, Decimal, dt.datetime]] = []
        self.triggered: dict[str, dt.datetime] = {}
        self.backups = dirt.Backups(made)
        self.has_whole_ledger = True

    def live(self) -> WorldResult:
        """Live through all days."""
        for number in range(self.days):
            self.day = FIRST + dt.timedelta(days=number)
            kind = self.chance.choices(list(KINDS), list(KINDS.values()))[0]
            self.kinds[kind] += 1
            self.stage.go_to(self.day)
            is_known_well = getattr(self, kind)()
            if is_known_well and (kind != "quiet" or number % 10 == 9):
                self._judge(kind)
            self.result.days += 1
            self.backups.keep()
            if len(self.result.failures) >= 3:
                break
        self.result.kinds, self.result.codes = dict(self.kinds), dict(self.codes)
        return self.result

    # -- kinds of days -------------------------------------------------------------------

    def quiet(self) -> bool:
        before = self.stage.usage()
        self._note("run", self.stage.run_here(), 0)
        after = self.stage.usage()
        self.result.quiet_days += 1
        self.result.quiet_cpu += after.commands - before.commands
        self.result.quiet_exchange_cpu += after.exchange - before.exchange
        if self.chance.random() < 0.05:
            sent = self.stage.count_changes()
            self._run()
            if self.stage.count_changes() > sent:
                self._fail("again: a finished day sent something")
        return True

    def killed(self) -> bool:
        """Killed somewhere, perhaps with the machine's power, perhaps twice; then found."""
        chance = self.chance
        if chance.random() < 0.3:
            self.stage.exchange.set_delays(**LAGS)
        for _ in range(chance.choice((1, 1, 1, 2))):
            kill = {
                "number": chance.randint(1, 220),
                "moment": chance.choice(("before", "after")),
                "power": chance.random() < 0.3,
            }
            ended = self._run(kill=kill, expected=None)
            if ended.code != KILLED:
                break
            self.stage.wait(chance.choice((5, 20, 200)))
        recovery = chance.choice(("rerun", "guard", "nobody"))
        if recovery == "rerun":
            self._run(expected=None)
        elif recovery == "nobody":
            self.stage.exchange.set_delays(**NO_LAGS)
            return False
        return self._guarded()

    def faults(self) -> bool:
        """Some answers go wrong, by a coin."""
        chance, exchange = self.chance, self.stage.exchange
        for rule in chance.sample(GENERAL, chance.choice((1, 1, 2, 3))):
            endpoint = chance.choice(("* /*", "GET /*", "POST /*", "* /orders*"))
            coin = chance.choice((0.03, 0.1, 0.3))
            exchange.add_fault(endpoint=endpoint, probability=coin, **rule)
        self._run(expected=None)
        exchange.clear_faults()
        self.stage.wait(200)
        return self._guarded()

    def lags(self) -> bool:
        self.stage.exchange.set_delays(**LAGS)
        self._run(expected=None)
        return self._guarded()

    def jump(self) -> bool:
        """A price jumps through a stop: some fill, some are left behind."""
        self._run()
        stops = [o for o in self.stage.held().orders if o.is_own and o.protects]
        if not stops:
            return True
        stop = self.chance.choice(sorted(stops, key=lambda one: one.client_id))
        assert stop.stop is not None
        assert stop.limit is not None
        price = self.chance.choice((stop.stop * Decimal("0.995"), stop.limit * Decimal("0.93")))
        at = self.stage.exchange.now() + dt.timedelta(seconds=self.chance.randint(60, 20_000))
        held_for = dt.timedelta(minutes=self.chance.choice((1, 20, 120)))
        price = self.stage.on_grid(stop.product, price)
        self.stage.exchange.plant_jump(stop.product, at, price, hold_until=at + held_for)
        self.stage.exchange.advance_to(at + dt.timedelta(seconds=1))
        for order in self.stage.held().orders:
            if order.product == stop.product and order.is_triggered and order.is_live:
                self.triggered.setdefault(order.client_id, at)
        return self._guarded()

    def meddled(self) -> bool:
        """A person cancels a stop, sells a part, or puts coins in."""
        self._run()
        held = self.stage.held()
        stops = [o for o in held.orders if o.is_own and o.protects]
        if not stops:
            return True
        stop = self.chance.choice(sorted(stops, key=lambda one: one.client_id))
        deed = self.chance.choice(("cancel", "sell", "deposit"))
        if deed == "deposit":
            currency, amount = stop.product.split("-")[0], stop.size
            self.moved.append((currency, amount, self.stage.exchange.now()))
            self.stage.exchange.deposit(currency, amount)
        else:
            self.stage.cancel_by_hand(stop.order_id)
        if deed == "sell":
            configuration = {"market_market_ioc": {"base_size": format(stop.size, "f")}}
            self.stage.exchange.place_by_hand(stop.product, "SELL", configuration)
        is_well = self._guarded()
        if deed != "cancel":
            self.stage.call("release", stop.product)
        return is_well

    def dirty(self) -> bool:
        """Something that real accounts and real exchanges have."""
        chance, stage = self.chance, self.stage
        held = sorted({o.product for o in stage.held().orders if o.is_own and o.protects})
        deed = chance.choice(("reward", "book", "storm", "refused", "slow_holds", "backup"))
        product = chance.choice(held) if held else ""
        self.kinds[f"dirty {deed}"] += 1
        if deed == "storm":
            dirt.storm(stage, chance)
            self._run()
            stage.exchange.clear_faults()
        elif deed == "slow_holds":
            stage.exchange.set_delays(hold_release_seconds=chance.choice((29, 45, 119)))
            self._run(expected=None)
        elif deed == "backup":
            self._from_backup()
        elif not product:
            self._run()
        elif deed == "reward":
            currency, amount = dirt.reward(stage, product)
            self.moved.append((currency, amount, stage.exchange.now()))
            self._run()
        elif deed == "book":
            put_right = dirt.thin_book(stage, chance, product)
            self._run(expected=None)
            put_right()
        else:
            dirt.refused_stop(stage, product)
            self._run(expected=None)
            stage.exchange.clear_faults()
        return self._guarded()

    def _from_backup(self) -> None:
        """The records of some days ago come back; positions are as they are."""
        if not self.backups.bring_back(self.chance.randint(1, 8)):
            self._run()
            return
        self.has_whole_ledger = False
        self._run(expected=None)
        self.stage.call("release", "--all")

    # -- parts ---------------------------------------------------------------------------

    def _run(self, *, expected: int | None = 0, **order: Any) -> Ended:
        ended = self.stage.run(**order)
        self._note("run", ended, expected)
        return ended

    def _guarded(self) -> bool:
        """Let lags drain; the guard comes when cron would call it, and again."""
        self.stage.exchange.set_delays(**NO_LAGS)
        self.stage.wait(GUARD_AFTER_SECONDS)
        ended = Ended(0, "")
        for _ in range(3):
            sent = self.stage.count_changes()
            ended = self.stage.guard()
            self._note("guard", ended, None)
            self.stage.wait(200)
            if self.stage.count_changes() == sent:
                break
        else:
            self._fail("not_quiet: one more guard sent something")
        if ended.code == 3:
            self._fail(f"bare: the guard says so: {ended.said[-300:]}")
        return True

    def _note(self, what: str, ended: Ended, expected: int | None) -> None:
        self.codes[f"{what} {ended.code}"] += 1
        is_odd = ended.code in HANDS_OFF or (ended.code < 0 and ended.code != KILLED)
        if is_odd or expected not in (None, ended.code):
            self._fail(f"exit: {what} ended with {ended.code}: {ended.said[-400:]}")

    def _judge(self, kind: str) -> None:
        evidence = evidence_of(
            self.stage,
            moved=tuple(self.moved),
            triggered=dict(self.triggered),
            ledger_is_whole=self.has_whole_ledger,
        )
        for finding in judge(evidence):
            self._fail(f"{kind}: {finding}")
        self.result.worst_bare = max(self.result.worst_bare, worst_bare_seconds(evidence))

    def _fail(self, what: str) -> None:
        self.result.failures.append(f"{self.day}: {what}")


KINDS = {"quiet": 64, "killed": 12, "faults": 7, "lags": 3, "jump": 5, "meddled": 3, "dirty": 6}
"""Weight in a hundred of each kind of day; the method of `World` by its name does it."""


def every_world(days: int, progress: Path, stamp: str) -> list[Case]:
    """Return the worlds of so many days."""
    count = -(-days // WORLD_DAYS)
    return [Case(number, WORLD_DAYS, progress, stamp) for number in range(1, count + 1)]


def meet(made: Stage, case: Case) -> Met[WorldResult]:
    """Live in one world, unless the same code did before."""
    result = _known(case) or _lived(made, case)
    return Met(
        result, findings=tuple(result.failures), worst_bare=result.worst_bare, count=result.days
    )


def _lived(made: Stage, case: Case) -> WorldResult:
    folder = scratch_folder()
    try:
        candles = write_market(folder, wandering(10_000 + case.number, 96 + case.days + 4))
        with made.another_world(candles, FIRST, setting_of_world(case.number)):
            result = World(made, case.number, case.days).live()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if case.progress is not None:
        stamp = {"stamp": case.stamp, "at": int(time.time()), "pid": os.getpid()}
        case.progress.parent.mkdir(parents=True, exist_ok=True)
        with case.progress.open("a", encoding="utf-8") as file:
            file.write(json.dumps(stamp | asdict(result)) + "\n")
    return result


def _known(case: Case) -> WorldResult | None:
    if case.progress is None or not case.progress.exists():
        return None
    names = WorldResult.__dataclass_fields__
    for text in case.progress.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        if (line["stamp"], line["number"]) == (case.stamp, case.number):
            return WorldResult(**{name: line[name] for name in names})
    return None


def figures(mets: Sequence[Met[WorldResult]]) -> dict[str, Any]:
    """Return the figures of all worlds."""
    lived = [met.case for met in mets]
    kinds, codes = Counter[str](), Counter[str]()
    for world in lived:
        kinds.update(world.kinds)
        codes.update(world.codes)
    quiet = sum(world.quiet_days for world in lived) or 1

    def each(cpu: Iterable[float]) -> float:
        return round(1000 * sum(cpu) / quiet, 1)

    return {
        "worlds": len(lived),
        "days by kind": dict(kinds),
        "commands by exit code": dict(sorted(codes.items())),
        CPU_OF_A_QUIET_DAY: each(world.quiet_cpu for world in lived),
        "CPU ms of a quiet day, exchange": each(world.quiet_exchange_cpu for world in lived),
    }

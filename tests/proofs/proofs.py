"""
The proofs by name, each as one function: whole, or a seeded part that fits into seconds.
"""

from __future__ import annotations

import functools
import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.proofs import answers, by_hand, crash, cron_matrix, hardships, papermill_cases, soak
from tests.proofs.busy import SCENES, busy_stage, scene_of
from tests.proofs.crash import Case, Outcome, Play, Scene, every_case, on_machine, summary
from tests.proofs.fork_server import PROJECT
from tests.proofs.result import Result, commit_of, told
from tests.proofs.sample import sampled
from tests.proofs.scenarios import STORIES, tell
from tests.proofs.stage import Stage
from tests.proofs.teeth import TEETH, bite
from tests.proofs.wall import SETTINGS

T = TypeVar("T")
BUILD = PROJECT / "build" / "proofs"


@dataclass
class Amount:
    """How much of each proof is done."""

    crash_cases: int = 1_500
    second_kills: int = 200
    wall_cases: int = 250
    wrong_answers: int = 600
    stories: tuple[str, ...] = tuple(STORIES)
    faults: tuple[str, ...] = tuple(TEETH)
    zones: tuple[str, ...] = ()
    papermill_cases: int = 48
    hardships: tuple[str, ...] | None = None
    hands: tuple[str, ...] = ()
    soak_days: int = soak.DAYS
    seed: int = 20261122
    minutes: float | None = None
    is_sample: bool = False


SAMPLE = Amount(
    crash_cases=4,
    second_kills=1,
    wall_cases=2,
    wrong_answers=3,
    stories=("asleep_in_the_middle",),
    faults=("token_reusable", "clamp_remembered"),
    papermill_cases=1,
    hands=("a_copied_token",),
    hardships=("429 from call 28 on",),
    zones=("Australia/Lord_Howe",),
    soak_days=3,
    is_sample=True,
)


@dataclass
class Bench:
    """A stage that several proofs use, made when the first one needs it."""

    stage: Stage
    scenes: dict[str, Scene] = field(default_factory=dict)

    def scene(self, name: str) -> Scene:
        if name not in self.scenes:
            self.scenes[name] = scene_of(self.stage, name)
        return self.scenes[name]


def each(cases: Sequence[T], result: Result, amount: Amount, part: str = "") -> Iterator[T]:
    """Yield cases one after the other, for as long as there is time, and count what was done."""
    name, count = f"{result.name} {part}".strip(), len(cases)
    for case in told(name, cases, count, lambda: len(result.failures), minutes=amount.minutes):
        yield case
        result.cases += 1


def prove_crash(bench: Bench, amount: Amount) -> Result:
    """Tier 1: killed at every kind of point of two busy days, and found again."""
    result = Result("crash")
    outcomes: list[Outcome] = []
    share = {"two-way": 2, "exit": 1}
    names = list(SCENES) if not amount.is_sample else ["two-way"]
    total = sum(share[name] for name in names)
    figures: dict[str, Any] = {"seed": str(amount.seed)}
    for name in names:
        scene = bench.scene(name)
        everything = list(every_case(scene))
        count = amount.crash_cases * share[name] // total
        cases = sampled(everything, crash.kind_of, count=count, seed=amount.seed)
        cases += _killed_twice(scene, amount, share[name] / total)
        figures[f"points of the {name} day"] = {k: len(v) for k, v in scene.points.items()}
        figures[f"cases there are, {name} day"] = len(everything)
        for case in each(cases, result, amount, name):
            outcome = Play(bench.stage, scene, case).go()
            outcomes.append(outcome)
            result.note(case, outcome.findings)
    _sum_up(result, outcomes)
    result.figures = figures | result.figures
    return result


def _sum_up(result: Result, outcomes: Sequence[Outcome]) -> None:
    """Put the figures of a matrix into its result."""
    found = summary(outcomes)
    result.cases = found["cases"]
    result.worst_bare_seconds = max(
        (o.worst_bare for o in outcomes if o.is_looked_after), default=0
    )
    bare = "worst bare seconds where nobody looked before the next day"
    result.figures = {bare: round(found["worst_bare_seconds"], 1)} | {
        k: v
        for k, v in found.items()
        if k not in ("cases", "failed", "worst_bare_seconds") and v != {}
    }


def prove_wall(bench: Bench, amount: Amount) -> Result:
    """Killed and found again by the wall clock, on machines whose clocks are wrong."""
    result, outcomes = Result("wall"), list[Outcome]()
    names = ("two-way", "exit") if not amount.is_sample else ("two-way",)
    pairs = [(name, setting) for name in names for setting in SETTINGS]
    # A sample has few machines, and other ones for another seed.
    chosen = random.Random(amount.seed).sample(pairs, min(len(pairs), -(-amount.wall_cases // 2)))
    for number, (name, setting) in enumerate(sorted(chosen)):
        scene = on_machine(bench.stage, bench.scene(name), setting)
        count = (amount.wall_cases + number) // len(chosen)
        kind = functools.partial(crash.kind_by_wall, first=number)
        cases = sampled(list(every_case(scene)), kind, count=count, seed=amount.seed + number)
        for case in each(cases, result, amount, f"{name}, {setting}"):
            outcome = Play(bench.stage, scene, case).go()
            outcomes.append(outcome)
            result.note(case, outcome.findings)
    _sum_up(result, outcomes)
    return result


def _killed_twice(scene: Scene, amount: Amount, share: float) -> list[Case]:
    """Return cases whose recovery is killed as well."""
    once = [case for case in every_case(scene) if case.recovery == "rerun" and not case.power]
    count = int(amount.second_kills * share)
    chosen = sampled(once, crash.kind_of, count=count, seed=amount.seed + 1)
    return [
        Case(c.scene, c.point, c.moment, c.world, c.recovery, second=1 + (7 * n) % 120)
        for n, c in enumerate(chosen)
    ]


def prove_scenarios(bench: Bench, amount: Amount) -> Result:
    """Scenario days, each judged by the oracle and by what it must come to."""
    result, scene = Result("scenarios"), bench.scene("two-way")
    for name in each(amount.stories, result, amount):
        story = tell(bench.stage, scene.eve, name)
        result.note(name, story.findings, worst_bare=story.worst_bare)
    result.figures["stories"] = list(amount.stories)
    return result


def prove_teeth(bench: Bench, amount: Amount) -> Result:
    """Planted faults: each is caught, and its stand is silent without it."""
    result, scene = Result("teeth"), bench.scene("two-way")
    for fault in each(amount.faults, result, amount):
        caught = bite(bench.stage, scene, fault)
        silent = bite(bench.stage, scene, fault, is_planted=False)
        result.planted += 1
        if caught.by:
            result.caught[fault] = caught.by
        else:
            result.failures.append(f"{fault} was not caught by its kind: {list(caught.findings)}")
        if silent.findings:
            result.failures.append(f"{fault}'s stand is not silent without it: {silent.findings}")
    return result


def prove_answers(bench: Bench, amount: Amount) -> Result:
    """Tier 3: every fault at every call, as answers."""
    result, scene = Result("answers"), bench.scene("two-way")
    calls = answers.calls_of(bench.stage, scene)
    everything = answers.every_wrong(calls)
    chosen = sampled(everything, answers.kind_of, count=amount.wrong_answers, seed=amount.seed)
    done = []
    for wrong in each(chosen, result, amount):
        met = answers.answer(bench.stage, scene, wrong)
        done.append(met)
        result.note(wrong, met.findings, worst_bare=met.worst_bare)
    result.figures = {"calls": len(calls), "cases there are": len(everything)}
    result.figures |= answers.figures(done)
    return result


def prove_hardships(bench: Bench, amount: Amount) -> Result:
    """Full and unwritable disks, spoilt files, wrong keys, storms of 429, a line that dies."""
    result, scene = Result("hardships"), bench.scene("two-way")
    mounts = hardships.can_mount(bench.stage.folder)
    everything = hardships.every_hardship(mounts=mounts)
    chosen = [one for one in everything if amount.hardships is None or one.name in amount.hardships]
    ended: dict[str, int] = {}
    for hardship in each(chosen, result, amount):
        met = hardships.meet(bench.stage, scene, hardship)
        ended[hardship.name] = met.code
        result.note(hardship.name, met.findings, worst_bare=met.worst_bare)
    result.figures = {"disks of a few megabytes were tried": mounts, "exit codes": ended}
    return result


def prove_by_hand(bench: Bench, amount: Amount) -> Result:
    """Notebooks executed by hand while a frozen plan waits: nothing is sent."""
    result, scene = Result("by-hand"), bench.scene("two-way")
    done = list(by_hand.every_hand(amount.hands))
    for hand in each(done, result, amount):
        result.note(hand.name, by_hand.do(bench.stage, scene, hand))
    result.figures = {"ways": [hand.name.replace("_", " ") for hand in done]}
    return result


def prove_papermill(bench: Bench, amount: Amount) -> Result:
    """Tier 2: the whole run through papermill; runner and kernel killed, stopped, hanging."""
    result, scene = Result("papermill"), bench.scene("two-way")
    changes = papermill_cases.count_changes(bench.stage, scene)
    cases = papermill_cases.every_case(changes, amount.papermill_cases)
    codes: Counter[str] = Counter()
    for case in each(cases, result, amount):
        met = papermill_cases.meet(bench.stage, scene, case)
        codes[f"{case.fate} {met.code}"] += 1
        result.note(case, met.findings, worst_bare=met.worst_bare)
    result.figures = {"fates and the runner's exit codes": dict(sorted(codes.items()))}
    return result


def prove_cron(bench: Bench | None, amount: Amount) -> Result:
    """Cron matrix: every day of two years, all time zones with rules of their own."""
    result = Result("cron")
    groups = cron_matrix.zones() if not amount.zones else {name: (name,) for name in amount.zones}
    names = sorted(groups)
    for name in each(names, result, amount):
        result.failures += cron_matrix.run_zone(name)
    zones = result.cases
    result.cases = zones * cron_matrix.CASES_PER_ZONE
    result.figures = {
        "zones with rules of their own": zones,
        "zones in all": sum(len(groups[name]) for name in names[:zones]),
        "ways": list(cron_matrix.WAYS),
    }
    return result


def prove_soak(bench: Bench | None, amount: Amount) -> Result:
    """Ten thousand days with seeded disturbances."""
    result = Result("soak")
    if amount.is_sample:
        lived = list(soak.worlds(range(1, 2), amount.soak_days))
    else:
        lived = soak.soak(BUILD / "soak.jsonl", days=amount.soak_days, stamp=fingerprint())
    kinds: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    for world in lived:
        result.cases += world.days
        result.failures += world.failures
        result.worst_bare_seconds = max(result.worst_bare_seconds, world.worst_bare)
        kinds.update(world.kinds)
        codes.update(world.codes)
    quiet = sum(world.quiet_days for world in lived) or 1
    result.figures = {
        "worlds": len(lived),
        "days by kind": dict(kinds),
        "commands by exit code": dict(sorted(codes.items())),
        soak.CPU_OF_A_QUIET_DAY: round(1000 * sum(w.quiet_cpu for w in lived) / quiet, 1),
        "CPU ms of a quiet day, exchange": round(
            1000 * sum(w.quiet_exchange_cpu for w in lived) / quiet, 1
        ),
    }
    return result


def fingerprint() -> str:
    """Return a hash of what trades and of what judges it."""
    digest = hashlib.sha256()
    for folder in (
        "tf_lib/core",
        "tf_lib/edge",
        "tf_lib/drivers",
        "tf_lib/simulator",
        "tests/proofs",
    ):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


PROOFS: dict[str, Callable[[Bench, Amount], Result]] = {
    "cron": prove_cron,
    "scenarios": prove_scenarios,
    "teeth": prove_teeth,
    "answers": prove_answers,
    "hardships": prove_hardships,
    "by-hand": prove_by_hand,
    "papermill": prove_papermill,
    "crash": prove_crash,
    "wall": prove_wall,
    "soak": prove_soak,
}


def prove(names: list[str], amount: Amount, *, into: Path | None = None) -> list[Result]:
    """Do proofs by name, one after the other; each result is written as soon as it is there."""
    results, commit = [], commit_of(PROJECT)
    with busy_stage() as made:
        bench = Bench(made)
        for name in names:
            began = time.monotonic()
            result = PROOFS[name](bench, amount)
            result.seconds, result.sample = time.monotonic() - began, amount.is_sample
            result.commit = commit
            print(result.line(), flush=True)
            for failure in result.failures[:20]:
                print(f"  {failure}", flush=True)
            if into is not None:
                result.keep(into / f"{name}.json", seed=amount.seed)
            results.append(result)
    return results

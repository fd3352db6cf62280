"""
The proofs by name: of each its cases, what is met in one of them, and the figures of all.

`scripts/prove.sh` goes through all cases, the quick tests through a seeded part of the same ones.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from tests.proofs import (
    answers,
    by_hand,
    crash,
    cron_matrix,
    leaks,
    machine_faults,
    papermill_cases,
    soak,
)
from tests.proofs.busy import SCENES, busy_stage, scene_of
from tests.proofs.crash import Case, Play, Scene, every_case, on_machine
from tests.proofs.fault_checks import CHECKS, try_fault
from tests.proofs.flat_cases import FLAT_SCENES, FlatPlay, flat_scene
from tests.proofs.fork_server import PROJECT
from tests.proofs.result import Met, Result, commit_of, told
from tests.proofs.sample import sampled
from tests.proofs.scenarios import STORIES, tell
from tests.proofs.stage import Stage
from tests.proofs.wall import SETTINGS

T = TypeVar("T")
M = TypeVar("M")
BUILD = PROJECT / "build" / "proofs"


@dataclass
class Amount:
    """How much of each proof is done."""

    crash_cases: int = 1_500
    second_kills: int = 200
    wall_cases: int = 250
    flatten_cases: int = 500
    wrong_answers: int = 600
    stories: tuple[str, ...] = tuple(STORIES)
    faults: tuple[str, ...] = tuple(CHECKS)
    leaks: int = len(leaks.LEAKS)
    zones: tuple[str, ...] = ()
    papermill_cases: int = 48
    machine_faults: tuple[str, ...] | None = None
    hands: tuple[str, ...] = ()
    soak_days: int = soak.DAYS
    seed: int = 20261122
    minutes: float | None = None
    is_sample: bool = False


SAMPLE = Amount(
    crash_cases=4,
    second_kills=1,
    wall_cases=2,
    flatten_cases=4,
    wrong_answers=3,
    stories=("asleep_in_the_middle",),
    faults=("token_reusable", "clamp_remembered"),
    leaks=1,
    papermill_cases=1,
    hands=("a_copied_token",),
    machine_faults=("429 from call 28 on",),
    zones=("Australia/Lord_Howe",),
    soak_days=3,
    is_sample=True,
)


@dataclass
class Bench:
    """A stage that several proofs use, with the scenes that were asked for."""

    stage: Stage
    scenes: dict[tuple[str, str], Scene] = field(default_factory=dict)

    def scene(self, name: str = "two-way", setting: str = "") -> Scene:
        """Return a busy day; with a setting, as it goes by the wall clock of that machine."""
        if name in FLAT_SCENES and (name, setting) not in self.scenes:
            self.scenes[name, setting] = flat_scene(self.stage, self.scene(), name)
        if (name, setting) not in self.scenes:
            self.scenes[name, setting] = (
                on_machine(self.stage, self.scene(name), setting)
                if setting
                else scene_of(self.stage, name)
            )
        return self.scenes[name, setting]


@dataclass(frozen=True)
class Proof(Generic[T, M]):
    """
    One proof.

    Attributes
    ----------
    cases : callable
        Return the cases of an amount, each of which says by `str` what it is.
    meet : callable
        Go through one case.
    figures : callable
        Return what the document tells of them, from what was met.
    """

    cases: Callable[[Bench, Amount], Sequence[T]]
    meet: Callable[[Bench, T], Met[M]]
    figures: Callable[[Bench, Amount, Sequence[Met[M]]], dict[str, Any]]


# -- killed and found again --------------------------------------------------------------------


def _crash_cases(bench: Bench, amount: Amount) -> list[Case]:
    """Tier 1: killed at every kind of point of two busy days, and found again."""
    share = {"two-way": 2, "exit": 1} if not amount.is_sample else {"two-way": 1}
    parts, total = [], sum(share.values())
    for name, one in share.items():
        everything = list(every_case(bench.scene(name)))
        count = amount.crash_cases * one // total
        part = sampled(everything, crash.kind_of, count=count, seed=amount.seed)
        parts.append(part + _killed_twice(everything, amount, one / total))
    return in_turn(parts)


def _killed_twice(everything: Sequence[Case], amount: Amount, share: float) -> list[Case]:
    """Return cases whose recovery is killed as well."""
    once = [case for case in everything if case.recovery == "rerun" and not case.power]
    count = int(amount.second_kills * share)
    chosen = sampled(once, crash.kind_of, count=count, seed=amount.seed + 1)
    return [replace(case, second=1 + (7 * n) % 120) for n, case in enumerate(chosen)]


def _wall_cases(bench: Bench, amount: Amount) -> list[Case]:
    """Killed and found again by the wall clock, on machines whose clocks are wrong."""
    names = SCENES if not amount.is_sample else ("two-way",)
    pairs = [(name, setting) for name in names for setting in SETTINGS]
    # A sample has few machines, and other ones for another seed.
    chosen = random.Random(amount.seed).sample(pairs, min(len(pairs), -(-amount.wall_cases // 2)))
    parts = []
    for number, (name, setting) in enumerate(sorted(chosen)):
        count = (amount.wall_cases + number) // len(chosen)
        kind = functools.partial(crash.kind_by_wall, first=number)
        everything = list(every_case(bench.scene(name, setting)))
        parts.append(sampled(everything, kind, count=count, seed=amount.seed + number))
    return in_turn(parts)


def _flatten_cases(bench: Bench, amount: Amount) -> list[Case]:
    """Killed while somebody gets out, or pauses; a part of the cases is killed twice."""
    names = tuple(FLAT_SCENES) if not amount.is_sample else ("flatten", "pause")
    share, parts = amount.flatten_cases // len(names), []
    for name in names:
        everything = list(every_case(bench.scene(name)))
        part = sampled(everything, crash.kind_of, count=share, seed=amount.seed)
        again = [case for case in everything if case.recovery == "again" and not case.power]
        twice = sampled(again, crash.kind_of, count=share // 8, seed=amount.seed + 1)
        parts.append(
            part + [replace(case, second=1 + (7 * n) % 90) for n, case in enumerate(twice)]
        )
    return in_turn(parts)


def _flatten(bench: Bench, case: Case) -> Met[Case]:
    return FlatPlay(bench.stage, bench.scene(case.scene), case).go()


def _flatten_figures(bench: Bench, amount: Amount, mets: Sequence[Met[Case]]) -> dict[str, Any]:
    names = dict.fromkeys(met.case.scene for met in mets)
    points = {f"points of {name}": len(bench.scene(name).points["still"]) for name in names}
    scenes = Counter(met.case.scene for met in mets)
    return points | {"by scene": dict(scenes)} | crash.figures(mets)


def in_turn(parts: Sequence[Sequence[T]]) -> list[T]:
    """Return one of each part after the other, so that no part waits for the end."""
    rows = itertools.zip_longest(*parts)
    return [case for row in rows for case in row if case is not None]


def _kill(bench: Bench, case: Case) -> Met[Case]:
    return Play(bench.stage, bench.scene(case.scene, case.setting), case).go()


def _crash_figures(bench: Bench, amount: Amount, mets: Sequence[Met[Case]]) -> dict[str, Any]:
    figures: dict[str, Any] = {"seed": str(amount.seed)}
    for name in dict.fromkeys(met.case.scene for met in mets):
        scene = bench.scene(name)
        figures[f"points of the {name} day"] = {k: len(v) for k, v in scene.points.items()}
        figures[f"cases there are, {name} day"] = len(list(every_case(scene)))
    return figures | crash.figures(mets)


# -- the others --------------------------------------------------------------------------------


def _story(bench: Bench, name: str) -> Met[str]:
    story = tell(bench.stage, bench.scene().eve, name)
    return Met(name, 0, tuple(story.findings), story.worst_bare)


def _fault(bench: Bench, fault: str) -> Met[str]:
    """Planted faults: each is caught, and its trial is silent without it."""
    caught = try_fault(bench.stage, bench.scene(), fault)
    silent = try_fault(bench.stage, bench.scene(), fault, is_planted=False)
    found = []
    if not caught.by:
        found.append(f"was not caught by its kind: {list(caught.findings)}")
    if silent.findings:
        found.append(f"its trial is not silent without it: {silent.findings}")
    return Met(fault, 0, tuple(found), caught=caught.by)


def _every_answer(bench: Bench) -> list[answers.Wrong]:
    return answers.every_wrong(answers.calls_of(bench.stage, bench.scene()))


def _answers(bench: Bench, amount: Amount) -> list[answers.Wrong]:
    """Tier 3: every fault at every call, as answers."""
    everything = _every_answer(bench)
    return sampled(everything, answers.kind_of, count=amount.wrong_answers, seed=amount.seed)


def _answer_figures(
    bench: Bench, amount: Amount, mets: Sequence[Met[answers.Wrong]]
) -> dict[str, Any]:
    everything = _every_answer(bench)
    calls = {wrong.call.number for wrong in everything}
    return {"calls": len(calls), "cases there are": len(everything)} | answers.figures(mets)


def _machine_faults(bench: Bench, amount: Amount) -> list[machine_faults.MachineFault]:
    """Full and unwritable disks, spoilt files, wrong keys, storms of 429, a line that dies."""
    everything = machine_faults.every_fault(mounts=machine_faults.can_mount(bench.stage.folder))
    names = amount.machine_faults
    return [one for one in everything if names is None or one.name in names]


def _machine_figures(
    bench: Bench, amount: Amount, mets: Sequence[Met[machine_faults.MachineFault]]
) -> dict[str, Any]:
    mounts = machine_faults.can_mount(bench.stage.folder)
    codes = {met.case.name: met.code for met in mets}
    return {"disks of a few megabytes were tried": mounts, "exit codes": codes}


def _papermill_cases(bench: Bench, amount: Amount) -> list[papermill_cases.Case]:
    """Tier 2: the whole run through papermill; runner and kernel killed, stopped, hanging."""
    changes = papermill_cases.count_changes(bench.stage, bench.scene())
    return papermill_cases.every_case(changes, amount.papermill_cases)


def _papermill_figures(
    bench: Bench, amount: Amount, mets: Sequence[Met[papermill_cases.Case]]
) -> dict[str, Any]:
    codes = Counter(f"{met.case.fate} {met.code}" for met in mets)
    return {"fates and the runner's exit codes": dict(sorted(codes.items()))}


def _leaks(bench: Bench, amount: Amount) -> list[str]:
    """Planted leaks: each is found by name; without one there is nothing to find."""
    chosen = random.Random(amount.seed).sample(sorted(leaks.LEAKS), amount.leaks)
    return [*([] if amount.is_sample else [leaks.CLEAN]), *sorted(chosen)]


def _leak(bench: Bench, name: str) -> Met[str]:
    with tempfile.TemporaryDirectory() as folder:
        leaks.write_market(Path(folder))
        return leaks.look(name, Path(folder))


def _zone(bench: Bench, name: str) -> Met[str]:
    found = cron_matrix.run_zone(name)
    return Met(name, 0, tuple(found), count=cron_matrix.CASES_PER_ZONE)


def _cron_figures(bench: Bench, amount: Amount, mets: Sequence[Met[str]]) -> dict[str, Any]:
    groups = cron_matrix.zones() if not amount.zones else {name: (name,) for name in amount.zones}
    return {
        "zones with rules of their own": len(mets),
        "zones in all": sum(len(groups[met.case]) for met in mets),
        "ways": list(cron_matrix.WAYS),
    }


def _worlds(bench: Bench, amount: Amount) -> list[soak.Case]:
    """Ten thousand days with seeded disturbances."""
    if amount.is_sample:
        return [soak.Case(1, amount.soak_days)]
    return soak.every_world(amount.soak_days, BUILD / "soak.jsonl", fingerprint())


PROOFS: dict[str, Proof[Any, Any]] = {
    "cron": Proof(
        lambda bench, amount: list(amount.zones) or sorted(cron_matrix.zones()),
        _zone,
        _cron_figures,
    ),
    "scenarios": Proof(
        lambda bench, amount: amount.stories,
        _story,
        lambda bench, amount, mets: {"stories": [met.case for met in mets]},
    ),
    "teeth": Proof(lambda bench, amount: amount.faults, _fault, lambda *_: {}),
    "leaks": Proof(_leaks, _leak, lambda *_: {}),
    "answers": Proof(
        _answers,
        lambda bench, wrong: answers.answer(bench.stage, bench.scene(), wrong),
        _answer_figures,
    ),
    "hardships": Proof(
        _machine_faults,
        lambda bench, one: machine_faults.meet(bench.stage, bench.scene(), one),
        _machine_figures,
    ),
    "by-hand": Proof(
        lambda bench, amount: list(by_hand.every_hand(amount.hands)),
        lambda bench, hand: by_hand.do(bench.stage, bench.scene(), hand),
        lambda bench, amount, mets: {"ways": [str(met.case).replace("_", " ") for met in mets]},
    ),
    "papermill": Proof(
        _papermill_cases,
        lambda bench, case: papermill_cases.meet(bench.stage, bench.scene(), case),
        _papermill_figures,
    ),
    "flatten": Proof(_flatten_cases, _flatten, _flatten_figures),
    "crash": Proof(_crash_cases, _kill, _crash_figures),
    "wall": Proof(_wall_cases, _kill, lambda bench, amount, mets: crash.figures(mets)),
    "soak": Proof(
        _worlds,
        lambda bench, case: soak.meet(bench.stage, case),
        lambda bench, amount, mets: soak.figures(mets),
    ),
}


# -- going through them ------------------------------------------------------------------------


def fingerprint() -> str:
    """Return a hash of what trades and of what judges it."""
    digest = hashlib.sha256()
    for folder in ("tf_lib", "tests/proofs"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def prove_one(bench: Bench, name: str, amount: Amount) -> Result:
    """Go through the cases of one proof, for as long as there is time."""
    proof, result, mets = PROOFS[name], Result(name), list[Met[Any]]()
    began, cases = time.monotonic(), PROOFS[name].cases(bench, amount)
    for case in told(name, cases, lambda: len(result.failures), minutes=amount.minutes):
        mets.append(proof.meet(bench, case))
        result.note(mets[-1])
    result.figures = proof.figures(bench, amount, mets)
    result.seconds, result.sample = time.monotonic() - began, amount.is_sample
    return result


def prove(names: list[str], amount: Amount, *, into: Path | None = None) -> Iterator[Result]:
    """Do proofs by name, one after the other; each result is written as soon as it is there."""
    commit = commit_of(PROJECT)
    with busy_stage() as made:
        bench = Bench(made)
        for name in names:
            result = prove_one(bench, name, amount)
            result.commit = commit
            if into is not None:
                result.keep(into / f"{name}.json", seed=amount.seed)
            yield result

"""
Tier 2: the whole run through papermill, and what can happen to its two processes.

The exchange lives in this process, so a request that arrives is the moment: before or after it is
answered the runner, its kernel or both are killed, terminated, interrupted, or stopped and
continued when the plan is old or the day is over. A guard comes 14 minutes later; of a run that
hangs past its deadline it takes over. No process may be left, no lock be held, and the oracle
judges as for every other crash.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.proofs.crash import Scene
from tests.proofs.evidence import evidence_of, not_quiet
from tests.proofs.fork_server import PROJECT
from tests.proofs.oracle import judge, worst_bare_seconds
from tests.proofs.result import Met
from tests.proofs.stage import Stage
from tests.proofs.wire import Wire

ALLOWED: dict[str, tuple[int, ...]] = {
    "kernel killed": (1, 3),
    "runner killed": (-9,),
    "both killed": (-9,),
    "runner terminated": (-15, 1, 3),
    "runner interrupted": (1, 3, -2),
    "asleep for twenty minutes": (0,),
    "asleep past midnight": (0, 1),
    "kernel hangs past its deadline": (-9,),
}
"""Fates, and the exit codes that the runner may end with."""
FATES = tuple(ALLOWED)
MOMENTS = ("before", "after")
_PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Case:
    """What happens to whom when the n-th changing request arrives."""

    fate: str
    number: int
    moment: str

    def __str__(self) -> str:
        return f"{self.fate}, {self.moment} changing request {self.number}"


def count_changes(stage: Stage, scene: Scene) -> int:
    """Return how many changing requests the busy day sends."""
    stage.put_back(scene.eve)
    assert stage.run().code == 0
    return stage.count_changes()


def every_case(changes: int, count: int) -> list[Case]:
    """Return cases that give every fate its turn at moments all over the day."""
    found = []
    for turn in range(count):
        fate = FATES[turn % len(FATES)]
        lap = turn // len(FATES)
        # Laps step through the day so that fates meet different orders.
        number = 1 + (lap * 5 + 3 * (turn % len(FATES))) % changes
        found.append(Case(fate, number, MOMENTS[(turn + lap) % 2]))
    return found


def meet(stage: Stage, scene: Scene, case: Case) -> Met[Case]:
    """Run the busy day through papermill, and let something happen to it."""
    stage.put_back(scene.eve)
    findings: list[str] = []
    run = Run(stage)
    with struck(stage, case, run):
        run.start()
        code = run.wait()
    if code is None:
        findings.append("hangs: the runner did not end")
        run.end_all()
        code = -99
    if stage.exchange.now().date() == scene.day:
        stage.wait(840)
    looked = stage.guard()
    if looked.code == 3:
        findings.append(f"bare: the guard says so: {looked.said[-300:]}")
    findings += run.left_behind()
    again = stage.guard()
    if again.code not in (0, 1):
        findings.append(f"lock: a guard ended with {again.code}: {again.said[-300:]}")
    findings += not_quiet(stage)
    if not any(stage.profile.glob(f"{scene.day}/logs/heartbeat.jsonl")):
        findings.append("record: the day's folder has no log")
    findings += [f for f in _exit_code(case, code, run) if f]
    evidence = evidence_of(stage)
    findings += judge(evidence)
    return Met(case, code, tuple(findings), worst_bare_seconds(evidence))


def _exit_code(case: Case, code: int, run: Run) -> Iterator[str]:
    """Yield what is wrong with how the runner ended."""
    allowed = ALLOWED[case.fate]
    if code not in allowed:
        yield f"exit: {code}, wanted one of {allowed}: {run.said()[-400:]}"


class Run:
    """The runner as a process of its own, with its kernel."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.log = stage.folder / "papermill.txt"
        self.family: list[psutil.Process] = []
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--config", str(self.stage.config), "--runs", str(self.stage.runs)]
        with self.log.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tf_lib", "run", *options, "--gate-minutes", "59"],
                # A kernel that is killed leaves its sockets where it was started.
                cwd=self.stage.folder,
                env=os.environ | self.stage.environment | {"PYTHONPATH": str(PROJECT)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self) -> int | None:
        assert self.process is not None
        try:
            return self.process.wait(timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def look(self) -> None:
        """Remember who belongs to the run."""
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            runner = psutil.Process(self.process.pid)
            self.family = [runner, *runner.children(recursive=True)]

    @property
    def kernels(self) -> list[psutil.Process]:
        return [one for one in self.family[1:] if one.is_running()]

    def send(self, to: Sequence[psutil.Process], number: signal.Signals) -> None:
        for process in to:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def left_behind(self) -> list[str]:
        """Name what still lives of the run, and end it."""
        _, alive = psutil.wait_procs(self.family, timeout=5)
        for process in alive:
            process.kill()
        return [f"orphan: process {p.pid} of the run lives on" for p in alive]

    def end_all(self) -> None:
        self.send(list(reversed(self.family)), signal.SIGKILL)
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def struck(stage: Stage, case: Case, run: Run) -> Iterator[None]:
    """Let the case's fate strike when its request arrives."""
    wire, seen, lock = Wire(stage), [0], threading.Lock()
    workers: list[threading.Thread] = []

    def responded(method: str, path: str, query: Any, body: Any) -> Any:
        is_changing = method == "POST" and path.endswith(("/orders", "/batch_cancel"))
        with lock:
            seen[0] += is_changing
            is_due = is_changing and seen[0] == case.number
        if not is_due:
            return wire.respond(method, path, query, body)
        reply = wire.respond(method, path, query, body) if case.moment == "after" else None
        run.look()
        worker = strike(stage, case, run)
        if worker is not None:
            workers.append(worker)
        return reply if reply is not None else wire.respond(method, path, query, body)

    wire.put(responded)
    try:
        yield
    finally:
        wire.restore()
        for worker in workers:
            worker.join(timeout=_PATIENCE_SECONDS)


def strike(stage: Stage, case: Case, run: Run) -> threading.Thread | None:
    """Do it; what takes time is done beside."""
    signals = {
        "kernel killed": (run.kernels, signal.SIGKILL),
        "runner killed": (run.family[:1], signal.SIGKILL),
        "both killed": (run.family, signal.SIGKILL),
        "runner terminated": (run.family[:1], signal.SIGTERM),
        "runner interrupted": (run.family[:1], signal.SIGINT),
    }
    if case.fate in signals:
        run.send(*signals[case.fate])
        return None
    run.send(run.family, signal.SIGSTOP)
    beside = _hang if case.fate.startswith("kernel hangs") else _sleep
    worker = threading.Thread(target=beside, args=(stage, case, run))
    worker.start()
    return worker


def _sleep(stage: Stage, case: Case, run: Run) -> None:
    """The lid is closed: time passes at the exchange only."""
    if case.fate.endswith("midnight"):
        day = stage.exchange.now().date() + dt.timedelta(days=1)
        stage.go_to(day, dt.time(0, 30))
    else:
        stage.wait(1200)
    run.send(run.family, signal.SIGCONT)


def _hang(stage: Stage, case: Case, run: Run) -> None:
    """The kernel never answers again; three quarters of an hour later a guard comes."""
    run.send(run.family[:1], signal.SIGCONT)
    past = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    for holder in _holders(stage):
        who = json.loads(holder.read_text(encoding="utf-8"))
        holder.write_text(json.dumps(who | {"deadline": past.isoformat()}), encoding="utf-8")
    stage.wait(2700)
    stage.guard()


def _holders(stage: Stage) -> list[Path]:
    return [*stage.state.glob("*.holder"), *(stage.folder / "locks").glob("*.holder")]

"""
Faults of the machine: what a machine, a key and a network do to a run, one at a time.

Each ends with the right exit code, a record of it, every position protected once a guard has
looked, and nothing locked. Disks are real ones of a few megabytes where this process may mount
them; elsewhere those cases are left out, and the result says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.proofs.crash import Scene
from tests.proofs.evidence import evidence_of, not_quiet
from tests.proofs.oracle import judge, worst_bare_seconds
from tests.proofs.result import Met
from tests.proofs.stage import Ended, Stage

DISK_BYTES = 16 << 20
FIRST_CALLS = (1, 4, 12, 20, 28, 40, 55)
ROOM_KB = (0, 8, 40, 80, 120, 160, 240)


@dataclass(frozen=True)
class MachineFault:
    """One fault: how it is brought about, and the exit codes it may lead to."""

    name: str
    codes: tuple[int, ...]
    bring: Callable[[Stage], contextlib.AbstractContextManager[None]]
    sends: bool = True

    def __str__(self) -> str:
        return self.name


def meet(stage: Stage, scene: Scene, fault: MachineFault) -> Met[MachineFault]:
    """Run the busy day under a fault; a guard looks when it is over."""
    stage.put_back(scene.eve)
    findings: list[str] = []
    with fault.bring(stage):
        ended = stage.run(hasty=True)
        stage.wait(60)
        during = stage.guard(hasty=True)
    findings += _ended_well(stage, scene, fault, ended)
    if during.code not in (0, 1, 2, 3, 5):
        findings.append(f"exit: a guard in the middle of it ended with {during.code}")
    if not fault.sends and stage.count_changes():
        findings.append(f"sent: {stage.count_changes()} changing requests")
    stage.wait(840)
    looked = stage.guard(hasty=True)
    if looked.code not in (0, 1):
        findings.append(f"after: a guard ended with {looked.code}: {looked.said[-300:]}")
    findings += not_quiet(stage)
    evidence = evidence_of(stage)
    findings += judge(evidence)
    worst = worst_bare_seconds(evidence)
    stage.go_to(scene.day.fromordinal(scene.day.toordinal() + 1))
    tomorrow = stage.run(hasty=True)
    if tomorrow.code:
        findings.append(f"after: the next day ended with {tomorrow.code}: {tomorrow.said[-300:]}")
    findings += [f"next day: {one}" for one in judge(evidence_of(stage))]
    return Met(fault, ended.code, tuple(findings), worst)


def _ended_well(stage: Stage, scene: Scene, fault: MachineFault, ended: Ended) -> Iterator[str]:
    if ended.code not in fault.codes:
        yield f"exit: {ended.code}, wanted {fault.codes}: {ended.said[-400:]}"
    if "Traceback" in ended.said:
        yield f"message: a traceback instead of one: {ended.said[-400:]}"
    beats = stage.state / "heartbeat.jsonl"
    has_day = any(stage.profile.glob(f"{scene.day}/daily_summary_*.json"))
    has_said = "error" in ended.said or "refused" in beats.read_text(encoding="utf-8")
    if not (has_day or has_said):
        yield f"record: nothing tells of it: {ended.said[-300:]}"


# -- the network and the key -----------------------------------------------------------------


def _answers(
    first: int, **rule: object
) -> Callable[[Stage], contextlib.AbstractContextManager[None]]:
    @contextlib.contextmanager
    def brought(stage: Stage) -> Iterator[None]:
        stage.exchange.add_fault(endpoint="* /*", calls=[f"{first}-3000"], **rule)
        try:
            yield
        finally:
            stage.exchange.clear_faults()

    return brought


@contextlib.contextmanager
def _another_key(stage: Stage) -> Iterator[None]:
    """A key that the exchange never saw."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    path = Path(stage.endpoint.key_file)
    before = path.read_bytes()
    fresh = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    path.write_text(json.dumps(json.loads(before) | {"privateKey": fresh.decode()}))
    try:
        yield
    finally:
        path.write_bytes(before)


# -- what is on disk -------------------------------------------------------------------------


@contextlib.contextmanager
def _spoilt_cache(stage: Stage) -> Iterator[None]:
    for path in (stage.state / "candles").glob("*.parquet"):
        path.write_bytes(b"PAR1 this is not parquet PAR1")
    yield


@contextlib.contextmanager
def _edited_ledger(stage: Stage) -> Iterator[None]:
    before = stage.ledger.read_bytes()
    stage.ledger.write_bytes(before.replace(b'"kind"', b'kind"', 1))
    yield
    stage.ledger.write_bytes(before)


@contextlib.contextmanager
def _spoilt_epoch(stage: Stage) -> Iterator[None]:
    path = stage.state / "epoch"
    path.write_text("not a number", encoding="utf-8")
    yield
    path.unlink()


@contextlib.contextmanager
def _on_a_disk(stage: Stage) -> Iterator[Path]:
    """Put the profile on a disk of its own."""
    disk, runs = stage.folder / "disk", stage.runs
    disk.mkdir()
    mount(disk)
    try:
        shutil.copytree(runs, disk / "runs", symlinks=True)
        stage.runs = disk / "runs"
        yield disk
    finally:
        stage.runs = runs
        shutil.rmtree(runs)
        shutil.copytree(disk / "runs", runs, symlinks=True)
        subprocess.run(["umount", str(disk)], check=True)
        disk.rmdir()


def mount(disk: Path) -> None:
    """Mount an empty disk of a few megabytes."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", str(disk)]
    subprocess.run(command, check=True, capture_output=True)


def can_mount(folder: Path) -> bool:
    """Whether this process may mount disks."""
    probe = folder / "probe"
    probe.mkdir()
    try:
        mount(probe)
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        subprocess.run(["umount", str(probe)], check=False, capture_output=True)
        probe.rmdir()
    return True


def _full_but_for(kilobytes: int) -> Callable[[Stage], contextlib.AbstractContextManager[None]]:
    @contextlib.contextmanager
    def brought(stage: Stage) -> Iterator[None]:
        with _on_a_disk(stage) as disk:
            free = os.statvfs(disk)
            room = free.f_bavail * free.f_frsize - kilobytes * 1024
            (disk / "filler").write_bytes(b"x" * max(room, 0))
            try:
                yield
            finally:
                (disk / "filler").unlink()

    return brought


@contextlib.contextmanager
def _read_only(stage: Stage) -> Iterator[None]:
    with _on_a_disk(stage) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        try:
            yield
        finally:
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


ANY = (0, 1, 3, 5)


def every_fault(*, mounts: bool) -> list[MachineFault]:
    """Return all of them."""
    found = [
        MachineFault("a key the exchange does not know", (5,), _another_key, sends=False),
        MachineFault("a spoilt candle cache", (0,), _spoilt_cache),
        MachineFault("an edited ledger", (2,), _edited_ledger, sends=False),
        MachineFault("a spoilt epoch", (2,), _spoilt_epoch, sends=False),
    ]
    storms: dict[str, dict[str, Any]] = {
        "429": {"kind": "status", "status": 429},
        "the key expires": {"kind": "unauthorized"},
        "the exchange is down": {"kind": "status", "status": 503, "body": "html"},
        "the line is dead": {"kind": "drop_before"},
    }
    for name, rule in storms.items():
        for first in FIRST_CALLS:
            codes = (5,) if first == 1 else ANY
            found.append(
                MachineFault(
                    f"{name} from call {first} on", codes, _answers(first, **rule), first > 4
                )
            )
    if mounts:
        for kilobytes in ROOM_KB:
            codes = (2,) if kilobytes == 0 else (0, 1, 2, 3)
            bring = _full_but_for(kilobytes)
            found.append(
                MachineFault(f"{kilobytes} kB left on the disk", codes, bring, kilobytes > 0)
            )
        found.append(MachineFault("a disk that cannot be written", (2,), _read_only, sends=False))
    return found

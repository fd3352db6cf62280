"""What a case and a proof come to: what was tried, found, and how long unprotected."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_TOLD_EVERY_SECONDS = 60.0


@dataclass(frozen=True)
class Met(Generic[T]):
    """
    What came of one case.

    Attributes
    ----------
    case : T
    code : int
        Exit code of its run.
    findings : tuple of str
        What was wrong; nothing where the proof holds.
    worst_bare : float
        The longest unprotected time.
    is_looked_after : bool
        Whether somebody came the same day; else that time is the case's own doing.
    caught : str, optional
        Of a planted fault: what caught it, or nothing.
    count : int
        How many cases it stands for.
    """

    case: T
    code: int = 0
    findings: tuple[str, ...] = ()
    worst_bare: float = 0.0
    is_looked_after: bool = True
    caught: str | None = None
    count: int = 1


@dataclass
class Result:
    """
    The outcome of one proof.

    Attributes
    ----------
    name : str
    cases : int
        What was tried.
    failures : list of str
        One line each; none when the proof holds.
    worst_bare_seconds : float
        The longest that a position was without its stop in the exchange's time, as the
        exchange's own record tells it; 0 where the proof does not measure it.
    caught : dict of fault to finding
        Of planted faults: what caught each.
    planted : int
        How many were planted.
    figures : dict
        Counts for the document.
    seconds : float
        Wall time.
    sample : bool
        Only a seeded part was tried.
    commit : str
        What was tried, where it was a clone.
    """

    name: str
    cases: int = 0
    failures: list[str] = field(default_factory=list)
    worst_bare_seconds: float = 0.0
    caught: dict[str, str] = field(default_factory=dict)
    planted: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    sample: bool = False
    commit: str = ""

    @property
    def holds(self) -> bool:
        return self.cases > 0 and not self.failures

    def note(self, met: Met[Any]) -> None:
        """Take up what came of one case."""
        self.cases += met.count
        self.failures += [f"{met.case}: {finding}" for finding in met.findings]
        if met.is_looked_after:
            self.worst_bare_seconds = max(self.worst_bare_seconds, met.worst_bare)
        if met.caught is not None:
            self.planted += 1
        if met.caught:
            self.caught[str(met.case)] = met.caught

    def line(self) -> str:
        """Say it in one line."""
        what = "holds" if self.holds else "FAILS"
        bare = f", longest unprotected {self.worst_bare_seconds:.1f} s"
        bare = bare if self.worst_bare_seconds else ""
        caught = f", caught {len(self.caught)}/{self.planted}" if self.planted else ""
        return (
            f"{self.name}: {what}, {self.cases} cases, {len(self.failures)} failures"
            f"{bare}{caught}, {self.seconds:.0f} s"
        )

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def keep(self, path: Path, *, seed: int) -> None:
        """Write it; a smaller part, tried later, is told beside the larger one that holds."""
        known = Result.read(path) if path.exists() else None
        if known is None or not known.holds or self.cases >= known.cases:
            self.write(path)
            return
        told = f"{self.cases:,} cases, {len(self.failures)} failures"
        known.figures[f"again at {self.commit}, seed {seed}"] = told
        known.failures += self.failures
        known.worst_bare_seconds = max(known.worst_bare_seconds, self.worst_bare_seconds)
        known.write(path)

    @classmethod
    def read(cls, path: Path) -> Result:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def commit_of(project: Path) -> str:
    """Return the commit of a clone, with a plus sign where files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--exclude=*", "--dirty=+"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip()


def told(
    name: str, cases: Sequence[T], failures: Callable[[], int], *, minutes: float | None = None
) -> Iterator[T]:
    """
    Yield cases, and say now and then on stderr how far it is.

    Parameters
    ----------
    minutes : float, optional
        After so long no further case is begun; what was not tried is not counted.
    """
    began, count = time.monotonic(), len(cases)
    last = began
    for number, case in enumerate(cases):
        if minutes is not None and time.monotonic() - began > 60 * minutes:
            print(f"{name}: out of time after {number} of {count}", file=sys.stderr, flush=True)
            return
        if time.monotonic() - last > _TOLD_EVERY_SECONDS:
            last = time.monotonic()
            pace = (last - began) / max(number, 1)
            line = f"{name}: {number}/{count}, {failures()} failures, {pace:.2f} s each"
            print(line, file=sys.stderr, flush=True)
        yield case

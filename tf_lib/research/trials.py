"""
Trials: the ledger that counts every evaluation ever made in a research folder.

Part of research (sweep -> *trials* -> verdict). The more was tried, the better the best looks by
luck alone; so every evaluation leaves one line, failed ones too, and none is ever removed. The
same set on the same bars is the same trial however often it is evaluated.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tf_lib.errors import StateError

LEDGER_NAME = "trials.jsonl"
OK, FAILED, INVALID = "ok", "failed", "invalid"


@dataclass(frozen=True)
class Trial:
    """
    One evaluation.

    Attributes
    ----------
    key : str
        Names parameters, bars and dates; equal trials have equal keys.
    status : str
        ``ok`` or ``failed``.
    sharpe : float or None
        Per day, not annualized; None when it failed.
    n_days : int
    """

    key: str
    status: str
    sharpe: float | None
    n_days: int


class TrialLedger:
    """
    The trials of one research folder, on disk in ``trials.jsonl``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ledger = TrialLedger(Path(folder))
    ...     ledger.add([Trial("a", "ok", 0.1, 100), Trial("b", "failed", None, 0)])
    ...     ledger.add([Trial("a", "ok", 0.1, 100)])
    ...     len(ledger), len(TrialLedger(Path(folder)))
    (2, 2)
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER_NAME
        self._trials = {trial.key: trial for trial in _read(self.path)}

    def __len__(self) -> int:
        """Return how many different evaluations were ever made."""
        return len(self._trials)

    def __contains__(self, key: str) -> bool:
        """Whether a trial was made before."""
        return key in self._trials

    def add(self, trials: Iterable[Trial]) -> None:
        """Append trials that are not there yet; they are on disk when this returns."""
        new = {trial.key: trial for trial in trials if trial.key not in self._trials}
        if not new:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = _lines(new.values())
        # A line that a crash tore must not swallow the next one.
        prefix = "\n" if _ends_torn(self.path) else ""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "ab") as file:
            file.write((prefix + lines).encode())
            file.flush()
            os.fsync(file.fileno())
        self._trials.update(new)

    def put_in_order(self) -> None:
        """
        Sort the lines by key, in one step: they came in the order in which workers were done.

        None is removed; the file is then the same bytes however the trials in it were made.
        """
        ordered = dict(sorted(self._trials.items()))
        content = _lines(ordered.values()).encode()
        if not ordered or self.path.read_bytes() == content:
            return
        beside = self.path.with_name(f".{LEDGER_NAME}.{os.getpid()}.tmp")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
        self._trials = ordered

    @property
    def sharpe_variance(self) -> float:
        """Sample variance of the Sharpe ratios per day; 0 with fewer than two."""
        known = [trial.sharpe for trial in self._trials.values() if trial.sharpe is not None]
        # Sorted, so that the order in which results came changes no bit.
        return float(np.var(np.sort(known), ddof=1)) if len(known) > 1 else 0.0


def _lines(trials: Iterable[Trial]) -> str:
    return "".join(json.dumps(asdict(trial)) + "\n" for trial in trials)


def _ends_torn(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _read(path: Path) -> list[Trial]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        trial = _parsed(line)
        if trial is not None:
            found.append(trial)
        elif not _is_torn(line):
            raise StateError(f"{path}, line {number}: not a trial: {line[:80]!r}")
    return found


def _is_torn(line: str) -> bool:
    """Whether a line was cut off while it was written."""
    return line.startswith("{") and not line.endswith("}")


def _parsed(line: str) -> Trial | None:
    try:
        trial = Trial(**json.loads(line))
    except (ValueError, TypeError):
        return None
    if trial.sharpe is not None and not math.isfinite(trial.sharpe):
        return None
    return trial

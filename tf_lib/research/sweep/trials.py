"""
Trials: the ledger that counts every evaluation ever made in a research folder.

Part of research (sweep -> *trials* -> verdict). The more was tried, the better the best looks by
luck alone; so every evaluation leaves one line, failed ones too, and none is ever removed. The
same set on the same bars is the same trial however often it is evaluated. Each line carries a
digest of itself, so that one that was edited is refused.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType

import numpy as np

from tf_lib.errors import StateError
from tf_lib.research.sweep.set_keys import digest

LEDGER_NAME = "trials.jsonl"
OK, FAILED, INVALID = "ok", "failed", "invalid"
_DIGEST_LENGTH = 12
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "key": str,
    "status": str,
    "sharpe": (int, float, NoneType),
    "n_days": int,
}


@dataclass(frozen=True, slots=True)
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
    def judged_keys(self) -> frozenset[str]:
        """The trials that came to a Sharpe ratio."""
        return frozenset(key for key, trial in self._trials.items() if trial.sharpe is not None)

    @property
    def sharpe_variance(self) -> float:
        """Sample variance of the Sharpe ratios per day; 0 with fewer than two."""
        known = [trial.sharpe for trial in self._trials.values() if trial.sharpe is not None]
        # Sorted, so that the order in which results came changes no bit.
        return float(np.var(np.sort(known), ddof=1)) if len(known) > 1 else 0.0


def _lines(trials: Iterable[Trial]) -> str:
    return "".join(
        json.dumps({**asdict(trial), "digest": _digest(trial)}) + "\n" for trial in trials
    )


def _digest(trial: Trial) -> str:
    return digest(json.dumps(asdict(trial)))[:_DIGEST_LENGTH]


def _ends_torn(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _read(path: Path) -> list[Trial]:
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip() or _is_torn(line):
            continue
        try:
            found.append(_parsed(line))
        except (ValueError, TypeError, KeyError) as error:
            raise StateError(
                f"{path}, line {number}: not a trial as it was written ({error}): {line[:80]!r}; "
                "put back a copy, or move it away to have it made again from parts/"
            ) from error
    return found


def _is_torn(line: bytes) -> bool:
    """Whether a line was cut off while it was written."""
    return line.startswith(b"{") and not line.rstrip().endswith(b"}")


def _parsed(line: bytes) -> Trial:
    """Return the trial of a line; `ValueError`, `TypeError` or `KeyError` if there is none."""
    content = json.loads(line.decode("utf-8"))
    if not isinstance(content, dict):
        raise ValueError("no mapping")
    written = content.pop("digest", None)
    trial = Trial(**content)
    for name, kinds in _KINDS.items():
        value = content[name]
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise ValueError(f"{name} cannot be {value!r}")
    if trial.sharpe is not None and not math.isfinite(trial.sharpe):
        raise ValueError(f"sharpe cannot be {trial.sharpe}")
    if written != _digest(trial):
        raise ValueError("its digest is not that of its numbers")
    return trial

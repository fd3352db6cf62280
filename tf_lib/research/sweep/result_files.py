"""
Parts: the results of a sweep on disk, one file per portion, as they land.

Part of a sweep (evaluations -> *parts* -> verdict). A part is written beside its place and
renamed, so that it is whole or not there; a sweep that was stopped finds in them what is done.
Parts are read one at a time: memory does not grow with the number of sets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.errors import TfError
from tf_lib.research.inference.overfitting import daily_sharpe
from tf_lib.research.sweep.evaluate import METRICS, Evaluation
from tf_lib.research.sweep.set_keys import code_edition, digest
from tf_lib.research.sweep.trials import OK, Trial, TrialLedger

_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("status", pa.string()),
        ("problem", pa.string()),
        ("metrics", pa.list_(pa.float64())),
        ("returns", pa.list_(pa.float64())),
        ("code", pa.string()),
    ]
)


class OtherCode(TfError):
    """A worker runs other code than the process that asked it; its results mean something else."""


@dataclass(frozen=True)
class Returns:
    """Daily returns of some sets, (n_sets, n_days), with their keys."""

    keys: tuple[str, ...]
    values: FloatArray


class Parts:
    """The parts of one study in one folder; what another edition of the code made is left aside."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.code = code_edition()
        self.folder = folder / "parts" / f"{fingerprint}-{self.code}"

    def write(self, evaluations: Sequence[Evaluation]) -> Path:
        """
        Write one portion; the same portion again is the same file.

        Raises
        ------
        OtherCode
            If it was made by other code than this process runs; nothing is written.
        """
        self._check_code(evaluations)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{digest(*(one.key for one in evaluations))}.parquet"
        columns = {name: [getattr(one, name) for one in evaluations] for name in _SCHEMA.names}
        table = pa.table(columns, schema=_SCHEMA)
        beside = path.with_name(f".{path.stem}.{os.getpid()}.tmp")
        try:
            pq.write_table(table, beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        return path

    def _check_code(self, evaluations: Sequence[Evaluation]) -> None:
        for one in evaluations:
            # Code that is too old to name itself sends neither.
            code, worker = (getattr(one, name, "unknown") for name in ("code", "worker"))
            if code != self.code:
                raise OtherCode(
                    f"the worker {worker} runs other code than this process: edition {code}, "
                    f"wanted {self.code}. Its results are refused, what came before is kept. Give "
                    "every worker the same tf_lib, start them anew, then give the same command"
                )

    def evaluations(self) -> Iterator[Evaluation]:
        """Yield what is done, without the returns."""
        none: FloatArray = np.empty(0)
        for path in self._paths():
            table = _readable(path, ["key", "status", "problem", "metrics"], self.code)
            for row in table.to_pylist():
                metrics = tuple(float("nan") if m is None else m for m in row["metrics"])
                if len(metrics) == len(METRICS):
                    yield Evaluation(
                        row["key"], row["status"], row["problem"], metrics, none, "", ""
                    )

    def returns(self, wanted: frozenset[str]) -> Iterator[Returns]:
        """Yield the returns of the sets wanted, part by part, each set once."""
        seen: set[str] = set()
        for path in self._paths():
            table = _readable(path, ["key", "status", "returns"], self.code)
            rows = [
                (key, row)
                for row, (key, status) in enumerate(
                    zip(table["key"].to_pylist(), table["status"].to_pylist(), strict=True)
                )
                if status == OK and key in wanted and key not in seen
            ]
            if not rows:
                continue
            seen.update(key for key, _ in rows)
            column = table["returns"].combine_chunks()
            lists = [column[row].values.to_numpy(zero_copy_only=False) for _, row in rows]
            yield Returns(tuple(key for key, _ in rows), np.stack(lists))

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("*.parquet"))


def landed_trials(folder: Path, ledger: TrialLedger) -> Iterator[Trial]:
    """
    Yield the trials that parts of a research folder know of and its ledger does not.

    Of every study and edition of the code. The Sharpe ratio follows from the returns; a trial that
    failed has none, and its days are those of the others beside it.
    """
    n_days: dict[Path, int] = {}
    for path in sorted((folder / "parts").glob("*/*.parquet")):
        keys = _readable(path, ["key"])["key"].to_pylist()
        if all(key in ledger for key in keys):
            continue
        table = _readable(path, ["status", "returns"]).to_pylist()
        longest = max((len(row["returns"]) for row in table), default=0)
        n_days[path.parent] = max(n_days.get(path.parent, 0), longest)
        for key, row in zip(keys, table, strict=True):
            sharpe = daily_sharpe(np.array(row["returns"])) if row["status"] == OK else None
            yield Trial(key, row["status"], sharpe, n_days[path.parent])


def _readable(path: Path, columns: list[str], code: str = "") -> pa.Table:
    """
    Return a part, or of it what one edition of the code made.

    One that a power loss left unreadable holds nothing, nor does one of other code; both are made
    again.
    """
    try:
        made_by = [("code", "==", code)] if code else None
        return pq.read_table(path, columns=columns, filters=made_by)
    except (pa.ArrowInvalid, OSError):
        return _SCHEMA.empty_table().select(columns)

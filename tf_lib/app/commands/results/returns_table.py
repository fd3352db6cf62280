"""
Returns table: the daily returns of every set of a sweep in one file, ``returns.parquet``.

A column ``date`` and one column per set that has a result, named by its number in results.csv.
Written from the parts some days at a time. What grows with the number of sets is what the library
keeps per column, about 8 kB: 5,000 sets of 1,000 days take 72 MB, 100,000 take 1.1 GB.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.errors import ParameterError
from tf_lib.research.sweep.result_files import Parts
from tf_lib.research.sweep.run_sweep import SweepResult
from tf_lib.research.sweep.trials import OK

RETURNS_NAME = "returns.parquet"
MOST_BYTES = 256 << 20
"""Of returns in memory at a time; it decides how many days a row group has."""
_DAYS_PER_YEAR = b"days_per_year"


def write_returns(result: SweepResult, out_dir: Path, *, most_bytes: int = MOST_BYTES) -> Path:
    """
    Write the daily returns of all sets that ended well, beside their place and then renamed.

    Parameters
    ----------
    result : SweepResult
    out_dir : Path
        The research folder with the parts.
    most_bytes : int
        The parts are read once for every so many bytes of all sets' returns.
    """
    study, table = result.study, result.table[result.table["status"] == OK]
    columns: dict[str, list[int]] = {}
    for column, key in enumerate(table["key"]):
        columns.setdefault(str(key), []).append(column)
    fields = [("date", pa.date32()), *((str(number), pa.float64()) for number in table["set"])]
    days_per_year = repr(float(study.base["run"]["annual_trading_days"])).encode()
    schema = pa.schema(fields, metadata={_DAYS_PER_YEAR: days_per_year})
    at_once = max(1, most_bytes // (8 * len(table)))
    parts = Parts(out_dir, study.fingerprint)
    path = out_dir / RETURNS_NAME
    beside = path.with_name(f".{RETURNS_NAME}.{os.getpid()}.tmp")
    try:
        with pq.ParquetWriter(beside, schema, use_dictionary=False) as writer:
            for first in range(0, study.n_days, at_once):
                stop = min(first + at_once, study.n_days)
                rows = _block(parts, columns, len(table), (first, stop))
                days = [study.start + dt.timedelta(days=day) for day in range(first, stop)]
                arrays = [pa.array(days, pa.date32()), *map(pa.array, rows)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def _block(
    parts: Parts, columns: dict[str, list[int]], n_sets: int, days: tuple[int, int]
) -> FloatArray:
    """Return some days of all sets, (n_sets, n_days)."""
    rows = np.full((n_sets, days[1] - days[0]), np.nan)
    for piece in parts.returns(frozenset(columns)):
        for key, values in zip(piece.keys, piece.values, strict=True):
            rows[columns[key]] = values[slice(*days)]
    return rows


def read_returns(folder: Path, numbers: Sequence[int]) -> tuple[list[FloatArray], float]:
    """
    Return the daily returns of some sets, each (n_days,), and the days of a year.

    Raises
    ------
    ParameterError
        If the folder has no such file, or the file no such set.
    """
    path = folder / RETURNS_NAME
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ParameterError(
            f"{path}: cannot be read as the returns of a sweep ({type(error).__name__}); it is "
            "made by tf sweep, also by one that is given again"
        ) from error
    for number in numbers:
        if str(number) not in schema.names:
            raise ParameterError(
                f"{path}: has no returns of set {number}; sets are numbered as in results.csv, and "
                f"those that failed or are invalid have none ({len(schema.names) - 1} sets have)"
            )
    table = pq.read_table(path, columns=[*{str(number): None for number in numbers}])
    days_per_year = float((schema.metadata or {}).get(_DAYS_PER_YEAR, b"365"))
    return [table[str(number)].to_numpy() for number in numbers], days_per_year

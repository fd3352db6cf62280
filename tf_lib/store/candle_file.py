"""
Candle files: one ticker's finished bars on disk, with proof of their own content.

A file names its ticker and carries a digest of its numbers, so one that was cut, mixed up or
changed is noticed and never trusted.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tf_lib.core.candles.rows import FIELDS
from tf_lib.errors import StateError
from tf_lib.exchange.port import Bar
from tf_lib.store.files import write_whole

if TYPE_CHECKING:
    import pandas as pd

    from tf_lib.core.jit.arrays import FloatArray, IntArray

_EPOCH = dt.date(1970, 1, 1)
_TICKER_KEY = b"tf_ticker"
_DIGEST_KEY = b"tf_sha256"


@dataclass(frozen=True)
class Candles:
    """Bars as arrays: days since 1970, rising, and values of shape (n_days, 5)."""

    days: IntArray
    values: FloatArray

    @classmethod
    def of(cls, bars: dict[dt.date, Bar]) -> Candles:
        """Make arrays of bars by day."""
        ordered = sorted(bars)
        return cls(
            np.array([_day_number(day) for day in ordered], dtype=np.int64),
            np.array([bars[day] for day in ordered], dtype=np.float64).reshape(-1, 5),
        )

    @property
    def last_day(self) -> dt.date | None:
        """The day of the last bar."""
        return _EPOCH + dt.timedelta(days=int(self.days[-1])) if self.days.size else None

    def through(self, day: dt.date) -> Candles:
        """Return the bars up to a day, that day included."""
        end = int(np.searchsorted(self.days, _day_number(day), side="right"))
        return Candles(self.days[:end], self.values[:end])

    def bar(self, day: dt.date) -> Bar | None:
        """Return one day's bar, or None when there is none."""
        number = _day_number(day)
        at = int(np.searchsorted(self.days, number))
        if at == self.days.size or self.days[at] != number:
            return None
        opened, high, low, close, volume = (float(value) for value in self.values[at])
        return opened, high, low, close, volume

    def same_as(self, other: Candles) -> bool:
        """Whether both hold the same bars, bit for bit."""
        mine = (self.days.tobytes(), self.values.tobytes())
        return mine == (other.days.tobytes(), other.values.tobytes())

    def merged(self, bars: dict[dt.date, Bar]) -> Candles:
        """Return these bars with others put in, the others winning."""
        new = Candles.of(bars)
        kept = ~np.isin(self.days, new.days)
        days = np.concatenate([self.days[kept], new.days])
        order = np.argsort(days, kind="stable")
        values = np.concatenate([self.values[kept], new.values])
        return Candles(days[order], values[order])

    def frame(self) -> pd.DataFrame:
        """Return the bars as the core reads them."""
        import pandas as pd

        index = pd.DatetimeIndex(self.days.astype("datetime64[D]").astype("datetime64[ns]"))
        return pd.DataFrame(
            self.values, index=index.tz_localize("UTC").rename("date"), columns=list(FIELDS)
        )


def write_candle_file(path: Path, ticker: str, candles: Candles) -> None:
    """Write one ticker's bars; not flushed to the disk, since they can be fetched again."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"day": pa.array(candles.days)}
    for column, name in enumerate(FIELDS):
        columns[name] = pa.array(np.ascontiguousarray(candles.values[:, column]))
    proof = {_TICKER_KEY: ticker.encode(), _DIGEST_KEY: _digest(ticker, candles).encode()}
    buffer = io.BytesIO()
    table = pa.table(columns).replace_schema_metadata(proof)
    # Prices hardly repeat: a dictionary of them costs time and saves nothing.
    pq.write_table(table, buffer, use_dictionary=False)
    write_whole(path, buffer.getvalue(), durable=False)


def read_candles(path: Path, ticker: str) -> Candles | None:
    """
    Read one ticker's bars; None when there is no file.

    Raises
    ------
    StateError
        If the file cannot be read or does not prove its content; it must not be trusted.
    """
    if not path.exists():
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(pa.BufferReader(path.read_bytes())).read(use_threads=False)
        columns = [table.column(name).to_numpy() for name in FIELDS]
        days = table.column("day").to_numpy().astype(np.int64)
        candles = Candles(days, np.column_stack(columns).astype(np.float64).reshape(-1, 5))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise StateError(f"{path}: cannot be read as candles: {str(error)[:120]}") from error
    proof = table.schema.metadata or {}
    if proof.get(_TICKER_KEY) != ticker.encode():
        raise StateError(f"{path}: is of {proof.get(_TICKER_KEY)!r}, expected {ticker}")
    if proof.get(_DIGEST_KEY) != _digest(ticker, candles).encode():
        raise StateError(f"{path}: its content does not fit its digest")
    if candles.days.size and not bool(np.all(np.diff(candles.days) > 0)):
        raise StateError(f"{path}: its days do not rise")
    return candles


def _day_number(day: dt.date) -> int:
    """Return days since 1970."""
    return (day - _EPOCH).days


def _digest(ticker: str, candles: Candles) -> str:
    digest = hashlib.sha256(ticker.encode())
    digest.update(np.ascontiguousarray(candles.days, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(candles.values, dtype="<f8").tobytes())
    return digest.hexdigest()

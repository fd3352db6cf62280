"""
Look-ahead in reading: candles read from files that end on a day against those of the whole files.

The other proofs cut candles that were read already. A reader that fills a gap from the bar after
it, or bounds a price by those of the whole file, would have let the future in before.
"""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tf_lib.core.candles.rows import FIELDS
from tf_lib.errors import BarsError
from tf_lib.research.lookahead.futures import Candles
from tf_lib.research.lookahead.lookahead_proof import (
    COLUMNS,
    EVERY_TICKER,
    LookaheadProof,
    Progress,
    bits_differ,
)
from tf_lib.text.days import day_from

ENDS_THERE = "files end on the day"
BAR = "bar"
_SPREAD_DAYS = 40
_GAP_DAYS = 40
_DAY_CHARACTERS = len("2024-01-31")


def prove_reading(
    texts: Mapping[str, str],
    read: Callable[[Path], Candles],
    *,
    progress: Progress | None = None,
) -> LookaheadProof:
    """
    Read candle files that end on a day, and compare all days up to it with the whole files'.

    Days are spread over all there are, and those before and in gaps are added, where a reader has
    something to fill. A file that begins later is left as it is.

    Parameters
    ----------
    texts : mapping of file name to str
        Everything that `read` reads, one line per day that begins with it.
    read : callable (folder) -> candles
        The reader under proof.
    progress : callable (days checked, days to check), optional
    """
    found: list[tuple[Any, ...]] = []
    n_values = 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        whole = _read_from(folder, texts, read)
        stamps = set().union(*(frame.index for frame in whole.values()))
        days = sorted(stamp.date() for stamp in stamps)
        checked = _days_to_check(texts, days)
        for number, day in enumerate(checked):
            cut = {name: _through(text, day) for name, text in texts.items()}
            try:
                ended = _read_from(folder, cut, read)
            except BarsError as error:
                found.append((day, EVERY_TICKER, BAR, ENDS_THERE, "is read", str(error)))
            else:
                n_values += _compare(day, whole, ended, found)
            if progress is not None:
                progress(number + 1, len(checked))
    table = pd.DataFrame(found, columns=COLUMNS)
    return LookaheadProof(table, (BAR, *FIELDS), len(days), len(checked), n_values)


def _read_from(folder: Path, texts: Mapping[str, str], read: Callable[[Path], Candles]) -> Candles:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return read(folder)


def _through(text: str, day: dt.date) -> str:
    """Return the header and the lines through a day; all of them where none is so early."""
    header, *lines = text.splitlines(keepends=True)
    kept = [line for line in lines if line.strip()[:_DAY_CHARACTERS] <= day.isoformat()]
    return "".join([header, *kept]) if any(line.strip() for line in kept) else text


def _days_to_check(texts: Mapping[str, str], days: Sequence[dt.date]) -> list[dt.date]:
    """Return days spread over all, and those before and in gaps, where there is one to fill."""
    chosen = {days[int(k)] for k in np.linspace(0, len(days) - 1, _SPREAD_DAYS)}
    # The files' own gaps: those of what was read may be filled already.
    at_gaps = itertools.chain.from_iterable(_days_at_gaps(text) for text in texts.values())
    known = set(days)
    return sorted(chosen | set([day for day in at_gaps if day in known][:_GAP_DAYS]))


def _days_at_gaps(text: str) -> Iterator[dt.date]:
    """Yield the last day before each gap in a file, and the first one in it."""
    days = [day_from(line.strip()[:_DAY_CHARACTERS]) for line in text.split()[1:]]
    for before, after in itertools.pairwise(days):
        if (after - before).days > 1:
            yield before
            yield before + dt.timedelta(days=1)


def _compare(day: dt.date, whole: Candles, ended: Candles, found: list[tuple[Any, ...]]) -> int:
    """Write down what differs through a day, and return how much was compared."""
    n_values = 0
    for ticker in whole:
        one, other = (its[ticker].loc[: pd.Timestamp(day, tz="UTC")] for its in (whole, ended))
        n_values += one.size
        if not one.index.equals(other.index):
            first = one.index.symmetric_difference(other.index)[0]
            sides = ("a bar" if first in its.index else "no bar" for its in (one, other))
            found.append((first.date(), ticker, BAR, ENDS_THERE, *sides))
            continue
        for field in FIELDS:
            a, b = (its[field].to_numpy(dtype=np.float64) for its in (one, other))
            for k in np.flatnonzero(bits_differ(a, b))[:1].tolist():
                found.append((one.index[k].date(), ticker, field, ENDS_THERE, a[k], b[k]))
    return n_values

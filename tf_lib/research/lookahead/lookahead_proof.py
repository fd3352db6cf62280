"""
Look-ahead proof: what was compared bit for bit with and without the future, and what differed.

The outcome that every look-ahead check comes to, and how a person is told of it: a field that knows
the future by name, with the first day and product on which it shows.
"""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tf_lib.core.jit.arrays import BoolArray, FloatArray

Progress = Callable[[int, int], None]
# Tests of one day: name, what is expected by column, and what came of it without the future.
Beside = list[tuple[str, Mapping[str, FloatArray], Mapping[str, FloatArray]]]
COLUMNS = ["day", "ticker", "column", "test", "with_future", "without_future"]
EVERY_TICKER = "all products"
"""The ticker of a value that belongs to none of them."""
STATISTIC = "statistic "
"""How the names of columns begin that are numbers of a whole backtest; a report counts them."""
_WIDTH = 100


@dataclass(frozen=True)
class LookaheadProof:
    """
    The outcome of the proof.

    Attributes
    ----------
    differences : DataFrame
        One row per value that changed: day, ticker, column, test, with_future, without_future.
    columns : tuple of str
        What was compared.
    n_days, n_days_checked : int
        Days there are, and days that were checked.
    n_values : int
        Comparisons made.
    """

    differences: pd.DataFrame
    columns: tuple[str, ...]
    n_days: int
    n_days_checked: int
    n_values: int

    @property
    def passed(self) -> bool:
        """Whether nothing depends on the future."""
        return self.differences.empty

    @property
    def leaking_columns(self) -> tuple[str, ...]:
        """The columns that changed, by name."""
        return tuple(sorted(set(self.differences["column"])))


def compared(
    beside: Callable[[dt.date], Beside],
    checked: Sequence[dt.date],
    tickers: tuple[str, ...],
    *,
    n_days: int,
    progress: Progress | None,
) -> LookaheadProof:
    """Compare bit for bit, on each day that is checked, what was expected with what came of it."""
    found: list[tuple[Any, ...]] = []
    columns: tuple[str, ...] = ()
    n_values = 0
    for number, day in enumerate(checked):
        tests = beside(day)
        columns = tuple(tests[0][1])
        for test, expected, got in tests:
            n_values += sum(value.size for value in expected.values())
            for column, value in expected.items():
                for position in np.argwhere(bits_differ(value, got[column])):
                    at = tuple(position)
                    pair = value[at], got[column][at]
                    found.append((day, tickers[at[0]], column, test, *pair))
        if progress is not None:
            progress(number + 1, len(checked))
    table = pd.DataFrame(found, columns=COLUMNS)
    return LookaheadProof(table, columns, n_days, len(checked), n_values)


def bits_differ(one: FloatArray, other: FloatArray) -> BoolArray:
    """Compare bit for bit; undefined equals undefined."""
    a, b = np.ascontiguousarray(one), np.ascontiguousarray(other)
    differ: BoolArray = a.view(np.int64) != b.view(np.int64)
    return differ & ~(np.isnan(a) & np.isnan(b))


def proof_lines(title: str, proof: LookaheadProof, tests: Sequence[str]) -> str:
    """Return what was compared, and of each field that knows the future where it first shows."""
    lines = [
        f"{title}: {'none found' if proof.passed else 'FOUND'}",
        f"  {proof.n_days_checked} of {proof.n_days} days checked, {len(proof.columns)} columns, "
        f"{proof.n_values} comparisons bit for bit",
        f"  tests: {'; '.join(tests)}",
        *textwrap.wrap(
            f"columns: {', '.join(shown_columns(proof.columns))}",
            _WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
        ),
    ]
    if not proof.passed:
        lines += [f"  {len(proof.differences)} values differ; the first of each column:"]
        lines += [f"  {line}" for line in _first_of_each_column(proof.differences)]
    return "\n".join(lines) + "\n"


def shown_columns(columns: Sequence[str]) -> list[str]:
    """Return columns as a person is told of them: numbers of a whole backtest are counted."""
    named = [column for column in columns if not column.startswith(STATISTIC)]
    n_statistics = len(columns) - len(named)
    return [*named, f"{n_statistics} statistics of summary.json"] if n_statistics else named


def _first_of_each_column(differences: pd.DataFrame) -> list[str]:
    """Say of each column which day and product come first, the earliest column first."""
    earliest = differences.sort_values("day", kind="stable").groupby("column", sort=False)
    return [
        f"{column}: first on {rows['day'].iloc[0]}, {rows['ticker'].iloc[0]} "
        f"({rows['test'].iloc[0]}): {rows['with_future'].iloc[0]} with the future, "
        f"{rows['without_future'].iloc[0]} without; {len(rows)} in all"
        for column, rows in earliest
    ]


def start_lines(n_days: int, values: pd.DataFrame, decisions: pd.DataFrame) -> str:
    """Return what a later start of every history changes in the last days, as two tables."""
    about = (
        f"start of history: largest change over the last {n_days} days when every history\n"
        "begins some days later (recursive averages fade, they never quite forget)",
        f"the last {n_days} days run when every history begins some days later",
    )
    return "\n\n".join(
        f"{said}\n{table.to_string(index=False) if len(table) else '  not enough history to say'}"
        for said, table in zip(about, (values, decisions), strict=True)
    )

"""
Focus: which days and which tickers a page shows large.

A chart stands at the day of the last bar known: row D of the signals holds the bar of D - 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lib.core.decision import Decision
from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.signals.columns import Signals

Rows = Sequence[Mapping[str, Any]]

MOST_LARGE = 10
DUST = 1.0
"""Money below this, in quote currency, is not worth a place in a chart."""
FAINT = 0.01
"""A signal below this is next to none."""


@dataclass(frozen=True)
class Window:
    """The last days of the signals: their rows, and the day of each row's last bar."""

    rows: slice
    bar_days: FloatArray

    @classmethod
    def of(cls, signals: Signals, row: int, days: int) -> Window:
        """Return the rows that end at `row`."""
        first = max(0, row + 1 - days)
        numbers = np.asarray(signals.days.asi8, dtype=np.float64)
        per_day = {"s": 86_400.0, "ms": 8.64e7, "us": 8.64e10, "ns": 8.64e13}[signals.days.unit]
        # Row D holds the bar of the day before.
        return cls(slice(first, row + 1), numbers[first : row + 1] / per_day - 1.0)


def in_focus(decision: Decision) -> tuple[str, ...]:
    """
    Return the tickers worth a large chart: those with a signal, a holding or a trade.

    The ten largest by what is held or wanted, in the order of their names.
    """
    trades = decision.trades
    final = decision.signals["final_signal"][decision.signals.row_of(decision.as_of)]
    size = np.fmax(trades.current_notional, trades.target_notional)
    matters = (np.nan_to_num(final) >= FAINT) | (size > DUST) | (trades.trade_notional != 0)
    found = [(-float(size[j]), t) for j, t in enumerate(trades.tickers) if matters[j]]
    return tuple(sorted(ticker for _, ticker in sorted(found)[:MOST_LARGE]))


def largest(decision: Decision) -> str:
    """Return the ticker with the largest holding or target; the first by name when all are 0."""
    trades = decision.trades
    size = np.fmax(trades.current_notional, trades.target_notional)
    return trades.tickers[int(np.argmax(size))]

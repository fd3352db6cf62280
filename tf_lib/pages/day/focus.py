"""
Focus: which days and which tickers a page shows large.

A chart stands at the day of the last bar known: row D of the signals holds the bar of D - 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tf_lib.core.decision import Decision
from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.signals.columns import Signals

MOST_LARGE = 10
DUST = 1.0
"""Money below this, in quote currency, is not worth a place in a chart."""
FAINT = 0.01
"""A signal below this is next to none."""


@dataclass(frozen=True)
class Window:
    """One ticker's last days: its signals and prices, and the day of each row's last bar."""

    signals: Signals
    rows: slice
    column: int
    bar_days: FloatArray

    @classmethod
    def of(cls, decision: Decision, ticker: str, days: int) -> Window:
        """Return the days that end with the day decided."""
        signals = decision.signals
        end = signals.row_of(decision.as_of) + 1
        rows = slice(max(0, end - days), end)
        known = signals.days[rows].tz_localize(None).to_numpy().astype("datetime64[D]")
        # Row D holds the bar of the day before.
        return cls(signals, rows, signals.tickers.index(ticker), known.astype(np.float64) - 1.0)

    def __getitem__(self, name: str) -> FloatArray:
        """Return the ticker's values in one column of the signals."""
        return self.of_prices(self.signals[name])

    def of_prices(self, prices: FloatArray) -> FloatArray:
        """Return the ticker's values in an array of all days and tickers."""
        return prices[self.rows, self.column]


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

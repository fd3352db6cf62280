"""
Stop levels: where a position's stop belongs by each strategy, one entry of a table each.

Part of stage 2 (bars -> *signals* -> risk). A level is a column like any other: row D knows the
bars through D - 1. The gates, the plan, the backtest and the charts ask for the level of the day
and never how it came about; while held it is not lowered (`tf_lib.core.orders.stops.level_today`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.signals.components import Components


@dataclass(frozen=True)
class StopStrategy:
    """
    One way to say where a stop belongs.

    Attributes
    ----------
    column : str
        What its level is called among the columns of signals.
    label : str
        What charts and records call it.
    level : callable
        From components to the level, (n_tickers, n_rows), NaN where there is none.
    """

    column: str
    label: str
    level: Callable[[Components], FloatArray]


def chandelier(parts: Components) -> FloatArray:
    """Return the highest high less a multiple of the average true range."""
    distance = parts.config.risk_and_sizing.atr_multiplier * parts.atr()
    return parts.highest_high() - distance


def percentage_trail(parts: Components) -> FloatArray:
    """Return a share below the last close; the ratchet makes it the highest since the entry."""
    return parts.close * (1.0 - parts.config.risk_and_sizing.trail_percentage)


STOP_STRATEGIES: Mapping[str, StopStrategy] = {
    "Chandelier": StopStrategy("chandelier_stop", "chandelier", chandelier),
    "PercentageTrail": StopStrategy("trail_stop", "percentage trail", percentage_trail),
}
"""By ``risk_and_sizing.stop_loss_strategy``."""

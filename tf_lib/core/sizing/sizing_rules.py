"""
What parameters say of sizing, as the kernels take it.

Compiled code takes no functions and no names, so what can be chosen is a table from names to codes,
which the kernels of `tf_lib.core.sizing.weights` ask for.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tf_lib.core.jit.arrays import FloatArray, IntArray
from tf_lib.parameters import Config


class SizingRules(NamedTuple):
    """The numbers of docs/design.md section 6 as the kernel takes them; volatility is per day."""

    target_volatility: float
    min_signal: float
    max_rounds: int
    cap_low: float
    cap_high: float
    cap_threshold: float
    cap_mode: int
    cap_rounds: int
    cap_tolerance: float
    cap_leftover: int


CONDITIONAL, STATIC = range(2)
CAP_MODES = {"conditional": CONDITIONAL, "static": STATIC}
"""By ``risk_and_sizing.cap_mode``: which cap holds."""

BY_HEADROOM, BY_SIGNAL, AS_CASH = range(3)
CAP_LEFTOVERS = {"headroom": BY_HEADROOM, "signal": BY_SIGNAL, "cash": AS_CASH}
"""By ``risk_and_sizing.cap_leftover``: where what the cap cuts goes."""

BY_BUDGET = 0
SLEEVE_RISK_MODES = {"cap": BY_BUDGET, "target": BY_BUDGET}
"""By ``risk_and_sizing.sleeve_risk_mode``: how sleeves share risk. Both have one solution, so that
no branch of the kernel asks which it is; a third would bring one."""

BY_SQUARES = 0
CAP_METRICS = {"rb_n_eff": BY_SQUARES, "unit_n_eff": BY_SQUARES}
"""By ``risk_and_sizing.cap_use_metric``: how names are counted, 1 / sum of squares both."""


class SleeveMap(NamedTuple):
    """Which sleeve each ticker is in, by position, and what share of risk each sleeve gets."""

    sleeve_of: IntArray
    weights: FloatArray


def sizing_rules(config: Config) -> SizingRules:
    """Return the numbers the sizing kernel takes."""
    risk = config.risk_and_sizing
    return SizingRules(
        target_volatility=risk.annualized_target_volatility
        / math.sqrt(config.run.annual_trading_days),
        min_signal=float(risk.risk_min_signal),
        max_rounds=risk.risk_max_iterations,
        cap_low=float(risk.cap_low),
        cap_high=float(risk.cap_high),
        cap_threshold=float(risk.cap_n_eff_threshold),
        cap_mode=CAP_MODES[risk.cap_mode],
        cap_rounds=risk.cap_max_iter,
        cap_tolerance=float(risk.cap_tol),
        cap_leftover=CAP_LEFTOVERS[risk.cap_leftover],
    )


def sleeve_map(config: Config) -> SleeveMap:
    """Return sleeves by position, tickers and sleeves by name."""
    universe = config.universe
    names, sleeve_of = universe.sorted_sleeves, universe.sleeve_of
    owners = [names.index(sleeve_of[ticker]) for ticker in universe.sorted_tickers]
    weights = np.array([universe.sleeves[name].weight for name in names], dtype=np.float64)
    return SleeveMap(np.array(owners, dtype=np.int64), weights)

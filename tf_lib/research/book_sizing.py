"""
Book sizing: one day's target weights in the backtest, from the core's own kernels.

Part of the backtest (`tf_lib.research.book`). Only tickers with a signal can get weight, so only
their covariance is computed: the rest would add zeros. (Shrinkage looks at all tickers, so there
all are kept.)
"""

from __future__ import annotations

import numpy as np

from tf_lib.core.arrays import FloatArray, IntArray, kernel
from tf_lib.core.risk import EWM, EWM_SPANS_KEPT, LEDOIT_WOLF, covariance_on
from tf_lib.core.sizing import SleeveMap, size_kernel
from tf_lib.core.trades import Standing
from tf_lib.research.book_records import Known, Rules, Tape


@kernel
def sized(row: int, line: int, known: Known, rules: Rules, day: Standing, tape: Tape) -> float:
    """Set the day's weights, write them down, and return how far shares missed their budgets."""
    day.weight[:] = 0.0
    chosen = _with_signal(row, known, rules.covariance_method, day)
    signal = np.empty(chosen.size)
    sleeve_of = np.empty(chosen.size, dtype=np.int64)
    total = 0.0
    for a in range(chosen.size):
        i = chosen[a]
        takes_part = (day.data_ok[i] or day.units[i] > 0.0) and day.known[i]
        signal[a] = known.signal[row, i] if takes_part else 0.0
        sleeve_of[a] = rules.sleeves.sleeve_of[i]
        total += signal[a]
    tape.days[line].n_eff = np.nan
    if total <= 0.0:
        return 0.0
    covariance = _covariance_of(chosen, row, known.simple_return, rules)
    raw = size_kernel(signal, covariance, SleeveMap(sleeve_of, rules.sleeves.weights), rules.sizing)
    for a in range(chosen.size):
        day.weight[chosen[a]] = raw.weight[a]
        tape.weight[line, chosen[a]] = raw.weight[a]
    tape.days[line].n_eff = raw.n_eff
    tape.days[line].volatility_pre = raw.volatility_pre
    tape.days[line].volatility_post = raw.volatility_post
    tape.days[line].share_error = raw.share_error
    return raw.share_error


@kernel
def _with_signal(row: int, known: Known, method: int, day: Standing) -> IntArray:
    """Return the positions of the tickers that matter to the day's sizing."""
    chosen = np.empty(day.weight.size, dtype=np.int64)
    count = 0
    for i in range(chosen.size):
        is_active = day.known[i] and known.signal[row, i] > 0.0
        if method == LEDOIT_WOLF or (is_active and (day.data_ok[i] or day.units[i] > 0.0)):
            chosen[count] = i
            count += 1
    return chosen[:count]


@kernel
def _covariance_of(chosen: IntArray, row: int, returns: FloatArray, rules: Rules) -> FloatArray:
    """Return the covariance of some tickers as known on one row."""
    window, method = rules.covariance_window, rules.covariance_method
    n_days = min(window * EWM_SPANS_KEPT, row + 1) if method == EWM else window
    past = np.empty((n_days, chosen.size))
    for k in range(n_days):
        at = row + 1 - n_days + k
        for a in range(chosen.size):
            past[k, a] = returns[at, chosen[a]] if at >= 0 else 0.0
    return covariance_on(past, n_days - 1, window, method)

"""
Loop sizing: one day's target weights in the backtest, from the core's own kernels.

Part of the backtest (`tf_lib.research.backtest.day_loop`). Only tickers with a signal can get
weight, so only their covariance is computed: the rest would add zeros. (Shrinkage looks at all
tickers, so there all are kept.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tf_lib.core.jit.arrays import FloatArray, IntArray, inlined_kernel, kernel
from tf_lib.core.sizing.covariance import (
    EWM_SPANS_KEPT,
    LEDOIT_WOLF,
    days_needed,
    fill_covariance,
    fill_past,
)
from tf_lib.core.sizing.gates import Standing
from tf_lib.core.sizing.sizing_rules import SleeveMap
from tf_lib.core.sizing.weights import FINAL, WeightBuffers, size_into, weight_buffers
from tf_lib.research.backtest.loop_records import (
    FINAL_SIGNAL,
    SIGNAL,
    WEIGHT,
    MarketArrays,
    Rules,
    Tape,
)


class SizingBuffers(NamedTuple):
    """Workspace for a day's sizing, used day by day: positions and owners, and numbers."""

    chosen: IntArray
    sleeve_of: IntArray
    signal: FloatArray
    final_signal: FloatArray
    past: FloatArray
    days: FloatArray
    covariance: FloatArray
    sizing: WeightBuffers


@kernel
def sizing_buffers(n_tickers: int, rules: Rules) -> SizingBuffers:
    """Return the workspace for so many tickers."""
    most_days = rules.covariance_window * EWM_SPANS_KEPT
    return SizingBuffers(
        np.empty(n_tickers, dtype=np.int64),
        np.empty(n_tickers, dtype=np.int64),
        np.empty(n_tickers),
        np.empty(n_tickers),
        np.empty((n_tickers, most_days)),
        np.empty((2, most_days)),
        np.empty((n_tickers, n_tickers)),
        weight_buffers(n_tickers, rules.sleeves.weights.size),
    )


@inlined_kernel
def sized(
    row: int,
    line: int,
    market: MarketArrays,
    rules: Rules,
    day: Standing,
    buffers: SizingBuffers,
    tape: Tape,
) -> float:
    """Set the day's weights, write them down, and return how far shares missed their budgets."""
    day.weight[:] = 0.0
    note = tape.days[line]
    note.n_eff = np.nan
    n = _choose(row, market.known, rules, day, buffers)
    if n == 0:
        return 0.0
    window, method = rules.covariance_window, rules.covariance_method
    n_days = days_needed(row, window, method)
    for a in range(n):
        fill_past(market.returns[buffers.chosen[a]], row, buffers.past[a, :n_days])
    fill_covariance(buffers.past, (n, n_days), window, method, buffers.days, buffers.covariance)
    owners = SleeveMap(buffers.sleeve_of, rules.sleeves.weights)
    numbers = size_into(
        buffers.signal[:n],
        buffers.final_signal[:n],
        buffers.covariance,
        owners,
        rules.sizing,
        buffers.sizing,
    )
    for a in range(n):
        day.weight[buffers.chosen[a]] = buffers.sizing.by_ticker[FINAL, a]
        tape.cells[line, WEIGHT, buffers.chosen[a]] = buffers.sizing.by_ticker[FINAL, a]
    note.n_eff = numbers.n_eff
    note.volatility_pre = numbers.volatility_pre
    note.volatility_post = numbers.volatility_post
    note.share_error = numbers.share_error
    return numbers.share_error


@inlined_kernel
def _choose(
    row: int, known: FloatArray, rules: Rules, day: Standing, buffers: SizingBuffers
) -> int:
    """Choose the tickers that matter to the day's sizing; return how many, 0 without a signal."""
    n, is_any = 0, False
    for i in range(day.weight.size):
        takes_part = day.known[i] and (day.data_ok[i] or day.units[i] > 0.0)
        signal = known[row, SIGNAL, i] if takes_part else 0.0
        if signal > 0.0 or rules.covariance_method == LEDOIT_WOLF:
            buffers.chosen[n] = i
            buffers.sleeve_of[n] = rules.sleeves.sleeve_of[i]
            buffers.signal[n] = signal
            buffers.final_signal[n] = known[row, FINAL_SIGNAL, i]
            n += 1
            is_any = is_any or signal > 0.0
    return n if is_any else 0

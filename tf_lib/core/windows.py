"""
Windows: the rolling and exponential kernels every signal is made of.

Arrays of one instrument, oldest first. Each value is computed afresh from its own window, so it
depends on nothing else: not on where the history starts, not on what comes later. A rolling
value needs its whole window and no NaN in it. An exponential average starts at the first
defined value and is undefined where its input is.
"""

from __future__ import annotations

import math

import numpy as np

from tf_lib.core.arrays import BoolArray, FloatArray, kernel


@kernel
def ewm_mean(values: FloatArray, span: float) -> FloatArray:
    """
    Return the exponential average with alpha = 2 / (span + 1), not adjusted.

    An undefined input leaves a hole in the answer and lets the old average fade by one step
    for each bar of the hole. A span below 1 means: not smoothed.
    """
    if span < 1.0:
        return values.copy()
    alpha = 2.0 / (span + 1.0)
    decay = 1.0 - alpha
    out = np.full(values.size, np.nan)
    average, hole, started = 0.0, 0, False
    for t in range(values.size):
        value = values[t]
        if math.isnan(value):
            hole += 1
            continue
        if not started:
            average, started = value, True
        elif hole == 0:
            average = decay * average + alpha * value
        else:
            old_weight = decay ** (hole + 1)
            average = (old_weight * average + alpha * value) / (old_weight + alpha)
        hole = 0
        out[t] = average
    return out


@kernel
def ewm_std(values: FloatArray, span: float, min_values: int) -> FloatArray:
    """
    Return the bias-corrected exponential standard deviation, not adjusted.

    NaN until `min_values` inputs were defined, and where the input is undefined.
    """
    alpha = 2.0 / (span + 1.0)
    decay = 1.0 - alpha
    out = np.full(values.size, np.nan)
    mean, variance, seen = 0.0, 0.0, 0
    weight_sum, square_sum, old_weight = 1.0, 1.0, 1.0
    for t in range(values.size):
        value = values[t]
        defined = not math.isnan(value)
        if seen == 0:
            if defined:
                mean, seen = value, 1
            continue
        weight_sum *= decay
        square_sum *= decay * decay
        old_weight *= decay
        if not defined:
            continue
        seen += 1
        total = old_weight + alpha
        new_mean = (old_weight * mean + alpha * value) / total
        spread = (mean - new_mean) ** 2
        variance = (old_weight * (variance + spread) + alpha * (value - new_mean) ** 2) / total
        mean = new_mean
        weight_sum = (weight_sum + alpha) / total
        square_sum = (square_sum + alpha * alpha) / (total * total)
        old_weight = 1.0
        freedom = weight_sum * weight_sum - square_sum
        if seen >= min_values and freedom > 0.0:
            out[t] = math.sqrt(weight_sum * weight_sum / freedom * variance)
    return out


@kernel
def _sum(values: FloatArray, start: int, stop: int) -> float:
    """Add up values[start:stop] in four lanes, always in the same order."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = start + (stop - start) // 4 * 4
    for k in range(start, whole, 4):
        a += values[k]
        b += values[k + 1]
        c += values[k + 2]
        d += values[k + 3]
    for k in range(whole, stop):
        a += values[k]
    return (a + b) + (c + d)


@kernel
def _squares(values: FloatArray, start: int, stop: int, centre: float) -> float:
    """Add up (value - centre) squared over values[start:stop], always in the same order."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = start + (stop - start) // 4 * 4
    for k in range(start, whole, 4):
        a += (values[k] - centre) ** 2
        b += (values[k + 1] - centre) ** 2
        c += (values[k + 2] - centre) ** 2
        d += (values[k + 3] - centre) ** 2
    for k in range(whole, stop):
        a += (values[k] - centre) ** 2
    return (a + b) + (c + d)


@kernel
def rolling_mean_std(values: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Return mean and sample standard deviation over the last `window` values."""
    mean = np.full(values.size, np.nan)
    std = np.full(values.size, np.nan)
    last_hole = -1
    for t in range(values.size):
        if math.isnan(values[t]):
            last_hole = t
        if t - last_hole < window:
            continue
        start = t + 1 - window
        centre = _sum(values, start, t + 1) / window
        mean[t] = centre
        if window > 1:
            std[t] = math.sqrt(_squares(values, start, t + 1, centre) / (window - 1))
    return mean, std


@kernel
def rolling_max(values: FloatArray, window: int) -> FloatArray:
    """Return the highest of the last `window` values; the input has no NaN."""
    out = np.full(values.size, np.nan)
    best = -1
    for t in range(values.size):
        if best < 0 or best <= t - window:
            best = max(t - window + 1, 0)
            for k in range(best + 1, t):
                if values[k] >= values[best]:
                    best = k
        if values[t] >= values[best]:
            best = t
        if t >= window - 1:
            out[t] = values[best]
    return out


@kernel
def _place(ordered: FloatArray, count: int, value: float) -> int:
    """Return where `value` stands, or would stand, among the first `count` ordered values."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def rolling_median(values: FloatArray, window: int) -> FloatArray:
    """Return the median of the last `window` values (mean of the middle two when even)."""
    out = np.full(values.size, np.nan)
    ordered = np.empty(window)
    count = 0
    for t in range(values.size):
        if t >= window and not math.isnan(values[t - window]):
            place = _place(ordered, count, values[t - window])
            for k in range(place, count - 1):
                ordered[k] = ordered[k + 1]
            count -= 1
        if not math.isnan(values[t]):
            place = _place(ordered, count, values[t])
            for k in range(count, place, -1):
                ordered[k] = ordered[k - 1]
            ordered[place] = values[t]
            count += 1
        if count == window:
            half = window // 2
            odd = window % 2 == 1
            out[t] = ordered[half] if odd else (ordered[half - 1] + ordered[half]) / 2.0
    return out


@kernel
def rolling_rank(values: FloatArray, window: int, min_values: int) -> FloatArray:
    """
    Return the percentile rank of each value within the last `window`, itself included.

    Ties share their average rank; NaN below `min_values` defined values. The highest of all
    ranks 1.
    """
    out = np.full(values.size, np.nan)
    for t in range(values.size):
        value = values[t]
        if math.isnan(value):
            continue
        below, equal, defined = 0, 0, 0
        for k in range(max(0, t + 1 - window), t + 1):
            below += values[k] < value
            equal += values[k] == value
            defined += values[k] == values[k]
        if defined >= min_values:
            out[t] = (below + (equal + 1) / 2.0) / defined
    return out


@kernel
def rolling_r_squared(values: FloatArray, window: int) -> FloatArray:
    """Return the squared correlation with time; NaN where the window is constant."""
    out = np.full(values.size, np.nan)
    middle = (window - 1) / 2.0
    time_squares = window * (window * window - 1.0) / 12.0
    same = 0
    for t in range(values.size):
        same = same + 1 if t > 0 and values[t] == values[t - 1] else 1
        if t < window - 1 or same >= window:
            continue
        start = t + 1 - window
        centre = _sum(values, start, t + 1) / window
        a, b = 0.0, 0.0
        for k in range(0, window - 1, 2):
            a += (k - middle) * (values[start + k] - centre)
            b += (k + 1 - middle) * (values[start + k + 1] - centre)
        if window % 2 == 1:
            a += middle * (values[t] - centre)
        squares = _squares(values, start, t + 1, centre)
        if squares > 0.0:
            out[t] = (a + b) ** 2 / (time_squares * squares)
    return out


@kernel
def carry_forward(columns: FloatArray, is_good: BoolArray) -> None:
    """Give each row that is not good the values of the last good one, in place; NaN before it."""
    last = -1
    for t in range(is_good.size):
        if is_good[t]:
            last = t
            continue
        for c in range(columns.shape[0]):
            columns[c, t] = columns[c, last] if last >= 0 else np.nan

"""
Windows: the rolling and exponential kernels every signal is made of.

Arrays of one instrument, oldest first. Each value is computed afresh from its own window, so it
depends on nothing else: not on where the history starts, not on what comes later. Loops run over
the places of a window outside and over rows inside, which the machine does many at a time.
A rolling value needs its whole window and no NaN in it. An exponential average starts at the
first defined value and is undefined where its input is.
"""

from __future__ import annotations

import math

import numpy as np

from tf_lib.core.arrays import BoolArray, FloatArray, IntArray, kernel


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
def window_means(values: FloatArray, window: int) -> FloatArray:
    """
    Return the mean of each whole window, the first one ending on row window - 1.

    Four places of the window at a time, over all windows at once: each window is still added up
    by itself and always in the same order, but many stand side by side in a register.
    """
    means = np.zeros(max(values.size - window + 1, 0))
    n, whole = means.size, window // 4 * 4
    for k in range(0, whole, 4):
        a, b, c, d = values[k:], values[k + 1 :], values[k + 2 :], values[k + 3 :]
        for t in range(n):
            means[t] += (a[t] + b[t]) + (c[t] + d[t])
    for k in range(whole, window):
        a = values[k:]
        for t in range(n):
            means[t] += a[t]
    for t in range(n):
        means[t] /= window
    return means


@kernel
def window_squares(values: FloatArray, centre: FloatArray, window: int) -> FloatArray:
    """Return the summed squares of each whole window's distances from its centre."""
    squares = np.zeros(centre.size)
    n, whole = centre.size, window // 4 * 4
    for k in range(0, whole, 4):
        a, b, c, d = values[k:], values[k + 1 :], values[k + 2 :], values[k + 3 :]
        for t in range(n):
            e, f, g, h = a[t] - centre[t], b[t] - centre[t], c[t] - centre[t], d[t] - centre[t]
            squares[t] += (e * e + f * f) + (g * g + h * h)
    for k in range(whole, window):
        a = values[k:]
        for t in range(n):
            squares[t] += (a[t] - centre[t]) * (a[t] - centre[t])
    return squares


@kernel
def rolling_mean_std(values: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Return mean and sample standard deviation over the last `window` values."""
    mean = np.full(values.size, np.nan)
    std = np.full(values.size, np.nan)
    centre = window_means(values, window)
    squares = window_squares(values, centre, window)
    for t in range(centre.size):
        mean[t + window - 1] = centre[t]
        if window > 1:
            std[t + window - 1] = math.sqrt(squares[t] / (window - 1))
    return mean, std


@kernel
def rolling_max(values: FloatArray, window: int) -> FloatArray:
    """Return the highest of the last `window` values; the input has no NaN."""
    best = values.copy()
    rows = 1
    while rows < window:
        # The highest of `rows` rows, and of as many before them, is that of twice as many.
        step = min(rows, window - rows)
        later, earlier = best[step:], best[: max(best.size - step, 0)]
        higher = np.empty(later.size)
        for t in range(higher.size):
            higher[t] = later[t] if later[t] >= earlier[t] else earlier[t]
        best = higher
        rows += step
    out = np.full(values.size, np.nan)
    for t in range(best.size):
        out[t + window - 1] = best[t]
    return out


@kernel
def _exchange(before: FloatArray, after: FloatArray, old: float, new: float) -> None:
    """
    Write ordered values with one of them exchanged; both arrays have a sentinel at each end.

    Each place keeps its value, takes its neighbour's or the new one: no place is searched for, so
    that many can be done at a time.
    """
    here, lower, upper, target = before[1:-1], before[:-2], before[2:], after[1:-1]
    if new > old:
        for k in range(target.size):
            moved = new if new < upper[k] else upper[k]
            moved = moved if moved > here[k] else here[k]
            target[k] = here[k] if here[k] < old else moved
    else:
        for k in range(target.size):
            moved = new if new > lower[k] else lower[k]
            moved = moved if moved < here[k] else here[k]
            target[k] = here[k] if here[k] > old else moved


@kernel
def rolling_median(values: FloatArray, window: int) -> FloatArray:
    """Return the median of the last `window` values (mean of the middle two when even)."""
    out = np.full(values.size, np.nan)
    # What is not defined stands behind all others.
    ordered = np.full((2, window + 2), np.inf)
    ordered[:, 0] = -np.inf
    defined, upper = 0, window // 2 + 1
    lower = upper - 1 + window % 2
    for t in range(values.size):
        new, old = values[t], values[t - window] if t >= window else np.nan
        defined += int(new == new) - int(old == old)
        now = ordered[t % 2]
        _exchange(
            ordered[(t + 1) % 2],
            now,
            old if old == old else np.inf,
            new if new == new else np.inf,
        )
        if defined == window:
            out[t] = (now[lower] + now[upper]) / 2.0
    return out


@kernel
def _points(values: FloatArray, window: int) -> IntArray:
    """
    Return, within each last `window`, twice the values below today's and once the equal ones.

    A NaN is neither. Rows before the first whole window look at all rows there are.
    """
    points = np.zeros(values.size, dtype=np.int64)
    n, whole = max(values.size - window + 1, 0), window // 4 * 4
    today, its = values[values.size - n :], points[values.size - n :]
    for k in range(0, whole, 4):
        a, b, c, d = values[k:], values[k + 1 :], values[k + 2 :], values[k + 3 :]
        for t in range(n):
            x = today[t]
            below = np.int64(a[t] < x) + np.int64(b[t] < x)
            below += np.int64(c[t] < x) + np.int64(d[t] < x)
            not_above = np.int64(a[t] <= x) + np.int64(b[t] <= x)
            not_above += np.int64(c[t] <= x) + np.int64(d[t] <= x)
            its[t] += below + not_above
    for k in range(whole, window):
        a = values[k:]
        for t in range(n):
            its[t] += np.int64(a[t] < today[t]) + np.int64(a[t] <= today[t])
    for t in range(values.size - n):
        for k in range(t + 1):
            points[t] += np.int64(values[k] < values[t]) + np.int64(values[k] <= values[t])
    return points


@kernel
def rolling_rank(values: FloatArray, window: int, min_values: int) -> FloatArray:
    """
    Return the percentile rank of each value within the last `window`, itself included.

    Ties share their average rank; NaN below `min_values` defined values. The highest of all
    ranks 1.
    """
    out = np.full(values.size, np.nan)
    points, defined = _points(values, window), 0
    for t in range(values.size):
        defined += values[t] == values[t]
        if t >= window:
            defined -= values[t - window] == values[t - window]
        if defined >= min_values and values[t] == values[t]:
            out[t] = (points[t] + 1) / 2.0 / defined
    return out


@kernel
def rolling_r_squared(values: FloatArray, window: int) -> FloatArray:
    """Return the squared correlation with time; NaN where the window is constant."""
    out = np.full(values.size, np.nan)
    middle = (window - 1) / 2.0
    time_squares = window * (window * window - 1.0) / 12.0
    centre = window_means(values, window)
    squares = window_squares(values, centre, window)
    products = np.zeros(centre.size)
    for k in range(window // 2):
        # Two days as far from the middle, before and after it: the centre falls out.
        early, late, distance = values[k:], values[window - 1 - k :], middle - k
        for t in range(centre.size):
            products[t] += distance * (late[t] - early[t])
    same = 0
    for t in range(values.size):
        same = same + 1 if t > 0 and values[t] == values[t - 1] else 1
        start = t + 1 - window
        if start >= 0 and same < window and squares[start] > 0.0:
            out[t] = products[start] ** 2 / (time_squares * squares[start])
    return out


@kernel
def last_known(column: FloatArray, is_short: BoolArray, is_good: BoolArray) -> FloatArray:
    """
    Return a column [ticker, row] as far as it is known.

    Undefined where there is too little history; a row that is not good shows the last good one,
    and nothing before the first.
    """
    out = np.empty(column.shape)
    for j in range(column.shape[0]):
        last = np.nan
        for t in range(column.shape[1]):
            if is_good[j, t]:
                last = np.nan if is_short[j, t] else column[j, t]
            out[j, t] = last
    return out

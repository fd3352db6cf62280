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

from tf_lib.core.jit.arrays import FloatArray, IntArray, kernel, leaf_kernel

_ALL_BUT_SIGN = 0x7FFF_FFFF_FFFF_FFFF
_HIGHEST_KEY, _LOWEST_KEY = _ALL_BUT_SIGN, -_ALL_BUT_SIGN - 1
_KEYS_AT_ONCE = 16


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
def _joined(
    before: FloatArray, after: FloatArray, n_before: int, n_after: int, n_moments: int
) -> FloatArray:
    """
    Return the moments [moment, first row] of windows that are each two windows end to end.

    The first `n_moments` of mean, summed squares around it, and co-moment with time.
    """
    n, whole = max(after.shape[1] - n_before, 0), n_before + n_after
    out = np.empty((n_moments, n))
    one, other, mean = before[0], after[0][n_before:], out[0]
    for t in range(n):
        mean[t] = one[t] + (other[t] - one[t]) * (n_after / whole)
    weight = n_before * n_after / whole
    if n_moments > 1:
        its, later, squares = before[1], after[1][n_before:], out[1]
        for t in range(n):
            gap = other[t] - one[t]
            squares[t] = its[t] + later[t] + gap * gap * weight
    if n_moments > 2:
        its, later, trend = before[2], after[2][n_before:], out[2]
        # Their middles are half of both lengths apart.
        weight *= whole / 2.0
        for t in range(n):
            trend[t] = its[t] + later[t] + (other[t] - one[t]) * weight
    return out


@kernel
def window_moments(values: FloatArray, window: int, n_moments: int) -> FloatArray:
    """
    Return moments of each whole window: mean, summed squares around it, co-moment with time.

    Windows of 1, 2, 4, ... rows, joined to the length wanted [1]_. Each is made of its own values
    alone and always in the same order, so that nothing drifts, and many stand side by side in a
    register.

    Parameters
    ----------
    values : float array of shape (n_rows,)
    window : int
        Rows, at least 1.
    n_moments : int
        How many of the three are wanted.

    Returns
    -------
    float array of shape (n_moments, n_rows - window + 1)
        Column t is the window that begins on row t; NaN where it holds one.

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm
       for Computing Sample Variances", COMPSTAT 1982.
    """
    power = np.zeros((n_moments, values.size))
    for t in range(values.size):
        power[0, t] = values[t]
    joined, done, rows, rest = power, 0, 1, window
    while True:
        if rest % 2 == 1:
            joined = _joined(joined, power, done, rows, n_moments) if done > 0 else power
            done += rows
        rest //= 2
        if rest == 0:
            return joined
        power = _joined(power, power, rows, rows, n_moments)
        rows *= 2


@kernel
def rolling_mean_std(values: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Return mean and sample standard deviation over the last `window` values."""
    mean, std = np.empty(values.size), np.empty(values.size)
    short = min(window - 1, values.size)
    mean[:short], std[:short] = np.nan, np.nan
    moments = window_moments(values, window, 2)
    centre, squares = moments[0], moments[1]
    for t in range(centre.size):
        mean[t + window - 1] = centre[t]
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
def _ordered(values: FloatArray) -> IntArray:
    """
    Return whole numbers that stand in the same order as the values; undefined above all others.

    Whole numbers can be compared many at a time, which the rules for NaN forbid for floats.
    """
    keys = values.view(np.int64).copy()
    for t in range(keys.size):
        keys[t] ^= (keys[t] >> 63) & _ALL_BUT_SIGN
    return keys


@kernel
def _values(keys: IntArray) -> FloatArray:
    """Return the values that such whole numbers stand for."""
    bits = keys.copy()
    for t in range(bits.size):
        bits[t] ^= (bits[t] >> 63) & _ALL_BUT_SIGN
    return bits.view(np.float64)


@leaf_kernel
def _above(keys: IntArray, key: int) -> tuple[int, int]:
    """Return how many of some keys are not above one, and the lowest that is."""
    count, lowest = 0, _HIGHEST_KEY
    for k in range(keys.size):
        count += int(keys[k] <= key)
        lowest = min(lowest, keys[k] if keys[k] > key else _HIGHEST_KEY)
    return count, lowest


@leaf_kernel
def _below(keys: IntArray, key: int) -> tuple[int, int]:
    """Return how many of some keys are below one, and the highest that is."""
    count, highest = 0, _LOWEST_KEY
    for k in range(keys.size):
        count += int(keys[k] < key)
        highest = max(highest, keys[k] if keys[k] < key else _LOWEST_KEY)
    return count, highest


@leaf_kernel
def _upper(keys: IntArray, half: int, lower: int) -> int:
    """Return the key of place half + 1 when that of place `half` is known."""
    count, lowest = _above(keys, lower)
    return lower if count > half else lowest


@leaf_kernel
def _lower(keys: IntArray, half: int, upper: int) -> int:
    """Return the key of place `half` when that of place half + 1 is known."""
    count, highest = _below(keys, upper)
    return highest if count == half else upper


@leaf_kernel
def _middle(keys: IntArray, half: int) -> int:
    """Return the key of place `half`, from the lowest upwards."""
    count, key = 0, _LOWEST_KEY
    while count < half:
        key = _above(keys, key)[1]
        count = _above(keys, key)[0]
    return key


@kernel
def rolling_median(values: FloatArray, window: int) -> FloatArray:
    """
    Return the median of the last `window` values (mean of the middle two when even).

    What leaves and what enters moves the middle by at most one place, most often by none.
    """
    keys, half = _ordered(values), (window + 1) // 2
    middle = np.full((2, values.size), _HIGHEST_KEY)
    # The window's keys in any order; filled up with what stands above all, to whole registers.
    its = np.full(-(-window // _KEYS_AT_ONCE) * _KEYS_AT_ONCE, _HIGHEST_KEY)
    defined, lower, upper, place = 0, 0, 0, 0
    for t in range(values.size):
        old, new = its[place], keys[t]
        its[place] = new
        place = place + 1 if place + 1 < window else 0
        was_whole = defined == window
        defined += int(values[t] == values[t])
        if t >= window:
            defined -= int(values[t - window] == values[t - window])
        if defined < window:
            continue
        if not was_whole:
            lower = _middle(its, half)
            upper = _upper(its, half, lower)
        elif old <= lower:
            if new > upper:
                lower = upper
                upper = _upper(its, half, lower)
            elif old == lower:
                lower = _lower(its, half, upper)
            elif new > lower:
                lower = new
        elif new < lower:
            upper = lower
            lower = _lower(its, half, upper)
        elif old == upper:
            upper = _upper(its, half, lower)
        elif new < upper:
            upper = new
        middle[0, t], middle[1, t] = lower, upper if window % 2 == 0 else lower
    # The highest key is no number.
    return (_values(middle[0]) + _values(middle[1])) / 2.0


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
    time_squares = window * (window * window - 1.0) / 12.0
    moments = window_moments(values, window, 3)
    squares, products = moments[1], moments[2]
    same = 0
    for t in range(values.size):
        same = same + 1 if t > 0 and values[t] == values[t - 1] else 1
        start = t + 1 - window
        if start >= 0 and same < window and squares[start] > 0.0:
            out[t] = products[start] ** 2 / (time_squares * squares[start])
    return out

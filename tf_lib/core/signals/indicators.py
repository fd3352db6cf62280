"""
Indicators: the kernels between a bar and the parts of a signal.

Part of stage 2 (bars -> *signals* -> risk). Each kernel takes one ticker's history, from its first
bar to its last without a hole, and answers on the same rows. `tf_lib.core.signals.columns` runs
them over all tickers and blends what they say.
"""

from __future__ import annotations

import math

import numpy as np

from tf_lib.core.jit.arrays import FloatArray, kernel
from tf_lib.core.signals.windows import (
    ewm_mean,
    ewm_std,
    rolling_max,
    rolling_mean_std,
    rolling_median,
    rolling_r_squared,
)

NO_SPREAD = 1e-12
MOST_SIGMAS = 4.0
MAD_TO_SIGMA = 1.4826
MOST_ROBUST_SIGMAS = 3.0
PENALTY_FROM, PENALTY_OVER = 0.5, 1.0
LEAST_VALUES_OF_STD = 14


@kernel
def ribbon(log_close: FloatArray, spans: FloatArray) -> FloatArray:
    """Return one exponential average of log close per span, shape (n_spans, n_rows)."""
    out = np.empty((spans.size, log_close.size))
    if log_close.size == 0:
        return out
    alpha, decay, average = np.empty(spans.size), np.empty(spans.size), np.empty(spans.size)
    for s in range(spans.size):
        alpha[s] = 2.0 / (spans[s] + 1.0)
        decay[s] = 1.0 - alpha[s]
        average[s] = log_close[0]
        out[s, 0] = log_close[0]
    for t in range(1, log_close.size):
        for s in range(spans.size):
            average[s] = decay[s] * average[s] + alpha[s] * log_close[t]
            out[s, t] = average[s]
    return out


@kernel
def ribbon_slope(averages: FloatArray, spans: FloatArray) -> FloatArray:
    """
    Return the slope of the averages, fastest first, over the log of their spans reversed.

    Positive where faster averages stand above slower ones: the trend is up.
    """
    n_spans = spans.size
    x, mean, squares = np.empty(n_spans), 0.0, 0.0
    for s in range(n_spans):
        x[s] = math.log(spans[n_spans - 1 - s])
        mean += x[s] / n_spans
    for s in range(n_spans):
        x[s] -= mean
        squares += x[s] * x[s]
    slope = np.zeros(averages.shape[1])
    for s in range(n_spans):
        for t in range(slope.size):
            slope[t] += averages[s, t] * x[s]
    for t in range(slope.size):
        slope[t] /= squares
    return slope


@kernel
def normal_rank(values: FloatArray, window: int) -> FloatArray:
    """Return normal CDF of the rolling z-score, clipped to four sigmas, less one half."""
    mean, std = rolling_mean_std(values, window)
    out = np.full(values.size, np.nan)
    for t in range(values.size):
        if math.isnan(std[t]):
            continue
        z = 0.0
        if std[t] >= NO_SPREAD:
            z = min(max((values[t] - mean[t]) / std[t], -MOST_SIGMAS), MOST_SIGMAS)
        out[t] = 0.5 * math.erfc(-z / math.sqrt(2.0)) - 0.5
    return out


@kernel
def channel(high: FloatArray, low: FloatArray, window: int, shift: int) -> FloatArray:
    """Return highest high and lowest low, (2, n_rows), over `window` rows, `shift` rows late."""
    bands = np.empty((2, high.size))
    below = np.empty(low.size)
    for t in range(low.size):
        below[t] = -low[t]
    highest, lowest = rolling_max(high, window), rolling_max(below, window)
    for t in range(min(shift, high.size)):
        bands[0, t], bands[1, t] = np.nan, np.nan
    for t in range(shift, high.size):
        bands[0, t] = highest[t - shift]
        bands[1, t] = -lowest[t - shift]
    return bands


@kernel
def channel_position(close: FloatArray, upper: FloatArray, lower: FloatArray) -> FloatArray:
    """Return where close stands from the middle of the channel, in channel widths."""
    out = np.full(close.size, np.nan)
    for t in range(close.size):
        if upper[t] > lower[t]:
            out[t] = (close[t] - (upper[t] + lower[t]) / 2.0) / (upper[t] - lower[t])
    return out


@kernel
def trend_quality(
    log_close: FloatArray, window: int, lower: float, upper: float, smooth_span: float
) -> FloatArray:
    """Return R squared of log close with time, mapped to 0 at `lower` and 1 at `upper`."""
    raw = rolling_r_squared(log_close, window)
    for t in range(raw.size):
        if not math.isnan(raw[t]):
            raw[t] = min(max((raw[t] - lower) / (upper - lower), 0.0), 1.0)
    return ewm_mean(raw, smooth_span)


@kernel
def _ratio(numerator: float, divisor: float) -> float:
    """Return a quotient, NaN where the divisor is zero or undefined."""
    if divisor == 0.0 or math.isnan(divisor):
        return np.nan
    return numerator / divisor


@kernel
def vol_of_vol_penalty(
    log_close: FloatArray,
    std_span: int,
    variation_window: int,
    median_window: int,
    least: float,
    days_per_year: float,
) -> FloatArray:
    """
    Return 1 where volatility is as steady as usual, down to `least` where it is not.

    The coefficient of variation of volatility against its own rolling median, in robust sigmas;
    a z-score that is not finite, or of no spread at all, counts as 0.
    """
    n = log_close.size
    log_returns = np.full(n, np.nan)
    for t in range(1, n):
        log_returns[t] = log_close[t] - log_close[t - 1]
    volatility = ewm_std(log_returns, std_span, LEAST_VALUES_OF_STD)
    for t in range(n):
        volatility[t] *= math.sqrt(days_per_year)
    mean, std = rolling_mean_std(volatility, variation_window)
    variation, distance, out = np.empty(n), np.empty(n), np.empty(n)
    for t in range(n):
        variation[t] = _ratio(std[t], mean[t])
    middle = rolling_median(variation, median_window)
    for t in range(n):
        distance[t] = abs(variation[t] - middle[t])
    mad = rolling_median(distance, median_window)
    for t in range(n):
        z = _ratio(variation[t] - middle[t], MAD_TO_SIGMA * mad[t])
        # Where a price has stood for long, both are what rounding left: no spread, as of a std.
        if not math.isfinite(z) or mad[t] < NO_SPREAD:
            z = 0.0
        z = min(max(z, -MOST_ROBUST_SIGMAS), MOST_ROBUST_SIGMAS)
        over = min(max((z - PENALTY_FROM) / PENALTY_OVER, 0.0), 1.0)
        out[t] = min(max(1.0 - over, least), 1.0)
    return out


@kernel
def simple_returns(close: FloatArray) -> FloatArray:
    """Return close over the close before, less one; NaN on the first row."""
    out = np.full(close.size, np.nan)
    for t in range(1, close.size):
        out[t] = close[t] / close[t - 1] - 1.0
    return out


@kernel
def spread(values: FloatArray, window: int) -> FloatArray:
    """Return the rolling sample std; 0 where it is below `NO_SPREAD`."""
    std = rolling_mean_std(values, window)[1]
    for t in range(std.size):
        if std[t] < NO_SPREAD:
            std[t] = 0.0
    return std


@kernel
def average_true_range(
    high: FloatArray, low: FloatArray, close: FloatArray, span: float
) -> FloatArray:
    """Return the exponential average of the true range; the first bar's is high less low."""
    true_range = np.empty(close.size)
    for t in range(close.size):
        reach = high[t] - low[t]
        if t > 0:
            up, down = abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1])
            reach = max(reach, max(up, down))
        true_range[t] = reach
    return ewm_mean(true_range, span)


@kernel
def confirmed(quality: FloatArray, days: int) -> FloatArray:
    """Return 1 where quality was above one half on each of the last `days` rows, else 0."""
    out = np.zeros(quality.size)
    run = 0
    for t in range(quality.size):
        run = run + 1 if quality[t] > 0.5 else 0
        if run >= days:
            out[t] = 1.0
    return out

"""
Risk: the covariance of daily returns.

Stage 3 of the pipeline (signals -> *risk* -> sizing -> trades). A return that is missing counts
0. Every matrix here is positive semi-definite by construction: a weighted sum of outer products,
or one plus a multiple of the identity. No linear algebra library is called, so the same returns
give the same bits.
"""

from __future__ import annotations

import math

import numpy as np

from tf_lib.core.jit.arrays import FloatArray, kernel, leaf_kernel

SAMPLE, EWM, LEDOIT_WOLF = 0, 1, 2
METHODS = {"sample": SAMPLE, "ewm": EWM, "ledoit_wolf": LEDOIT_WOLF}
"""By ``risk_and_sizing.covariance``."""
EWM_SPANS_KEPT = 4


@kernel
def covariance_on(returns: FloatArray, row: int, window: int, method: int) -> FloatArray:
    """
    Return the daily covariance of simple returns as known on one row, from the rows up to it.

    Parameters
    ----------
    returns : float array of shape (n_rows, n_tickers)
        Day on day, oldest first. NaN counts 0.
    row : int
        That of the day that is decided.
    method : int
        One of `METHODS`: ``sample``, over the window, divided by window - 1;
        ``ewm``, weights falling by 1 - 2 / (window + 1) a day over four windows, normalised to
        sum to one, around the weighted mean, divided by 1 - sum of squared weights;
        ``ledoit_wolf``, over the window, shrunk towards the mean variance times identity [1]_.

    Returns
    -------
    float array of shape (n_tickers, n_tickers)
        Symmetric, positive semi-definite, per day.

    References
    ----------
    .. [1] O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance
       matrices", Journal of Multivariate Analysis 88(2), 2004.
    """
    n_tickers, n_days = returns.shape[1], days_needed(row, window, method)
    past, buffers = np.empty((n_tickers, n_days)), np.empty((2, n_days))
    for j in range(n_tickers):
        fill_past(returns[:, j], row, past[j])
    out = np.empty((n_tickers, n_tickers))
    fill_covariance(past, (n_tickers, n_days), window, method, buffers, out)
    return out


@leaf_kernel
def days_needed(row: int, window: int, method: int) -> int:
    """Return how many days of returns the covariance known on a row is made of."""
    return min(window * EWM_SPANS_KEPT, row + 1) if method == EWM else window


@leaf_kernel
def fill_past(returns: FloatArray, row: int, past: FloatArray) -> None:
    """Write one ticker's last returns as known on a row; what is missing counts 0."""
    start = row + 1 - past.size
    for k in range(past.size):
        at = start + k
        past[k] = returns[at] if at >= 0 and math.isfinite(returns[at]) else 0.0


@leaf_kernel
def fill_covariance(
    past: FloatArray,
    shape: tuple[int, int],
    window: int,
    method: int,
    buffers: FloatArray,
    out: FloatArray,
) -> None:
    """
    Write the covariance of returns [ticker, day], which are centred in place.

    `shape` says how many tickers and days there are; the arrays may be larger. `buffers` holds two
    rows of days to work in. See `covariance_on` for the methods.
    """
    n_days = shape[1]
    weights = buffers[0, :n_days]
    if method == EWM:
        left = _fill_falling(1.0 - 2.0 / (window + 1.0), weights)
        _fill_scatter(past, shape, 1.0 / left if left > 0.0 else 1.0, buffers, out)
        return
    for k in range(n_days):
        weights[k] = 1.0 / n_days
    if method == LEDOIT_WOLF:
        _fill_scatter(past, shape, 1.0, buffers, out)
        _shrink(past, shape, out)
        return
    _fill_scatter(past, shape, n_days / (n_days - 1.0), buffers, out)


@leaf_kernel
def _dot(one: FloatArray, other: FloatArray, n: int) -> float:
    """Add up the first `n` products in four lanes, always in the same order."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = n // 4 * 4
    for k in range(0, whole, 4):
        a += one[k] * other[k]
        b += one[k + 1] * other[k + 1]
        c += one[k + 2] * other[k + 2]
        d += one[k + 3] * other[k + 3]
    for k in range(whole, n):
        a += one[k] * other[k]
    return (a + b) + (c + d)


@leaf_kernel
def _fill_scatter(
    past: FloatArray, shape: tuple[int, int], scale: float, buffers: FloatArray, out: FloatArray
) -> None:
    """Write scale times the scatter of [ticker, day] weighted by `buffers[0]`; centres in place."""
    n_tickers, n_days = shape
    weights, weighted = buffers[0], buffers[1]
    for i in range(n_tickers):
        its = past[i]
        mean = _dot(weights, its, n_days)
        for k in range(n_days):
            its[k] -= mean
            weighted[k] = weights[k] * its[k]
        for j in range(i + 1):
            out[i, j] = scale * _dot(weighted, past[j], n_days)
            out[j, i] = out[i, j]


@leaf_kernel
def _fill_falling(decay: float, weights: FloatArray) -> float:
    """Write weights that fall into the past and sum to one; return 1 - the sum of their squares."""
    total, left, weight = 0.0, 1.0, 1.0
    for k in range(weights.size - 1, -1, -1):
        weights[k] = weight
        total += weight
        weight *= decay
    for k in range(weights.size):
        weights[k] /= total
        left -= weights[k] ** 2
    return left


@leaf_kernel
def _shrink(past: FloatArray, shape: tuple[int, int], out: FloatArray) -> None:
    """Shrink a scatter towards the mean variance times identity, in place; `past` is centred."""
    n_tickers, n_days = shape
    if n_tickers == 1:
        return
    trace, square_sum, fourth_sum = 0.0, 0.0, 0.0
    for i in range(n_tickers):
        trace += out[i, i]
        for j in range(n_tickers):
            square_sum += out[i, j] ** 2
    for k in range(n_days):
        length = 0.0
        for j in range(n_tickers):
            length += past[j, k] ** 2
        fourth_sum += length**2
    centre = trace / n_tickers
    distance = (square_sum - n_tickers * centre**2) / n_tickers
    noise = (fourth_sum / n_days - square_sum) / (n_tickers * n_days)
    noise = min(noise, distance)
    shrinkage = noise / distance if noise > 0.0 else 0.0
    for i in range(n_tickers):
        for j in range(n_tickers):
            out[i, j] *= 1.0 - shrinkage
        out[i, i] += shrinkage * centre

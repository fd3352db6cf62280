"""
Risk: the covariance of daily returns.

Stage 3 of the pipeline (signals -> *risk* -> sizing -> trades). A return that is missing counts
0. Every matrix here is positive semi-definite by construction: a weighted sum of outer products,
or one plus a multiple of the identity. No linear algebra library is called, so the same returns
give the same bits.
"""

from __future__ import annotations

import numpy as np

from tf_lib.core.arrays import FloatArray, kernel
from tf_lib.errors import ParameterError
from tf_lib.parameters import RiskSection

SAMPLE, EWM, LEDOIT_WOLF = 0, 1, 2
METHODS = {"sample": SAMPLE, "ewm": EWM, "ledoit_wolf": LEDOIT_WOLF}
EWM_SPANS_KEPT = 4


def covariance(returns: FloatArray, settings: RiskSection) -> FloatArray:
    """
    Return the daily covariance of simple returns as known on the last row.

    Parameters
    ----------
    returns : float array of shape (n_rows, n_tickers)
        Day on day, oldest first; the last row belongs to the day that is decided. NaN counts 0.
    settings : RiskSection
        ``rolling_cov_window`` and ``covariance``:
        ``sample``, over the window, divided by window - 1;
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
    if settings.covariance not in METHODS:
        raise ParameterError(f"covariance must be one of {list(METHODS)}: {settings.covariance!r}")
    method = METHODS[settings.covariance]
    return covariance_on(returns, len(returns) - 1, settings.rolling_cov_window, method)


@kernel
def covariance_on(returns: FloatArray, row: int, window: int, method: int) -> FloatArray:
    """Return the covariance as known on one row, from the rows up to it; see `covariance`."""
    n_days = window * EWM_SPANS_KEPT if method == EWM else window
    if method == EWM:
        n_days = min(n_days, row + 1)
    past = np.zeros((returns.shape[1], n_days))
    for k in range(n_days):
        at = row + 1 - n_days + k
        for j in range(returns.shape[1]):
            if at >= 0 and np.isfinite(returns[at, j]):
                past[j, k] = returns[at, j]
    if method == EWM:
        decay = 1.0 - 2.0 / (window + 1.0)
        weights, left = _falling(n_days, decay)
        return _scatter(past, weights, 1.0 / left if left > 0.0 else 1.0)
    even = np.full(n_days, 1.0 / n_days)
    if method == LEDOIT_WOLF:
        return _shrunk(past, _scatter(past, even, 1.0))
    return _scatter(past, even, n_days / (n_days - 1.0))


@kernel
def _scatter(past: FloatArray, weights: FloatArray, scale: float) -> FloatArray:
    """Return scale times the weighted scatter of [ticker, day]; `past` is centred in place."""
    n_tickers, n_days = past.shape
    for j in range(n_tickers):
        mean = 0.0
        for k in range(n_days):
            mean += weights[k] * past[j, k]
        for k in range(n_days):
            past[j, k] -= mean
    out = np.empty((n_tickers, n_tickers))
    for i in range(n_tickers):
        for j in range(i + 1):
            total = 0.0
            for k in range(n_days):
                total += weights[k] * past[i, k] * past[j, k]
            out[i, j] = scale * total
            out[j, i] = scale * total
    return out


@kernel
def _falling(n_days: int, decay: float) -> tuple[FloatArray, float]:
    """Return weights that fall into the past and sum to one, and 1 - the sum of their squares."""
    weights, total, left = np.empty(n_days), 0.0, 1.0
    weight = 1.0
    for k in range(n_days - 1, -1, -1):
        weights[k] = weight
        total += weight
        weight *= decay
    for k in range(n_days):
        weights[k] /= total
        left -= weights[k] ** 2
    return weights, left


@kernel
def _shrunk(past: FloatArray, out: FloatArray) -> FloatArray:
    """Shrink a scatter towards the mean variance times identity; `past` is centred."""
    n_tickers, n_days = past.shape
    if n_tickers == 1:
        return out
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
    return out

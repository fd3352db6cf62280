"""Covariance: by hand, against numpy and scikit-learn, and never negative."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.sizing.covariance import METHODS, covariance_on


def covariance(returns: FloatArray, method: str, window: int = 30) -> FloatArray:
    return covariance_on(returns, len(returns) - 1, window, METHODS[method])


def returns_of(seed: int, n_rows: int = 200, n_tickers: int = 4) -> np.ndarray:
    random = np.random.default_rng(seed)
    common = random.normal(0, 0.03, (n_rows, 1))
    return common + random.normal(0, 0.02, (n_rows, n_tickers))


def test_sample_covariance_by_hand() -> None:
    # Ticker 1: 0.01, 0.03, mean 0.02, deviations -0.01, 0.01; ticker 2: 0.02, 0, deviations
    # 0.01, -0.01. Divided by 2 - 1: variances 2e-4, covariance -2e-4.
    matrix = covariance(np.array([[0.01, 0.02], [0.03, 0.0]]), "sample", 2)

    np.testing.assert_allclose(matrix, [[2e-4, -2e-4], [-2e-4, 2e-4]], rtol=1e-12)


def test_sample_covariance_agrees_with_numpy_and_uses_only_its_window() -> None:
    returns = returns_of(1)

    np.testing.assert_allclose(covariance(returns, "sample"), np.cov(returns[-30:].T), rtol=1e-12)


def test_ledoit_wolf_agrees_with_scikit_learn() -> None:
    for seed in range(20):
        returns = returns_of(seed, n_tickers=1 + seed % 6)
        expected, _ = ledoit_wolf(returns[-30:])

        matrix = covariance(returns, "ledoit_wolf")
        np.testing.assert_allclose(matrix, expected, rtol=1e-10)


def test_exponential_covariance_follows_its_formula() -> None:
    returns = returns_of(2)
    decay = 1 - 2 / 31
    weights = decay ** np.arange(119, -1, -1)
    weights /= weights.sum()
    expected = np.cov(returns[-120:].T, aweights=weights, ddof=1)

    # numpy's ddof=1 with aweights divides by 1 - sum of squared weights.
    matrix = covariance(returns, "ewm")
    np.testing.assert_allclose(matrix, expected, rtol=1e-10)


def test_a_short_history_weighs_what_there_is() -> None:
    returns = returns_of(3, n_rows=10)
    weights = (1 - 2 / 31) ** np.arange(9, -1, -1)

    expected = np.cov(returns.T, aweights=weights / weights.sum(), ddof=1)
    np.testing.assert_allclose(covariance(returns, "ewm"), expected, rtol=1e-10)


def test_a_missing_return_counts_zero() -> None:
    returns = returns_of(4)
    filled = returns.copy()
    returns[-3, 1], filled[-3, 1] = math.nan, 0.0
    for method in METHODS:
        one = covariance(returns, method)

        np.testing.assert_array_equal(one, covariance(filled, method))


@pytest.mark.parametrize("method", METHODS)
def test_later_returns_change_nothing(method: str) -> None:
    returns = returns_of(5)
    for row in (0, 10, 29, 100):
        on = covariance_on(returns, row, 30, METHODS[method])
        seen = covariance_on(returns[: row + 1].copy(), row, 30, METHODS[method])

        np.testing.assert_array_equal(on, seen)


@given(
    seed=st.integers(0, 10_000),
    method=st.sampled_from(list(METHODS)),
    n_tickers=st.integers(1, 8),
    scale=st.sampled_from([1e-6, 1e-2, 1.0]),
)
def test_it_is_symmetric_and_never_negative(
    seed: int, method: str, n_tickers: int, scale: float
) -> None:
    returns = np.random.default_rng(seed).standard_t(3, (40, n_tickers)) * scale
    matrix = covariance(returns, method)

    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix).min() >= -1e-12 * matrix.max()


def test_a_market_that_stands_still_has_no_covariance() -> None:
    for method in METHODS:
        assert not covariance(np.zeros((40, 3)), method).any()

"""Rolling kernels: worked by hand, against pandas, and blind to what comes later."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.signals.grids import fill_last_known
from tf_lib.core.signals.windows import (
    ewm_mean,
    ewm_std,
    rolling_max,
    rolling_mean_std,
    rolling_median,
    rolling_r_squared,
    rolling_rank,
)

NAN = math.nan
numbers = st.floats(-1e3, 1e3, allow_subnormal=False)
series = hnp.arrays(np.float64, st.integers(1, 60), elements=numbers)
holed = hnp.arrays(np.float64, st.integers(1, 60), elements=st.one_of(numbers, st.just(NAN)))

KERNELS = {
    "ewm_mean": lambda x: ewm_mean(x, 4.0),
    "ewm_std": lambda x: ewm_std(x, 4.0, 3),
    "mean": lambda x: rolling_mean_std(x, 5)[0],
    "std": lambda x: rolling_mean_std(x, 5)[1],
    "median": lambda x: rolling_median(x, 6),
    "rank": lambda x: rolling_rank(x, 8, 3),
    "max": lambda x: rolling_max(x, 5),
    "r_squared": lambda x: rolling_r_squared(x, 5),
}


@pytest.mark.parametrize("name", KERNELS)
@given(values=series, cut=st.integers(1, 60))
def test_later_values_change_nothing(name: str, values: FloatArray, cut: int) -> None:
    whole, seen = KERNELS[name](values), KERNELS[name](values[:cut])

    np.testing.assert_array_equal(whole[:cut], seen)


@pytest.mark.parametrize("name", ["mean", "std", "median", "rank", "max", "r_squared"])
@given(values=series, skipped=st.integers(1, 30))
def test_a_window_gives_the_same_bits_wherever_the_history_starts(
    name: str, values: FloatArray, skipped: int
) -> None:
    """No running sum drifts: only what stands in the window counts."""
    whole, later = KERNELS[name](values), KERNELS[name](values[skipped:])

    np.testing.assert_array_equal(whole[skipped:][7:], later[7:])


def test_exponential_mean_by_hand() -> None:
    # alpha = 2 / (3 + 1) = 0.5: 1, 0.5 * 1 + 0.5 * 3 = 2, 0.5 * 2 + 0.5 * 0 = 1
    assert ewm_mean(np.array([NAN, 1.0, 3.0, 0.0]), 3.0).tolist()[1:] == [1.0, 2.0, 1.0]


def test_an_exponential_mean_fades_over_a_hole_and_is_undefined_in_it() -> None:
    # One hole: the old value weighs 0.5 * 0.5 = 0.25, the new 0.5: (0.25 * 1 + 0.5 * 4) / 0.75 = 3
    out = ewm_mean(np.array([1.0, NAN, 4.0]), 3.0)

    assert math.isnan(out[1])
    assert out[2] == 3.0


@pytest.mark.parametrize("span", [0.0, 0.99])
def test_a_span_below_one_does_not_smooth(span: float) -> None:
    values = np.array([1.0, NAN, 3.0])

    np.testing.assert_array_equal(ewm_mean(values, span), values)


# Span 3 is left out: there pandas weighs the value after a hole otherwise than it documents.
@given(holed, st.sampled_from([1.0, 2.0, 4.0, 14.0, 200.0]))
def test_exponential_mean_agrees_with_pandas(values: FloatArray, span: float) -> None:
    expected = pd.Series(values).ewm(span=span, adjust=False).mean().to_numpy()

    np.testing.assert_allclose(
        ewm_mean(values, span), np.where(np.isnan(values), NAN, expected), rtol=1e-9, atol=1e-9
    )


@given(holed, st.sampled_from([2.0, 5.0, 14.0]), st.integers(2, 5))
def test_exponential_std_agrees_with_pandas(values: FloatArray, span: float, least: int) -> None:
    frame = pd.Series(values).ewm(span=span, adjust=False, min_periods=least)
    expected = np.where(np.isnan(values), NAN, frame.std(bias=False).to_numpy())

    np.testing.assert_allclose(ewm_std(values, span, least), expected, rtol=1e-7, atol=1e-6)


def test_rolling_mean_and_std_by_hand() -> None:
    # 1, 2, 6: mean 3, squares 4 + 1 + 9 = 14, std sqrt(14 / 2)
    mean, std = rolling_mean_std(np.array([1.0, 2.0, 6.0]), 3)

    assert np.isnan(mean[:2]).all()
    assert mean[2] == 3.0
    assert std[2] == math.sqrt(7.0)


@given(holed, st.integers(2, 9))
def test_rolling_kernels_agree_with_pandas(values: FloatArray, window: int) -> None:
    rolling = pd.Series(values).rolling(window)
    mean, std = rolling_mean_std(values, window)

    expected_std = rolling.apply(lambda w: np.std(w, ddof=1), raw=True)
    np.testing.assert_allclose(mean, rolling.apply(np.mean, raw=True), rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(std, expected_std, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(rolling_median(values, window), rolling.median())


@given(series, st.integers(1, 9))
def test_rolling_max_agrees_with_pandas(values: FloatArray, window: int) -> None:
    np.testing.assert_array_equal(
        rolling_max(values, window), pd.Series(values).rolling(window).max()
    )


def test_the_median_of_an_even_window_is_between_the_middle_two() -> None:
    out = rolling_median(np.array([5.0, 1.0, 3.0, 9.0]), 4)

    assert out[3] == 4.0


def test_rank_by_hand() -> None:
    # Among 3, 1, 2, 2 today's 2 has 1 below and 2 equal: (1 + (2 + 1) / 2) / 4 = 0.625
    assert rolling_rank(np.array([3.0, 1.0, 2.0, 2.0]), 4, 1)[3] == 0.625


def test_a_rank_needs_its_least_values_and_skips_holes() -> None:
    out = rolling_rank(np.array([NAN, 3.0, NAN, 2.0, 4.0]), 4, 3)

    assert np.isnan(out[:4]).all()
    # Within the last four rows 3, 2 and 4 are defined: the highest of three ranks 3 / 3.
    assert out[4] == 1.0


@given(holed, st.integers(2, 12))
def test_rank_agrees_with_pandas(values: FloatArray, window: int) -> None:
    expected = [
        pd.Series(values[max(0, t + 1 - window) : t + 1]).rank(pct=True).iloc[-1]
        for t in range(values.size)
    ]

    np.testing.assert_allclose(rolling_rank(values, window, 1), expected, rtol=1e-12)


def test_r_squared_by_hand() -> None:
    # y = 1, 2, 4 over time -1, 0, 1: Sxy = 3, Sxx = 2, Syy = 1 + 4 + 16 - 49 / 3 = 14 / 3;
    # 9 / (2 * 14 / 3) = 27 / 28
    assert rolling_r_squared(np.array([1.0, 2.0, 4.0]), 3)[2] == pytest.approx(27 / 28, rel=1e-15)


def test_a_constant_window_has_no_r_squared() -> None:
    """Not 0, and not a ratio of rounding errors."""
    out = rolling_r_squared(np.array([0.1] * 6 + [0.2]), 5)

    assert np.isnan(out[:6]).all()
    assert out[6] > 0


@given(hnp.arrays(np.float64, 12, elements=st.floats(0, 10), unique=True), st.integers(3, 12))
def test_r_squared_agrees_with_numpy(values: FloatArray, window: int) -> None:
    expected = np.corrcoef(np.arange(window), values[-window:])[0, 1] ** 2

    assert rolling_r_squared(values, window)[-1] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_what_is_known_repeats_the_last_good_row_and_is_nothing_before_the_first() -> None:
    column = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    is_good = np.array([[False, True, False, True], [True, True, True, False]])
    is_short = np.array([[False, False, False, False], [True, True, False, False]])

    out = np.empty((4, 2))

    fill_last_known(column, is_short, is_good, out)

    np.testing.assert_array_equal(out.T, [[NAN, 2.0, 2.0, 4.0], [NAN, NAN, 7.0, 7.0]])

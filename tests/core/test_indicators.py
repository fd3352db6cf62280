"""Indicators: each worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tf_lib.core.signals import indicators
from tf_lib.core.signals.components import ribbon_spans
from tf_lib.parameters import MovingAverage

NAN = math.nan


def test_the_ribbon_of_the_strategy() -> None:
    """Eight whole spans from 20 to 200, a constant ratio apart."""
    settings = MovingAverage(fast_mavg=20, slow_mavg=200, mavg_stepsize=8, mavg_z_score_window=126)

    # 20 * 10 ** (k / 7) = 20, 27.8, 38.6, 53.7, 74.6, 103.6, 143.9, 200
    assert ribbon_spans(settings).tolist() == [20, 28, 39, 54, 75, 104, 144, 200]


def test_spans_that_round_to_the_same_number_count_once() -> None:
    settings = MovingAverage(fast_mavg=2, slow_mavg=4, mavg_stepsize=6, mavg_z_score_window=126)

    assert ribbon_spans(settings).tolist() == [2, 3, 4]


def test_slope_by_hand() -> None:
    # Spans 2 and 8, reversed logs (ln 8, ln 2), centred (ln 2, -ln 2); averages 1 above 3:
    # (1 ln 2 - 3 ln 2) / (2 ln2^2) = -1 / ln 2
    slope = indicators.ribbon_slope(np.array([[1.0], [3.0]]), np.array([2.0, 8.0]))

    assert slope[0] == pytest.approx(-1 / math.log(2), rel=1e-15)


def test_a_fast_average_above_a_slow_one_is_a_positive_slope() -> None:
    spans = np.array([2.0, 4.0, 8.0])
    averages = indicators.ribbon(np.log(np.arange(1.0, 30.0)), spans)

    assert (indicators.ribbon_slope(averages, spans)[1:] > 0).all()


def test_normal_rank_by_hand() -> None:
    # 0, 0, 3: mean 1, std sqrt(3), z = 2 / sqrt(3) = 1.1547, CDF 0.875893
    rank = indicators.normal_rank(np.array([0.0, 0.0, 3.0]), 3)

    assert np.isnan(rank[:2]).all()
    assert rank[2] == pytest.approx(0.5 * math.erf(2 / math.sqrt(3) / math.sqrt(2)), rel=1e-14)


def test_a_slope_that_does_not_move_ranks_in_the_middle() -> None:
    """A standard deviation below 1e-12 gives z = 0, not a ratio of rounding errors."""
    rank = indicators.normal_rank(np.array([0.1, 0.1, 0.1, 0.1 + 1e-14]), 3)

    assert rank[2:].tolist() == [0.0, 0.0]


def test_a_z_score_is_clipped_at_four_sigmas() -> None:
    values = np.concatenate([np.zeros(99), [1.0]])
    rank = indicators.normal_rank(values, 100)

    # z = (1 - 0.01) / 0.1 = 9.9, clipped to 4
    assert rank[-1] == pytest.approx(0.5 * math.erf(4 / math.sqrt(2)), rel=1e-14)


@pytest.mark.parametrize(("shift", "upper", "lower"), [(0, 9.0, 2.0), (1, 5.0, 1.0)])
def test_channel_with_and_without_the_extra_day(shift: int, upper: float, lower: float) -> None:
    high, low = np.array([4.0, 5.0, 9.0]), np.array([1.0, 3.0, 2.0])
    band = indicators.channel(high, low, 2, shift)

    assert (band[0][2], band[1][2]) == (upper, lower)
    assert np.isnan(band[0][: 1 + shift]).all()


def test_a_channel_longer_than_the_history_is_undefined() -> None:
    upper, lower = indicators.channel(np.array([1.0]), np.array([1.0]), 2, 1)

    assert np.isnan(upper).all()
    assert np.isnan(lower).all()


def test_position_by_hand_and_in_a_channel_without_width() -> None:
    # Close 9 in a channel from 2 to 10: (9 - 6) / 8 = 0.375
    close, upper, lower = np.array([9.0, 5.0]), np.array([10.0, 5.0]), np.array([2.0, 5.0])
    out = indicators.channel_position(close, upper, lower)

    assert out[0] == 0.375
    assert math.isnan(out[1])


def test_trend_quality_is_mapped_and_clipped() -> None:
    # A straight line has R squared 1, above the upper limit: 1. A zigzag has almost none: 0.
    line = indicators.trend_quality(np.arange(10.0), 5, 0.45, 0.9, 0.0)
    zigzag = indicators.trend_quality(np.tile([0.0, 1.0], 10), 6, 0.45, 0.9, 3.0)

    assert line[4:].tolist() == [1.0] * 6
    assert zigzag[5:].tolist() == [0.0] * 15


def test_a_volatility_as_steady_as_ever_is_not_penalized() -> None:
    """Without a spread of the coefficient of variation the z-score is not finite and counts 0."""
    log_close = np.cumsum(np.tile([0.01, -0.01], 200))
    penalty = indicators.vol_of_vol_penalty(log_close, 14, 20, 30, 0.1, 365.0)

    assert (penalty[-50:] > 0.99).all()


def test_a_sudden_burst_is_penalized_down_to_the_floor() -> None:
    random = np.random.default_rng(3)
    returns = random.normal(0, 0.02, 400)
    returns[-3:] = [0.5, -0.5, 0.5]
    penalty = indicators.vol_of_vol_penalty(np.cumsum(returns), 14, 20, 126, 0.1, 365.0)

    assert penalty[-1] == 0.1
    assert ((penalty >= 0.1) & (penalty <= 1.0)).all()


def test_a_price_that_stands_still_is_not_restless_by_rounding() -> None:
    """Its variation is constant but for the last digit, whose spread must not become a z-score."""
    rng = np.random.default_rng(5)
    returns = np.r_[rng.normal(0, 0.03, 300), np.zeros(400)]
    penalty = indicators.vol_of_vol_penalty(np.cumsum(returns), 14, 20, 126, 0.1, 365.0)

    assert (penalty[-100:] == 1.0).all()


def test_growth_without_any_spread_has_none() -> None:
    """A thousandth a day for ever: rounding leaves 1e-17, by which nothing can be divided."""
    returns = np.full(60, 0.001) + np.tile([0.0, 1e-16, -1e-16], 20)

    assert (indicators.spread(returns, 30)[29:] == 0.0).all()
    assert (indicators.spread(returns * 1e6, 30)[:29] != 0.0).all()  # NaN until the window is full


def test_before_its_windows_are_full_a_penalty_is_one() -> None:
    assert indicators.vol_of_vol_penalty(np.zeros(5), 14, 20, 126, 0.1, 365.0).tolist() == [1] * 5


def test_true_range_by_hand() -> None:
    # 12 - 9 = 3; then max(13 - 11, |13 - 10|, |11 - 10|) = 3; then max(1, |7 - 12|, |8 - 12|) = 5.
    # Span 3 halves: 3, 3, 4.
    atr = indicators.average_true_range(
        np.array([12.0, 13.0, 8.0]), np.array([9.0, 11.0, 7.0]), np.array([10.0, 12.0, 7.5]), 3.0
    )

    assert atr.tolist() == [3.0, 3.0, 4.0]


def test_returns_by_hand() -> None:
    out = indicators.simple_returns(np.array([10.0, 11.0, 5.5]))

    assert math.isnan(out[0])
    assert out[1:].tolist() == pytest.approx([0.1, -0.5])


@pytest.mark.parametrize(("days", "expected"), [(1, [0, 1, 1, 0, 1]), (2, [0, 0, 1, 0, 0])])
def test_confirmation_counts_days_in_a_row_above_one_half(days: int, expected: list[int]) -> None:
    quality = np.array([NAN, 0.6, 0.7, 0.5, 0.51])

    assert indicators.confirmed(quality, days).tolist() == expected

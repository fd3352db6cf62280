"""Bands: seeded, block by block, and as wide as they claim."""

from __future__ import annotations

import numpy as np
import pytest

from tf_lib.errors import ParameterError
from tf_lib.research.inference.bootstrap import (
    Resampling,
    annual_growth,
    annual_sharpe,
    bootstrap_band,
    deepest_drawdown,
    resampled_rows,
)


def test_stationary_blocks_have_the_mean_length_asked_for() -> None:
    """
    A row begins a block with probability one over the mean length, and where it likes.

    After the last day comes the first.
    """
    rows = resampled_rows(1000, Resampling(block_rows=10, n_samples=200, seed=3))
    breaks = (np.diff(rows, axis=1) % 1000 != 1).mean()

    assert breaks == pytest.approx(0.1, abs=0.003)
    assert rows.min() == 0
    assert rows.max() == 999
    assert (rows[:, 1:][rows[:, :-1] == 999] == 0).mean() == pytest.approx(0.9, abs=0.05)


def test_the_same_seed_draws_the_same_histories() -> None:
    """And another seed does not."""
    one, same, other = (resampled_rows(50, Resampling(seed=seed)) for seed in (1, 1, 2))

    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_block_of_one_day_is_the_plain_bootstrap_with_its_known_width() -> None:
    """Independent returns: the Sharpe ratio of n days spreads by about 1 / sqrt(n) a day."""
    returns = np.random.default_rng(8).normal(0.0, 0.01, 900)
    drawn = Resampling(block_rows=1, n_samples=4000)
    band = bootstrap_band(returns, annual_sharpe, drawn, level=0.6827)
    expected = 2 * np.sqrt(365 / 900)

    assert band.high - band.low == pytest.approx(expected, rel=0.06)
    assert band.low < band.value < band.high


def test_bands_of_trending_returns_are_wider_in_blocks_than_day_by_day() -> None:
    """What hangs together must stay together, or the band is too sure of itself."""
    random = np.random.default_rng(5)
    drift = np.repeat(random.normal(0, 0.01, 50), 20)
    returns = drift + random.normal(0, 0.005, 1000)
    width = [
        (band := bootstrap_band(returns, annual_sharpe, Resampling(block_rows=b))).high - band.low
        for b in (1, 40)
    ]

    assert width[1] > 1.5 * width[0]


def test_figures_by_hand() -> None:
    """Up 10 %, down 50 %, up 20 %: deepest fall a half; growth 0.66 over three periods."""
    returns = np.array([[0.1, -0.5, 0.2]])

    assert deepest_drawdown(returns)[0] == pytest.approx(-0.5)
    assert annual_growth(returns, periods_per_year=3.0)[0] == pytest.approx(0.66 - 1.0)
    assert annual_sharpe(np.zeros((1, 5)))[0] == 0.0


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: Resampling(block_rows=0.5), "block_rows must be at least 1, got 0.5"),
        (lambda: Resampling(n_samples=0), "n_samples"),
        (lambda: resampled_rows(1, Resampling()), "at least two rows"),
        (lambda: bootstrap_band(np.zeros(9), annual_sharpe, Resampling(), level=1.0), "level"),
        (lambda: bootstrap_band(np.array([np.nan]), annual_sharpe, Resampling()), "finite"),
    ],
)
def test_bad_arguments_are_named(call: object, named: str) -> None:
    """What was wanted and what came."""
    with pytest.raises(ParameterError, match=named):
        call()  # type: ignore[operator]

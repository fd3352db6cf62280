"""Sizing: closed forms, properties that must hold for any market, and what stops a run."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.core.build import config_with
from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.sizing.risk_parity import risk_parity
from tf_lib.core.sizing.weights import Sizing, size_positions
from tf_lib.errors import HaltRun
from tf_lib.parameters import Config

RISK = "risk_and_sizing."
N_TICKERS = 7
THREE = {
    "A": {"weight": 0.5, "tickers": ["AAA-USD", "BBB-USD", "CCC-USD"]},
    "B": {"weight": 0.15, "tickers": ["DDD-USD", "EEE-USD"]},
    "C": {"weight": 0.35, "tickers": ["FFF-USD", "GGG-USD"]},
}
BIG, SMALL = {"weight": 0.8, "tickers": ["AAA-USD"]}, {"weight": 0.2, "tickers": ["BBB-USD"]}
TWO = {"A": BIG, "B": SMALL}
CONFIG = config_with(sleeves=THREE)
TARGET = 0.80 / math.sqrt(365)


def matrix_of(seed: int, n: int = N_TICKERS, scale: float = 0.04) -> np.ndarray:
    """A covariance like those of real days: 30 returns, much in common."""
    random = np.random.default_rng(seed)
    common = random.normal(0, scale, (30, 1))
    return np.cov((common + random.normal(0, scale / 2, (30, n))).T)


markets = st.builds(matrix_of, st.integers(0, 10**6))
signals = st.lists(
    st.one_of(st.just(0.0), st.floats(1e-3, 3.0)), min_size=N_TICKERS, max_size=N_TICKERS
).map(np.array)


def shares_of(sizing: Sizing, matrix: np.ndarray, config: Config = CONFIG) -> np.ndarray:
    """Share of variance of each sleeve at u, the slow way."""
    u = sizing.risk_budget_weight
    pulls = u * (matrix @ u) / (u @ matrix @ u)
    owner = config.universe.sleeve_of
    return np.array(
        [
            sum(p for t, p in zip(sizing.tickers, pulls, strict=True) if owner[t] == name)
            for name in sizing.sleeves
        ]
    )


def test_two_sleeves_without_correlation_have_a_closed_form() -> None:
    # Budgets 0.8 and 0.2, volatilities 0.02 and 0.04, signals 1: shares follow m^2 s^2, so
    # m1 s1 / (m2 s2) = sqrt(0.8 / 0.2) = 2, m1 / m2 = 4: u = 0.8, 0.2.
    sizing = size_positions(np.ones(2), np.diag([0.02**2, 0.04**2]), config_with(sleeves=TWO))

    np.testing.assert_allclose(sizing.risk_budget_weight, [0.8, 0.2], rtol=1e-12)
    np.testing.assert_allclose(sizing.risk_share, [0.8, 0.2], rtol=1e-12)
    np.testing.assert_allclose(sizing.sleeve_multiplier, [1.0, 0.25], rtol=1e-12)
    # Unit vol sqrt(0.64 * 0.0004 + 0.04 * 0.0016) = sqrt(0.00032); below the target: gross 1.
    assert sizing.unit_portfolio_volatility == pytest.approx(math.sqrt(0.00032), rel=1e-14)
    assert sizing.gross_target == 1.0
    # 1 / (0.64 + 0.04) = 1.47 names: the tight cap of 0.35 binds and pushes into the other name.
    assert sizing.n_eff == pytest.approx(1 / 0.68)
    assert sizing.cap_value == 0.35
    assert sizing.cap_binding
    np.testing.assert_allclose(sizing.target_weight, [0.35, 0.35])
    assert sizing.cap_leftover_gross == pytest.approx(0.3)


def test_gross_follows_volatility_down_and_never_above_one() -> None:
    one = {"A": {"weight": 1.0, "tickers": ["AAA-USD"]}}
    for daily in (0.01, TARGET, 0.1):
        sizing = size_positions(np.ones(1), np.array([[daily**2]]), config_with(sleeves=one))

        assert sizing.gross_target == pytest.approx(min(TARGET / daily, 1.0), rel=1e-14)


def test_the_loose_cap_holds_with_breadth() -> None:
    # Three equal names without correlation, each its own sleeve: u = 1/3, n_eff = 3 >= 2.
    sleeves = {name: {"weight": 1 / 3, "tickers": [f"{name * 3}-USD"]} for name in "ABC"}
    sizing = size_positions(np.ones(3), np.eye(3) * 0.02**2, config_with(sleeves=sleeves))

    assert sizing.n_eff == pytest.approx(3.0)
    assert sizing.cap_value == 0.60
    assert not sizing.cap_binding
    np.testing.assert_allclose(sizing.target_weight, np.full(3, 1 / 3), rtol=1e-12)


def test_a_static_cap_is_always_the_low_one() -> None:
    sleeves = {name: {"weight": 1 / 3, "tickers": [f"{name * 3}-USD"]} for name in "ABC"}
    config = config_with({RISK + "cap_mode": "static", RISK + "cap_low": 0.2}, sleeves=sleeves)
    sizing = size_positions(np.ones(3), np.eye(3) * 0.02**2, config)

    np.testing.assert_allclose(sizing.target_weight, np.full(3, 0.2))
    assert sizing.cap_leftover_gross == pytest.approx(0.4)


def test_what_the_cap_cuts_goes_into_headroom_in_proportion() -> None:
    # u = 0.7, 0.2, 0.1 (one sleeve, signals as they are), n_eff = 1 / 0.54 < 2: cap 0.35.
    # Cut 0.35; headroom 0.15 and 0.25, together 0.4: both get 0.35 / 0.4 = 7/8 of their room.
    one = {"A": {"weight": 1.0, "tickers": ["AAA-USD", "BBB-USD", "CCC-USD"]}}
    sizing = size_positions(np.array([0.7, 0.2, 0.1]), np.eye(3) * 1e-4, config_with(sleeves=one))

    expected = [0.35, 0.2 + 0.15 * 7 / 8, 0.1 + 0.25 * 7 / 8]
    np.testing.assert_allclose(sizing.target_weight, expected, rtol=1e-12)
    assert sizing.cap_leftover_gross == pytest.approx(0.0, abs=1e-12)
    assert sizing.gross_post_cap == pytest.approx(1.0)


@given(signal=signals, matrix=markets)
def test_for_any_market_budgets_are_met_and_nothing_is_levered(
    signal: FloatArray, matrix: FloatArray
) -> None:
    sizing = size_positions(signal, matrix, CONFIG)
    weight, u = sizing.target_weight, sizing.risk_budget_weight

    assert (weight >= 0).all()
    assert sizing.gross_post_cap <= 1 + 1e-12
    assert sizing.pre_cap_weight.sum() <= 1 + 1e-12
    if not signal.any():
        assert not weight.any()
        assert math.isnan(sizing.n_eff)
        return
    assert u.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(shares_of(sizing, matrix), sizing.sleeve_budget, atol=1e-10)
    np.testing.assert_allclose(sizing.risk_share, sizing.sleeve_budget, atol=1e-10)
    assert sizing.sleeve_budget.sum() == pytest.approx(1.0)
    assert (weight <= sizing.cap_value + 1e-12).all()
    assert (weight[u == 0] == 0).all()
    assert sizing.sleeve_multiplier.max() == 1.0
    before = sizing.pre_cap_weight.sum()
    assert sizing.gross_post_cap + sizing.cap_leftover_gross == pytest.approx(before, abs=1e-12)
    assert sizing.shares_within_tolerance


@given(signal=signals, matrix=markets, factor=st.sampled_from([0.5, 3.0, 100.0]))
def test_only_the_proportions_of_signals_matter(
    signal: FloatArray, matrix: FloatArray, factor: float
) -> None:
    one = size_positions(signal, matrix, CONFIG)
    other = size_positions(signal * factor, matrix, CONFIG)

    np.testing.assert_allclose(one.target_weight, other.target_weight, atol=1e-10)


@given(signal=signals, matrix=markets)
def test_more_volatility_never_means_more_gross(signal: FloatArray, matrix: FloatArray) -> None:
    assume(signal.any())
    calm = size_positions(signal, matrix, CONFIG)
    wild = size_positions(signal, matrix * 4, CONFIG)

    assert wild.gross_target <= calm.gross_target
    assert wild.unit_portfolio_volatility == pytest.approx(2 * calm.unit_portfolio_volatility)
    np.testing.assert_allclose(wild.risk_budget_weight, calm.risk_budget_weight, atol=1e-10)


def test_an_inactive_sleeve_gets_nothing_and_its_budget_goes_to_the_others() -> None:
    signal = np.array([1.0, 0.5, 0.2, 5e-5, 4e-5, 0.7, 0.0])
    sizing = size_positions(signal, matrix_of(1), CONFIG)

    # Sleeve B's signals sum to 9e-5, not above 1e-4. A and C share 0.5 : 0.35.
    np.testing.assert_allclose(sizing.sleeve_budget, [0.5 / 0.85, 0.0, 0.35 / 0.85])
    assert sizing.sleeve_multiplier[1] == 0.0
    assert not sizing.target_weight[3:5].any()


def test_one_active_sleeve_keeps_its_signals() -> None:
    signal = np.array([1.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    sizing = size_positions(signal, matrix_of(2), CONFIG)

    np.testing.assert_allclose(sizing.risk_budget_weight[:2], [0.25, 0.75])
    assert sizing.sleeve_multiplier.tolist() == [1.0, 0.0, 0.0]
    assert sizing.risk_share[0] == pytest.approx(1.0)


def test_a_sleeve_without_variance_is_inactive() -> None:
    matrix = matrix_of(3)
    matrix[:3, :] = matrix[:, :3] = 0.0
    sizing = size_positions(np.ones(N_TICKERS), matrix, CONFIG)

    assert sizing.sleeve_budget[0] == 0.0
    assert not sizing.target_weight[:3].any()


def test_undefined_signals_count_zero() -> None:
    signal = np.array([1.0, math.nan, 0.5, 1.0, math.nan, 1.0, 1.0])
    one = size_positions(signal, matrix_of(4), CONFIG)
    other = size_positions(np.nan_to_num(signal), matrix_of(4), CONFIG)

    np.testing.assert_array_equal(one.target_weight, other.target_weight)


def test_nothing_active_holds_nothing_and_says_nothing_of_a_mix() -> None:
    sizing = size_positions(np.zeros(N_TICKERS), matrix_of(5), CONFIG)

    assert not sizing.target_weight.any()
    assert sizing.gross_target == 0.0
    assert math.isnan(sizing.unit_portfolio_volatility)
    assert math.isnan(sizing.cap_value)
    assert not sizing.cap_binding


@given(seed=st.integers(0, 10**6), n=st.integers(2, 8))
def test_the_solver_finds_the_shares_of_any_market(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    matrix = np.asarray(np.corrcoef(random.normal(size=(n + 3, n)).T))
    budget = random.dirichlet(np.full(n, 0.3)) + 1e-6
    budget /= budget.sum()
    x, error = risk_parity(matrix, budget, 100)

    assert (x > 0).all()
    assert error <= 1e-10
    np.testing.assert_allclose(x * (matrix @ x) / (x @ matrix @ x), budget, atol=1e-10)


def test_few_steps_suffice() -> None:
    """The exact solver needs no hundred rounds."""
    for seed in range(50):
        matrix = matrix_of(seed, 3)
        spread = np.sqrt(np.diag(matrix))
        correlation = matrix / np.outer(spread, spread)
        _, error = risk_parity(correlation, np.array([0.5, 0.15, 0.35]), 12)

        assert error <= 1e-10


def test_budgets_that_cannot_be_met_stop_the_run() -> None:
    """Two sleeves that cancel each other out have no mix with risk at all."""
    matrix = np.array([[1e-4, -1e-4], [-1e-4, 1e-4]])
    with pytest.raises(HaltRun, match="sleeve shares of risk must come within 1e-10"):
        size_positions(np.ones(2), matrix, config_with(sleeves=TWO))


def test_a_solver_that_is_not_given_enough_rounds_stops_the_run() -> None:
    config = config_with({RISK + "risk_max_iterations": 1}, sleeves=THREE)
    with pytest.raises(HaltRun, match="after at most 1 rounds"):
        size_positions(np.ones(N_TICKERS), matrix_of(6), config)


def test_a_covariance_that_is_not_finite_stops_the_run() -> None:
    matrix = matrix_of(7)
    matrix[0, 0] = math.nan
    with pytest.raises(HaltRun, match="covariance must be finite"):
        size_positions(np.ones(N_TICKERS), matrix, CONFIG)


def test_the_record_says_how_far_volatility_is_from_its_target() -> None:
    signal, matrix = np.ones(N_TICKERS), matrix_of(8)
    sizing = size_positions(signal, matrix, CONFIG)
    weight = sizing.target_weight

    assert sizing.target_daily_volatility == TARGET
    assert sizing.daily_volatility_post_cap == pytest.approx(math.sqrt(weight @ matrix @ weight))
    shares = weight / weight.sum()
    assert sizing.n_eff_post == pytest.approx(1 / (shares**2).sum())


def test_a_sizing_cannot_be_changed() -> None:
    sizing = size_positions(np.ones(N_TICKERS), matrix_of(9), CONFIG)
    with pytest.raises(dataclasses.FrozenInstanceError):
        sizing.gross_target = 2.0  # type: ignore[misc]


ONE_SLEEVE = {"A": {"weight": 1.0, "tickers": ["AAA-USD", "BBB-USD", "CCC-USD"]}}


@pytest.mark.parametrize(
    ("leftover", "expected"),
    [
        # u = 0.7, 0.2, 0.1, cap 0.35: 0.35 is cut, the room of the second is 0.15.
        ("headroom", [0.35, 0.35, 0.1]),
        ("signal", [0.35, 0.35, 0.1]),
        ("cash", [0.35, 0.2, 0.1]),
    ],
)
def test_what_the_cap_cuts_buys_no_name_without_a_signal(leftover: str, expected: Any) -> None:
    """A smoothed signal never reaches zero: 1e-4 is not above the floor, 1.1e-4 is."""
    config = config_with({RISK + "cap_leftover": leftover}, sleeves=ONE_SLEEVE)
    signal, final = np.array([0.7, 0.2, 0.1]), np.array([0.5, 1.1e-4, 1e-4])
    sizing = size_positions(signal, np.eye(3) * 1e-4, config, final_signal=final)

    np.testing.assert_allclose(sizing.target_weight, expected, rtol=1e-12)
    assert sizing.gross_post_cap + sizing.cap_leftover_gross == pytest.approx(1.0)


def test_leftover_by_signal_goes_in_proportion_to_the_mix_until_the_cap() -> None:
    config = config_with({RISK + "cap_leftover": "signal"}, sleeves=ONE_SLEEVE)
    sizing = size_positions(np.array([0.74, 0.2, 0.06]), np.eye(3) * 1e-4, config)

    # Cut 0.39: by 0.2 : 0.06 the second wants 0.3, has room for 0.15; the third gets the rest.
    np.testing.assert_allclose(sizing.target_weight, [0.35, 0.35, 0.3], atol=1e-9)
    assert sizing.cap_leftover_gross == pytest.approx(0.0, abs=1e-9)

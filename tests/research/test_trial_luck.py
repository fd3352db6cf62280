"""Luck of trials: trying more never helps, and what is tried twice is one trial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.research.sweeping import CAP, FAST, config, swept
from tests.research.verdict_tables import KINDS, false_passes, power, real_returns, shuffled
from tf_lib.core.jit.arrays import FloatArray
from tf_lib.research.inference.bootstrap import Resampling
from tf_lib.research.inference.overfitting import expected_maximum_sharpe
from tf_lib.research.inference.reality_check import RealityCheck
from tf_lib.research.inference.trial_luck import TrialLuck, independent_trials

N_DAYS = 120
LEAST_TRADE = "execution_and_costs.min_trade_notional_abs"


def luck_of(returns: FloatArray, *, n_trials: int | None = None) -> float:
    luck = TrialLuck(returns.shape[1])
    luck.see(returns)
    return luck.expected_maximum(n_trials=n_trials or len(returns))


def correlated(random: np.random.Generator, n_sets: int, share: float) -> FloatArray:
    """Sets whose returns have a correlation of `share`, each on a scale of its own."""
    common = random.standard_normal(N_DAYS)
    own = random.standard_normal((n_sets, N_DAYS))
    scale = random.uniform(0.001, 0.1, (n_sets, 1))
    return np.asarray(scale * (share**0.5 * common + (1.0 - share) ** 0.5 * own))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_sets=st.integers(1, 12),
    share=st.sampled_from([0.0, 0.5, 0.99]),
    n_more=st.integers(1, 30),
)
def test_trying_more_never_helps(seed: int, n_sets: int, share: float, n_more: int) -> None:
    """Copies change no bit, nor does the order; near-copies and real trials only raise the bar."""
    random = np.random.default_rng(seed)
    returns = correlated(random, n_sets, share)
    bar = luck_of(returns)
    copies = returns[random.integers(0, n_sets, n_more)]
    rescaled = copies * random.uniform(0.5, 2.0, (n_more, 1))
    near = copies + random.normal(0.0, 1e-4, copies.shape)
    others = random.normal(0.0, 0.02, (n_more, N_DAYS))

    assert luck_of(np.concatenate([copies, returns])) == bar
    assert luck_of(random.permutation(returns)) == bar
    assert luck_of(np.concatenate([returns, rescaled])) == pytest.approx(bar, abs=1e-12)
    for more in (near, others):
        assert luck_of(np.concatenate([returns, more])) >= bar
    assert luck_of(returns, n_trials=n_sets + n_more) >= bar


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_luck_of_equally_correlated_trials_by_its_formula(share: float) -> None:
    """Their common part is nobody's advantage: (1 - share)^0.5 times that of independent ones."""
    random = np.random.default_rng(11)
    found = np.mean([luck_of(correlated(random, 48, share)) for _ in range(20)])

    assert found == pytest.approx((1.0 - share) ** 0.5 * expected_maximum_sharpe(48, 1.0), rel=0.06)


def test_one_trial_expects_nothing_and_none_either() -> None:
    """By both signs of each draw, exactly."""
    one = np.random.default_rng(2).normal(0.001, 0.01, (1, N_DAYS))

    assert luck_of(one) == pytest.approx(0.0, abs=1e-15)
    assert luck_of(np.zeros((3, N_DAYS))) == 0.0
    assert independent_trials(0.0) == 1.0


@pytest.mark.parametrize("n_trials", [1, 1.5, 2, 3, 48, 1e6])
def test_effective_trials_are_the_trials_where_they_are_independent(n_trials: float) -> None:
    """There and back."""
    expected = expected_maximum_sharpe(n_trials, 1.0)

    assert independent_trials(expected) == pytest.approx(n_trials, rel=1e-6)


def test_trials_without_returns_count_as_independent_ones() -> None:
    """None was seen: the expected maximum of so many independent trials."""
    luck = TrialLuck(N_DAYS, n_draws=4000)

    expected = pytest.approx(expected_maximum_sharpe(100, 1.0), rel=0.02)
    assert luck.expected_maximum(n_trials=100) == expected


def test_a_parameter_without_effect_cannot_buy_the_verdict(tmp_path: Path) -> None:
    """Many sets more, all copies of what was tried: luck, ratio and verdict stay bit for bit."""
    least = config().execution_and_costs.min_trade_notional_abs
    grid = {FAST: [10, 20], CAP: [0.5, 0.7]}
    first = swept(tmp_path, grid)
    more = swept(tmp_path, {**grid, LEAST_TRADE: [least, least + 1e-9, least + 2e-9]})
    again = swept(tmp_path, grid)

    assert again.judgement.trials.n_trials > first.judgement.trials.n_trials
    for later in (more, again):
        assert later.judgement.luck == first.judgement.luck
        assert later.judgement.deflated == first.judgement.deflated
        assert later.judgement.verdict == first.judgement.verdict


def test_a_p_value_near_its_limit_is_drawn_until_it_is_told_apart() -> None:
    """Far from the limit 500 histories do; near it more are drawn, and the error shrinks."""
    random = np.random.default_rng(7)
    returns = random.normal(0.0, 0.01, (10, 300))
    far, near = (RealityCheck(300, Resampling(n_samples=500)) for _ in range(2))
    far.see(returns)
    near.see(returns)
    limit = near.p_value
    while not near.is_decided(limit):
        near.draw_more()
        near.see(returns)

    assert far.is_decided(0.001)
    assert far.n_draws == 500
    assert near.n_draws > 500
    assert near.error < far.error


def test_noise_does_not_pass_with_copies_either() -> None:
    """A seeded part of the tables; `python -m tests.research.verdict_tables` makes them whole."""
    few = false_passes({"one factor": KINDS["one factor"]}, (90, 365), range(4))

    assert {one.luck for one in few.values()} == {0.0}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*KINDS, "real, shuffled"])
def test_at_most_one_market_of_twenty_without_skill_passes(name: str) -> None:
    """Two hundred markets of a year, with near-copies and without."""
    kinds = KINDS
    if name not in KINDS:
        real = real_returns()
        if real is None:
            pytest.skip("../shared/candles is not there")
        kinds = {name: shuffled(real)}

    for found in false_passes({name: kinds[name]}, (365,), range(200)).values():
        assert found.luck <= 0.05
        assert found.both <= found.luck


@pytest.mark.slow
def test_skill_is_seen_as_often_as_by_independent_trials() -> None:
    """No power is lost: forty markets of four years, sets with a true Sharpe ratio of 1."""
    for found in power((1.0,), (0.5, 0.9), 1460, range(40)).values():
        assert found.luck >= found.counted

"""Luck and tries: published examples, hand-worked values, and what the numbers must never do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tf_lib.errors import ParameterError
from tf_lib.research.inference.overfitting import (
    BlockSums,
    SharpeMoments,
    block_edges,
    block_sums,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    probability_of_overfitting,
    sharpe_moments,
)

ANNUAL_2_5 = 2.5 / math.sqrt(250)


def test_moments_agree_with_scipy() -> None:
    """Sample deviation, skewness and plain (not excess) kurtosis."""
    returns = np.random.default_rng(3).exponential(0.01, 300) - 0.008
    moments = sharpe_moments(returns)

    assert moments.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-12)
    assert moments.skewness == pytest.approx(stats.skew(returns), rel=1e-12)
    assert moments.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-12)


def test_nothing_that_moved_is_a_sharpe_of_zero() -> None:
    """A set that never traded is neither good nor an error."""
    assert sharpe_moments(np.zeros(50)) == SharpeMoments(0.0, 50)
    assert sharpe_moments(np.zeros(50)).never_moved


@pytest.mark.parametrize("returns", [np.zeros(1), np.array([0.1, np.nan]), np.zeros((3, 2))])
def test_returns_that_say_nothing_are_refused(returns: np.ndarray) -> None:
    """One return, an undefined one, or a table."""
    with pytest.raises(ParameterError, match="at least two finite returns"):
        sharpe_moments(returns)


@pytest.mark.parametrize(
    ("moments", "benchmark", "expected"),
    [
        # Bailey & López de Prado 2012, two years of monthly returns: normal, then as they were.
        (SharpeMoments(0.458, 24), 0.0, 0.982),
        (SharpeMoments(0.458, 24, -2.448, 10.164), 0.0, 0.913),
        # The example in the tests of hudson-and-thames/mlfinlab.
        (SharpeMoments(1.14, 250), 1.0, 0.957),
        # By hand: 0.2 * sqrt(25) / sqrt(1 + 0.5 * 0.04) = 0.990148, normal CDF 0.83895.
        (SharpeMoments(0.2, 26), 0.0, 0.839),
    ],
)
def test_probabilistic_sharpe_as_published(
    moments: SharpeMoments, benchmark: float, expected: float
) -> None:
    """To the digits that were printed."""
    assert round(probabilistic_sharpe(moments, benchmark=benchmark), 3) == expected


@pytest.mark.parametrize(
    ("periods", "skewness", "kurtosis", "years"),
    [(250, 0, 3, 2.73), (52, 0, 3, 2.83), (12, 0, 3, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_track_record_as_published(
    periods: int, skewness: float, kurtosis: float, years: float
) -> None:
    """Bailey & López de Prado 2012: an annual 2 against an annual 1, by how often it is looked."""
    moments = SharpeMoments(2 / math.sqrt(periods), periods, skewness, kurtosis)
    needed = minimum_track_record(moments, benchmark=1 / math.sqrt(periods))

    assert round(needed / periods, 2) == years


def test_track_record_agrees_with_another_implementation() -> None:
    """The example in the tests of hudson-and-thames/mlfinlab."""
    needed = minimum_track_record(SharpeMoments(1.14, 250), benchmark=1.0)

    assert needed == pytest.approx(228.73497, abs=1e-5)


def test_track_record_is_where_the_probability_reaches_the_confidence() -> None:
    """One is defined by the other."""
    moments = SharpeMoments(0.1, 500, -0.5, 6.0)
    needed = round(minimum_track_record(moments, confidence=0.9))
    there = SharpeMoments(0.1, needed, -0.5, 6.0)

    assert probabilistic_sharpe(there) == pytest.approx(0.9, abs=1e-3)


def test_track_record_is_never_long_enough_below_the_benchmark() -> None:
    """No length proves what is not there."""
    assert minimum_track_record(SharpeMoments(0.05, 500), benchmark=0.05) == math.inf


@pytest.mark.parametrize(
    ("n_trials", "skewness", "kurtosis", "expected"),
    # Bailey & López de Prado 2014: an annual 2.5 over 1250 days, variance of trials 1/2 a year.
    [(100, -3, 10, 0.9004), (46, -3, 10, 0.9505), (88, 0, 3, 0.9505)],
)
def test_deflated_sharpe_as_published(
    n_trials: int, skewness: float, kurtosis: float, expected: float
) -> None:
    """To the digits that were printed."""
    best = SharpeMoments(ANNUAL_2_5, 1250, skewness, kurtosis)
    got = deflated_sharpe(best, n_trials=n_trials, trial_variance=0.5 / 250)

    assert round(got, 4) == expected


def test_expected_maximum_of_published_example() -> None:
    """Bailey & López de Prado 2014: 0.1132 a day for 100 trials."""
    assert round(expected_maximum_sharpe(100, 0.5 / 250), 4) == 0.1132


def test_expected_maximum_is_what_chance_shows() -> None:
    """The formula is an approximation; seeded draws come within 2 %."""
    drawn = np.random.default_rng(5).normal(0, 0.05, (20_000, 50)).max(axis=1).mean()

    assert expected_maximum_sharpe(50, 0.05**2) == pytest.approx(drawn, rel=0.02)


def test_one_trial_is_not_deflated() -> None:
    """With one trial the best is no better than any."""
    best = SharpeMoments(0.1, 500)

    assert deflated_sharpe(best, n_trials=1, trial_variance=0.0) == probabilistic_sharpe(best)


def test_more_trials_never_help() -> None:
    """The same record is worth less the more was tried for it."""
    best = SharpeMoments(0.1, 500)
    worth = [deflated_sharpe(best, n_trials=n, trial_variance=0.001) for n in (1, 2, 5, 50, 5000)]

    assert worth == sorted(worth, reverse=True)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: expected_maximum_sharpe(0, 0.1), "n_trials must be at least 1, got 0"),
        (lambda: expected_maximum_sharpe(5, -0.1), "trial_variance"),
        (lambda: minimum_track_record(SharpeMoments(0.1, 9), confidence=1.0), "confidence"),
        (lambda: probabilistic_sharpe(SharpeMoments(0.1, 1)), "n_periods"),
        (lambda: block_edges(10, 3), "n_blocks must be even"),
        (lambda: block_edges(10, 8), "at most half of the days"),
        (lambda: probability_of_overfitting(block_sums(np.zeros((20, 1)), 4)), "two sets, got 1"),
    ],
)
def test_bad_arguments_are_named(call: object, named: str) -> None:
    """What was wanted and what came."""
    with pytest.raises(ParameterError, match=named):
        call()  # type: ignore[operator]


def steady(per_block: list[float]) -> np.ndarray:
    """Ten days a block around a mean, with the same small swing everywhere."""
    swing = np.tile([0.01, -0.01], 5)
    return np.concatenate([mean + swing for mean in per_block])


def test_a_set_that_always_wins_is_not_overfitted() -> None:
    """By hand: rank 4 of 4 in all 6 splits, relative rank 4/5, logit log 4, probability 0."""
    returns = np.stack([steady([level] * 4) for level in (0.030, 0.020, 0.010, 0.001)], axis=1)
    found = probability_of_overfitting(block_sums(returns, 4))

    assert found.probability == 0.0
    assert found.logits.tolist() == pytest.approx([math.log(4.0)] * 6)


def test_sets_that_swap_places_are_overfitted_by_hand_count() -> None:
    """
    By hand, blocks 0 to 3: A earns in 0 and 1, D in 2 and 3, B and C lie between.

    Splits {0,1} and {2,3} choose A or D, which come last of four outside: logit log(1/4). In the
    other four a set's two halves are alike, so that the best inside is among the best outside.
    """
    rows = [[0.04, 0.04, 0.0, 0.0], [0.01, 0.01, 0.005, 0.005], [0.005, 0.005, 0.01, 0.01]]
    rows.append([0.0, 0.0, 0.04, 0.04])
    returns = np.stack([steady(row) for row in rows], axis=1)
    found = probability_of_overfitting(block_sums(returns, 4))

    assert sorted(found.logits)[:2] == pytest.approx([math.log(0.25)] * 2)
    assert found.probability == pytest.approx(2 / 6)


def test_skilless_sets_are_overfitted_half_of_the_time() -> None:
    """Among many independent sets without skill the best is anybody's guess."""
    found = [
        probability_of_overfitting(
            block_sums(np.random.default_rng(seed).normal(0, 0.01, (480, 21)), 10)
        ).probability
        for seed in range(40)
    ]

    assert 0.4 < float(np.mean(found)) < 0.6


def test_sets_that_are_all_the_same_leave_nothing_to_choose() -> None:
    """Ties share the middle rank, which is no better than the median."""
    one = np.random.default_rng(1).normal(0, 0.01, (80, 1))
    found = probability_of_overfitting(block_sums(np.repeat(one, 5, axis=1), 8))

    assert found.probability == 1.0


def test_a_set_that_stands_still_in_half_of_the_days_is_not_the_best_of_losers_there() -> None:
    """By hand: B stands still in blocks 0 and 1, where A, which loses everywhere, is best."""
    rows = [steady([-0.001] * 4), np.concatenate([np.zeros(20), steady([-0.02] * 2)])]
    found = probability_of_overfitting(block_sums(np.stack(rows, axis=1), 4))

    assert found.chosen.tolist() == [0] * 6


def test_block_sums_agree_with_sharpe_ratios_of_the_days_themselves() -> None:
    """The oracle takes the days of each half apart and ranks with scipy."""
    returns = np.random.default_rng(9).normal(0.0005, 0.01, (62, 7))
    found = probability_of_overfitting(block_sums(returns, 4))
    edges = block_edges(62, 4)
    chosen = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for split, inside in enumerate(chosen):
        in_rows = np.concatenate([np.arange(edges[b], edges[b + 1]) for b in inside])
        out_rows = np.setdiff1d(np.arange(62), in_rows)
        in_sharpe = returns[in_rows].mean(axis=0) / returns[in_rows].std(axis=0, ddof=1)
        out_sharpe = returns[out_rows].mean(axis=0) / returns[out_rows].std(axis=0, ddof=1)
        best = int(in_sharpe.argmax())
        relative = stats.rankdata(out_sharpe)[best] / 8

        assert found.chosen[split] == best
        assert found.logits[split] == pytest.approx(math.log(relative / (1 - relative)))
        assert found.out_of_sample[split] == pytest.approx(out_sharpe[best])


def test_all_splits_of_sixteen_blocks_are_judged() -> None:
    """12,870 ways to take 8 of 16, more than one helping of combinations."""
    returns = np.random.default_rng(2).normal(0, 0.01, (160, 3))
    found = probability_of_overfitting(block_sums(returns, 16))

    assert found.logits.size == math.comb(16, 8)
    assert 0.0 <= found.probability_of_loss <= 1.0


def test_block_sums_can_be_put_together_from_parts() -> None:
    """Sets that come one chunk at a time give the same sums."""
    returns = np.random.default_rng(4).normal(0, 0.01, (40, 4))
    whole = block_sums(returns, 4)
    parts = [block_sums(returns[:, span], 4) for span in (slice(0, 1), slice(1, 4))]
    joined = BlockSums(
        parts[0].counts,
        np.concatenate([part.sums for part in parts], axis=1),
        np.concatenate([part.squares for part in parts], axis=1),
    )

    np.testing.assert_array_equal(joined.sums, whole.sums)
    np.testing.assert_array_equal(joined.squares, whole.squares)

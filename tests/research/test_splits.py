"""Days that choose and days that judge: by hand, and against scikit-learn where they overlap."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import TimeSeriesSplit

from tf_lib.errors import ParameterError
from tf_lib.research.inference.splits import (
    CombinatorialPurged,
    WalkForward,
    combinatorial_folds,
    combinatorial_paths,
    group_of_rows,
    walk_forward_folds,
)


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("gap", [0, 3])
def test_walk_forward_agrees_with_scikit_learn(*, anchored: bool, gap: int) -> None:
    """`TimeSeriesSplit` with a fixed test size and a gap is the same thing."""
    n_rows, train, test = 60 + gap, 20, 10
    plan = WalkForward(train, test, anchored=anchored, purge_rows=gap)
    theirs = TimeSeriesSplit(
        n_splits=4, test_size=test, gap=gap, max_train_size=None if anchored else train
    )
    folds = walk_forward_folds(n_rows, plan)

    assert len(folds) == 4
    for fold, (train_rows, test_rows) in zip(folds, theirs.split(np.zeros(n_rows)), strict=True):
        np.testing.assert_array_equal(fold.train, train_rows)
        np.testing.assert_array_equal(fold.test, test_rows)


def test_walk_forward_judges_every_day_after_the_first_training_once() -> None:
    """The last fold takes what is left, so that no day is lost."""
    folds = walk_forward_folds(107, WalkForward(30, 20, purge_rows=2, embargo_rows=3))

    np.testing.assert_array_equal(np.concatenate([f.test for f in folds]), np.arange(35, 107))


def test_purge_and_embargo_keep_their_distance() -> None:
    """Between the last day that chooses and the first that judges lie both."""
    for fold in walk_forward_folds(107, WalkForward(30, 20, purge_rows=2, embargo_rows=3)):
        assert fold.test[0] - fold.train[-1] == 6


def test_combinatorial_folds_by_hand() -> None:
    """
    Twelve days in four blocks of three; blocks 0 and 2 judge, one day purged, one embargoed.

    Tests are 0-2 and 6-8. Of 3-5: 3 and 4 follow a test by 1 and 2 (purge and embargo), 5 lies
    right before one. Of 9-11: 9 and 10 follow, 11 stays.
    """
    plan = CombinatorialPurged(4, 2, purge_rows=1, embargo_rows=1)
    folds = combinatorial_folds(18, CombinatorialPurged(6, 2))
    with pytest.raises(ParameterError, match="fewer than two of 12 days"):
        combinatorial_folds(12, plan)
    fold = combinatorial_folds(20, plan)[plan.combinations.index((0, 2))]

    assert len(folds) == 15
    # Twenty days in blocks of five: tests 0-4 and 10-14.
    assert fold.test.tolist() == [*range(5), *range(10, 15)]
    assert fold.train.tolist() == [7, 8, 17, 18, 19]


def test_an_oracle_day_by_day_agrees_on_what_may_train() -> None:
    """A day trains unless a judged day lies within its reach; written plainly, one by one."""
    plan = CombinatorialPurged(5, 2, purge_rows=2, embargo_rows=3)
    for fold in combinatorial_folds(73, plan):
        tested = set(fold.test.tolist())
        allowed = [
            row
            for row in range(73)
            if row not in tested
            and not any(row + ahead in tested for ahead in range(1, 3))
            and not any(row - behind in tested for behind in range(1, 6))
        ]

        assert fold.train.tolist() == allowed


def test_every_day_is_judged_in_each_path_once() -> None:
    """Six blocks, two at a time, make five paths (López de Prado 2018, chapter 12)."""
    plan = CombinatorialPurged(6, 2)
    paths = combinatorial_paths(plan)

    assert paths.shape == (5, 6)
    for path in paths:
        for group, split in enumerate(path):
            assert group in plan.combinations[split]
    used = [(split, group) for path in paths for group, split in enumerate(path)]
    assert len(set(used)) == 15 * 2


def test_groups_are_as_equal_as_days_allow() -> None:
    """Eleven days in four blocks: 3, 3, 3, 2."""
    assert np.bincount(group_of_rows(11, 4)).tolist() == [3, 3, 3, 2]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: WalkForward(1, 5), "train_rows must be at least 2, got 1"),
        (lambda: WalkForward(5, 0), "test_rows must be at least 1, got 0"),
        (lambda: WalkForward(5, 5, purge_rows=-1), "purge_rows"),
        (lambda: walk_forward_folds(10, WalkForward(8, 2, embargo_rows=2)), "more than 10 days"),
        (lambda: CombinatorialPurged(2, 2), "n_groups must be at least 3, got 2"),
        (lambda: CombinatorialPurged(4, 0), "n_test_groups"),
        (lambda: group_of_rows(3, 4), "4 groups"),
    ],
)
def test_bad_arguments_are_named(call: object, named: str) -> None:
    """What was wanted and what came."""
    with pytest.raises(ParameterError, match=named):
        call()  # type: ignore[operator]

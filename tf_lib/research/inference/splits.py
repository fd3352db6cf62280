"""
Splits: which days choose a parameter set and which days judge it.

Part of research (sweep -> *splits* -> verdict). Positions and signals reach over days, so days
beside a test are left out of training: `purge_rows` on either side whose outcome overlaps the
test, and `embargo_rows` more after it, where its traces fade.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from tf_lib.core.jit.arrays import IntArray
from tf_lib.errors import ParameterError


@dataclass(frozen=True)
class Fold:
    """
    Rows that choose and rows that judge; they never overlap.

    Attributes
    ----------
    train, test : int array
        Rows in rising order.
    """

    train: IntArray
    test: IntArray


@dataclass(frozen=True)
class WalkForward:
    """
    How a walk forward steps through the days.

    Attributes
    ----------
    train_rows : int
        Rows to choose on; the least there must be when `anchored`.
    test_rows : int
        Rows each choice is used for; the last fold takes what is left.
    anchored : bool
        Whether training always begins with the first row, rather than rolling along.
    purge_rows, embargo_rows : int
        Rows left out between training and test: the test follows the training, so both lie
        in the same gap.
    """

    train_rows: int
    test_rows: int
    anchored: bool = False
    purge_rows: int = 0
    embargo_rows: int = 0

    def __post_init__(self) -> None:
        _at_least("train_rows", self.train_rows, 2)
        _at_least("test_rows", self.test_rows, 1)
        _at_least("purge_rows", self.purge_rows, 0)
        _at_least("embargo_rows", self.embargo_rows, 0)


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ParameterError(f"{name} must be at least {least}, got {value}")


def walk_forward_folds(n_rows: int, plan: WalkForward) -> tuple[Fold, ...]:
    """
    Return the folds of a walk forward: each is chosen on the past and judged on what follows.

    Parameters
    ----------
    n_rows : int
        Days there are.
    plan : WalkForward

    Raises
    ------
    ParameterError
        If not even one test row follows the first training.

    Examples
    --------
    >>> folds = walk_forward_folds(10, WalkForward(train_rows=4, test_rows=2, purge_rows=1))
    >>> [(fold.train.tolist(), fold.test.tolist()) for fold in folds]
    [([0, 1, 2, 3], [5, 6]), ([2, 3, 4, 5], [7, 8]), ([4, 5, 6, 7], [9])]
    """
    gap = plan.purge_rows + plan.embargo_rows
    first_test = plan.train_rows + gap
    if first_test >= n_rows:
        raise ParameterError(
            f"a walk forward needs more than {first_test} days (train {plan.train_rows}, purge "
            f"{plan.purge_rows}, embargo {plan.embargo_rows}), there are {n_rows}"
        )
    folds = []
    for start in range(first_test, n_rows, plan.test_rows):
        end_of_train = start - gap
        begin = 0 if plan.anchored else end_of_train - plan.train_rows
        test = np.arange(start, min(start + plan.test_rows, n_rows))
        folds.append(Fold(np.arange(begin, end_of_train), test))
    return tuple(folds)


@dataclass(frozen=True)
class CombinatorialPurged:
    """
    How combinatorial purged cross-validation cuts the days.

    Attributes
    ----------
    n_groups : int
        Blocks of consecutive days, as equal as whole days allow.
    n_test_groups : int
        Blocks that judge at a time; every combination is used.
    purge_rows : int
        Training rows left out on either side of each test block.
    embargo_rows : int
        Training rows left out after each test block, beyond the purged ones.
    """

    n_groups: int = 10
    n_test_groups: int = 2
    purge_rows: int = 0
    embargo_rows: int = 0

    def __post_init__(self) -> None:
        _at_least("n_test_groups", self.n_test_groups, 1)
        _at_least("n_groups", self.n_groups, self.n_test_groups + 1)
        _at_least("purge_rows", self.purge_rows, 0)
        _at_least("embargo_rows", self.embargo_rows, 0)

    @property
    def combinations(self) -> tuple[tuple[int, ...], ...]:
        """The groups that judge, one tuple per split."""
        return tuple(itertools.combinations(range(self.n_groups), self.n_test_groups))


def group_of_rows(n_rows: int, n_groups: int) -> IntArray:
    """Return the block each row is in; blocks differ by at most one row."""
    if n_rows < n_groups:
        raise ParameterError(f"{n_groups} groups need at least as many days, there are {n_rows}")
    sizes = np.full(n_groups, n_rows // n_groups)
    sizes[: n_rows % n_groups] += 1
    return np.repeat(np.arange(n_groups), sizes)


def combinatorial_folds(n_rows: int, plan: CombinatorialPurged) -> tuple[Fold, ...]:
    """
    Return one fold per combination of test blocks.

    References
    ----------
    .. [1] M. López de Prado, "Advances in Financial Machine Learning", 2018, chapters 7 and 12.

    Examples
    --------
    >>> plan = CombinatorialPurged(n_groups=3, n_test_groups=1, purge_rows=1, embargo_rows=1)
    >>> fold = combinatorial_folds(9, plan)[1]
    >>> fold.train.tolist(), fold.test.tolist()
    ([0, 1, 8], [3, 4, 5])
    """
    group = group_of_rows(n_rows, plan.n_groups)
    rows = np.arange(n_rows)
    folds = []
    for tested in plan.combinations:
        is_test = np.isin(group, tested)
        # The distance of each row to the nearest test row before and after it.
        last_test = np.maximum.accumulate(np.where(is_test, rows, -n_rows * 2))
        next_test = np.minimum.accumulate(np.where(is_test, rows, n_rows * 3)[::-1])[::-1]
        kept = (
            ~is_test
            & (rows - last_test > plan.purge_rows + plan.embargo_rows)
            & (next_test - rows > plan.purge_rows)
        )
        if kept.sum() < 2:
            raise ParameterError(
                f"purge {plan.purge_rows} and embargo {plan.embargo_rows} leave fewer than two "
                f"of {n_rows} days to train on beside test groups {tested}"
            )
        folds.append(Fold(rows[kept], rows[is_test]))
    return tuple(folds)


def combinatorial_paths(plan: CombinatorialPurged) -> IntArray:
    """
    Return which split judges each block on each path through all days.

    Returns
    -------
    int array of shape (n_paths, n_groups)
        Every split's every test block is used exactly once.

    Examples
    --------
    Six blocks, two at a time: 15 splits make 5 paths.

    >>> combinatorial_paths(CombinatorialPurged(6, 2)).shape
    (5, 6)
    """
    by_group: list[list[int]] = [[] for _ in range(plan.n_groups)]
    for split, tested in enumerate(plan.combinations):
        for group in tested:
            by_group[group].append(split)
    return np.array(by_group, dtype=np.int64).T

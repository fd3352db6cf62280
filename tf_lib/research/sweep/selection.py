"""
Selection: what choosing the best set would have earned on days that did not choose it.

Part of a sweep's verdict (parts -> *selection* -> judgement). The returns of all sets pass by
once, some at a time; kept are sums by block of days, and for each fold the set that was best in
training, by the sweep's objective, with its returns in the test. A tie goes to the set that stands
first in the grid, so that the order in which results came changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tf_lib.core.jit.arrays import FloatArray, IntArray
from tf_lib.research.inference.bootstrap import Resampling
from tf_lib.research.inference.objectives import Objective
from tf_lib.research.inference.overfitting import (
    BlockSums,
    block_edges,
    block_sums,
    daily_sharpe,
    row_sharpes,
)
from tf_lib.research.inference.reality_check import RealityCheck
from tf_lib.research.inference.splits import (
    CombinatorialPurged,
    Fold,
    WalkForward,
    combinatorial_folds,
    combinatorial_paths,
    group_of_rows,
    walk_forward_folds,
)
from tf_lib.research.inference.trial_luck import TrialLuck
from tf_lib.research.sweep.result_files import Returns


@dataclass(frozen=True)
class Chosen:
    """
    The choice of one fold.

    Attributes
    ----------
    fold : Fold
    number : int
        The set that was best in training, by its place in the grid.
    train_figure : float
        Of the objective that chose, a year's. NaN when no set had one in training: then it is the
        first of the grid.
    train_sharpe, test_sharpe : float
        Per day; NaN in training when it did not move there.
    test_returns : float array
    """

    fold: Fold
    number: int
    train_figure: float
    train_sharpe: float
    test_sharpe: float
    test_returns: FloatArray


class BestPerFold:
    """The best set of each fold so far."""

    def __init__(self, folds: Sequence[Fold], objective: Objective | None = None) -> None:
        self._folds, self._objective = folds, objective or Objective()
        self._best: list[Chosen | None] = [None] * len(folds)

    def see(self, numbers: Sequence[int], returns: FloatArray) -> None:
        """Look at some sets' returns, (n_sets, n_days)."""
        for at, fold in enumerate(self._folds):
            train = np.take(returns, fold.train, axis=1)
            figures = self._objective.figures(train)
            order = np.lexsort((np.asarray(numbers), -figures))
            row = int(order[0])
            best, number, figure = self._best[at], numbers[row], float(figures[row])
            if best is None or _rank(figure, number) < _rank(best.train_figure, best.number):
                sharpe = float(row_sharpes(train[row : row + 1], still=np.nan)[0])
                test = returns[row, fold.test].copy()
                self._best[at] = Chosen(fold, number, figure, sharpe, daily_sharpe(test), test)

    @property
    def chosen(self) -> tuple[Chosen, ...]:
        """The choice of each fold; none before any set was seen."""
        return tuple(best for best in self._best if best is not None)


def _rank(figure: float, number: int) -> tuple[bool, float, int]:
    """Return what the best has least of; what has no figure comes after everything that lost."""
    has_none = np.isnan(figure)
    return bool(has_none), 0.0 if has_none else -figure, number


class BlockCollector:
    """Sums by block of days of every set, in the order of the grid."""

    def __init__(self, n_days: int, n_blocks: int, numbers: Sequence[int]) -> None:
        self._column = {number: column for column, number in enumerate(sorted(numbers))}
        none = np.zeros((n_blocks, len(numbers)))
        days = np.diff(block_edges(n_days, n_blocks)).astype(np.float64)
        self.blocks = BlockSums(days, none, none.copy())

    def see(self, numbers: Sequence[int], returns: FloatArray) -> None:
        """Add some sets' returns, (n_sets, n_days)."""
        columns = [self._column[number] for number in numbers]
        part = block_sums(returns.T, self.blocks.counts.size)
        self.blocks.sums[:, columns] = part.sums
        self.blocks.squares[:, columns] = part.squares


@dataclass(frozen=True)
class Plans:
    """
    How days are split; a part that the days do not suffice for is left out.

    Attributes
    ----------
    rolling, anchored : WalkForward or None
    cross_validation : CombinatorialPurged or None
    n_blocks : int
        For the test for overfitting, even; 0 leaves it out.
    """

    rolling: WalkForward | None
    anchored: WalkForward | None
    cross_validation: CombinatorialPurged | None
    n_blocks: int


P_ALLOWED = 0.05
"""Of the reality check, at most."""

BLOCK_DAYS = 20.0
"""Drawn together in a bootstrap: about as long as what happens in a market hangs together."""

PURGED_DAYS = 10
"""Left out beside a test: about as long as a position that was entered before it lives on."""


def usual_plans(n_days: int) -> Plans:
    """
    Return the splits for so many days.

    A year (at most half of the days) chooses, a quarter is judged; ten groups, two of them
    judged at a time; sixteen blocks of at least ten days.

    Examples
    --------
    >>> plans = usual_plans(1000)
    >>> plans.rolling.train_rows, plans.rolling.test_rows, plans.n_blocks
    (365, 91, 16)
    >>> usual_plans(30)
    Plans(rolling=None, anchored=None, cross_validation=None, n_blocks=0)
    """
    n_blocks = min(16, n_days // 10 // 2 * 2)
    if n_blocks < 4:
        return Plans(None, None, None, 0)
    train, test = min(365, n_days // 2), min(91, max(n_days // 8, 1))
    rolling = anchored = None
    if train >= 30:
        rolling = WalkForward(train, test, purge_rows=PURGED_DAYS)
        anchored = WalkForward(train, test, anchored=True, purge_rows=PURGED_DAYS)
    crossed = None
    if n_days >= 200:
        crossed = CombinatorialPurged(10, 2, purge_rows=PURGED_DAYS, embargo_rows=PURGED_DAYS)
    return Plans(rolling, anchored, crossed, n_blocks)


@dataclass(frozen=True)
class Selection:
    """
    What choosing came to: per walk, per path of cross-validation, and by block.

    Attributes
    ----------
    rolling, anchored : tuple of Chosen
    path_sharpes : float array
        Per day.
    blocks : BlockSums or None
    p_value, p_error : float
        Of the reality check.
    luck : TrialLuck
        Of all trials whose returns passed by, those of other grids as well.
    """

    rolling: tuple[Chosen, ...]
    anchored: tuple[Chosen, ...]
    path_sharpes: FloatArray
    blocks: BlockSums | None
    p_value: float
    p_error: float
    luck: TrialLuck


def select(
    pieces: Callable[[], Iterable[Returns]],
    numbers: Mapping[str, int],
    n_days: int,
    plans: Plans,
    *,
    objective: Objective | None = None,
) -> Selection:
    """
    Let the returns of all sets pass by.

    Parameters
    ----------
    pieces : callable
        Returns of each set once, as often as asked. Sets that are not in `numbers` are trials too.
    numbers : mapping of key to place in the grid
    n_days : int
    plans : Plans
    objective : Objective, optional
        What folds choose by; default the Sharpe ratio. Blocks, reality check and luck are of
        Sharpe ratios whatever it is.
    """
    plan = plans.cross_validation
    rolling, anchored, crossed = watchers = (
        BestPerFold(walk_forward_folds(n_days, plans.rolling) if plans.rolling else (), objective),
        BestPerFold(
            walk_forward_folds(n_days, plans.anchored) if plans.anchored else (), objective
        ),
        BestPerFold(combinatorial_folds(n_days, plan) if plan else (), objective),
    )
    places = sorted(numbers.values())
    collector = BlockCollector(n_days, plans.n_blocks, places) if plans.n_blocks else None
    check = RealityCheck(n_days, Resampling(block_rows=min(BLOCK_DAYS, n_days / 2), n_samples=500))
    luck = TrialLuck(n_days)
    for piece in pieces():
        luck.see(piece.values)
        ranked, values = _in_grid(piece, numbers)
        if not ranked:
            continue
        check.see(values)
        for watcher in watchers:
            watcher.see(ranked, values)
        if collector is not None:
            collector.see(ranked, values)
    while not check.is_decided(P_ALLOWED):
        check.draw_more()
        for piece in pieces():
            check.see(_in_grid(piece, numbers)[1])
    return Selection(
        rolling.chosen,
        anchored.chosen,
        _path_sharpes(crossed.chosen, n_days, plan),
        collector.blocks if collector is not None and len(places) > 1 else None,
        check.p_value,
        check.error,
        luck,
    )


def _in_grid(piece: Returns, numbers: Mapping[str, int]) -> tuple[list[int], FloatArray]:
    """Return the places in the grid of a piece's sets, and their returns, without other trials."""
    rows = [row for row, key in enumerate(piece.keys) if key in numbers]
    values = piece.values if len(rows) == len(piece.keys) else piece.values[rows]
    return [numbers[piece.keys[row]] for row in rows], values


def _path_sharpes(
    crossed: tuple[Chosen, ...], n_days: int, plan: CombinatorialPurged | None
) -> FloatArray:
    """Sharpe ratio per day of each path through all days, every day judged by another choice."""
    if plan is None or not crossed:
        return np.empty(0)
    group: IntArray = group_of_rows(n_days, plan.n_groups)
    paths = []
    for splits in combinatorial_paths(plan):
        path = np.empty(n_days)
        for at, split in enumerate(splits):
            choice = crossed[split]
            path[group == at] = choice.test_returns[group[choice.fold.test] == at]
        paths.append(path)
    return row_sharpes(np.stack(paths))

"""
Plateaus: how good a set's neighbours are; a lone peak is luck, a plateau may be knowledge.

Part of a sweep's report. Distance is counted in units of each axis: from one of its values to the
next, or, where drawn sets have more than ten values, a quarter of them. Neighbours are the sets at
most one unit away on every axis; where values were drawn, the nearest eight of them. A set without
any has no plateau.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from tf_lib.core.jit.arrays import FloatArray, IntArray
from tf_lib.research.sweep.grid import Changes

NEAREST = 8
MOST_VALUES, UNITS_PER_AXIS = 10, 4
_UNIT = 1.0 + 1e-9
_ROWS_AT_ONCE = 256
# Sums of the same figures in another order.
_ALIKE = 1e-12


def axis_ranks(sets: Sequence[Changes], paths: Sequence[str]) -> FloatArray:
    """
    Return each set's place on each axis: 0 for the lowest value, 1 for the next.

    Returns
    -------
    float array of shape (n_sets, n_paths)
        -1 where a set leaves a path as it is.

    Examples
    --------
    >>> axis_ranks([{"a": 5}, {"a": 20}, {"a": 10}, {}], ["a"]).ravel().tolist()
    [0.0, 2.0, 1.0, -1.0]
    """
    ranks = np.full((len(sets), len(paths)), -1.0)
    for column, path in enumerate(paths):
        given = {_sortable(one[path]) for one in sets if path in one}
        place = {value: rank for rank, value in enumerate(sorted(given))}
        for row, one in enumerate(sets):
            if path in one:
                ranks[row, column] = place[_sortable(one[path])]
    return ranks


def _sortable(value: object) -> tuple[int, float, str]:
    """Numbers by size, before everything else by its text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return (1, 0.0, str(value))
    return (0, float(value), "")


def plateaus(
    ranks: FloatArray, figures: FloatArray, *, is_product: bool, name: str = "plateau_sharpe"
) -> pd.DataFrame:
    """
    Return each set's figure averaged over itself and its neighbours.

    Parameters
    ----------
    ranks : float array of shape (n_sets, n_paths)
        As `axis_ranks` makes them.
    figures : float array of shape (n_sets,)
        Such as the Sharpe ratio; NaN for sets that have none.
    is_product : bool
        Whether the sets are all combinations of the axes' values.
    name : str
        Of the first column.

    Returns
    -------
    DataFrame with columns `name`, ``plateau_worst``, ``neighbours``
        Mean and least over the set and its neighbours that have a figure, and how many those
        are beside the set itself. The first two are NaN for a set without neighbours, all three
        for one without a figure.
    """
    known = np.flatnonzero(np.isfinite(figures))
    table = np.full((len(figures), 3), np.nan)
    if known.size:
        units = np.ones(ranks.shape[1]) if is_product else _units(ranks)
        places = (ranks / units)[known]
        most = NEAREST if (units > 1.0).any() else known.size
        for at, beside in _neighbours(places, most):
            values = figures[known[[at, *beside]]]
            table[known[at], 2] = beside.size
            if beside.size:
                table[known[at], :2] = values.mean(), values.min()
    return pd.DataFrame(table, columns=[name, "plateau_worst", "neighbours"])


def _units(ranks: FloatArray) -> FloatArray:
    """Return how many ranks are one unit of each axis."""
    steps = np.array([np.unique(column).size - 1.0 for column in ranks.T])
    units: FloatArray = np.where(steps >= MOST_VALUES, steps / UNITS_PER_AXIS, 1.0)
    return units


def _neighbours(places: FloatArray, most: int) -> Iterator[tuple[int, IntArray]]:
    """Yield each place's neighbours; some at a time, as all of them may be as many as squared."""
    tree = cKDTree(places)
    for start in range(0, len(places), _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, len(places)))
        near = dict(_crowded(tree, places, rows, most) if most == NEAREST else ())
        rest = [at for at in rows.tolist() if at not in near]
        near.update(zip(rest, tree.query_ball_point(places[rest], r=_UNIT, p=np.inf), strict=True))
        for at in rows.tolist():
            yield at, _beside(places, at, near[at], most)


def _crowded(
    tree: cKDTree, places: FloatArray, rows: IntArray, most: int
) -> Iterator[tuple[int, IntArray]]:
    """
    Yield what lies nearest to those places that have enough others surely nearest to them.

    Nobody then has to look at all that lie within a unit, which is a part of all sets.
    """
    reach = 3 * most
    away, found = tree.query(places[rows], k=reach, distance_upper_bound=_UNIT)
    # What was not found lies no nearer than that; the same distance may hold another.
    limit = np.minimum(away[:, -1], _UNIT) - 1e-9
    is_surely_nearest = (away > 0.0) & (away < limit[:, None])
    for row in np.flatnonzero(is_surely_nearest.sum(axis=1) >= most):
        yield int(rows[row]), found[row][is_surely_nearest[row]]


def _beside(places: FloatArray, at: int, near: Sequence[int] | IntArray, most: int) -> IntArray:
    """Return the nearest other places by number; the very same place is no neighbour."""
    others: IntArray = np.sort(np.asarray(near, dtype=np.int64))
    away = np.square(places[others] - places[at]).sum(axis=1)
    others, away = others[away > 0.0], away[away > 0.0]
    # By number, so that sums do not depend on how the tree was walked.
    nearest: IntArray = np.sort(others[np.argsort(away, kind="stable")[:most]])
    return nearest


def best_plateau_row(around: FloatArray) -> int | None:
    """
    Return which set has the best plateau; None when there is none, or all are alike.

    With few sets everyone's neighbours are all the others: such plateaus tell no set from another.

    Examples
    --------
    >>> best_plateau_row(np.array([0.1, np.nan, 0.3]))
    2
    >>> best_plateau_row(np.array([0.2, 0.2])) is None
    True
    """
    known = around[np.isfinite(around)]
    if not known.size or np.ptp(known) <= _ALIKE:
        return None
    return int(np.flatnonzero(around >= known.max() - _ALIKE)[0])

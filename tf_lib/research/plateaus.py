"""
Plateaus: how good a set's neighbours are; a lone peak is luck, a plateau may be knowledge.

Part of a sweep's report. Neighbours on a full grid are the sets at most one step away on every
axis; among drawn or listed sets they are the nearest ones, each axis by rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from tf_lib.core.arrays import FloatArray
from tf_lib.research.grid import Changes

NEAREST = 8


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


def plateaus(ranks: FloatArray, figures: FloatArray, *, is_product: bool) -> pd.DataFrame:
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

    Returns
    -------
    DataFrame with columns ``plateau_sharpe``, ``plateau_worst``, ``neighbours``
        Mean and least over the set and its neighbours that have a figure, and how many those
        are beside the set itself. NaN for a set without a figure.
    """
    known = np.flatnonzero(np.isfinite(figures))
    table = np.full((len(figures), 3), np.nan)
    if known.size:
        places = ranks[known] if is_product else ranks[known] / np.maximum(ranks.max(axis=0), 1.0)
        tree = cKDTree(places)
        if is_product:
            found = tree.query_ball_point(places, r=1.0 + 1e-9, p=np.inf)
        else:
            found = tree.query(places, k=np.arange(1, min(NEAREST + 1, known.size) + 1))[1]
        for row, near in zip(known, found, strict=True):
            # By place, so that sums do not depend on how the tree was walked.
            values = figures[known[np.sort(np.asarray(near, dtype=np.int64))]]
            table[row] = values.mean(), values.min(), values.size - 1
    columns = ["plateau_sharpe", "plateau_worst", "neighbours"]
    return pd.DataFrame(table, columns=columns)

"""Sweep charts: the whole landscape of what was tried, never only its highest point."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tf_lib.pages import colours
from tf_lib.pages.style import Chart, say_nothing_there, styled, write_in_cells

MOST_AXES, MOST_MAPS, MOST_BINS = 6, 3, 10


@dataclass(frozen=True)
class Ranked:
    """What sets are ranked by: its column, that of its plateaus, and the words for it."""

    column: str = "sharpe"
    plateau: str = "plateau_sharpe"
    label: str = "Sharpe ratio"


SHARPE = Ranked()


def short(path: str) -> str:
    """
    Return the last part of a parameter path.

    Examples
    --------
    >>> short("signals.moving_average.fast_mavg")
    'fast_mavg'
    """
    return path.rsplit(".", 1)[-1]


def binned(values: pd.Series) -> pd.Series:
    """Return labels for a parameter's values in order: each value, or ten ranges of many."""
    different = sorted(values.dropna().unique(), key=_sortable)
    if len(different) <= MOST_BINS or not pd.api.types.is_numeric_dtype(values):
        labels = {value: _label(value) for value in different}
        texts, names = [labels[value] for value in values], list(labels.values())
    else:
        edges = np.unique(np.quantile(values, np.linspace(0, 1, MOST_BINS + 1)))
        names = [f"{low:.3g}-{high:.3g}" for low, high in itertools.pairwise(edges)]
        places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(names) - 1)
        texts = [names[int(place)] for place in places]
    ordered = pd.Categorical(texts, categories=list(dict.fromkeys(names)), ordered=True)
    return pd.Series(ordered, index=values.index)


def _sortable(value: object) -> tuple[int, float, str]:
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return (0, float(value), "")
    return (1, 0.0, str(value))


def _label(value: object) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    text = str(value)
    return text if len(text) <= 14 else f"{text[:13]}…"


def influence(table: pd.DataFrame, paths: Sequence[str], by: Ranked = SHARPE) -> list[str]:
    """Return the parameters that have several values, those that matter most first."""
    spread = {}
    for path in paths:
        means = table.groupby(binned(table[path]), observed=True)[by.column].mean()
        if len(means) > 1:
            spread[path] = float(means.std(ddof=0))
    return sorted(spread, key=lambda path: (-spread[path], path))


@styled
def axes_chart(table: pd.DataFrame, paths: Sequence[str], by: Ranked = SHARPE) -> Chart:
    """Draw, for each parameter that matters, the figures of all sets at each value."""
    shown = influence(table, paths, by)[:MOST_AXES]
    rows = max((len(shown) + 2) // 3, 1)
    chart = Chart(
        f"{by.label} by parameter: the line is the mean over all other parameters, the band "
        "holds every set",
        1.35 * rows + 0.4 * (rows - 1),
        note="A smooth line means a broad plateau; a spike at one value is more likely luck.",
    )
    panels = chart.panels(rows, min(max(len(shown), 1), 3), gaps=(0.5, 0.55), below=0.4)
    if not shown:
        say_nothing_there(panels[0], "no parameter has two values")
    for axes, path in zip(panels, shown, strict=False):
        _one_axis(axes, table, path, by)
    for axes in panels[max(len(shown), 1) :]:
        axes.set_visible(False)
    return chart


def _one_axis(axes: Axes, table: pd.DataFrame, path: str, by: Ranked) -> None:
    groups = table.groupby(binned(table[path]), observed=True)[by.column]
    mean, low, high = groups.mean(), groups.min(), groups.max()
    at = np.arange(len(mean))
    axes.fill_between(at, low, high, color=colours.BLUE, alpha=0.15, linewidth=0)
    axes.plot(at, mean, color=colours.BLUE, marker="o", markersize=2.5)
    axes.set_title(short(path))
    step = max(1, -(-len(at) // 4))
    axes.set_xticks(at[::step], [str(name) for name in mean.index[::step]])


@styled
def heat_map(table: pd.DataFrame, across: str, down: str, by: Ranked = SHARPE) -> Chart:
    """Draw the mean figure over all other parameters, for two of them."""
    grid = (
        table.groupby([binned(table[down]), binned(table[across])], observed=False)[by.column]
        .mean()
        .unstack()
    )
    chart = Chart(
        f"{by.label} by {short(down)} (down) and {short(across)} (across), mean over all "
        "other parameters",
        0.32 * len(grid) + 0.5,
    )
    (axes,) = chart.panels(left=1.1, right=0.7, below=0.4)
    values = grid.to_numpy(dtype=np.float64)
    picture = axes.imshow(values, aspect="auto", cmap="cividis")
    axes.grid(visible=False)
    axes.set_xticks(range(grid.shape[1]), [str(name) for name in grid.columns])
    axes.set_yticks(range(grid.shape[0]), [str(name) for name in grid.index])
    middle = (np.nanmin(values) + np.nanmax(values)) / 2 if np.isfinite(values).any() else 0.0
    write_in_cells(axes, values, ".2f", values <= middle)
    chart.colorbar(picture, ax=None, cax=_beside(chart, axes))
    return chart


def _beside(chart: Chart, axes: Axes) -> Axes:
    box = axes.get_position()
    return chart.add_axes((box.x1 + 0.015, box.y0, 0.015, box.height))


def heat_maps(table: pd.DataFrame, paths: Sequence[str], by: Ranked = SHARPE) -> list[Chart]:
    """Return maps of the pairs of parameters that matter most."""
    pairs = itertools.combinations(influence(table, paths, by)[:3], 2)
    return [
        heat_map(table, across, down, by) for across, down in itertools.islice(pairs, MOST_MAPS)
    ]


@styled
def ranking_chart(table: pd.DataFrame, luck: float, by: Ranked = SHARPE) -> Chart:
    """Draw all sets from worst to best; of Sharpe ratios, with what luck alone shows the best."""
    figures = np.sort(table[by.column].dropna().to_numpy(dtype=np.float64))
    around = table.sort_values(by.column)[by.plateau].to_numpy(dtype=np.float64)[: figures.size]
    dashed = f"Dashed: {luck:.2f}, about what luck alone shows the best of all trials ever made."
    chart = Chart(
        f"All sets from worst to best: {by.label} (blue), and averaged over the neighbours "
        "(orange)",
        1.6,
        note=dashed if by == SHARPE else "",
    )
    (axes,) = chart.panels()
    if not figures.size:
        say_nothing_there(axes, f"no set has a {by.label}")
        return chart
    at = np.arange(figures.size)
    axes.scatter(at, around, color=colours.ORANGE, s=3, linewidths=0)
    axes.plot(at, figures, color=colours.BLUE)
    if by == SHARPE:
        axes.axhline(luck, color=colours.RED, linewidth=0.9, linestyle=(0, (3, 2)))
    axes.axhline(0, color=colours.GREY, linewidth=0.6)
    axes.set_ylabel(by.label)
    return chart

"""
Sweep file: the grid, and beside its paths what "best" means and whether sets are sought.

First of a sweep (*sweep file* -> grid, objective, search -> study). Apart from ``objective`` and
``search`` everything in it is the grid's (`tf_lib.research.sweep.grid`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tf_lib.errors import ParameterError
from tf_lib.parameters import Config
from tf_lib.research.inference.objectives import Objective, objective_of
from tf_lib.research.search.proposals import SearchSettings, check_searchable, search_of
from tf_lib.research.sweep.grid import Axis, Grid, axes_of, grid_of
from tf_lib.text.written import read_yaml

OBJECTIVE_KEY, SEARCH_KEY = "objective", "search"


@dataclass(frozen=True)
class SweepFile:
    """
    What a sweep is asked.

    Attributes
    ----------
    grid : Grid
        Its sets; of a guided search the one that changes nothing, which gives the days.
    objective : Objective
    search : SearchSettings or None
    axes : mapping of path to Axis
        What is searched; empty without.
    """

    grid: Grid
    objective: Objective
    search: SearchSettings | None = None
    axes: Mapping[str, Axis] = field(default_factory=dict)


@dataclass(frozen=True)
class ObjectiveOptions:
    """What the command line says of the objective; None leaves it to the file."""

    objective: str | None = None
    max_drawdown: float | None = None


def read_sweep_file(
    path: Path, config: Config, options: ObjectiveOptions | None = None
) -> SweepFile:
    """Read a sweep file; every path in it must be one of `config`'s."""
    content = read_yaml(path, "grid file")
    return sweep_file_of(content, config, source=path, options=options)


def sweep_file_of(
    content: Mapping[str, Any],
    config: Config,
    *,
    source: Path,
    options: ObjectiveOptions | None = None,
) -> SweepFile:
    """
    Return what a mapping asks for; `source` names it in errors, and relative files lie beside it.

    Raises
    ------
    ParameterError
    """
    rest = dict(content)
    by = _objective(rest.pop(OBJECTIVE_KEY, "sharpe"), source, options or ObjectiveOptions())
    by = replace(by, days_per_year=float(config.run.annual_trading_days))
    sought = rest.pop(SEARCH_KEY, None)
    if sought is None:
        return SweepFile(grid_of(rest, config, source=str(source)), by)
    for name in ("random", "sets"):
        if name in rest:
            raise ParameterError(f"{source}: search proposes the sets itself, remove {name!r}")
    settings = search_of(sought, source=str(source))
    axes = axes_of(rest, config, source=str(source))
    check_searchable(axes, source=str(source))
    unchanged = Grid(tuple(axes), ({},), is_product=False)
    return SweepFile(unchanged, by, settings, axes)


def _objective(in_file: Any, source: Path, options: ObjectiveOptions) -> Objective:
    """Return the objective of the file, or what the command line says instead."""
    given, where, folder = in_file, str(source), source.parent
    if options.objective is not None:
        # A file that is named on the command line lies in the working folder.
        given, where, folder = options.objective, "--objective", Path()
    if options.max_drawdown is not None:
        asked = given if isinstance(given, Mapping) else {"kind": given}
        given, where = {**asked, "max_drawdown": options.max_drawdown}, "--max-drawdown"
    return objective_of(given, source=where, folder=folder)

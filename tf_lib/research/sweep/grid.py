"""
Grid: which parameter sets a sweep tries, from a short YAML file.

First stage of a sweep (*grid* -> study -> evaluations -> verdict). Keys are dotted paths of the
parameter file, such as ``signals.moving_average.fast_mavg``; nesting them works, too. A value is
a list, or a range::

    {start: 10, stop: 50, step: 10}      10, 20, 30, 40, 50: both ends
    {low: 0.5, high: 8, n: 5, log: true} five values, evenly spread on a log scale

All combinations are tried, or, with ``random: {n: 200, seed: 1}``, so many drawn ones (a range
with low and high is then drawn from as a whole). ``sets: [{path: value}, ...]`` names sets one
by one instead.
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tf_lib.errors import ParameterError
from tf_lib.parameters import Config
from tf_lib.text.shown import shown, shown_key
from tf_lib.text.written import read_yaml

Changes = Mapping[str, Any]
_Value = TypeVar("_Value")
MOST_SETS = 1_000_000
_STEPPED, _SPREAD = {"start", "stop", "step"}, {"low", "high", "n", "log"}
_DRAWS_PER_SET = 50
# The span is the sweep's own: sets that live other days cannot be compared.
_NOT_SWEPT = ("run.start_date", "run.end_date")


@dataclass(frozen=True)
class Grid:
    """
    Parameter sets, each a mapping of dotted path to value.

    Attributes
    ----------
    paths : tuple of str
        Everything that any set changes, by name.
    sets : tuple of mapping
        In order, none twice.
    is_product : bool
        Whether the sets are all combinations, so that each has neighbours on every axis.
    n_repeated : int
        Sets, or values of a list, that were written more than once and are tried once.
    """

    paths: tuple[str, ...]
    sets: tuple[Changes, ...]
    is_product: bool
    n_repeated: int = 0


def read_grid(path: Path, config: Config) -> Grid:
    """Read a grid file; every path in it must be one of `config`'s."""
    return grid_of(read_yaml(path, "grid file"), config, source=str(path))


def grid_of(mapping: Mapping[str, Any], config: Config, *, source: str) -> Grid:
    """
    Return the sets that a grid asks for.

    Raises
    ------
    ParameterError
        If a path is unknown (names the nearest), a range cannot be read, or there is no set.

    Examples
    --------
    >>> from tf_lib.parameters import load_config
    >>> config = load_config(Path("parameters/strategy_v020.yaml"))
    >>> text = {"risk_and_sizing": {"atr_multiplier": [1.5, 2.0]},
    ...         "risk_and_sizing.highest_high_window": {"start": 20, "stop": 40, "step": 20}}
    >>> len(grid_of(text, config, source="grid").sets)
    4
    """
    content = dict(mapping)
    known = config.model_dump(mode="python")
    draw, listed = content.pop("random", None), content.pop("sets", None)
    if listed is not None:
        if content or draw is not None:
            raise ParameterError(f"{source}: sets stands alone, it cannot be mixed with paths")
        sets = _listed(listed, known, source)
        grid = _made(sets, is_product=False, source=source)
        return replace(grid, n_repeated=len(sets) - len(grid.sets))
    axes = axes_of(content, config, source=source)
    repeated = sum(axis.n_repeated for axis in axes.values())
    if draw is not None:
        return replace(
            _made(_drawn(axes, draw, source), is_product=False, source=source), n_repeated=repeated
        )
    n_sets = math.prod(len(axis.values) for axis in axes.values())
    if n_sets > MOST_SETS:
        raise ParameterError(
            f"{source}: {n_sets} combinations, at most {MOST_SETS} can be tried; "
            "draw some of them with random: {n: ..., seed: ...}"
        )
    combinations = itertools.product(*(axis.values for axis in axes.values()))
    products = (dict(zip(axes, values, strict=True)) for values in combinations)
    return replace(_made(products, is_product=True, source=source), n_repeated=repeated)


def axes_of(content: Mapping[str, Any], config: Config, *, source: str) -> dict[str, Axis]:
    """
    Return the axes that a grid's paths name, by path in order.

    Raises
    ------
    ParameterError
        If a path is unknown, a range cannot be read, or there is no path.
    """
    known = config.model_dump(mode="python")
    axes = {
        path: Axis(path, value, known, source)
        for path, value in sorted(_flat(content, known, source))
    }
    if not axes:
        raise ParameterError(f"{source}: the grid is empty, expected paths with lists or ranges")
    return axes


def _made(sets: Iterable[Changes], *, is_product: bool, source: str) -> Grid:
    unique = _once({path: _rounded(value) for path, value in one.items()} for one in sets)
    if not unique:
        raise ParameterError(f"{source}: the grid is empty, there is no set to try")
    paths = sorted({path for one in unique for path in one})
    return Grid(tuple(paths), tuple(unique), is_product)


def _once(values: Iterable[_Value]) -> list[_Value]:
    """Return the first of equals, in order: 2 and 2.0 are equal, and 0.3 and 0.1 + 0.2."""
    unique: dict[str, _Value] = {}
    for value in values:
        unique.setdefault(_text(value), value)
    return list(unique.values())


def _text(value: Any) -> str:
    return json.dumps(_rounded(value, whole=True), sort_keys=True)


def _rounded(value: Any, *, whole: bool = False) -> Any:
    """Return a value without the float noise of how it was reached, all the way down."""
    if isinstance(value, Mapping):
        return {str(key): _rounded(each, whole=whole) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each, whole=whole) for each in value]
    if not isinstance(value, float):
        return value
    plain = float(f"{value:.12g}")
    return int(plain) if whole and plain.is_integer() else plain


def _flat(
    content: Mapping[str, Any],
    known: Mapping[str, Any],
    source: str,
    at: str = "",
    whole: tuple[str, ...] = (),
) -> Iterator[tuple[str, Any]]:
    """Yield dotted paths with what stands there, however deep it was nested."""
    for key, value in content.items():
        path = f"{at}.{key}" if at else str(key)
        here = _looked_up(path, known, source)
        if isinstance(value, Mapping) and isinstance(here, Mapping) and path not in whole:
            yield from _flat(value, known, source, path, whole)
        else:
            yield path, value


def _looked_up(path: str, known: Mapping[str, Any], source: str) -> Any:
    """Return what the parameters hold at a path, or say which path is nearest."""
    if path in _NOT_SWEPT:
        raise ParameterError(f"{source}: {path}: the days are the same for all sets of a sweep")
    here: Any = known
    for part in path.split("."):
        if not isinstance(here, Mapping) or part not in here:
            raise ParameterError(
                f"{source}: {_shown_path(path)}: unknown parameter path{_nearest(path, known)}"
            )
        here = here[part]
    return here


def _shown_path(path: str) -> str:
    return ".".join(map(shown_key, path.split(".")))


def _nearest(path: str, known: Mapping[str, Any]) -> str:
    paths = list(_paths(known))
    last = path.rsplit(".", 1)[-1]
    same_name = [p for p in paths if p.rsplit(".", 1)[-1] == last]
    near = same_name or difflib.get_close_matches(path, paths, n=1, cutoff=0.4)
    if not near:
        by_name = {p.rsplit(".", 1)[-1]: p for p in paths}
        near = [by_name[n] for n in difflib.get_close_matches(last, by_name, n=1, cutoff=0.5)]
    return f"; did you mean {near[0]!r}?" if near else ""


def _paths(known: Mapping[str, Any], at: str = "") -> Iterator[str]:
    for key, value in known.items():
        path = f"{at}.{key}" if at else str(key)
        yield path
        if isinstance(value, Mapping):
            yield from _paths(value, path)


class Axis:
    """
    The values of one path, and how one of them is drawn.

    Attributes
    ----------
    is_whole : bool
        Whether the parameter is a whole number.
    values : list
        Those of a list or of steps; of a range, the ends or the evenly spread ones.
    spread : mapping or None
        A range, ``{low, high, n, log}``.
    """

    def __init__(self, path: str, given: Any, known: Mapping[str, Any], source: str) -> None:
        self.where = f"{source}: {path}"
        now = _looked_up(path, known, source)
        self.is_whole = isinstance(now, int) and not isinstance(now, bool)
        self.spread: Mapping[str, Any] | None = None
        self.n_repeated = 0
        if isinstance(given, list):
            self.values = _once(given)
            self.n_repeated = len(given) - len(self.values)
        elif isinstance(given, Mapping) and set(given) == _STEPPED:
            self.values = self._stepped(given)
        elif isinstance(given, Mapping) and {"low", "high"} <= set(given) <= _SPREAD:
            self.spread = given
            self.values = self._spread_values(given)
        else:
            raise ParameterError(
                f"{self.where}: expected a list, {{start, stop, step}} or "
                f"{{low, high, n, log}}, got {shown(given)}"
            )
        if not self.values:
            raise ParameterError(f"{self.where}: the list is empty")

    def _numbers(self, given: Mapping[str, Any], names: Sequence[str]) -> list[float]:
        numbers = [given[name] for name in names]
        for name, number in zip(names, numbers, strict=True):
            is_number = isinstance(number, int | float) and not isinstance(number, bool)
            if not is_number or not math.isfinite(number):
                raise ParameterError(f"{self.where}: {name} must be a number, got {shown(number)}")
        return numbers

    def _stepped(self, given: Mapping[str, Any]) -> list[Any]:
        start, stop, step = self._numbers(given, ("start", "stop", "step"))
        if step == 0 or (stop - start) / step < 0:
            raise ParameterError(f"{self.where}: step {step} never leads from {start} to {stop}")
        # Half a billionth: ten steps of 0.1 reach 1.0.
        n_steps = math.floor((stop - start) / step + 5e-10)
        if n_steps >= MOST_SETS:
            raise ParameterError(f"{self.where}: {n_steps + 1} values, at most {MOST_SETS}")
        if all(isinstance(number, int) for number in (start, step)):
            return [start + k * step for k in range(n_steps + 1)]
        return [self.plain(start + k * step) for k in range(n_steps + 1)]

    def _spread_values(self, given: Mapping[str, Any]) -> list[Any]:
        low, high = self._numbers(given, ("low", "high"))
        n, log = given.get("n", 2), given.get("log", False)
        if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= MOST_SETS:
            raise ParameterError(f"{self.where}: n must be a whole number from 1, got {shown(n)}")
        if not isinstance(log, bool) or (log and low <= 0):
            raise ParameterError(f"{self.where}: log must be true or false, and low above 0 for it")
        if low > high:
            raise ParameterError(f"{self.where}: low {low} lies above high {high}")
        spread = np.geomspace(low, high, n) if log else np.linspace(low, high, n)
        return list(dict.fromkeys(self.plain(float(value)) for value in spread))

    def plain(self, value: float) -> Any:
        """Return a number of a range as the parameter takes it."""
        return round(value) if self.is_whole else _rounded(value)

    @property
    def range(self) -> tuple[float, float, bool]:
        """Lower and upper end of a range, and whether it is even on a log scale."""
        given = self.spread or {}
        low, high = self._numbers(given, ("low", "high"))
        return low, high, bool(given.get("log", False))

    def drawn(self, random: np.random.Generator) -> Any:
        """Return one value: of the list, or anywhere in the range."""
        if self.spread is None:
            return self.values[int(random.integers(len(self.values)))]
        low, high, log = self.range
        if log:
            return self.plain(math.exp(random.uniform(math.log(low), math.log(high))))
        if self.is_whole:
            return int(random.integers(round(low), round(high) + 1))
        return self.plain(random.uniform(low, high))


def _drawn(axes: Mapping[str, Axis], draw: Any, source: str) -> Iterator[Changes]:
    """Yield different sets, drawn; fewer than asked for when there are no more."""
    if not isinstance(draw, Mapping) or not set(draw) <= {"n", "seed"} or "n" not in draw:
        raise ParameterError(f"{source}: random: expected {{n, seed}}, got {shown(draw)}")
    n, seed = draw["n"], draw.get("seed", 0)
    for name, number, least in (("n", n, 1), ("seed", seed, 0)):
        if not isinstance(number, int) or isinstance(number, bool) or number < least:
            raise ParameterError(
                f"{source}: random.{name} must be a whole number from {least}, got {shown(number)}"
            )
    if n > MOST_SETS:
        raise ParameterError(f"{source}: random.n must be at most {MOST_SETS}, got {n}")
    random, seen = np.random.default_rng(seed), set()
    for _ in range(n * _DRAWS_PER_SET):
        one = {path: axis.drawn(random) for path, axis in axes.items()}
        text = _text(one)
        if text not in seen:
            seen.add(text)
            yield one
        if len(seen) == n:
            return


def _listed(listed: Any, known: Mapping[str, Any], source: str) -> list[Changes]:
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise ParameterError(f"{source}: sets: expected a list of mappings, got {shown(listed)}")
    # A set of its own replaces sleeves whole, as a parameter file that extends another does.
    whole = ("universe.sleeves",)
    return [dict(sorted(_flat(one, known, source, whole=whole))) for one in listed]

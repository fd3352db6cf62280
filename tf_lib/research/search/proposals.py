"""
Proposals: which sets a guided search tries next, from what came of all before.

Part of a guided search (steps so far -> *proposals* -> evaluations). The sampler is optuna's
tree-structured Parzen estimator. Each round asks a new one, seeded by the search's seed and the
number of the round, that is told all steps before it: the answer depends on nothing else, so
that a search that was stopped goes on as if nothing had happened, whoever evaluates.

A set without a figure (invalid, failed, never traded, too deep a fall) is told as the worst figure
there is. Told as none, the sampler would leave it out and come back to it for ever
(findings/optuna_nan_is_no_lesson.sh).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_lib.errors import ParameterError
from tf_lib.research.sweep.grid import Axis, Changes
from tf_lib.text.shown import shown
from tf_lib.text.written import check_keys

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

KINDS = ("optuna",)
MOST_TRIALS = 10_000
_ASKS_PER_SET = 20
_SETTINGS = ("kind", "trials", "seed", "per_round")
# The days and the tickers are the same for all sets, and a search does not know its sets before.
_NOT_SEARCHED = ("run.warmup_days", "universe")

Place = Mapping[str, float | int]
"""A set as the sampler knows it: numbers of ranges, places in lists."""


@dataclass(frozen=True)
class SearchSettings:
    """
    How a guided search goes.

    Attributes
    ----------
    kind : str
    trials : int
        Different sets to try, invalid ones too.
    seed : int
    per_round : int
        Sets that are proposed at a time, before any of them has a result. It belongs to the
        search, not to the workers: another number is another search.
    """

    kind: str
    trials: int
    seed: int = 1
    per_round: int = 10


@dataclass(frozen=True)
class Step:
    """One set that was tried: where, what it changes, and its figure, NaN without any."""

    place: Place
    changes: Changes
    figure: float = math.nan


def search_of(given: Any, *, source: str) -> SearchSettings:
    """Return what ``search:`` of a sweep file says; `ParameterError` if it cannot be."""
    where = f"{source}: search"
    if not isinstance(given, Mapping):
        raise ParameterError(
            f"{where}: expected {{kind: optuna, trials: 300, seed: 1}}, got {shown(given)}"
        )
    check_keys(given, _SETTINGS, where)
    if given.get("kind") not in KINDS:
        raise ParameterError(
            f"{where}.kind: expected {', '.join(KINDS)}, got {shown(given.get('kind'))}"
        )
    numbers = {
        "trials": (None, 1, MOST_TRIALS),
        "seed": (1, 0, 2**32 - 1),
        "per_round": (10, 1, 1000),
    }
    found = {name: _whole(given, name, where, limits) for name, limits in numbers.items()}
    return SearchSettings(str(given["kind"]), **found)


def _whole(
    given: Mapping[str, Any], name: str, where: str, limits: tuple[int | None, int, int]
) -> int:
    default, least, most = limits
    number = given.get(name, default)
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
        raise ParameterError(
            f"{where}.{name}: must be a whole number from {least} to {most}, got {shown(number)}"
        )
    return number


def check_searchable(axes: Mapping[str, Axis], *, source: str) -> None:
    """Refuse axes that would give sets other days or tickers (`ParameterError`)."""
    for path in axes:
        if path.startswith(_NOT_SEARCHED):
            raise ParameterError(
                f"{source}: {path}: days and tickers are the same for all sets of a guided "
                "search; compare them in a sweep without search"
            )


def proposals(
    axes: Mapping[str, Axis], steps: Sequence[Step], settings: SearchSettings, *, n: int
) -> list[Step]:
    """
    Return the next sets, none of which was tried; fewer, or none, when nothing new comes up.

    Parameters
    ----------
    axes : mapping of path to Axis
    steps : sequence of Step
        All before, in order.
    settings : SearchSettings
    n : int
        How many are wanted.
    """
    # It takes a second to import, which nobody else is to wait for.
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    n_round = len(steps) // settings.per_round
    seeds = np.random.SeedSequence([settings.seed, n_round]).generate_state(1)
    sampler = optuna.samplers.TPESampler(seed=int(seeds[0]))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    distributions = {path: _distribution(axis) for path, axis in axes.items()}
    worst = min((step.figure for step in steps if math.isfinite(step.figure)), default=0.0)
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=dict(step.place),
                distributions=distributions,
                value=step.figure if math.isfinite(step.figure) else worst,
            )
            for step in steps
        ]
    )
    tried = {_text(step.changes) for step in steps}
    found: list[Step] = []
    # Asked and not told: the sampler takes what is on its way for bad, and looks elsewhere.
    for _ in range(n * _ASKS_PER_SET):
        place = study.ask(distributions).params
        changes = {path: _value(axis, place[path]) for path, axis in axes.items()}
        if (text := _text(changes)) not in tried:
            tried.add(text)
            found.append(Step(place, changes))
        if len(found) == n:
            break
    return found


def _text(changes: Changes) -> str:
    return repr(sorted(changes.items()))


def _ordered(axis: Axis) -> list[Any]:
    """Return the values of a list: numbers by size, so that the next place is the next value."""
    return sorted(axis.values) if _is_numeric(axis) else list(axis.values)


def _is_numeric(axis: Axis) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in axis.values)


def _distribution(axis: Axis) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if axis.spread is None:
        last = len(axis.values) - 1
        return (
            IntDistribution(0, last)
            if _is_numeric(axis)
            else CategoricalDistribution(tuple(range(last + 1)))
        )
    low, high, log = axis.range
    if axis.is_whole:
        return IntDistribution(round(low), round(high), log=log)
    return FloatDistribution(low, high, log=log)


def _value(axis: Axis, at: float | int) -> Any:
    return axis.plain(float(at)) if axis.spread is not None else _ordered(axis)[int(at)]

"""
Sweep: many backtests that share their work, stopped and resumed at will, and judged together.

    grid -> study -> evaluations -> parts -> table, selection -> judgement

Results land as parts on disk as they come; the table and the judgement are made from the parts
in the order of the grid, so that they are the same bytes however many workers there were, in
whatever order they finished, and wherever it was stopped in between.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tf_lib.core.jit.arrays import BoolArray, FloatArray
from tf_lib.errors import HaltRun
from tf_lib.parameters.custom_signals import custom_record
from tf_lib.research.inference.objectives import Objective
from tf_lib.research.sweep.evaluate import METRICS, Evaluation
from tf_lib.research.sweep.folder_lock import research_lock
from tf_lib.research.sweep.grid import Changes, Grid
from tf_lib.research.sweep.judgement import Judgement, TrialCount, judge
from tf_lib.research.sweep.plateaus import axis_ranks, best_plateau_row, plateaus
from tf_lib.research.sweep.result_files import Parts, landed_trials
from tf_lib.research.sweep.selection import Plans, select, usual_plans
from tf_lib.research.sweep.study import PlannedSet, Study, in_chunks
from tf_lib.research.sweep.trials import INVALID, OK, Trial, TrialLedger
from tf_lib.research.sweep.workers import Portion, in_this_process

# From a study and its portions to what comes of them, in any order.
Workers = Callable[[Study, Sequence[Portion]], Generator[list[Evaluation]]]
# Sets done, sets in all, best figure of the objective so far; -inf without any.
Progress = Callable[[int, int, float], None]
MOST_PER_PORTION = 64
_NO_RETURNS: FloatArray = np.empty(0)


@dataclass(frozen=True)
class SweepResult:
    """
    What a sweep came to.

    Attributes
    ----------
    table : DataFrame
        One row per set in the order of the grid: ``set``, one column per path, ``status`` (ok,
        failed or invalid), ``problem``, the metrics, ``objective`` (unless that is the Sharpe
        ratio), ``plateau_sharpe`` or ``plateau_objective``, ``plateau_worst``, ``neighbours``,
        ``key``.
    judgement : Judgement
    grid : Grid
    study : Study
    n_restored : int
        Trials that the ledger had lost and the parts still knew.
    search : mapping, optional
        How a guided search went; None for a grid.
    """

    table: pd.DataFrame
    judgement: Judgement
    grid: Grid
    study: Study
    n_restored: int = 0
    search: Mapping[str, Any] | None = None

    @property
    def best(self) -> pd.Series[Any]:
        """The set that traded with the best figure; the first of equals, or of none."""
        return self.table.iloc[_best_row(self.table, self.objective)]

    @property
    def objective(self) -> Objective:
        """What the best is best by."""
        return self.judgement.objective

    @property
    def best_plateau(self) -> pd.Series[Any] | None:
        """The row with the best figure averaged over its neighbours, if that says any."""
        row = best_plateau_row(self.table[self.objective.plateau].to_numpy(dtype=np.float64))
        return None if row is None else self.table.iloc[row]

    @property
    def counts(self) -> dict[str, int]:
        """How many sets ended how."""
        return {str(k): int(n) for k, n in self.table["status"].value_counts().sort_index().items()}

    def to_mapping(self) -> dict[str, Any]:
        """Return the summary as plain values; what is not defined is None."""
        by = self.objective
        own = [] if by.is_sharpe else [by.column]
        shown = [*self.grid.paths, *METRICS, *own, by.plateau, "plateau_worst"]
        plateau = self.best_plateau
        return {
            "days": [self.study.start.isoformat(), self.study.end.isoformat()],
            "n_days": self.study.n_days,
            "n_sets": len(self.table),
            "sets": self.counts,
            "n_repeated": self.grid.n_repeated,
            "best": self._best_mapping(shown),
            "best_plateau": (
                None if plateau is None else {"set": int(plateau["set"]), **_plain(plateau[shown])}
            ),
            **({} if self.search is None else {"search": dict(self.search)}),
            **custom_record(self.study.config({}).signals.custom),
            **self.judgement.to_mapping(),
        }

    def _best_mapping(self, shown: Sequence[str]) -> dict[str, Any] | None:
        """Return the best set; None where none has a figure, unless that is the Sharpe ratio."""
        if not self.judgement.has_best and not self.objective.is_sharpe:
            return None
        return {"set": int(self.best["set"]), **_plain(self.best[list(shown)])}


def run_sweep(
    study: Study,
    planned: Sequence[PlannedSet],
    grid: Grid,
    folder: Path,
    *,
    workers: Workers = in_this_process,
    per_portion: int = MOST_PER_PORTION,
    plans: Plans | None = None,
    progress: Progress | None = None,
    objective: Objective | None = None,
) -> SweepResult:
    """
    Evaluate what is not done yet, and judge; wait for another sweep in the folder first.

    Parameters
    ----------
    study, planned
        Of `make_study`.
    grid : Grid
    folder : Path
        The research folder: parts and trial ledger live here and outlast the sweep.
    workers : callable
        Where portions are evaluated; see `tf_lib.research.sweep.workers`.
    per_portion : int
        Sets a worker takes at a time.
    plans : Plans, optional
        How days are split; default `usual_plans`.
    progress : callable, optional
    objective : Objective, optional
        What "best" means; default the Sharpe ratio.

    Raises
    ------
    HaltRun
        If every set failed.
    OtherCode
        If a worker runs other code than this process.
    WorkersLost
        If some sets could not be evaluated; start it again for the rest.
    """
    by = replace(objective or Objective(), days_per_year=_days_per_year(study))
    with research_lock(folder):
        wanted = {one.key: one for one in reversed(planned) if one.key}
        landing = Landing(study, folder, by, wanted=wanted)
        open_sets = [one for one in wanted.values() if one.key not in landing.done]

        def tell() -> None:
            if progress is not None:
                progress(len(landing.done), len(wanted), landing.best)

        landing.evaluate(open_sets, workers, per_portion=per_portion, tell=tell)
        return judged_sweep(landing, planned, grid, plans=plans)


class Landing:
    """
    What has landed of a study in a research folder; the trials that the ledger lost count again.

    Parameters
    ----------
    study : Study
    folder : Path
    by : Objective
    wanted : collection of str, optional
        Keys of the sets that are asked for; default all that landed.

    Attributes
    ----------
    done : dict of key to Evaluation
        Without their returns, which lie in `parts`.
    figures : dict of key to float
        Of the objective, of the sets that ended well.
    """

    def __init__(
        self,
        study: Study,
        folder: Path,
        by: Objective,
        *,
        wanted: Collection[str] | None = None,
    ) -> None:
        self.study, self.by = study, by
        self.parts, self.ledger = Parts(folder, study.fingerprint), TrialLedger(folder)
        self.done = {
            one.key: one for one in self.parts.evaluations() if wanted is None or one.key in wanted
        }
        n_known = len(self.ledger)
        self.ledger.add(_trial(one, study) for one in self.done.values())
        self.ledger.add(list(landed_trials(folder, self.ledger)))
        self.n_restored = len(self.ledger) - n_known
        self.figures = known_figures(self.done, self.parts, by)
        self.best = _highest(self.figures.values())

    def evaluate(
        self,
        sets: Sequence[PlannedSet],
        workers: Workers,
        *,
        per_portion: int = MOST_PER_PORTION,
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        """Evaluate sets that are not done yet, and keep what comes of each portion at once."""
        portions = list(in_chunks(sets, most=per_portion))
        # Closed whatever ends the loop, so that workers end before the error is told.
        with contextlib.closing(workers(self.study, portions)) as arriving:
            for landed in arriving:
                self.parts.write(landed)
                self.ledger.add(_trial(one, self.study) for one in landed)
                self.done.update((one.key, _without_returns(one)) for one in landed)
                new = figures_of(landed, self.by)
                self.figures.update(new)
                self.best = max(self.best, _highest(new.values()))
                tell()


def judged_sweep(
    landing: Landing, planned: Sequence[PlannedSet], grid: Grid, *, plans: Plans | None = None
) -> SweepResult:
    """Return table and judgement of sets that are all done; the ledger is put in order first."""
    study, by = landing.study, landing.by
    landing.ledger.put_in_order()
    table = _table(planned, landing.done, grid, study, (by, landing.figures))
    split = plans or usual_plans(study.n_days)
    judgement = _judged(table, landing.parts, landing.ledger, split, by)
    return SweepResult(table, judgement, grid, study, landing.n_restored)


def _without_returns(one: Evaluation) -> Evaluation:
    """Return what the table shows of a set; its returns are in the parts."""
    return replace(one, returns=_NO_RETURNS, code="", worker="")


def _trial(one: Evaluation, study: Study) -> Trial:
    sharpe = one.metric("sharpe_daily") if one.status == OK else None
    return Trial(one.key, one.status, sharpe, study.n_days)


def figures_of(evaluations: Iterable[Evaluation], by: Objective) -> dict[str, float]:
    """Return the figure of each set that ended well, from what a worker sent of it."""
    good = [one for one in evaluations if one.status == OK]
    if by.is_sharpe:
        return {one.key: one.metric("sharpe") for one in good}
    if not good:
        return {}
    rows = by.figures(np.stack([one.returns for one in good]))
    return {one.key: float(figure) for one, figure in zip(good, rows, strict=True)}


def known_figures(done: Mapping[str, Evaluation], parts: Parts, by: Objective) -> dict[str, float]:
    """Return the figures of sets that were done before, whose returns lie in parts."""
    if by.is_sharpe:
        return figures_of(done.values(), by)
    return {
        key: float(figure)
        for piece in parts.returns(frozenset(done))
        for key, figure in zip(piece.keys, by.figures(piece.values), strict=True)
    }


def _highest(figures: Iterable[float]) -> float:
    return max((figure for figure in figures if math.isfinite(figure)), default=-math.inf)


def _days_per_year(study: Study) -> float:
    return float(study.base["run"]["annual_trading_days"])


def _table(
    planned: Sequence[PlannedSet],
    done: Mapping[str, Evaluation],
    grid: Grid,
    study: Study,
    ranked: tuple[Objective, Mapping[str, float]],
) -> pd.DataFrame:
    """Return one row per set in the order of the grid."""
    by, figures = ranked
    outcomes = [
        done[one.key]
        if one.key
        else Evaluation("", INVALID, one.problem, (math.nan,) * len(METRICS), _NO_RETURNS)
        for one in planned
    ]
    sets = [one.changes for one in planned]
    columns: dict[str, Any] = {"set": [one.number for one in planned]}
    columns.update((path, _parameter(path, sets, study.base)) for path in grid.paths)
    columns["status"] = [one.status for one in outcomes]
    columns["problem"] = [one.problem for one in outcomes]
    numbers = np.array([one.metrics for one in outcomes])
    columns.update((name, numbers[:, column]) for column, name in enumerate(METRICS))
    if not by.is_sharpe:
        columns[by.column] = np.array([figures.get(one.key, math.nan) for one in planned])
    left_alone = {path: _at(study.base, path) for path in grid.paths}
    ranks = axis_ranks([{**left_alone, **one} for one in sets], grid.paths)
    around = plateaus(ranks, columns[by.column], is_product=grid.is_product, name=by.plateau)
    table = pd.DataFrame(columns).join(around)
    return table.assign(key=[one.key for one in planned])


def _at(base: Mapping[str, Any], path: str) -> Any:
    return functools.reduce(lambda here, part: here[part], path.split("."), base)


def _parameter(path: str, sets: Sequence[Changes], base: Mapping[str, Any]) -> list[Any]:
    """One column of values; what a set leaves as it is shows the base's; lists become text."""
    values = [one.get(path, _at(base, path)) for one in sets]
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return values
    return [v if isinstance(v, str) else json.dumps(v, sort_keys=True) for v in values]


def _best_row(table: pd.DataFrame, by: Objective) -> int:
    """The position of the best figure; the first of equals, or of those that have none."""
    is_good = _judged_rows(table)
    if not is_good.any():
        failed = table.loc[table["status"] != INVALID, "problem"]
        raise HaltRun(f"every one of {len(failed)} sets failed; the first: {failed.iloc[0]}")
    figures = table[by.column].to_numpy(dtype=np.float64)
    has_figure = is_good & np.isfinite(figures)
    if not has_figure.any():
        return int(is_good.argmax())
    return int(np.where(has_figure, figures, -np.inf).argmax())


def _judged_rows(table: pd.DataFrame) -> BoolArray:
    """Return which sets are compared: those that traded; all that ended well if none did."""
    ended_well = (table["status"] == OK).to_numpy()
    traded: BoolArray = ended_well & np.isfinite(table["sharpe"].to_numpy(dtype=np.float64))
    return traded if traded.any() else ended_well


def _judged(
    table: pd.DataFrame, parts: Parts, ledger: TrialLedger, plans: Plans, by: Objective
) -> Judgement:
    row = _best_row(table, by)
    good = table[_judged_rows(table)].drop_duplicates("key")
    numbers = {str(key): int(n) for key, n in zip(good["key"], good["set"], strict=True)}
    best_key = str(table["key"].iloc[row])
    best_returns = next(parts.returns(frozenset([best_key]))).values[0]
    if not math.isfinite(table[by.column].iloc[row]):
        best_returns = np.zeros_like(best_returns)
    tried = functools.partial(parts.returns, ledger.judged_keys | frozenset(numbers))
    selection = select(tried, numbers, best_returns.size, plans, objective=by)
    return judge(
        best_returns,
        selection,
        TrialCount(len(ledger), ledger.sharpe_variance),
        objective=by,
    )


def _plain(row: pd.Series[Any]) -> dict[str, Any]:
    return {str(name): _plain_value(value) for name, value in row.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, str):
        return value
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number

"""
Guided search: sets proposed by what came of earlier ones, each a trial that counts.

    axes -> proposals -> evaluations -> parts, trials -> ... -> table -> judgement

Rounds of a fixed number of sets, whoever evaluates them: each round is proposed from all before it
alone. A search that was stopped proposes the same sets again and finds in the parts what came of
them. In the end its sets are judged as those of a grid are, every one counted; what that cannot
tell of sets that were sought is said with the verdict.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tf_lib.research.inference.objectives import Objective
from tf_lib.research.search.proposals import SearchSettings, Step, proposals
from tf_lib.research.sweep.folder_lock import research_lock
from tf_lib.research.sweep.grid import Axis, Grid
from tf_lib.research.sweep.run_sweep import (
    Landing,
    Progress,
    SweepResult,
    Workers,
    judged_sweep,
)
from tf_lib.research.sweep.set_keys import digest
from tf_lib.research.sweep.study import PlannedSet, Study, plan_set
from tf_lib.research.sweep.trials import INVALID, Trial
from tf_lib.research.sweep.workers import in_this_process

FLATTERED = (
    "These sets were sought where earlier ones did well, on all days. Luck of places the search "
    "would have gone to is not counted, and the walks forward, the cross-validation and the test "
    "for overfitting choose among sets that knew the days they are judged on: all of them flatter. "
    "Days that the search never saw are the only test."
)


def guided_sweep(
    study: Study,
    axes: Mapping[str, Axis],
    settings: SearchSettings,
    folder: Path,
    *,
    objective: Objective,
    workers: Workers = in_this_process,
    n_workers: int = 1,
    progress: Progress | None = None,
) -> SweepResult:
    """
    Try sets until there are as many as asked for, or nothing new is proposed; then judge.

    Parameters
    ----------
    study : Study
        Of `make_study`, of any sets on the same days.
    axes : mapping of path to Axis
        What is searched.
    settings : SearchSettings
    folder : Path
        The research folder.
    objective : Objective
        What is looked for the most of.
    workers : callable
    n_workers : int
        How many of them share a round; changes no result.
    progress : callable, optional

    Raises
    ------
    HaltRun
        If every set failed.
    OtherCode, WorkersLost
        As `run_sweep`.
    """
    with research_lock(folder):
        landing = Landing(study, folder, objective)
        steps: list[Step] = []
        planned: list[PlannedSet] = []
        while len(steps) < settings.trials:
            n = min(settings.per_round, settings.trials - len(steps))
            new = proposals(axes, steps, settings, n=n)
            if not new:
                break
            these = [plan_set(study, len(steps) + at, one.changes) for at, one in enumerate(new)]
            _evaluate_round(landing, these, workers, n_workers)
            steps += [
                replace(step, figure=landing.figures.get(one.key, math.nan))
                for step, one in zip(new, these, strict=True)
            ]
            planned += these
            if progress is not None:
                best = max((s.figure for s in steps if math.isfinite(s.figure)), default=-math.inf)
                progress(len(steps), settings.trials, best)
        grid = Grid(tuple(sorted(axes)), tuple(one.changes for one in planned), is_product=False)
        result = judged_sweep(landing, planned, grid)
    return replace(result, search=_record(settings, steps))


def _evaluate_round(
    landing: Landing, sets: Sequence[PlannedSet], workers: Workers, n_workers: int
) -> None:
    """Evaluate what is not done of one round; what is invalid is a trial as well."""
    landing.ledger.add(_invalid(landing.study, one) for one in sets if one.problem)
    is_open = {one.key: one for one in sets if one.key and one.key not in landing.done}
    share = math.ceil(len(is_open) / n_workers)
    landing.evaluate(list(is_open.values()), workers, per_portion=max(1, share))


def _invalid(study: Study, one: PlannedSet) -> Trial:
    """Return the trial of a set that cannot be: it was a step of the search."""
    text = json.dumps(dict(one.changes), sort_keys=True, default=str)
    return Trial(digest(study.identity, INVALID, text), INVALID, None, study.n_days)


def _record(settings: SearchSettings, steps: Sequence[Step]) -> dict[str, Any]:
    import optuna

    return {
        **asdict(settings),
        "tried": len(steps),
        "without_figure": sum(1 for step in steps if not math.isfinite(step.figure)),
        "sampler": f"optuna {optuna.__version__} TPESampler",
        "note": FLATTERED,
    }

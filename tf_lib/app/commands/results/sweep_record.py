"""What the page of a sweep shows, and the table of its walks forward."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING

import pandas as pd

from tf_lib.app.commands.results.sweep_verdict import search_line
from tf_lib.research.sweep.judgement import (
    CREDIBLE_SHARPE,
    DSR_WANTED,
    PBO_ALLOWED,
    Judgement,
)
from tf_lib.research.sweep.run_sweep import SweepResult
from tf_lib.research.sweep.selection import P_ALLOWED

if TYPE_CHECKING:
    from tf_lib.pages.research.sweep_report import SweepRecord


def walk_frame(result: SweepResult) -> pd.DataFrame:
    """
    Return one row per fold of both walks forward; Sharpe ratios are a year's.

    ``train_objective`` is there where something else than the Sharpe ratio chose.
    """
    judgement = result.judgement
    own = [] if result.objective.is_sharpe else ["train_objective"]
    yearly = math.sqrt(judgement.days_per_year)
    rows = [
        {
            "kind": kind,
            "from": (result.study.start + dt.timedelta(days=int(choice.fold.test[0]))).isoformat(),
            "to": (result.study.start + dt.timedelta(days=int(choice.fold.test[-1]))).isoformat(),
            "set": choice.number,
            "train_objective": choice.train_figure,
            "train_sharpe": choice.train_sharpe * yearly,
            "test_sharpe": choice.test_sharpe * yearly,
        }
        for kind, walk in (("rolling", judgement.rolling), ("anchored", judgement.anchored))
        for choice in walk
    ]
    columns = ["kind", "from", "to", "set", *own, "train_sharpe", "test_sharpe"]
    return pd.DataFrame(rows, columns=columns)


def sweep_record(result: SweepResult, walk: pd.DataFrame) -> SweepRecord:
    """Return what the report shows of a result."""
    from tf_lib.pages.research.sweep_charts import Ranked
    from tf_lib.pages.research.sweep_report import SweepRecord

    judgement, study = result.judgement, result.study
    counts = ", ".join(f"{n} {status}" for status, n in result.counts.items())
    return SweepRecord(
        title=f"Sweep {study.start} to {study.end}",
        summary=(
            f"{len(result.table)} parameter sets ({counts}) of {len(result.grid.paths)} "
            f"parameters, {len(study.bars.tickers)} tickers, {study.n_days} days. "
            f"{judgement.trials.n_trials} trials were ever made in this research folder; all of "
            "them count."
        ),
        verdict=judgement.verdict,
        passed=judgement.passed,
        answers=[line for answer in judgement.answers for line in answer.lines],
        figures=figures(judgement),
        luck=judgement.luck * math.sqrt(judgement.days_per_year),
        table=result.table,
        paths=result.grid.paths,
        walk=walk,
        has_best_plateau=result.best_plateau is not None,
        by=Ranked(result.objective.column, result.objective.plateau, result.objective.label),
        notes=[
            *([] if result.search is None else [search_line(result.search), result.search["note"]]),
            *filter(None, [result.objective.judged_by]),
        ],
    )


def figures(judgement: Judgement) -> list[tuple[str, str, str]]:
    """Return the numbers of the verdict, each with what it means."""
    yearly = math.sqrt(judgement.days_per_year)
    over, band = judgement.overfitting, judgement.bands["sharpe"]
    fall = judgement.bands["max_drawdown"]
    track = judgement.track_record_days
    paths = judgement.path_sharpes * yearly
    by = judgement.objective
    chosen_by = (f"{by.label} of the best set", by.text(judgement.figure), f"best by: {by.words}")
    return [
        *([] if by.is_sharpe else [chosen_by]),
        (
            "Sharpe ratio of the best set",
            "-" if judgement.moments.never_moved else f"{judgement.moments.sharpe * yearly:.2f}",
            f"{band.low:.2f} to {band.high:.2f} in {band.level:.0%} of histories drawn in blocks",
        ),
        (
            "Deepest fall of the best set",
            f"{fall.value:.1%}",
            f"{fall.low:.1%} to {fall.high:.1%} in {fall.level:.0%} of those histories",
        ),
        (
            "Sharpe ratio of luck",
            f"{judgement.luck * yearly:.2f}",
            f"expected of the best of {judgement.trials.n_trials} trials without skill, which are "
            f"as good as {judgement.effective_trials:.3g} independent ones",
        ),
        (
            "Deflated Sharpe ratio",
            f"{judgement.deflated:.3f}",
            f"probability of being better than that luck; wanted: at least {DSR_WANTED}",
        ),
        (
            "Probabilistic Sharpe ratio",
            f"{judgement.probabilistic:.3f}",
            "probability of a true Sharpe ratio above 0, had this been the only trial",
        ),
        (
            "Reality check",
            f"{judgement.p_value:.3f} ± {judgement.p_error:.3f}",
            f"how often the best of these sets does as well without skill; wanted: at most "
            f"{P_ALLOWED}",
        ),
        (
            "Probability of overfitting",
            "-" if over is None else f"{over.probability:.2f}",
            "how often the best set of one half of the days is at or below the median in the "
            f"other; wanted: at most {PBO_ALLOWED}",
        ),
        (
            "Days judged",
            f"{judgement.moments.n_periods:,}",
            f"wanted: at least {judgement.least_days}, which a Sharpe ratio of "
            f"{CREDIBLE_SHARPE:g} a year takes to be believed at 95 %",
        ),
        (
            "Minimum track record",
            f"{track:,.0f} days" if math.isfinite(track) else "never",
            "of such returns before a Sharpe ratio above 0 is believed at 95 %",
        ),
        (
            "Walk forward, rolling",
            _shown(judgement.walk_sharpe(judgement.rolling)),
            "Sharpe ratio of the days after each choice, the days before it choosing",
        ),
        (
            "Walk forward, anchored",
            _shown(judgement.walk_sharpe(judgement.anchored)),
            "the same with every day before it choosing",
        ),
        (
            "Cross-validation, purged",
            f"{paths.mean():.2f}" if paths.size else "-",
            f"mean Sharpe ratio of {paths.size} paths, {paths.min():.2f} to {paths.max():.2f}"
            if paths.size
            else "too few days",
        ),
    ]


def _shown(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.2f}"

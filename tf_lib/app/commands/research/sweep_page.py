"""The page of a sweep: what the report shows, taken from a result."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from tf_lib.pages.research.sweep_report import SweepRecord, write_sweep_report
from tf_lib.research.sweep.judgement import (
    CREDIBLE_SHARPE,
    DSR_WANTED,
    P_ALLOWED,
    PBO_ALLOWED,
    Judgement,
)
from tf_lib.research.sweep.run_sweep import SweepResult


def write_result_page(path: Path, result: SweepResult, walk: pd.DataFrame) -> None:
    """Write the offline report of a sweep."""
    write_sweep_report(path, sweep_record(result, walk))


def sweep_record(result: SweepResult, walk: pd.DataFrame) -> SweepRecord:
    """Return what the report shows of a result."""
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
        warnings=judgement.warnings,
        figures=figures(judgement),
        luck=judgement.luck * math.sqrt(judgement.days_per_year),
        table=result.table,
        paths=result.grid.paths,
        walk=walk,
        has_best_plateau=result.best_plateau is not None,
    )


def figures(judgement: Judgement) -> list[tuple[str, str, str]]:
    """Return the numbers of the verdict, each with what it means."""
    yearly = math.sqrt(judgement.days_per_year)
    over, band = judgement.overfitting, judgement.bands["sharpe"]
    fall = judgement.bands["max_drawdown"]
    track = judgement.track_record_days
    paths = judgement.path_sharpes * yearly
    return [
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
            f"expected of the best of {judgement.trials.n_trials} trials without skill",
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
            f"{judgement.p_value:.3f}",
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

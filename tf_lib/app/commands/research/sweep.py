"""The ``sweep`` command: many backtests, on all processors or a cluster, judged together."""

from __future__ import annotations

import datetime as dt
import io
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tf_lib.app.commands.research.market_data import market_of
from tf_lib.app.commands.research.result_folder import check_research_folder
from tf_lib.app.commands.research.sweep_workers import (
    ProgressLine,
    SweepWorkers,
    ending_cleanly,
    per_portion,
)
from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.parameters import Config, config_from_mapping, load_config
from tf_lib.research.sweep.folder_lock import research_lock
from tf_lib.research.sweep.grid import Grid, grid_of, read_grid
from tf_lib.research.sweep.judgement import (
    CREDIBLE_SHARPE,
    DSR_WANTED,
    PBO_ALLOWED,
    Judgement,
)
from tf_lib.research.sweep.run_sweep import SweepResult, run_sweep
from tf_lib.research.sweep.selection import P_ALLOWED
from tf_lib.research.sweep.study import PlannedSet, Study, changed, make_study
from tf_lib.research.sweep.trials import INVALID
from tf_lib.store.files import write_json, write_whole

if TYPE_CHECKING:
    from tf_lib.pages.research.sweep_report import SweepRecord

Planned = tuple[Study, tuple[PlannedSet, ...], Grid]

SMALL_GRID = {
    "signals.moving_average.fast_mavg": [10, 20, 40],
    "signals.moving_average.slow_mavg": [150, 200, 250],
    "risk_and_sizing.atr_multiplier": [1.75, 2.5, 3.5],
}
"""What to try when nobody says what: the speed of the trend, and how far the stop hangs."""


def sweep_command(
    config_path: Path,
    grid_path: Path,
    candles_dir: Path,
    out_dir: Path,
    scheduler: str | None = None,
    *,
    n_workers: int | None = None,
    start: dt.date | None = None,
    end: dt.date | None = None,
) -> int:
    """
    Run or resume a sweep and write its files into a research folder.

    Parameters
    ----------
    config_path, grid_path : Path
        Parameter file, and what to change in it (`tf_lib.research.sweep.grid`).
    candles_dir : Path
        Candle folder with the tickers of every set.
    out_dir : Path
        The research folder: gets results.csv, results.parquet, walk_forward.csv, summary.json and
        report.html; keeps parts/ and trials.jsonl, which counts every trial ever made there.
    scheduler : str, optional
        Address of a Dask scheduler, such as tcp://10.0.0.5:8786.
    n_workers : int, optional
        Worker processes on this machine; default one per processor.
    start, end : date, optional
        Default ``run.start_date`` and ``run.end_date``.

    Raises
    ------
    ParameterError, BarsError
        Naming the file, path, ticker, days or address.
    SweepInterrupted
        On Ctrl-C, SIGTERM and SIGHUP; what was done is kept.
    """
    check_research_folder(out_dir)
    workers = SweepWorkers(scheduler, n_workers)
    with ending_cleanly(out_dir):
        planned = _planned(config_path, grid_path, str(candles_dir), (start, end))
        # The files, too, are those of one sweep.
        with research_lock(out_dir):
            result = _run(planned, out_dir, workers)
            write_sweep(result, out_dir)
    print(told(result))
    print(f"-> {out_dir}")
    return EXIT_DONE


def sweep_of(
    config_path: Path,
    grid_path: Path | None,
    candles: str,
    out_dir: Path,
    *,
    workers: SweepWorkers | None = None,
    span: tuple[dt.date | None, dt.date | None] = (None, None),
) -> SweepResult:
    """
    Run or resume a sweep; what has landed stays in the research folder.

    Parameters
    ----------
    config_path : Path
    grid_path : Path or None
        None: a small grid around the parameters in use (`SMALL_GRID`).
    candles : str
        A candle folder, or ``synthetic`` for the demo's seeded market.
    out_dir : Path
        The research folder.
    workers : SweepWorkers, optional
    span : (date or None, date or None)
        First and last day; None takes ``run.start_date`` and ``run.end_date``.
    """
    where = workers or SweepWorkers()
    return _run(_planned(config_path, grid_path, candles, span), out_dir, where)


def _planned(
    config_path: Path,
    grid_path: Path | None,
    candles: str,
    span: tuple[dt.date | None, dt.date | None],
) -> Planned:
    config = load_config(config_path)
    if grid_path is None:
        grid = grid_of(SMALL_GRID, config, source="the small grid")
    else:
        grid = read_grid(grid_path, config)
    days = _span(config, *span)
    prices, products = market_of(config, candles, _tickers(config, grid))
    return *make_study(prices, config, grid, products=products, span=days), grid


def _run(asked: Planned, out_dir: Path, workers: SweepWorkers) -> SweepResult:
    study, planned, grid = asked
    n_invalid = sum(1 for one in planned if one.problem)
    again = f" ({grid.n_repeated} written again, tried once)" if grid.n_repeated else ""
    print(
        f"sweep: {len(planned)} sets{again}, {n_invalid} invalid, {study.n_days} days "
        f"from {study.start} to {study.end}, -> {out_dir}",
        file=sys.stderr,
    )
    return run_sweep(
        study,
        planned,
        grid,
        out_dir,
        workers=workers,
        per_portion=per_portion(len(planned), workers.width),
        progress=ProgressLine(),
    )


def _span(config: Config, start: dt.date | None, end: dt.date | None) -> tuple[dt.date, dt.date]:
    first = start or dt.date.fromisoformat(config.run.start_date)
    last = end or dt.date.fromisoformat(config.run.end_date)
    if first > last:
        raise ParameterError(f"the span begins on {first} and ends before that, on {last}")
    return first, last


def _tickers(config: Config, grid: Grid) -> list[str]:
    """Return the tickers of the base and of every valid set."""
    found = set(config.universe.tickers)
    if any(path.startswith("universe") for path in grid.paths):
        base = config.model_dump(mode="python")
        for one in grid.sets:
            try:
                found.update(config_from_mapping(changed(base, one), source="").universe.tickers)
            except ParameterError:
                continue  # It is reported with the other invalid sets.
    return sorted(found)


def write_sweep(result: SweepResult, out_dir: Path) -> None:
    """Write the files of a finished sweep, each whole; equal results are equal bytes."""
    text = result.table.to_csv(index=False, lineterminator="\n")
    write_whole(out_dir / "results.csv", text, durable=False)
    buffer = io.BytesIO()
    result.table.to_parquet(buffer, index=False)
    write_whole(out_dir / "results.parquet", buffer.getvalue(), durable=False)
    walk = walk_frame(result)
    write_whole(
        out_dir / "walk_forward.csv", walk.to_csv(index=False, lineterminator="\n"), durable=False
    )
    write_json(out_dir / "summary.json", result.to_mapping(), durable=False)
    # Charts are not paid for by those who import this module for the rest.
    from tf_lib.pages.research.sweep_report import write_sweep_report

    write_sweep_report(out_dir / "report.html", sweep_record(result, walk))


def walk_frame(result: SweepResult) -> pd.DataFrame:
    """Return one row per fold of both walks forward; Sharpe ratios are a year's."""
    judgement = result.judgement
    yearly = math.sqrt(judgement.days_per_year)
    rows = [
        {
            "kind": kind,
            "from": (result.study.start + dt.timedelta(days=int(choice.fold.test[0]))).isoformat(),
            "to": (result.study.start + dt.timedelta(days=int(choice.fold.test[-1]))).isoformat(),
            "set": choice.number,
            "train_sharpe": choice.train_sharpe * yearly,
            "test_sharpe": choice.test_sharpe * yearly,
        }
        for kind, walk in (("rolling", judgement.rolling), ("anchored", judgement.anchored))
        for choice in walk
    ]
    return pd.DataFrame(rows, columns=["kind", "from", "to", "set", "train_sharpe", "test_sharpe"])


def told(result: SweepResult) -> str:
    """Return what the terminal shows: counts, best set, best plateau, verdict and warnings."""
    counts = ", ".join(f"{n} {status}" for status, n in result.counts.items())
    judgement = result.judgement
    over = judgement.overfitting
    lines = [
        f"{len(result.table)} sets ({counts}); {judgement.trials.n_trials} trials ever made here, "
        f"as good as {judgement.effective_trials:.3g} independent ones",
        _best_line(result),
        _plateau_line(result),
        f"deflated Sharpe {judgement.deflated:.3f}, probabilistic {judgement.probabilistic:.3f}, "
        f"reality check p {judgement.p_value:.3f} +- {judgement.p_error:.3f}, "
        f"probability of overfitting {'-' if over is None else f'{over.probability:.2f}'}",
    ]
    if result.n_restored:
        lines.append(
            f"trials.jsonl had lost {result.n_restored} trials that the parts still know; they "
            "count again"
        )
    problems = result.table[result.table["status"] == INVALID]
    if len(problems):
        lines.append(f"first invalid set {problems['set'].iloc[0]}: {problems['problem'].iloc[0]}")
    lines.append(judgement.verdict if judgement.passed else f"WARNING: {judgement.verdict}")
    lines += [f"  {line}" for answer in judgement.answers for line in answer.lines]
    return "\n".join(lines)


def _best_line(result: SweepResult) -> str:
    best = result.best
    if not math.isfinite(best["sharpe"]):
        return "best     none: no set ever traded"
    behind = "" if best["sharpe"] > 0.0 else " (no set beat not trading)"
    return f"best     set {best['set']}: Sharpe {_figure(best['sharpe'])}{behind}, " + _values(
        result, best
    )


def _plateau_line(result: SweepResult) -> str:
    plateau = result.best_plateau
    if plateau is None:
        return "plateau  undefined: too few neighbouring sets to tell one from another"
    return (
        f"plateau  set {plateau['set']}: Sharpe {_figure(plateau['sharpe'])}, "
        f"{_figure(plateau['plateau_sharpe'])} with its {plateau['neighbours']:.0f} neighbours, "
        f"{_values(result, plateau)}"
    )


def _values(result: SweepResult, row: pd.Series) -> str:
    return ", ".join(f"{path.rsplit('.', 1)[-1]} {row[path]}" for path in result.grid.paths)


def _figure(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "undefined"


# -- the page --------------------------------------------------------------------------------------


def sweep_record(result: SweepResult, walk: pd.DataFrame) -> SweepRecord:
    """Return what the report shows of a result."""
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

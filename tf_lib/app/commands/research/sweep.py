"""The ``sweep`` command: many backtests, on all processors or a cluster, judged together."""

from __future__ import annotations

import datetime as dt
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tf_lib.app.commands.research.market_data import intraday_of, market_of
from tf_lib.app.commands.research.result_folder import check_research_folder
from tf_lib.app.commands.research.sweep_workers import (
    ProgressLine,
    SweepWorkers,
    ending_cleanly,
    per_portion,
)
from tf_lib.app.commands.results.cost_limits import CostLimits, CostQuestions, cost_limits
from tf_lib.app.commands.results.returns_table import write_returns
from tf_lib.app.commands.results.sweep_record import sweep_record, walk_frame
from tf_lib.app.commands.results.sweep_verdict import told
from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.parameters import Config, config_from_mapping, load_config
from tf_lib.research.backtest.run_backtest import backtest
from tf_lib.research.search.proposals import SearchSettings
from tf_lib.research.search.sweep_file import (
    ObjectiveOptions,
    SweepFile,
    read_sweep_file,
    sweep_file_of,
)
from tf_lib.research.sweep.folder_lock import research_lock
from tf_lib.research.sweep.grid import Grid
from tf_lib.research.sweep.run_sweep import SweepResult, run_sweep
from tf_lib.research.sweep.study import PlannedSet, Study, changed, make_study
from tf_lib.store.files import write_json, write_whole

SMALL_GRID = {
    "signals.moving_average.fast_mavg": [10, 20, 40],
    "signals.moving_average.slow_mavg": [150, 200, 250],
    "risk_and_sizing.atr_multiplier": [1.75, 2.5, 3.5],
}
"""What to try when nobody says what: the speed of the trend, and how far the stop hangs."""


@dataclass(frozen=True)
class Planned:
    """A sweep that is ready to run."""

    study: Study
    sets: tuple[PlannedSet, ...]
    grid: Grid
    file: SweepFile
    candles: Mapping[str, pd.DataFrame]


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
    options: ObjectiveOptions | None = None,
    costs: CostQuestions | None = None,
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
        The research folder: gets results.csv, results.parquet, returns.parquet, walk_forward.csv,
        summary.json and report.html; keeps parts/ and trials.jsonl, which counts every trial ever
        made there.
    scheduler : str, optional
        Address of a Dask scheduler, such as tcp://10.0.0.5:8786.
    n_workers : int, optional
        Worker processes on this machine; default one per processor.
    start, end : date, optional
        Default ``run.start_date`` and ``run.end_date``.
    options : ObjectiveOptions, optional
        What "best" means, instead of what the grid file says.
    costs : CostQuestions, optional
        What is asked of the best set besides.

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
        planned = _planned(config_path, grid_path, str(candles_dir), (start, end), options)
        # The files, too, are those of one sweep.
        with research_lock(out_dir):
            result = _run(planned, out_dir, workers)
            limits = _limits_of_best(result, planned.candles, costs or CostQuestions())
            write_sweep(result, out_dir, limits)
    print("\n".join([told(result), *limits.lines]))
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
    options: ObjectiveOptions | None = None,
) -> Planned:
    config = load_config(config_path)
    asked = _asked(grid_path, config, options)
    days = _span(config, *span)
    tickers = _tickers(config, asked.grid)
    prices, products = market_of(config, candles, tickers)
    study, sets = make_study(
        prices,
        config,
        asked.grid,
        products=products,
        span=days,
        intraday=intraday_of(candles, tickers),
    )
    return Planned(study, sets, asked.grid, asked, prices)


def _asked(grid_path: Path | None, config: Config, options: ObjectiveOptions | None) -> SweepFile:
    if grid_path is not None:
        return read_sweep_file(grid_path, config, options)
    return sweep_file_of(SMALL_GRID, config, source=Path("the small grid"), options=options)


def _run(asked: Planned, out_dir: Path, workers: SweepWorkers) -> SweepResult:
    study, planned, grid, by = asked.study, asked.sets, asked.grid, asked.file.objective
    if asked.file.search is not None:
        return _sought(asked, asked.file.search, out_dir, workers)
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
        progress=ProgressLine(by),
        objective=by,
    )


def _sought(
    asked: Planned, search: SearchSettings, out_dir: Path, workers: SweepWorkers
) -> SweepResult:
    # With the sampler's library, which only those pay for who search.
    from tf_lib.research.search.guided import guided_sweep

    study, by = asked.study, asked.file.objective
    print(
        f"sweep: search of {search.trials} sets over {len(asked.file.axes)} parameters for the "
        f"best {by.words}, {study.n_days} days from {study.start} to {study.end}, -> {out_dir}",
        file=sys.stderr,
    )
    with workers.lasting(study, search.trials) as lasting:
        return guided_sweep(
            study,
            asked.file.axes,
            search,
            out_dir,
            objective=by,
            workers=lasting,
            n_workers=workers.width,
            progress=ProgressLine(by),
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


def _limits_of_best(
    result: SweepResult, candles: Mapping[str, pd.DataFrame], asked: CostQuestions
) -> CostLimits:
    """Return what costs and what capital the best set would bear; nothing when none is best."""
    if not (asked.break_even or asked.capacity) or not result.judgement.has_best:
        return CostLimits()
    study, changes = result.study, result.grid.sets[int(result.best["set"])]
    config = study.config(changes)
    bars = study.bars.select(list(config.universe.sorted_tickers))
    best = backtest(
        bars,
        config,
        products=study.products,
        start=study.start,
        end=study.end,
        intraday=study.intraday,
    )
    return cost_limits(best, (candles, study.products), asked)


def write_sweep(result: SweepResult, out_dir: Path, limits: CostLimits | None = None) -> None:
    """Write the files of a finished sweep, each whole; equal results are equal bytes."""
    found = limits or CostLimits()
    text = result.table.to_csv(index=False, lineterminator="\n")
    write_whole(out_dir / "results.csv", text, durable=False)
    buffer = io.BytesIO()
    result.table.to_parquet(buffer, index=False)
    write_whole(out_dir / "results.parquet", buffer.getvalue(), durable=False)
    walk = walk_frame(result)
    write_whole(
        out_dir / "walk_forward.csv", walk.to_csv(index=False, lineterminator="\n"), durable=False
    )
    summary = {**result.to_mapping(), **found.to_mapping()}
    write_json(out_dir / "summary.json", summary, durable=False)
    write_returns(result, out_dir)
    # Charts are not paid for by those who import this module for the rest.
    from tf_lib.pages.research.sweep_report import write_sweep_report

    write_sweep_report(out_dir / "report.html", sweep_record(result, walk), found.page())

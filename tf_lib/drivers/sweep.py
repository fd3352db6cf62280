"""The ``sweep`` command: many backtests, on all processors or a cluster, judged together."""

from __future__ import annotations

import datetime as dt
import io
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tf_lib.drivers.backtest import products_on
from tf_lib.edge.candle_folder import read_candle_folder
from tf_lib.edge.files import write_json, write_whole
from tf_lib.errors import EXIT_DONE, ParameterError
from tf_lib.parameters import Config, config_from_mapping, load_config
from tf_lib.research.evaluate import Evaluation
from tf_lib.research.grid import Grid, read_grid
from tf_lib.research.study import Study, changed, make_study
from tf_lib.research.sweep import MOST_PER_PORTION, SweepResult, run_sweep
from tf_lib.research.trials import INVALID
from tf_lib.research.workers import (
    Portion,
    available_processors,
    cluster_at,
    in_this_process,
    local_workers,
    on_dask,
)

_PORTIONS_PER_WORKER = 4
_CLUSTER_WORKERS = 16
# Sets times bars: some 250 sets of fourteen tickers and four years, about two seconds' work.
_WORTH_PROCESSES = 5_000_000
_QUIET_SECONDS, _LINE_SECONDS = 1.0, 5.0


@dataclass(frozen=True)
class SweepPlace:
    """
    Where a sweep is computed.

    Attributes
    ----------
    scheduler : str or None
        Address of a running Dask scheduler; None: worker processes on this machine.
    n_workers : int or None
        How many of those; None: one per processor. With one, this process does the work.
    """

    scheduler: str | None = None
    n_workers: int | None = None

    def __post_init__(self) -> None:
        if self.n_workers is not None and self.n_workers < 1:
            raise ParameterError(f"--workers must be at least 1, got {self.n_workers}")

    @property
    def width(self) -> int:
        """How many workers to expect."""
        if self.scheduler is not None:
            return _CLUSTER_WORKERS
        return self.n_workers or available_processors()

    def _is_quick(self, study: Study, portions: Sequence[Portion]) -> bool:
        """Whether starting worker processes would take longer than the work itself."""
        n_sets = sum(len(portion) for portion in portions)
        return self.n_workers is None and n_sets * study.bars.close.size < _WORTH_PROCESSES

    def __call__(self, study: Study, portions: Sequence[Portion]) -> Iterator[list[Evaluation]]:
        """Evaluate portions there; with nothing to do, nothing is started."""
        if not portions:
            return
        if self.scheduler is not None:
            with cluster_at(self.scheduler) as client:
                yield from on_dask(client, study, portions)
        elif self.width == 1 or len(portions) == 1 or self._is_quick(study, portions):
            yield from in_this_process(study, portions)
        else:
            with local_workers(min(self.width, len(portions))) as client:
                yield from on_dask(client, study, portions)


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
        Parameter file, and what to change in it (`tf_lib.research.grid`).
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
    """
    place = SweepPlace(scheduler, n_workers)
    config = load_config(config_path)
    grid = read_grid(grid_path, config)
    tickers = _tickers(config, grid)
    candles = read_candle_folder(candles_dir, tickers)
    span = _span(config, start, end)
    study, planned = make_study(
        candles, config, grid, products=products_on(config, candles_dir), span=span
    )
    n_invalid = sum(1 for one in planned if one.problem)
    print(
        f"sweep: {len(planned)} sets, {n_invalid} invalid, {study.n_days} days from {study.start} "
        f"to {study.end}, -> {out_dir}",
        file=sys.stderr,
    )
    result = run_sweep(
        study,
        planned,
        grid,
        out_dir,
        workers=place,
        per_portion=_per_portion(len(planned), place.width),
        progress=_ProgressLine(),
    )
    write_sweep(result, out_dir)
    print(told(result))
    print(f"-> {out_dir}")
    return EXIT_DONE


def _per_portion(n_sets: int, width: int) -> int:
    return max(1, min(MOST_PER_PORTION, math.ceil(n_sets / (width * _PORTIONS_PER_WORKER))))


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


class _ProgressLine:
    """One line on stderr that tells how far a sweep is; a quick one says nothing."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int, total: int, best: float) -> None:
        now = time.monotonic()
        passed = now - self._began
        if self._first is None:
            # What was done before, and the time until the first result, say nothing of the rate.
            self._first = now, done
        is_terminal = sys.stderr.isatty()
        wait = _QUIET_SECONDS if is_terminal else _LINE_SECONDS
        if passed < _QUIET_SECONDS or (now - self._said < wait and done < total):
            return
        self._said = now
        spent, so_far = now - self._first[0], done - self._first[1]
        text = f"sweep: {done} of {total} sets, best Sharpe {best:.2f}"
        if spent > 0 and so_far > 0:
            rate = so_far / spent
            text += f", {rate:.0f} a second"
            text += f", about {(total - done) / rate:.0f} s left" if done < total else ""
        end = "\r" if is_terminal and done < total else "\n"
        print(f"{text:<78}", file=sys.stderr, end=end, flush=True)


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
    from tf_lib.drivers.sweep_page import write_result_page

    write_result_page(out_dir / "report.html", result, walk)


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
    best, plateau, judgement = result.best, result.best_plateau, result.judgement
    over = judgement.overfitting
    lines = [
        f"{len(result.table)} sets ({counts}); {judgement.trials.n_trials} trials ever made here",
        f"best     set {best['set']}: Sharpe {best['sharpe']:.2f}, {_values(result, best)}",
        f"plateau  set {plateau['set']}: Sharpe {plateau['sharpe']:.2f}, "
        f"{plateau['plateau_sharpe']:.2f} with its neighbours, {_values(result, plateau)}",
        f"deflated Sharpe {judgement.deflated:.3f}, probabilistic {judgement.probabilistic:.3f}, "
        f"reality check p {judgement.p_value:.3f}, probability of overfitting "
        f"{'-' if over is None else f'{over.probability:.2f}'}",
    ]
    problems = result.table[result.table["status"] == INVALID]
    if len(problems):
        lines.append(f"first invalid set {problems['set'].iloc[0]}: {problems['problem'].iloc[0]}")
    if not judgement.passed:
        lines += [f"WARNING: {judgement.verdict}", *(f"  {said}" for said in judgement.warnings)]
    else:
        lines.append(judgement.verdict)
    return "\n".join(lines)


def _values(result: SweepResult, row: pd.Series) -> str:
    return ", ".join(f"{path.rsplit('.', 1)[-1]} {row[path]}" for path in result.grid.paths)

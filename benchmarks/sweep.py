"""Sweeps of 14 tickers and 1,400 days: sets a second in one process, and how two compare to one."""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.decide import FIRST_DAY, N_DAYS, made_up_candles
from tf_lib.core.candles.bars import Bars, lag_bars
from tf_lib.parameters import Config, load_config
from tf_lib.project import PARAMETERS
from tf_lib.research.sweep.evaluate import Evaluation, evaluate
from tf_lib.research.sweep.grid import grid_of
from tf_lib.research.sweep.run_sweep import run_sweep
from tf_lib.research.sweep.study import Study, in_chunks, make_study
from tf_lib.research.sweep.workers import local_workers, on_dask

N_SETS, N_WARM = 400, 8
EXECUTION: dict[str, Any] = {
    "execution_and_costs.notional_threshold_pct": {"low": 0.02, "high": 0.2},
    "risk_and_sizing.cap_high": {"low": 0.4, "high": 0.9},
}
EVERYTHING: dict[str, Any] = {
    **EXECUTION,
    "signals.moving_average.fast_mavg": {"low": 5, "high": 40},
    "signals.moving_average.slow_mavg": {"low": 60, "high": 300},
    "signals.moving_average.mavg_z_score_window": {"low": 60, "high": 200},
    "signals.donchian.entry_rolling_donchian_window": {"low": 20, "high": 90},
    "signals.donchian.rank_window": {"low": 120, "high": 300},
    "signals.weighting.weighted_signal_ewm_window": {"low": 1.0, "high": 8.0},
    "signals.filters.rolling_r2.rolling_r2_window": {"low": 50, "high": 200},
    "signals.filters.vol_of_vol.log_std_window": {"low": 7, "high": 30},
    "signals.filters.vol_of_vol.coef_of_variation_window": {"low": 10, "high": 40},
    "signals.filters.vol_of_vol.vol_of_vol_z_score_window": {"low": 60, "high": 200},
    "risk_and_sizing.volatility_window": {"low": 15, "high": 60},
    "risk_and_sizing.rolling_atr_window": {"low": 10, "high": 40},
    "risk_and_sizing.atr_multiplier": {"low": 1.0, "high": 4.0},
}


def _setting() -> tuple[Bars, Config, tuple[dt.date, dt.date]]:
    config = load_config(PARAMETERS / "strategy_v020.yaml")
    end = FIRST_DAY + dt.timedelta(days=N_DAYS)
    bars = lag_bars(made_up_candles(config.universe.sorted_tickers, N_DAYS), as_of=end)
    return bars, config, (FIRST_DAY, end)


def _sets_a_second(what: dict[str, Any], n_sets: int) -> float:
    bars, config, span = _setting()
    for seed, count in ((1, N_WARM), (2, n_sets)):
        grid = grid_of({**what, "random": {"n": count, "seed": seed}}, config, source="benchmark")
        study, sets = make_study(bars, config, grid, span=span)
        (portion,) = in_chunks([one for one in sets if one.key], most=n_sets)
        began = time.perf_counter()
        evaluate(study, portion)
        rate = len(portion) / (time.perf_counter() - began)
    return rate


def _seconds_with(n_workers: int) -> float:
    """Seconds of a whole sweep, table and verdict included, on workers that are warm."""
    bars, config, span = _setting()
    with local_workers(n_workers) as client:

        def workers(study: Study, portions: Sequence[Any]) -> Iterator[list[Evaluation]]:
            yield from on_dask(client, study, portions)

        for seed, count, most in ((1, N_WARM, 1), (2, N_SETS, 20)):
            draw = {**EVERYTHING, "random": {"n": count, "seed": seed}}
            grid = grid_of(draw, config, source="benchmark")
            study, sets = make_study(bars, config, grid, span=span)
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                run_sweep(study, sets, grid, Path(folder), workers=workers, per_portion=most)
                spent = time.perf_counter() - began
    return spent


def measure() -> dict[str, float]:
    """Return sets a second of one process, and the speed-up of two workers over one."""
    one, two = (_seconds_with(n) for n in (1, 2))
    return {
        "sweep_execution_sets_per_second": _sets_a_second(EXECUTION, N_SETS),
        "sweep_everything_sets_per_second": _sets_a_second(EVERYTHING, N_SETS // 2),
        "sweep_two_workers_speedup": one / two,
    }


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name:40} {value:8.2f}")

"""What tests of sweeps are made of: a small market, a small grid, a study."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.core.build import config_with, market
from tf_lib.errors import HaltRun
from tf_lib.parameters import Config
from tf_lib.research.sweep import evaluate
from tf_lib.research.sweep.grid import Grid, grid_of
from tf_lib.research.sweep.run_sweep import SweepResult, run_sweep
from tf_lib.research.sweep.study import PlannedSet, Study, make_study

FAST = "signals.moving_average.fast_mavg"
ATR = "risk_and_sizing.atr_multiplier"
CAP = "risk_and_sizing.cap_high"
THRESHOLD = "execution_and_costs.notional_threshold_pct"
GRID: dict[str, Any] = {FAST: [10, 20, 300], ATR: [1.5, 2.5], THRESHOLD: [0.05, 0.1]}
N_DAYS = 620


@functools.cache
def candles() -> dict[str, pd.DataFrame]:
    return market(N_DAYS)


def config(changes: dict[str, Any] | None = None) -> Config:
    span = {"run.start_date": "2022-01-01", "run.end_date": "2030-01-01", "run.warmup_days": 300}
    return config_with({**span, **(changes or {})})


def planned(
    mapping: dict[str, Any] | None = None, changes: dict[str, Any] | None = None, **settings: Any
) -> tuple[Study, tuple[PlannedSet, ...], Grid]:
    base = config(changes)
    grid = grid_of(mapping or GRID, base, source="g.yaml")
    study, sets = make_study(candles(), base, grid, **settings)
    return study, sets, grid


def swept(folder: Path, mapping: dict[str, Any] | None = None, **settings: Any) -> SweepResult:
    study, sets, grid = planned(mapping)
    return run_sweep(study, sets, grid, folder, **settings)


def halt_sets(patch: pytest.MonkeyPatch, caps: set[float], said: str) -> None:
    """Let the backtests of these values of `CAP` halt."""
    real = vars(evaluate)["backtest"]

    def sometimes(*args: Any, **settings: Any) -> Any:
        if args[1].risk_and_sizing.cap_high in caps:
            raise HaltRun(said)
        return real(*args, **settings)

    patch.setattr(evaluate, "backtest", sometimes)


def write_inputs(folder: Path, grid_text: str) -> tuple[Path, Path, Path]:
    """Config, grid and candle folder as files."""
    import yaml

    prices = folder / "candles"
    prices.mkdir(parents=True)
    for ticker, frame in candles().items():
        plain = frame.reset_index()
        plain["date"] = plain["date"].dt.strftime("%Y-%m-%d")
        plain.to_csv(prices / f"{ticker}.csv", index=False)
    (folder / "c.yaml").write_text(yaml.safe_dump(config().to_mapping()))
    (folder / "g.yaml").write_text(grid_text)
    return folder / "c.yaml", folder / "g.yaml", prices


def days(start: str, end: str) -> tuple[dt.date, dt.date]:
    return dt.date.fromisoformat(start), dt.date.fromisoformat(end)

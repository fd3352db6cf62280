"""
A backtest of 14 tickers and 1,400 days beside what two known libraries need for less.

Ours goes from candles to equity and metrics: signals, risk, sizing, gates, stops, lots, fees.
vectorbt is handed the weights that came of it and simulates the orders alone. backtesting.py
knows one asset at a time, so it is handed the same weights ticker by ticker. They take turns, so
that all see the same machine; the first call of each, which compiles, does not count.

The two are an extra that nothing else needs: ``pip install -e '.[bench]'`` into an environment
of its own. Without them ours is measured alone.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.decide import N_DAYS, made_up_candles
from benchmarks.timing import best_ms_in_turn
from tf_lib.parameters import Config, config_from_mapping, load_config
from tf_lib.project import PARAMETERS
from tf_lib.research.backtest.run_backtest import BacktestResult, backtest

TIMES, WARM = 15, 2
_MISSING = "{} is not installed, so ours is measured alone; for it: pip install -e '.[bench]'"


def measure() -> dict[str, float | None]:
    """Return milliseconds of each and ours as a multiple; None where a peer is not installed."""
    config = open_ended(load_config(PARAMETERS / "strategy_v020.yaml"))
    candles = made_up_candles(config.universe.sorted_tickers, N_DAYS)
    result = backtest(candles, config)
    calls: dict[str, Callable[[], object]] = {"backtest": lambda: backtest(candles, config)}
    for name, made in (("vectorbt", _vectorbt), ("backtesting", _backtesting)):
        if importlib.util.find_spec(name) is None:
            print(_MISSING.format(name), file=sys.stderr)
        else:
            calls[name] = made(candles, result)
    took = best_ms_in_turn(list(calls.values()), times=TIMES, warm=WARM)
    ms: dict[str, float | None] = dict(zip(calls, took, strict=True))
    ours = took[0]
    return {
        "backtest_ms": ours,
        "vectorbt_ms": ms.get("vectorbt"),
        "backtesting_py_ms": ms.get("backtesting"),
        "backtest_to_vectorbt": _ratio(ours, ms.get("vectorbt")),
        "backtest_to_backtesting_py": _ratio(ours, ms.get("backtesting")),
    }


def open_ended(config: Config) -> Config:
    """Return parameters that live through every day that can be decided."""
    mapping = config.to_mapping()
    run = {**mapping["run"], "start_date": "1990-01-01", "end_date": "2100-01-01"}
    return config_from_mapping({**mapping, "run": run}, source="benchmark")


def _ratio(ours: float, theirs: float | None) -> float | None:
    return None if theirs is None else ours / theirs


def _given(candles: dict[str, pd.DataFrame], result: BacktestResult) -> tuple[Any, Any]:
    """Return closes and target fractions of equity, both of every day and ticker."""
    close = pd.DataFrame({ticker: candles[ticker]["close"] for ticker in result.tickers})
    kept = 1.0 - result.config.risk_and_sizing.cash_buffer_percentage
    return close, result.weights.mul(kept).reindex(close.index, fill_value=0.0)


def _vectorbt(candles: dict[str, pd.DataFrame], result: BacktestResult) -> Callable[[], object]:
    """Return the bare simulation of orders to target weights out of one purse."""
    import vectorbt

    close, weights = _given(candles, result)
    costs = result.config.execution_and_costs
    settings: dict[str, Any] = {
        "size_type": "targetpercent",
        "group_by": True,
        "cash_sharing": True,
        "call_seq": "auto",
        "fees": costs.taker_fee,
        "slippage": costs.transaction_cost_est,
        "init_cash": float(result.config.run.initial_capital),
        "freq": "1D",
    }
    return lambda: vectorbt.Portfolio.from_orders(close, size=weights, **settings)


def _backtesting(candles: dict[str, pd.DataFrame], result: BacktestResult) -> Callable[[], object]:
    """Return one run per ticker that holds the ticker's weight and nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import backtesting

    class Held(backtesting.Strategy):  # type: ignore[misc]
        """Moves its one position to the weight of the day."""

        weights: Any = None

        def init(self) -> None:
            """Read nothing: the weights are given."""

        def next(self) -> None:
            """Trade to the weight of the day, if that is worth it."""
            wanted = float(self.weights[len(self.data) - 1])
            held = self.position.size * self.data.Close[-1] / self.equity
            if wanted <= 0.0:
                self.position.close()
            elif abs(wanted - held) > 0.01:
                self.buy(size=wanted - held) if wanted > held else self.sell(size=held - wanted)

    _, weights = _given(candles, result)
    frames = {t: frame.tz_localize(None).rename(columns=str.title) for t, frame in candles.items()}
    fee = result.config.execution_and_costs.taker_fee

    def run() -> None:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            for ticker in result.tickers:
                one = backtesting.Backtest(frames[ticker], Held, cash=1e7, commission=fee)
                one.run(weights=np.asarray(weights[ticker]))

    return run

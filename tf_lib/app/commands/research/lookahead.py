"""The ``lookahead`` command: the proof that nothing depends on the future, on real candles."""

from __future__ import annotations

from pathlib import Path

from tf_lib.app.commands.research.progress import Progress
from tf_lib.parameters import load_config
from tf_lib.research.lookahead.backtest_check import (
    backtest_report,
    prove_backtest,
    warm_up_decisions,
)
from tf_lib.research.lookahead.decision_check import (
    COMPARED_DAYS,
    lookahead_report,
    prove_no_lookahead,
    strategy_compute,
    warm_up_table,
)
from tf_lib.store.candle_csv import products_of, read_universe

_DAYS_LATER = (10, 50, 100, 200, 400, 800, 1600)
_WARM_UP_NAMES = ("final_signal", "target_weight")


def lookahead_command(
    config_path: Path, candles_dir: Path, *, every_days: int = 1
) -> tuple[str, bool]:
    """
    Prove promise 1 on a candle folder: signals and weights, and what a backtest decides.

    Parameters
    ----------
    config_path : Path
        Parameter file.
    candles_dir : Path
        Candle folder with the config's tickers.
    every_days : int
        Check one day in so many; 1 checks all.

    Returns
    -------
    (str, bool)
        The report, and whether nothing was found.
    """
    config = load_config(config_path)
    candles = read_universe(candles_dir, config.universe)
    compute, products = strategy_compute(config), products_of(config, candles_dir)
    proof = prove_no_lookahead(
        candles,
        compute,
        every_days=every_days,
        progress=Progress("lookahead 1 of 3, signals and weights", "days"),
    )
    backtests = prove_backtest(
        candles,
        config,
        products=products,
        every_days=every_days,
        progress=Progress("lookahead 2 of 3, the backtest", "days"),
    )
    shortest = min(len(frame) for frame in candles.values())
    days_left = shortest - COMPARED_DAYS - config.run.warmup_days
    starts = [days for days in _DAYS_LATER if days <= days_left]
    progress = Progress("lookahead 3 of 3, later starts of history", "tables")
    table = warm_up_table(candles, compute, days_later=starts, names=_WARM_UP_NAMES)
    progress(1, 2)
    decisions = warm_up_decisions(candles, config, days_later=starts, products=products)
    progress(2, 2)
    text = lookahead_report(proof, table) + "\n" + backtest_report(backtests, decisions)
    return text, proof.passed and backtests.passed

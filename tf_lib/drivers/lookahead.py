"""The ``lookahead`` command: the proof that nothing depends on the future, on real candles."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tf_lib.drivers.backtest import products_on
from tf_lib.edge.candle_folder import read_candle_folder
from tf_lib.parameters import load_config
from tf_lib.research.lookahead import (
    COMPARED_DAYS,
    lookahead_report,
    prove_no_lookahead,
    strategy_compute,
    warm_up_table,
)
from tf_lib.research.lookahead_backtest import (
    backtest_report,
    prove_backtest,
    warm_up_decisions,
)

_LINE_SECONDS = 5.0
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
    candles = read_candle_folder(candles_dir, config.universe.sorted_tickers)
    compute, products = strategy_compute(config), products_on(config, candles_dir)
    proof = prove_no_lookahead(
        candles, compute, every_days=every_days, progress=_Progress("signals and weights")
    )
    lived = prove_backtest(
        candles,
        config,
        products=products,
        every_days=every_days,
        progress=_Progress("the backtest"),
    )
    shortest = min(len(frame) for frame in candles.values())
    room = shortest - COMPARED_DAYS - config.run.warmup_days
    starts = [days for days in _DAYS_LATER if days <= room]
    table = warm_up_table(candles, compute, days_later=starts, names=_WARM_UP_NAMES)
    decisions = warm_up_decisions(candles, config, days_later=starts, products=products)
    text = lookahead_report(proof, table) + "\n" + backtest_report(lived, decisions)
    return text, proof.passed and lived.passed


class _Progress:
    """A line on stderr now and then; a quick proof says nothing."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._said = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._said < _LINE_SECONDS:
            return
        self._said = now
        print(f"lookahead: {self._what}, {done} of {total} days", file=sys.stderr, flush=True)

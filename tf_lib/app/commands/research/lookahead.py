"""The ``lookahead`` command: the proof that nothing depends on the future, on real candles."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tf_lib.app.commands.research.progress import Progress
from tf_lib.parameters import Config, load_config
from tf_lib.research.lookahead.backtest_check import (
    LIVE,
    prove_backtest,
    warm_up_decisions,
)
from tf_lib.research.lookahead.candle_check import ENDS_THERE, prove_reading
from tf_lib.research.lookahead.decision_check import (
    COMPARED_DAYS,
    CUT,
    NOISE,
    UNFINISHED,
    prove_no_lookahead,
    strategy_compute,
    warm_up_table,
)
from tf_lib.research.lookahead.lookahead_proof import (
    LookaheadProof,
    proof_lines,
    shown_columns,
    start_lines,
)
from tf_lib.research.lookahead.record_check import CUT_AFTER, GOES_ON, NOISE_AFTER, prove_record
from tf_lib.store.candle_csv import products_of, read_candle_texts, read_universe

_DAYS_LATER = (10, 50, 100, 200, 400, 800, 1600)
_WARM_UP_NAMES = ("final_signal", "target_weight")
_PARTS = 5


class Part(NamedTuple):
    """One of the proofs: what it is about, what came of it, and the tests of each day."""

    title: str
    proof: LookaheadProof
    tests: Sequence[str]


def lookahead_command(
    config_path: Path, candles_dir: Path, *, every_days: int = 1
) -> tuple[str, bool]:
    """
    Prove promise 1 on a candle folder: candles as read, signals, decisions, and all that follows.

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
    parts = _proofs(config, candles_dir, every_days)
    starts = _later_starts(config, candles_dir)
    shown = [proof_lines(*part) for part in parts]
    return "\n".join([_verdict(parts), *shown, starts]), all(part.proof.passed for part in parts)


def _proofs(config: Config, candles_dir: Path, every_days: int) -> list[Part]:
    """Return what came of each proof, in the order in which a leak would pass through."""
    candles = read_universe(candles_dir, config.universe)
    products = products_of(config, candles_dir)
    reading = prove_reading(
        _texts(config, candles_dir),
        functools.partial(read_universe, universe=config.universe),
        progress=_progress(1, "candles as they are read"),
    )
    decided = prove_no_lookahead(
        candles,
        strategy_compute(config),
        every_days=every_days,
        progress=_progress(2, "signals and weights"),
    )
    backtests, recorded = (
        prove(
            candles,
            config,
            products=products,
            every_days=every_days,
            progress=_progress(number, what),
        )
        for prove, number, what in (
            (prove_backtest, 3, "decisions of a backtest"),
            (prove_record, 4, "fills, stops and equity"),
        )
    )
    return [
        Part("look-ahead in reading candles", reading, (ENDS_THERE,)),
        Part("look-ahead", decided, (CUT, NOISE, UNFINISHED)),
        Part("look-ahead in the backtest", backtests, (CUT, NOISE, LIVE)),
        Part("look-ahead behind the decision", recorded, (CUT_AFTER, NOISE_AFTER, GOES_ON)),
    ]


def _progress(number: int, what: str, unit: str = "days") -> Progress:
    return Progress(f"lookahead {number} of {_PARTS}, {what}", unit)


def _texts(config: Config, candles_dir: Path) -> dict[str, str]:
    """Return the files that the universe is read from, by name."""
    universe = config.universe
    old = [name for name in universe.renamed if (candles_dir / f"{name}.csv").is_file()]
    texts = read_candle_texts(candles_dir, {*universe.sorted_tickers, *old})
    return {f"{name}.csv": text for name, (_, text) in texts.items()}


def _verdict(parts: Sequence[Part]) -> str:
    """Return the line that a person reads first."""
    n_values = sum(part.proof.n_values for part in parts)
    found = [part for part in parts if not part.proof.passed]
    if not found:
        return (
            f"NOTHING KNOWS THE FUTURE: {n_values:,} values compared bit for bit, from candles as "
            "they are read to fills, stops, cash, closing equity and statistics\n"
        )
    columns = sorted({column for part in found for column in part.proof.leaking_columns})
    return f"LOOK-AHEAD FOUND in {', '.join(shown_columns(columns))}\n"


def _later_starts(config: Config, candles_dir: Path) -> str:
    """Return how much changes when every history begins later."""
    candles = read_universe(candles_dir, config.universe)
    products = products_of(config, candles_dir)
    shortest = min(len(frame) for frame in candles.values())
    days_left = shortest - COMPARED_DAYS - config.run.warmup_days
    starts = [days for days in _DAYS_LATER if days <= days_left]
    progress = _progress(_PARTS, "later starts of history", "tables")
    compute = strategy_compute(config)
    table = warm_up_table(candles, compute, days_later=starts, names=_WARM_UP_NAMES)
    progress(1, 2)
    decisions = warm_up_decisions(candles, config, days_later=starts, products=products)
    progress(2, 2)
    return start_lines(COMPARED_DAYS, table, decisions)

"""
Evaluate: the backtests of a portion of sets, each component computed once.

Third stage of a sweep (study -> *evaluations* -> parts -> verdict); this is what a worker does.
A worker keeps bars and components of the study it works on between portions, within a bound.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.signals.columns import check_custom
from tf_lib.core.signals.components import Memo
from tf_lib.errors import HaltRun, TfError
from tf_lib.parameters import Config
from tf_lib.research.backtest.history import History, history_of
from tf_lib.research.backtest.run_backtest import BacktestResult, backtest
from tf_lib.research.backtest.statistics import daily_returns
from tf_lib.research.inference.overfitting import daily_sharpe
from tf_lib.research.sweep.set_keys import code_edition
from tf_lib.research.sweep.study import PlannedSet, Study
from tf_lib.research.sweep.trials import FAILED, OK

METRICS = (
    "total_return",
    "cagr",
    "volatility",
    "sharpe",
    "sortino",
    "calmar",
    "max_drawdown",
    "max_drawdown_days",
    "turnover",
    "fees",
    "exposure",
    "trades",
    "hit_rate",
    "profit_factor",
    "stops_hit",
    "sharpe_daily",
)
MEMO_BYTES = 256 << 20


def this_process() -> str:
    """Return machine and process, for a person to find it."""
    return f"pid {os.getpid()} on {socket.gethostname()}"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """
    What came of one set; small, as it travels from worker to the one who asked.

    Attributes
    ----------
    key : str
    status : str
        ``ok`` or ``failed``.
    problem : str
        Why it failed.
    metrics : tuple of float
        In the order of `METRICS`; NaN when it failed. ``sharpe_daily`` is what the statistics of
        luck use: not annualized, and 0 rather than NaN for a set that never traded.
    returns : float array (n_days,)
        Simple and daily; empty when it failed.
    code : str
        Edition of the code that made it: of the worker, wherever that is.
    worker : str
        Machine and process that made it.
    """

    key: str
    status: str
    problem: str
    metrics: tuple[float, ...]
    returns: FloatArray
    code: str = field(default_factory=code_edition)
    worker: str = field(default_factory=this_process)

    def metric(self, name: str) -> float:
        """Return one of `METRICS`."""
        return self.metrics[METRICS.index(name)]


class BoundedMemo(MutableMapping[tuple[object, ...], FloatArray]):
    """Components by setting; the least recently used go when there are too many bytes."""

    def __init__(self, most_bytes: int = MEMO_BYTES) -> None:
        self._kept: OrderedDict[tuple[object, ...], FloatArray] = OrderedDict()
        self._most, self.nbytes = most_bytes, 0

    def __getitem__(self, key: tuple[object, ...]) -> FloatArray:
        """Return a component and remember that it was of use."""
        self._kept.move_to_end(key)
        return self._kept[key]

    def __setitem__(self, key: tuple[object, ...], grid: FloatArray) -> None:
        """Keep a component; the one just put in always stays."""
        if key in self._kept:
            del self[key]
        self._kept[key] = grid
        self.nbytes += grid.nbytes
        while self.nbytes > self._most and len(self._kept) > 1:
            del self[next(iter(self._kept))]

    def __delitem__(self, key: tuple[object, ...]) -> None:
        """Forget a component."""
        self.nbytes -= self._kept.pop(key).nbytes

    def __iter__(self) -> Iterator[tuple[object, ...]]:
        """Iterate from the least to the most recently used."""
        return iter(self._kept)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._kept)


class Bench:
    """What one thread of a worker keeps of a study between portions."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._memos: dict[tuple[str, ...], Memo] = {}
        self._last: tuple[str, History] | None = None

    def history(self, config: Config, signals_key: str) -> History:
        """Return signals, computed anew only where a setting differs from all before."""
        if self._last is None or self._last[0] != signals_key:
            tickers = config.universe.sorted_tickers
            memo = self._memos.get(tickers)
            if memo is None:
                # Components belong to their tickers; sets of one universe lie side by side.
                self._memos = {tickers: (memo := BoundedMemo())}
            history = history_of(
                self.study.bars,
                config,
                memo=memo,
                since=self.study.start,
                intraday=self.study.intraday,
            )
            self._last = signals_key, history
        return self._last[1]


_here = threading.local()


def _bench(study: Study) -> Bench:
    kept: Bench | None = getattr(_here, "bench", None)
    if kept is None or kept.study.identity != study.identity:
        kept = _here.bench = Bench(study)
    return kept


def evaluate(study: Study, sets: Sequence[PlannedSet]) -> list[Evaluation]:
    """Return what comes of some sets, in their order; a set that fails harms no other."""
    bench = _bench(study)
    return [_evaluated(bench, one) for one in sets]


def _evaluated(bench: Bench, one: PlannedSet) -> Evaluation:
    study = bench.study
    try:
        config = study.config(one.changes)
        result = backtest(
            study.bars,
            config,
            products=study.products,
            start=study.start,
            end=study.end,
            precomputed=bench.history(config, one.signals_key),
        )
        check_custom(result.history.known, config, slice(*result.span))
        returns = _returns(result, study)
    except (TfError, ArithmeticError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        return Evaluation(one.key, FAILED, problem, (np.nan,) * len(METRICS), np.empty(0))
    named = {**result.metrics, "sharpe_daily": daily_sharpe(returns)}
    metrics = tuple(float(named[name]) for name in METRICS)
    return Evaluation(one.key, OK, "", metrics, returns)


def _returns(result: BacktestResult, study: Study) -> FloatArray:
    equity = np.ascontiguousarray(result.tape.days["equity"])
    if equity.size != study.n_days or not np.isfinite(equity).all():
        raise HaltRun(
            f"expected finite equity on all {study.n_days} days from {study.start}, got "
            f"{int(np.isfinite(equity).sum())} of {equity.size}"
        )
    return daily_returns(equity, result.config.run.initial_capital)

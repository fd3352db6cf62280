"""
Record fields: what a backtest has of each day, by the names under which it is compared.

Part of the look-ahead proof of a day's record (`tf_lib.research.lookahead.record_check`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.orders.compiled import Records
from tf_lib.research.backtest.loop_records import HELD, REASON, STOP_LEVEL, WANTED, WEIGHT
from tf_lib.research.backtest.run_backtest import BacktestResult
from tf_lib.research.backtest.statistics import drawdowns
from tf_lib.research.lookahead.lookahead_proof import STATISTIC

Dated = Mapping[str, FloatArray]
_CELLS = {
    "target_weight": WEIGHT,
    "value_held": HELD,
    "resting_stop": STOP_LEVEL,
    "reason": REASON,
    "trade_notional": WANTED,
}
_DAY_NAMES = {"equity": "closing_equity"}
_HOLDING_NAMES = {"lots": "holding_lots", "level": "trail_level", "cooldown": "cooldown_since"}


class Written(NamedTuple):
    """
    What a backtest has of its days.

    Attributes
    ----------
    result : BacktestResult
    statistics : mapping of name to float array of shape (n_days,)
        The rows of equity.csv and of the charts; none where they were not made.
    """

    result: BacktestResult
    statistics: Dated


def written(result: BacktestResult, *, with_statistics: bool) -> Written:
    """Return what a backtest has of its days, made once for several comparisons."""
    if not with_statistics:
        return Written(result, {})
    equity, capital = result.equity, result.config.run.initial_capital
    found = {f"equity.csv {name}": equity[name].to_numpy() for name in equity.columns}
    found["drawdown"] = drawdowns(equity["equity"].to_numpy(), capital)
    found |= {f"{name} growth": grown.to_numpy() for name, grown in result.references.items()}
    return Written(result, found)


def is_same_tape(one: BacktestResult, other: BacktestResult, n_days: int) -> bool:
    """Whether the loop wrote down the same bytes of the first days."""
    return all(
        a[:n_days].tobytes() == b[:n_days].tobytes()
        for a, b in ((one.tape.cells, other.tape.cells), (one.tape.days, other.tape.days))
    )


def tape_of(result: BacktestResult, n_days: int) -> Dated:
    """Return what the loop wrote down of its first days: [day, ticker], or [day] of all."""
    cells, days = result.tape.cells[:n_days], result.tape.days[:n_days]
    return {
        **{field: np.ascontiguousarray(cells[:, k]) for field, k in _CELLS.items()},
        **{_DAY_NAMES.get(name, name): values for name, values in _by_name(days)},
    }


def fills_of(result: BacktestResult, n_days: int) -> Records:
    """Return the fills of a backtest's first days."""
    fills = result.tape.fills
    return fills[: int(fills["row"].searchsorted(result.span[0] + n_days))]


def state_of(result: BacktestResult) -> Dated:
    """Return what is held after the last day: cash, and per ticker holding, memory and stops."""
    state = result.state
    holdings, slots = state.holdings, state.slots
    cash = np.broadcast_to(state.cash, holdings.shape)
    return {
        "cash_after": np.ascontiguousarray(cash),
        **{_HOLDING_NAMES.get(name, name): values for name, values in _by_name(holdings)},
        **{f"stop_{name}": values for name, values in _by_name(slots)},
    }


def statistics_of(result: BacktestResult, *, in_full: bool) -> Dated:
    """Return the numbers of summary.json, each of shape (n,); in full also those of its tables."""
    found: dict[str, Any] = {name: [value] for name, value in result.metrics.items()}
    if in_full:
        for name, numbers in result.reference_metrics.items():
            found |= {f"{name} {metric}": [value] for metric, value in numbers.items()}
        tables = {"ticker": result.by_ticker, "sleeve": result.by_sleeve, "month": result.monthly}
        for name, table in tables.items():
            numeric = table.select_dtypes("number")
            found |= {f"by {name}: {column}": numeric[column] for column in numeric.columns}
        found |= {f"exits: {reason}": [count] for reason, count in result.exit_reasons.items()}
        trades = result.trades[["size", "price", "notional", "fee"]]
        found |= {f"trades.csv {column}": trades[column] for column in trades.columns}
    return {f"{STATISTIC}{name}": _numbers(np.asarray(v)) for name, v in found.items()}


def _by_name(records: Records) -> Iterator[tuple[str, FloatArray]]:
    return ((name, _numbers(records[name])) for name in records.dtype.names or ())


def _numbers(values: np.ndarray[Any, Any]) -> FloatArray:
    return np.ascontiguousarray(values, dtype=np.float64)

"""
Loop records: what the compiled day loop is told, remembers and writes down.

Part of the backtest (`tf_lib.research.backtest.day_loop`). Everything is an array or a tuple of
arrays, so that it can be compiled; a ticker's state is one record, so that a rule takes one
argument. Money is float in quote currency, sizes are whole lots, stop prices whole ticks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from tf_lib.core.jit.arrays import BoolArray, FloatArray, IntArray
from tf_lib.core.model.records import Product
from tf_lib.core.orders.compiled import Records, spec_table
from tf_lib.core.orders.lots_and_ticks import MOST_STOPS, StopRules
from tf_lib.core.sizing.gates import REASONS, Lots, TradeRules
from tf_lib.core.sizing.sizing_rules import SizingRules, SleeveMap

CORE = 0
MOST_FILLS_A_DAY = 4 + 2 * MOST_STOPS
"""Per ticker: its slots at the open, a sale, a pilot and its rest, an exit, its slots by day."""
NEVER = -(1 << 40)
"""The day on which no cooldown ever began."""

HISTORY_ENDED, STOP, STOP_GAPPED, STOP_LIMIT, EMERGENCY = (len(REASONS) + k for k in range(5))
_STOP_REASONS = ("stop", "stop_gapped", "stop_limit", "emergency_exit")
FILL_REASONS = (*(str(reason) for reason in REASONS), "history_ended", *_STOP_REASONS)
"""
Why something traded: a reason of the day's decision, that there are no more prices, or what a stop
did. ``stop`` filled where it
triggered; ``stop_gapped`` triggered on a jump below its level and filled at once; ``stop_limit``
triggered below its limit and filled there when the price came back; ``emergency_exit`` was sold
at the market because the price did not come back before the next run.
"""

HOLDING = np.dtype(
    [
        ("lots", np.int64),
        ("level", np.int64),
        ("cooldown", np.int64),
        ("is_proven", np.bool_),
        ("flow", np.float64),
    ]
)
SLOT = np.dtype(
    [("lots", np.int64), ("level", np.int64), ("limit", np.int64), ("is_triggered", np.bool_)]
)
FILL = np.dtype(
    [
        ("row", np.int64),
        ("ticker", np.int64),
        ("reason", np.int64),
        ("lots", np.int64),
        ("price", np.float64),
        ("notional", np.float64),
        ("fee", np.float64),
    ]
)
DAY = np.dtype(
    [
        ("equity_before", np.float64),
        ("equity_after", np.float64),
        ("equity", np.float64),
        ("cash", np.float64),
        ("traded", np.float64),
        ("fees", np.float64),
        ("volatility_pre", np.float64),
        ("volatility_post", np.float64),
        ("n_eff", np.float64),
        ("shrink", np.float64),
        ("share_error", np.float64),
        ("no_buys", np.bool_),
    ]
)


class LoopPosition(Protocol):
    """
    One ticker's position and memory.

    `level` is the highest stop level since the holding
    last rose above dust, in ticks, 0 for none; `cooldown` the row a cooldown began on;
    `is_proven` whether a stop of the product was ever taken; `flow` the money it has brought in
    less what it cost.
    """

    lots: int
    level: int
    cooldown: int
    is_proven: bool
    flow: float


class Slot(Protocol):
    """One resting stop of a ticker, or none when `lots` is 0; prices in ticks."""

    lots: int
    level: int
    limit: int
    is_triggered: bool


# Fields of a day's own bars, of what is known when it begins, and of what is written of it.
OPEN, HIGH, LOW, CLOSE = range(4)
SIGNAL, LEVEL, ATR, LAST_CLOSE, FINAL_SIGNAL, IS_OK = range(6)
WEIGHT, HELD, STOP_LEVEL, REASON, WANTED = range(5)


class ShorterCandles(NamedTuple):
    """
    Candles shorter than a day, of all tickers one after the other.

    Attributes
    ----------
    starts : int array of shape (n_candles,)
        Begin of each, microseconds since 00:00 of its day.
    values : float array of shape (n_candles, 4)
        `OPEN` to `CLOSE`.
    rows : int array [row, (first, end), ticker]
        Which candles are those of a day; equal where it has none. Without any candle at all it has
        no rows.
    lengths : int array [ticker]
        Microseconds.
    """

    starts: IntArray
    values: FloatArray
    rows: IntArray
    lengths: IntArray

    def has_any(self) -> BoolArray:
        """Return which days and tickers have some, [row, ticker]."""
        has: BoolArray = self.rows[:, 1] > self.rows[:, 0]
        return has


NO_SHORTER_CANDLES = ShorterCandles(
    np.empty(0, np.int64), np.empty((0, 4)), np.empty((0, 2, 0), np.int64), np.empty(0, np.int64)
)


class MarketArrays(NamedTuple):
    """
    What the days bring, the same for every parameter set that shares its signals.

    Attributes
    ----------
    bars : float array [row, field, ticker]
        `OPEN` to `CLOSE` of the day itself; flat where none was traded, NaN before the listing.
        `OPEN` is what the run at 00:01 trades at: on days with shorter candles, theirs.
    known : float array [row, field, ticker]
        `SIGNAL` to `IS_OK` (1 or 0) as the day begins.
    returns : float array [ticker, row]
        Simple daily returns known as the day begins.
    ended : int array [ticker]
        The first row without a price where a history ends before the others'; else past all rows.
    shorter : ShorterCandles
        They say in which order a day's prices came, where there are some.
    """

    bars: FloatArray
    known: FloatArray
    returns: FloatArray
    ended: IntArray
    shorter: ShorterCandles


class CostRates(NamedTuple):
    """Fractions of notional; what is paid is what cash is set aside for."""

    slippage: float
    maker: float
    taker: float


class Handling(NamedTuple):
    """How orders and stops are handled, and what they cost."""

    stops: StopRules
    costs: CostRates
    cooldown_days: int


class Rules(NamedTuple):
    """Everything that does not change from day to day."""

    sizing: SizingRules
    sleeves: SleeveMap
    covariance_window: int
    covariance_method: int
    trades: TradeRules
    lots: Lots
    handling: Handling


class Loop(NamedTuple):
    """State that each day changes: a record and `MOST_STOPS` slots per ticker; one item of cash."""

    cash: FloatArray
    holdings: Records
    slots: Records
    specs: Records


class Tape(NamedTuple):
    """
    What is written down.

    Attributes
    ----------
    fills : record array
        In order; the first `n_fills` (one item) are written.
    days : record array [line]
    cells : float array [line, field, ticker]
        `WEIGHT`, target; `HELD`, value at the close; `STOP_LEVEL`, the highest that rests after
        the run, NaN for none; `REASON`, its code; `WANTED`, the signed notional to trade.
    """

    fills: Records
    n_fills: IntArray
    days: Records
    cells: FloatArray


def new_state(tickers: Sequence[str], products: Mapping[str, Product], *, cash: float) -> Loop:
    """Return a state that holds nothing but cash."""
    n = len(tickers)
    holdings = np.zeros(n, dtype=HOLDING)
    holdings["cooldown"] = NEVER
    spec = spec_table(products[ticker] for ticker in tickers)
    return Loop(np.array([cash]), holdings, np.zeros((n, MOST_STOPS), dtype=SLOT), spec)


def new_tape(n_days: int, n_tickers: int) -> Tape:
    """Return space for so many days, and for one fill on each and all there can be on two."""
    cells = np.zeros((n_days, 5, n_tickers))
    cells[:, STOP_LEVEL] = np.nan
    return Tape(
        fills=np.empty(n_days + 2 * n_tickers * MOST_FILLS_A_DAY, dtype=FILL),
        n_fills=np.zeros(1, dtype=np.int64),
        days=np.zeros(n_days, dtype=DAY),
        cells=cells,
    )


def with_more_fills(tape: Tape) -> Tape:
    """Return the same tape with twice the space for fills."""
    fills = np.empty(2 * tape.fills.size, dtype=FILL)
    fills[: tape.fills.size] = tape.fills
    return tape._replace(fills=fills)

"""What tests of the backtest are made of: days written by hand, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tests.core.build import config_with
from tf_lib.core.candles.bars import Bars
from tf_lib.core.candles.intraday_bars import LENGTHS
from tf_lib.core.candles.rows import INTRADAY_HEADER
from tf_lib.core.model.products import default_product
from tf_lib.core.model.records import FeeRates, Product
from tf_lib.core.signals.columns import Columns, Signals
from tf_lib.parameters import Config
from tf_lib.research.backtest.history import History
from tf_lib.research.backtest.loop_records import NO_SHORTER_CANDLES, MarketArrays
from tf_lib.research.backtest.run_backtest import BacktestResult, backtest

ONE = {"Core": {"weight": 1.0, "tickers": ["AAA-USD"]}}
PRODUCT = default_product("AAA-USD", tick="0.01", base_step="0.01")
BEFORE = 40
"""Days of history before the first day that is written down; returns of 1 % up and down."""


@dataclass(frozen=True)
class Written:
    """
    One day of one ticker.

    Attributes
    ----------
    path : (open, high, low, close)
    stop, atr : float
        Chandelier and average range as known that morning.
    signal : float
        Volatility-adjusted; 0 wants nothing, NaN is unknown.
    """

    path: tuple[float, float, float, float]
    stop: float = 95.0
    atr: float = 2.0
    signal: float = 1.0
    is_ok: bool = True


def flat(price: float = 100.0, **known: Any) -> Written:
    """A day on which nothing moves."""
    return Written((price, price, price, price), **known)


def history_of_days(days: Mapping[str, Sequence[Written]]) -> History:
    """Return the history in which exactly these days happen, after `BEFORE` quiet ones."""
    tickers = tuple(sorted(days))
    n_days = BEFORE + len(days[tickers[0]])
    quiet = [Written((100.0, 100.0, 100.0, 100.0), signal=0.0)] * BEFORE
    grids = [[*quiet, *days[ticker]] for ticker in tickers]

    def grid(value: Any) -> Any:
        return np.array([[value(one) for one in column] for column in grids], dtype=np.float64).T

    bars = [grid(lambda one, k=k: one.path[k]) for k in range(4)]
    known = [
        grid(lambda one: one.signal),
        grid(lambda one: one.stop),
        grid(lambda one: one.atr),
        bars[0],
        grid(lambda one: one.signal),
        grid(lambda one: one.is_ok),
    ]
    wobble = np.where(np.arange(n_days) % 2 == 0, 0.01, -0.01)
    market = MarketArrays(
        bars=np.stack(bars, axis=1),
        known=np.stack(known, axis=1),
        returns=np.repeat(wobble[None, :], len(tickers), axis=0),
        ended=np.full(len(tickers), n_days + 1),
        shorter=NO_SHORTER_CANDLES,
    )
    index = pd.date_range("2024-01-01", periods=n_days + 1, tz="UTC", name="date")
    return History(_bars(tickers, index), _signals(tickers, index), market)


def intraday_text(frame: pd.DataFrame, granularity: str, *, seed: int) -> str:
    """
    Return a file of shorter candles of a ticker's days; some days have none, others have holes.

    They jump, and reach the day's high and low at any time of it.
    """
    random, step = np.random.default_rng(seed), LENGTHS[granularity]
    decimals = max(len(str(price).partition(".")[2]) for price in frame["high"])
    lines, n = [INTRADAY_HEADER], 86_400 // step
    for day, row in zip(frame.index, frame.to_dict("records"), strict=True):
        if random.uniform() < 0.2:
            continue
        for k in np.flatnonzero(random.uniform(size=n) < 0.9).tolist():
            low, high = float(row["low"]), float(row["high"])
            inside = [round(float(p), decimals) for p in random.uniform(low, high, 4)]
            o = float(row["open"]) if k == 0 and random.uniform() < 0.5 else inside[0]
            top = high if random.uniform() < 3 / n else max(o, *inside)
            bottom = low if random.uniform() < 3 / n else min(o, *inside)
            at = (day + pd.Timedelta(seconds=k * step)).strftime("%Y-%m-%dT%H:%M:%SZ")
            lines.append(f"{at},{o},{top},{bottom},{inside[1]},1")
    return "\n".join(lines) + "\n"


def _bars(tickers: tuple[str, ...], days: pd.DatetimeIndex) -> Bars:
    nothing = np.full((len(days), len(tickers)), np.nan)
    zeros = np.zeros(len(tickers), dtype=np.int64)
    marks = np.zeros(nothing.shape, dtype=np.bool_)
    prices = (nothing, nothing, nothing, nothing, nothing)
    return Bars(tickers, days, *prices, marks, zeros, zeros + len(days), marks, (), ())


def _signals(tickers: tuple[str, ...], days: pd.DatetimeIndex) -> Signals:
    shape = (len(days), len(tickers))
    no = np.zeros(shape[::-1], dtype=np.bool_)
    return Signals(
        tickers,
        days,
        values=Columns({}, is_short=no, is_good=~no, need_history=()),
        data_ok=np.ones(shape, dtype=np.bool_),
        simple_return=np.zeros(shape),
        history_bars=np.full(shape, 1000),
    )


def config_of(changes: Mapping[str, Any] | None = None, **universe: Any) -> Config:
    """Return parameters for written days: one ticker, 15,000 to begin with, any span."""
    wide = {"run.start_date": "2000-01-01", "run.end_date": "2100-01-01"}
    return config_with({**wide, **(changes or {})}, sleeves=universe.get("sleeves", ONE))


def lived(
    *days: Written,
    changes: Mapping[str, Any] | None = None,
    product: Product = PRODUCT,
    fees: FeeRates | None = None,
) -> BacktestResult:
    """Live through days of one ticker; the result begins on the first of them."""
    history = history_of_days({"AAA-USD": days})
    return backtest(
        {},
        config_of(changes),
        products={"AAA-USD": product},
        start=history.day(BEFORE),
        fees=fees,
        precomputed=history,
    )


# Price at the start and tick of a market that jumps.
WILD = {
    "BTC-USD": (20_000.0, "0.01"),
    "ETH-USD": (900.0, "0.01"),
    "SOL-USD": (20.0, "0.01"),
    "ADA-USD": (0.02, "0.0001"),
    "AVAX-USD": (9.0, "0.01"),
    "DOGE-USD": (0.004, "0.00001"),
    "LTC-USD": (60.0, "0.01"),
}


def wild_candles(seed: int, n_days: int = 700) -> dict[str, pd.DataFrame]:
    """A market that trends for weeks, jumps overnight on one day in twelve, and misses days."""
    random = np.random.default_rng(seed)
    drift = random.choice([-0.012, 0.0, 0.016], n_days // 50 + 1).repeat(50)[:n_days]
    days = pd.date_range("2020-01-01", periods=n_days, tz="UTC", name="date")
    made = {}
    for ticker, (price, tick) in WILD.items():
        jumps = np.where(random.random(n_days) < 0.08, random.normal(0, 0.12, n_days), 0.0)
        moves = drift * random.normal(0.5, 0.3, n_days) + random.normal(0, 0.025, n_days)
        close = price * np.exp(np.cumsum(jumps + moves))
        opened = close / np.exp(moves)
        reach = 1 + np.abs(random.normal(0, 0.015, (2, n_days)))
        columns = {
            "open": opened,
            "high": np.maximum(opened, close) * reach[0],
            "low": np.minimum(opened, close) / reach[1],
            "close": close,
        }
        frame = pd.DataFrame(columns, index=days).map(lambda p, t=float(tick): max(p, 5 * t))
        decimals = len(tick.split(".")[1])
        frame = frame.round(decimals)
        frame["high"] = frame[["open", "high", "close"]].max(axis=1)
        frame["low"] = frame[["open", "low", "close"]].min(axis=1)
        frame["volume"] = 1000.0
        made[ticker] = frame[random.random(n_days) > 0.01]
    made["SOL-USD"] = made["SOL-USD"].drop(made["SOL-USD"].loc["2021-02-24":"2021-03-02"].index)
    return made

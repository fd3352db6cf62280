"""
Trading statistics: what the fills of a backtest say, and who earned what.

Part of research (day loop -> *statistics* -> report). A round trip begins when a holding rises from
nothing and ends when it is sold, but for a rest that is worth less than the exchange's least
order; its profit is what the sales brought less what the purchases cost, fees included. One that
is still open at the end is not counted.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from tf_lib.core.jit.arrays import FloatArray, kernel
from tf_lib.core.orders.compiled import Records, is_dust
from tf_lib.parameters import Config
from tf_lib.research.backtest.loop_records import HELD, STOP, STOP_GAPPED, Loop, Tape


@kernel
def round_trip_profits(fills: Records, specs: Records) -> FloatArray:
    """Return the profit of each closed round trip in the order in which they closed."""
    profits = np.empty(fills.size)
    flow = np.zeros(specs.size)
    lots = np.zeros(specs.size, dtype=np.int64)
    closed = 0
    for k in range(fills.size):
        fill = fills[k]
        i = fill.ticker
        lots[i] += fill.lots
        flow[i] -= fill.fee
        if fill.lots > 0:
            flow[i] -= fill.notional
            continue
        flow[i] += fill.notional
        if is_dust(lots[i], fill.price, specs[i]):
            profits[closed] = flow[i]
            closed += 1
            flow[i] = 0.0
    return profits[:closed]


def trading(tape: Tape, state: Loop, *, days_per_year: int) -> dict[str, float]:
    """
    Return the numbers that follow from fills.

    Returns
    -------
    dict of str to float
        hit_rate (share of round trips with a profit), profit_factor (profits over losses),
        round_trips, trades (fills), turnover (notional traded a year over mean equity), traded,
        fees, exposure (mean share of equity invested at the close), stops_hit, stops_gapped.
    """
    fills = tape.fills
    profits = round_trip_profits(fills, state.specs)
    gains, losses = profits[profits > 0.0], profits[profits <= 0.0]
    lost = -float(losses.sum())
    equity, cash = tape.days["equity"], tape.days["cash"]
    traded = float(fills["notional"].sum())
    years = equity.size / days_per_year
    return {
        "hit_rate": gains.size / profits.size if profits.size else math.nan,
        "profit_factor": float(gains.sum()) / lost if lost > 0.0 else math.nan,
        "round_trips": int(profits.size),
        "trades": int(fills.size),
        "turnover": traded / float(equity.mean()) / years,
        "traded": traded,
        "fees": float(fills["fee"].sum()),
        "exposure": float(((equity - cash) / equity).mean()),
        # Reasons of stops are the last ones, from the mildest to the worst.
        "stops_hit": stops_ended(fills, STOP, state.specs.size),
        "stops_gapped": stops_ended(fills, STOP_GAPPED, state.specs.size),
    }


@kernel
def stops_ended(fills: Records, first_reason: int, n_tickers: int) -> int:
    """Count the days and tickers on which a stop ended; two slots at once are one stop."""
    last_row = np.full(n_tickers, -1, dtype=np.int64)
    count = 0
    for k in range(fills.size):
        fill = fills[k]
        if fill.reason >= first_reason and last_row[fill.ticker] != fill.row:
            last_row[fill.ticker] = fill.row
            count += 1
    return count


def by_ticker(tickers: tuple[str, ...], config: Config, *, tape: Tape, state: Loop) -> pd.DataFrame:
    """
    Return what each ticker did.

    Returns
    -------
    DataFrame indexed by ticker
        sleeve; profit in quote currency; contribution, profit as a fraction of the capital at
        the start (they add up to the total return); trades, fees; exposure, mean share of equity.
    """
    n = len(tickers)
    of = tape.fills["ticker"]
    profit = state.holdings["flow"] + tape.cells[-1, HELD]
    exposure = (tape.cells[:, HELD] / tape.days["equity"][:, None]).mean(axis=0)
    return pd.DataFrame(
        {
            "sleeve": [config.universe.sleeve_of[ticker] for ticker in tickers],
            "profit": profit,
            "contribution": profit / config.run.initial_capital,
            "trades": np.bincount(of, minlength=n),
            "fees": np.bincount(of, weights=tape.fills["fee"], minlength=n),
            "exposure": exposure,
        },
        index=pd.Index(tickers, name="ticker"),
    )


def by_sleeve(tickers_table: pd.DataFrame) -> pd.DataFrame:
    """Return the same per sleeve."""
    table = tickers_table.groupby("sleeve").sum(numeric_only=True)
    return table.sort_index()


def monthly_returns(returns: pd.Series[float]) -> pd.DataFrame:
    """
    Return compounded returns with a row per year, a column per month and the year's own.

    Examples
    --------
    >>> days = pd.to_datetime(["2024-01-30", "2024-01-31", "2024-02-01"], utc=True)
    >>> monthly_returns(pd.Series([0.1, 0.1, -0.5], index=days)).round(3).to_dict("index")
    {2024: {1: 0.21, 2: -0.5, 'year': -0.395}}
    """
    index = pd.DatetimeIndex(returns.index)
    growth = returns + 1.0
    table = growth.groupby([index.year, index.month]).prod().unstack() - 1.0
    table.index.name, table.columns.name = None, None
    return table.assign(year=growth.groupby(index.year).prod() - 1.0)

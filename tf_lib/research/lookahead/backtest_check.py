"""
Look-ahead in the compiled path: each day of a backtest against days that know no future.

`tf_lib.research.lookahead.decision_check` proves it of signals and weights as the daily run
computes them. A backtest adds a loop with a memory: cash, holdings, stops, cooldowns. What the loop
decides on a day must be the same, bit for bit, when of that day only the open is known and nothing
after it; when the rest of the day and all that follows is noise; and when the live path decides,
from what the loop held that morning.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tf_lib.core.candles.bars import lag_bars
from tf_lib.core.candles.quarantine import live_on
from tf_lib.core.decision import decide, with_last_closes
from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.model.products import products_for
from tf_lib.core.model.records import PortfolioState, Product
from tf_lib.core.orders.lots_and_ticks import Spec, price_of, units_of
from tf_lib.core.signals.columns import signals
from tf_lib.core.sizing.gates import REASONS
from tf_lib.parameters import Config
from tf_lib.research.backtest.day_loop import is_narrow
from tf_lib.research.backtest.history import History
from tf_lib.research.backtest.loop_records import (
    HELD,
    NEVER,
    REASON,
    STOP_LEVEL,
    WANTED,
    WEIGHT,
    Loop,
    new_tape,
)
from tf_lib.research.backtest.loop_stops import meet_morning
from tf_lib.research.backtest.run_backtest import BacktestResult, backtest, rules_of
from tf_lib.research.lookahead.decision_check import COMPARED_DAYS, CUT, NOISE
from tf_lib.research.lookahead.futures import Candles, Futures
from tf_lib.research.lookahead.lookahead_proof import (
    Beside,
    LookaheadProof,
    Progress,
    compared,
)

LIVE = "the live path"
_DECIDED = (
    "target_weight", "reason", "trade_notional", "resting_stop", "held_before", "equity_before",
    "equity_after",
)  # fmt: skip


def prove_backtest(
    candles: Candles,
    config: Config,
    *,
    products: Mapping[str, Product] | None = None,
    every_days: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> LookaheadProof:
    """
    Compare what the backtest decides on each day with what it decides without a future.

    Parameters
    ----------
    candles : mapping of ticker to DataFrame
        As `tf_lib.core.candles.bars.lag_bars` takes them.
    config : Config
        Its range does not matter: every day that can be decided is run.
    products : mapping of ticker to Product, optional
        What is missing comes from the built-in table.
    every_days : int
        Check one day in so many, always with the last; 1 checks all.
    seed : int
        Of the noise that replaces the future.
    progress : callable (days checked, days to check), optional

    Raises
    ------
    BarsError
        If no day can be decided.
    """

    def run_over(its: Candles, last: dt.date, *, history: History | None = None) -> BacktestResult:
        return backtest(
            its, config, products=products, start=dt.date.min, end=last, precomputed=history
        )

    whole = run_over(candles, dt.date.max)
    futures = Futures(candles, seed)
    traded = set().union(*(frame.index for frame in candles.values()))
    days = [stamp.date() for stamp in whole.days if stamp in traded]

    def beside(day: dt.date) -> Beside:
        expected = _decided(whole, day)
        up_to_open = futures.through_open(day)
        cut, noisy = run_over(up_to_open, day), run_over(futures.noise_after_open(day), day)
        seen = [(CUT, expected, _decided(cut, day)), (NOISE, expected, _decided(noisy, day))]
        if day > cut.days[0].date():
            before = day - dt.timedelta(days=1)
            morning = run_over(up_to_open, before, history=cut.history)
            live = _live(futures.before(day), morning, day, products)
            seen.append((LIVE, {name: expected[name] for name in live}, live))
        return list(seen)

    checked = days[::-1][::every_days][::-1]
    return compared(beside, checked, whole.tickers, n_days=len(whole.days), progress=progress)


def _decided(result: BacktestResult, day: dt.date) -> dict[str, FloatArray]:
    """Return what the run of a day decided and left, each of shape (n_tickers,)."""
    line = (day - result.days[0].date()).days
    if line < 0:
        # It begins later than the run it is compared with, which is a difference in everything.
        return dict.fromkeys(_DECIDED, np.full(len(result.tickers), np.nan))
    cells, days, n = result.tape.cells[line], result.tape.days[line], len(result.tickers)
    return {
        "target_weight": cells[WEIGHT],
        "reason": cells[REASON],
        "trade_notional": cells[WANTED],
        "resting_stop": cells[STOP_LEVEL],
        "held_before": result.tape.cells[line - 1, HELD] if line > 0 else np.zeros(n),
        "equity_before": np.full(n, days["equity_before"]),
        "equity_after": np.full(n, days["equity_after"]),
    }


def _live(
    past: Candles, morning: BacktestResult, day: dt.date, products: Mapping[str, Product] | None
) -> dict[str, FloatArray]:
    """Return what the daily run decides from what the loop held, on bars through the day before."""
    config = morning.config
    bars = lag_bars({t: past[t] for t in config.universe.sorted_tickers}, as_of=day)
    account = morning_after(morning, products)
    known = signals(
        bars,
        config,
        live=live_on(bars, day, account.mid_prices),
        doubts=morning.history.known.doubts,
    )
    decision = decide(
        bars,
        with_last_closes(account, known, as_of=day),
        config,
        as_of=day,
        products=products,
        not_protectable=frozenset(morning.tickers) - frozenset(account.mid_prices),
        computed=known,
    )
    return {
        "target_weight": decision.sizing.target_weight,
        "reason": np.array([REASONS.index(why) for why in decision.trades.reasons], dtype=float),
        "trade_notional": decision.trades.trade_notional,
    }


def morning_after(
    result: BacktestResult, products: Mapping[str, Product] | None = None
) -> PortfolioState:
    """
    Return what a live run would plan from at 00:01 of the day after a backtest's last one.

    What triggered stops could not sell has been sold at the market then.

    Parameters
    ----------
    result : BacktestResult
        Its history must hold that day's bar, of which only the open is used.
    products : mapping of ticker to Product, optional
        As they were given to the backtest.

    Returns
    -------
    PortfolioState
        Without the mid price of a ticker whose spread is too wide to trade on.
    """
    history, row, tickers = result.history, result.span[1], result.tickers
    rules = rules_of(result.config, products_for(tickers, products), None)
    ended = result.state
    state = Loop(ended.cash.copy(), ended.holdings.copy(), ended.slots.copy(), ended.specs)
    meet_morning(row, history.market, rules.handling.costs, state, new_tape(1, len(tickers)))
    positions: dict[str, float] = {}
    mids: dict[str, float] = {}
    cooldowns: dict[str, dt.date] = {}
    stops: dict[str, float] = {}
    for i, ticker in enumerate(tickers):
        spec = Spec(*(value.item() for value in state.specs[i]))
        holding, price = state.holdings[i], float(history.opens[row, i])
        if row < history.market.ended[i] and is_narrow(price, spec):
            mids[ticker] = price
        if holding["cooldown"] != NEVER:
            cooldowns[ticker] = history.day(int(holding["cooldown"]))
        if holding["lots"] > 0:
            positions[ticker] = units_of(int(holding["lots"]), spec)
            resting = [
                s["level"] for s in state.slots[i] if s["lots"] > 0 and not s["is_triggered"]
            ]
            if resting:
                stops[ticker] = price_of(int(max(resting)), spec)
    return PortfolioState(float(state.cash[0]), positions, mids, cooldowns, stops)


def warm_up_decisions(
    candles: Candles,
    config: Config,
    *,
    days_later: Sequence[int],
    products: Mapping[str, Product] | None = None,
) -> pd.DataFrame:
    """
    Say how backtests of the last days differ when every history begins some days later.

    Each begins with the same cash on the same day; only what came before it is shorter.

    Parameters
    ----------
    days_later : sequence of int
        How many of its first bars each ticker loses.

    Returns
    -------
    DataFrame
        One row per start: days_later; decisions, of how many days and tickers together;
        other_reason, how many of them say something else; other_trade, how many trade another
        amount by a cent or more; total_return, and the return with the whole history.
    """
    last = max(frame.index[-1] for frame in candles.values() if len(frame)).date()
    first = last - dt.timedelta(days=COMPARED_DAYS - 1)

    def run_over(skipped: int) -> BacktestResult:
        kept = {ticker: frame.iloc[skipped:] for ticker, frame in candles.items()}
        return backtest(kept, config, products=products, start=first, end=last)

    whole = run_over(0)
    rows = []
    for skipped in days_later:
        other = run_over(skipped)
        lines = slice(len(whole.days) - len(other.days), None)
        ours, theirs = whole.tape.cells[lines], other.tape.cells
        apart = np.abs(ours[:, WANTED] - theirs[:, WANTED])
        rows.append(
            {
                "days_later": skipped,
                "decisions": ours[:, REASON].size,
                "other_reason": int((ours[:, REASON] != theirs[:, REASON]).sum()),
                "other_trade": int((apart >= 0.01).sum()),
                "total_return": other.metrics["total_return"],
                "whole_return": whole.metrics["total_return"],
            }
        )
    return pd.DataFrame(rows)

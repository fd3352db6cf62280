"""
Backtest: from candles to equity, with the kernels of the live day in one compiled loop.

What a date range would have earned had the daily run done its work on each of them: the same
signals, sizing, gates, whole lots, fees, slippage, stops and gaps. A history can be computed once
and handed in, so that parameter sets that share it do not pay twice.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from tf_lib.core.candles.bars import Bars
from tf_lib.core.model.account import fees_charged
from tf_lib.core.model.products import products_for
from tf_lib.core.model.records import FeeRates, Product
from tf_lib.core.orders.lots_and_ticks import stop_rules
from tf_lib.core.sizing.covariance import METHODS
from tf_lib.core.sizing.gates import lots, trade_rules
from tf_lib.core.sizing.risk_parity import SHARE_ERROR_MOST
from tf_lib.core.sizing.sizing_rules import sizing_rules, sleeve_map
from tf_lib.errors import HaltRun
from tf_lib.parameters import Config
from tf_lib.research.backtest.benchmarks import reference_equities
from tf_lib.research.backtest.day_loop import run_days
from tf_lib.research.backtest.history import Candles, History, history_of
from tf_lib.research.backtest.loop_records import (
    FILL_REASONS,
    HELD,
    REASON,
    STOP,
    STOP_LEVEL,
    WEIGHT,
    CostRates,
    Handling,
    Loop,
    Rules,
    Tape,
    new_state,
    new_tape,
    with_more_fills,
)
from tf_lib.research.backtest.shorter_candles import NO_INTRADAY, Intraday
from tf_lib.research.backtest.statistics import daily_returns, performance
from tf_lib.research.backtest.trading_statistics import (
    by_sleeve,
    by_ticker,
    monthly_returns,
    trading,
)

Progress = Callable[[int, int], None]
_DAYS_AT_ONCE = 250


@dataclass(frozen=True)
class BacktestResult:
    """
    What a date range came to. Money is in quote currency; days are UTC.

    Attributes
    ----------
    config : Config
    history : History
        What it was computed from.
    span : (int, int)
        Rows [first, stop) of the history that were run.
    wanted : (date, date)
        First and last day that were asked for; the span is what the candles have of them.
    tape : Tape
        Everything that was written down, as arrays; the frames below read from it.
    state : Loop
        State after the last day: what a live run would find the next morning.
    metrics : dict of str to float
        See `tf_lib.research.backtest.statistics`.
    compute_seconds : float
        From candles (or a given history) to metrics.
    """

    config: Config
    history: History
    span: tuple[int, int]
    wanted: tuple[dt.date, dt.date]
    tape: Tape
    state: Loop
    metrics: dict[str, float]
    compute_seconds: float

    @property
    def tickers(self) -> tuple[str, ...]:
        """By name."""
        return self.history.tickers

    @property
    def days(self) -> pd.DatetimeIndex:
        """The days of the backtest."""
        return self.history.bars.days[slice(*self.span)]

    @cached_property
    def equity(self) -> pd.DataFrame:
        """Per day, at its close: equity, cash, gross (share of equity invested), return."""
        days = self.tape.days
        return pd.DataFrame(
            {
                "equity": days["equity"],
                "cash": days["cash"],
                "gross": self.tape.cells[:, HELD].sum(axis=1) / days["equity"],
                "return": daily_returns(days["equity"], self.config.run.initial_capital),
            },
            index=self.days,
        )

    @cached_property
    def weights(self) -> pd.DataFrame:
        """Target weight per day and ticker, as decided: a fraction of deployable equity."""
        return pd.DataFrame(self.tape.cells[:, WEIGHT], index=self.days, columns=list(self.tickers))

    @cached_property
    def holdings(self) -> pd.DataFrame:
        """Value held at each day's close, per ticker, in quote currency."""
        return pd.DataFrame(self.tape.cells[:, HELD], index=self.days, columns=list(self.tickers))

    @cached_property
    def stops(self) -> pd.DataFrame:
        """Highest stop that rests after each day's run, per ticker; NaN where none does."""
        return pd.DataFrame(
            self.tape.cells[:, STOP_LEVEL], index=self.days, columns=list(self.tickers)
        )

    @cached_property
    def reasons(self) -> pd.DataFrame:
        """Why each ticker traded or did not, per day (docs/design.md section 7)."""
        names = np.array(FILL_REASONS, dtype=object)
        return pd.DataFrame(
            names[self.tape.cells[:, REASON].astype(np.int64)],
            index=self.days,
            columns=list(self.tickers),
        )

    @cached_property
    def trades(self) -> pd.DataFrame:
        """One row per fill in order: date, ticker, side, size, price, notional, fee, reason."""
        fills, specs = self.tape.fills, self.state.specs
        of = fills["ticker"]
        lots_traded = np.abs(fills["lots"])
        sizes = lots_traded * specs["lot_numerator"][of] / specs["lot_denominator"][of]
        return pd.DataFrame(
            {
                "date": self.history.bars.days[fills["row"]],
                "ticker": np.array(self.tickers, dtype=object)[of],
                "side": np.where(fills["lots"] > 0, "BUY", "SELL"),
                "size": sizes,
                "price": fills["price"],
                "notional": fills["notional"],
                "fee": fills["fee"],
                "reason": np.array(FILL_REASONS, dtype=object)[fills["reason"]],
            }
        )

    @cached_property
    def by_ticker(self) -> pd.DataFrame:
        """What each ticker did, see `tf_lib.research.backtest.trading_statistics.by_ticker`."""
        return by_ticker(self.tickers, self.config, tape=self.tape, state=self.state)

    @property
    def by_sleeve(self) -> pd.DataFrame:
        """The same per sleeve."""
        return by_sleeve(self.by_ticker)

    @cached_property
    def monthly(self) -> pd.DataFrame:
        """Compounded return per year and month, and the year's own."""
        return monthly_returns(self.equity["return"])

    @cached_property
    def references(self) -> dict[str, pd.Series[float]]:
        """Equity of the same capital in BTC, and spread evenly, on the same days."""
        grown = reference_equities(self.history, self.span)
        capital = self.config.run.initial_capital
        return {name: pd.Series(g * capital, index=self.days) for name, g in grown.items()}

    @property
    def reference_metrics(self) -> dict[str, dict[str, float]]:
        """The references' own performance."""
        run = self.config.run
        return {
            name: performance(
                growth * run.initial_capital,
                run.initial_capital,
                days_per_year=run.annual_trading_days,
            )
            for name, growth in reference_equities(self.history, self.span).items()
        }

    @property
    def exit_reasons(self) -> pd.Series[int]:
        """
        How many exits there were of each reason; those of stops add up to ``stops_hit``.

        What two stops of a ticker sold on one day is one exit, for the worse of their reasons.
        """
        sales = self.tape.fills[self.tape.fills["lots"] < 0]
        frame = pd.DataFrame({name: sales[name] for name in ("row", "ticker", "reason")})
        frame["kind"] = frame["reason"].clip(upper=STOP)
        is_stop = frame["reason"] >= STOP
        worst = frame[is_stop].groupby(["row", "ticker", "kind"])["reason"].max()
        reasons = pd.concat([frame.loc[~is_stop, "reason"], worst])
        names = pd.Series([FILL_REASONS[reason] for reason in reasons], name="reason", dtype=object)
        return names.value_counts().sort_index()


def backtest(
    candles: Candles | Bars,
    config: Config,
    *,
    products: Mapping[str, Product] | None = None,
    start: dt.date | None = None,
    end: dt.date | None = None,
    fees: FeeRates | None = None,
    precomputed: History | None = None,
    intraday: Intraday = NO_INTRADAY,
    progress: Progress | None = None,
) -> BacktestResult:
    """
    Run a backtest over a date range.

    Parameters
    ----------
    candles : mapping of ticker to DataFrame, or Bars
        Daily bars with columns open, high, low, close, volume, or the same already lagged.
    config : Config
        Parameters; costs, capital and the default span come from here.
    products : mapping of ticker to Product, optional
        The exchange's increments and minimums; what is missing comes from the built-in table.
    start, end : date, optional
        First and last day; default ``run.start_date`` and ``run.end_date``. Clipped to the days
        that can be decided.
    fees : FeeRates, optional
        The account's tier; the configured fees are used where they are higher.
    precomputed : History, optional
        `history_of(candles, config, since=start)`, to share it between parameter sets with equal
        signals.
    intraday : mapping of ticker to IntradayBars, optional
        Candles shorter than a day; on days that have them they say whether a stop or its fill came
        first, as at the simulated exchange.
    progress : callable (days done, days in all), optional

    Raises
    ------
    BarsError
        If no day of the span can be decided.
    HaltRun
        If the sleeve budgets of a day cannot be met; a live run would stop there, too.
    """
    began = time.perf_counter()
    run = config.run
    since = start or dt.date.fromisoformat(run.start_date)
    history = precomputed
    if history is None:
        history = history_of(candles, config, since=since, intraday=intraday)
    until = end or dt.date.fromisoformat(run.end_date)
    first, stop = history.rows(since, until, warmup_days=run.warmup_days)
    table = products_for(history.tickers, products)
    state = new_state(history.tickers, table, cash=run.initial_capital)
    tape = new_tape(stop - first, len(history.tickers))
    tape = _run_range(
        history, rules_of(config, table, fees), (state, tape), (first, stop), progress
    )
    tape = tape._replace(fills=tape.fills[: int(tape.n_fills[0])])
    return BacktestResult(
        config=config,
        history=history,
        span=(first, stop),
        wanted=(since, until),
        tape=tape,
        state=state,
        metrics=_metrics(tape, state, config),
        compute_seconds=time.perf_counter() - began,
    )


def rules_of(config: Config, products: Mapping[str, Product], fees: FeeRates | None) -> Rules:
    """Return what does not change from day to day."""
    costs, risk = config.execution_and_costs, config.risk_and_sizing
    charged = fees_charged(costs, fees)
    return Rules(
        sizing=sizing_rules(config),
        sleeves=sleeve_map(config),
        trades=trade_rules(config, fees),
        lots=lots(config.universe.sorted_tickers, products),
        covariance_window=risk.rolling_cov_window,
        covariance_method=METHODS[risk.covariance],
        handling=Handling(
            stops=stop_rules(config.stops),
            costs=CostRates(
                slippage=float(costs.transaction_cost_est), maker=charged.maker, taker=charged.taker
            ),
            cooldown_days=costs.cooldown_counter_threshold,
        ),
    )


def _run_range(
    history: History,
    rules: Rules,
    records: tuple[Loop, Tape],
    span: tuple[int, int],
    progress: Progress | None,
) -> Tape:
    """Run the loop over a date range, in pieces when somebody wants to hear of progress."""
    (state, tape), (first, stop) = records, span
    at_once = _DAYS_AT_ONCE if progress is not None else stop - first
    row = first
    while row < stop:
        end = min(row + at_once, stop)
        row = run_days(row, end, first, history.market, rules, state, tape)
        if row < end:
            error = float(tape.days[row - first]["share_error"])
            if not error <= SHARE_ERROR_MOST:
                raise HaltRun(
                    f"{history.day(row)}: sleeve shares of risk must come within "
                    f"{SHARE_ERROR_MOST} of their budgets, the solver stopped {error:.3g} away"
                )
            tape = with_more_fills(tape)
        if progress is not None:
            progress(row - first, stop - first)
    return tape


def _metrics(tape: Tape, state: Loop, config: Config) -> dict[str, float]:
    days_per_year = config.run.annual_trading_days
    equity = np.ascontiguousarray(tape.days["equity"])
    return {
        **performance(equity, config.run.initial_capital, days_per_year=days_per_year),
        "target_volatility": config.risk_and_sizing.annualized_target_volatility,
        **trading(tape, state, days_per_year=days_per_year),
    }

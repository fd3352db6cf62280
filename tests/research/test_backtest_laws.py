"""
What holds for every backtest: no look-ahead, no order, no money from nowhere, and the live rules.

On a made-up market of four tickers, and on the real candles of the issue where they are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.core.build import REAL_CANDLES, SLEEVES, config_with, day, market
from tf_lib.core.candles.bars import lag_bars
from tf_lib.core.decision import covariance_at, decide, sized_signal
from tf_lib.core.model.records import FeeRates, PortfolioState
from tf_lib.core.sizing.weights import size_positions
from tf_lib.errors import BarsError, HaltRun
from tf_lib.parameters import Config
from tf_lib.research.backtest.history import history_of
from tf_lib.research.backtest.run_backtest import BacktestResult, backtest
from tf_lib.store.candle_csv import read_candle_folder

N_DAYS = 560
GAPPED = ["stop_gapped", "stop_limit", "emergency_exit"]
ANY_SPAN = {"run.start_date": "2000-01-01", "run.end_date": "2100-01-01"}
SHAPES: dict[str, Mapping[str, Any]] = {
    "defaults": {},
    "all the cash": {
        "risk_and_sizing.cash_buffer_percentage": 0.0,
        "risk_and_sizing.cap_low": 1.0,
        "risk_and_sizing.cap_high": 1.0,
        "execution_and_costs.notional_threshold_pct": 0.0,
    },
    "small steps": {
        "run.initial_capital": 120.0,
        "execution_and_costs.notional_threshold_pct": 0.001,
        "execution_and_costs.min_trade_notional_abs": 1.0,
        "execution_and_costs.cooldown_counter_threshold": 0,
    },
    "tight stops": {
        "risk_and_sizing.atr_multiplier": 0.5,
        "stops.limit_buffer_bps": 0.0,
        "stops.limit_buffer_atr": 0.0,
        "stops.level_above_market": "keep",
        "execution_and_costs.cooldown_counter_threshold": 1,
    },
    "ewm": {"risk_and_sizing.covariance": "ewm", "stops.ratchet": False},
    "ledoit wolf": {"risk_and_sizing.covariance": "ledoit_wolf"},
}
Candles = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def candles() -> Candles:
    """Four tickers; one has a hole of a week, another ends early."""
    made = market(N_DAYS)
    made["BBB-USD"] = made["BBB-USD"].drop(made["BBB-USD"].index[400:407])
    made["CCC-USD"] = made["CCC-USD"].iloc[:-20]
    return made


@pytest.fixture(scope="module", params=SHAPES)
def result(request: pytest.FixtureRequest, candles: Candles) -> BacktestResult:
    """One backtest of each shape."""
    return backtest(candles, shaped(request.param))


def shaped(name: str) -> Config:
    """Return the parameters of a shape."""
    return config_with({**ANY_SPAN, **SHAPES[name]})


def same(one: BacktestResult, other: BacktestResult, *, n_days: int) -> None:
    """Compare the first days of two results bit for bit."""
    last = one.days[n_days - 1]
    for name in ("equity", "weights", "holdings", "stops", "reasons"):
        pd.testing.assert_frame_equal(
            getattr(one, name).iloc[:n_days], getattr(other, name).iloc[:n_days], check_exact=True
        )
    mine, theirs = (each.trades[each.trades["date"] <= last] for each in (one, other))
    pd.testing.assert_frame_equal(mine, theirs)


def test_there_is_something_to_judge(result: BacktestResult) -> None:
    """Every shape buys, sells and is stopped out."""
    assert result.metrics["trades"] > 20
    assert result.metrics["stops_hit"] > 3
    stops = result.exit_reasons.reindex(["stop", *GAPPED], fill_value=0)
    assert stops.sum() == result.metrics["stops_hit"]
    assert stops[GAPPED].sum() == result.metrics["stops_gapped"]


def test_money_comes_from_nowhere_and_goes_nowhere(result: BacktestResult) -> None:
    """Cash is the capital, plus sales, less purchases and fees; holdings are what was bought."""
    trades, capital = result.trades, result.config.run.initial_capital
    sign = np.where(trades["side"] == "SELL", 1.0, -1.0)
    cash = capital + (sign * trades["notional"] - trades["fee"]).sum()

    assert result.equity["cash"].iloc[-1] == pytest.approx(cash, abs=1e-6)
    total = pytest.approx(result.metrics["total_return"], abs=1e-9)
    assert result.by_ticker["contribution"].sum() == total
    profit = result.equity["equity"].iloc[-1] - capital
    assert result.by_sleeve["profit"].sum() == pytest.approx(profit, abs=1e-6)
    assert result.equity["equity"].to_numpy() == pytest.approx(
        (result.equity["cash"] + result.holdings.sum(axis=1)).to_numpy()
    )


def test_cash_never_falls_below_zero(result: BacktestResult) -> None:
    """Nor is there leverage on any day."""
    assert result.equity["cash"].min() >= 0.0
    assert result.equity["gross"].max() <= 1.0


def test_weights_keep_to_the_cap_and_to_one(result: BacktestResult) -> None:
    """At most 60 % in one name, 100 % in all."""
    cap = result.config.risk_and_sizing.cap_high

    assert result.weights.to_numpy().max() <= cap + 1e-12
    assert result.weights.sum(axis=1).max() <= 1.0 + 1e-12


def test_everything_held_is_under_a_stop(result: BacktestResult) -> None:
    """After each run, but for what is worth less than the exchange's least order."""
    opens = result.history.opens[slice(*result.span)]
    size = result.trades["size"] * np.where(result.trades["side"] == "BUY", 1, -1)
    bought = result.trades.assign(size=size)
    held = bought.pivot_table(index="date", columns="ticker", values="size", aggfunc="sum")
    held = held.reindex(index=result.days, columns=list(result.tickers), fill_value=0.0)
    # A stop that fills in the day was still there after its run: look at what is left at the end.
    after_day = held.fillna(0.0).cumsum().to_numpy() * opens
    bare = (after_day > 2.0) & result.stops.isna().to_numpy()

    assert not bare.any()


def test_the_last_bar_changes_no_earlier_row(candles: Candles) -> None:
    """What a backtest of yesterday said, one of today says too."""
    config = config_with(ANY_SPAN)
    whole = backtest(candles, config)
    for n_bars in (N_DAYS - 1, N_DAYS - 40, N_DAYS - 155):
        last = pd.Timestamp(day(n_bars - 1), tz="UTC")
        cut = {ticker: frame[frame.index <= last] for ticker, frame in candles.items()}
        shorter = backtest(cut, config)

        assert shorter.days[-1] == last
        same(whole, shorter, n_days=len(shorter.days))


def test_order_in_files_changes_nothing(candles: Candles) -> None:
    """Tickers and sleeves stand by name."""
    turned = {
        name: {"weight": sleeve["weight"], "tickers": sleeve["tickers"][::-1]}
        for name, sleeve in reversed(SLEEVES.items())
    }
    one = backtest(candles, config_with(ANY_SPAN))
    other = backtest(dict(reversed(candles.items())), config_with(ANY_SPAN, sleeves=turned))

    same(one, other, n_days=len(one.days))
    assert one.metrics == other.metrics


def test_a_shared_history_gives_the_same(candles: Candles) -> None:
    """Computed once and handed in, or computed anew from lagged bars."""
    config = config_with(ANY_SPAN)
    history = history_of(candles, config)
    alone = backtest(candles, config)

    same(alone, backtest({}, config, precomputed=history), n_days=len(alone.days))
    same(alone, backtest(history.bars, config), n_days=len(alone.days))


def test_progress_in_pieces_changes_nothing(candles: Candles) -> None:
    """A loop that stops to tell how far it is goes on where it was."""
    told: list[tuple[int, int]] = []
    config = config_with(ANY_SPAN)
    quiet = backtest(candles, config)
    loud = backtest(candles, config, progress=lambda done, total: told.append((done, total)))

    same(quiet, loud, n_days=len(quiet.days))
    assert told[-1] == (len(quiet.days), len(quiet.days))


@pytest.mark.parametrize("shape", ["defaults", "ewm", "ledoit wolf"])
def test_weights_are_those_of_a_live_day_that_knows_no_future(candles: Candles, shape: str) -> None:
    """Bit for bit what `decide` makes of candles that end the day before."""
    config = shaped(shape)
    result = backtest(candles, config)
    for number in range(310, N_DAYS - 25, 23):
        today = day(number)
        bars = lag_bars(candles, as_of=today)
        decision = decide(bars, PortfolioState(cash=1000.0), config, as_of=today)
        of_day = result.weights.loc[pd.Timestamp(today, tz="UTC")].to_numpy()

        # What is held takes part in sizing even on a day without a good bar.
        if decision.signals.data_ok[decision.signals.row_of(today)].all():
            np.testing.assert_array_equal(of_day, decision.sizing.target_weight)


def test_leaving_out_tickers_without_a_signal_changes_no_bit(candles: Candles) -> None:
    """The loop sizes the tickers that have a signal; the core sizes all."""
    config = config_with(ANY_SPAN)
    result = backtest(candles, config)
    known = result.history.known
    empty = PortfolioState(cash=0.0)
    compared = 0
    for number in range(310, N_DAYS - 25):
        today = day(number)
        signal = sized_signal(known, today, empty)
        if known.data_ok[known.row_of(today)].all():
            matrix = covariance_at(known, config, as_of=today)
            final = known["final_signal"][known.row_of(today)]
            sizing = size_positions(signal, matrix, config, final_signal=final)
            weights = result.weights.loc[pd.Timestamp(today, tz="UTC")].to_numpy()
            np.testing.assert_array_equal(weights, sizing.target_weight)
            compared += bool((signal > 0).any() and not (signal > 0).all())

    assert compared > 20


def test_higher_tier_costs_more_a_lower_one_nothing_less(candles: Candles) -> None:
    """Fees are the higher of the account's tier and the configured ones."""
    config = config_with(ANY_SPAN)
    usual = backtest(candles, config)
    lower = backtest(candles, config, fees=FeeRates(maker=0.0, taker=0.0001))
    higher = backtest(candles, config, fees=FeeRates(maker=0.01, taker=0.02))

    same(usual, lower, n_days=len(usual.days))
    first = higher.trades.iloc[0]
    assert first["fee"] == pytest.approx(0.02 * first["notional"])


# -- spans and errors ----------------------------------------------------------------------


def test_the_span_is_clipped_to_days_that_can_be_decided(candles: Candles) -> None:
    """From the first day with 300 bars before it to the last bar's own day."""
    result = backtest(candles, config_with(ANY_SPAN))

    assert result.days[0].date() == day(300)
    assert result.days[-1].date() == day(N_DAYS - 1)


def test_start_and_end_are_both_lived(candles: Candles) -> None:
    """Given days win over the parameters'."""
    result = backtest(candles, config_with(), start=day(400), end=day(401))

    assert [stamp.date() for stamp in result.days] == [day(400), day(401)]


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (day(N_DAYS), day(N_DAYS + 9), f"days {day(300)} to {day(N_DAYS - 1)} can be decided"),
        (day(0), day(299), "has no day in common"),
        (day(400), day(399), "has no day in common"),
    ],
)
def test_a_span_without_a_day_is_an_error(
    candles: Candles, start: dt.date, end: dt.date, said: str
) -> None:
    """Saying which days there are."""
    with pytest.raises(BarsError, match=said):
        backtest(candles, config_with(), start=start, end=end)


def test_too_little_history_is_an_error(candles: Candles) -> None:
    """No ticker has the bars that signals need."""
    short = {ticker: frame.iloc[:200] for ticker, frame in candles.items()}

    with pytest.raises(BarsError, match="no ticker has 300 bars"):
        backtest(short, config_with(ANY_SPAN))


def test_no_candles_at_all_are_an_error() -> None:
    """Naming the tickers that were wanted."""
    with pytest.raises(BarsError, match="AAA-USD"):
        backtest({}, config_with())


def test_a_solver_that_fails_stops_the_backtest(candles: Candles) -> None:
    """As it would stop the live run, naming the day."""
    with pytest.raises(HaltRun, match=r"20\d\d-\d\d-\d\d: sleeve shares"):
        backtest(candles, config_with({**ANY_SPAN, "risk_and_sizing.risk_max_iterations": 1}))


# -- real candles --------------------------------------------------------------------------


REAL_SLEEVES = {
    "Core": {"weight": 0.6, "tickers": ["BTC-USD", "ETH-USD", "SOL-USD"]},
    "Alt": {"weight": 0.4, "tickers": ["ADA-USD", "AVAX-USD", "DOGE-USD", "LTC-USD"]},
}


@pytest.mark.skipif(not REAL_CANDLES.exists(), reason="no real candles beside the project")
def test_what_the_cap_cuts_buys_no_name_without_a_signal_worth_it() -> None:
    """
    Two and a half years of real prices: 485 days on which something is wanted.

    On 201 of them a signal of next to nothing had got a tenth or more of the cap's leftover.
    """
    floor = 1e-4
    config = config_with(sleeves=REAL_SLEEVES)
    candles = read_candle_folder(REAL_CANDLES, config.universe.sorted_tickers)
    result = backtest(candles, config)
    unspent = backtest(
        candles, config_with({"risk_and_sizing.cap_leftover": "cash"}, sleeves=REAL_SLEEVES)
    )
    known, rows = result.history.known, slice(*result.span)
    final, weights = known["final_signal"][rows], result.weights.to_numpy()
    is_faint = ~(final > floor)
    moved = weights > unspent.weights.to_numpy()

    assert (weights > 1e-3).any(axis=1).sum() == 485
    assert moved.any(axis=1).sum() > 100
    assert not (moved & is_faint).any()
    assert not ((final <= 1e-5) & (weights >= 0.1)).any()


@pytest.mark.skipif(not REAL_CANDLES.exists(), reason="no real candles beside the project")
def test_real_candles_end_where_the_money_says() -> None:
    """The issue's span and sleeves: everything adds up on real prices, too."""
    config = config_with(sleeves=REAL_SLEEVES)
    candles = read_candle_folder(REAL_CANDLES, config.universe.sorted_tickers)
    result = backtest(candles, config)

    assert (str(result.days[0].date()), str(result.days[-1].date())) == ("2022-04-01", "2024-10-31")
    assert result.by_ticker["contribution"].sum() == pytest.approx(result.metrics["total_return"])
    assert result.equity["cash"].min() > 0.0

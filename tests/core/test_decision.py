"""The decision: stages that fit together, promises that hold, and input that is refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.core.build import SLEEVES, config_with, day, market, random_candles
from tests.oracle.signals import COLUMNS
from tf_lib.core.candles.bars import Bars, lag_bars
from tf_lib.core.decision import Decision, covariance_at, decide, sized_signal, with_last_closes
from tf_lib.core.model.cooldown import is_cooling
from tf_lib.core.model.records import FeeRates, PortfolioState, Reason
from tf_lib.core.signals.columns import Signals, signals
from tf_lib.core.sizing.weights import size_positions
from tf_lib.errors import BarsError, UnknownState
from tf_lib.parameters import Config

N_DAYS = 700
CONFIG = config_with()
TODAY = day(N_DAYS)
Decide = Callable[..., Decision]
EMPTY = PortfolioState(cash=15_000.0)
TICKER_KEYS = [
    *(*COLUMNS, "data_ok", "sleeve", "sleeve_multiplier", "risk_budget_weight", "target_weight"),
    *("target_notional", "current_notional", "trade_notional", "reason"),
]


@pytest.fixture(scope="module")
def bars() -> Bars:
    return lag_bars(market(N_DAYS), as_of=TODAY)


@pytest.fixture(scope="module")
def known(bars: Bars) -> Signals:
    return signals(bars, CONFIG)


@pytest.fixture(scope="module")
def busy_day(bars: Bars, known: Signals) -> dt.date:
    """A day on which two sleeves are active and something is bought."""
    for number in range(N_DAYS, 400, -1):
        decision = decided(bars, known, day(number))
        if decision.sizing.risk_share.all() and Reason.ENTER in decision.trades.reasons:
            return day(number)
    raise AssertionError("the made-up market must have such a day")


def decided(
    bars: Bars,
    known: Signals,
    as_of: dt.date,
    portfolio: PortfolioState = EMPTY,
    config: Config = CONFIG,
    **options: Any,
) -> Decision:
    filled = with_last_closes(portfolio, known, as_of=as_of)
    return decide(bars, filled, config, as_of=as_of, computed=known, **options)


def entered(decision: Decision) -> tuple[int, str]:
    """Place and name of the first ticker that is bought anew."""
    at = decision.trades.reasons.index(Reason.ENTER)
    return at, decision.trades.tickers[at]


@pytest.fixture
def busy(bars: Bars, known: Signals, busy_day: dt.date) -> Decide:
    """Return what decides on the busy day."""
    return functools.partial(decided, bars, known, busy_day)


def test_mapping_has_shape_that_was_agreed(busy: Decide, busy_day: dt.date) -> None:
    mapping = busy().to_mapping()

    assert list(mapping) == ["as_of", "tickers", "portfolio", "sleeves"]
    assert mapping["as_of"] == busy_day.isoformat()
    assert list(mapping["tickers"]) == ["AAA-USD", "BBB-USD", "CCC-USD", "DDD-USD"]
    for row in mapping["tickers"].values():
        assert list(row) == TICKER_KEYS
    assert list(mapping["sleeves"]) == ["Alt", "Core"]
    assert set(mapping["sleeves"]["Core"]) == {"budget", "risk_share"}
    assert json.loads(json.dumps(mapping, allow_nan=False)) == mapping


def test_the_decision_is_its_stages_called_one_by_one(
    busy: Decide, known: Signals, busy_day: dt.date
) -> None:
    decision = busy()
    matrix = covariance_at(known, CONFIG, as_of=busy_day)
    final = known["final_signal"][known.row_of(busy_day)]
    signal = sized_signal(known, busy_day, EMPTY)
    sizing = size_positions(signal, matrix, CONFIG, final_signal=final)

    np.testing.assert_array_equal(decision.covariance, matrix)
    np.testing.assert_array_equal(decision.sizing.target_weight, sizing.target_weight)


def test_later_rows_change_nothing(busy: Decide, bars: Bars, busy_day: dt.date) -> None:
    """Decided on bars that end today or on bars that go on: the same, bit for bit."""
    seen_bars = lag_bars(market(N_DAYS), as_of=busy_day)
    seen = decided(seen_bars, signals(seen_bars, CONFIG), busy_day)

    assert seen.to_mapping() == busy().to_mapping()


def test_order_in_the_file_changes_no_bit(busy: Decide) -> None:
    turned = {n: {**s, "tickers": s["tickers"][::-1]} for n, s in reversed(SLEEVES.items())}
    other = busy(config=config_with(sleeves=turned))

    assert other.to_mapping() == busy().to_mapping()


def test_signals_are_computed_when_they_are_not_given(
    busy: Decide, bars: Bars, known: Signals, busy_day: dt.date
) -> None:
    filled = with_last_closes(EMPTY, known, as_of=busy_day)
    alone = decide(bars, filled, CONFIG, as_of=busy_day)

    assert alone.to_mapping() == busy().to_mapping()


def test_more_tickers_than_the_config_has_are_left_out(
    busy: Decide, known: Signals, busy_day: dt.date
) -> None:
    more = lag_bars({**market(N_DAYS), "ZZZ-USD": random_candles(9, N_DAYS)}, as_of=TODAY)
    filled = with_last_closes(EMPTY, known, as_of=busy_day)

    assert decide(more, filled, CONFIG, as_of=busy_day).to_mapping() == busy().to_mapping()


def test_the_last_close_stands_in_for_a_mid_that_is_missing(known: Signals) -> None:
    given = PortfolioState(cash=1.0, mid_prices={"AAA-USD": 7.0})
    filled = with_last_closes(given, known, as_of=TODAY)

    assert filled.mid_prices["AAA-USD"] == 7.0
    assert filled.mid_prices["BBB-USD"] == known["close"][-1, 1]
    assert given.mid_prices == {"AAA-USD": 7.0}


def test_a_holding_without_a_price_is_refused(bars: Bars, known: Signals) -> None:
    """Unknown is never zero."""
    portfolio = PortfolioState(cash=1.0, positions={"BBB-USD": 2.0})
    with pytest.raises(UnknownState, match=r"BBB-USD: 2\.0 units are held but there is no mid"):
        decide(bars, portfolio, CONFIG, as_of=TODAY, computed=known)


def test_a_ticker_not_held_without_good_data_is_left_out_of_sizing(busy_day: dt.date) -> None:
    candles = market(N_DAYS)
    plain_bars = lag_bars(candles, as_of=busy_day)
    plain = decided(plain_bars, signals(plain_bars, CONFIG), busy_day)
    ticker = plain.sizing.tickers[int(plain.sizing.target_weight.argmax())]
    candles[ticker] = candles[ticker].loc[: str(busy_day - dt.timedelta(days=2))]
    bars = lag_bars(candles, as_of=busy_day)
    known = signals(bars, CONFIG)
    out = decided(bars, known, busy_day).to_mapping()["tickers"][ticker]

    assert out["target_weight"] == 0.0
    assert out["reason"] == "stale_or_missing_ohlc"
    assert not out["data_ok"]

    held = PortfolioState(cash=15_000.0, positions={ticker: 1.0})
    kept = decided(bars, known, busy_day, held).to_mapping()["tickers"][ticker]
    assert kept["target_weight"] > 0.0
    assert kept["trade_notional"] == 0.0
    assert kept["reason"] == "stale_or_missing_ohlc"


def test_a_young_ticker_is_listed_and_not_sized(known: Signals) -> None:
    as_of = day(400)
    bars = lag_bars(market(N_DAYS), as_of=as_of)
    decision = decided(bars, signals(bars, CONFIG), as_of)
    young = decision.to_mapping()["tickers"]["DDD-USD"]

    assert decision.too_little_history == ("DDD-USD",)
    assert young["final_signal"] is None
    assert young["close"] is not None
    assert young["target_weight"] == 0.0
    assert young["reason"] == "no_position"

    held = PortfolioState(cash=1.0, positions={"DDD-USD": 1.0})
    kept = decided(bars, known, as_of, held).to_mapping()["tickers"]["DDD-USD"]
    assert kept["reason"] == "unknown_signal"


def test_a_cooldown_holds_for_its_days_and_not_before_it_began() -> None:
    start = dt.date(2024, 3, 8)

    for later, cools in {-1: False, 0: True, 6: True, 7: False}.items():
        assert is_cooling(start, start + dt.timedelta(days=later), days=7) is cools
    assert not is_cooling(None, start, days=7)


def test_a_cooling_ticker_is_not_bought_but_still_sized(busy: Decide, busy_day: dt.date) -> None:
    plain = busy()
    at, ticker = entered(plain)
    cooling = PortfolioState(cash=15_000.0, cooldowns={ticker: busy_day - dt.timedelta(days=6)})
    decision = busy(cooling)

    assert decision.trades.reasons[at] is Reason.COOLDOWN_ACTIVE
    np.testing.assert_array_equal(decision.sizing.target_weight, plain.sizing.target_weight)


def test_what_cannot_be_protected_or_must_not_be_traded_is_not(busy: Decide) -> None:
    plain = busy()
    at, ticker = entered(plain)
    bare = busy(not_protectable=frozenset({ticker}))
    forced = {ticker: Reason.UNKNOWN_SIGNAL}
    kept = busy(no_trade=forced)

    assert bare.trades.reasons[at] is Reason.NOT_PROTECTABLE
    assert kept.trades.reasons[at] is Reason.UNKNOWN_SIGNAL
    assert bare.trades.trade_notional[at] == kept.trades.trade_notional[at] == 0.0


def test_breach_at_the_gate_is_dated_today(busy: Decide, known: Signals, busy_day: dt.date) -> None:
    plain = busy()
    at, ticker = entered(plain)
    stop = float(known["chandelier_stop"][known.row_of(busy_day), at])
    below = PortfolioState(cash=15_000.0, mid_prices={ticker: stop * 0.999})
    decision = busy(below)

    assert decision.trades.reasons[at] is Reason.STOP_BREACHED
    assert decision.cooldowns_started[ticker] == busy_day


def test_dearer_fees_never_mean_bigger_buys(busy: Decide) -> None:
    cheap = busy()
    dear = busy(fees=FeeRates(maker=0.2, taker=0.3))

    assert dear.trades.cash_shrink_factor <= cheap.trades.cash_shrink_factor


@pytest.mark.parametrize("method", ["sample", "ewm", "ledoit_wolf"])
def test_every_covariance_decides_every_day(bars: Bars, method: str) -> None:
    config = config_with({"risk_and_sizing.covariance": method})
    known = signals(bars, config)
    for number in range(320, N_DAYS + 1, 17):
        decision = decided(bars, known, day(number), config=config)

        assert decision.sizing.share_error <= 1e-10
        assert decision.sizing.gross_post_cap <= 1 + 1e-12


def test_too_little_history_of_all_says_what_was_needed_and_what_there_is() -> None:
    bars = lag_bars(market(N_DAYS), as_of=day(299))
    with pytest.raises(BarsError) as refused:
        decide(bars, EMPTY, CONFIG, as_of=day(299))

    assert "needs 300 daily bars (run.warmup_days)" in str(refused.value)
    assert "AAA-USD 299" in str(refused.value)
    assert "DDD-USD 149" in str(refused.value)


def test_bars_that_are_missing_or_too_old_are_named(bars: Bars, known: Signals) -> None:
    with pytest.raises(BarsError, match="no bars of DDD-USD"):
        decide(bars.select(["AAA-USD", "BBB-USD", "CCC-USD"]), EMPTY, CONFIG, as_of=TODAY)
    with pytest.raises(BarsError, match="there are no signals for"):
        decide(bars, EMPTY, CONFIG, as_of=TODAY + dt.timedelta(days=1), computed=known)


def test_a_decision_cannot_be_changed(busy: Decide) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        busy().as_of = TODAY  # type: ignore[misc]


def test_undefined_numbers_are_null(known: Signals) -> None:
    """With nothing active there is no mix to speak of."""
    flat = {ticker: frame.assign(close=frame["low"]) for ticker, frame in market(N_DAYS).items()}
    for frame in flat.values():
        frame["close"] = np.linspace(100, 50, len(frame))
        frame["open"], frame["high"], frame["low"] = frame["close"], frame["close"], frame["close"]
    bars = lag_bars(flat, as_of=TODAY)
    portfolio = decided(bars, signals(bars, CONFIG), TODAY).to_mapping()["portfolio"]

    assert portfolio["n_eff"] is None
    assert portfolio["gross_target"] == 0.0
    assert not any(isinstance(v, float) and math.isnan(v) for v in portfolio.values())

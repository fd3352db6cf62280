"""Trades: each gate, in its order, and the money that must be there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.build import config_with
from tf_lib.core.model.products import default_product
from tf_lib.core.model.records import FeeRates, Product, Reason
from tf_lib.core.sizing.gates import (
    NOT_FORCED,
    REASONS,
    Standing,
    TradeRules,
    Trades,
    desired_trades,
    lots,
    trade_rules,
)

CONFIG = config_with()
RULES = trade_rules(CONFIG, None)
TICKER = "AAA-USD"


def standing(n: int = 1, **changes: Any) -> Standing:
    """Tickers at a mid of 100 whose data is good and whose stop is at 80."""
    plain = Standing(
        weight=np.zeros(n),
        units=np.zeros(n),
        mid=np.full(n, 100.0),
        stop=np.full(n, 80.0),
        resting=np.full(n, math.nan),
        atr=np.full(n, 5.0),
        data_ok=np.ones(n, dtype=bool),
        known=np.ones(n, dtype=bool),
        cooling=np.zeros(n, dtype=bool),
        forced=np.full(n, NOT_FORCED),
    )
    kinds = {name: getattr(plain, name).dtype for name in changes}
    return plain._replace(**{k: np.array(v, dtype=kinds[k]) for k, v in changes.items()})


def decided(
    day: Standing,
    *,
    cash: float = 10_000.0,
    rules: TradeRules = RULES,
    product: Product | None = None,
) -> Trades:
    names = tuple(f"{chr(65 + k) * 3}-USD" for k in range(day.weight.size))
    steps = lots(names, {name: product or default_product(name, tick="0.01") for name in names})
    return desired_trades(names, day, cash, lots=steps, rules=rules)


def reason_of(*, cash: float = 10_000.0, product: Product | None = None, **changes: Any) -> Reason:
    one = {name: [value] for name, value in changes.items()}
    return decided(standing(1, **one), cash=cash, product=product).reasons[0]


def test_equity_counts_cash_and_holdings_at_mid() -> None:
    # 10000 + 20 * 100 = 12000, of which 85 % may be deployed; target 0.35 * 10200 = 3570.
    trades = decided(standing(1, units=[20.0], weight=[0.35]))

    assert trades.equity == 12_000.0
    assert trades.deployable == pytest.approx(10_200.0)
    assert trades.current_notional[0] == 2_000.0
    assert trades.target_notional[0] == pytest.approx(3_570.0)
    assert trades.trade_notional[0] == pytest.approx(1_570.0)
    assert trades.reasons == (Reason.ADD,)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"weight": 0.3, "data_ok": False}, Reason.STALE_OR_MISSING_OHLC),
        ({"units": 5.0, "data_ok": False, "known": False}, Reason.STALE_OR_MISSING_OHLC),
        ({"units": 5.0, "known": False}, Reason.UNKNOWN_SIGNAL),
        ({"known": False}, Reason.NO_POSITION),
        ({"units": 5.0}, Reason.FULL_EXIT),
        ({}, Reason.NO_POSITION),
        ({"weight": 0.1}, Reason.BELOW_THRESHOLD),
        ({"weight": 0.3, "units": 60.0}, Reason.TRIM),
        ({"weight": 0.3, "cooling": True}, Reason.COOLDOWN_ACTIVE),
        ({"weight": 0.3, "cooling": True, "mid": 80.0}, Reason.COOLDOWN_ACTIVE),
        ({"weight": 0.3, "mid": 80.0}, Reason.STOP_BREACHED),
        ({"weight": 0.3, "mid": 80.01}, Reason.ENTER),
        ({"weight": 0.3, "units": 1.0, "resting": 100.0}, Reason.STOP_BREACHED),
        ({"weight": 0.3, "resting": 100.0}, Reason.ENTER),
        ({"weight": 0.3, "stop": math.nan}, Reason.NOT_PROTECTABLE),
        ({"weight": 0.3, "stop": 0.0}, Reason.NOT_PROTECTABLE),
        ({"weight": 0.3, "stop": -3.0}, Reason.NOT_PROTECTABLE),
        ({"weight": 0.3, "stop": math.nan, "units": 1.0, "resting": 100.0}, Reason.STOP_BREACHED),
        ({"weight": 0.3}, Reason.ENTER),
        ({"weight": 0.3, "units": 1.0}, Reason.ADD),
    ],
)
def test_the_first_gate_that_applies_gives_the_reason(changes: Any, reason: Reason) -> None:
    assert reason_of(**changes) is reason


def test_a_price_that_is_not_known_buys_nothing() -> None:
    trades = decided(standing(1, weight=[0.3], mid=[math.nan]))

    assert trades.reasons == (Reason.NOT_PROTECTABLE,)
    assert trades.trade_notional.tolist() == [0.0]


def test_a_full_exit_sells_everything_however_small() -> None:
    """Exempt from thresholds: what the exchange will not take is dust, and the order builder's."""
    trades = decided(standing(1, units=[0.001]))

    assert trades.reasons == (Reason.FULL_EXIT,)
    assert trades.trade_notional[0] == -0.1


@pytest.mark.parametrize(
    ("current_units", "reason"), [(20.0, Reason.BELOW_THRESHOLD), (19.9, Reason.ADD)]
)
def test_the_threshold_is_a_tenth_of_equity(current_units: float, reason: Reason) -> None:
    # Equity 10000 exactly; target 3000 by weight; 1000 away is not above the floor of 1000.
    cash = 10_000.0 - current_units * 100
    weight = 3_000.0 / 8_500.0

    assert reason_of(cash=cash, units=current_units, weight=weight) is reason


def test_a_small_account_is_held_by_the_least_trade() -> None:
    # Equity 50: a tenth is 5, a least trade 10. Target 0.2 * 42.5 = 8.5 is below.
    assert reason_of(cash=50.0, weight=0.2) is Reason.BELOW_THRESHOLD
    assert reason_of(cash=50.0, weight=0.3) is Reason.ENTER


def test_a_breach_starts_a_cooldown() -> None:
    trades = decided(standing(2, weight=[0.2, 0.2], mid=[70.0, 100.0]))

    assert trades.cooldowns_started == ("AAA-USD",)
    assert trades.trade_notional[0] == 0.0


def test_a_forced_reason_goes_before_every_gate() -> None:
    code = REASONS.index(Reason.STALE_OR_MISSING_OHLC)
    trades = decided(standing(1, units=[5.0], forced=[code]))

    assert trades.reasons == (Reason.STALE_OR_MISSING_OHLC,)
    assert trades.trade_notional.tolist() == [0.0]


def test_buys_shrink_to_the_cash_that_is_there_and_sells_never() -> None:
    # Fees: 0.001 + 0.05 * 0.006 + 0.95 * 0.012 = 0.0127. Equity 2000 + 80 * 100 + 60 * 100 =
    # 16000, deployable 13600. A exits: sells 8000. B 60 -> 0.7 * 13600 = 9520: buys 3520.
    # C buys 0.6 * 13600 = 8160. Room 2000 * 0.85 + 8000 * (1 - 0.0127) = 9598.4,
    # needed 11680 * 1.0127 = 11828.336: k = 0.811475 (weights here are not a real sizing).
    day = standing(3, units=[80.0, 60.0, 0.0], weight=[0.0, 0.7, 0.6])
    trades = decided(day, cash=2_000.0)
    k = 9_598.4 / 11_828.336

    assert trades.cash_shrink_factor == pytest.approx(k, rel=1e-12)
    np.testing.assert_allclose(trades.trade_notional, [-8_000.0, 3_520 * k, 8_160 * k])
    assert trades.reasons == (Reason.FULL_EXIT, Reason.ADD, Reason.ENTER)


def test_without_cash_a_buy_becomes_nothing() -> None:
    trades = decided(standing(1, units=[100.0], weight=[0.9], mid=[100.0]), cash=0.0)
    # 0.9 * 8500 is below what is held: a trim, no buy. Held by resting cash 0 a buy cannot be.
    assert trades.reasons == (Reason.TRIM,)

    trades = decided(standing(2, units=[100.0, 0.0], weight=[1.1, 0.5]), cash=0.0)
    assert trades.cash_shrink_factor == 0.0
    assert trades.reasons == (Reason.BELOW_THRESHOLD, Reason.BELOW_THRESHOLD)


def test_a_shrunk_buy_is_tested_against_the_exchange_only() -> None:
    # A has 9950 of 10000 in units: the buy of B shrinks far below a tenth of equity but stays.
    day = standing(2, units=[99.0, 0.0], weight=[1.1, 0.3])
    trades = decided(day, cash=100.0)

    assert trades.reasons[1] is Reason.ENTER
    assert 1.0 < trades.trade_notional[1] < 100.0

    whole = default_product("X-USD", tick="0.01", base_step="1")
    trades = decided(day, cash=100.0, product=whole)
    assert trades.reasons[1] is Reason.BELOW_THRESHOLD
    assert trades.trade_notional[1] == 0.0


def test_a_product_that_takes_no_market_orders_is_not_bought() -> None:
    product = default_product(TICKER, tick="0.01")
    for state in ({"status": "offline"}, {"limit_only": True}, {"cancel_only": True}):
        closed = type(product)(**{**product.__dict__, **state})

        assert reason_of(weight=0.3, product=closed) is Reason.NOT_PROTECTABLE
        assert reason_of(units=5.0, product=closed) is Reason.FULL_EXIT


def test_a_position_whose_stop_is_worth_less_than_the_exchange_takes_is_not_opened() -> None:
    # 15 of equity: 0.9 * 12.75 = 11.475, 0.11475 units; a stop at 8 with 2 % below: worth 0.9.
    assert reason_of(cash=15.0, weight=0.9, stop=8.0, atr=0.0) is Reason.NOT_PROTECTABLE
    assert reason_of(cash=15.0, weight=0.9, stop=12.0, atr=0.0) is Reason.ENTER


def test_fees_are_the_higher_of_account_and_config() -> None:
    low = trade_rules(CONFIG, FeeRates(maker=0.001, taker=0.002))
    high = trade_rules(CONFIG, FeeRates(maker=0.02, taker=0.03))

    assert low.cost == RULES.cost == pytest.approx(0.001 + 0.05 * 0.006 + 0.95 * 0.012)
    assert high.cost == pytest.approx(0.001 + 0.05 * 0.02 + 0.95 * 0.03)


amounts = st.floats(0.0, 200.0).map(lambda x: round(x, 6))


@given(
    units=st.lists(amounts, min_size=3, max_size=3),
    raw=st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
    mids=st.lists(st.floats(0.01, 1e5), min_size=3, max_size=3),
    cash=st.floats(0.0, 1e6),
)
def test_cash_is_never_spent_twice(
    units: list[float], raw: list[float], mids: list[float], cash: float
) -> None:
    """After all trades at their estimated cost, cash is not negative, whatever the portfolio."""
    weight = np.array(raw) / max(sum(raw), 1.0)
    day = standing(3, units=units, weight=weight, mid=mids, stop=[m * 0.9 for m in mids])
    trades = decided(day, cash=cash)
    buys = trades.trade_notional[trades.trade_notional > 0].sum()
    sells = -trades.trade_notional[trades.trade_notional < 0].sum()

    assert cash + sells * (1 - RULES.cost) - buys * (1 + RULES.cost) >= -1e-6 * (1 + cash)
    assert (-trades.trade_notional <= trades.current_notional + 1e-9).all()

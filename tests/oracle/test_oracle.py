"""The oracle itself, worked by hand or a second way."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.oracle import fills, signals, sizing, trades


def test_ribbon_windows_are_the_rounded_geometric_spread() -> None:
    """20 to 200 in eight steps, each 10 ** (1 / 7) times the one before."""
    params = {
        "signals": {"moving_average": {"fast_mavg": 20, "slow_mavg": 200, "mavg_stepsize": 8}}
    }

    assert signals.ribbon_windows(params).tolist() == [20, 28, 39, 54, 75, 104, 144, 200]


def test_recursive_std_is_the_weighted_std_without_bias() -> None:
    """The one line of pandas that the penalty leans on, from its weights."""
    rng = np.random.default_rng(1)
    returns = rng.normal(0, 0.03, 40)
    alpha = 2 / 15
    weights = alpha * (1 - alpha) ** np.arange(39, -1, -1)
    weights[0] = (1 - alpha) ** 39
    mean = (weights * returns).sum()
    variance = (weights * (returns - mean) ** 2).sum() / (1 - (weights**2).sum())

    by_pandas = pd.Series(returns).ewm(span=14, adjust=False, min_periods=14).std(bias=False)

    assert by_pandas.iloc[-1] == pytest.approx(np.sqrt(variance), rel=1e-12)
    assert by_pandas.iloc[:13].isna().all()


@pytest.mark.parametrize("span", [1, 2.5, 4, 20])
def test_recursive_mean_ages_over_undefined_rows(span: float) -> None:
    """As pandas does, but for what is shown in the undefined rows themselves."""
    values = pd.Series(np.random.default_rng(3).normal(size=60))
    values[[0, 1, 9, 20, 21, 22, 23]] = np.nan
    by_pandas = values.ewm(span=span, adjust=False).mean().where(values.notna())

    pd.testing.assert_series_equal(signals.ewm_mean(values, span), by_pandas, rtol=1e-12)


def test_a_value_after_undefined_rows_weighs_alpha_against_the_aged_average() -> None:
    """Span 3, one row undefined: (0.25 * 1 + 0.5 * 5) / 0.75."""
    average = signals.ewm_mean(pd.Series([1.0, np.nan, 5.0]), span=3)

    assert average.tolist() == pytest.approx([1.0, np.nan, 11 / 3], nan_ok=True)


def test_trailing_rank_shares_ties_and_waits_for_enough_values() -> None:
    """3 among (1, 3, 3) holds places 2 and 3 of 3: 2.5 / 3."""
    ranks = signals.trailing_rank(pd.Series([np.nan, 5.0, 1.0, 3.0, 3.0]), window=3, at_least=3)

    assert ranks.isna().tolist() == [True, True, True, False, False]
    assert ranks.iloc[3:].tolist() == pytest.approx([2 / 3, 2.5 / 3])


@pytest.mark.parametrize(("days", "bad_days"), [(3, 0), (4, 30)])
def test_only_a_gap_of_more_than_three_days_silences_a_ticker(days: int, bad_days: int) -> None:
    """Three missing days are filled and forgotten; a fourth costs thirty bars."""
    index = pd.date_range("2024-01-01", periods=100, tz="UTC").delete(range(50, 50 + days))
    prices = pd.DataFrame(
        {"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.0, "volume": 1.0}, index=index
    )
    bars = signals.flat_filled(signals.usable(prices))
    ok = signals.quality(bars, [])

    assert (~ok[bars["traded"]]).sum() == bad_days
    assert not ok[~bars["traded"]].any()


def test_two_independent_sleeves_balance_in_closed_form() -> None:
    """Without covariance m_s is the root of b_s / variance_s."""
    m = sizing.balanced_multipliers(np.diag([4.0, 1.0]), np.array([0.5, 0.5]))

    assert m == pytest.approx([0.5, 1.0], rel=1e-12)


def test_multipliers_carry_their_budgets() -> None:
    """Shares of variance equal budgets, also against the grain of a negative covariance."""
    root = np.random.default_rng(2).normal(0, 1, (3, 3))
    covariance = root @ root.T
    budgets = np.array([0.5, 0.15, 0.35])
    m = sizing.balanced_multipliers(covariance, budgets)

    assert m * (covariance @ m) / (m @ covariance @ m) == pytest.approx(budgets, abs=1e-12)


def test_what_the_cap_cuts_goes_to_the_room_of_the_others() -> None:
    """0.8 is cut to 0.6; 0.2 goes to rooms 0.45 and 0.55 in that proportion."""
    weights = pd.Series({"A": 0.8, "B": 0.15, "C": 0.05, "D": 0.0})
    risk = {"cap_tol": 1e-10, "cap_max_iter": 20, "risk_min_signal": 1e-4}
    after, leftover = sizing.capped(risk, weights, weights, weights, 0.6)

    assert after.tolist() == pytest.approx([0.6, 0.15 + 0.2 * 0.45, 0.05 + 0.2 * 0.55, 0.0])
    assert leftover == pytest.approx(0.0)


def test_a_cooldown_of_seven_days_is_over_on_the_eighth() -> None:
    """Active while 0 <= day - start < 7."""
    params = {"execution_and_costs": {"cooldown_counter_threshold": 7}}
    active = [
        trades.cools_down(params, "2024-03-08", dt.date(2024, 3, day)) for day in (7, 8, 14, 15)
    ]

    assert active == [False, True, True, False]


UP_DAY = fills.Bar(open=100.0, high=110.0, low=90.0, close=104.0)
DOWN_DAY = fills.Bar(open=100.0, high=110.0, low=90.0, close=96.0)


def test_the_path_goes_low_first_on_a_day_that_closes_higher() -> None:
    """Corners at 00:15, 08:00 and 16:00, straight between."""
    for hour, price in {0: 100, 0.25: 100, 8: 90, 16: 110, 24: 104}.items():
        assert fills.price_at(UP_DAY, hour) == price
    assert fills.price_at(DOWN_DAY, 8) == 110
    assert fills.price_at(DOWN_DAY, 12) == 100


@pytest.mark.parametrize(
    ("stop", "limit", "expected"),
    [
        (89.0, 88.0, fills.StopOrder(89.0, 88.0)),
        # Half of the fall from 100 to 90 between 00:15 and 08:00.
        (95.0, 93.0, fills.Fill(4.125, 95.0 * 0.999, is_taker=True)),
        (95.0, 94.99, fills.Fill(4.125, 94.99, is_taker=True)),
        # Opened below the stop and above the limit: at the open.
        (101.0, 99.0, fills.Fill(0.0, 100.0 * 0.999, is_taker=True)),
        # Opened below the limit: rests, and fills there 12 / 20 of the way from 90 to 110.
        (103.0, 102.0, fills.Fill(12.8, 102.0, is_taker=False)),
        (112.0, 111.0, fills.StopOrder(112.0, 111.0, is_triggered=True)),
    ],
)
def test_a_stop_fills_where_the_path_meets_it(stop: float, limit: float, expected: Any) -> None:
    """One case per branch of the rule."""
    outcome = fills.stop_fill(UP_DAY, fills.StopOrder(stop, limit), slippage=0.001)

    assert type(outcome) is type(expected)
    assert tuple(outcome) == pytest.approx(tuple(expected))


def scanned_fill(
    bar: fills.Bar, order: fills.StopOrder, *, slippage: float, steps: int = 20_000
) -> tuple[float, float, bool] | None:
    """Walk the day in small steps."""
    is_triggered = order.is_triggered
    for step in range(steps + 1):
        hour = 24 * step / steps
        price = fills.price_at(bar, hour)
        if not is_triggered and price <= order.stop:
            is_triggered = True
            if price >= order.limit - 24 * 20 / steps:
                return hour, max(order.limit, price * (1 - slippage)), True
        if is_triggered and price >= order.limit:
            return hour, order.limit, False
    return None


@pytest.mark.parametrize("seed", range(12))
def test_segments_agree_with_a_fine_scan(seed: int) -> None:
    """Triggered or not, at the same hour and price within a step."""
    rng = np.random.default_rng(seed)
    ends = rng.uniform(90, 110, 2)
    bar = fills.Bar(
        ends[0], ends.max() + rng.uniform(0, 8), ends.min() - rng.uniform(0, 8), ends[1]
    )
    stop = rng.uniform(bar.low - 1, bar.high + 1)
    order = fills.StopOrder(stop, stop - rng.uniform(1, 5), is_triggered=bool(rng.integers(2)))
    outcome = fills.stop_fill(bar, order, slippage=0.001)
    scanned = scanned_fill(bar, order, slippage=0.001)

    if scanned is None:
        assert isinstance(outcome, fills.StopOrder)
    else:
        assert tuple(outcome) == pytest.approx(scanned, abs=0.02)


@pytest.mark.parametrize(("is_buy", "price"), [(True, 90.09), (False, 89.91)])
def test_a_market_order_pays_the_slippage(is_buy: bool, price: float) -> None:
    """0.1 % against the trader at 08:00."""
    fill = fills.market_fill(UP_DAY, 8.0, is_buy=is_buy, slippage=0.001)

    assert fill == pytest.approx((8.0, price, True))

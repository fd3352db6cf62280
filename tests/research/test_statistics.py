"""Figures of a track record, each worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tests.research.build import flat, history_of_days, lived
from tf_lib.research.backtest.benchmarks import equal_weight_equity, held_equity, reference_equities
from tf_lib.research.backtest.statistics import (
    cagr,
    daily_returns,
    deepest,
    drawdowns,
    longest_run,
    performance,
    sharpe,
    sortino,
    total_return,
    volatility,
)
from tf_lib.research.backtest.trading_statistics import monthly_returns

# From 100: up a tenth, down a tenth, up a fifth.
EQUITY = np.array([110.0, 99.0, 118.8])
RETURNS = np.array([0.1, -0.1, 0.2])


def test_returns_begin_at_the_capital() -> None:
    """110 / 100, 99 / 110, 118.8 / 99, each less one."""
    assert daily_returns(EQUITY, 100.0) == pytest.approx(RETURNS)
    assert total_return(EQUITY, 100.0) == pytest.approx(0.188)


def test_growth_a_year_is_compounded() -> None:
    """1.188 over three days, 365 / 3 times; a loss of everything is -1."""
    assert cagr(EQUITY, 100.0) == pytest.approx(1.188 ** (365 / 3) - 1)
    assert cagr(np.array([50.0, 0.0]), 100.0) == -1.0


def test_volatility_is_the_sample_deviation_a_year() -> None:
    """Mean 0.0667; squares of the distances sum to 0.046667; halved, rooted: 0.152753."""
    assert volatility(RETURNS) == pytest.approx(0.15275252316519466 * math.sqrt(365))
    assert math.isnan(volatility(np.array([0.1])))


def test_sharpe_is_mean_over_deviation_a_year() -> None:
    """0.0666667 / 0.1527525 = 0.4364358, times the root of 365."""
    assert sharpe(RETURNS) == pytest.approx(0.4364357804719847 * math.sqrt(365))


@pytest.mark.parametrize("returns", [[0.0, 0.0, 0.0], [0.01, 0.01, 0.01]])
def test_a_ratio_to_no_spread_is_undefined(returns: list[float]) -> None:
    """A constant return has no Sharpe ratio, neither infinite nor 0."""
    assert math.isnan(sharpe(np.array(returns)))


def test_sortino_looks_at_losses_of_all_days() -> None:
    """Root of 0.01 / 3 = 0.0577350; 0.0666667 / 0.0577350 = 1.1547005."""
    assert sortino(RETURNS) == pytest.approx(1.1547005383792515 * math.sqrt(365))
    assert math.isnan(sortino(np.array([0.1, 0.2])))


def test_the_capital_is_the_first_peak() -> None:
    """A loss on the first day is a drawdown."""
    assert drawdowns(np.array([90.0, 100.0]), 100.0) == pytest.approx([-0.1, 0.0])


def test_depth_and_length_of_drawdowns_are_taken_apart() -> None:
    """The longest time below a peak need not be the deepest; one that lasts counts to the end."""
    below = np.array([-0.5, 0.0, -0.1, -0.2, -0.1])

    assert deepest(below) == (-0.5, 3)
    assert deepest(np.zeros(4)) == (0.0, 0)
    assert longest_run(np.array([], dtype=bool)) == 0


def test_performance_has_the_usual_names() -> None:
    """Calmar is growth a year over the depth of the worst fall, here a tenth."""
    found = performance(EQUITY, 100.0)

    assert list(found) == [
        "total_return",
        "cagr",
        "volatility",
        "sharpe",
        "sortino",
        "calmar",
        "max_drawdown",
        "max_drawdown_days",
        "best_day",
        "worst_day",
    ]
    assert found["max_drawdown"] == pytest.approx(-0.1)
    assert found["max_drawdown_days"] == 1
    assert found["calmar"] == pytest.approx((1.188 ** (365 / 3) - 1) / 0.1)


def test_days_of_a_year_are_a_setting() -> None:
    """Stocks have 252."""
    assert sharpe(RETURNS, days_per_year=252) == pytest.approx(0.4364357804719847 * math.sqrt(252))


def test_months_compound_and_empty_months_stay_empty() -> None:
    """Two years with a gap: a month without days is undefined, not 0."""
    days = pd.to_datetime(["2023-12-30", "2023-12-31", "2024-02-01"], utc=True)
    table = monthly_returns(pd.Series([0.1, -0.2, 0.5], index=days))

    assert table.loc[2023, 12] == pytest.approx(1.1 * 0.8 - 1)
    assert math.isnan(table[12][2024])
    assert table.loc[2024, "year"] == pytest.approx(0.5)


# -- figures of trading --------------------------------------------------------------------


def test_round_trips_count_fees_and_only_what_is_closed() -> None:
    """
    One gain, one loss, one still open.

    44.62 bought at 100.10 and sold at 109.89 gains 4,903.2918 - 58.8395016 - 4,520.059544 =
    324.3927544. The equity is then 15,324.3927544, the next target 45.59 units, sold by a stop.
    """
    result = lived(flat(), flat(110.0, signal=0.0), flat(), flat(94.5), *[flat()] * 7)
    gain = 4_903.2918 - 58.8395016 - 4_520.059544
    size = 45.59
    loss = size * 94.4055 * (1 - 0.012) - size * 100.1 * 1.012

    assert result.metrics["round_trips"] == 2
    assert result.metrics["hit_rate"] == 0.5
    assert result.metrics["profit_factor"] == pytest.approx(gain / -loss)
    assert result.metrics["trades"] == 5


def test_turnover_is_traded_value_a_year_over_mean_equity() -> None:
    """4,466.462 traded in two days of 14,941.940456 equity."""
    result = lived(flat(), flat())

    assert result.metrics["turnover"] == pytest.approx(4_466.462 / 14_941.940456 * 365 / 2)
    assert result.metrics["fees"] == pytest.approx(53.597544)
    assert result.metrics["exposure"] == pytest.approx(4_462 / 14_941.940456)


def test_contributions_add_up_to_the_total() -> None:
    """One ticker earned it all."""
    result = lived(flat(), flat(120.0))

    assert result.by_ticker["contribution"].sum() == pytest.approx(result.metrics["total_return"])
    columns = "sleeve profit contribution trades fees exposure"
    assert " ".join(result.by_ticker.columns) == columns
    profit = result.equity["equity"].iloc[-1] - 15_000
    assert result.by_sleeve.loc["Core", "profit"] == pytest.approx(profit)


def test_exit_reasons_count_sales_only() -> None:
    """Nothing but how positions ended."""
    result = lived(flat(), flat(110.0, signal=0.0), flat())

    assert result.exit_reasons.to_dict() == {"full_exit": 1}


# -- references ----------------------------------------------------------------------------


def test_held_is_bought_at_the_first_open() -> None:
    """From an open of 100 to closes of 100, 110, 99."""
    history = history_of_days({"BTC-USD": [flat(), flat(110.0), flat(99.0)]})
    span = (history.n_days - 3, history.n_days)

    assert held_equity(history, "BTC-USD", span) == pytest.approx([1.0, 1.1, 0.99])
    assert sorted(reference_equities(history, span)) == ["btc_held", "equal_weight"]


def test_equal_weight_is_made_even_each_day() -> None:
    """Up a tenth and down a tenth is even; then up a tenth and unchanged is 5 %."""
    rising, falling = [flat(), flat(110.0), flat(121.0)], [flat(), flat(90.0), flat(90.0)]
    history = history_of_days({"AAA-USD": rising, "BBB-USD": falling})
    span = (history.n_days - 3, history.n_days)

    assert equal_weight_equity(history, span) == pytest.approx([1.0, 1.0, 1.05])
    assert list(reference_equities(history, span)) == ["equal_weight"]

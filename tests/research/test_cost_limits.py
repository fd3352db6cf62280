"""Break-even and capacity: found by real backtests, and said with what the candles can tell."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.research.sweeping import ATR, candles, config, write_inputs
from tf_lib.app.commands.research.backtest import backtest_command
from tf_lib.app.commands.research.sweep import sweep_command
from tf_lib.app.commands.results.cost_limits import CostQuestions
from tf_lib.research.backtest.run_backtest import BacktestResult, backtest
from tf_lib.research.costs.break_even import FEE, NEAR, SLIPPAGE, BreakEven, break_even
from tf_lib.research.costs.capacity import Capacity, capacities, capacity_words
from tf_lib.store.candle_csv import products_of, read_universe

COSTS = "execution_and_costs"
BOTH = CostQuestions(break_even=True, capacity=True)


@functools.cache
def made(**costs: float) -> BacktestResult:
    return backtest(candles(), config({f"{COSTS}.{name}": rate for name, rate in costs.items()}))


def cagr_at(cost: str, rate: float, **costs: float) -> float:
    """A backtest of its own, with nothing shared."""
    changed = {"transaction_cost_est": rate}
    if cost == FEE:
        changed = {"taker_fee": rate, "maker_fee": rate * 0.5}
    return made(**{**costs, **changed}).metrics["cagr"]


@pytest.mark.parametrize("cost", [FEE, SLIPPAGE])
@pytest.mark.parametrize("taker", [0.012, 0.15])
def test_the_crossing_lies_between_two_backtests(cost: str, taker: float) -> None:
    """Whether it earns with the configured fee or not; both sides as a backtest alone has them."""
    fees = {"taker_fee": taker, "maker_fee": taker / 2}
    result = made(**fees)
    found = break_even(result, None, cost)

    assert found.configured.cagr == result.metrics["cagr"]
    if found.earns is None:
        assert (cost, taker) == (SLIPPAGE, 0.15)
        return
    assert found.loses is not None
    assert 0.0 < found.loses.rate - found.earns.rate <= NEAR
    assert found.earns.cagr == cagr_at(cost, found.earns.rate, **fees) > 0.0
    assert found.loses.cagr == cagr_at(cost, found.loses.rate, **fees) <= 0.0
    assert found.multiple is not None
    assert (found.multiple > 1.0) == (result.metrics["cagr"] > 0.0)


def test_what_loses_without_costs_has_no_crossing() -> None:
    """Slippage so high that no fee is low enough; and it is said."""
    found = break_even(made(transaction_cost_est=0.1), None, FEE)

    assert (found.earns, found.rate, found.multiple) == (None, None, None)
    assert found.loses is not None
    assert found.loses.rate == 0.0
    assert "no fee is low enough" in found.words


def test_what_no_cost_takes_is_said() -> None:
    """Buying once and holding bears every fee that is tried: nothing is found, nothing invented."""
    result = made()
    free = BreakEven(FEE, break_even(result, None, FEE).configured, None, None, 0)

    assert free.rate is None
    assert "no fee up to 20%" in free.words


def test_shares_are_own_trades_over_the_volume_of_the_day() -> None:
    """Worked out again from the list of fills."""
    result = made()
    (row,) = capacities(result, None, candles(), [result.config.run.initial_capital])
    own = result.trades.groupby(["date", "ticker"])["notional"].sum()
    volume = [
        candles()[ticker].loc[day, "volume"] * candles()[ticker].loc[day, "close"]
        for day, ticker in own.index
    ]
    shares = own.to_numpy() / np.array(volume)

    assert row.share_most == pytest.approx(shares.max())
    assert row.n_traded == len(own)
    assert row.n_large == (shares > 0.01).sum()
    assert row.cagr == result.metrics["cagr"]
    assert row.trades == result.metrics["trades"]


def test_more_money_takes_larger_shares_and_little_cannot_buy() -> None:
    """At the small end least sizes bite; a day without volume counts as too large a share."""
    rows = capacities(made(), None, candles(), [30.0, 1e4, 1e6])
    shares = [row.share_most for row in rows]
    silent = {ticker: frame.assign(volume=0.0) for ticker, frame in candles().items()}
    (none,) = capacities(made(), None, silent, [1e4])

    assert shares == sorted(shares)
    assert rows[0].trades < rows[1].trades
    assert rows[2].cagr == pytest.approx(rows[1].cagr, abs=0.01)
    assert none.n_large == none.n_traded > 0
    assert none.to_mapping()["share_most"] is None


def test_the_words_name_where_it_is_no_longer_to_be_believed() -> None:
    """One traded day in twenty: 5 of 100 is not beyond it, 6 is."""

    def row(capital: float, n_large: int) -> Capacity:
        return Capacity(capital, 0.1, 1.0, -0.1, 0.5, 9, 0, 0.0, 0.0, 0.0, n_large, 100)

    assert "From 2,000 on" in capacity_words([row(1e3, 5), row(2e3, 6), row(4e3, 9)])
    assert "Up to 1,000" in capacity_words([row(1e3, 5)])


def test_a_backtest_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the summary, on the page and on the terminal; without being asked, nowhere."""
    files, _, prices = write_inputs(tmp_path, "")
    backtest_command(files, prices, None, None, tmp_path / "plain")
    backtest_command(files, prices, None, None, tmp_path / "out", costs=BOTH)
    plain = json.loads((tmp_path / "plain" / "summary.json").read_text())
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    page = (tmp_path / "out" / "report.html").read_text()

    assert {"break_even", "capacity"} & set(plain) == set()
    assert set(summary["break_even"]) == {FEE, SLIPPAGE}
    assert summary["capacity"]["by_capital"][0]["capital"] == 500
    assert "Costs at which it is gone" in page
    assert "With little and with much money" in page
    assert "break-even: fee of" in capsys.readouterr().out


def test_a_sweep_writes_them_of_its_best_set(tmp_path: Path) -> None:
    """The very numbers that a backtest of that set would write."""
    files, grid, prices = write_inputs(tmp_path, f"{ATR}: [1.5, 2.5, 4.0]\n")
    sweep_command(files, grid, prices, tmp_path / "out", n_workers=1, costs=BOTH)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    best = table[table["set"] == summary["best"]["set"]].iloc[0]
    set_of = config({ATR: float(best[ATR])})
    products = products_of(set_of, prices)
    alone = backtest(read_universe(prices, set_of.universe), set_of, products=products)
    found = break_even(alone, products, FEE).to_mapping()

    assert summary["break_even"][FEE]["configured"]["cagr"] == summary["best"]["cagr"]
    assert summary["break_even"][FEE] == json.loads(json.dumps(found))
    assert "Costs at which it is gone" in (tmp_path / "out" / "report.html").read_text()

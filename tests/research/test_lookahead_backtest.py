"""The look-ahead proof of the compiled path: it passes, and every planted leak is caught."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.app.profile import REAL_UNIVERSE
from tests.core.build import REAL_CANDLES, config_with, market
from tf_lib.research.backtest import run_backtest as backtest_module
from tf_lib.research.backtest.history import History, history_of
from tf_lib.research.backtest.loop_records import CLOSE, OPEN, SIGNAL
from tf_lib.research.lookahead.backtest_check import (
    LIVE,
    prove_backtest,
    warm_up_decisions,
)
from tf_lib.research.lookahead.decision_check import CUT, NOISE
from tf_lib.research.lookahead.lookahead_proof import proof_lines
from tf_lib.store.candle_csv import read_candle_folder

N_DAYS = 430
BUSY = {
    "execution_and_costs.notional_threshold_pct": 0.01,
    "execution_and_costs.cooldown_counter_threshold": 3,
    "risk_and_sizing.atr_multiplier": 1.0,
    # No cap: it would give the same weight to signals that differ.
    "risk_and_sizing.cap_low": 1.0,
    "risk_and_sizing.cap_high": 1.0,
}

TRAIL = {
    "risk_and_sizing.stop_loss_strategy": "PercentageTrail",
    "risk_and_sizing.trail_percentage": 0.06,
}


@pytest.fixture(scope="module")
def candles() -> dict[str, pd.DataFrame]:
    """Four tickers; one misses a week, one ends early."""
    made = {ticker: frame.iloc[:N_DAYS] for ticker, frame in market(600).items()}
    made["BBB-USD"] = made["BBB-USD"].drop(made["BBB-USD"].index[380:387])
    made["CCC-USD"] = made["CCC-USD"].iloc[:-15]
    return made


@pytest.mark.parametrize(
    "changes",
    [{}, {"risk_and_sizing.covariance": "ledoit_wolf"}, TRAIL],
    ids=["sample", "ledoit_wolf", "percentage trail"],
)
def test_a_backtest_decides_what_the_live_path_decides_without_a_future(
    candles: dict[str, pd.DataFrame], changes: dict[str, Any]
) -> None:
    """Weights, reasons and trades, bit for bit; also with noise for the rest of the day."""
    config = config_with({**BUSY, **changes})
    proof = prove_backtest(candles, config, every_days=19)

    assert proof.passed, proof.differences.head()
    assert {"target_weight", "reason", "trade_notional", "resting_stop"} <= set(proof.columns)
    assert (proof.n_days, proof.n_days_checked) == (280, 15)
    assert "the backtest: none found" in proof_lines("the backtest", proof, (CUT, NOISE, LIVE))


Leak = Callable[[np.ndarray, np.ndarray], None]


def leaking(history: History, leak: Leak) -> History:
    """The same history with something in its market that it could not know."""
    bars, known = history.market.bars.copy(), history.market.known.copy()
    leak(bars, known)
    return dataclasses.replace(history, market=history.market._replace(bars=bars, known=known))


def signal_of_tomorrow(bars: np.ndarray, known: np.ndarray) -> None:
    known[:-1, SIGNAL] = known[1:, SIGNAL]


def trades_at_the_close(bars: np.ndarray, known: np.ndarray) -> None:
    bars[:, OPEN] = bars[:, CLOSE]


@pytest.mark.parametrize(
    ("leak", "tests", "column"),
    [
        (signal_of_tomorrow, {CUT, NOISE, LIVE}, "target_weight"),
        (trades_at_the_close, {CUT, NOISE}, "equity_before"),
    ],
)
def test_a_leak_in_the_loop_is_caught(
    candles: dict[str, pd.DataFrame],
    monkeypatch: pytest.MonkeyPatch,
    leak: Leak,
    tests: set[str],
    column: str,
) -> None:
    """By the day that knows less, and by the live path."""

    def leaky(*its: Any, **named: Any) -> History:
        return leaking(history_of(*its, **named), leak)

    monkeypatch.setattr(backtest_module, "history_of", leaky)
    proof = prove_backtest(candles, config_with(BUSY), every_days=11)

    assert not proof.passed
    assert column in proof.leaking_columns
    assert tests <= set(proof.differences["test"])
    assert "FOUND" in proof_lines("the backtest", proof, (CUT, NOISE, LIVE))


def test_a_later_start_of_history_changes_decisions_and_says_how_many() -> None:
    """None when nothing is cut; never the number of decisions."""
    made = {ticker: frame.iloc[:560] for ticker, frame in market(600).items()}
    table = warm_up_decisions(made, config_with(BUSY), days_later=[0, 40])

    assert table["decisions"].tolist() == [720, 720]
    assert (table["other_reason"][0], table["other_trade"][0]) == (0, 0)
    assert 0 < table["other_reason"][1] < 720
    assert table["total_return"][0] == table["whole_return"][0]


@pytest.mark.slow
def test_real_candles_prove_it_too() -> None:
    """Every thirteenth day of seven tickers."""
    if not any(REAL_CANDLES.glob("*.csv")):
        pytest.skip("no real candles stand beside the project (../shared/candles)")
    config = config_with(sleeves=REAL_UNIVERSE["sleeves"])
    real = read_candle_folder(REAL_CANDLES, config.universe.sorted_tickers)
    proof = prove_backtest(real, config, every_days=13)

    assert proof.passed, proof.differences.head()

"""A study: what sets share, what names them, and the days they all live."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.research.sweeping import (
    ATR,
    CAP,
    FAST,
    GRID,
    N_DAYS,
    THRESHOLD,
    candles,
    config,
    days,
    halt_sets,
    planned,
)
from tf_lib.core.signals.columns import signals
from tf_lib.errors import BarsError, ParameterError
from tf_lib.research.backtest.history import history_of
from tf_lib.research.sweep.evaluate import BoundedMemo, evaluate
from tf_lib.research.sweep.grid import grid_of
from tf_lib.research.sweep.set_keys import code_files, signals_key
from tf_lib.research.sweep.study import changed, in_chunks, make_study
from tf_lib.research.sweep.trials import FAILED, OK

# Another valid value for everything that only sizes, caps or executes.
SIZING_ONLY = {
    "risk_and_sizing.annualized_target_volatility": 0.4,
    "risk_and_sizing.rolling_cov_window": 45,
    "risk_and_sizing.rolling_sharpe_window": 90,
    "risk_and_sizing.cash_buffer_percentage": 0.3,
    "risk_and_sizing.risk_max_iterations": 50,
    "risk_and_sizing.risk_sleeve_budget_tolerance": 0.05,
    "risk_and_sizing.risk_optimizer_step": 0.3,
    "risk_and_sizing.risk_min_signal": 0.001,
    "risk_and_sizing.sleeve_risk_mode": "target",
    "risk_and_sizing.cap_mode": "static",
    "risk_and_sizing.cap_low": 0.2,
    "risk_and_sizing.cap_high": 0.9,
    "risk_and_sizing.cap_n_eff_threshold": 3.0,
    "risk_and_sizing.cap_use_metric": "unit_n_eff",
    "risk_and_sizing.cap_max_iter": 5,
    "risk_and_sizing.cap_tol": 0.01,
    "risk_and_sizing.covariance": "ewm",
    "execution_and_costs.taker_fee": 0.003,
    "stops.limit_buffer_bps": 100.0,
    "run.initial_capital": 50_000.0,
}


@pytest.mark.parametrize(("path", "value"), SIZING_ONLY.items())
def test_sets_that_share_a_signals_key_have_the_same_signals(path: str, value: Any) -> None:
    """Bit for bit: what is left out of the key must change no signal."""
    base, other = config(), config({path: value})
    bars = history_of(candles(), base).bars
    one, two = signals(bars, base), signals(bars, other)

    assert signals_key(base) == signals_key(other)
    for name, grid in one.values.items():
        np.testing.assert_array_equal(grid, two[name])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (FAST, 12),
        (ATR, 2.5),
        ("risk_and_sizing.volatility_window", 40),
        ("risk_and_sizing.rolling_atr_window", 30),
        ("risk_and_sizing.highest_high_window", 30),
        ("risk_and_sizing.stop_loss_strategy", "PercentageTrail"),
        ("risk_and_sizing.trail_percentage", 0.3),
        ("run.warmup_days", 320),
        ("run.annual_trading_days", 252),
        ("signals.filters.filter_mode", "binary"),
    ],
)
def test_what_changes_signals_changes_their_key(path: str, value: Any) -> None:
    """Sharing too much would be a wrong result; sharing too little is only slow."""
    assert signals_key(config()) != signals_key(config({path: value}))


def test_changing_leaves_the_base_alone() -> None:
    """Down to every section."""
    base = {"a": {"b": {"c": 1}, "d": 2}}
    before = copy.deepcopy(base)

    assert changed(base, {"a.b.c": 5, "a.d": 6}) == {"a": {"b": {"c": 5}, "d": 6}}
    assert base == before


def test_an_invalid_set_is_kept_with_its_problem() -> None:
    """A fast average of 300 over a slow one of 200 is nobody else's concern."""
    _, sets, _ = planned()
    invalid = [one for one in sets if one.problem]

    assert len(sets) == 12
    assert len(invalid) == 4
    assert all(one.changes[FAST] == 300 for one in invalid)
    assert "fast_mavg 300 must be below slow_mavg 200" in invalid[0].problem


def test_no_valid_set_at_all_is_an_error() -> None:
    """It names the first problem."""
    with pytest.raises(ParameterError, match=r"none of the 2 sets is valid.*fast_mavg 300"):
        planned({FAST: [300, 400]})


def test_keys_name_everything_a_result_depends_on() -> None:
    """Equal results share a key; parameters, capital, costs, bars and days change it."""
    base = {one.key for one in planned()[1]}
    assert base == {one.key for one in planned(dict(reversed(GRID.items())))[1]}
    mailed = planned(GRID, {"exchange.starting_cash": "99"})
    assert base == {one.key for one in mailed[1]}

    for different in (
        planned(GRID, {"run.initial_capital": 99_999.0}),
        planned(GRID, {"execution_and_costs.taker_fee": 0.001}),
        planned(GRID, span=days("2022-01-01", "2023-06-01")),
    ):
        assert not (base - {""}) & {one.key for one in different[1]}


def test_all_sets_live_the_days_that_every_set_can_decide() -> None:
    """The set that needs most history decides when the comparison begins."""
    study, sets, _ = planned({"run.warmup_days": [300, 350]})
    results = evaluate(study, sets)

    # 2022-01-01 is the first bar; 350 bars are known on the day 350 days later.
    assert study.start.isoformat() == "2022-12-17"
    assert study.n_days == N_DAYS - 350
    assert [one.status for one in results] == [OK, OK]
    assert {one.returns.size for one in results} == {study.n_days}


@pytest.mark.parametrize(
    "span", [days("2015-01-01", "2016-01-01"), days("2022-01-01", "2022-03-01")]
)
def test_days_that_do_not_meet_are_an_error(span: Any) -> None:
    """Before the data, or before there is enough history."""
    with pytest.raises(BarsError, match="no day in common"):
        planned(span=span)


def test_a_ticker_without_candles_is_an_error() -> None:
    """By name."""
    base = config()
    grid = grid_of(GRID, base, source="g")
    few = {ticker: frame for ticker, frame in candles().items() if ticker != "CCC-USD"}
    with pytest.raises(BarsError, match="no candles of CCC-USD"):
        make_study(few, base, grid)


def test_universes_can_be_swept_without_mixing_their_components() -> None:
    """A set on fewer tickers gives what it gives alone."""
    both = {"A": {"weight": 1.0, "tickers": ["AAA-USD", "BBB-USD"]}}
    fewer = {"universe.sleeves": both, "universe.tickers": ["AAA-USD", "BBB-USD"], ATR: 2.0}
    study, sets, _ = planned({"sets": [{ATR: 2.0}, fewer, {ATR: 2.5}]})
    together = evaluate(study, sets)
    for one, result in zip(sets, together, strict=True):
        study, alone, _ = planned({"sets": [dict(one.changes)]})
        (other,) = evaluate(study, alone)

        np.testing.assert_array_equal(result.returns, other.returns)


def test_a_set_that_fails_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported with what happened."""
    halt_sets(monkeypatch, {0.8}, "2023-01-01: the solver stopped")
    study, sets, _ = planned({CAP: [0.7, 0.8, 0.9]})
    results = evaluate(study, sets)

    assert [one.status for one in results] == [OK, FAILED, OK]
    assert results[1].problem == "HaltRun: 2023-01-01: the solver stopped"
    assert np.isnan(results[1].metrics).all()


def test_portions_put_equal_signals_beside_each_other() -> None:
    """So that each component is computed once: four settings of signals, changed three times."""
    _, sets, _ = planned({THRESHOLD: [0.02, 0.05, 0.1], FAST: [10, 20], ATR: [1.5, 2.5]})
    portions = list(in_chunks(sets, most=5))
    keys = [one.signals_key for portion in portions for one in portion]

    assert [len(portion) for portion in portions] == [5, 5, 2]
    assert sum(a != b for a, b in itertools.pairwise(keys)) == 3


def test_components_are_computed_once_per_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve sets with two settings of signals compute signals twice."""
    from tf_lib.research.sweep import evaluate as module

    calls = []
    real = vars(module)["history_of"]

    def counted(*args: Any, **settings: Any) -> Any:
        calls.append(1)
        return real(*args, **settings)

    monkeypatch.setattr(module, "history_of", counted)
    study, sets, _ = planned({THRESHOLD: [0.02, 0.05, 0.1], CAP: [0.6, 0.8], FAST: [10, 21]})
    for portion in in_chunks(sets, most=4):
        evaluate(study, portion)

    assert len(sets) == 12
    assert len(calls) == 2


def test_memo_forgets_what_was_used_longest_ago() -> None:
    """And never more than it must: three arrays of 80 bytes in room for two."""
    memo = BoundedMemo(most_bytes=160)
    for name in ("a", "b"):
        memo[(name,)] = np.zeros(10)
    assert ("a",) in memo  # A look is a use.
    memo[("c",)] = np.zeros(10)

    assert list(memo) == [("a",), ("c",)]
    assert memo.nbytes == 160
    memo[("d",)] = np.zeros(1000)
    assert list(memo) == [("d",)]


def test_code_edition_covers_every_module_that_evaluating_imports() -> None:
    """Whatever of the library is loaded to evaluate a set is in the name of the code that did."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, tf_lib.research.sweep.workers\n"
            "for module in sys.modules.values():\n"
            "    if module.__name__.startswith('tf_lib.'): print(module.__file__)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {Path(line) for line in done.stdout.splitlines()}
    package = next(path for path in loaded if path.name == "errors.py").parent

    assert any("backtest" in path.parts for path in loaded)
    assert loaded <= set(code_files(package))

"""
Statistics beside other people's libraries, on the same returns.

They are no part of the lock: `pip install --editable ".[test,peers]"` into an environment of its
own, then `pytest tests/research/test_peers.py` there. Without them these tests are skipped.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.research.backtest.statistics import performance
from tf_lib.research.inference.bootstrap import Resampling, bootstrap_band
from tf_lib.research.inference.overfitting import probabilistic_sharpe, sharpe_moments
from tf_lib.research.inference.reality_check import RealityCheck
from tf_lib.research.inference.splits import (
    CombinatorialPurged,
    WalkForward,
    combinatorial_folds,
    combinatorial_paths,
    walk_forward_folds,
)

WHY = "pip install the extra `peers` into an environment of its own"
DAYS, YEAR = 1_460, 365


@pytest.fixture(scope="module")
def returns() -> FloatArray:
    """Return four years of days with fat tails, some of them without a trade."""
    random = np.random.default_rng(20261129)
    found = np.asarray(0.0008 + 0.02 * random.standard_t(4, DAYS), np.float64)
    found[random.random(DAYS) < 0.1] = 0.0
    return found


@pytest.fixture(scope="module")
def ours(returns: FloatArray) -> dict[str, float]:
    """Return our figures of them."""
    equity = np.asarray(1_000.0 * np.cumprod(1.0 + returns), np.float64)
    return performance(equity, 1_000.0, days_per_year=YEAR)


@pytest.fixture(scope="module")
def series(returns: FloatArray) -> pd.Series:
    """Return them as other libraries take them."""
    return pd.Series(returns, pd.date_range("2022-01-01", periods=DAYS, freq="D"))


def test_empyrical_agrees(series: pd.Series, ours: dict[str, float]) -> None:
    """Growth, volatility, Sharpe, Sortino, Calmar and the deepest fall."""
    theirs = pytest.importorskip("empyrical", reason=WHY)

    found = {
        "cagr": theirs.annual_return(series, annualization=YEAR),
        "volatility": theirs.annual_volatility(series, annualization=YEAR),
        "sharpe": theirs.sharpe_ratio(series, annualization=YEAR),
        "sortino": theirs.sortino_ratio(series, annualization=YEAR),
        "calmar": theirs.calmar_ratio(series, annualization=YEAR),
        "max_drawdown": theirs.max_drawdown(series),
    }

    assert found == pytest.approx({name: ours[name] for name in found}, rel=1e-12)


def test_quantstats_agrees(series: pd.Series, ours: dict[str, float]) -> None:
    """Volatility, Sharpe, Sortino and the deepest fall."""
    theirs = pytest.importorskip("quantstats", reason=WHY).stats

    found = {
        "volatility": theirs.volatility(series, periods=YEAR),
        "sharpe": theirs.sharpe(series, periods=YEAR),
        "sortino": theirs.sortino(series, periods=YEAR),
        "max_drawdown": theirs.max_drawdown(series),
    }

    assert found == pytest.approx({name: ours[name] for name in found}, rel=1e-12)


def test_quantstats_agrees_on_the_probability_of_skill(
    series: pd.Series, returns: FloatArray
) -> None:
    """The same formula; theirs takes moments without bias, so that they meet to three digits."""
    theirs = pytest.importorskip("quantstats", reason=WHY).stats

    found = theirs.probabilistic_sharpe_ratio(series, periods=YEAR)

    assert found == pytest.approx(probabilistic_sharpe(sharpe_moments(returns)), abs=1e-3)


def test_skfolio_cuts_the_same_combinations() -> None:
    """Purged and embargoed, over blocks of the same size; and the same paths through them."""
    theirs = pytest.importorskip("skfolio.model_selection", reason=WHY)
    plan = CombinatorialPurged(6, 2, purge_rows=3, embargo_rows=2)
    other = theirs.CombinatorialPurgedCV(6, 2, purged_size=3, embargo_size=2)

    folds = combinatorial_folds(120, plan)
    cuts = list(other.split(np.zeros((120, 1))))

    assert len(folds) == len(cuts)
    for fold, (train, tests) in zip(folds, cuts, strict=True):
        assert fold.train.tolist() == train.tolist()
        assert fold.test.tolist() == np.concatenate(tests).tolist()
    assert combinatorial_paths(plan).shape[0] == other.n_test_paths


def test_skfolio_walks_the_same_way() -> None:
    """Rolling and anchored, with days left out between training and judging."""
    theirs = pytest.importorskip("skfolio.model_selection", reason=WHY)
    for is_anchored in (False, True):
        plan = WalkForward(train_rows=40, test_rows=15, purge_rows=4, anchored=is_anchored)
        other = theirs.WalkForward(
            test_size=15, train_size=40, purged_size=4, expand_train=is_anchored, reduce_test=True
        )

        found = [(f.train.tolist(), f.test.tolist()) for f in walk_forward_folds(200, plan)]

        cuts = other.split(np.zeros((200, 1)))
        assert found == [(train.tolist(), test.tolist()) for train, test in cuts]


def test_arch_draws_the_same_band(returns: FloatArray) -> None:
    """Of the stationary bootstrap's mean: the quantiles of ten thousand draws each."""
    theirs = pytest.importorskip("arch.bootstrap", reason=WHY)
    n, block = 10_000, 10.0
    drawn = theirs.StationaryBootstrap(block, returns, seed=1).apply(np.mean, n)[:, 0]

    band = bootstrap_band(
        returns, lambda rows: rows.mean(axis=1), Resampling(block, n_samples=n, seed=1)
    )

    # A quantile of so many draws of a normal has an error of about 2 % of its deviation.
    near = 0.08 * float(drawn.std())
    assert band.low == pytest.approx(np.quantile(drawn, 0.05), abs=near)
    assert band.high == pytest.approx(np.quantile(drawn, 0.95), abs=near)


@pytest.mark.parametrize("edge", [0.0, 0.06, 0.1])
def test_arch_checks_reality_alike(edge: float) -> None:
    """White's p-value of the best of twenty, each in units of its own deviation."""
    theirs = pytest.importorskip("arch.bootstrap", reason=WHY)
    random = np.random.default_rng(7)
    sets = random.standard_normal((20, 600))
    sets[3] += edge
    sets /= sets.std(axis=1, ddof=1, keepdims=True)
    n, block = 4_000, 8
    other = theirs.SPA(np.zeros(600), -sets.T, block_size=block, reps=n, seed=2, studentize=False)
    other.compute()

    check = RealityCheck(600, Resampling(float(block), n_samples=n, seed=2))
    check.see(sets)

    # Two estimates of one probability from so many draws each.
    near = 4.0 * np.sqrt(2.0 * 0.25 / n)
    assert check.p_value == pytest.approx(float(other.pvalues["upper"]), abs=near)

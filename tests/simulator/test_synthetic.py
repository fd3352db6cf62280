"""The made-up market: stable, on the tick, and worth trading."""

from __future__ import annotations

import datetime as dt
import time
from decimal import Decimal

import numpy as np
import pytest

from tf_lib.core.model.products import BUILT_IN_PRODUCTS
from tf_lib.simulator import STRATEGY_TICKERS
from tf_lib.simulator.prices.synthetic import synthetic_bars

TICKS = {name: product.price_increment for name, product in BUILT_IN_PRODUCTS.items()}


def test_a_bar_depends_on_seed_ticker_and_day_alone() -> None:
    whole = synthetic_bars(STRATEGY_TICKERS, seed=7, ticks=TICKS)
    cut = synthetic_bars(["SOL-USD"], seed=7, ticks=TICKS, last_day=dt.date(2023, 5, 5))["SOL-USD"]
    for name in ("day", "open", "high", "low", "close", "volume"):
        assert (getattr(whole["SOL-USD"], name)[: len(cut)] == getattr(cut, name)).all()
    other = synthetic_bars(["SOL-USD"], seed=8, ticks=TICKS)["SOL-USD"]
    assert not (other.close[:100] == cut.close[:100]).all()


@pytest.mark.parametrize("seed", [1, 7, 2024])
def test_bars_are_consistent_and_on_the_tick(seed: int) -> None:
    for ticker, bars in synthetic_bars(STRATEGY_TICKERS, seed=seed, ticks=TICKS).items():
        assert (np.diff(bars.day) >= 1).all()
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.low > 0).all()
        assert (bars.volume > 0).all()
        for value in (*bars.close[::97], *bars.high[::131]):
            assert Decimal(repr(float(value))) % TICKS[ticker] == 0


def test_it_trends_crashes_gaps_and_lists_late() -> None:
    bars = synthetic_bars(STRATEGY_TICKERS, seed=7, ticks=TICKS, last_day=dt.date(2026, 12, 31))
    listed = {name: dt.date(1970, 1, 1) + dt.timedelta(int(b.day[0])) for name, b in bars.items()}
    assert listed["BTC-USD"] == dt.date(2018, 1, 1)
    assert listed["KRL-USD"] == dt.date(2021, 10, 5)
    assert any((np.diff(b.day) > 1).any() for b in bars.values())
    btc = bars["BTC-USD"].close
    returns = np.diff(np.log(btc))
    assert 0.3 < returns.std() * np.sqrt(365) < 0.9
    assert returns.min() < -0.10
    months = np.log(btc[60::30] / btc[:-60:30])
    assert (months > 0.15).mean() > 0.1
    assert (months < -0.15).mean() > 0.05
    rows = np.array([np.diff(np.log(b.close[-1500:])) for b in bars.values() if len(b) > 1500])
    assert np.corrcoef(rows).mean() > 0.3


def test_it_is_quick() -> None:
    synthetic_bars(STRATEGY_TICKERS, seed=7, ticks=TICKS)
    begun = time.process_time()
    synthetic_bars(STRATEGY_TICKERS, seed=7, ticks=TICKS)
    assert time.process_time() - begun < 0.2

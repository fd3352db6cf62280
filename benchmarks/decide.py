"""One decision for 14 tickers and 1,400 days, frames loaded, in this process."""

from __future__ import annotations

import datetime as dt

import pandas as pd

from benchmarks.timing import median_ms, seconds
from tf_lib.core.candles.bars import lag_bars
from tf_lib.core.decision import decide, with_last_closes
from tf_lib.core.model.records import PortfolioState
from tf_lib.core.signals.columns import signals
from tf_lib.parameters import Config, load_config
from tf_lib.project import PARAMETERS

N_DAYS = 1400
FIRST_DAY = dt.date(2020, 1, 1)


def made_up_candles(
    tickers: tuple[str, ...], n_days: int, seed: int = 7
) -> dict[str, pd.DataFrame]:
    """Return seeded random-walk candles, one frame a ticker."""
    import numpy as np

    rng = np.random.default_rng(seed)
    days = pd.date_range(FIRST_DAY, periods=n_days, tz="UTC", name="date")
    frames = {}
    for ticker in tickers:
        close = 100 * np.exp(np.cumsum(rng.normal(0.0005, 0.04, n_days)))
        opened = np.concatenate([[100.0], close[:-1]])
        high = np.maximum(opened, close) * (1 + rng.uniform(0, 0.02, n_days))
        low = np.minimum(opened, close) * (1 - rng.uniform(0, 0.02, n_days))
        table = {"open": opened, "high": high, "low": low, "close": close, "volume": 1e6}
        frames[ticker] = pd.DataFrame(table, index=days)
    return frames


def measure() -> dict[str, float]:
    """Return milliseconds of the first and of later decisions."""
    config: Config = load_config(PARAMETERS / "strategy_v020.yaml")
    candles = made_up_candles(config.universe.sorted_tickers, N_DAYS)
    as_of = FIRST_DAY + dt.timedelta(days=N_DAYS)

    def once() -> None:
        bars = lag_bars(candles, as_of=as_of)
        computed = signals(bars, config)
        state = with_last_closes(PortfolioState(cash=15000.0), computed, as_of=as_of)
        decide(bars, state, config, as_of=as_of, computed=computed)

    first = 1000 * seconds(once)
    return {"decide_first_ms": first, "decide_ms": median_ms(once, times=15)}

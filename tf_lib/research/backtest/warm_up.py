"""
``python -m tf_lib.research.backtest.warm_up``: compile what a backtest calls, as set-up does.

The first backtest after an install would otherwise wait for it. An update of the code makes what
it changed compile again where it is first called.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tf_lib.parameters import load_config
from tf_lib.project import profile_file
from tf_lib.research.backtest.run_backtest import backtest

DAYS = 900


def compile_all() -> None:
    """Backtest a made-up market: machine code is kept beside the modules."""
    config = load_config(profile_file("demo"))
    days = pd.date_range("2022-01-01", periods=DAYS, freq="D", tz="UTC", name="date")
    close = 100.0 * np.exp(np.sin(np.arange(DAYS) / 60.0))
    bars = {"open": close, "high": close * 1.02, "low": close * 0.98, "close": close}
    frame = pd.DataFrame({**bars, "volume": np.full(DAYS, 1e6)}, index=days)
    backtest(dict.fromkeys(config.universe.sorted_tickers, frame), config)


if __name__ == "__main__":
    compile_all()

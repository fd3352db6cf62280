"""What tests of the core are made of: made-up candles, bars and parameters."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tf_lib.parameters import Config, config_from_mapping
from tf_lib.text.written import read_yaml

PROJECT = Path(__file__).resolve().parents[2]
STRATEGY = PROJECT / "parameters" / "strategy_v020.yaml"
REAL_CANDLES = PROJECT.parent / "shared" / "candles"
FIRST_DAY = dt.date(2022, 1, 1)
SLEEVES: dict[str, Any] = {
    "Core": {"weight": 0.6, "tickers": ["AAA-USD", "BBB-USD"]},
    "Alt": {"weight": 0.4, "tickers": ["CCC-USD", "DDD-USD"]},
}


def config_with(
    changes: Mapping[str, Any] | None = None, *, sleeves: Mapping[str, Any] = SLEEVES
) -> Config:
    """The strategy's parameters on made-up tickers, with dotted keys changed."""
    mapping = copy.deepcopy(read_yaml(STRATEGY))
    tickers = [ticker for sleeve in sleeves.values() for ticker in sleeve["tickers"]]
    mapping["universe"] = {"tickers": tickers, "sleeves": copy.deepcopy(dict(sleeves))}
    for path, value in (changes or {}).items():
        *parents, last = path.split(".")
        section = mapping
        for name in parents:
            section = section.setdefault(name, {})
        section[last] = value
    return config_from_mapping(mapping, source="test")


def candles_of(closes: Sequence[float], *, first: dt.date = FIRST_DAY) -> pd.DataFrame:
    """Candles that open at the close before, one unit wide around open and close."""
    close = np.array(closes, dtype=float)
    opens = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(opens, close) + 1.0, np.minimum(opens, close) * 0.99
    return frame_of({"open": opens, "high": high, "low": low, "close": close}, first=first)


def frame_of(
    columns: Mapping[str, Sequence[float] | np.ndarray], *, first: dt.date = FIRST_DAY
) -> pd.DataFrame:
    """Candles from columns, volume 1."""
    n_days = len(columns["close"])
    index = pd.date_range(first, periods=n_days, freq="D", tz="UTC", name="date")
    return pd.DataFrame({**columns, "volume": np.ones(n_days)}, index=index, dtype=float)


def random_candles(seed: int, n_days: int, *, first: dt.date = FIRST_DAY) -> pd.DataFrame:
    """A market that trends and turns."""
    random = np.random.default_rng(seed)
    regime = np.repeat(random.normal(0.003, 0.008, n_days // 60 + 1), 60)[:n_days]
    log_close = np.log(100.0) + np.cumsum(regime + random.normal(0, 0.03, n_days))
    close = np.exp(log_close)
    opens = np.concatenate([[100.0], close[:-1]]) * np.exp(random.normal(0, 0.002, n_days))
    high = np.maximum(opens, close) * np.exp(np.abs(random.normal(0, 0.01, n_days)))
    low = np.minimum(opens, close) * np.exp(-np.abs(random.normal(0, 0.01, n_days)))
    return frame_of({"open": opens, "high": high, "low": low, "close": close}, first=first)


def market(n_days: int = 700) -> dict[str, pd.DataFrame]:
    """Four tickers; the last is listed 150 days late."""
    tickers = ["AAA-USD", "BBB-USD", "CCC-USD", "DDD-USD"]
    made = {ticker: random_candles(seed, n_days) for seed, ticker in enumerate(tickers, start=11)}
    made["DDD-USD"] = made["DDD-USD"].iloc[150:]
    return made


def day(number: int) -> dt.date:
    """The day `number` days after the first candle."""
    return FIRST_DAY + dt.timedelta(days=number)

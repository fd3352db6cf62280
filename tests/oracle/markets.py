"""Candles to try things on: made up from a seed, or with holes cut into them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

PRICES = ["open", "high", "low", "close"]


def made_up(
    seed: int, tickers: list[str], *, days: int = 560, first_day: str = "2021-01-01"
) -> dict[str, pd.DataFrame]:
    """Random walks with a common market, regimes, crashes, flat stretches and late starts."""
    rng = np.random.default_rng(seed)
    dates = pd.date_range(first_day, periods=days, freq="D", tz="UTC")
    market = rng.normal(0.0, 0.02, days)
    return {
        ticker: one_walk(rng, market, dates, late=number % 4 == 3)
        for number, ticker in enumerate(tickers)
    }


def regimes(rng: np.random.Generator, days: int) -> np.ndarray:
    """Drift per day, constant for weeks to months."""
    drift = np.empty(0)
    while len(drift) < days:
        drift = np.append(drift, np.full(rng.integers(20, 150), rng.normal(0.004, 0.008)))
    return drift[:days]


def one_walk(
    rng: np.random.Generator, market: np.ndarray, dates: pd.DatetimeIndex, *, late: bool
) -> pd.DataFrame:
    """One ticker's candles, rounded to the cents an exchange would quote."""
    days = len(dates)
    restless = np.exp(np.cumsum(rng.normal(0, 0.05, days)) * 0.5)
    steps = regimes(rng, days) + 0.7 * market + rng.normal(0, 0.02, days) * restless.clip(0.2, 5)
    for day in rng.integers(0, days, 2):
        steps[day] = -rng.uniform(0.15, 0.4)
    close = np.exp(np.log(rng.choice([0.3, 20.0, 30_000.0])) + np.cumsum(steps))
    opened = np.concatenate([close[:1], close[:-1]]) * np.exp(rng.normal(0, 0.002, days))
    body = np.array([opened, close])
    high = body.max(axis=0) * (1 + np.abs(rng.normal(0, 0.015, days)))
    low = body.min(axis=0) * (1 - np.abs(rng.normal(0, 0.015, days)).clip(0, 0.5))
    candles = pd.DataFrame({"open": opened, "high": high, "low": low, "close": close}, index=dates)
    start, length = rng.integers(0, days), rng.integers(3, 45)
    flat = slice(start, start + length)
    candles.iloc[flat] = candles["close"].iloc[start]
    candles = candles.map(lambda price: float(f"{price:.7g}"))
    candles["volume"] = np.round(rng.uniform(1e3, 1e6, days), 3)
    return candles.iloc[rng.integers(30, 200) :] if late else candles


def without_days(candles: pd.DataFrame, first: str, days: int) -> pd.DataFrame:
    """Cut a hole of `days` bars that begins at `first`."""
    hole = pd.date_range(first, periods=days, freq="D", tz="UTC")
    return candles[~candles.index.isin(hole)]


def noise_from(candles: pd.DataFrame, day: dt.date, seed: int) -> pd.DataFrame:
    """Replace every bar of `day` and later by unrelated prices."""
    rng = np.random.default_rng(seed)
    answer = candles.copy()
    later = answer.index >= pd.Timestamp(day.isoformat(), tz="UTC")
    middle = rng.uniform(0.001, 1e5, later.sum())
    for name, factor in {"open": 1.0, "high": 1.7, "low": 0.4, "close": 1.3}.items():
        answer.loc[later, name] = middle * factor
    return answer


def write_folder(folder: Path, candles: dict[str, pd.DataFrame]) -> Path:
    """Write a candle folder; every number reads back as it was."""
    folder.mkdir(parents=True, exist_ok=True)
    for ticker, bars in candles.items():
        rows = [
            f"{day:%Y-%m-%d}," + ",".join(repr(float(value)) for value in values)
            for day, values in zip(bars.index, bars[[*PRICES, "volume"]].to_numpy(), strict=True)
        ]
        text = "\n".join(["date,open,high,low,close,volume", *rows, ""])
        (folder / f"{ticker}.csv").write_text(text, encoding="utf-8")
    return folder


def read_folder(folder: Path) -> dict[str, pd.DataFrame]:
    """Read a candle folder, digit by digit."""
    answer = {}
    for file in sorted(folder.glob("*.csv")):
        bars = pd.read_csv(file, dtype=str)
        bars.index = pd.to_datetime(bars.pop("date"), utc=True)
        answer[file.stem] = bars.map(float)
    return answer

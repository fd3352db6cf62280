"""
A seeded market for any tickers: it trends, crashes, gaps and lists late as crypto does.

One common factor runs through bull, bear and quiet regimes; each ticker follows it with its own
beta, and adds regimes and noise of its own. Every ticker draws from its own stream over one
fixed span, so a bar depends on the seed, its ticker and its day, and on nothing else: not on
which other tickers are asked for, nor on the last day.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from tf_lib.simulator.prices.day_bars import DayBars, day_number

FIRST_DAY = dt.date(2018, 1, 1)
LAST_DAY = dt.date(2039, 12, 31)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Character:
    """How a ticker behaves: its first price, when it lists, and how it moves."""

    price: float
    listed: str = "2018-01-01"
    beta: float = 1.0
    daily_noise: float = 0.025
    day_volume_usd: float = 3e7


CHARACTERS: Mapping[str, Character] = {
    "BTC-USD": Character(13_000.0, beta=0.8, daily_noise=0.008, day_volume_usd=6e8),
    "ETH-USD": Character(700.0, beta=1.0, daily_noise=0.014, day_volume_usd=3e8),
    "SOL-USD": Character(12.0, "2020-06-17", 1.25, 0.028, 1.5e8),
    "ADA-USD": Character(0.35, "2018-01-01", 1.1, 0.022, 4e7),
    "AVAX-USD": Character(9.0, "2020-09-30", 1.25, 0.028, 3e7),
    "ICP-USD": Character(40.0, "2021-05-10", 1.1, 0.028, 1e7),
    "CRO-USD": Character(0.16, "2020-11-03", 0.9, 0.022, 6e6),
    "XTZ-USD": Character(2.5, "2018-07-02", 1.0, 0.026, 6e6),
    "FIL-USD": Character(22.0, "2020-12-09", 1.1, 0.028, 1.2e7),
    "LINK-USD": Character(0.9, "2018-01-01", 1.1, 0.026, 5e7),
    "FET-USD": Character(0.12, "2021-03-01", 1.2, 0.034, 1e7),
    "GRT-USD": Character(0.25, "2020-12-18", 1.1, 0.032, 8e6),
    "OXT-USD": Character(0.30, "2019-12-17", 1.0, 0.032, 2e6),
    "KRL-USD": Character(0.75, "2021-10-05", 1.0, 0.040, 8e5),
    "DOGE-USD": Character(0.004, "2018-01-01", 1.1, 0.030, 8e7),
    "LTC-USD": Character(120.0, "2018-01-01", 0.9, 0.018, 3e7),
}

_REGIME_DRIFT = np.array([0.0075, 0.0004, -0.0055])
_REGIME_VOLATILITY = np.array([0.024, 0.018, 0.031])
_REGIME_CYCLE = np.array([0, 1, 2, 1])
_GROWTH = 0.0007
_SPAN = day_number(LAST_DAY) - day_number(FIRST_DAY) + 1


def synthetic_bars(
    tickers: Sequence[str],
    *,
    seed: int,
    ticks: Mapping[str, Decimal],
    last_day: dt.date = LAST_DAY,
) -> dict[str, DayBars]:
    """
    Daily bars of a made-up market from 2018 on.

    Parameters
    ----------
    tickers : sequence of str
        Any product ids; the strategy's own have a fitting character, others a made-up one.
    seed : int
        Another seed is another market.
    ticks : mapping of ticker to Decimal
        Price increments; every price is a whole number of them.
    last_day : date
        Where to cut off; earlier bars do not depend on it.

    Returns
    -------
    dict of ticker to DayBars
        From each ticker's listing to `last_day`; days without trades are left out.
    """
    factor = _common_factor(np.random.Generator(np.random.PCG64([seed, 0])))
    length = min(_SPAN, day_number(last_day) - day_number(FIRST_DAY) + 1)
    return {
        ticker: _bars_of(ticker, seed, factor, float(ticks[ticker]), length) for ticker in tickers
    }


def _regimes(rng: np.random.Generator, shortest: int, spread: float) -> NDArray[np.int64]:
    """Regime of each day: bull, quiet, bear, quiet, each for some weeks or months."""
    count = _SPAN // shortest + 1
    lengths = shortest + np.floor(rng.exponential(spread, count)).astype(np.int64)
    begin = int(rng.integers(0, len(_REGIME_CYCLE)))
    states = _REGIME_CYCLE[(begin + np.arange(count)) % len(_REGIME_CYCLE)]
    return np.asarray(np.repeat(states, lengths)[:_SPAN], dtype=np.int64)


def _noise(rng: np.random.Generator) -> Floats:
    """Heavy-tailed daily noise of variance one."""
    heavy = np.sqrt(3.0 / rng.gamma(2.5, 2.0, _SPAN))
    return np.asarray(rng.standard_normal(_SPAN) * np.minimum(heavy, 3.0), dtype=np.float64)


def _common_factor(rng: np.random.Generator) -> Floats:
    """Daily log returns of the whole market, crashes included."""
    state = _regimes(rng, 55, 50.0)
    returns = _REGIME_DRIFT[state] + _REGIME_VOLATILITY[state] * _noise(rng)
    crashes = rng.random(_SPAN) < 0.0025 * (1 + state)
    return np.asarray(returns - crashes * rng.uniform(0.08, 0.28, _SPAN), dtype=np.float64)


def _character(ticker: str, rng: np.random.Generator) -> Character:
    known = CHARACTERS.get(ticker)
    late = dt.date(2018, 1, 1) + dt.timedelta(days=int(rng.integers(0, 1300)))
    price = float(10.0 ** rng.uniform(-1.0, 2.0))
    return known or Character(price, late.isoformat(), float(rng.uniform(0.8, 1.3)), 0.03, 3e6)


def _bars_of(ticker: str, seed: int, factor: Floats, tick: float, length: int) -> DayBars:
    rng = np.random.Generator(np.random.PCG64([seed, zlib.crc32(ticker.encode())]))
    nature = _character(ticker, rng)
    listed = max(0, day_number(dt.date.fromisoformat(nature.listed)) - day_number(FIRST_DAY))
    own = _regimes(rng, 40, 35.0)
    scale = nature.daily_noise
    steps = nature.beta * factor + scale * (0.07 * (1.0 - own) + _noise(rng))
    gaps = 0.001 * rng.standard_normal(_SPAN) + (rng.random(_SPAN) < 0.004) * (
        0.05 * rng.standard_normal(_SPAN)
    )
    path = np.cumsum(_pulled_back(steps) + gaps)
    path -= path[listed]
    close = nature.price * np.exp(path)
    open_ = np.concatenate([[nature.price], close[:-1]]) * np.exp(gaps)
    reach = 0.55 * np.sqrt(scale**2 + 0.0006) * np.abs(rng.standard_normal((2, _SPAN)))
    high = np.maximum(open_, close) * np.exp(reach[0])
    low = np.minimum(open_, close) * np.exp(-reach[1])
    volume = nature.day_volume_usd / close * np.exp(0.6 * rng.standard_normal(_SPAN))
    quiet = rng.random(_SPAN) < min(0.003, 600.0 / nature.day_volume_usd)
    keep = ~quiet[listed:length]
    keep[:1] = True
    on_tick = [_on_tick(each[listed:length][keep], tick) for each in (open_, high, low, close)]
    days = np.arange(listed, length)[keep] + day_number(FIRST_DAY)
    traded = np.round(volume[listed:length][keep], 4)
    return DayBars(days, on_tick[0], on_tick[1], on_tick[2], on_tick[3], traded)


def _pulled_back(steps: Floats) -> Floats:
    """
    Take out most of the drift of the last years, so that levels stay of this world.

    Most of the mean of the 1,000 days before is subtracted and a slow growth put in its place;
    it looks back only.
    """
    total = np.concatenate([[0.0], np.cumsum(steps)])
    begin = np.maximum(0, np.arange(len(steps)) - 1000)
    past = total[np.arange(len(steps))] - total[begin]
    return np.asarray(steps - 0.85 * past / 1000.0 + _GROWTH, dtype=np.float64)


def _on_tick(values: Floats, tick: float) -> Floats:
    """Whole ticks, at least twenty, as the floats nearest to their decimals."""
    whole = np.maximum(np.round(values / tick), 20.0)
    per_unit = round(1.0 / tick)
    return np.asarray(whole / per_unit if tick < 1.0 else whole * tick, dtype=np.float64)

"""Purpose-made candles: few products, short history, and days on which everything happens."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FIRST_DAY = dt.date(2023, 3, 1)
PRODUCTS = {"BTC-USD": 42000.0, "ETH-USD": 2300.0, "ADA-USD": 0.52, "XTZ-USD": 0.98}
DECIMALS = {"BTC-USD": 2, "ETH-USD": 2, "ADA-USD": 4, "XTZ-USD": 3}
Row = tuple[float, float, float, float]


@dataclass(frozen=True)
class Regime:
    """A stretch of days with a drift and a volatility per day."""

    days: int
    drift: float
    volatility: float


def walk(first: float, regimes: Sequence[Regime], *, seed: str, decimals: int) -> list[Row]:
    """Return open, high, low, close along regimes; the same seed gives the same days."""
    chance = random.Random(seed)
    rows, price = [], first
    for regime in regimes:
        for _ in range(regime.days):
            close = price * math.exp(chance.gauss(regime.drift, regime.volatility))
            reach = abs(chance.gauss(0, regime.volatility)) * 0.6
            high = max(price, close) * (1 + reach)
            low = min(price, close) * (1 - reach)
            rows.append(tuple(round(x, decimals) for x in (price, high, low, close)))
            price = rows[-1][3]
    return [(o, h, low, c) for o, h, low, c in rows]


def wandering(seed: int, days: int) -> dict[str, list[Row]]:
    """Return a market in which trends begin, end and crash, product by product."""
    market = {}
    for product, first in PRODUCTS.items():
        chance = random.Random(f"{seed} {product}")
        regimes, left = [Regime(40, 0.004, 0.015)], days - 40
        while left > 0:
            length = min(left, chance.randint(5, 14))
            drift = chance.choice((0.02, 0.015, 0.01, 0.005, -0.01, -0.025))
            regimes.append(Regime(length, drift, chance.choice((0.008, 0.015, 0.03))))
            left -= length
        market[product] = walk(
            first / 3, regimes, seed=f"{seed} {product} path", decimals=DECIMALS[product]
        )
    return market


def write_market(
    folder: Path, market: Mapping[str, Sequence[Row]], *, first_day: dt.date = FIRST_DAY
) -> Path:
    """Write a candle folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for product, rows in market.items():
        lines = ["date,open,high,low,close,volume"]
        for number, (o, h, low, c) in enumerate(rows):
            day = first_day + dt.timedelta(days=number)
            lines.append(f"{day},{o},{h},{low},{c},100000")
        (folder / f"{product}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


QUICK_SECTIONS = {
    "run": {"warmup_days": 60},
    "signals": {
        "moving_average": {
            "fast_mavg": 2,
            "slow_mavg": 12,
            "mavg_stepsize": 4,
            "mavg_z_score_window": 20,
        },
        "donchian": {
            "entry_rolling_donchian_window": 8,
            "exit_rolling_donchian_window": 4,
            "rank_window": 20,
        },
        "filters": {
            "rolling_r2": {"rolling_r2_window": 8, "lower_r_sqr_limit": 0.1},
            "vol_of_vol": {"coef_of_variation_window": 5, "vol_of_vol_z_score_window": 15},
        },
    },
    "risk_and_sizing": {
        "volatility_window": 8,
        "rolling_cov_window": 12,
        "rolling_atr_window": 8,
        "highest_high_window": 8,
        "atr_multiplier": 2.5,
    },
    "execution_and_costs": {"notional_threshold_pct": 0.03},
}
"""A strategy in a hurry: the same rules on short windows, so that something happens every day."""

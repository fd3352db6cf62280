"""
Capacity: the same backtest with little and with much money, and its share of what was traded.

Part of research (backtest -> *capacity* -> summary, page). At the small end the products' least
sizes and whole lots decide, which the backtest knows. At the large end it does not know: every
order fills at the open less `transaction_cost_est`, whatever its size. What candles can tell is
how large a share of the day's volume it would have been; from some per cent on the prices
assumed here are not to be had. Volume is that of the candles' exchange alone, and of the whole day,
while orders are sent within minutes: the true share is higher.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.model.records import Product
from tf_lib.research.backtest.history import Candles
from tf_lib.research.backtest.run_backtest import BacktestResult
from tf_lib.research.costs.break_even import rerun

CAPITALS = (500.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0, 10_000_000.0)
"""In quote currency."""
LARGE_SHARE = 0.01
"""Of a day's volume: beyond it the assumed slippage is not to be believed."""


@dataclass(frozen=True)
class Capacity:
    """
    What one amount of money would have made.

    Attributes
    ----------
    capital : float
        At the start, in quote currency.
    cagr, sharpe, max_drawdown, exposure : float
    trades : int
    not_bought : int
        Days and tickers on which a purchase was decided and nothing could be bought: too small
        for the product, or no cash.
    share_median, share_95, share_most : float
        Of a ticker's volume on a day on which it was traded; NaN without trades.
    n_large, n_traded : int
        Days and tickers with more than `LARGE_SHARE`, or no volume at all, of how many.
    """

    capital: float
    cagr: float
    sharpe: float
    max_drawdown: float
    exposure: float
    trades: int
    not_bought: int
    share_median: float
    share_95: float
    share_most: float
    n_large: int
    n_traded: int

    def to_mapping(self) -> dict[str, Any]:
        """Return it as plain values; what is not defined is None."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def capacities(
    result: BacktestResult,
    products: Mapping[str, Product] | None,
    candles: Candles,
    capitals: Sequence[float] = CAPITALS,
) -> list[Capacity]:
    """
    Run the same days with other capitals.

    Parameters
    ----------
    result : BacktestResult
    products : mapping of ticker to Product, optional
        As the backtest had them.
    candles : mapping of ticker to DataFrame
        With ``close`` in quote currency and ``volume`` in base units.
    capitals : sequence of float
    """
    volumes = traded_value(candles, result)
    return [_capacity(result, products, volumes, capital) for capital in capitals]


def traded_value(candles: Candles, result: BacktestResult) -> FloatArray:
    """Return what was traded of each ticker on each day, (n_days, n_tickers), in quote currency."""
    frames = {t: candles[t]["volume"] * candles[t]["close"] for t in result.tickers}
    values = pd.DataFrame(frames).reindex(result.days)
    return values.to_numpy(dtype=np.float64)


def _capacity(
    result: BacktestResult,
    products: Mapping[str, Product] | None,
    volumes: FloatArray,
    capital: float,
) -> Capacity:
    config = result.config
    run = config.run.model_copy(update={"initial_capital": capital})
    made = rerun(result, config.model_copy(update={"run": run}), products)
    fills, first = made.tape.fills, made.span[0]
    own = np.zeros_like(volumes)
    np.add.at(own, (fills["row"] - first, fills["ticker"]), fills["notional"])
    bought = np.zeros(volumes.shape, dtype=np.bool_)
    buys = fills[fills["lots"] > 0]
    bought[buys["row"] - first, buys["ticker"]] = True
    wanted = made.reasons.isin(["enter", "add"]).to_numpy()
    traded = own > 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = (own / volumes)[traded]
    shares = np.where(np.isfinite(shares), shares, np.inf)
    quantiles = [math.nan] * 3
    if shares.size:
        quantiles = np.quantile(shares, (0.5, 0.95, 1.0), method="inverted_cdf").tolist()
    return Capacity(
        capital,
        cagr=made.metrics["cagr"],
        sharpe=made.metrics["sharpe"],
        max_drawdown=made.metrics["max_drawdown"],
        exposure=made.metrics["exposure"],
        trades=int(made.metrics["trades"]),
        not_bought=int((wanted & ~bought).sum()),
        share_median=quantiles[0],
        share_95=quantiles[1],
        share_most=quantiles[2],
        n_large=int((shares > LARGE_SHARE).sum()),
        n_traded=int(shares.size),
    )


def capacity_words(rows: Sequence[Capacity]) -> str:
    """Return what the table says of the large end, in a sentence or two."""
    beyond = [row.capital for row in rows if row.n_traded and row.n_large > 0.05 * row.n_traded]
    said = (
        "Orders fill at the assumed price whatever their size; the share of the day's volume says "
        "from where on that is not to be believed."
    )
    if not beyond:
        return f"{said} Up to {rows[-1].capital:,.0f} no more than one day in twenty had over 1 %."
    return (
        f"{said} From {beyond[0]:,.0f} on more than one traded day in twenty has over 1 % of it: "
        "growth shown there and above is too good."
    )

"""Market data for research: a candle folder, or the demo's seeded market."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from tf_lib.core.candles.intraday_bars import IntradayBars
from tf_lib.core.model.products import products_for
from tf_lib.core.model.records import Product
from tf_lib.parameters import Config
from tf_lib.store.candle_csv import products_of, read_intraday, read_universe

SYNTHETIC = "synthetic"


def intraday_of(source: str, tickers: Collection[str]) -> dict[str, IntradayBars]:
    """Return the shorter candles beside the daily ones of a source, as of `market_of`."""
    is_folder = source not in ("", SYNTHETIC)
    return read_intraday(Path(source).expanduser(), tickers) if is_folder else {}


def market_of(
    config: Config, source: str, tickers: list[str] | None = None
) -> tuple[dict[str, pd.DataFrame], dict[str, Product]]:
    """
    Return candles and products to do research on.

    Parameters
    ----------
    config : Config
    source : str
        A candle folder; empty or ``synthetic``: the seeded market of the demo.
    tickers : list of str, optional
        Default the config's.
    """
    names = tickers or list(config.universe.sorted_tickers)
    if source not in ("", SYNTHETIC):
        folder = Path(source).expanduser()
        return read_universe(folder, config.universe, names), products_of(config, folder)
    from tf_lib.simulator.prices.synthetic import synthetic_bars

    products = products_for(tuple(names), None)
    ticks = {name: product.price_increment for name, product in products.items()}
    made = synthetic_bars(names, seed=config.exchange.seed, ticks=ticks)
    frames = {
        name: pd.DataFrame(
            {
                "open": bars.open,
                "high": bars.high,
                "low": bars.low,
                "close": bars.close,
                "volume": bars.volume,
            },
            index=pd.to_datetime(bars.day, unit="D", utc=True).rename("date"),
        )
        for name, bars in made.items()
    }
    return frames, products

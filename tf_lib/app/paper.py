"""
Paper: real prices, simulated orders.

Candles and prices are read without a key from the real exchange (or the one at
``market_data_url``). Orders go to the embedded simulated exchange, whose market is those
candles: finished days run along their bars, so stops trigger as they would have, and the day
that has begun stands at the last price.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from tf_lib.core.model.records import Product
from tf_lib.errors import ExchangeError, ParameterError, PreflightRefused
from tf_lib.exchange.clock import wall_now
from tf_lib.exchange.factory import open_market_data
from tf_lib.exchange.hosts import is_loopback
from tf_lib.exchange.patience import Patience
from tf_lib.exchange.port import MarketData
from tf_lib.parameters import Config
from tf_lib.store.candle_cache import CandleCache, CandleUpdate


def paper_market(
    config: Config, state: Path, day: dt.date, *, patience: Patience | None = None
) -> tuple[dict[str, pd.DataFrame], dict[str, Product]]:
    """
    Return candles through the day before with the last price as today's bar, and the rules.

    Raises
    ------
    PreflightRefused
        If the market cannot be read; nothing was sent, and nothing is held anywhere real.
    """
    market = _market(config, patience)
    tickers = config.universe.sorted_tickers
    try:
        listed = market.products(tickers)
        update = _candles(config, market, state, day)
    except ExchangeError as error:
        raise _unreadable(config, error) from error
    finally:
        market.line.close()
    if not listed:
        raise _unreadable(config, "none of the tickers is listed")
    candles = {}
    for ticker in tickers:
        last = listed[ticker].last if ticker in listed else None
        candles[ticker] = _with_today(
            update.frames[ticker], day, float(last) if last is not None else None
        )
    return candles, {ticker: one.product for ticker, one in listed.items()}


def _candles(config: Config, market: MarketData, state: Path, day: dt.date) -> CandleUpdate:
    cache, tickers = CandleCache(state / "market"), config.universe.sorted_tickers
    if config.exchange.clock == "wall":
        return cache.update_when_closed(market, tickers, day, now=wall_now, pause=time.sleep)
    # Its time may stand still, and nothing here can make it go on.
    return cache.update(market, tickers, through=day - dt.timedelta(days=1), today=day)


def paper_now(config: Config, patience: Patience | None = None) -> dt.datetime:
    """Return the time of the exchange whose prices are read."""
    if not is_loopback(config.exchange.market_data_url):
        raise ParameterError("exchange.clock: 'exchange' is refused for the real host, use wall")
    market = _market(config, patience)
    try:
        return market.line.server_time()
    except ExchangeError as error:
        raise _unreadable(config, error) from error
    finally:
        market.line.close()


def _market(config: Config, patience: Patience | None) -> MarketData:
    exchange = config.exchange
    return open_market_data(exchange.market_data_url, exchange.ca_file, patience=patience)


def _unreadable(config: Config, why: object) -> PreflightRefused:
    where = config.exchange.market_data_url or "the real exchange"
    return PreflightRefused(f"no market data from {where}: {why}. Paper orders need prices.")


def _with_today(candles: pd.DataFrame, day: dt.date, last: float | None) -> pd.DataFrame:
    """Append the running day as a flat bar at the last price."""
    finished = candles[candles.index < pd.Timestamp(day, tz="UTC")]
    if last is None:
        return finished
    bar: Mapping[str, float] = {
        "open": last,
        "high": last,
        "low": last,
        "close": last,
        "volume": 0.0,
    }
    index = pd.DatetimeIndex([pd.Timestamp(day, tz="UTC")], name=candles.index.name)
    return pd.concat([finished, pd.DataFrame([bar], index=index, columns=candles.columns)])

"""An exchange on a small hand-made market, and the official client that speaks to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from coinbase.rest import RESTClient

from tf_lib.simulator import Endpoint, SimulatedExchange, SimulatorSettings
from tf_lib.simulator.faults.scheduled_events import _DATED, _DELAYS, _FAILURES, _PARTIAL, _RULES

DAY = dt.date(2024, 3, 1)
PREFIX = "/api/v3/brokerage"
ORDERS, FILLS = "/orders/historical/batch", "/orders/historical/fills"
SCHEDULE_KEYS = sorted({*_DELAYS, *_DATED, *_RULES, _PARTIAL, _FAILURES})

# 2024-02-28 ... 2024-03-05 of one product whose path is easy to follow by hand.
BARS = {
    "2024-02-28": (95.0, 101.0, 94.0, 100.0),
    "2024-02-29": (100.0, 103.0, 99.0, 100.0),
    "2024-03-01": (100.0, 104.0, 90.0, 102.0),  # low at 08:00, high at 16:00
    "2024-03-02": (102.0, 106.0, 101.0, 105.0),
    "2024-03-03": (80.0, 92.0, 70.0, 71.0),  # opens far below; high at 08:00, low at 16:00
    "2024-03-04": (71.0, 99.0, 70.0, 98.0),
    "2024-03-05": (98.0, 99.0, 97.0, 98.5),
}


def bar_frame(bars: dict[str, tuple[float, float, float, float]]) -> pd.DataFrame:
    """Return candles as a candle folder is read."""
    index = pd.DatetimeIndex(pd.to_datetime(list(bars), utc=True), name="date")
    frame = pd.DataFrame(bars.values(), columns=["open", "high", "low", "close"], index=index)
    return frame.assign(volume=1000.0)


@pytest.fixture
def settings() -> SimulatorSettings:
    """Return settings of a market with BTC-USD (easy bars) and ETH-USD (ten times cheaper)."""
    easy = bar_frame(BARS)
    both = {"BTC-USD": easy, "ETH-USD": (easy / 10).assign(volume=5000.0)}
    return SimulatorSettings(candles=both, as_of=DAY)


@pytest.fixture
def kept(settings: SimulatorSettings, tmp_path: Path) -> SimulatorSettings:
    """Return settings with a state file."""
    return replace(settings, state_file=tmp_path / "state.sqlite")


@pytest.fixture
def exchange(settings: SimulatorSettings) -> Iterator[SimulatedExchange]:
    """Yield an exchange at 2024-03-01 00:01 with 15,000 USD."""
    with SimulatedExchange(settings) as made:
        yield made


@pytest.fixture
def endpoint(exchange: SimulatedExchange) -> Endpoint:
    """Return the address of the started exchange."""
    return exchange.start()


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[RESTClient]:
    """Yield the official client."""
    made = sdk_client(endpoint)
    yield made
    made.session.close()


def sdk_client(endpoint: Endpoint, **options: Any) -> RESTClient:
    """Return the official client for an exchange, with no setting of this machine."""
    client = RESTClient(
        api_key=None,
        api_secret=None,
        key_file=str(options.pop("key_file", endpoint.key_file)),
        base_url=endpoint.base_url,
        timeout=(3, 10),
        **options,
    )
    client.session.trust_env = False
    client.session.verify = str(endpoint.ca_file)
    return client


def at(text: str) -> dt.datetime:
    """Return a UTC moment from "2024-03-01 08:00"."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


class Hands:
    """Short words for what a trader does, straight at the engine."""

    def __init__(self, exchange: SimulatedExchange) -> None:
        self.exchange = exchange
        self._count = 0

    def get(self, path: str, **query: Any) -> Any:
        status, payload = self.exchange.engine.handle("GET", PREFIX + path, query)
        assert status == 200, (path, query, payload)
        return payload

    def post(self, path: str, body: Any) -> Any:
        status, payload = self.exchange.engine.handle("POST", PREFIX + path, None, body)
        assert status == 200, (path, body, payload)
        return payload

    def client(self) -> RESTClient:
        """Return the official client of the exchange, which listens from now on."""
        return sdk_client(self.exchange.start())

    def until(self, text: str) -> None:
        self.exchange.advance_to(at(text))

    def orders(self, **query: Any) -> Any:
        return self.get(ORDERS, **query)["orders"]

    def fills(self, **query: Any) -> Any:
        return self.get(FILLS, **query)["fills"]

    def candles(
        self, first: str, last: str = "", *, granularity: str = "ONE_DAY", product: str = "BTC-USD"
    ) -> Any:
        """Return the rows of a product that begin from one moment to another, newest first."""
        start, end = (int(at(text).timestamp()) for text in (first, last or first))
        asked = {"start": start, "end": end, "granularity": granularity}
        return self.get(f"/products/{product}/candles", **asked)["candles"]

    def cancel(self, *order_ids: str) -> Any:
        """Return a result for each."""
        return self.post("/orders/batch_cancel", {"order_ids": list(order_ids)})["results"]

    def order(self, side: str, configuration: dict[str, Any], product: str = "BTC-USD") -> Any:
        """Return the create reply."""
        self._count += 1
        name = f"hand-{self._count}"
        return self.post("/orders", order_body(side, configuration, name, product_id=product))

    def preview(self, side: str, configuration: dict[str, Any]) -> Any:
        return self.post("/orders/preview", order_body(side, configuration))

    def made(self, side: str, configuration: dict[str, Any], product: str = "BTC-USD") -> str:
        """Return the id of an order that must be taken."""
        reply = self.order(side, configuration, product)
        assert reply["success"], reply
        return str(reply["success_response"]["order_id"])

    def buy(self, size: str, product: str = "BTC-USD") -> str:
        return self.made("BUY", {"market_market_ioc": {"base_size": size}}, product)

    def stop(self, size: str, stop: str, limit: str, product: str = "BTC-USD") -> str:
        return self.made("SELL", stop_limit(size, stop, limit), product)

    def show(self, order_id: str) -> Any:
        return self.get(f"/orders/historical/{order_id}")["order"]

    def wallet(self, currency: str) -> tuple[Decimal | int, Decimal | int]:
        """Return available and hold."""
        for account in self.get("/accounts", limit=250)["accounts"]:
            if account["currency"] == currency:
                free, hold = account["available_balance"], account["hold"]
                return Decimal(free["value"]), Decimal(hold["value"])
        return Decimal(0), Decimal(0)


def order_body(side: str, configuration: Any, name: str = "x", **more: Any) -> dict[str, Any]:
    """Return what is posted to make an order; `more` is put to it, or in its place."""
    body = {"client_order_id": name, "product_id": "BTC-USD", "side": side}
    return body | {"order_configuration": configuration} | more


def stop_limit(size: str, stop: str, limit: str) -> dict[str, Any]:
    """Return the configuration of a protective sell stop."""
    return {
        "stop_limit_stop_limit_gtc": {
            "base_size": size,
            "limit_price": limit,
            "stop_price": stop,
            "stop_direction": "STOP_DIRECTION_STOP_DOWN",
        }
    }


@pytest.fixture
def hands(exchange: SimulatedExchange) -> Hands:
    """Return a trader at the engine."""
    return Hands(exchange)


Make = Callable[..., SimulatedExchange]
MakeHands = Callable[..., Hands]


@pytest.fixture
def make_exchange(settings: SimulatorSettings) -> Iterator[Make]:
    """Yield a maker of exchanges with some settings changed; all are stopped at the end."""
    made: list[SimulatedExchange] = []

    def make(base: SimulatorSettings = settings, **changes: Any) -> SimulatedExchange:
        made.append(SimulatedExchange(replace(base, **changes)))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def make_hands(make_exchange: Make) -> MakeHands:
    """Return a maker of traders, each at an exchange of its own."""
    return lambda *base, **changes: Hands(make_exchange(*base, **changes))

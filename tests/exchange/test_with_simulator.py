"""The client and the simulated exchange, over TLS: a whole conversation, and what goes wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.exchange.connected import connected
from tf_lib.core.model.records import MarketOrder, Side, StopOrder
from tf_lib.exchange.coinbase.client import Coinbase
from tf_lib.exchange.port import Accepted, Refused, Unknown
from tf_lib.simulator import Endpoint, SimulatedExchange, SimulatorSettings
from tf_lib.store.candle_cache import CandleCache

DAY = dt.date(2024, 3, 1)
BTC, ETH = "BTC-USD", "ETH-USD"
BUY = MarketOrder(BTC, Side.BUY, Decimal("0.05"))


@pytest.fixture
def exchange() -> Iterator[SimulatedExchange]:
    """Return an exchange with two products and 15,000 dollars."""
    with SimulatedExchange(SimulatorSettings(as_of=DAY, tickers=(BTC, ETH))) as made:
        yield made


@pytest.fixture
def endpoint(exchange: SimulatedExchange) -> Endpoint:
    """Return where it is found."""
    return exchange.start()


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[Coinbase]:
    """Return a client of it."""
    made = connected(endpoint, timeout=(1.0, 1.0))
    yield made
    made.line.close()


def changing(exchange: SimulatedExchange) -> list[dict[str, Any]]:
    """Return the changing requests the exchange saw."""
    return [line for line in exchange.request_log if line["changing"]]


def bought(client: Coinbase) -> Decimal:
    """Buy, and return the last trade."""
    assert isinstance(client.send("tf1-240301-entry1-0000000000000001", BUY), Accepted)
    return client.last_trade(BTC)


def stop_below(last: Decimal, share: str = "0.9") -> StopOrder:
    """Return a stop for everything bought, a share of the last trade."""
    cent = Decimal("0.01")
    level = (last * Decimal(share)).quantize(cent)
    return StopOrder(BTC, BUY.base_size, level, (level * Decimal("0.98")).quantize(cent))


def test_a_limit_only_product_is_sold_by_an_immediate_limit(
    client: Coinbase, exchange: SimulatedExchange
) -> None:
    """Where a market order is refused."""
    last = bought(client)
    exchange.set_flag(BTC, "limit_only", True)
    sell = MarketOrder(BTC, Side.SELL, BUY.base_size)
    market = client.send("tf1-240301-exit1-0000000000000001", sell)
    limit = (last * Decimal("0.99")).quantize(Decimal("0.01"))
    answer = client.send("tf1-240301-exit2-0000000000000001", replace(sell, limit_price=limit))

    assert not client.products([BTC])[BTC].product.accepts_market_orders
    assert isinstance(market, Refused)
    assert isinstance(answer, Accepted)
    assert client.holdings()["BTC"].total == 0


@pytest.mark.parametrize(
    ("fault", "is_made"),
    [
        ({"kind": "drop_before"}, False),
        ({"kind": "drop_after"}, True),
        ({"kind": "reset_before"}, False),
        ({"kind": "reset_after"}, True),
        ({"kind": "reset_in_reply"}, True),
        ({"kind": "truncated_json"}, True),
        ({"kind": "status", "status": 503, "body": "html"}, False),
        ({"kind": "status", "status": 502, "body": "empty"}, False),
        ({"kind": "status_after", "status": 504, "body": "json"}, True),
        ({"kind": "slow", "seconds": 1.5}, True),
        ({"kind": "put_field", "field": "order_configuration", "value": None}, True),
        ({"kind": "remove_field", "field": "success_response"}, True),
        ({"kind": "remove_field", "field": "success"}, True),
    ],
)
def test_an_unclear_create_is_unknown_and_the_list_knows(
    client: Coinbase, exchange: SimulatedExchange, fault: dict[str, Any], is_made: bool
) -> None:
    """Sent once; whether the order exists is found by its client id."""
    identity = "tf1-240301-entry1-0000000000000009"
    exchange.add_fault(endpoint="POST /orders", **fault)
    answer = client.send(identity, BUY)
    exchange.clear_faults()

    assert isinstance(answer, Unknown)
    assert identity not in answer.why
    found = [one for one in client.orders() if one.client_order_id == identity]
    assert len(found) == is_made
    assert len(changing(exchange)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503, "body": "html"},
        {"kind": "status", "status": 429, "body": "empty"},
        {"kind": "unauthorized"},
        {"kind": "drop_after"},
        {"kind": "reset_in_reply"},
        {"kind": "truncated_json"},
    ],
)
def test_reads_survive_one_failure(
    client: Coinbase, exchange: SimulatedExchange, fault: dict[str, Any]
) -> None:
    """Each kind of read."""
    exchange.add_fault(endpoint="GET *", calls=["1", "3", "5", "7"], **fault)

    assert client.holdings()["USD"].total == 15000
    assert client.quotes([BTC])[BTC]
    assert client.orders() == []
    assert client.line.key_permissions().can_trade


def test_an_order_is_not_visible_at_once(client: Coinbase, exchange: SimulatedExchange) -> None:
    """404 right after a create is None: not yet."""
    exchange.set_delays(order_visible_seconds=5)
    entry = client.send("tf1-240301-entry1-0000000000000001", BUY)
    assert isinstance(entry, Accepted)
    before = (client.order(entry.order_id), client.orders())
    exchange.advance_to(exchange.now() + dt.timedelta(seconds=10))

    assert before == (None, [])
    assert client.order(entry.order_id) is not None


def test_an_ed25519_key_works_too(endpoint: Endpoint) -> None:
    """The portal's default."""
    client = connected(endpoint, endpoint.ed25519_key_file)

    assert client.line.key_permissions().can_trade
    client.line.close()


def test_cache_follows_days(client: Coinbase, exchange: SimulatedExchange, tmp_path: Path) -> None:
    """One request per ticker on the next day, and the same bars as a full read."""
    cache = CandleCache(tmp_path / "candles")
    first = cache.update(client, [BTC, ETH], DAY - dt.timedelta(days=1))
    exchange.advance_to(dt.datetime(2024, 3, 2, 0, 1, tzinfo=dt.UTC))
    second = cache.update(client, [BTC, ETH], DAY)
    whole = CandleCache(tmp_path / "other").update(client, [BTC], DAY).frames[BTC]

    assert (first.problems, second.problems, second.revisions) == ([], [], [])
    assert second.requests == 2
    assert len(first.frames[BTC]) > 1500
    assert first.frames[BTC].index[-1] == pd.Timestamp("2024-02-29", tz="UTC")
    assert second.frames[BTC].index[-1] == pd.Timestamp("2024-03-01", tz="UTC")
    pd.testing.assert_frame_equal(second.frames[BTC], whole)


def test_revised_missing_and_doubled_candles(
    client: Coinbase, exchange: SimulatedExchange, tmp_path: Path
) -> None:
    """A revision is recorded, a bar that went missing is kept, a doubled one counts once."""
    cache = CandleCache(tmp_path / "candles")
    through = DAY - dt.timedelta(days=1)
    seen = cache.update(client, [BTC], through).frames[BTC]
    where = {"endpoint": "GET /products/*/candles"}
    exchange.add_fault(kind="candles_revised", value={"2": {"volume": "1.5"}}, **where)
    revised = cache.update(client, [BTC], through)
    exchange.clear_faults()
    exchange.add_fault(kind="candles_missing", value=[0], **where)
    missing = cache.update(client, [BTC], through)
    exchange.clear_faults()
    exchange.add_fault(kind="candles_doubled", value=[0, 1], **where)
    doubled = cache.update(client, [BTC], through)

    assert [(one.day, one.column, one.new) for one in revised.revisions] == [
        (through - dt.timedelta(days=2), "volume", 1.5)
    ]
    assert len(missing.frames[BTC]) == len(seen)
    assert "not listed any more" in missing.problems[0]
    assert (len(doubled.frames[BTC]), doubled.problems) == (len(seen), [])

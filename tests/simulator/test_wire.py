"""The wire: tokens, keep-alive, broken requests, broken lines."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from coinbase.rest import RESTClient
from cryptography.hazmat.primitives.asymmetric import ec

from tests.simulator.conftest import PREFIX, sdk_client
from tf_lib.simulator import Endpoint, SimulatedExchange, SimulatorSettings

Raw = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.fixture
def line(endpoint: Endpoint) -> Iterator[http.client.HTTPSConnection]:
    context = ssl.create_default_context(cafile=str(endpoint.ca_file))
    host, port = endpoint.base_url.split(":")
    made = http.client.HTTPSConnection(host, int(port), context=context, timeout=5)
    yield made
    made.close()


@pytest.fixture
def raw(line: http.client.HTTPSConnection) -> Raw:
    """Return a plain HTTP caller that keeps its one connection."""

    def call(
        method: str, path: str, *, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        line.request(method, path, body=body, headers=headers)
        answer = line.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    return call


def token(endpoint: Endpoint, method: str, path: str, **changes: Any) -> str:
    """Return a token as the official client makes it, with some claims changed; times from now."""
    key = json.loads(Path(endpoint.key_file).read_text())
    secret = changes.pop("secret", key["privateKey"])
    now = int(time.time())
    claims = {
        "sub": key["name"],
        "iss": "cdp",
        "nbf": now,
        "exp": now + 120,
        "uri": f"{method} {endpoint.base_url}{path}",
    }
    headers = {"kid": changes.pop("kid", key["name"]), "nonce": "1"}
    changes |= {name: now + changes[name] for name in ("nbf", "exp") if changes.get(name)}
    return jwt.encode(claims | changes, secret, algorithm="ES256", headers=headers)


ACCOUNTS = f"{PREFIX}/accounts"


def test_a_good_token(raw: Raw, endpoint: Endpoint) -> None:
    good = token(endpoint, "GET", ACCOUNTS)
    status, headers, body = raw(
        "GET", f"{ACCOUNTS}?limit=5", body=b"{}", Authorization=f"Bearer {good}"
    )
    assert status == 200
    assert json.loads(body)["size"] == 1
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= set(headers)


BAD = {
    "other method": {"uri": "POST {base}" + ACCOUNTS},
    "other path": {"uri": "GET {base}" + PREFIX + "/orders"},
    "other host": {"uri": "GET api.coinbase.com" + ACCOUNTS},
    "query in uri": {"uri": "GET {base}" + ACCOUNTS + "?limit=5"},
    "no uri": {"uri": None},
    "expired": {"nbf": -300, "exp": -180},
    "clock ahead": {"nbf": 30, "exp": 150},
    "lives too long": {"exp": 100_000},
    "no times": {"nbf": None, "exp": None},
    "other issuer": {"iss": "me"},
    "other subject": {"sub": "somebody"},
    "other key id": {"kid": "somebody"},
    "other secret": {"secret": ec.generate_private_key(ec.SECP256R1())},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
def test_bad_tokens(
    raw: Raw, endpoint: Endpoint, exchange: SimulatedExchange, changes: dict[str, Any]
) -> None:
    uri = changes.get("uri")
    if isinstance(uri, str):
        changes = {**changes, "uri": uri.replace("{base}", endpoint.base_url)}
    bad = token(endpoint, "GET", ACCOUNTS, **changes)
    status, headers, body = raw("GET", ACCOUNTS, Authorization=f"Bearer {bad}")
    assert (status, body.strip()) == (401, b"Unauthorized")
    assert headers["content-type"].startswith("text/plain")
    assert exchange.request_log[-1]["status"] == 401


@pytest.mark.parametrize(
    "text", ["", "Bearer", "Bearer a.b.c", "Bearer x", "Basic abc", "Bearer ..", "Bearer é"]
)
def test_garbage_instead_of_a_token(raw: Raw, text: str) -> None:
    status, _, body = raw("GET", ACCOUNTS, Authorization=text.encode("latin-1").decode("latin-1"))
    assert (status, body.strip()) == (401, b"Unauthorized")


def test_unsigned_token(raw: Raw, endpoint: Endpoint) -> None:
    key = json.loads(Path(endpoint.key_file).read_text())
    now = int(time.time())
    claims = {"sub": key["name"], "iss": "cdp", "nbf": now, "exp": now + 120}
    claims["uri"] = f"GET {endpoint.base_url}{ACCOUNTS}"
    bare = jwt.encode(claims, "", algorithm="none", headers={"kid": key["name"]})
    assert raw("GET", ACCOUNTS, Authorization=f"Bearer {bare}")[0] == 401


def test_public_paths_need_no_token(raw: Raw) -> None:
    assert raw("GET", f"{PREFIX}/time", body=b"{}")[0] == 200
    assert raw("GET", f"{PREFIX}/market/products")[0] == 200
    assert raw("GET", f"{PREFIX}/market/products/BTC-USD/ticker?limit=1")[0] == 200
    assert raw("GET", f"{PREFIX}/best_bid_ask")[0] == 401
    assert raw("GET", f"{PREFIX}/market/best_bid_ask")[0] == 404


def test_broken_requests_keep_the_line_or_close_it_cleanly(raw: Raw, endpoint: Endpoint) -> None:
    path = f"{PREFIX}/orders"
    good = f"Bearer {token(endpoint, 'POST', path)}"
    status, _, body = raw("POST", path, body=b"{not json", Authorization=good)
    assert (status, json.loads(body)["error"]) == (400, "INVALID_ARGUMENT")
    assert raw("POST", path, body=b"\xff\xfe", Authorization=good)[0] == 400
    assert raw("POST", path, body=b"[" * 100_000, Authorization=good)[0] == 400
    assert raw("POST", path, body=b"", Authorization=good)[0] == 400
    assert raw("GET", f"{PREFIX}/time")[0] == 200
    assert raw("POST", path, body=b"x" * 2_000_000, Authorization=good)[0] == 413


def test_the_log_holds_requests_and_no_secret(
    client: RESTClient, exchange: SimulatedExchange, endpoint: Endpoint
) -> None:
    client.market_order_buy("logged", "BTC-USD", base_size="1")
    client.get_accounts()
    order, accounts = exchange.request_log[-2:]
    assert (order["method"], order["path"]) == ("POST", f"{PREFIX}/orders")
    assert (order["changing"], accounts["changing"]) == (True, False)
    assert order["body"]["client_order_id"] == "logged"
    assert order["reply"]["success"]
    text = json.dumps(exchange.request_log)
    secret = json.loads(Path(endpoint.key_file).read_text())["privateKey"]
    assert "Bearer" not in text
    assert secret.splitlines()[1] not in text
    assert (Path(endpoint.key_file).stat().st_mode & 0o777) == 0o600


def test_rate_headers_reach_the_official_client(endpoint: Endpoint) -> None:
    client = sdk_client(endpoint, rate_limit_headers=True)
    with client.session:
        assert client.get_accounts().to_dict()["rate_limit_limit"] == "30"


FAULTS = [
    ({"kind": "drop_before"}, requests.ConnectionError, 0),
    ({"kind": "drop_after"}, requests.ConnectionError, 1),
    ({"kind": "reset_before"}, requests.ConnectionError, 0),
    ({"kind": "reset_in_reply"}, requests.exceptions.RequestException, 1),
    ({"kind": "status", "status": 503, "body": "html"}, requests.HTTPError, 0),
    ({"kind": "status", "status": 502, "body": "empty"}, requests.HTTPError, 0),
    ({"kind": "status_after", "status": 504, "body": "json"}, requests.HTTPError, 1),
    ({"kind": "status", "status": 429}, requests.HTTPError, 0),
    ({"kind": "unauthorized"}, requests.HTTPError, 0),
    ({"kind": "truncated_json"}, requests.exceptions.JSONDecodeError, 1),
    ({"kind": "put_field", "field": "order_configuration", "value": None}, TypeError, 1),
]


@pytest.mark.parametrize(("fault", "error", "orders"), FAULTS)
@pytest.mark.filterwarnings("ignore:unclosed")
def test_faults_as_the_official_client_meets_them(
    client: RESTClient,
    exchange: SimulatedExchange,
    fault: dict[str, Any],
    error: type[Exception],
    orders: int,
) -> None:
    exchange.add_fault(**fault, endpoint="POST /orders", calls=[1])
    with pytest.raises(error):
        client.market_order_buy("once", "BTC-USD", base_size="1")
    assert len(exchange.engine.venue.matching.orders) == orders
    assert client.market_order_buy("once", "BTC-USD", base_size="1")["success"]
    assert len(exchange.engine.venue.matching.orders) == 1
    assert exchange.request_log[-2]["fault"] == fault["kind"]


def test_stop_ends_open_lines(settings: SimulatorSettings, tmp_path: Path) -> None:
    exchange = SimulatedExchange(replace(settings, state_file=tmp_path / "state.sqlite"))
    client = sdk_client(exchange.start())
    with client.session:
        client.get_accounts()
        exchange.stop()
        exchange.stop()
        with pytest.raises(requests.ConnectionError):
            client.get_accounts()


def test_many_clients_at_once(endpoint: Endpoint, exchange: SimulatedExchange) -> None:
    """Every order gets its own id, and the money adds up, however requests interleave."""
    made: list[str] = []

    def trade(name: str) -> None:
        client = sdk_client(endpoint)
        with client.session:
            for number in range(15):
                reply = client.market_order_buy(f"{name}-{number}", "BTC-USD", base_size="0.1")
                made.append(reply["success_response"]["order_id"])

    threads = [threading.Thread(target=trade, args=(f"t{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 90
    wallets = exchange.engine.venue.matching.wallets
    assert wallets.available("BTC") == 9
    assert wallets.available("USD") == 15_000 - 9 * Decimal("100.1") * Decimal("1.012")
    times = [line["exchange_time"] for line in exchange.request_log]
    assert times == sorted(times)
    assert len(set(times)) == 90

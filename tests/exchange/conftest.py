"""Fixtures of the edge: a server that answers as told, a key, a client that never waits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.exchange.canned_exchange import CannedExchange, Edge
from tf_lib.exchange.coinbase.client import Coinbase
from tf_lib.exchange.coinbase.wire import RetryRule

KEY_NAME = "organizations/0f0f0f0f-canary/apiKeys/c0ffee00-canary-4bad-8bad-feedfacecafe"


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a key as the Coinbase portal writes it."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("key") / "key.json"
    path.write_text(json.dumps({"name": KEY_NAME, "privateKey": pem.decode()}))
    return path


@pytest.fixture
def canned(tmp_path: Path) -> Iterator[CannedExchange]:
    """Return a running server with no answers yet."""
    exchange = CannedExchange(tmp_path)
    yield exchange
    exchange.close()


@pytest.fixture
def waits() -> list[float]:
    """Return the waits between tries, in seconds, none of which was slept."""
    return []


@pytest.fixture
def client(canned: CannedExchange, key_file: Path, waits: list[float]) -> Iterator[Coinbase]:
    """Return a client of the canned exchange."""
    rule = RetryRule(sleep=waits.append)
    base_url, ca_file = canned.base_url, canned.ca_file
    made = Coinbase.connect(base_url, ca_file, key_file, timeout=(1.0, 0.5), retry=rule)
    yield made
    made.line.close()


@pytest.fixture
def edge(canned: CannedExchange, client: Coinbase) -> Edge:
    """Return both."""
    return Edge(canned, client)

"""The client of a simulated exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tf_lib.exchange.coinbase.client import Coinbase
from tf_lib.exchange.coinbase.wire import RetryRule
from tf_lib.simulator import Endpoint


def connected(endpoint: Endpoint, key_file: Path | None = None, **options: Any) -> Coinbase:
    """Return a client that does not wait between tries."""
    key_file, rule = key_file or endpoint.key_file, RetryRule(sleep=lambda seconds: None)
    return Coinbase.connect(endpoint.base_url, endpoint.ca_file, key_file, retry=rule, **options)

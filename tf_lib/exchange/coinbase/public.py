"""
Public market data: real prices without a key, for paper trading.

The same reads as with a key, on the paths that ask for none. Nothing here can send an order.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lib.exchange.coinbase.api_key import ApiKey
from tf_lib.exchange.coinbase.endpoint import host_of, is_loopback, open_public_client
from tf_lib.exchange.coinbase.market import MarketReads
from tf_lib.exchange.coinbase.wire import RateBudget, RetryRule, Wire
from tf_lib.exchange.patience import Patience

PUBLIC_BUDGET = ((8, 1.0),)
"""Coinbase allowed 10 public requests a second for one address."""


class PublicMarket(MarketReads):
    """Products, prices and candles of an exchange, read without a key."""

    @classmethod
    def connect(
        cls,
        base_url: str | None = None,
        ca_file: Path | None = None,
        *,
        patience: Patience | None = None,
    ) -> PublicMarket:
        """Make a reader of the real exchange, or of the one at `base_url`; sends nothing yet."""
        host = host_of(base_url)
        client = open_public_client(host, ca_file=ca_file)
        budget = RateBudget(limits=() if is_loopback(host) else PUBLIC_BUDGET)
        wire = _PublicWire(client, ApiKey("", ""), retry=RetryRule(), budget=budget)
        wire.patience = patience
        return cls(wire)

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()


class _PublicWire(Wire):
    """Puts every read on the path that needs no key."""

    def get(
        self, path: str, params: Mapping[str, Any] | None = None, *, public: bool = False
    ) -> dict[str, Any]:
        where = f"/market{path}" if path.startswith("/product") else path
        return super().get(where, params, public=True)

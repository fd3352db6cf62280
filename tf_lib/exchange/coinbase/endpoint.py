"""
Endpoints: which host is spoken to, and an SDK client for it.

The SDK always speaks https. A proxy, a CA bundle or a netrc file of the environment must not
come between us and a simulated exchange, redirects are not followed (a POST would turn into a
GET), and the SDK's own log handler is taken away: it would print whole answers to stderr.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_lib.errors import PreflightRefused
from tf_lib.exchange import hosts
from tf_lib.exchange.coinbase.auth import ApiKey

if TYPE_CHECKING:
    from coinbase.rest import RESTClient

REAL_HOST = "api.coinbase.com"
TIMEOUT = (3.05, 10.0)
"""Seconds to connect, and to wait for each piece of an answer."""


def exchange_host(base_url: str | None) -> str:
    """Return ``host`` or ``host:port`` of a base url; None is the real exchange."""
    return REAL_HOST if base_url is None else hosts.host_of(base_url)


def open_client(
    key: ApiKey,
    host: str,
    *,
    ca_file: Path | None = None,
    timeout: tuple[float, float] = TIMEOUT,
) -> RESTClient:
    """
    Return an SDK client for a host, with the key checked.

    Raises
    ------
    PreflightRefused
        If the key cannot sign, or `ca_file` is not there.
    """
    key.check()
    return _client(key.for_sdk, host, ca_file, timeout)


def open_public_client(
    host: str, *, ca_file: Path | None = None, timeout: tuple[float, float] = TIMEOUT
) -> RESTClient:
    """Return an SDK client without a key: it can read public market data and nothing else."""
    return _client({"api_key": None, "api_secret": None}, host, ca_file, timeout)


def _client(
    key: Mapping[str, str | None], host: str, ca_file: Path | None, timeout: tuple[float, float]
) -> RESTClient:
    if ca_file is not None and not ca_file.is_file():
        raise PreflightRefused(f"ca_file {ca_file}: there is no such file")
    from coinbase.rest import RESTClient

    _silence_sdk()
    # The SDK's type says int; requests takes the pair.
    limits: Any = timeout
    client = RESTClient(**key, key_file=None, base_url=host, timeout=limits, verbose=False)
    session = client.session
    session.max_redirects = 0
    # Says "already authorised", so that a netrc file cannot replace our token.
    session.auth = _unchanged
    if ca_file is not None or hosts.is_loopback(host):
        session.trust_env = False
    if ca_file is not None:
        session.verify = str(ca_file)
    return client


def _unchanged(request: Any) -> Any:
    return request


def _silence_sdk() -> None:
    sdk_logger = logging.getLogger("coinbase.RESTClient")
    for handler in list(sdk_logger.handlers):
        sdk_logger.removeHandler(handler)
    sdk_logger.addHandler(logging.NullHandler())
    sdk_logger.propagate = False
    sdk_logger.disabled = True

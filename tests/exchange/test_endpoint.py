"""Which host is spoken to, and how the SDK is kept in hand."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tf_lib.errors import ParameterError, PreflightRefused
from tf_lib.exchange.coinbase.auth import ApiKey
from tf_lib.exchange.coinbase.endpoint import REAL_HOST, exchange_host, open_client
from tf_lib.exchange.hosts import is_loopback


@pytest.mark.parametrize(
    ("base_url", "wanted"),
    [
        (None, REAL_HOST),
        ("api.coinbase.com", REAL_HOST),
        ("https://api.coinbase.com", REAL_HOST),
        ("https://API.coinbase.com/", REAL_HOST),
        ("127.0.0.1:8443", "127.0.0.1:8443"),
        ("https://[::1]:8443", "[::1]:8443"),
    ],
)
def test_a_base_url_is_a_host(base_url: str | None, wanted: str) -> None:
    """With or without its scheme."""
    assert exchange_host(base_url) == wanted


@pytest.mark.parametrize(
    "bad",
    ["http://127.0.0.1:1", "127.0.0.1@api.coinbase.com", "127.0.0.1:8443/x", "127.0.0.1:x", ""],
)
def test_anything_else_is_refused(bad: str) -> None:
    """A path or a user name could send the token elsewhere."""
    with pytest.raises(ParameterError, match="base_url"):
        exchange_host(bad)


@pytest.mark.parametrize(
    ("base_url", "wanted"),
    [
        ("127.0.0.1:8443", True),
        ("127.9.9.9", True),
        ("localhost:1", True),
        ("[::1]:8443", True),
        (None, False),
        ("api.coinbase.com", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("192.168.1.1", False),
    ],
)
def test_loopback_is_this_machine_only(base_url: str | None, wanted: bool) -> None:
    """By address, not by the look of a name."""
    assert is_loopback(base_url) is wanted


def test_environment_does_not_come_between_us_and_simulator(key_file: Path, tmp_path: Path) -> None:
    """No proxy, no CA bundle, no netrc, no redirect."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("x")
    session = open_client(ApiKey.from_file(key_file), "127.0.0.1:1", ca_file=ca_file).session

    assert session.trust_env is False
    assert session.verify == str(ca_file)
    assert session.max_redirects == 0


def test_the_key_of_the_environment_at_import_is_not_used(key_file: Path) -> None:
    """Key and secret are always passed."""
    client = open_client(ApiKey.from_file(key_file), "127.0.0.1:1")

    assert client.api_key.startswith("organizations/")
    assert client.timeout == (3.05, 10.0)


def test_the_real_host_keeps_the_proxy_of_the_environment_but_no_netrc(key_file: Path) -> None:
    """A netrc entry would take the place of our token."""
    session = open_client(ApiKey.from_file(key_file), REAL_HOST).session

    assert session.trust_env is True
    assert session.auth is not None
    assert session.verify is True


def test_the_sdk_prints_nothing(key_file: Path) -> None:
    """Its own handler would write whole answers to stderr."""
    open_client(ApiKey.from_file(key_file), "127.0.0.1:1")
    sdk_logger = logging.getLogger("coinbase.RESTClient")

    assert not sdk_logger.isEnabledFor(logging.CRITICAL)
    assert not sdk_logger.propagate
    assert all(isinstance(handler, logging.NullHandler) for handler in sdk_logger.handlers)


def test_a_missing_certificate_is_named(key_file: Path, tmp_path: Path) -> None:
    """Before the first request."""
    with pytest.raises(PreflightRefused, match=r"gone\.pem"):
        open_client(ApiKey.from_file(key_file), "127.0.0.1:1", ca_file=tmp_path / "gone.pem")

"""The factory: the one place that knows which exchanges there are (``exchange.kind``)."""

from __future__ import annotations

from pathlib import Path

from tf_lib.exchange.coinbase.client import Coinbase
from tf_lib.exchange.coinbase.market import PublicMarket
from tf_lib.exchange.patience import Patience
from tf_lib.exchange.port import Exchange, MarketData


def open_exchange(base_url: str | None, ca_file: str | None, key_file: str | None) -> Exchange:
    """
    Return an exchange behind its key; sends nothing yet.

    Parameters
    ----------
    base_url : str, optional
        Host and port, with or without ``https://``; the real exchange when absent.
    ca_file : str, optional
        Certificate that the host must be signed by, instead of the system's.
    key_file : str, optional
        The key as the exchange gives it out; the environment when absent.

    Raises
    ------
    PreflightRefused
        If there is no key, it cannot sign, or a file is missing.
    ParameterError
        If `base_url` is no https host.
    """
    return Coinbase.connect(base_url, _path(ca_file), _path(key_file))


def open_market_data(
    base_url: str | None, ca_file: str | None, *, patience: Patience | None = None
) -> MarketData:
    """Return the market of the real exchange, or of the one at `base_url`, read without a key."""
    return PublicMarket.connect(base_url, _path(ca_file), patience=patience)


def _path(name: str | None) -> Path | None:
    return Path(name) if name else None

"""Hosts: what an address names, and whether it ever leaves this machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from tf_lib.errors import ParameterError


def host_of(base_url: str) -> str:
    """
    Return ``host`` or ``host:port`` of a base url.

    Raises
    ------
    ParameterError
        For another scheme than https, a path, or a user name before the host.

    Examples
    --------
    >>> host_of("https://127.0.0.1:8443/")
    '127.0.0.1:8443'
    """
    text = base_url if "://" in base_url else f"https://{base_url}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ParameterError(f"base_url {base_url!r}: {error}") from None
    bad = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme != "https" or not parts.hostname or bad:
        raise ParameterError(f"base_url must be https and a host with a port, got {base_url!r}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return host if port is None else f"{host}:{port}"


def is_loopback(base_url: str | None) -> bool:
    """
    Whether an address never leaves this machine; None, the real exchange, does.

    Examples
    --------
    >>> [is_loopback(u) for u in ("127.0.0.1:8443", "https://[::1]:9", "127.0.0.1.example.com")]
    [True, True, False]
    """
    if base_url is None:
        return False
    name = urlsplit(f"https://{host_of(base_url)}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False

"""
Tokens: whether a bearer token entitles to one request.

Judged as Coinbase does: time, signature (ES256 or EdDSA), key name, issuer, and
the ``uri`` claim (or one of ``uris``), which names method, host and path without the query.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tf_lib.simulator.wire.credentials import Credentials

LONGEST_LIFE_SECONDS = 125


class TokenCheck:
    """
    Checks tokens for one server.

    Parameters
    ----------
    credentials : Credentials
    hosts : set of str
        ``host:port`` under which clients may address the server.
    skew_seconds : float
        How far a client's clock may be ahead of the server's.
    now : callable
        The exchange's own time, in seconds since 1970. A token is current by it, or by the time of
        the machine: a client may live in either.
    """

    def __init__(
        self,
        credentials: Credentials,
        hosts: set[str],
        *,
        skew_seconds: float,
        now: Callable[[], float],
    ) -> None:
        self._credentials = credentials
        self._hosts = hosts
        self._skew = skew_seconds
        self._now = now

    def is_valid(self, authorization: str | None, method: str, path: str) -> bool:
        """Whether an Authorization header entitles to this method and path."""
        if not authorization or not authorization.startswith("Bearer "):
            return False
        token = authorization.removeprefix("Bearer ").strip()
        found = self._signed(token)
        return found is not None and (
            self._is_ours(*found)
            and self._is_current(found[1])
            and self._names_request(found[1], method, path)
        )

    def _names_request(self, claims: dict[str, Any], method: str, path: str) -> bool:
        several = claims.get("uris")
        named = [claims.get("uri"), *(several if isinstance(several, list) else ())]
        return any(f"{method} {host}{path}" in named for host in self._hosts)

    def _signed(self, token: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return head and claims of a token that one of the keys has signed."""
        import jwt

        keys = self._credentials.public_keys
        options: Any = {
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "verify_aud": False,
        }
        try:
            head = jwt.get_unverified_header(token)
            algorithm = head.get("alg")
            if not isinstance(algorithm, str) or algorithm not in keys:
                return None
            return head, jwt.decode(token, keys[algorithm], algorithms=[algorithm], options=options)
        except jwt.PyJWTError:
            return None

    def _is_ours(self, head: dict[str, Any], claims: dict[str, Any]) -> bool:
        names = self._credentials.key_names
        kid, subject = head.get("kid"), claims.get("sub")
        if not isinstance(kid, str) or not isinstance(subject, str):
            return False
        return kid in names and subject in names and claims.get("iss") in ("cdp", "coinbase-cloud")

    def _is_current(self, claims: dict[str, Any]) -> bool:
        begin, end = claims.get("nbf"), claims.get("exp")
        if not isinstance(begin, (int, float)) or not isinstance(end, (int, float)):
            return False
        is_current = any(begin - self._skew <= now <= end for now in (self._now(), time.time()))
        return is_current and end - begin <= LONGEST_LIFE_SECONDS

"""
Token time: tokens are dated by the exchange's clock, not by the machine's.

The exchange refuses a token that begins in its future, so a machine that is two seconds ahead gets
nothing but 401. Every answer, a refusal too, says in its ``Date`` what time it is there; the fresh
token that follows a 401 is dated by it. A machine whose clock is right sends the SDK's own tokens.
"""

from __future__ import annotations

import datetime as dt
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from tf_lib.edge.api_key import ApiKey

if TYPE_CHECKING:
    from coinbase.rest import RESTClient

_AHEAD_SECONDS = 1.0
_BEHIND_SECONDS = 30.0
"""A token lives 120 s: a machine that is a little behind needs no help."""


class TokenTime:
    """
    How far the exchange's clock is from the machine's, from the answers that come.

    ``Date`` has whole seconds and was written before it is heard, so what it says is late by up to
    a second and the way here: a token dated by it never begins in the exchange's future.
    """

    def __init__(self) -> None:
        self._offset = 0.0

    @property
    def shift(self) -> float:
        """Seconds that a token's time is moved by; nothing for a clock that is right."""
        is_off = self._offset <= -_AHEAD_SECONDS or self._offset >= _BEHIND_SECONDS
        return self._offset if is_off else 0.0

    def hear(self, response: Any, **_: object) -> None:
        """Take the time out of an answer."""
        try:
            then = parsedate_to_datetime(response.headers["Date"])
        except (KeyError, TypeError, ValueError):
            return
        if then.tzinfo is None:
            then = then.replace(tzinfo=dt.UTC)
        self._offset = (then - dt.datetime.now(dt.UTC)).total_seconds()


def keep_token_time(client: RESTClient, key: ApiKey) -> TokenTime:
    """Let the tokens of an SDK client be dated by what its answers say of the time; return it."""
    clock, signer = TokenTime(), client.set_headers
    client.session.hooks["response"].append(clock.hear)

    def set_headers(method: str, path: str) -> dict[str, str]:
        headers: dict[str, str] = signer(method, path)
        if clock.shift and "Authorization" in headers:
            uri, begins = f"{method} {client.base_url}{path}", int(time.time() + clock.shift)
            headers["Authorization"] = f"Bearer {key.token(uri, begins=begins)}"
        return headers

    client.set_headers = set_headers
    return clock

"""
Token time: tokens are dated by the exchange's clock, not by the machine's.

The exchange refuses a token that begins in its future, so a machine that is two seconds ahead gets
nothing but 401. Every answer, a refusal too, says in its ``Date`` what time it is there: with the
second request at the latest the tokens are dated by it. A machine whose clock is right sends the
SDK's own tokens.
"""

from __future__ import annotations

import datetime as dt
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from tf_lib.exchange.clock import HeardTime
from tf_lib.exchange.coinbase.api_key import ApiKey

if TYPE_CHECKING:
    from coinbase.rest import RESTClient

_BEHIND_SECONDS = 30.0
"""A token lives 120 s: a machine that is a little behind needs no help."""


def _hear_date(heard: HeardTime, response: Any) -> None:
    """Take the time out of an answer; ``Date`` has whole seconds, so it is late by up to one."""
    try:
        then = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, TypeError, ValueError):
        return
    heard.hear(then if then.tzinfo is not None else then.replace(tzinfo=dt.UTC))


def _is_off(ours: float, theirs: float) -> bool:
    """Whether a token dated by the machine could begin in the exchange's future, or be too old."""
    return int(ours) > int(theirs) or theirs - ours >= _BEHIND_SECONDS


def keep_token_time(client: RESTClient, key: ApiKey) -> HeardTime:
    """Let the tokens of an SDK client be dated by what its answers say of the time; return it."""
    heard, signer = HeardTime(), client.set_headers

    def hear(response: Any, **_: object) -> None:
        _hear_date(heard, response)

    def set_headers(method: str, path: str) -> dict[str, str]:
        headers: dict[str, str] = signer(method, path)
        if heard.is_known and "Authorization" in headers:
            theirs = heard.now().timestamp()
            if _is_off(time.time(), theirs):
                uri = f"{method} {client.base_url}{path}"
                headers["Authorization"] = f"Bearer {key.token(uri, begins=int(theirs))}"
        return headers

    client.session.hooks["response"].append(hear)
    client.set_headers = set_headers
    return heard

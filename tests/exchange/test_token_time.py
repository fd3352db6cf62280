"""Tokens on a machine whose clock is wrong: dated by the exchange's."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import jwt
import pytest

from tests.exchange.canned_exchange import Canned, CannedExchange
from tf_lib.exchange.coinbase.client import Coinbase


def dated(offset: float, body: Any, status: int = 200) -> Canned:
    """Return an answer of an exchange whose clock is so many seconds ahead of ours."""
    date = formatdate(time.time() + offset, usegmt=True)
    kind = "text/plain" if status == 401 else "application/json"
    return Canned(body, status, kind, headers=(("Date", date),))


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(
        token.removeprefix("Bearer "), options={"verify_signature": False}
    )
    return found


@pytest.mark.parametrize("offset", [-40.0, -3.0, 90.0])
def test_the_fresh_token_after_a_401_is_dated_by_the_answer(
    canned: CannedExchange, client: Coinbase, offset: float
) -> None:
    """A machine 40 s ahead, 3 s ahead, 90 s behind: refused once, then understood."""
    began = time.time()
    refused = dated(offset, "Unauthorized", 401)
    canned.answer("GET", "/portfolios", refused, dated(offset, {"portfolios": []}))

    assert client.line.portfolios() == []

    ours = client.line.heard_time.now().timestamp()
    assert began + offset - 3 <= ours <= time.time() + offset
    first, second = (claims(one.token) for one in canned.seen)
    assert abs(first["nbf"] - began) < 2
    assert began + offset - 3 <= second["nbf"] <= time.time() + offset
    assert second["exp"] - second["nbf"] == 120
    assert {k: first[k] for k in ("sub", "iss", "uri")} == {
        k: second[k] for k in ("sub", "iss", "uri")
    }


@pytest.mark.parametrize("offset", [0.0, 20.0])
def test_a_clock_that_is_right_or_a_little_behind_keeps_its_tokens(
    canned: CannedExchange, client: Coinbase, offset: float
) -> None:
    """A token lives two minutes; a second or two either way is how Date is written."""
    canned.answer("GET", "/portfolios", dated(offset, {"portfolios": []}))
    for _ in range(2):
        client.line.portfolios()

    assert all(abs(claims(one.token)["nbf"] - time.time()) <= 3 for one in canned.seen)


def test_a_date_that_is_none_changes_nothing(canned: CannedExchange, client: Coinbase) -> None:
    """A proxy writes what it likes."""
    strange = Canned({"portfolios": []}, headers=(("Date", "yesterday"),))
    canned.answer("GET", "/portfolios", strange)
    for _ in range(2):
        client.line.portfolios()

    assert abs(claims(canned.seen[-1].token)["nbf"] - time.time()) <= 2

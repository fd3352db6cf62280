"""Tokens on a machine whose clock is wrong: dated by the exchange's."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import jwt
import pytest

from tests.exchange.canned_exchange import Canned, Edge


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
def test_the_fresh_token_after_a_401_is_dated_by_the_answer(edge: Edge, offset: float) -> None:
    """A machine 40 s ahead, 3 s ahead, 90 s behind: refused once, then understood."""
    began = time.time()
    refused = dated(offset, "Unauthorized", 401)
    edge.get("/portfolios", refused, dated(offset, {"portfolios": []}))

    assert edge.client.line.portfolios() == []

    ours = edge.client.line.heard_time.now().timestamp()
    assert began + offset - 3 <= ours <= time.time() + offset
    first, second = (claims(one.token) for one in edge.seen)
    assert abs(first["nbf"] - began) < 2
    assert began + offset - 3 <= second["nbf"] <= time.time() + offset
    assert second["exp"] - second["nbf"] == 120
    assert {k: first[k] for k in ("sub", "iss", "uri")} == {
        k: second[k] for k in ("sub", "iss", "uri")
    }


@pytest.mark.parametrize("offset", [0.0, 20.0])
def test_a_clock_that_is_right_or_a_little_behind_keeps_its_tokens(
    edge: Edge, offset: float
) -> None:
    """A token lives two minutes; a second or two either way is how Date is written."""
    edge.get("/portfolios", dated(offset, {"portfolios": []}))
    for _ in range(2):
        edge.client.line.portfolios()

    assert all(abs(claims(one.token)["nbf"] - time.time()) <= 3 for one in edge.seen)


def test_a_date_that_is_none_changes_nothing(edge: Edge) -> None:
    """A proxy writes what it likes."""
    strange = Canned({"portfolios": []}, headers=(("Date", "yesterday"),))
    edge.get("/portfolios", strange)
    for _ in range(2):
        edge.client.line.portfolios()

    assert abs(claims(edge.seen[-1].token)["nbf"] - time.time()) <= 2

"""What a reply to a changing request proves, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from tf_lib.exchange.coinbase.answers import judge_cancel, judge_create
from tf_lib.exchange.coinbase.wire import Reply
from tf_lib.exchange.port import Accepted, CancelOutcome, RefusalKind, Refused, Unknown

MINE = "tf1-240301-entry1-0123456789abcdef"


def said(error: str = "", message: str = "", preview: str = "", new: str = "") -> dict[str, Any]:
    """Return a body that says no, in the exchange's four fields."""
    return {
        "success": False,
        "error_response": {
            "error": error,
            "message": message,
            "error_details": "",
            "preview_failure_reason": preview,
            "new_order_failure_reason": new,
        },
    }


FILLER = "UNKNOWN_FAILURE_REASON"
OTHERS = {"client_order_id": "x"}
NO_PREVIEW = "UNKNOWN_PREVIEW_FAILURE_REASON"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (said("INSUFFICIENT_FUND", "Insufficient balance", "PREVIEW_INSUFFICIENT_FUND"), "funds"),
        (said(FILLER, "", "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE", FILLER), "precision"),
        (said("INVALID_PRICE_PRECISION", "Too many decimals in order price"), "precision"),
        (said(FILLER, "", "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE"), "geometry"),
        (said("", "", NO_PREVIEW, "LIMIT_PRICE_TOO_FAR_FROM_MARKET"), "band"),
        (said("ORDER_ENTRY_DISABLED"), "market_state"),
        (said("UNSUPPORTED_ORDER_CONFIGURATION", "source is not enabled"), "configuration"),
        (said("", "account is not available"), "identity"),
        (said("GEOFENCING_RESTRICTION"), "policy"),
        (said("DUPLICATE_CLIENT_ORDER_ID"), "replay"),
        (said(FILLER, "", "PREVIEW_MISSING_COMMISSION_RATE"), "venue"),
        ({"success": False, "failure_reason": "INSUFFICIENT_FUND"}, "funds"),
    ],
)
def test_a_listed_code_is_a_refusal(body: dict[str, Any], kind: str) -> None:
    """Wherever the exchange puts it."""
    answer = judge_create(Reply(200, body), client_order_id=MINE)

    assert isinstance(answer, Refused)
    assert answer.kind == kind
    assert answer.exists == (kind == "replay")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, said(FILLER, "", NO_PREVIEW, FILLER)),
        Reply(200, said("COMMANDER_REJECTED_NEW_ORDER")),
        Reply(200, said("COMMANDER_REJECTED_NEW_ORDER", "", "PREVIEW_INSUFFICIENT_FUND")),
        Reply(200, said(FILLER, "", "PREVIEW_RISK_PROXY_FAILURE")),
        Reply(200, said("A_CODE_OF_TOMORROW")),
        Reply(200, {"success": False}),
        Reply(200, {"success": True}),
        Reply(200, {"success": True, "success_response": {}}),
        Reply(200, {"success": True, "success_response": {"order_id": ""}}),
        Reply(200, {"success": True, "success_response": {"order_id": 7}}),
        Reply(200, {"success": "true", "success_response": {"order_id": "o"}}),
        Reply(200, {"success": True, "success_response": {"order_id": "o"} | OTHERS}),
        Reply(200, {}),
        Reply(None, None, "ReadTimeout: timed out"),
        Reply(None, None, "TypeError: argument after ** must be a mapping"),
        *(Reply(status, None, "HTTPError") for status in (302, 402, 408, 409, 422, 500, 502, 503)),
        Reply(504, {"error": "INSUFFICIENT_FUND"}, "HTTPError"),
    ],
)
def test_everything_else_is_unknown(reply: Reply) -> None:
    """An order may be working behind each of these."""
    assert isinstance(judge_create(reply, client_order_id=MINE), Unknown)


@pytest.mark.parametrize(
    ("status", "payload", "kind"),
    [
        (400, None, RefusalKind.IDENTITY),
        (401, None, RefusalKind.ACCESS),
        (403, {"error": "PERMISSION_DENIED"}, RefusalKind.ACCESS),
        (404, {"error": "NOT_FOUND"}, RefusalKind.IDENTITY),
        (429, None, RefusalKind.RATE),
        (400, {"error": "INVALID_ARGUMENT", "message": "x"}, RefusalKind.IDENTITY),
        (400, {"message": "DUPLICATE_CLIENT_ORDER_ID"}, RefusalKind.REPLAY),
        (400, {"message": "INSUFFICIENT_FUND"}, RefusalKind.FUNDS),
    ],
)
def test_a_refusing_status_is_proof(status: int, payload: Any, kind: RefusalKind) -> None:
    """And the body may say what it is about."""
    answer = judge_create(Reply(status, payload, "HTTPError: no"), client_order_id=MINE)

    assert isinstance(answer, Refused)
    assert answer.kind is kind


@pytest.mark.parametrize("extra", [{}, {"client_order_id": MINE}, {"something": "new"}])
def test_a_named_order_is_accepted(extra: dict[str, Any]) -> None:
    """Whatever else the success says."""
    body = {"success": True, "success_response": {"order_id": "o-1", **extra}, "order_id": None}

    assert judge_create(Reply(200, body), client_order_id=MINE) == Accepted("o-1")


def test_each_cancel_is_judged_by_itself() -> None:
    """Accepted, refused, unclear, and not named at all."""
    results = [
        {"success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": "a"},
        {"success": False, "failure_reason": "UNKNOWN_CANCEL_ORDER", "order_id": "b"},
        {"success": False, "failure_reason": "COMMANDER_REJECTED_CANCEL_ORDER", "order_id": "c"},
        {"success": False, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": "d"},
    ]
    answers = judge_cancel(Reply(200, {"results": results}), ["a", "b", "c", "d", "e"])

    clear = [CancelOutcome.ACCEPTED, CancelOutcome.REFUSED]
    assert [answers[name].outcome for name in "abcde"] == clear + 3 * [CancelOutcome.UNKNOWN]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(401, None, "no"), CancelOutcome.REFUSED),
        (Reply(502, None, "bad gateway"), CancelOutcome.UNKNOWN),
        (Reply(None, None, "reset"), CancelOutcome.UNKNOWN),
        (Reply(200, {"results": None}), CancelOutcome.UNKNOWN),
        (Reply(200, {}), CancelOutcome.UNKNOWN),
    ],
)
def test_a_cancel_request_fails_for_each_order(reply: Reply, outcome: CancelOutcome) -> None:
    """None is left out."""
    answers = judge_cancel(reply, ["a", "b"])

    assert {name: one.outcome for name, one in answers.items()} == {"a": outcome, "b": outcome}

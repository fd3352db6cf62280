"""
Answers: what a changing request came to, judged by proof (docs/execution.md section 4).

*Refused* only if proven: a status that is answered before anything is done, or
``success: false`` with a listed code. Everything else that is no clean success is *unknown*
and must be looked up by its client id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tf_lib.exchange.coinbase.refusals import RefusalKind, proven_refusal
from tf_lib.exchange.coinbase.values import Record
from tf_lib.exchange.coinbase.wire import Reply

# What the status alone proves, and what it is about when the body does not say.
_REFUSING_STATUS: dict[int, RefusalKind] = {
    400: RefusalKind.IDENTITY,
    401: RefusalKind.ACCESS,
    403: RefusalKind.ACCESS,
    404: RefusalKind.IDENTITY,
    429: RefusalKind.RATE,
}
_ERROR_FIELDS = (
    "preview_failure_reason",
    "new_order_failure_reason",
    "error",
    "failure_reason",
    "message",
    "error_details",
)


@dataclass(frozen=True)
class Accepted:
    """The exchange named an order; it counts only after it was read back."""

    order_id: str


@dataclass(frozen=True)
class Refused:
    """Proven not to have happened."""

    code: str
    message: str
    kind: RefusalKind

    @property
    def exists(self) -> bool:
        """Whether the refusal says that an order of this id is there: look it up."""
        return self.kind is RefusalKind.REPLAY


@dataclass(frozen=True)
class Unknown:
    """May or may not have happened; look it up by client id."""

    why: str


Answer = Accepted | Refused | Unknown


class CancelOutcome(StrEnum):
    """What the request to cancel one order came to."""

    ACCEPTED = "accepted"  # requested, not dead: read the order
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class CancelAnswer:
    """The answer for one order of a cancel request."""

    order_id: str
    outcome: CancelOutcome
    reason: str = ""


# Reasons that prove the request was not taken; whether the order lives is read from the order.
CANCEL_REFUSALS = frozenset(
    {
        "UNKNOWN_CANCEL_ORDER",
        "ORDER_IS_FULLY_FILLED",
        "DUPLICATE_CANCEL_REQUEST",
        "INVALID_CANCEL_REQUEST",
        "NOT_ALLOWED_TO_CANCEL",
        "ORDER_IS_BEING_REPLACED",
        "INVALID_CANCEL_PRODUCT_ID",
        "INVALID_CANCEL_FCM_TRADING_SESSION",
    }
)


def judge_create(reply: Reply, *, client_order_id: str) -> Answer:
    """Judge the reply to a create request."""
    payload = reply.payload or {}
    if not reply.is_clean:
        return refusal_by_status(reply) or Unknown(reply.problem or "no answer that can be read")
    success = payload.get("success")
    if success is True:
        return _accepted(payload, client_order_id)
    if success is False:
        return _refused(payload)
    return Unknown(f"success must be true or false, got {success!r:.40}")


def judge_cancel(reply: Reply, order_ids: Sequence[str]) -> dict[str, CancelAnswer]:
    """Judge the reply to a cancel request, order by order; none is left out."""
    if not reply.is_clean:
        refusal = refusal_by_status(reply)
        outcome = CancelOutcome.REFUSED if refusal else CancelOutcome.UNKNOWN
        reason = refusal.code if refusal else reply.problem
        return {identity: CancelAnswer(identity, outcome, reason) for identity in order_ids}
    results = (reply.payload or {}).get("results")
    rows = results if isinstance(results, list) else []
    by_id = {row.get("order_id"): row for row in map(_plain, rows)}
    return {identity: _judge_one_cancel(identity, by_id.get(identity)) for identity in order_ids}


def refusal_by_status(reply: Reply) -> Refused | None:
    """Return the refusal that an HTTP status proves, or None."""
    default = _REFUSING_STATUS.get(reply.status or 0)
    if default is None:
        return None
    fields = [(reply.payload or {}).get(name) for name in _ERROR_FIELDS]
    proven = proven_refusal(fields)
    code, kind = proven if proven is not None else (f"HTTP_{reply.status}", default)
    return Refused(code, reply.problem, kind)


def _accepted(payload: Record, client_order_id: str) -> Answer:
    success = payload.get("success_response")
    order_id = success.get("order_id") if isinstance(success, dict) else None
    if not isinstance(success, dict) or not isinstance(order_id, str) or not order_id:
        return Unknown("success without an order id")
    echoed = success.get("client_order_id")
    if echoed and echoed != client_order_id:
        return Unknown(f"success for {echoed!r:.60}, asked for {client_order_id}")
    return Accepted(order_id)


def _refused(payload: Record) -> Answer:
    error = payload.get("error_response")
    fields: dict[str, Any] = {**payload, **(error if isinstance(error, dict) else {})}
    texts = [fields.get(name) for name in _ERROR_FIELDS]
    proven = proven_refusal(texts)
    said = "; ".join(dict.fromkeys(text for text in texts if isinstance(text, str) and text))
    if proven is None:
        return Unknown(f"success: false without a proof: {said or 'nothing said':.200}")
    code, kind = proven
    return Refused(code, said[:300], kind)


def _judge_one_cancel(order_id: str, row: Record | None) -> CancelAnswer:
    if row is None:
        return CancelAnswer(order_id, CancelOutcome.UNKNOWN, "the answer does not name it")
    reason = row.get("failure_reason")
    if row.get("success") is True:
        # Carries UNKNOWN_CANCEL_FAILURE_REASON then, which means nothing.
        return CancelAnswer(order_id, CancelOutcome.ACCEPTED)
    if row.get("success") is False and reason in CANCEL_REFUSALS:
        return CancelAnswer(order_id, CancelOutcome.REFUSED, str(reason))
    return CancelAnswer(order_id, CancelOutcome.UNKNOWN, str(reason or "no reason given"))


def _plain(row: Any) -> dict[str, Any]:
    """Return a result as a plain record, whatever the SDK made of it."""
    if isinstance(row, dict):
        return row
    to_dict = getattr(row, "to_dict", None)
    return dict(to_dict()) if callable(to_dict) else {}

"""
Answers: what a changing request came to, judged by proof (docs/execution.md section 4).

*Refused* only if proven: a status that is answered before anything is done, or
``success: false`` with a listed code. Everything else that is no clean success is *unknown*
and must be looked up by its client id.

One table holds the exchange's codes and what each means for us. The exchange writes most codes
twice, as such and with ``PREVIEW_`` before them; the table holds the first form. A code that is not
listed proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from tf_lib.exchange.coinbase.values import Record
from tf_lib.exchange.coinbase.wire import Reply
from tf_lib.exchange.port import (
    Accepted,
    Answer,
    CancelAnswer,
    CancelOutcome,
    RefusalKind,
    Refused,
    Unknown,
)

_CODES: dict[RefusalKind, str] = {
    RefusalKind.FUNDS: """
        INSUFFICIENT_FUND INSUFFICIENT_FUNDS INSUFFICIENT_FUNDS_FOR_FUTURES
        INSUFFICIENT_LEDGER_BALANCE INVALID_LEDGER_BALANCE
    """,
    RefusalKind.PRECISION: """
        INVALID_SIZE_PRECISION INVALID_PRICE_PRECISION INVALID_QUOTE_SIZE_PRECISION
        INVALID_STOP_PRICE_PRECISION INVALID_LIMIT_PRICE_PRECISION
        INVALID_STOP_TRIGGER_PRICE_PRECISION INVALID_BRACKET_LIMIT_PRICE_PRECISION
        INVALID_BASE_SIZE_TOO_SMALL INVALID_BASE_SIZE_TOO_LARGE INVALID_PRICE_TOO_LARGE
        INVALID_QUOTE_SIZE_TOO_SMALL INVALID_QUOTE_SIZE_TOO_LARGE NON_NUMERIC_ORDER_SIZE
        NOTIONAL_SIZE_BREACHES_FRACTIONAL_MINIMUM FRACTIONAL_ORDERS_NOT_ALLOWED_FOR_PRODUCT
    """,
    RefusalKind.GEOMETRY: """
        INVALID_STOP_PRICE STOP_PRICE_ABOVE_LAST_TRADE_PRICE STOP_PRICE_BELOW_LAST_TRADE_PRICE
        STOP_PRICE_ABOVE_LIMIT_PRICE STOP_PRICE_BELOW_LIMIT_PRICE STOP_TRIGGERED
        STOP_ALREADY_TRIGGERED STOP_TRIGGER_PRICE_OUT_OF_BOUNDS STOP_LOSS_PRICE_TOO_LOW
        STOP_LOSS_PRICE_TOO_HIGH INVALID_BRACKET_STOP_TRIGGER_PRICE
    """,
    RefusalKind.BAND: """
        LIMIT_PRICE_TOO_FAR_FROM_MARKET LIMIT_ORDER_PRICE_EXCEEDS_PRICE_BAND_ON_BUY
        LIMIT_ORDER_PRICE_EXCEEDS_PRICE_BAND_ON_SELL BREACHED_PRICE_LIMIT INVALID_LIMIT_PRICE
        INVALID_LIMIT_PRICE_POST_ONLY
    """,
    RefusalKind.MARKET_STATE: """
        INELIGIBLE_PAIR ORDER_ENTRY_DISABLED UNTRADABLE_PRODUCT PRODUCT_TRADING_HALTED
        TRADING_DISABLED NOT_ALLOWED_BY_MARKET_STATE INVALID_NO_LIQUIDITY
        MISSING_MARKET_TRADE_DATA MISSING_PRODUCT_PRICE_BOOK CLOSE_ONLY_FAILURE
        NBBO_NOT_PROVIDED MARKET_ORDERS_PROHIBITED_DURING_NON_CORE_SESSION
    """,
    RefusalKind.IDENTITY: """
        INVALID_PRODUCT_ID INVALID_SIDE INVALID_REQUEST INVALID_ARGUMENT NOT_FOUND
        INVALID_MARGIN_TYPE INVALID_LEVERAGE
        INVALID_END_TIME GTD_ORDERS_MUST_HAVE_END_TIME END_TIME_IS_IN_THE_PAST
        END_TIME_TOO_FAR_IN_FUTURE PRICE_NOT_ALLOWED_FOR_MARKET_ORDERS FOK_DISABLED
        FOK_ONLY_ALLOWED_ON_LIMIT_ORDERS POST_ONLY_NOT_ALLOWED_WITH_FOK
        QUOTE_ORDERS_NOT_ALLOWED_FOR_PRODUCT REDUCE_ONLY_NOT_ALLOWED_ON_SPOT_PRODUCTS
        REDUCE_ONLY_NOT_ALLOWED_ON_VENUE INVALID_UNSUPPORTED_INSTRUMENT
        INVALID_SETTLEMENT_CURRENCY QUOTE_SIZE_NOT_ALLOWED_FOR_BRACKET INVALID_BRACKET_PRICES
        INVALID_BRACKET_LIMIT_PRICE INVALID_BRACKET_ORDER_SIDE BRACKET_ORDER_NOT_SUPPORTED
        BRACKET_LIMIT_PRICE_OUT_OF_BOUNDS ATTACHED_ORDER_SIZE_MUST_BE_NIL
        ATTACHED_ORDERS_ONLY_ALLOWED_ON_MARKET_LIMIT INVALID_ORDER_TYPE_FOR_ATTACHED
        ICEBERG_ORDERS_NOT_SUPPORTED REPLACE_NOT_SUPPORTED
    """,
    RefusalKind.CONFIGURATION: "UNSUPPORTED_ORDER_CONFIGURATION INVALID_ORDER_CONFIG",
    RefusalKind.POLICY: """
        GEOFENCING_RESTRICTION COMPLIANCE_PURCHASE_LIMIT_EXCEEDED
        MAX_DAILY_VOLUME_NOTIONAL_BREACHED BREACHED_RISK_LIMIT BREACHED_ACCOUNT_POSITION_LIMIT
        BREACHED_COMPANY_POSITION_LIMIT BREACHED_OPEN_INTEREST_LIMIT IN_LIQUIDATION
        UNTRADABLE_FCM_ACCOUNT_STATUS POSITION_SIZE_INCREASE_REJECT ASSET_BALANCE_INCREASE_REJECT
        MAX_NOTIONAL_PER_ORDER_BREACHED_15C35_CHECK
    """,
    RefusalKind.REPLAY: "DUPLICATE_CLIENT_ORDER_ID",
    RefusalKind.VENUE: """
        MISSING_COMMISSION_RATE INVALID_COMMISSION_CONFIGURATION COMMANDER_REJECTED_NEW_ORDER
        RISK_PROXY_FAILURE UNKNOWN_FAILURE_REASON
    """,
    RefusalKind.ACCESS: "PERMISSION_DENIED UNAUTHENTICATED",
    RefusalKind.RATE: "RATE_LIMIT_EXCEEDED RESOURCE_EXHAUSTED",
}

KIND_OF: dict[str, RefusalKind] = {
    code: kind for kind, codes in _CODES.items() for code in codes.split()
}

# Bodies seen with no code at all.
_PHRASES: dict[str, RefusalKind] = {
    "insufficient balance": RefusalKind.FUNDS,
    "source is not enabled for trading": RefusalKind.IDENTITY,
    "account is not available": RefusalKind.IDENTITY,
    "too many decimals": RefusalKind.PRECISION,
}

# The order may have gone on to the matching engine: these prove nothing.
_AMBIGUOUS_STARTS = ("COMMANDER_REJECTED", "RISK_PROXY")
_FORM_WORDS = ("base_size", "quote_size", "order_configuration")
_FILLERS = frozenset({"UNKNOWN_FAILURE_REASON", "UNKNOWN_PREVIEW_FAILURE_REASON"})
_CODE_IN_TEXT = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")


def code_itself(code: str) -> str:
    """Return a code without its ``PREVIEW_``."""
    return code.removeprefix("PREVIEW_")


def kind_of(code: str) -> RefusalKind | None:
    """Return what a code is about, or None when it is not listed."""
    name = code_itself(code)
    if name.startswith("INSUFFICIENT_FUND"):
        return RefusalKind.FUNDS
    return KIND_OF.get(name)


def is_ambiguous(code: str) -> bool:
    """Whether a code leaves open if the order exists."""
    return code_itself(code).startswith(_AMBIGUOUS_STARTS)


def codes_in(texts: Iterable[object]) -> list[str]:
    """Return every code in the given fields, in order, without the ones that say nothing."""
    found: list[str] = []
    for text in texts:
        if isinstance(text, str):
            found.extend(code for code in _CODE_IN_TEXT.findall(text) if code not in _FILLERS)
    return list(dict.fromkeys(found))


def proven_refusal(texts: Iterable[object]) -> tuple[str, RefusalKind] | None:
    """
    Return the code and kind that prove a refusal, or None when nothing does.

    Parameters
    ----------
    texts : iterable
        All fields of an error answer, the most specific first.

    Examples
    --------
    >>> proven_refusal(["PREVIEW_INSUFFICIENT_FUND", "UNKNOWN_FAILURE_REASON"])
    ('PREVIEW_INSUFFICIENT_FUND', <RefusalKind.FUNDS: 'funds'>)
    >>> proven_refusal(["COMMANDER_REJECTED_NEW_ORDER", "PREVIEW_INSUFFICIENT_FUND"]) is None
    True
    """
    fields = [text for text in texts if isinstance(text, str)]
    codes = codes_in(fields)
    if any(is_ambiguous(code) for code in codes):
        return None
    listed = [(code, kind) for code in codes if (kind := kind_of(code)) is not None]
    # A taken id outranks the rest: the order may well be working.
    for code, kind in listed:
        if kind is RefusalKind.REPLAY:
            return code, kind
    if listed:
        return listed[0]
    # Words prove something only where there is no code: one that is not listed proves nothing.
    if codes or any(filler in text for text in fields for filler in _FILLERS):
        return None
    words = " ".join(fields).lower()
    for phrase, kind in _PHRASES.items():
        if phrase in words:
            return phrase, kind
    return None


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
    return Refused(code, reply.problem, _of_form(kind, [code, reply.problem]))


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
    return Refused(code, said[:300], _of_form(kind, [code, said]))


def _of_form(kind: RefusalKind, texts: Iterable[str]) -> RefusalKind:
    """A request that is wrong in how it is sized or configured may be right in another form."""
    said = " ".join(texts).lower()
    is_form = kind is RefusalKind.IDENTITY and any(word in said for word in _FORM_WORDS)
    return RefusalKind.CONFIGURATION if is_form else kind


def preview_refusal(code: str) -> Refused:
    """Return what a code in the answer to a preview says; a person looks at one not listed."""
    return Refused(code, "", kind_of(code) or RefusalKind.POLICY)


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

"""
Refusals: the exchange's codes, and what each means for us.

One table. The exchange writes most codes twice, bare and with ``PREVIEW_`` before them; the
table holds the bare form. A code that is not listed proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum


class RefusalKind(StrEnum):
    """What a refusal is about, and so what may be done next."""

    FUNDS = "funds"  # read balances again, resize
    PRECISION = "precision"  # a size or price that our own border should have caught
    GEOMETRY = "geometry"  # stop, limit and last trade do not fit each other
    BAND = "band"  # the price is too far from the market
    MARKET_STATE = "market_state"  # the product does not take this now
    IDENTITY = "identity"  # the request itself is wrong: our bug
    CONFIGURATION = "configuration"  # an order of this form is not taken: another form may be
    POLICY = "policy"  # a person must look
    REPLAY = "replay"  # the client id is taken: the order exists, look it up
    VENUE = "venue"  # the exchange's own trouble
    ACCESS = "access"  # the key or its scopes
    RATE = "rate"  # too many requests


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
_FILLERS = frozenset({"UNKNOWN_FAILURE_REASON", "UNKNOWN_PREVIEW_FAILURE_REASON"})
_CODE_IN_TEXT = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")


def bare(code: str) -> str:
    """Return a code without its ``PREVIEW_``."""
    return code.removeprefix("PREVIEW_")


def kind_of(code: str) -> RefusalKind | None:
    """Return what a code is about, or None when it is not listed."""
    name = bare(code)
    if name.startswith("INSUFFICIENT_FUND"):
        return RefusalKind.FUNDS
    return KIND_OF.get(name)


def is_ambiguous(code: str) -> bool:
    """Whether a code leaves open if the order exists."""
    return bare(code).startswith(_AMBIGUOUS_STARTS)


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

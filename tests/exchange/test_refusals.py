"""Every code the exchange is known to send has a meaning here."""

from __future__ import annotations

from typing import Any

import pytest

from tf_lib.exchange.coinbase.answers import is_ambiguous, kind_of, proven_refusal
from tf_lib.exchange.port import RefusalKind

K = RefusalKind

# Codes by class as collected from documentation, client libraries and recorded answers.
KNOWN_CODES = {
    K.FUNDS: """INSUFFICIENT_FUND INSUFFICIENT_FUNDS INVALID_LEDGER_BALANCE
        PREVIEW_INSUFFICIENT_FUND PREVIEW_INSUFFICIENT_LEDGER_BALANCE""",
    K.PRECISION: """INVALID_SIZE_PRECISION INVALID_PRICE_PRECISION
        PREVIEW_INVALID_QUOTE_SIZE_PRECISION PREVIEW_INVALID_STOP_PRICE_PRECISION
        PREVIEW_INVALID_LIMIT_PRICE_PRECISION PREVIEW_INVALID_BASE_SIZE_TOO_SMALL
        PREVIEW_INVALID_BASE_SIZE_TOO_LARGE PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL
        PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE PREVIEW_NON_NUMERIC_ORDER_SIZE
        PREVIEW_INVALID_PRICE_PRECISION""",
    K.GEOMETRY: """PREVIEW_INVALID_STOP_PRICE PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE
        PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE PREVIEW_STOP_PRICE_ABOVE_LIMIT_PRICE
        PREVIEW_STOP_PRICE_BELOW_LIMIT_PRICE PREVIEW_STOP_TRIGGERED STOP_ALREADY_TRIGGERED
        STOP_TRIGGER_PRICE_OUT_OF_BOUNDS""",
    K.BAND: """LIMIT_PRICE_TOO_FAR_FROM_MARKET LIMIT_ORDER_PRICE_EXCEEDS_PRICE_BAND_ON_BUY
        LIMIT_ORDER_PRICE_EXCEEDS_PRICE_BAND_ON_SELL PREVIEW_BREACHED_PRICE_LIMIT
        INVALID_LIMIT_PRICE INVALID_LIMIT_PRICE_POST_ONLY PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY""",
    K.MARKET_STATE: """INELIGIBLE_PAIR ORDER_ENTRY_DISABLED UNTRADABLE_PRODUCT
        PRODUCT_TRADING_HALTED TRADING_DISABLED PREVIEW_NOT_ALLOWED_BY_MARKET_STATE
        INVALID_NO_LIQUIDITY MISSING_MARKET_TRADE_DATA PREVIEW_MISSING_PRODUCT_PRICE_BOOK""",
    K.IDENTITY: "INVALID_PRODUCT_ID INVALID_SIDE INVALID_REQUEST",
    K.CONFIGURATION: "UNSUPPORTED_ORDER_CONFIGURATION PREVIEW_INVALID_ORDER_CONFIG",
    K.POLICY: "GEOFENCING_RESTRICTION PREVIEW_COMPLIANCE_PURCHASE_LIMIT_EXCEEDED",
    K.REPLAY: "DUPLICATE_CLIENT_ORDER_ID",
    K.VENUE: """COMMANDER_REJECTED_NEW_ORDER UNKNOWN_FAILURE_REASON PREVIEW_RISK_PROXY_FAILURE
        PREVIEW_MISSING_COMMISSION_RATE""",
}


@pytest.mark.parametrize(
    ("code", "kind"),
    [(code, kind) for kind, codes in KNOWN_CODES.items() for code in codes.split()],
)
def test_a_known_code_has_its_kind(code: str, kind: RefusalKind) -> None:
    """A code that nobody mapped would make a refusal look unknown."""
    assert kind_of(code) is kind


@pytest.mark.parametrize(
    "code", ["COMMANDER_REJECTED_NEW_ORDER", "PREVIEW_RISK_PROXY_FAILURE", "RISK_PROXY_TIMEOUT"]
)
def test_codes_that_leave_the_order_open_prove_nothing(code: str) -> None:
    """Even beside a code that would prove a refusal."""
    assert is_ambiguous(code)
    assert proven_refusal([code]) is None
    assert proven_refusal([code, "INSUFFICIENT_FUND"]) is None


@pytest.mark.parametrize(
    "texts",
    [
        ["UNKNOWN_FAILURE_REASON"],
        ["UNKNOWN_PREVIEW_FAILURE_REASON", "UNKNOWN_FAILURE_REASON", "", None],
        ["PREVIEW_SOMETHING_NEVER_SEEN"],
        ["something went wrong"],
        ["UNKNOWN_FAILURE_REASON", "Insufficient balance in source account"],
        ["A_CODE_OF_TOMORROW", "account is not available"],
        [],
    ],
)
def test_what_is_not_listed_proves_nothing(texts: list[object]) -> None:
    """Unknown stays unknown."""
    assert proven_refusal(texts) is None


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (
            ["PREVIEW_INVALID_BASE_SIZE_TOO_LARGE", "UNKNOWN_FAILURE_REASON", ""],
            ("PREVIEW_INVALID_BASE_SIZE_TOO_LARGE", K.PRECISION),
        ),
        (["", "the order was refused: INSUFFICIENT_FUND"], ("INSUFFICIENT_FUND", K.FUNDS)),
        (
            ["PREVIEW_INVALID_SIDE", "DUPLICATE_CLIENT_ORDER_ID"],
            ("DUPLICATE_CLIENT_ORDER_ID", K.REPLAY),
        ),
        (["account is not available"], ("account is not available", K.IDENTITY)),
        (["Insufficient balance in source account"], ("insufficient balance", K.FUNDS)),
        (["INSUFFICIENT_FUNDS_FOR_ORDER"], ("INSUFFICIENT_FUNDS_FOR_ORDER", K.FUNDS)),
    ],
)
def test_the_code_is_found_wherever_it_stands(texts: Any, wanted: tuple[str, RefusalKind]) -> None:
    """In any field, and within a message."""
    assert proven_refusal(texts) == wanted

"""
A dirty world: all that real accounts, books and candles have, at once, for thirty days.

Made for `exchange.faults` of a profile, or for ``tf simulator --faults``.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

FIRST_DAY = dt.date(2024, 3, 1)
DAYS = 30
UNIVERSE = {
    "tickers": ["ADA-USD", "BTC-USD", "ETH-USD", "FET-USD", "KRL-USD", "SOL-USD", "XTZ-USD"],
    "sleeves": {
        "Core": {"weight": 0.6, "tickers": ["ADA-USD", "BTC-USD", "ETH-USD", "SOL-USD"]},
        "Alt": {"weight": 0.4, "tickers": ["FET-USD", "KRL-USD", "XTZ-USD"]},
    },
}
WICK, REFUSED_STOP, RENAMED, NAMED = 8, 10, 15, 19
OLD, NEW = "XTZ-USD", "TEZ-USD"


def day(number: int) -> dt.date:
    """Return a day of the thirty, from 0."""
    return FIRST_DAY + dt.timedelta(days=number)


def moment(number: int, time: str) -> str:
    """Return a moment of one of the thirty days."""
    return f"{day(number)}T{time}Z"


def renamed_universe() -> dict[str, Any]:
    """Return the universe as the person writes it who has read what the mails say of the coin."""
    text = json.dumps(UNIVERSE).replace(OLD, NEW)
    one = {"to": NEW, "from": str(day(RENAMED)), "ratio": "1"}
    return {**json.loads(text), "renamed": {OLD: one}}


def schedule() -> dict[str, Any]:
    """Return the whole schedule."""
    return {"seed": 30, "faults": faults(), "world": world(), "events": events()}


def faults() -> list[dict[str, Any]]:
    """Return what goes wrong on the wire: midnight is busy, one bar is wrong, one stop refused."""
    return [
        {"kind": "status", "status": 503, "body": "html", "from": "00:01:00", "until": "00:02:30"},
        {
            "kind": "candles_scaled",
            "endpoint": "GET /products/*/candles",
            "contains": [OLD],
            "value": {str(day(WICK - 1)): {"high": "3"}},
            "dates": [f"{day(WICK)}..{day(WICK + 2)}"],
        },
        {
            "kind": "refuse",
            "endpoint": "POST /orders",
            "contains": ["stop_limit_stop_limit_gtc"],
            "calls": [1],
            "dates": [str(day(REFUSED_STOP))],
            "preview": "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE",
        },
    ]


def world() -> dict[str, Any]:
    """Return how late the exchange is."""
    return {"hold_release_seconds": 20, "fill_visible_seconds": 2}


def events() -> list[dict[str, Any]]:
    """Return what happens to the account."""
    before = moment(0, "00:00:01")
    old = [{"kind": "old_order", "row": row, "at": before} for row in OLD_ORDERS]
    return [
        {"kind": "reward", "currency": "ETH", "amount": "0.00000002", "daily_at": "00:00:30"},
        {"kind": "reward", "currency": "ADA", "amount": "0.000041", "daily_at": "09:30"},
        {"kind": "transfer", "currency": "KRL", "amount": "0.05", "at": before},
        {"kind": "transfer", "currency": "DOGE", "amount": "0.3", "at": before},
        {"kind": "book", "product": "KRL-USD", "bids": False, "away": "0.021", "at": before},
        *({"kind": "account", "at": before, **row} for row in ACCOUNT_ROWS),
        *old,
        {"kind": "old_fill", "row": {"commission": "", "size": 0.1}, "at": before},
        {"kind": "rename", "product": OLD, "to": NEW, "at": moment(RENAMED, "06:00:00")},
    ]


ACCOUNT_ROWS: list[dict[str, Any]] = [
    {"currency": "EUR", "row": {"available_balance": {"value": "-0.01"}}},
    {"currency": "XRP", "row": {"hold": None}},
    {"currency": "USD", "row": {"default": False}, "first": True},
    {"currency": "LTC", "row": {"deleted_at": "2021-05-31T09:59:59Z", "hold": {"value": "3"}}},
    {"currency": "BTC", "row": {"type": "ACCOUNT_TYPE_VAULT", "hold": {"value": "1"}}},
    {"currency": "WHATEVER2L", "row": {"available_balance": {"value": "1000000"}}},
]
OLD_ORDERS: list[dict[str, Any]] = [
    {"total_fees": "", "filled_value": 12.5},
    {"product_id": "LUNA-USD", "status": "EXPIRED", "order_configuration": None},
    {"client_order_id": "", "created_time": "2021-05-31T09:59:59.123456789Z"},
    {"product_id": "ETH-EUR", "average_filled_price": "(missing)"},
]

"""The summary page: a daily summary in words, also of a run that left little."""

from __future__ import annotations

from tests.pages.day import order_row, stop_row
from tf_lib.pages.day.summary_page import summary_fragment

SUMMARY = {
    "date": "2024-03-01",
    "profile": "demo",
    "state": "done",
    "exit_code": 0,
    "equity": 15000.0,
    "cash": 4000.0,
    "tickers": {
        "AAA-USD": {"target_notional": 250.0, "trade_notional": 250.0, "reason": "enter"},
        "BBB-USD": {"target_notional": 0.0, "trade_notional": 0.0, "reason": "no_position"},
    },
    "orders": [order_row("AAA-USD")],
    "stops": [stop_row("AAA-USD")],
    "errors": [],
    "bare_seconds": {},
}


def test_a_day_in_words() -> None:
    """Headline, money, trades, orders and stops; what was not wanted is left out."""
    text = summary_fragment(SUMMARY).text

    assert "✓ Good day: 1 order filled, the only position under its stop" in text
    assert "Equity 15,000, of which cash 4,000." in text
    assert "+250  a new position" in text
    assert "BBB-USD" not in text


def test_a_refused_run_is_said_too() -> None:
    """No equity, no tickers, one error."""
    refused = {
        "date": "2024-03-01",
        "profile": "live",
        "state": "refused",
        "exit_code": 5,
        "errors": [{"severity": "error", "message": "the key can transfer"}],
    }
    page = summary_fragment(refused).html

    assert "ACT NOW" in page
    assert "the key can transfer" in page
    assert "Nothing was wanted." in page

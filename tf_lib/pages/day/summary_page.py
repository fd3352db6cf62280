"""
Summary: a daily summary in words, as the first part of a report.

Made from the summary alone, so it exists also for a run whose notebook never got that far.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tf_lib.pages import words
from tf_lib.pages.day.headline import DayFacts, banner
from tf_lib.pages.day.record_tables import (
    errors_table,
    impediments_table,
    orders_table,
    stops_table,
)
from tf_lib.pages.html import LEFT, Column, Fragment, Row, paragraph, table


def summary_fragment(summary: Mapping[str, Any]) -> Fragment:
    """Return headline, money, trades, orders, stops and errors of a daily summary."""
    facts = DayFacts.from_summary(summary)
    return (
        banner(facts)
        + _money_line(summary)
        + _heading("What stood in the way")
        + impediments_table(facts.impediments)
        + _heading("Wanted")
        + _trades(summary)
        + _heading("Orders")
        + orders_table(facts.orders)
        + _heading("Stops")
        + stops_table(facts.stops, bare_seconds=facts.bare_seconds)
        + _heading("Errors")
        + errors_table(facts.errors)
    )


def _heading(name: str) -> Fragment:
    return Fragment(f"<h2>{name}</h2>", f"\n{name}\n{'-' * len(name)}")


def _money_line(summary: Mapping[str, Any]) -> Fragment:
    equity, cash = summary.get("equity"), summary.get("cash")
    return paragraph(f"Equity {words.money(equity)}, of which cash {words.money(cash)}.")


def _trades(summary: Mapping[str, Any]) -> Fragment:
    tickers = summary.get("tickers") or {}
    rows = [
        Row([ticker, words.money(row.get("trade_notional"), signed=True), _why(row)])
        for ticker, row in tickers.items()
        if words.number(row.get("target_notional")) > 1.0 or row.get("trade_notional")
    ]
    columns = [Column("ticker", LEFT), Column("trade"), Column("why", LEFT)]
    return table(columns, rows, empty="Nothing was wanted.", caption="What was wanted")


def _why(row: Mapping[str, Any]) -> str:
    return words.reason_in_words(str(row.get("reason", "")))

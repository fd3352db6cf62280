"""
Tables of a day: from signal to order, what the exchange did, stops, data and errors.

Each takes what the steps left and returns a `Fragment`. Numbers are rounded for reading; the
artifacts beside the page hold them in full.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from tf_lib.core.decision import Decision
from tf_lib.core.model.cooldown import is_cooling
from tf_lib.core.model.run_rows import FillRow
from tf_lib.core.orders.build import OrderBuild
from tf_lib.pages import words
from tf_lib.pages.day.focus import DUST
from tf_lib.pages.day.headline import DayFacts, banner
from tf_lib.pages.day.reasons import why
from tf_lib.pages.day.record_tables import (
    data_quality,
    errors_table,
    impediments_table,
    not_protected,
    orders_table,
    protection_table,
    stops_table,
)
from tf_lib.pages.html import LEFT, NORMAL, QUIET, WARN, Column, Fragment, Row, left, right, table
from tf_lib.text.tickers import base_of

__all__ = [
    "DayFacts",
    "banner",
    "cooldown_notes",
    "data_quality",
    "decision_table",
    "errors_table",
    "impediments_table",
    "not_ok",
    "not_protected",
    "notes",
    "orders_table",
    "portfolio_table",
    "protection_table",
    "stopped_out_notes",
    "stops_table",
    "told",
]


def decision_table(decision: Decision, builds: Sequence[OrderBuild] = ()) -> Fragment:
    """
    Return one row per ticker that leads from its signal to its order.

    Parameters
    ----------
    decision : Decision
    builds : sequence of OrderBuild
        What became of each desired trade.
    """
    currency = decision.config.universe.quote_currency
    columns = [
        *left("ticker", "sleeve"),
        Column("signal", hint="final signal: blend times filters, long only"),
        Column("regime", hint="what the filters let through, 0 to 1"),
        Column("volatility", hint="a year"),
        Column("weight", hint="target, of deployable money"),
        *right(f"target {currency}", f"held {currency}", f"trade {currency}"),
        *left("order", "why"),
    ]
    built = {build.product_id: build for build in builds}
    tickers = decision.to_mapping()["tickers"]
    rows = [_decision_row(t, row, built.get(t), why(decision, row)) for t, row in tickers.items()]
    ordered = sorted(rows, key=lambda row: row.look == QUIET)
    return table(columns, ordered, empty="No ticker.", caption="From signal to order, per ticker")


def _decision_row(
    ticker: str, row: Mapping[str, Any], build: OrderBuild | None, reason: str
) -> Row:
    matters = any(
        abs(words.number(row[name])) > DUST
        for name in ("target_notional", "current_notional", "trade_notional")
    )
    cells = [
        ticker,
        row["sleeve"],
        words.signal(row["final_signal"]),
        words.signal(row["regime_filter"]),
        words.percent(row["annualized_volatility"], digits=0),
        words.percent(row["target_weight"]),
        words.money(row["target_notional"]),
        words.money(row["current_notional"]),
        words.money(row["trade_notional"], signed=True),
        _order_in_words(row, build),
        reason,
    ]
    if not row["data_ok"]:
        return Row(cells, WARN)
    return Row(cells, NORMAL if matters else QUIET)


def _order_in_words(row: Mapping[str, Any], build: OrderBuild | None) -> str:
    if not row["trade_notional"] or build is None:
        return ""
    if build.order is None:
        return build.note
    order = build.order
    return f"{order.side} {words.price(order.base_size)} {base_of(order.product_id)}"


def portfolio_table(decision: Decision) -> Fragment:
    """Return the portfolio's few numbers: money, breadth, cap and cash."""
    sizing, trades = decision.sizing, decision.trades
    currency = decision.config.universe.quote_currency
    capped = "binds" if sizing.cap_binding else "does not bind"
    facts = [
        ("equity before the trades", f"{words.money(trades.equity)} {currency}"),
        ("deployable (less the cash buffer)", f"{words.money(trades.deployable)} {currency}"),
        ("held before the trades", f"{words.money(trades.current_notional.sum())} {currency}"),
        ("wanted, of deployable", words.percent(sizing.gross_post_cap)),
        ("names, counted by weight (n_eff)", words.signal(sizing.n_eff)),
        ("cap per name", f"{words.percent(sizing.cap_value, digits=0)}, {capped}"),
        ("kept as cash by the cap", words.percent(sizing.cap_leftover_gross)),
        ("buys scaled to the cash that is there by", words.signal(trades.cash_shrink_factor)),
    ]
    columns = [Column("", LEFT), Column("")]
    return table(columns, [Row(fact) for fact in facts], empty="", caption="The portfolio")


def not_ok(decision: Decision) -> list[str]:
    """Return the tickers without a believable bar of yesterday."""
    signals = decision.signals
    ok = signals.data_ok[signals.row_of(decision.as_of)]
    return [ticker for ticker, is_ok in zip(signals.tickers, ok, strict=True) if not is_ok]


def notes(
    decision: Decision,
    cooldowns: Mapping[str, dt.date],
    fills: Sequence[FillRow],
    result: Mapping[str, Any] | None = None,
) -> list[str]:
    """
    Return what a reader should know although the day is good, in words.

    Parameters
    ----------
    result : mapping, optional
        The day's result; what it tells of stop-outs is not told twice.
    """
    sold = [] if (result or {}).get("stopped_out") else stopped_out_notes(fills)
    return sold + cooldown_notes(decision, cooldowns)


def told(decision: Decision, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `DayFacts` takes of the facts of a day besides its steps, under its names."""
    result = facts["result"]
    return {
        "bare_seconds": facts["bare_seconds"],
        "errors": facts["errors"],
        "impediments": facts["impediments"],
        "result": result,
        "equity": result.get("equity") or decision.trades.equity,
    }


def stopped_out_notes(fills: Sequence[FillRow]) -> list[str]:
    """
    Return what stops and emergency exits sold since the last run, one sentence per product and day.

    Parameters
    ----------
    fills : sequence of mapping
        Filled orders; those with a true ``taken`` count.
    """
    sold: dict[tuple[str, str], list[FillRow]] = {}
    for fill in fills:
        if fill.get("taken"):
            sold.setdefault((str(fill["date"]), str(fill["product_id"])), []).append(fill)
    said = []
    for (date, product), rows in sorted(sold.items()):
        size = sum(words.number(row["filled_size"]) for row in rows)
        value = sum(
            words.number(row["filled_size"]) * words.number(row["average_price"]) for row in rows
        )
        units = f"{words.price(size)} {base_of(product)}"
        by = "sold at the market" if any(row["leg"] == "em" for row in rows) else "sold by its stop"
        said.append(f"{product} was {by} on {date}: {units} at {words.price(value / size)}.")
    return said


def cooldown_notes(decision: Decision, cooldowns: Mapping[str, dt.date]) -> list[str]:
    """
    Return what is cooling down on the day decided, and until when, in words.

    Parameters
    ----------
    decision : Decision
    cooldowns : mapping of ticker to the day its cooldown began
        As the account remembered them; what the gate starts today is added.
    """
    days = decision.config.execution_and_costs.cooldown_counter_threshold
    starts = {**cooldowns, **decision.cooldowns_started}
    said = []
    for ticker, start in sorted(starts.items()):
        if is_cooling(start, decision.as_of, days=days):
            until = start + dt.timedelta(days=days)
            said.append(f"{ticker} cools down since {start}: not bought before {until}.")
    return said

"""
Record tables: what the exchange did, which stops stand, and what is wrong with data or run.

Numbers are rounded for reading; the artifacts beside the page hold them in full.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tf_lib.core.candles.bars import Bars
from tf_lib.core.candles.quarantine import Quarantined
from tf_lib.core.decision import Decision
from tf_lib.core.model.impediments import kind_in_words
from tf_lib.core.model.run_rows import ErrorRow, ImpedimentRow, OrderRow, ProtectionRow, StopRow
from tf_lib.pages import words
from tf_lib.pages.day.stop_rows import StopLine, stop_lines
from tf_lib.pages.html import (
    BAD,
    LEFT,
    NORMAL,
    QUIET,
    WARN,
    Column,
    Fragment,
    Row,
    bullets,
    left,
    paragraph,
    right,
    table,
)


def orders_table(rows: Sequence[OrderRow]) -> Fragment:
    """Return what became of each order; slippage is positive when it was against us."""
    columns = [
        *left("ticker", "side"),
        *right("size planned", "size filled", "price planned", "price filled"),
        Column("slippage", hint="against us when positive"),
        *right("value", "fees"),
        Column("what became of it", LEFT),
    ]
    done = [_order_row(row) for row in rows]
    return table(columns, done, empty="No order was sent.", caption="Orders and fills")


def _order_row(row: OrderRow) -> Row:
    planned, filled = (words.number(row.get(k)) for k in ("reference_price", "average_price"))
    direction = -1.0 if row.get("side") == "SELL" else 1.0
    status = str(row.get("status", ""))
    said = words.ORDER_STATUSES.get(status, status)
    note = str(row.get("note") or "")
    is_told = not note or note == "FILLED"
    leg = words.LEGS.get(str(row.get("leg")), "")
    cells = [
        str(row.get("product_id", "")),
        f"{row.get('side', '')} {leg}".strip(),
        _units(row.get("base_size")),
        _units(row.get("filled_size")),
        words.price(planned),
        words.price(filled),
        words.percent(direction * (filled / planned - 1.0), digits=2) if planned else "",
        words.money(row.get("filled_value")),
        f"{words.number(row['fees']):.2f}" if row.get("fees") else words.UNDEFINED,
        said if is_told else f"{said}: {note}",
    ]
    bad = {"unsettled": BAD, "done": NORMAL, "preview_ok": NORMAL, "would_cancel_first": NORMAL}
    return Row(cells, bad.get(status, WARN))


def _units(value: object) -> str:
    """Return a size with the digits that are there and no zeros behind them."""
    text = str(value) if value else ""
    return text.rstrip("0").rstrip(".") if "." in text else text or words.UNDEFINED


def stops_table(
    rows: Sequence[StopRow], *, bare_seconds: Mapping[str, float] | None = None
) -> Fragment:
    """Return each position and the stop it is under."""
    columns = [
        Column("position", LEFT),
        *right(
            "held", "under stops", "stop", "limit", "last price", "below price", "unprotected today"
        ),
        *left("done", "why"),
    ]
    lines = stop_lines(rows, bare_seconds or {})
    return table(
        columns,
        [_stop_row(line) for line in lines],
        empty="Nothing is held, so no stop is needed.",
        caption="Positions and their stops",
    )


def _stop_row(line: StopLine) -> Row:
    cells = [
        line.product,
        _units(line.held_text),
        _units(line.covered_text),
        words.price(line.resting_level),
        words.price(line.limit_price),
        words.price(line.last),
        words.percent(line.distance),
        words.seconds(line.bare_seconds),
        words.STOP_STATUSES.get(line.status, line.status),
        "; ".join(part for part in (line.reason, *line.notes) if part),
    ]
    if not line.is_known:
        return Row(cells, WARN)
    return Row(cells, NORMAL if line.is_protected else BAD)


def protection_table(rows: Sequence[ProtectionRow]) -> Fragment:
    """Return of each position's stop its distance and age, the time unprotected, and gaps."""
    columns = [
        Column("position", LEFT),
        *right("value", "limit below price"),
        *left("resting since", "seen open"),
        *right(
            "unprotected today",
            "USD x s unprotected",
            "opens beyond the limit",
            "further, on average",
            "worth",
        ),
    ]
    return table(
        columns,
        [Row(_protection_cells(row)) for row in rows],
        empty="No stop rests, so there is nothing to tell.",
        caption="What the protection is worth",
    )


def _protection_cells(row: ProtectionRow) -> list[str]:
    opens, beyond = int(row.get("opens") or 0), int(row.get("opens_beyond_limit") or 0)
    return [
        str(row["product"]),
        words.money(row.get("notional")),
        words.percent(row.get("limit_distance")),
        _moment(row.get("resting_since")),
        _moment(row.get("verified_open_at"))[-8:],
        words.seconds(row.get("bare_seconds")),
        f"{words.number(row.get('bare_usd_seconds')):,.0f}",
        f"{beyond} of {opens}",
        words.percent(row.get("gap_shortfall"), digits=2) if beyond else "never",
        words.money(row.get("gap_usd")) if beyond else words.UNDEFINED,
    ]


def _moment(text: object) -> str:
    return str(text)[:19].replace("T", " ") if text else words.UNDEFINED


def not_protected(holdings: pd.DataFrame, rows: Sequence[StopRow]) -> list[str]:
    """
    Return the tickers whose holding is not known to be under a stop.

    Parameters
    ----------
    holdings : DataFrame
        Snapshot with one row per ticker; ``available`` and ``hold`` in units.
    rows : rows of `stop_updates`
        The last word on each product. Dust counts as such only where a row says so.
    """
    last = {str(row["product"]): row for row in rows}
    units = holdings[["available", "hold"]].map(words.number).sum(axis=1)
    silent = {str(t) for t in holdings.index[units > 0] if str(t) not in last}
    unprotected = {line.product for line in stop_lines(rows, {}) if not line.is_protected}
    return sorted(silent | unprotected)


def data_quality(
    decision: Decision, bars: Bars, report: Mapping[str, Any] | None = None
) -> Fragment:
    """
    Return how complete and believable the bars are.

    Parameters
    ----------
    decision : Decision
    bars : Bars
    report : mapping, optional
        With ``problems`` and ``revisions``, as the candle cache told them.
    """
    at = decision.signals.row_of(decision.as_of)
    ok, short = decision.signals.data_ok[at], decision.too_little_history
    of_all = f"{int(ok.sum())} of {words.counted(len(bars.tickers), 'ticker')}"
    say = f"{of_all} have a believable bar of yesterday."
    columns = [
        Column("ticker", LEFT),
        *right("bars", "gaps", "bad bars"),
        *left("yesterday", "history"),
    ]
    rows = []
    for j, ticker in enumerate(bars.tickers):
        cells = [
            ticker,
            str(int(bars.bar_counts[j])),
            str(sum(gap.ticker == ticker for gap in bars.gaps)),
            str(sum(name == ticker for name, _ in bars.bad_bars)),
            "good" if ok[j] else _why_not_ok(decision, bars, j),
            "too little for a signal" if ticker in short else "enough",
        ]
        rows.append(Row(cells, WARN if not ok[j] else QUIET if ticker in short else NORMAL))
    told = report or {}
    points = [str(problem) for problem in told.get("problems") or ()]
    points += [_quarantined(one) for one in decision.signals.quarantined if one.until is None]
    points += [f"revised: {_revision(one)}" for one in told.get("revisions") or ()]
    shown = table(columns, rows, empty="No ticker.", caption="Quality of the bars")
    return paragraph(say) + shown + bullets(points)


def _why_not_ok(decision: Decision, bars: Bars, j: int) -> str:
    if not bars.present[-1, j]:
        return "missing or not usable"
    yesterday = decision.as_of - dt.timedelta(days=1)
    for bar in decision.signals.quarantined:
        if bar.ticker == bars.tickers[j] and bar.day == yesterday:
            return f"not believed: {bar.why}"
    return "too soon after a long gap or a bar that was not believed"


def _quarantined(bar: Quarantined) -> str:
    return f"{bar.ticker}: the bar of {bar.day} counts as missing: {bar.why}"


def _revision(one: object) -> str:
    if isinstance(one, Mapping):
        return ", ".join(f"{key} {value}" for key, value in one.items())
    return str(one)


def impediments_table(rows: Sequence[ImpedimentRow]) -> Fragment:
    """Return what kept the run from doing what was decided, each with what to do about it."""
    columns = [
        *left("what", "since"),
        Column("wanted and not done", LEFT, is_wide=True),
        Column("why", LEFT, is_wide=True),
        Column("what to do", LEFT, is_wide=True),
    ]
    lines = [
        Row(
            [
                f"{row.get('product') or 'whole portfolio'} {kind_in_words(row)}",
                str(row.get("since") or words.UNDEFINED),
                str(row.get("wanted") or words.UNDEFINED),
                str(row.get("why") or ""),
                str(row.get("what_to_do") or ""),
            ],
            BAD if row.get("is_missed_exit") else WARN,
        )
        for row in rows
    ]
    said = "Nothing stood in the way of what was decided."
    return table(columns, lines, empty=said, caption="What stood in the way")


def errors_table(rows: Sequence[ErrorRow]) -> Fragment:
    """Return what went wrong, in the order in which it did."""
    columns = [Column("at", LEFT), Column("severity", LEFT), Column("message", LEFT)]
    lines = [
        Row(
            [
                str(row.get("at", ""))[11:19],
                str(row.get("severity", "error")),
                str(row.get("message", "")),
            ],
            BAD if row.get("severity", "error") == "error" else WARN,
        )
        for row in rows
    ]
    return table(columns, lines, empty="No errors.", caption="Errors")

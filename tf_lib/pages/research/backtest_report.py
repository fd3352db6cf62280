"""
Backtest report: one offline page with the numbers and pictures people expect, in their order.

It takes plain frames, so that it can show any track record: of a backtest, of a sweep's best
set, or of the live days themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from tf_lib.pages import words
from tf_lib.pages.html import LEFT, Column, Fragment, Row, left, paragraph, right, table
from tf_lib.pages.page import write_page
from tf_lib.pages.research.backtest_charts import (
    NAMES,
    contribution_chart,
    cost_chart,
    equity_chart,
    exposure_chart,
    monthly_chart,
    rolling_chart,
)
from tf_lib.pages.research.cost_tables import CostPage, cost_sections


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _ratio(value: float) -> str:
    return words.UNDEFINED if value != value else f"{value:.2f}"


_FIGURES: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "total_return": ("total return", words.percent),
    "cagr": ("growth a year (CAGR)", words.percent),
    "volatility": ("volatility a year", words.percent),
    "target_volatility": ("its target (upper bound)", words.percent),
    "sharpe": ("Sharpe ratio", _ratio),
    "sortino": ("Sortino ratio", _ratio),
    "calmar": ("Calmar ratio", _ratio),
    "max_drawdown": ("deepest fall from a peak", words.percent),
    "max_drawdown_days": ("longest time below a peak, days", _count),
    "best_day": ("best day", words.percent),
    "worst_day": ("worst day", words.percent),
    "hit_rate": ("round trips with a profit", words.percent),
    "profit_factor": ("profits over losses", _ratio),
    "round_trips": ("round trips", _count),
    "trades": ("fills", _count),
    "turnover": ("turnover, times equity a year", _ratio),
    "traded": ("notional traded", words.money),
    "fees": ("fees", words.money),
    "exposure": ("share of equity invested", words.percent),
    "stops_hit": ("stops hit", _count),
    "stops_gapped": ("of them on a gap", _count),
}
"""What each figure is called, and how it is written."""

_REFERENCE_METRICS = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown")


@dataclass(frozen=True)
class TrackRecord:
    """
    What a report shows.

    Attributes
    ----------
    title : str
    summary : str
        What it is made of, in a sentence or two.
    equity : DataFrame indexed by day
        equity, cash, gross, return.
    metrics : mapping of name to number
    references : mapping of name to Series
        Equity of what was held instead, in the same money.
    reference_metrics : mapping of name to metrics
    monthly, tickers, sleeves : DataFrame
        As `tf_lib.research.backtest.trading_statistics` makes them.
    sleeve_exposure : DataFrame indexed by day
        Share of equity per sleeve.
    costs : DataFrame indexed by month
        traded, fees.
    trades : DataFrame
        One row per fill.
    rolling_window : int
        Days of the rolling figures.
    days_per_year : int
    """

    title: str
    summary: str
    equity: pd.DataFrame
    metrics: Mapping[str, float]
    references: Mapping[str, pd.Series[float]]
    reference_metrics: Mapping[str, Mapping[str, float]]
    monthly: pd.DataFrame
    tickers: pd.DataFrame
    sleeves: pd.DataFrame
    sleeve_exposure: pd.DataFrame
    costs: pd.DataFrame
    trades: pd.DataFrame
    rolling_window: int
    days_per_year: int


def write_backtest_report(path: Path, record: TrackRecord, costs: CostPage | None = None) -> None:
    """Write the page; beside, then renamed."""
    write_page(path, record.title, report_body(record, costs))


def report_body(record: TrackRecord, costs: CostPage | None = None) -> str:
    """Return the body of the page as HTML; with what costs it would bear, where that was asked."""
    metrics = record.metrics
    charts = [
        equity_chart(record.equity["equity"], record.references),
        rolling_chart(
            record.equity["return"],
            window=record.rolling_window,
            target=metrics["target_volatility"],
            per_year=record.days_per_year,
        ),
        exposure_chart(record.sleeve_exposure),
        monthly_chart(record.monthly),
        contribution_chart(record.tickers),
        cost_chart(record.costs),
    ]
    pictures = [chart.html for chart in charts]
    parts = [
        f"<h1>{escape(record.title)}</h1>",
        paragraph(record.summary).html,
        metrics_table(metrics).html,
        references_table(record).html,
        *pictures[:4],
        cost_sections(costs or CostPage()),
        "<h2>Who earned it</h2>",
        pictures[4],
        earners_table(record.sleeves, "sleeve").html,
        earners_table(record.tickers, "ticker").html,
        "<h2>What was traded</h2>",
        pictures[5],
        reasons_table(record.trades).html,
        trades_table(record.trades).html,
    ]
    return "\n".join(parts)


def metrics_table(metrics: Mapping[str, float]) -> Fragment:
    """Return the headline numbers, each under its usual name and in words."""
    rows = [
        Row((label, shown(metrics[name]), name))
        for name, (label, shown) in _FIGURES.items()
        if name in metrics
    ]
    columns = [Column("figure", LEFT), Column("value"), Column("name", LEFT)]
    return table(columns, rows, empty="No figures.", caption="Figures of the whole span")


def references_table(record: TrackRecord) -> Fragment:
    """Return the strategy beside what was held instead."""
    figures = [(name, *_FIGURES[name]) for name in _REFERENCE_METRICS]
    columns = [Column("", LEFT), *(Column(label) for _, label, _ in figures)]
    lines = {"strategy": record.metrics, **record.reference_metrics}
    rows = [
        Row((NAMES.get(name, name), *(shown(line[figure]) for figure, _, shown in figures)))
        for name, line in lines.items()
    ]
    return table(columns, rows, empty="", caption="The strategy beside its references")


def earners_table(frame: pd.DataFrame, what: str) -> Fragment:
    """Return profit, contribution, fees and exposure per ticker or sleeve."""
    columns = [
        Column(what, LEFT),
        Column("profit"),
        Column("contribution", hint="of the capital at the start; they add up to the return"),
        *right("fills", "fees"),
        Column("exposure", hint="mean share of equity at the close"),
    ]
    rows = [
        Row(
            (
                str(name),
                words.money(line["profit"], signed=True),
                words.percent(line["contribution"], signed=True),
                f"{line['trades']:.0f}",
                words.money(line["fees"]),
                words.percent(line["exposure"]),
            )
        )
        for name, line in frame.to_dict("index").items()
    ]
    return table(columns, rows, empty=f"No {what}.", caption=f"Profit per {what}")


def reasons_table(trades: pd.DataFrame) -> Fragment:
    """Return how often and for how much was traded for each reason."""
    columns = [Column("reason", LEFT), Column("fills"), Column("notional"), Column("fees")]
    groups = trades.groupby(["side", "reason"])
    rows = [
        Row(
            (
                f"{str(side).lower()}: {str(reason).replace('_', ' ')}",
                f"{len(its)}",
                words.money(its["notional"].sum()),
                words.money(its["fee"].sum()),
            )
        )
        for (side, reason), its in groups
    ]
    return table(columns, rows, empty="Nothing was traded.", caption="Fills per reason")


def trades_table(trades: pd.DataFrame, *, most: int = 500) -> Fragment:
    """Return the last fills, newest first."""
    columns = [
        *left("date", "ticker", "side"),
        *right("size", "price", "notional", "fee"),
        Column("reason", LEFT),
    ]
    rows = [_fill_row(line) for line in trades[::-1].head(most).to_dict("records")]
    note = "" if len(trades) <= most else f"The last {most} of {len(trades)} fills."
    shown = table(columns, rows, empty="", caption="Fills, newest first")
    return paragraph(note) + shown if note else shown


def _fill_row(line: Mapping[object, object]) -> Row:
    cells: Sequence[str] = (
        f"{line['date']:%Y-%m-%d}",
        str(line["ticker"]),
        str(line["side"]).lower(),
        f"{line['size']:.8g}",
        words.price(line["price"]),
        words.money(line["notional"]),
        f"{line['fee']:.2f}",
        str(line["reason"]).replace("_", " "),
    )
    return Row(cells)

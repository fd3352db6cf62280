"""
The figures of docs/research.md, computed anew.

``python -m tests.research.figures`` writes them into the document, between its two marks. They
need the real candles beside the project (../shared); read the difference before it is committed.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from tests.app.profile import REAL_PRODUCTS, REAL_UNIVERSE
from tests.core.build import REAL_CANDLES, config_with
from tf_lib.core.model.records import Product
from tf_lib.core.signals.columns import believed
from tf_lib.core.signals.components import Components
from tf_lib.parameters import Config
from tf_lib.research.backtest.history import history_of, opening_prices
from tf_lib.research.backtest.run_backtest import BacktestResult, backtest
from tf_lib.store.candle_csv import read_candle_folder, read_products_file

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "research.md"
BEGIN, END = "<!-- figures begin -->", "<!-- figures end -->"
FIRST, LAST = dt.date(2022, 4, 1), dt.date(2024, 10, 31)
FEES = {"0.6 / 1.2 %": (0.006, 0.012), "0.5 / 0.9 %": (0.005, 0.009)}
ROWS = {
    "total return": ("total_return", "{:.1%}"),
    "CAGR": ("cagr", "{:.1%}"),
    "volatility": ("volatility", "{:.1%}"),
    "Sharpe ratio": ("sharpe", "{:.2f}"),
    "deepest drawdown": ("max_drawdown", "{:.1%}"),
    "days below a peak, at most": ("max_drawdown_days", "{:,.0f}"),
    "exposure": ("exposure", "{:.1%}"),
    "turnover a year": ("turnover", "{:.1f}"),
    "fees paid": ("fees", "{:,.0f}"),
    "fills": ("trades", "{:,.0f}"),
    "stops hit, of them on a gap": ("stops_hit", "{:,.0f}"),
}
REFERENCES = {"btc_held": "BTC held", "equal_weight": "equal weight"}


def config_at(fees: tuple[float, float]) -> Config:
    """The strategy's parameters on the issue's universe, at some fees."""
    maker, taker = fees
    changes = {
        "execution_and_costs.maker_fee": maker,
        "execution_and_costs.taker_fee": taker,
        "run.start_date": FIRST.isoformat(),
        "run.end_date": LAST.isoformat(),
    }
    return config_with(changes, sleeves=REAL_UNIVERSE["sleeves"])


def with_lookahead(
    candles: Mapping[str, pd.DataFrame], config: Config, products: Mapping[str, Product]
) -> BacktestResult:
    """
    The same backtest with the channel position ranked over the whole loaded sample.

    The wrong ranks are laid where the right ones would be remembered, so that nothing else
    differs; the library itself has no such setting.
    """
    bars = history_of(candles, config).bars
    known = believed(bars, config, live=opening_prices(bars, FIRST))
    parts = Components(known.bars, config, {})
    settings = config.signals.donchian
    key = (
        *known.mark,
        "position_rank",
        settings.entry_rolling_donchian_window,
        settings.donchian_shift,
        settings.rank_window,
    )
    ranks = pd.DataFrame(parts.position().T).rank(pct=True).to_numpy().T - 0.5
    history = history_of(bars, config, memo={key: ranks}, since=FIRST)
    return backtest(bars, config, products=products, precomputed=history)


def figures() -> str:
    """Return the tables as Markdown."""
    columns: dict[str, list[str]] = {}
    cheats = []
    references = ""
    for name, fees in FEES.items():
        config = config_at(fees)
        candles = read_candle_folder(REAL_CANDLES, config.universe.sorted_tickers)
        products = read_products_file(REAL_PRODUCTS)
        honest = backtest(candles, config, products=products)
        columns[name] = _column(honest)
        cheat = with_lookahead(candles, config, products)
        cheats.append(_cheat_row(name, honest, cheat))
        references = references or _references(honest)
    lines = [f"| fees, maker / taker | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    lines += [
        f"| {label} | {' | '.join(values)} |"
        for label, *values in zip(ROWS, *columns.values(), strict=True)
    ]
    lines += [
        "",
        references,
        "",
        "| fees | return as it is | with ranks over the whole sample | added by looking ahead | "
        "Sharpe ratio | with looking ahead |",
        "|---|---:|---:|---:|---:|---:|",
        *cheats,
    ]
    return "\n".join(lines)


def _column(result: BacktestResult) -> list[str]:
    shown = [form.format(result.metrics[name]) for name, form in ROWS.values()]
    shown[-1] += f", {result.metrics['stops_gapped']:,.0f}"
    return shown


def _references(result: BacktestResult) -> str:
    said = [
        f"{REFERENCES[name]} {its['total_return']:.1%} (Sharpe {its['sharpe']:.2f}, deepest "
        f"drawdown {its['max_drawdown']:.1%})"
        for name, its in result.reference_metrics.items()
    ]
    return f"On the same {len(result.days)} days, free of costs: {'; '.join(said)}."


def _cheat_row(name: str, honest: BacktestResult, cheat: BacktestResult) -> str:
    one, other = honest.metrics, cheat.metrics
    added = 100 * (other["total_return"] - one["total_return"])
    return (
        f"| {name} | {one['total_return']:.1%} | {other['total_return']:.1%} | "
        f"{added:+.1f} points | {one['sharpe']:.2f} | {other['sharpe']:.2f} |"
    )


def written(document: str, tables: str) -> str:
    """Return the document with the tables between its marks."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{tables}\n{END}", document)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text("utf-8"), figures()), encoding="utf-8")
    print(figures())

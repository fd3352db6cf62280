"""The backtest command: its five files, and what it says when it cannot."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.core.build import SLEEVES, STRATEGY, day, market
from tf_lib.drivers.backtest import backtest_command, products_on
from tf_lib.errors import BarsError, ParameterError
from tf_lib.parameters import load_config

N_DAYS = 480


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candle folder and parameters for it."""
    root = tmp_path_factory.mktemp("backtest")
    (root / "candles").mkdir()
    for ticker, frame in market(N_DAYS).items():
        plain = frame.round(4).rename_axis("date").reset_index()
        plain["date"] = plain["date"].dt.strftime("%Y-%m-%d")
        plain.to_csv(root / "candles" / f"{ticker}.csv", index=False)
    write_parameters(root / "mine.yaml")
    return root


def write_parameters(path: Path, **sections: Any) -> Path:
    tickers = [ticker for sleeve in SLEEVES.values() for ticker in sleeve["tickers"]]
    content = {
        "extends": str(STRATEGY),
        "universe": {"tickers": tickers, "sleeves": SLEEVES},
        "run": {"start_date": "2022-01-01", "end_date": "2030-01-01"},
        **sections,
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def out(folder: Path) -> Path:
    """The files of one backtest."""
    assert (
        backtest_command(folder / "mine.yaml", folder / "candles", None, None, folder / "out") == 0
    )
    return folder / "out"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_files_are_those_of_the_design(out: Path) -> None:
    """Five files, their columns in order, no half-written rest."""
    names = sorted(path.name for path in out.iterdir())

    assert names == ["equity.csv", "report.html", "summary.json", "trades.csv", "weights.csv"]
    assert list(rows(out / "equity.csv")[0]) == ["date", "equity", "cash", "gross", "return"]
    assert list(rows(out / "weights.csv")[0]) == [
        "date", "AAA-USD", "BBB-USD", "CCC-USD", "DDD-USD",
    ]  # fmt: skip
    assert list(rows(out / "trades.csv")[0]) == [
        "date", "ticker", "side", "size", "price", "notional", "fee", "reason",
    ]  # fmt: skip


def test_there_is_a_row_for_every_day(out: Path) -> None:
    """From the first day that can be decided to the last bar's."""
    days = [row["date"] for row in rows(out / "equity.csv")]

    assert days == [str(day(300 + k)) for k in range(N_DAYS - 300)]
    assert [row["date"] for row in rows(out / "weights.csv")] == days


def test_sizes_are_whole_lots_and_money_adds_up_exactly_enough(out: Path) -> None:
    """Cash follows from the trades as they are written."""
    cash = Decimal(15000)
    for row in rows(out / "trades.csv"):
        assert Decimal(row["size"]) % Decimal("0.00000001") == 0
        assert Decimal(row["notional"]) == pytest.approx(
            Decimal(row["size"]) * Decimal(row["price"])
        )
        sign = 1 if row["side"] == "SELL" else -1
        cash += sign * Decimal(row["notional"]) - Decimal(row["fee"])

    assert float(rows(out / "equity.csv")[-1]["cash"]) == pytest.approx(float(cash), abs=1e-6)


def test_the_summary_follows_from_the_equity_file(out: Path) -> None:
    """Every figure that outsiders would compute again."""
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    equity = pd.read_csv(out / "equity.csv")
    returns = equity["return"]
    peaks = equity["equity"].cummax().clip(lower=15_000)

    assert summary["total_return"] == pytest.approx(equity["equity"].iloc[-1] / 15_000 - 1)
    assert summary["sharpe"] == pytest.approx(returns.mean() / returns.std() * 365**0.5)
    assert summary["volatility"] == pytest.approx(returns.std() * 365**0.5)
    assert summary["max_drawdown"] == pytest.approx((equity["equity"] / peaks - 1).min())
    assert summary["exposure"] == pytest.approx(equity["gross"].mean())
    assert summary["fees"] == pytest.approx(pd.read_csv(out / "trades.csv")["fee"].sum())
    assert summary["compute_seconds"] > 0
    assert set(summary["benchmarks"]) == {"equal_weight"}


def test_the_page_needs_no_network(out: Path) -> None:
    """Nothing is fetched; every picture says what it shows."""
    page = (out / "report.html").read_text(encoding="utf-8")

    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "<script" not in page
    assert page.count("<img alt=") == page.count("<img ") == 6


def test_the_same_backtest_writes_the_same_bytes(folder: Path, out: Path) -> None:
    """Tables are reproduced to the byte."""
    again = folder / "again"
    backtest_command(folder / "mine.yaml", folder / "candles", None, None, again)

    for name in ("equity.csv", "trades.csv", "weights.csv"):
        assert (again / name).read_bytes() == (out / name).read_bytes()


def test_start_and_end_win_over_the_parameters(folder: Path) -> None:
    """Both days are lived."""
    target = folder / "short"
    backtest_command(folder / "mine.yaml", folder / "candles", day(350), day(352), target)

    assert [row["date"] for row in rows(target / "equity.csv")] == [
        str(day(350 + k)) for k in range(3)
    ]


def test_a_span_without_trades_has_all_files(folder: Path) -> None:
    """A header is a file, too."""
    target = folder / "quiet"
    config = write_parameters(
        folder / "quiet.yaml", execution_and_costs={"min_trade_notional_abs": 1e9}
    )
    backtest_command(config, folder / "candles", None, None, target)

    assert rows(target / "trades.csv") == []
    assert json.loads((target / "summary.json").read_text())["hit_rate"] is None


@pytest.mark.parametrize(
    ("start", "end", "error", "said"),
    [
        (dt.date(2040, 1, 1), None, BarsError, "no day in common"),
        (day(20), day(10), ParameterError, "--start .* lies after --end"),
    ],
)
def test_days_that_cannot_be_lived_are_an_error(
    folder: Path, start: dt.date, end: dt.date | None, error: type[Exception], said: str
) -> None:
    """And nothing is written."""
    target = folder / "none"
    with pytest.raises(error, match=said):
        backtest_command(folder / "mine.yaml", folder / "candles", start, end, target)

    assert not target.exists()


def test_a_missing_ticker_is_named(folder: Path, tmp_path: Path) -> None:
    """Before anything is computed."""
    with pytest.raises(BarsError, match=str(tmp_path)):
        backtest_command(folder / "mine.yaml", tmp_path, None, None, tmp_path / "out")


def test_products_come_from_the_file_then_the_table_then_the_candles(folder: Path) -> None:
    """A product that nobody lists gets the tick its candles are written with."""
    config = load_config(folder / "mine.yaml")
    found = products_on(config, folder / "candles")

    assert found["AAA-USD"].price_increment == Decimal("0.0001")
    assert found["AAA-USD"].base_increment == Decimal("0.00000001")

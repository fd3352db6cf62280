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

from tests.app.profile import MADE_UP_UNIVERSE, command, must_end
from tests.core.build import STRATEGY, day, market
from tests.research.test_backtest_parity import write_candles
from tf_lib.app.commands.research.backtest import backtest_command
from tf_lib.errors import BarsError, ParameterError
from tf_lib.parameters import load_config
from tf_lib.store.candle_csv import products_of

N_DAYS = 480


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candle folder and parameters for it."""
    root = tmp_path_factory.mktemp("backtest")
    write_candles(root / "candles", {t: frame.round(4) for t, frame in market(N_DAYS).items()})
    write_parameters(root / "mine.yaml")
    return root


def write_parameters(path: Path, **sections: Any) -> Path:
    content = {
        "extends": str(STRATEGY),
        "universe": MADE_UP_UNIVERSE,
        "run": {"start_date": "2022-01-01", "end_date": "2030-01-01"},
        **sections,
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def out(folder: Path) -> Path:
    """The files of one backtest."""
    out = folder / "out"
    assert backtest_command(folder / "mine.yaml", folder / "candles", None, None, out) == 0
    return out


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_files_are_those_of_the_design(out: Path) -> None:
    """Five files, their columns in order, no half-written rest."""
    names = sorted(path.name for path in out.iterdir())

    assert names == ["equity.csv", "report.html", "summary.json", "trades.csv", "weights.csv"]
    assert list(rows(out / "equity.csv")[0]) == ["date", "equity", "cash", "gross", "return"]
    assert list(rows(out / "weights.csv")[0]) == ["date", *MADE_UP_UNIVERSE["tickers"]]
    columns = "date ticker side size price notional fee reason"
    assert list(rows(out / "trades.csv")[0]) == columns.split()


def test_there_is_a_row_for_every_day(out: Path) -> None:
    """From the first day that can be decided to the last bar's."""
    days = [row["date"] for row in rows(out / "equity.csv")]

    assert days == [str(day(299 + k)) for k in range(N_DAYS - 299)]
    assert [row["date"] for row in rows(out / "weights.csv")] == days[1:]


def test_equity_begins_with_the_capital(folder: Path, out: Path) -> None:
    """The change of equity from row to row is the return of each day, and all of it the total."""
    equity = pd.read_csv(out / "equity.csv")
    assert equity.iloc[0][["equity", "cash"]].tolist() == [15_000, 15_000]
    assert equity.iloc[0][["return", "gross"]].isna().all()
    assert not equity.iloc[1:].isna().any(axis=None)
    changes = equity["equity"].pct_change()
    pd.testing.assert_series_equal(changes, equity["return"], check_names=False)

    # A span in which the very first day has a result.
    target = folder / "from-a-loss"
    traded = pd.read_csv(out / "trades.csv")["date"].iloc[0]
    first = dt.date.fromisoformat(traded)
    backtest_command(folder / "mine.yaml", folder / "candles", first, None, target)
    equity = pd.read_csv(target / "equity.csv")
    summary = json.loads((target / "summary.json").read_text(encoding="utf-8"))
    assert equity["return"].iloc[1] != 0.0
    total = equity["equity"].pct_change().add(1).cumprod().iloc[-1] - 1
    assert total == pytest.approx(summary["total_return"])


def test_sizes_are_whole_lots_and_money_adds_up_exactly_enough(out: Path) -> None:
    """Cash follows from the trades as they are written."""
    cash = Decimal(15000)
    for row in rows(out / "trades.csv"):
        assert Decimal(row["size"]) % Decimal("0.00000001") == 0
        worth = Decimal(row["size"]) * Decimal(row["price"])
        assert Decimal(row["notional"]) == pytest.approx(worth)
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
    """Both days are run."""
    target = folder / "short"
    backtest_command(folder / "mine.yaml", folder / "candles", day(350), day(352), target)

    days = [row["date"] for row in rows(target / "equity.csv")]
    assert days == [str(day(349 + k)) for k in range(4)]


def test_a_span_without_trades_has_all_files(folder: Path) -> None:
    """A header is a file, too."""
    target = folder / "quiet"
    costs = {"min_trade_notional_abs": 1e9}
    config = write_parameters(folder / "quiet.yaml", execution_and_costs=costs)
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
def test_days_that_cannot_be_run_are_an_error(
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
    found = products_of(config, folder / "candles")

    assert found["AAA-USD"].price_increment == Decimal("0.0001")
    assert found["AAA-USD"].base_increment == Decimal("0.00000001")


# -- the folder of the result ----------------------------------------------------------------------


def call(folder: Path, out: Path, *options: str, config: str = "mine.yaml") -> tuple[int, str]:
    """Call the command line."""
    files = ("--config", str(folder / config), "--candles", str(folder / "candles"))
    return command("backtest", *files, "--out", str(out), *options)


def test_another_result_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    """Refused before the work; the same again, or with a word, is done."""
    short = ("--start", "2023-01-01", "--end", "2023-03-02")
    assert call(folder, tmp_path / "out", *short)[0] == 0
    before = (tmp_path / "out" / "summary.json").read_bytes()

    other = ("--start", "2023-01-02", "--end", "2023-03-02")
    said = must_end(call(folder, tmp_path / "out", *other), 2)
    assert f"--out {tmp_path}/out: holds another result" in said
    assert (tmp_path / "out" / "summary.json").read_bytes() == before

    assert call(folder, tmp_path / "out", *short)[0] == 0
    assert call(folder, tmp_path / "out", "--start", "2023-01-02", "--overwrite")[0] == 0
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["start"] == "2023-01-02"


@pytest.mark.parametrize("there", ["file", "under a file", "sweep", "foreign"])
def test_a_folder_that_does_not_take_the_result(folder: Path, tmp_path: Path, there: str) -> None:
    """Exit 2 with a clear line, before anything was computed or made."""
    out = tmp_path / "out"
    if there == "file":
        out.write_text("mine")
    elif there == "under a file":
        out.write_text("mine")
        out = out / "result"
    else:
        out.mkdir()
        name = {"sweep": "trials.jsonl", "foreign": "summary.json"}[there]
        (out / name).write_text("{}\n")
    before = sorted(tmp_path.rglob("*"))

    said = must_end(call(folder, out), 2)

    assert said.startswith(f"error: --out {out}: ")
    assert "Nothing was computed" in said
    assert sorted(tmp_path.rglob("*")) == before


def test_a_sweep_does_not_write_over_a_backtest(folder: Path, tmp_path: Path) -> None:
    """Their files have the same names."""
    (tmp_path / "summary.json").write_text("{}")
    files = ("--config", str(folder / "mine.yaml"), "--candles", str(folder / "candles"))
    code, said = command("sweep", *files, "--grid", "g.yaml", "--out", str(tmp_path))

    assert (code, "holds a result that is none of a sweep" in said) == (2, True)


def test_a_short_span_is_said(folder: Path, tmp_path: Path) -> None:
    """Figures of a year from 61 days: on the screen, in the summary and on the page."""
    code, said = call(folder, tmp_path, "--start", "2023-01-01", "--end", "2023-03-02")
    (note,) = json.loads((tmp_path / "summary.json").read_text())["notes"]

    assert code == 0
    assert note.startswith("only 61 of 365 days: cagr")
    assert f"note: {note}" in said
    assert note in (tmp_path / "report.html").read_text()


def test_a_folder_of_no_run_is_not_replayed(tmp_path: Path) -> None:
    """Said at once, and which kind of folder it should be."""
    said = must_end(command("replay", str(tmp_path / "nothere")), 2)

    assert f"{tmp_path}/nothere: there is no such folder of a run" in said

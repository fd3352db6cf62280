"""What candles lack is said with its effect, and an ended history is not held for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.app.profile import MADE_UP_UNIVERSE, command, must_end, write_parameters
from tests.core.build import market
from tests.research.test_backtest_parity import write_candles

FIRST, LAST = "2022-12-01", "2023-11-30"


def run(
    folder: Path, candles: dict[str, pd.DataFrame], *, last: str = LAST
) -> tuple[str, dict[str, Any], pd.DataFrame]:
    """Run the command; return what it said, its summary and its trades."""
    source = write_candles(folder / "candles", candles)
    config = write_parameters(folder / "p.yaml", universe=MADE_UP_UNIVERSE)
    options = ["--config", str(config), "--candles", str(source), "--out", str(folder / "out")]
    said = must_end(command("backtest", *options, "--start", FIRST, "--end", last))
    summary = json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))
    return said, summary, pd.read_csv(folder / "out" / "trades.csv")


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return a ticker that is bought, and a day in the middle of the time it is held."""
    _, summary, trades = run(tmp_path_factory.mktemp("whole"), market())
    buys = trades[trades["side"] == "BUY"]
    assert summary["data"] == []
    for row in buys.itertuples():
        later = trades[(trades["ticker"] == row.ticker) & (trades["date"] > row.date)]
        sells = later[later["side"] == "SELL"]["date"]
        until = sells.min() if len(sells) else LAST
        begun = pd.Timestamp(str(row.date))
        if (pd.Timestamp(until) - begun).days > 4:
            return str(row.ticker), f"{begun + pd.Timedelta(days=2):%Y-%m-%d}"
    raise AssertionError("nothing was held for five days")


def test_an_ended_history_is_sold_at_its_last_close(held: tuple[str, str], tmp_path: Path) -> None:
    ticker, last_day = held
    candles = market()
    candles[ticker] = candles[ticker].loc[:last_day]
    said, summary, trades = run(tmp_path, candles)
    close = float(candles[ticker]["close"].iloc[-1])
    sold = trades[trades["reason"] == "history_ended"]

    assert (list(sold["ticker"]), list(sold["date"])) == ([ticker], [last_day])
    assert sold["price"].iloc[0] == pytest.approx(close, rel=0.01)
    assert sold["price"].iloc[0] < close
    assert not (trades["ticker"].eq(ticker) & trades["date"].gt(last_day)).any()
    facts = [one for one in summary["data"] if one["ticker"] == ticker]
    assert [(one["kind"], one["last"]) for one in facts] == [("history_ended", LAST)]
    assert f"{ticker}: no more bars" in said
    assert "sold at its last close" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_missing_days_are_listed_with_their_effect(held: tuple[str, str], tmp_path: Path) -> None:
    ticker, day = held
    candles = market()
    begin = int(candles[ticker].index.searchsorted(pd.Timestamp(day, tz="UTC")))
    candles[ticker] = candles[ticker].drop(candles[ticker].index[begin : begin + 7])
    said, summary, _ = run(tmp_path, candles)
    (fact,) = [one for one in summary["data"] if one["ticker"] == ticker]

    assert (fact["kind"], fact["first"], fact["days"]) == ("days_missing", day, 7)
    # Seven days of the gap, and thirty bars after it.
    assert "37 days without a decision on it" in fact["effect"]
    assert f"{ticker}: no bars {day}" in said
    assert "37 days without a decision" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_a_bar_that_is_not_believed_is_listed(held: tuple[str, str], tmp_path: Path) -> None:
    ticker, day = held
    candles = market()
    candles[ticker].loc[[pd.Timestamp(day, tz="UTC")], "high"] *= 100
    said, summary, _ = run(tmp_path, candles)

    assert ("not_believed", day) in [(one["kind"], one["first"]) for one in summary["data"]]
    assert f"{ticker}: bars that are not believed on {day}: " in said


def test_a_span_beyond_the_candles_is_said(tmp_path: Path) -> None:
    said, summary, _ = run(tmp_path, market(), last="2025-06-30")
    end = market()["AAA-USD"].index[-1].date()

    assert summary["end"] == end.isoformat()
    assert f"the candles end, and so does the backtest, on {end}" in said
    assert summary["data"][0]["kind"] == "span_cut"
    assert "the candles end" in (tmp_path / "out" / "report.html").read_text("utf-8")


def rounded(scale: float, decimals: int) -> dict[str, pd.DataFrame]:
    """Return the market at another scale, its prices written with so many decimals."""
    prices = ["open", "high", "low", "close"]
    made = {ticker: frame.copy() for ticker, frame in market().items()}
    for frame in made.values():
        frame[prices] = (frame[prices].round(4) * scale).round(decimals)
    return made


def test_a_product_in_no_table_earns_the_same_at_every_price_scale(tmp_path: Path) -> None:
    """A billionth of the price: the same trades, none of them cut at a size that can be counted."""
    _, usual, trades = run(tmp_path / "usual", rounded(1.0, 4))
    _, tiny, others = run(tmp_path / "tiny", rounded(1e-9, 13))

    assert tiny["total_return"] == pytest.approx(usual["total_return"], rel=1e-6)
    assert list(others["reason"]) == list(trades["reason"])
    assert others["notional"].to_numpy() == pytest.approx(trades["notional"].to_numpy(), abs=0.01)

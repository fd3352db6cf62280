"""Candles shorter than a day in a backtest: which price came first is theirs to say."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.app.profile import MADE_UP_UNIVERSE, command, must_end, write_parameters
from tests.core.build import config_with, market
from tests.research.build import intraday_text
from tests.research.test_backtest_parity import write_candles
from tf_lib.core.candles.intraday_bars import IntradayBars
from tf_lib.core.candles.rows import INTRADAY_HEADER
from tf_lib.errors import BarsError
from tf_lib.parameters import Config
from tf_lib.research.backtest.history import Candles
from tf_lib.research.backtest.run_backtest import BacktestResult, backtest
from tf_lib.research.backtest.shorter_candles import NO_INTRADAY, Intraday


def run_over(candles: Candles, config: Config, intraday: Intraday = NO_INTRADAY) -> BacktestResult:
    first, last = dt.date(2022, 12, 1), dt.date(2023, 2, 20)
    return backtest(candles, config, intraday=intraday, start=first, end=last)


@pytest.fixture(scope="module")
def candles() -> Candles:
    return market(420)


def hourly(frame: pd.DataFrame, *, seed: int = 3, first: str = "2022-11-20") -> IntradayBars:
    text = intraday_text(frame.loc[first:], "ONE_HOUR", seed=seed)
    return IntradayBars.from_text(text, granularity="ONE_HOUR", source="AAA-USD.ONE_HOUR.csv")


def calm(frame: pd.DataFrame) -> IntradayBars:
    """A minute's candle each day: the day's low and high came before the run."""
    lines = [INTRADAY_HEADER]
    for day, row in zip(frame.index, frame.to_dict("records"), strict=True):
        o = row["open"]
        lines.append(f"{day:%Y-%m-%d}T00:00:00Z,{o!r},{row['high']!r},{row['low']!r},{o!r},1")
    text = "\n".join(lines) + "\n"
    return IntradayBars.from_text(text, granularity="ONE_MINUTE", source="calm")


def test_without_any_not_a_bit_is_different(candles: Candles) -> None:
    """Candles of others, and none at all, are the same backtest."""
    config = config_with()
    plain = run_over(candles, config)
    other = run_over(candles, config, {"ZZZ-USD": hourly(candles["AAA-USD"])})

    np.testing.assert_array_equal(plain.tape.fills, other.tape.fills)
    np.testing.assert_array_equal(plain.equity.to_numpy(), other.equity.to_numpy())


def test_a_low_before_the_entry_is_not_met_after_it(candles: Candles) -> None:
    """By the daily bars alone stops are hit on days whose low came before the run."""
    config = config_with({"risk_and_sizing.atr_multiplier": 1.0})
    plain = run_over(candles, config)
    days = {ticker: calm(frame.loc["2022-11-20":]) for ticker, frame in candles.items()}
    along = run_over(candles, config, days)
    entered = {(f["row"], f["ticker"]) for f in plain.tape.fills if f["lots"] > 0}
    same_day = [f for f in plain.tape.fills if f["lots"] < 0 and (f["row"], f["ticker"]) in entered]
    bought = {(f["row"], f["ticker"]): k for k, f in enumerate(along.tape.fills) if f["lots"] > 0}

    assert same_day
    for k, fill in enumerate(along.tape.fills):
        at = (fill["row"], fill["ticker"])
        assert not (fill["lots"] < 0 and at in bought and k > bought[at])


def test_they_have_to_lie_within_their_days(candles: Candles) -> None:
    """A candle beyond the daily one, or of a day that has none, is named."""
    frame = candles["AAA-USD"].copy()
    shorter = hourly(frame)
    for wrong in (frame.assign(high=frame["close"]), frame.drop(frame.index[380])):
        with pytest.raises(
            BarsError, match=r"AAA-USD: the candle of 202\S+ is not within that day"
        ):
            backtest({**candles, "AAA-USD": wrong}, config_with(), intraday={"AAA-USD": shorter})


@pytest.fixture
def asked(tmp_path: Path, candles: Candles) -> list[str]:
    """Return the options of a backtest on a folder with shorter candles of one ticker."""
    folder = write_candles(tmp_path / "candles", candles)
    text = intraday_text(candles["AAA-USD"].loc["2022-11-20":], "ONE_HOUR", seed=3)
    (folder / "AAA-USD.ONE_HOUR.csv").write_text(text, encoding="utf-8")
    run = {"start_date": "2022-12-01", "end_date": "2023-02-20"}
    path = write_parameters(tmp_path / "mine.yaml", universe=MADE_UP_UNIVERSE, run=run)
    return ["--config", str(path), "--candles", str(folder), "--out", str(tmp_path / "out")]


def test_the_command_tells_of_them(asked: list[str], tmp_path: Path) -> None:
    """In what it prints, the summary and the page; other ones are another question."""
    said = must_end(command("backtest", *asked))
    found = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    days = found["intraday"]["days"]

    assert 40 < days < 82
    assert found["intraday"]["by_ticker"] == {"AAA-USD": days}
    assert f"shorter candles say in which order prices came on {days} of 82 days" in said
    assert f"on {days} of 82 days" in page
    (tmp_path / "candles" / "AAA-USD.ONE_HOUR.csv").unlink()
    assert "holds another result" in must_end(command("backtest", *asked), 2)
    must_end(command("backtest", *asked, "--overwrite"))
    again = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert again["intraday"] == {"days": 0, "by_ticker": {}, "stop_fills": 0}


def test_a_sweep_sees_the_same_days(asked: list[str], tmp_path: Path) -> None:
    """Its set is the backtest, with the shorter candles and, as another trial, without them."""
    grid = tmp_path / "grid.yaml"
    grid.write_text("risk_and_sizing.atr_multiplier: [1.0]\n", encoding="utf-8")
    config = tmp_path / "mine.yaml"
    config.write_text(
        config.read_text(encoding="utf-8") + "risk_and_sizing: {atr_multiplier: 1.0}\n",
        encoding="utf-8",
    )
    sweep = [*asked[:4], "--grid", str(grid), "--out", str(tmp_path / "sweep")]
    found = []
    for _ in range(2):
        must_end(command("backtest", *asked, "--overwrite"))
        must_end(command("sweep", *sweep))
        one = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
        best = json.loads((tmp_path / "sweep" / "summary.json").read_text(encoding="utf-8"))["best"]
        assert best["total_return"] == one["total_return"]
        found.append(one["total_return"])
        (tmp_path / "candles" / "AAA-USD.ONE_HOUR.csv").unlink(missing_ok=True)

    trials = (tmp_path / "sweep" / "trials.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(trials) == 2
    assert found[0] != found[1]

"""The proof of a day's record: it passes, futures are what they say, and leaks are found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.core.build import FIRST_DAY, candles_of, config_with, day, market
from tests.proofs import leaks
from tests.research.test_lookahead_backtest import BUSY
from tf_lib.core.candles.rows import FIELDS
from tf_lib.parameters import load_config
from tf_lib.research.backtest.history import History
from tf_lib.research.backtest.run_backtest import backtest
from tf_lib.research.lookahead.backtest_check import prove_backtest
from tf_lib.research.lookahead.candle_check import BAR, prove_reading
from tf_lib.research.lookahead.futures import Futures
from tf_lib.research.lookahead.lookahead_proof import STATISTIC
from tf_lib.research.lookahead.record_check import CUT_AFTER, GOES_ON, NOISE_AFTER, prove_record
from tf_lib.store.candle_csv import products_of, read_candle_folder, read_universe

Frames = Mapping[str, pd.DataFrame]


@pytest.fixture(scope="module")
def candles() -> dict[str, pd.DataFrame]:
    """Four tickers; one misses a week, one ends early."""
    made = {ticker: frame.iloc[:430] for ticker, frame in market(600).items()}
    made["BBB-USD"] = made["BBB-USD"].drop(made["BBB-USD"].index[380:387])
    made["CCC-USD"] = made["CCC-USD"].iloc[:-15]
    return made


# -- futures -----------------------------------------------------------------------------------


@pytest.fixture
def short() -> Futures:
    """A goes on for eight days, B misses the fourth and fifth, C ends with the third."""
    closes = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0]
    made = {name: candles_of(closes) for name in ("A", "B", "C")}
    made["B"] = made["B"].drop(made["B"].index[[3, 4]])
    made["C"] = made["C"].iloc[:3]
    return Futures(made, seed=1)


def last_bars(frames: Frames) -> dict[str, tuple[int, list[float]]]:
    """Return of each ticker the number of its last day, and that bar's open to close."""
    return {
        name: ((frame.index[-1].date() - FIRST_DAY).days, frame.iloc[-1, :4].tolist())
        for name, frame in frames.items()
    }


def test_a_history_that_is_cut_ends_with_the_day(short: Futures) -> None:
    """A ticker that goes on stands still on a day it misses; one that has ended stays ended."""
    found = last_bars(short.through(day(3)))

    assert (found["A"][0], found["A"][1][-1]) == (3, 13.0)
    assert found["B"] == (3, [12.0, 12.0, 12.0, 12.0])
    assert (found["C"][0], found["C"][1][-1]) == (2, 12.0)


def test_where_one_ends_the_others_stand_still_a_day_longer(short: Futures) -> None:
    found = last_bars(short.through(day(2)))

    assert {name: number for name, (number, _) in found.items()} == {"A": 3, "B": 3, "C": 2}
    assert found["A"][1] == [12.0, 12.0, 12.0, 12.0]


def test_of_an_unfinished_day_only_the_open_is_known(short: Futures) -> None:
    known, noisy = short.through_open(day(5)), short.noise_after_open(day(5))

    assert last_bars(known)["A"] == (5, [14.0, 14.0, 14.0, 14.0])
    assert known["A"]["volume"].iloc[-1] == 0.0
    bar = noisy["A"].loc[pd.Timestamp(day(5), tz="UTC")]
    assert bar["open"] == 14.0
    assert bar["low"] <= 14.0 <= bar["high"]
    assert bar["close"] != 15.0


@pytest.mark.parametrize("through", [2, 3, 6])
def test_noise_begins_with_the_day_after(short: Futures, through: int) -> None:
    whole, noisy = short.through(day(7)), short.noise_after(day(through))

    for name, frame in noisy.items():
        past = frame.index < pd.Timestamp(day(through + 1), tz="UTC")
        pd.testing.assert_frame_equal(frame[past], whole[name].loc[frame.index[past]])
        later = whole[name].loc[frame.index[~past]]
        assert not (frame[~past][list(FIELDS)] == later[list(FIELDS)]).any(axis=None)


# -- the record --------------------------------------------------------------------------------


def test_a_days_record_knows_nothing_after_it(candles: dict[str, pd.DataFrame]) -> None:
    """With a hole and an early end; every kind of field is among what is compared."""
    proof = prove_record(candles, config_with(BUSY), every_days=29)

    assert proof.passed, proof.differences.head()
    assert proof.n_days_checked == 10
    compared = set(proof.columns)
    assert {"fill", "fill_price", "fill_fee", "fill_reason", "fill_lots"} <= compared
    assert {"cash", "closing_equity", "value_held", "holding_lots", "flow"} <= compared
    assert {"stop_level", "stop_limit", "stop_is_triggered", "trail_level"} <= compared
    assert {"cooldown_since", "first_day", "drawdown", "equity.csv return"} <= compared
    assert {f"{STATISTIC}sharpe", f"{STATISTIC}by ticker: profit"} <= compared


def equity_less_the_mean(result: Any) -> None:
    """Move the closing equity of each day by what all days come to."""
    result.tape.days["equity"] += result.tape.days["equity"].mean() * 1e-12


def cash_by_what_will_come(result: Any) -> None:
    """Leave cash that depends on how many bars there are."""
    result.state.cash[0] += len(result.history.bars.days)


@pytest.mark.parametrize(
    ("leak", "column", "tests"),
    [
        (equity_less_the_mean, "closing_equity", {GOES_ON}),
        (cash_by_what_will_come, "cash_after", {CUT_AFTER, NOISE_AFTER}),
    ],
)
def test_each_test_finds_what_only_it_can(
    candles: dict[str, pd.DataFrame],
    monkeypatch: pytest.MonkeyPatch,
    leak: Callable[[Any], None],
    column: str,
    tests: set[str],
) -> None:
    """A mean over the span needs a longer span; a length of history another history."""
    from tf_lib.research.lookahead import record_check

    def leaky(*its: Any, **named: Any) -> Any:
        result = backtest(*its, **named)
        leak(result)
        return result

    monkeypatch.setattr(record_check, "backtest", leaky)
    proof = prove_record(candles, config_with(BUSY), every_days=90)

    assert column in proof.leaking_columns
    found = proof.differences[proof.differences["column"] == column]
    assert tests <= set(found["test"])


def test_a_run_that_can_begin_before_the_first_day_is_found(
    candles: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole history begins later than one that does not know what comes."""
    honest = History.rows

    def cheapest(history: Any, *its: Any, **named: Any) -> tuple[int, int]:
        first, stop = honest(history, *its, **named)
        waits = 20 if history.n_days > first + 20 else 0
        return min(first + waits, stop - 1), stop

    monkeypatch.setattr(History, "rows", cheapest)
    proof = prove_record(candles, config_with(BUSY), every_days=400)

    assert "first_day" in proof.leaking_columns


def test_the_live_path_plans_after_triggered_stops_were_sold(tmp_path: Path) -> None:
    """One was sold at the market on the morning of 18 March, before the day was sized."""
    leaks.write_market(tmp_path)
    config = load_config(tmp_path / "leaks.yaml")
    candles, products = read_universe(tmp_path, config.universe), products_of(config, tmp_path)
    morning, last = dt.date(2022, 3, 18), dt.date(2022, 4, 30)
    trades = backtest(candles, config, products=products, start=dt.date.min, end=morning).trades
    proof = prove_backtest(candles, config, products=products, every_days=(last - morning).days)

    assert "emergency_exit" in set(trades["reason"][trades["date"].dt.date == morning])
    assert proof.n_days_checked == 2
    assert proof.passed, proof.differences


# -- reading -----------------------------------------------------------------------------------


@pytest.fixture
def texts(tmp_path: Path) -> dict[str, str]:
    leaks.write_market(tmp_path)
    return {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.csv")}


def filled(folder: Path) -> Frames:
    return {name: f.asfreq("D").bfill() for name, f in read_candle_folder(folder).items()}


def of_finished_files(folder: Path) -> Frames:
    """Return nothing of a file that ends early, as one that asks for enough rows."""
    found = read_candle_folder(folder)
    return {name: frame.iloc[len(frame) % 2 :] for name, frame in found.items()}


def test_candles_are_read_without_a_look_at_later_rows(texts: dict[str, str]) -> None:
    assert prove_reading(texts, read_candle_folder).passed


@pytest.mark.parametrize("reader", [filled, of_finished_files])
def test_a_reader_that_looks_at_later_rows_is_found(
    texts: dict[str, str], reader: Callable[[Path], Frames]
) -> None:
    proof = prove_reading(texts, reader)

    assert BAR in proof.leaking_columns
    if reader is filled:
        assert set(proof.differences["ticker"]) == {"BBB-USD"}
        assert dt.date(2022, 2, 10) in set(proof.differences["day"])

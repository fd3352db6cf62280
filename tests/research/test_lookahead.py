"""The look-ahead proof: the strategy passes it, and every planted leak is caught by name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.core.build import REAL_CANDLES, SLEEVES, STRATEGY, config_with, day, market
from tf_lib.app.commands.research.lookahead import lookahead_command
from tf_lib.errors import BarsError
from tf_lib.research.lookahead.decision_check import (
    CUT,
    NOISE,
    UNFINISHED,
    prove_no_lookahead,
    strategy_compute,
    warm_up_table,
)
from tf_lib.research.lookahead.lookahead_proof import proof_lines

Leak = Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]
N_DAYS = 120


@dataclass(frozen=True)
class Planted:
    """One honest column and one that may leak, indexed by the day that is decided."""

    frames: Mapping[str, pd.DataFrame]

    @property
    def tickers(self) -> tuple[str, ...]:
        return tuple(sorted(next(iter(self.frames.values())).columns))

    def row(self, at: dt.date) -> dict[str, np.ndarray]:
        when = pd.Timestamp(at, tz="UTC")
        return {
            name: frame.loc[when, list(self.tickers)].to_numpy(dtype=float)
            for name, frame in self.frames.items()
        }


def planted(leak: Leak, *, name: str) -> Callable[..., Planted]:
    """A signal function with one leak: it gets the raw and the properly lagged closes and highs."""

    def compute(candles: Mapping[str, pd.DataFrame], as_of: dt.date) -> Planted:
        start = min(frame.index[0] for frame in candles.values() if len(frame))
        days = pd.date_range(start, pd.Timestamp(as_of, tz="UTC"), freq="D")
        raw = {
            field: pd.DataFrame({t: f[field] for t, f in sorted(candles.items())}).reindex(days)
            for field in ("close", "high")
        }
        honest = raw["close"].shift(1)
        return Planted({"honest": honest, name: leak(raw["close"], raw["high"]).loc[days]})

    return compute


def centred(close: pd.DataFrame, high: pd.DataFrame) -> pd.DataFrame:
    return close.shift(1).rolling(11, center=True, min_periods=1).mean()


def back_filled(close: pd.DataFrame, high: pd.DataFrame) -> pd.DataFrame:
    """Missing days are filled with the next price instead of the last."""
    holed = close.shift(1).copy()
    holed.iloc[30:33] = np.nan
    return holed.bfill()


def interpolated(close: pd.DataFrame, high: pd.DataFrame) -> pd.DataFrame:
    """Every seventh day is guessed from the day before and the day after."""
    holed = close.shift(1).copy()
    holed.iloc[3::7] = np.nan
    return holed.interpolate()


LEAKS: dict[str, Leak] = {
    "shifted the wrong way": lambda close, high: close.shift(1).shift(-1),
    "centred window": centred,
    "rank over the whole sample": lambda close, high: close.shift(1).rank(pct=True),
    "scaled by the whole sample": lambda close, high: close.shift(1) / close.shift(1).std(),
    "back-filled": back_filled,
    "close of the same day": lambda close, high: close.shift(1) / close,
    "high that is not lagged": lambda close, high: high.rolling(20).max(),
    "bar of today, unfinished": lambda close, high: close.rolling(5, min_periods=1).mean(),
    "interpolated": interpolated,
    "largest of the whole sample": lambda close, high: close.shift(1) / close.max(),
    "length of the sample": lambda close, high: close.shift(1) * 0 + len(close),
    "smoothed there and back": lambda close, high: (
        close.shift(1).ewm(span=5).mean().iloc[::-1].ewm(span=5).mean().iloc[::-1]
    ),
    "the last price": lambda close, high: close.shift(1) - close.ffill().iloc[-1],
}


@pytest.fixture(scope="module")
def candles() -> dict[str, pd.DataFrame]:
    return {ticker: frame.iloc[:N_DAYS] for ticker, frame in list(market(300).items())[:2]}


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_caught_by_name_and_the_honest_column_is_not(
    candles: dict[str, pd.DataFrame], name: str
) -> None:
    proof = prove_no_lookahead(candles, planted(LEAKS[name], name=name), every_days=3)

    assert not proof.passed
    assert proof.leaking_columns == (name,)
    first = proof.differences.iloc[0]
    assert first["ticker"] in candles
    assert name in proof_lines("signals", proof, (CUT,))
    assert str(first["day"]) in proof_lines("signals", proof, (CUT,))


def test_an_honest_column_passes(candles: dict[str, pd.DataFrame]) -> None:
    honest = planted(lambda close, high: high.shift(1).rolling(20).max(), name="twenty days")
    proof = prove_no_lookahead(candles, honest)

    assert proof.passed
    assert proof.columns == ("honest", "twenty days")
    assert proof.n_days == proof.n_days_checked == N_DAYS


def test_a_leak_on_a_single_day_is_found_when_every_day_is_checked(
    candles: dict[str, pd.DataFrame],
) -> None:
    def leak(close: pd.DataFrame, high: pd.DataFrame) -> pd.DataFrame:
        out = close.shift(1)
        if len(out) > 61:
            out.iloc[60:61, 0] = close.iloc[60:61, 0]
        return out

    proof = prove_no_lookahead(candles, planted(leak, name="one day"))
    assert set(proof.differences["day"]) == {day(60)}
    assert set(proof.differences["ticker"]) == {"AAA-USD"}


def test_the_sign_of_zero_and_one_last_bit_are_differences(
    candles: dict[str, pd.DataFrame],
) -> None:
    """Bit for bit is not almost equal."""

    def nudged(close: pd.DataFrame, high: pd.DataFrame) -> pd.DataFrame:
        return close.shift(1) * (1 + 2**-52 * (len(close) % 2))

    def signed(close: pd.DataFrame, high: pd.DataFrame) -> pd.DataFrame:
        return close.shift(1) * (0.0 if len(close) % 2 else -0.0)

    for leak in (nudged, signed):
        assert not prove_no_lookahead(candles, planted(leak, name="x"), every_days=7).passed


def test_each_test_catches_what_only_it_can(candles: dict[str, pd.DataFrame]) -> None:
    """A bar of today enters only when it is there; a whole sample needs a future."""
    today = planted(LEAKS["bar of today, unfinished"], name="leak")
    found = set(prove_no_lookahead(candles, today, every_days=5).differences["test"])

    assert found == {CUT, UNFINISHED} or found == {CUT, NOISE, UNFINISHED}


def test_the_strategy_does_not_look_ahead() -> None:
    """Signals, covariance and weights with a late listing, a short gap and a long one."""
    made = {ticker: frame.iloc[:460] for ticker, frame in market(600).items()}
    made["AAA-USD"] = made["AAA-USD"].drop(made["AAA-USD"].index[400:402])
    made["BBB-USD"] = made["BBB-USD"].drop(made["BBB-USD"].index[380:386])
    made["CCC-USD"] = made["CCC-USD"].iloc[:440]
    proof = prove_no_lookahead(made, strategy_compute(config_with()), every_days=7)

    assert proof.passed, proof.differences.head()
    assert {"final_signal", "covariance", "target_weight", "data_ok"} <= set(proof.columns)
    assert proof.n_days_checked == 86


@pytest.mark.parametrize(
    ("key", "name", "column"),
    [
        ("covariance", "ewm", "covariance"),
        ("covariance", "ledoit_wolf", "covariance"),
        ("stop_loss_strategy", "PercentageTrail", "trail_stop"),
    ],
)
def test_no_covariance_or_stop_looks_ahead(key: str, name: str, column: str) -> None:
    config = config_with({f"risk_and_sizing.{key}": name, "run.warmup_days": 200})
    made = {ticker: frame.iloc[:420] for ticker, frame in market(600).items()}
    proof = prove_no_lookahead(made, strategy_compute(config), every_days=30)

    assert proof.passed
    assert column in proof.columns


def test_the_start_of_history_fades() -> None:
    """The later a history begins, the more it changes; what a full window holds changes nothing."""
    compute = strategy_compute(config_with({"run.warmup_days": 200}))
    names = ["final_signal", "annualized_volatility"]
    table = warm_up_table(market(700), compute, days_later=[0, 5, 150], names=names)

    assert table["days_later"].tolist() == [0, 5, 150]
    assert table["final_signal"].tolist()[0] == 0.0
    assert table["final_signal"].tolist()[2] > table["final_signal"].tolist()[1] > 0.0
    assert table["annualized_volatility"].tolist() == [0.0, 0.0, 0.0]
    assert table["fewest_bars"].tolist() == [371, 366, 221]


def test_without_candles_there_is_nothing_to_prove() -> None:
    with pytest.raises(BarsError, match="no candles to prove"):
        prove_no_lookahead({}, strategy_compute(config_with()))


def test_the_command_reports_what_was_checked(tmp_path: Path) -> None:
    tickers = [ticker for sleeve in SLEEVES.values() for ticker in sleeve["tickers"]]
    content = {"extends": str(STRATEGY), "universe": {"tickers": tickers, "sleeves": SLEEVES}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    for ticker, frame in market(520).items():
        rows = frame.set_axis(pd.DatetimeIndex(frame.index).strftime("%Y-%m-%d"))
        rows.to_csv(tmp_path / f"{ticker}.csv", index_label="date")
    report, passed = lookahead_command(tmp_path / "c.yaml", tmp_path, every_days=40)

    assert passed
    assert "look-ahead: none found" in report
    assert "13 of 520 days checked" in report
    assert "not enough history to say" in report


@pytest.mark.slow
def test_real_candles_prove_it_too(tmp_path: Path) -> None:
    if not any(REAL_CANDLES.glob("*.csv")):
        pytest.skip("no real candles stand beside the project (../shared/candles)")
    tickers = sorted(path.stem for path in REAL_CANDLES.glob("*.csv"))
    sleeves = {"All": {"weight": 1.0, "tickers": tickers}}
    content = {"extends": str(STRATEGY), "universe": {"tickers": tickers, "sleeves": sleeves}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    report, passed = lookahead_command(tmp_path / "c.yaml", REAL_CANDLES, every_days=30)

    assert passed, report

"""Quarantine: bars that are not believed, from when on they are, and what windows see of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.build import config_with, day, random_candles
from tf_lib.core.candles.bars import BARS_AFTER_LONG_GAP, Bars, lag_bars
from tf_lib.core.candles.quarantine import QuarantineRules, believed_bars, live_on
from tf_lib.core.signals.columns import Signals, signals

ONE = {"A": {"weight": 1.0, "tickers": ["AAA-USD"]}}
RULES = QuarantineRules(atr_span=20.0, max_gap_to_live=0.25)
N_DAYS, BAD = 500, 450
PRICES = ["open", "high", "low", "close"]


def candles_with(changes: dict[int, float], *, column: str | None = None) -> pd.DataFrame:
    """A market in which the prices of some days are wrong by a factor."""
    frame = random_candles(3, N_DAYS)
    for number, factor in changes.items():
        frame.loc[frame.index[number], [column] if column else PRICES] *= factor
    return frame


def bars_of(frame: pd.DataFrame) -> Bars:
    return lag_bars({"AAA-USD": frame})


def known_of(frame: pd.DataFrame, **named: object) -> Signals:
    return signals(bars_of(frame), config_with(sleeves=ONE), **named)  # type: ignore[arg-type]


def test_a_market_without_odd_bars_is_left_as_it_is() -> None:
    bars = bars_of(random_candles(3, N_DAYS))
    seen = believed_bars(bars, RULES)

    assert seen.bars is bars
    assert (seen.quarantined, seen.mark, seen.earlier) == ((), (), ())


@pytest.mark.parametrize("factor", [0.01, 0.3, 3.5, 100.0])
def test_one_day_at_another_level_is_as_if_it_had_no_bar(factor: float) -> None:
    """Every column of every later day is that of a market in which the day is missing."""
    frame = candles_with({BAD: factor})
    known, without = known_of(frame), known_of(frame.drop(frame.index[BAD]))

    for name in known.values:
        np.testing.assert_array_equal(known[name], without[name], err_msg=name)
    np.testing.assert_array_equal(known.data_ok, without.data_ok)
    np.testing.assert_array_equal(known.simple_return, without.simple_return)
    assert [(bar.day, bar.until) for bar in known.quarantined] == [(day(BAD), None)]


@pytest.mark.parametrize("column", ["high", "low"])
def test_a_wick_enters_no_window_on_any_later_day(column: str) -> None:
    factor = 100.0 if column == "high" else 0.01
    frame = candles_with({BAD: factor}, column=column)
    frame.loc[frame.index[BAD], "low" if column == "low" else "high"] *= 1.0
    wide = frame.copy()
    if column == "low":
        # A fall by this much is 25 average ranges only of a quiet market.
        wide[PRICES] = 1000.0 + wide[PRICES] / 100.0
        wide.loc[wide.index[BAD], "low"] = 1.0
    known, without = known_of(wide), known_of(wide.drop(wide.index[BAD]))

    for name in ("atr", "highest_high", "chandelier_stop", "donchian_position", "final_signal"):
        np.testing.assert_array_equal(known[name], without[name], err_msg=name)


@pytest.mark.parametrize("factor", [0.001, 0.2, 5.0, 1000.0])
def test_a_level_that_stays_is_believed_from_the_third_bar_that_agrees(factor: float) -> None:
    frame = candles_with(dict.fromkeys(range(BAD, N_DAYS), factor))
    known = known_of(frame)
    # Row t holds the bar of day t: those of BAD ... BAD + 2 are not believed when they come.
    first_ok = BAD + 3 + BARS_AFTER_LONG_GAP

    assert known.data_ok[BAD - 1, 0]
    assert not known.data_ok[BAD:first_ok, 0].any()
    assert known.data_ok[first_ok:, 0].all()
    assert {bar.until for bar in known.quarantined} == {day(BAD + 4)}
    assert [bar.day for bar in known.quarantined] == [day(BAD + k) for k in range(3)]
    # From then on the windows hold the bars as they are, the first of the new level included.
    true_high = frame["high"].to_numpy()
    expected = max(true_high[first_ok - 55 : first_ok + 1])
    assert known["highest_high"][first_ok, 0] == expected


def test_a_spike_is_not_confirmed_by_bars_that_are_nearer_to_the_old_level() -> None:
    """3.2 times the price for a day, and a market that rose by a tenth: within a factor of 3."""
    frame = candles_with({BAD: 3.2} | dict.fromkeys(range(BAD + 1, N_DAYS), 1.1))
    known = known_of(frame)

    assert [(bar.day, bar.until) for bar in known.quarantined] == [(day(BAD), None)]
    assert known.data_ok[BAD + 1 :, 0].all()


def test_after_a_time_without_trades_bars_are_believed_again() -> None:
    """An average range that faded to nothing must not keep every later bar out for ever."""
    frame = random_candles(3, 900)
    frame = frame.drop(frame.index[300:700])
    known = known_of(frame)

    assert known.quarantined
    assert known.data_ok[760:, 0].all()
    assert all(bar.until is not None for bar in known.quarantined[:1])


def test_a_live_price_far_from_the_close_is_held_against_yesterdays_bar() -> None:
    frame = random_candles(3, N_DAYS)
    bars, today = bars_of(frame), day(N_DAYS)
    close = float(frame["close"].iloc[-1])
    for price, is_believed in [(close * 1.2, True), (close * 1.4, False), (close / 1.3, False)]:
        live = live_on(bars, today, {"AAA-USD": price})
        seen = believed_bars(bars, RULES, live=live)

        assert (seen.quarantined == ()) == is_believed


def test_what_was_not_believed_is_not_believed_tomorrow_until_it_is_revised() -> None:
    frame = candles_with({BAD: 2.0})
    doubted = {"AAA-USD": {day(BAD): float(frame["close"].iloc[BAD])}}
    cut = frame.iloc[: BAD + 5]
    known = known_of(cut, doubts=doubted)
    without = known_of(cut.drop(cut.index[BAD]))
    revised = random_candles(3, N_DAYS).iloc[: BAD + 5]

    # Twice the price is neither too wide nor too far for its own past: only memory keeps it out.
    assert not known_of(cut).quarantined
    for name in known.values:
        np.testing.assert_array_equal(known[name], without[name], err_msg=name)
    assert known.doubts == doubted
    assert known_of(revised, doubts=doubted).quarantined == ()


def test_a_doubted_bar_that_the_market_agrees_with_comes_back_for_a_price() -> None:
    """The live price was odd, not the bar: three later bars say so, and thirty days are waited."""
    frame = random_candles(3, N_DAYS)
    doubted = {"AAA-USD": {day(BAD): float(frame["close"].iloc[BAD])}}
    known = known_of(frame, doubts=doubted)

    assert [(bar.day, bar.until) for bar in known.quarantined] == [(day(BAD), day(BAD + 4))]
    assert known.data_ok[BAD + 1, 0]
    assert not known.data_ok[BAD + 3 : BAD + 33, 0].any()
    assert known.data_ok[BAD + 33, 0]


troubles = st.lists(
    st.tuples(
        st.integers(60, 200),
        st.sampled_from(["bar", "high", "low", "stays", "missing"]),
        st.sampled_from([0.001, 0.25, 0.4, 2.0, 4.0, 50.0]),
    ),
    min_size=1,
    max_size=6,
)


def troubled(seed: int, found: list[tuple[int, str, float]]) -> pd.DataFrame:
    """A market with bars that are wrong, levels that jump and days without a bar."""
    frame = random_candles(seed, 240)
    dropped = []
    for number, kind, factor in found:
        stamp = frame.index[number]
        if kind == "bar":
            frame.loc[stamp, PRICES] *= factor
        elif kind == "stays":
            frame.loc[stamp:, PRICES] *= factor
        elif kind == "high":
            frame.loc[stamp, "high"] *= max(factor, 1.0)
        elif kind == "low":
            frame.loc[stamp, "low"] *= min(factor, 1.0)
        else:
            dropped.append(stamp)
    return frame.drop(index=sorted(set(dropped)))


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 1000), found=troubles, cut=st.integers(70, 235))
def test_no_verdict_uses_what_comes_later(seed: int, found: Any, cut: int) -> None:
    """Every column of a day is the same, bit for bit, whatever follows it."""
    frame = troubled(seed, found)
    config = config_with({"run.warmup_days": 20}, sleeves=ONE)
    bars = bars_of(frame)
    live = np.full((len(bars.days), 1), np.nan)
    live[:-1] = bars.open[1:]
    whole = signals(bars, config, live=live)
    today = dt.date(2022, 1, 1) + dt.timedelta(days=cut)
    row = whole.row_of(today)
    seen = signals(lag_bars({"AAA-USD": frame}, as_of=today), config, live=live[: row + 1])

    for name in whole.values:
        np.testing.assert_array_equal(whole[name][: row + 1], seen[name], err_msg=name)
    np.testing.assert_array_equal(whole.data_ok[: row + 1], seen.data_ok)
    np.testing.assert_array_equal(whole.simple_return[: row + 1], seen.simple_return)

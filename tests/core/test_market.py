"""Lagged bars: one day late, holes flat, the end never filled."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from tests.core.build import candles_of, day, frame_of
from tf_lib.core.candles.bars import Bars, Gap, lag_bars
from tf_lib.errors import BarsError


def bars_of(
    closes: list[float], *, as_of: dt.date | None = None, drop: tuple[int, ...] = ()
) -> Bars:
    frame = candles_of(closes)
    kept = frame.drop(frame.index[list(drop)])
    return lag_bars({"AAA-USD": kept}, as_of=as_of or day(len(closes)))


def test_a_row_holds_the_bar_of_the_day_before() -> None:
    bars = bars_of([10.0, 11.0, 12.0])

    assert [d.date() for d in bars.days] == [day(1), day(2), day(3)]
    assert bars.close[:, 0].tolist() == [10.0, 11.0, 12.0]
    assert bars.as_of == day(3)


def test_the_bar_of_the_day_itself_and_later_ones_never_enter() -> None:
    """The unfinished bar of today is in the frame and stays outside."""
    bars = bars_of([10.0, 11.0, 12.0], as_of=day(2))

    assert bars.close[:, 0].tolist() == [10.0, 11.0]


def test_a_hole_becomes_flat_bars_and_is_listed() -> None:
    bars = bars_of([10.0, 11.0, 12.0, 13.0, 14.0], drop=(2, 3))

    for grid in (bars.open, bars.high, bars.low, bars.close):
        assert grid[2:4, 0].tolist() == [11.0, 11.0]
    assert bars.volume[2:4, 0].tolist() == [0.0, 0.0]
    assert bars.present[:, 0].tolist() == [True, True, False, False, True]
    assert bars.gaps == (Gap("AAA-USD", day(2), day(3), filled=True),)
    assert bars.bar_counts.tolist() == [5]


def test_a_gap_at_the_end_is_listed_and_never_filled() -> None:
    bars = bars_of([10.0, 11.0], as_of=day(4))

    assert np.isnan(bars.close[2:, 0]).all()
    assert bars.gaps == (Gap("AAA-USD", day(2), day(3), filled=False),)
    assert bars.bar_counts.tolist() == [2]


@pytest.mark.parametrize(("missing", "recovering"), [(3, 0), (4, 30)])
def test_a_gap_of_more_than_three_days_has_thirty_rows_of_recovery(
    missing: int, recovering: int
) -> None:
    bars = bars_of([10.0] * 50, drop=tuple(range(5, 5 + missing)))

    assert bars.recovering.sum() == recovering
    assert bars.recovering[:, 0][5 + missing : 5 + missing + recovering].all()


def test_a_late_listing_starts_late_on_the_common_grid() -> None:
    candles = {"AAA-USD": candles_of([1.0] * 5), "BBB-USD": candles_of([2.0, 3.0], first=day(3))}
    bars = lag_bars(candles, as_of=day(5))

    assert bars.tickers == ("AAA-USD", "BBB-USD")
    assert np.isnan(bars.close[:3, 1]).all()
    assert bars.close[3:, 1].tolist() == [2.0, 3.0]
    assert bars.first_row.tolist() == [0, 3]
    assert bars.gaps == ()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("close", np.nan),
        ("high", np.inf),
        ("low", -1.0),
        ("low", 0.0),
        ("high", 5.0),
        ("open", 99.0),
    ],
)
def test_a_bar_that_cannot_be_counts_as_missing_and_is_reported(column: str, value: float) -> None:
    """Only an exchange's answer can hold one; a file is refused before."""
    frame = candles_of([10.0, 10.0, 10.0, 10.0])
    frame.loc[frame.index[2], column] = value
    bars = lag_bars({"AAA-USD": frame}, as_of=day(4))

    assert bars.present[:, 0].tolist() == [True, True, False, True]
    assert bars.bad_bars == (("AAA-USD", day(2)),)
    assert bars.close[2, 0] == 10.0


def test_a_volume_that_is_not_a_number_counts_zero() -> None:
    frame = candles_of([10.0, 10.0])
    frame.loc[frame.index[1], "volume"] = np.nan

    assert lag_bars({"A-USD": frame}, as_of=day(2)).volume[:, 0].tolist() == [1.0, 0.0]


def test_the_order_of_tickers_does_not_matter() -> None:
    one, other = candles_of([1.0, 2.0]), candles_of([3.0, 4.0])
    forth = lag_bars({"A-USD": one, "B-USD": other}, as_of=day(2))
    back = lag_bars({"B-USD": other, "A-USD": one}, as_of=day(2))

    assert forth.tickers == back.tickers
    np.testing.assert_array_equal(forth.close, back.close)


def test_zones_other_than_utc_name_the_same_days_and_none_means_utc() -> None:
    frame = candles_of([1.0, 2.0])
    expected = lag_bars({"A-USD": frame}, as_of=day(2)).close
    days = pd.DatetimeIndex(frame.index)
    for index in (days.tz_convert("America/New_York"), days.tz_localize(None)):
        bars = lag_bars({"A-USD": frame.set_axis(index)}, as_of=day(2))

        np.testing.assert_array_equal(bars.close, expected)


def test_select_keeps_what_belongs_to_the_tickers() -> None:
    candles = {name: candles_of([1.0] * 6) for name in ("A-USD", "B-USD")}
    candles["B-USD"] = candles["B-USD"].drop(candles["B-USD"].index[2])
    bars = lag_bars(candles, as_of=day(6)).select(["A-USD"])

    assert bars.tickers == ("A-USD",)
    assert bars.close.shape == (6, 1)
    assert bars.gaps == ()
    with pytest.raises(BarsError, match=r"no bars of C-USD; there are A-USD"):
        bars.select(["C-USD"])


@pytest.mark.parametrize("as_of", [day(0), day(-5)])
def test_a_day_before_any_bar_is_refused_with_what_there_is(as_of: dt.date) -> None:
    with pytest.raises(BarsError, match=r"no usable bar before .*AAA-USD starts 2022-01-01"):
        bars_of([1.0, 2.0], as_of=as_of)


def test_no_candles_at_all_are_refused() -> None:
    with pytest.raises(BarsError, match=r"A-USD has no bar"):
        lag_bars({"A-USD": candles_of([1.0]).iloc[:0]}, as_of=day(1))
    with pytest.raises(BarsError, match="no ticker was given"):
        lag_bars({}, as_of=day(1))


def test_frames_that_break_the_contract_are_named() -> None:
    good = candles_of([1.0, 2.0])
    for frame, message in [
        (good.drop(columns="high"), r"A-USD: candles lack \['high'\]"),
        (good.iloc[::-1], "A-USD: days must rise, but 2022-01-01 comes after 2022-01-02"),
        (good.set_axis(good.index + pd.Timedelta("1h")), "A-USD: a daily bar opens at 00:00 UTC"),
        (good.reset_index(drop=True), "A-USD: candles need an index of days, got RangeIndex"),
    ]:
        with pytest.raises(BarsError, match=message):
            lag_bars({"A-USD": frame}, as_of=day(2))


def test_a_day_that_is_not_there_is_named() -> None:
    bars = bars_of([1.0, 2.0])

    assert bars.row_of(day(1)) == 0
    with pytest.raises(BarsError, match="rows go from 2022-01-02 to 2022-01-03"):
        bars.row_of(day(9))


def test_candles_are_not_changed() -> None:
    frame = frame_of(
        {"open": [1.0, 1.0], "high": [2.0, 2.0], "low": [1.0, 1.0], "close": [1.0, 2.0]}
    )
    before = frame.copy()
    lag_bars({"A-USD": frame.drop(frame.index[0])}, as_of=day(2))

    pd.testing.assert_frame_equal(frame, before)

"""Candle files: what is read, and how what cannot be read is named."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_lib.core.candles.rows import HEADER, parse_candles, price_decimals
from tf_lib.errors import BarsError

GOOD = ["2024-01-01,10,12,9,11,5.5", "2024-01-02,11,13,10,12,0", "2024-01-04,12,12.5,11,11.5,7"]


def text_of(*lines: str) -> str:
    return "\n".join([HEADER, *lines]) + "\n"


def test_a_good_file_becomes_a_frame_with_its_hole_left_open() -> None:
    """A day without trades stays a missing row."""
    frame = parse_candles(text_of(*GOOD), source="BTC-USD.csv")

    assert list(frame.columns) == ["open", "high", "low", "close", "volume"]
    assert [str(d.date()) for d in frame.index] == ["2024-01-01", "2024-01-02", "2024-01-04"]
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert str(frame.index.tz) == "UTC"
    assert frame.index.name == "date"
    assert frame["close"].tolist() == [11.0, 12.0, 11.5]


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_line_endings_do_not_matter(ending: str) -> None:
    text = text_of(*GOOD).removesuffix("\n").replace("\n", ending or "\n") + ending

    assert len(parse_candles(text, source="x.csv")) == 3


@pytest.mark.parametrize("end", ["\n", "\n\n", "\r\n\r\n", "  \n"])
def test_what_spreadsheets_and_editors_add_does_not_matter(end: str) -> None:
    """A byte order mark in front, an empty line behind."""
    plain = parse_candles(text_of(*GOOD), source="x.csv")
    frame = parse_candles("\ufeff" + text_of(*GOOD) + end, source="x.csv")

    assert frame.equals(plain)
    assert price_decimals("\ufeff" + text_of(*GOOD) + end) == price_decimals(text_of(*GOOD))


def test_an_empty_line_inside_is_still_a_fault() -> None:
    with pytest.raises(BarsError, match=r"f.csv line 3: expected 6 fields"):
        parse_candles(text_of(GOOD[0], "", GOOD[1]), source="f.csv")


def test_every_digit_is_kept() -> None:
    """The parser of the file must not be one unit in the last place off."""
    frame = parse_candles(text_of("2024-01-01,0.1,0.30000000000000004,0.1,0.3,1e-7"), source="x")

    assert frame["high"].iloc[0] == 0.30000000000000004
    assert frame["close"].iloc[0] == 0.3
    assert frame["volume"].iloc[0] == 1e-7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.csv: the candle file is empty"),
        ("\n", "f.csv: the candle file is empty"),
        (HEADER + "\n", "f.csv: there is a header but no candle"),
        ("date,open,high,low,close\n2024-01-01,1,1,1,1\n", "f.csv line 1: expected the header"),
        (text_of(GOOD[0], "2024-01-02,-11,13,10,12,0"), "line 3: open must be above 0, got -11.0"),
        (text_of(GOOD[0], "2024-01-02,11,13,0,12,0"), "line 3: low must be above 0, got 0.0"),
        (text_of(GOOD[0], "2024-01-02,11,9,10,12,0"), "line 3: high 9.0 is below low 10.0"),
        (text_of(GOOD[0], "2024-01-02,14,13,10,12,0"), "line 3: open 14.0 is outside"),
        (text_of(GOOD[0], "2024-01-02,11,13,10,9.5,0"), "line 3: close 9.5 is outside"),
        (text_of(GOOD[0], GOOD[1], GOOD[1]), "line 4: 2024-01-02 stands twice"),
        (text_of(GOOD[1], GOOD[0]), "line 3: days must rise, but 2024-01-01 comes after"),
        (text_of(GOOD[0], "2024-01-02,11,13,10,12,-1"), "line 3: volume must be at least 0"),
        (text_of(GOOD[0], "2024-01-02,11,x,10,12,0"), "line 3: high: expected a number, got 'x'"),
        (text_of(GOOD[0], "2024-01-02,11,nan,10,12,0"), "line 3: high: expected a number"),
        (text_of(GOOD[0], "2024-01-02,11,inf,10,12,0"), "line 3: high: expected a number"),
        (text_of(GOOD[0], "2024-01-02,11,1e999,10,12,0"), "line 3: high must be finite"),
        (text_of(GOOD[0], "2024-01-02,11,,10,12,0"), "line 3: high: expected a number, got ''"),
        (text_of(GOOD[0], "2024-01-02,11, 13,10,12,0"), "line 3: high: expected a number"),
        (text_of(GOOD[0], "2024-01-02,1_1,13,10,12,0"), "line 3: open: expected a number"),
        (text_of(GOOD[0], "2024-01-02,11,13,10,12"), "line 3: expected 6 fields"),
        (text_of(GOOD[0], "2024-01-02,11,13,10,12,0,3"), "line 3: expected 6 fields"),
        (text_of(GOOD[0] + ",1", "2024-01-02,11,13,10,12"), "line 2: expected 6 fields"),
        (text_of(GOOD[0], "", GOOD[1]), "line 3: expected 6 fields"),
        (text_of("2024-02-30,10,12,9,11,5"), "line 2: expected a day as YYYY-MM-DD"),
        (text_of("2024-1-01,10,12,9,11,5"), "line 2: expected a day as YYYY-MM-DD"),
        (text_of("01/02/2024,10,12,9,11,5"), "line 2: expected a day as YYYY-MM-DD"),
        (text_of("2024-01-01T00,10,12,9,11,5"), "line 2: expected a day as YYYY-MM-DD"),
        (text_of('"2024-01-01",10,12,9,11,5'), "line 2: expected a day as YYYY-MM-DD"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(BarsError) as refused:
        parse_candles(text, source="f.csv")

    assert "f.csv" in str(refused.value)
    assert message in str(refused.value)


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.floats(0.0001, 1e6), st.floats(0, 0.5), st.floats(0, 0.5)),
        min_size=1,
        max_size=30,
    )
)
def test_what_was_written_is_what_is_read(rows: list[tuple[int, float, float, float]]) -> None:
    """Any valid candles survive the trip through text, digit for digit."""
    today, lines, closes = dt.date(2020, 1, 1), [], []
    for step, close, up, down in rows:
        today += dt.timedelta(days=step)
        lines.append(f"{today},{close!r},{close * (1 + up)!r},{close * (1 - down)!r},{close!r},1.0")
        closes.append(close)

    frame = parse_candles(text_of(*lines), source="x")

    np.testing.assert_array_equal(frame["close"].to_numpy(), closes)
    assert frame.index[-1].date() == today


@given(st.text(max_size=200))
def test_no_text_does_anything_but_parse_or_name_its_fault(text: str) -> None:
    message = "f.csv"
    try:
        parse_candles(HEADER + "\n" + text, source="f.csv")
    except BarsError as error:
        message = str(error)

    assert "f.csv" in message


@pytest.mark.parametrize(
    ("line", "decimals"),
    [
        ("2024-01-01,1,2,1,1,7.55", 0),
        ("2024-01-01,1,2.25,1,1,1", 2),
        ("2024-01-01,1,2,1e-5,1,1", 5),
        ("2024-01-01,1874.1499999999999,1875,1870.2,1871,1", 2),
        ("2024-01-01,1.8741499999999998e-06,1.9e-06,1.8e-06,1.87e-06,1", 11),
        ("2024-01-01,0.30000000000000004,0.4,0.2,0.3,1", 1),
        # 15 digits of the highest price are all that can be counted with.
        ("2024-01-01,5000,50000,0.00000000000123,1,1", 10),
    ],
)
def test_decimals_are_counted_on_prices_only(line: str, decimals: int) -> None:
    assert price_decimals(text_of(line)) == decimals

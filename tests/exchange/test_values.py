"""Numbers go out as plain digits and come in only when they are sound."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_lib.errors import TfError, UnknownState
from tf_lib.exchange.coinbase import values

POSITIVE = st.decimals(min_value=Decimal("1e-18"), max_value=Decimal("1e18")).filter(
    lambda number: number > 0
)


@given(POSITIVE)
def test_a_number_is_sent_as_plain_digits_and_reads_back_the_same(number: Decimal) -> None:
    """No exponent, no sign, no lost digit, however the decimal was written."""
    text = values.decimal_text(number, what="size")

    assert re.fullmatch(r"\d+(\.\d+)?", text)
    assert Decimal(text) == number


@given(st.integers(min_value=1, max_value=10**12), st.integers(min_value=-12, max_value=6))
def test_an_exponent_never_survives(digits: int, exponent: int) -> None:
    """Decimal('5E+3') and Decimal('5E-9') included."""
    number = Decimal(digits).scaleb(exponent)

    assert "E" not in values.decimal_text(number, what="price").upper()


@pytest.mark.parametrize("bad", ["0", "-1", "NaN", "Infinity", "-0"])
def test_nothing_but_a_positive_number_is_sent(bad: str) -> None:
    """And the message names what it was for."""
    with pytest.raises(TfError, match="BTC-USD: stop price"):
        values.decimal_text(Decimal(bad), what="BTC-USD: stop price")


@pytest.mark.parametrize("bad", [None, "", "abc", "NaN", "inf", 1.5, True, [], "-1", "1,5"])
def test_an_amount_that_is_not_sound_is_unknown(bad: object) -> None:
    """Missing is not zero, and a float has already lost digits."""
    with pytest.raises(UnknownState, match="account of BTC"):
        values.amount(bad, what="account of BTC")


@pytest.mark.parametrize(("given_text", "wanted"), [("0", "0"), ("1e-8", "1E-8"), (7, "7")])
def test_an_amount_is_exact(given_text: object, wanted: str) -> None:
    """To the last digit."""
    assert values.amount(given_text, what="x") == Decimal(wanted)


def test_a_price_is_above_zero() -> None:
    """An empty market writes 0."""
    with pytest.raises(UnknownState, match="above 0"):
        values.price("0", what="last trade")


@pytest.mark.parametrize("text", ["2024-03-01T00:01:02.123456789Z", "2024-03-01T00:01:02.123456Z"])
def test_times_keep_their_microseconds(text: str) -> None:
    """Nanoseconds are cut, not an error."""
    wanted = dt.datetime(2024, 3, 1, 0, 1, 2, 123456, tzinfo=dt.UTC)

    assert values.utc_time(text, what="t") == wanted


def test_a_time_survives_the_way_out_and_back() -> None:
    """From any zone."""
    here = dt.datetime(2024, 3, 1, 1, 2, 3, 4, tzinfo=dt.timezone(dt.timedelta(hours=2)))

    assert values.utc_time(values.rfc3339(here), what="t") == here


def test_a_time_without_a_zone_is_not_sent() -> None:
    """It would be read as another moment."""
    with pytest.raises(TfError, match="aware"):
        values.rfc3339(dt.datetime(2024, 3, 1))  # noqa: DTZ001


@pytest.mark.parametrize("far", ["0001-01-01T00:00:00+01:00", "x"])
def test_a_time_beyond_the_calendar_is_unknown(far: str) -> None:
    """Not an overflow."""
    with pytest.raises(UnknownState, match="RFC 3339"):
        values.utc_time(far, what="t")
    with pytest.raises(UnknownState, match="seconds since 1970"):
        values.utc_time_of_seconds(Decimal("1e30"), what="t")


@pytest.mark.parametrize("never", [None, "", "0001-01-01T00:00:00Z", "soon"])
def test_never_is_no_time(never: object) -> None:
    """The year 1 stands for never."""
    assert values.optional_time(never) is None


def test_null_is_an_empty_list_and_absence_is_unknown() -> None:
    """A list that is not there may be any length."""
    assert values.records_of({"orders": None}, "orders", what="orders") == []
    with pytest.raises(UnknownState, match="lacks 'orders'"):
        values.records_of({}, "orders", what="orders")
    with pytest.raises(UnknownState, match="no list of records"):
        values.records_of({"orders": ["x"]}, "orders", what="orders")

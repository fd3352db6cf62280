"""
Candle rows: from the text of a candle file to checked arrays, or to a checked frame.

Stage 0 of the pipeline (*candles* -> bars -> signals).

The format is one row per UTC day under the header ``date,open,high,low,close,volume``. Anything
else is refused with the line it stands on: a wrong price that is read quietly costs money.
Imports neither numba nor, but for a frame, pandas: a process that only needs prices starts quickly.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable
from decimal import Context
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tf_lib.errors import BarsError

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

HEADER = "date,open,high,low,close,volume"
INTRADAY_HEADER = "time,open,high,low,close,volume"
FIELDS = ("open", "high", "low", "close", "volume")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_PLAIN = b"0123456789.,-+eE\n"
_BYTE_ORDER_MARK = "\ufeff"
_EMPTY_END = re.compile(r"\n\s*\Z")
DIGITS_CARRIED = 15
"""Decimal digits that every float keeps; what a script writes beyond them is noise."""
_CARRIED = Context(prec=DIGITS_CARRIED)
_NOTHING = -(10**6)
_DAYS_BELIEVED = (np.datetime64("1900-01-01"), np.datetime64("2200-01-01"))


def candle_rows(text: str, *, source: str) -> tuple[NDArray[np.datetime64], FloatArray]:
    """
    Read the text of one candle file.

    Parameters
    ----------
    text : str
        CSV with the header ``date,open,high,low,close,volume``, oldest day first.
    source : str
        The file's name, for messages.

    Returns
    -------
    tuple of (days, values)
        datetime64[D] array of shape (n_days,), strictly rising, and float array of shape
        (5, n_days) in the order of `FIELDS`. Missing days are missing rows. Prices are positive,
        low <= open, close <= high.

    Raises
    ------
    BarsError
        Naming `source`, the line, what stands there and what was expected.
    """
    lines = _plain_lines(text)
    if not lines.strip():
        raise BarsError(f"{source}: the candle file is empty, expected the header {HEADER}")
    header, _, body = lines.partition("\n")
    if header != HEADER:
        raise BarsError(f"{source} line 1: expected the header {HEADER}, got {header[:80]!r}")
    if not body.strip():
        raise BarsError(f"{source}: there is a header but no candle")
    fast = _read_plain(body)
    days, values = fast if fast is not None else _read_line_by_line(body, source, HEADER, _day)
    _check_values(days, values, source)
    return days, values


def parse_candles(text: str, *, source: str) -> pd.DataFrame:
    """
    Read the text of one candle file into a frame; as `candle_rows`, and refused as there.

    Returns
    -------
    DataFrame of shape (n_days, 5)
        Floats on a strictly rising UTC index named ``date``, the day each bar opens. Missing days
        are missing rows.
    """
    import pandas as pd

    days, values = candle_rows(text, source=source)
    index = pd.DatetimeIndex(days.astype("datetime64[s]"), name="date").tz_localize("UTC")
    return pd.DataFrame({name: values[k] for k, name in enumerate(FIELDS)}, index=index)


def intraday_rows(
    text: str, *, source: str, step_seconds: int
) -> tuple[NDArray[np.datetime64], FloatArray]:
    r"""
    Read the text of a file of candles shorter than a day.

    As `candle_rows`, under the header ``time,open,high,low,close,volume``; times are the UTC
    begin of each candle, as ``2024-01-01T08:00:00Z``, on whole steps of `step_seconds`.

    Examples
    --------
    >>> text = INTRADAY_HEADER + "\n2024-01-01T08:00:00Z,1,2,1,1.5,7\n"
    >>> intraday_rows(text, source="X", step_seconds=3600)[0]
    array(['2024-01-01T08:00:00'], dtype='datetime64[s]')
    """
    header, _, body = _plain_lines(text).partition("\n")
    if header != INTRADAY_HEADER:
        raise BarsError(f"{source} line 1: expected {INTRADAY_HEADER}, got {header[:80]!r}")
    if not body.strip():
        raise BarsError(f"{source}: there is a header but no candle")
    begin = functools.partial(_time, step_seconds=step_seconds)
    moments, values = _read_line_by_line(body, source, header, begin)
    times = moments.astype("datetime64[s]")
    _check_values(times, values, source)
    return times, values


def price_decimals(text: str) -> int:
    r"""
    Return the most decimals that the prices of a candle text need.

    More than 15 digits is the noise of floats that a script has written out, and no tick. Nor is
    what the highest price could not carry within as many digits.

    Examples
    --------
    >>> header = "date,open,high,low,close,volume\n"
    >>> price_decimals(header + "2024-01-01,1.5,2,1.25,1.50,7.123456\n")
    2
    >>> price_decimals(header + "2024-01-01,1874.1499999999999,1880.0,1870.1,1871.2,7\n")
    2
    """
    most, highest = 0, _NOTHING
    for line in text.splitlines()[1:]:
        for written in line.split(",")[1:5]:
            number = _CARRIED.create_decimal(written)
            if len(written) > DIGITS_CARRIED:
                number = number.normalize(_CARRIED)
            _, digits, exponent = number.as_tuple()
            most = max(most, -int(exponent))
            highest = max(highest, len(digits) + int(exponent))
    return min(most, max(DIGITS_CARRIED - highest, 0)) if highest > _NOTHING else 0


def lowest_price(text: str) -> float:
    r"""
    Return the lowest price of a candle text.

    Examples
    --------
    >>> lowest_price("date,open,high,low,close,volume\n2024-01-01,1.5,2,1.25,1.50,7.1\n")
    1.25
    """
    rows = [line.split(",")[1:5] for line in text.splitlines()[1:]]
    return min(float(price) for prices in rows for price in prices)


def _plain_lines(text: str) -> str:
    """Return text without what spreadsheets add: a mark in front, empty lines behind."""
    plain = text.removeprefix(_BYTE_ORDER_MARK).replace("\r\n", "\n")
    return _EMPTY_END.sub("\n", plain)


def _read_plain(body: str) -> tuple[np.ndarray, FloatArray] | None:
    """Read a body that holds only plain numbers and dates; None if a closer look is needed."""
    if not body.isascii() or body.encode("ascii").translate(None, _PLAIN):
        return None
    rows = body.removesuffix("\n")
    n_rows = rows.count("\n") + 1
    fields = rows.replace("\n", ",").split(",")
    # A row with a field too many or too few puts some day where a number is read: not plain.
    if len(fields) != 6 * n_rows:
        return None
    dates = fields[0::6]
    try:
        days = np.array(dates, dtype="datetime64[D]")
        values = np.array([list(map(float, fields[k::6])) for k in range(1, 6)])
    except ValueError:
        return None
    in_form = set(map(len, dates)) == {10} and "E" not in "".join(dates).upper()
    believed = bool(((days > _DAYS_BELIEVED[0]) & (days < _DAYS_BELIEVED[1])).all())
    return (days, values) if in_form and believed else None


def _read_line_by_line(
    body: str, source: str, header: str, begin: Callable[[str, str], dt.date]
) -> tuple[np.ndarray, FloatArray]:
    """Read a body strictly, stopping at the first line that is wrong; `begin` reads its time."""
    begins: list[dt.date] = []
    rows: list[list[float]] = []
    for number, line in enumerate(body.removesuffix("\n").split("\n"), start=2):
        where = f"{source} line {number}"
        fields = line.split(",")
        if len(fields) != 6:
            got = f"{len(fields)}: {line!r:.80}"
            raise BarsError(f"{where}: expected 6 fields ({header}), got {got}")
        begins.append(begin(fields[0], where))
        pairs = zip(FIELDS, fields[1:], strict=True)
        rows.append([_number(field, f"{where}: {name}") for name, field in pairs])
    return np.array(begins, dtype=np.datetime64), np.array(rows, dtype=np.float64).T


def _time(field: str, where: str, step_seconds: int) -> dt.datetime:
    if _TIME.fullmatch(field):
        try:
            moment = dt.datetime.fromisoformat(field.removesuffix("Z"))
        except ValueError:
            pass
        else:
            if (moment.hour * 3600 + moment.minute * 60 + moment.second) % step_seconds == 0:
                return moment
    raise BarsError(
        f"{where}: expected a time as YYYY-MM-DDTHH:MM:SSZ on whole steps of {step_seconds} "
        f"seconds, got {field!r:.40}"
    )


def _day(field: str, where: str) -> dt.date:
    if _DAY.fullmatch(field):
        try:
            return dt.date.fromisoformat(field)
        except ValueError:
            pass
    raise BarsError(f"{where}: expected a day as YYYY-MM-DD, got {field!r:.40}")


def _number(field: str, where: str) -> float:
    if _NUMBER.fullmatch(field) is None:
        raise BarsError(f"{where}: expected a number, got {field!r:.40}")
    return float(field)


def _check_values(days: np.ndarray, values: FloatArray, source: str) -> None:
    """Find the first line whose numbers cannot be a bar, or whose day does not rise."""
    opens, highs, lows, closes, volumes = values
    wrong = ~np.isfinite(values).all(axis=0) | (values[:4] <= 0).any(axis=0) | (volumes < 0)
    wrong |= (highs < lows) | (np.minimum(opens, closes) < lows)
    wrong |= np.maximum(opens, closes) > highs
    wrong[1:] |= days[1:] <= days[:-1]
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise BarsError(f"{source} line {at + 2}: {_complaint(days, values, at)}")


def _complaint(days: np.ndarray, values: FloatArray, at: int) -> str:
    bar = dict(zip(FIELDS, values[:, at].tolist(), strict=True))
    for name, number in bar.items():
        if not np.isfinite(number):
            return f"{name} must be finite, got {number}"
        if number < 0 or (number == 0 and name != "volume"):
            least = "at least 0" if name == "volume" else "above 0"
            return f"{name} must be {least}, got {number}"
    if bar["high"] < bar["low"]:
        return f"high {bar['high']} is below low {bar['low']}"
    for name in ("open", "close"):
        if not bar["low"] <= bar[name] <= bar["high"]:
            return f"{name} {bar[name]} is outside low {bar['low']} to high {bar['high']}"
    if days[at] == days[at - 1]:
        return f"{days[at]} stands twice"
    return f"days must rise, but {days[at]} comes after {days[at - 1]}"

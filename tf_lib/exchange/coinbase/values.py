"""
Values on the wire: text from and to the exchange, believed only when it is sound.

An amount that is missing or not a number is *unknown*, never zero: it raises `UnknownState`
with the name of the field and of what it belongs to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tf_lib.errors import TfError, UnknownState

Record = Mapping[str, Any]


def decimal_text(value: Decimal, *, what: str) -> str:
    """
    Return a size or price as the exchange takes it: plain digits, never an exponent.

    Examples
    --------
    >>> decimal_text(Decimal("1E-8"), what="size")
    '0.00000001'

    Raises
    ------
    TfError
        If the value is not a finite number above 0.
    """
    if not value.is_finite() or value <= 0:
        raise TfError(f"{what} must be a finite number above 0, got {value}")
    return format(value, "f")


def as_decimal(value: object, *, what: str) -> Decimal:
    """Return an amount given as text (or a whole number), or raise `UnknownState`."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UnknownState(f"{what}: expected an amount as text, got {value!r:.60}")
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        raise UnknownState(f"{what}: expected a number, got {value!r:.60}") from None
    if not number.is_finite():
        raise UnknownState(f"{what}: expected a finite number, got {value!r:.60}")
    return number


def amount(value: object, *, what: str) -> Decimal:
    """Return an amount that cannot be negative."""
    number = as_decimal(value, what=what)
    if number < 0:
        raise UnknownState(f"{what}: expected an amount of at least 0, got {value!r:.60}")
    return number


def price(value: object, *, what: str) -> Decimal:
    """Return a price, which is above 0."""
    number = as_decimal(value, what=what)
    if number <= 0:
        raise UnknownState(f"{what}: expected a price above 0, got {value!r:.60}")
    return number


def optional_decimal(value: object) -> Decimal | None:
    """Return a number, or None for what is absent or empty or no number."""
    if value is None or value == "":
        return None
    try:
        return as_decimal(value, what="value")
    except UnknownState:
        return None


def required_text(record: Record, key: str, *, what: str) -> str:
    """Return a text field that must be there and not empty."""
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise UnknownState(f"{what}: {key} is missing, got {value!r:.60}")
    return value


def optional_text(record: Record, key: str) -> str:
    """Return a text field, empty when it is absent."""
    value = record.get(key)
    return value if isinstance(value, str) else ""


def utc_time(value: object, *, what: str) -> dt.datetime:
    """Return an RFC 3339 time as an aware UTC time."""
    try:
        if not isinstance(value, str):
            raise ValueError("not text")
        time = dt.datetime.fromisoformat(value)
        return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise UnknownState(f"{what}: expected an RFC 3339 time, got {value!r:.60}") from None


def utc_time_of_seconds(seconds: Decimal, *, what: str) -> dt.datetime:
    """Return the UTC time of seconds since 1970, or raise `UnknownState`."""
    try:
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=float(seconds))
    except OverflowError:
        raise UnknownState(f"{what}: expected seconds since 1970, got {seconds}") from None


def optional_time(value: object) -> dt.datetime | None:
    """Return a time, or None for what is absent, empty or the year 1 that stands for never."""
    if not value:
        return None
    try:
        time = utc_time(value, what="time")
    except UnknownState:
        return None
    return None if time.year == 1 else time


def rfc3339(time: dt.datetime) -> str:
    """Return an aware time as the exchange reads it."""
    if time.tzinfo is None:
        raise TfError(f"expected an aware time, got {time}")
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def records_of(payload: Record, key: str, *, what: str) -> list[Record]:
    """Return a list of records; null is an empty one, anything else is unknown."""
    if key not in payload:
        raise UnknownState(f"{what}: the answer lacks {key!r}; it has {sorted(payload)[:10]}")
    value = payload[key]
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise UnknownState(f"{what}: {key} is no list of records, got {value!r:.60}")
    return list(value)


def record_of(payload: Record, key: str, *, what: str) -> Record:
    """Return a record that must be there."""
    value = payload.get(key)
    if not isinstance(value, Mapping):
        raise UnknownState(f"{what}: {key} is missing, got {value!r:.60}")
    return value

"""Days as people write them: YYYY-MM-DD, the one form for parameters, options and files."""

from __future__ import annotations

import datetime as dt
import re

FORM = "a day as YYYY-MM-DD"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def day_from(text: object) -> dt.date:
    """
    Return the day that a text names.

    Raises
    ------
    ValueError
        If it has any other form (a week, no dashes, a time), or there is no such day.

    Examples
    --------
    >>> day_from("2024-02-29")
    datetime.date(2024, 2, 29)
    >>> day_from("20240229")
    Traceback (most recent call last):
    ValueError: expected a day as YYYY-MM-DD
    """
    if isinstance(text, str) and _DAY.fullmatch(text):
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            raise ValueError(f"expected {FORM}, and there is no such day") from None
    raise ValueError(f"expected {FORM}")


def is_day(text: str) -> bool:
    """Whether a text, as the name of a folder, is a day."""
    try:
        day_from(text)
    except ValueError:
        return False
    return True

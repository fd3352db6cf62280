"""Cooldown: days without buying after a stop-out."""

from __future__ import annotations

import datetime as dt


def is_within(elapsed_days: int, days: int) -> bool:
    """Whether a cooldown of `days` days still holds after so many; the first day is day 0."""
    return 0 <= elapsed_days < days


def is_cooling(start: dt.date | None, day: dt.date, *, days: int) -> bool:
    """Whether a cooldown that began on `start` still holds on `day`."""
    return start is not None and is_within((day - start).days, days)

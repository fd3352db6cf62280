"""Cooldown: days without buying after a stop-out."""

from __future__ import annotations

import datetime as dt


def is_cooling(start: dt.date | None, day: dt.date, *, days: int) -> bool:
    """Whether a cooldown that began on `start` still holds on `day`."""
    return start is not None and 0 <= (day - start).days < days

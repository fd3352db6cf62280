"""
Client order ids: one per logical order, the same after a crash.

``tf1-<yymmdd>-<leg><ordinal>-<16 hex>``. Size and price are not in it: after a crash prices
have moved, and a new id would be a second order.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from tf_lib.core.model.records import Side
from tf_lib.errors import TfError

PREFIX = "tf1-"
_PATTERN = re.compile(r"^tf1-(\d{6})-([a-z]{2})(\d{1,6})-([0-9a-f]{16})$")


class Leg(StrEnum):
    """What an order is for; each leg of a product and day counts its own ordinals."""

    ENTRY = "en"
    TRIM = "tr"
    EXIT = "ex"
    DUST = "du"
    STOP_CORE = "sc"
    STOP_ADD = "sa"
    EMERGENCY = "em"
    PILOT = "pi"

    @property
    def is_stop(self) -> bool:
        """Whether orders of this leg rest as protection."""
        return self in (Leg.STOP_CORE, Leg.STOP_ADD)

    @property
    def ends_in_cooldown(self) -> bool:
        """Whether a fill of this leg is a stop-out, after which a cooldown begins."""
        return self.is_stop or self is Leg.EMERGENCY

    @property
    def is_rebalance(self) -> bool:
        """Whether the leg carries out the day's plan."""
        return self in (Leg.ENTRY, Leg.PILOT, Leg.TRIM, Leg.EXIT, Leg.DUST)


@dataclass(frozen=True)
class LegKey:
    """What one sequence of ordinals belongs to."""

    day: dt.date
    product_id: str
    side: Side
    leg: Leg


def client_id(portfolio_uuid: str, key: LegKey, ordinal: int) -> str:
    """
    Return the client order id of the `ordinal`-th order (from 1) of a leg.

    Examples
    --------
    >>> key = LegKey(dt.date(2024, 3, 1), "BTC-USD", Side.SELL, Leg.STOP_CORE)
    >>> client_id("00000000-0000-0000-0000-000000000000", key, 1)
    'tf1-240301-sc1-4e16da92bb4f1222'
    """
    if not 1 <= ordinal <= 999_999:
        raise TfError(f"{key.product_id} {key.leg}: ordinal must be 1 to 999999, got {ordinal}")
    text = "|".join(
        (portfolio_uuid, key.day.isoformat(), key.product_id, key.side, key.leg, str(ordinal))
    )
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{PREFIX}{key.day:%y%m%d}-{key.leg}{ordinal}-{digest}"


@dataclass(frozen=True)
class ParsedId:
    """What an own client id tells without the ledger."""

    day: dt.date
    leg: Leg
    ordinal: int


def parse_client_id(text: str) -> ParsedId | None:
    """Return what an id of ours says, or None for anybody else's."""
    match = _PATTERN.match(text)
    if match is None or match[2] not in set(Leg):
        return None
    try:
        day = dt.date.fromisoformat(f"20{match[1][:2]}-{match[1][2:4]}-{match[1][4:]}")
    except ValueError:
        return None
    return ParsedId(day=day, leg=Leg(match[2]), ordinal=int(match[3]))


def is_own(text: str) -> bool:
    """Whether an order carries an id of ours."""
    return parse_client_id(text) is not None

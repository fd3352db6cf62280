"""
The rows of a run's record: what its logs, its summary, its pages and its mail say of a day.

One definition of each row's columns. They are plain values, as JSON holds them: sizes, prices and
money of orders are decimals in text; a column that is not required is absent where it has nothing
to say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, NotRequired, TypedDict

from tf_lib.errors import EXIT_DONE


class OrderRow(TypedDict):
    """One order of the plan and what became of it (``order_submit``, ``dust_submit``)."""

    product_id: str
    side: str
    leg: str
    base_size: str
    reference_price: str
    notional: str
    reason: str
    note: NotRequired[str]
    status: NotRequired[str]
    filled_size: NotRequired[str]
    filled_value: NotRequired[str]
    average_price: NotRequired[str | None]
    fees: NotRequired[str]
    client_ids: NotRequired[list[str]]
    at: NotRequired[str]


class StopRow(TypedDict):
    """The last word on one product's protection (``stop_updates``); ``failed``: unprotected."""

    product: str
    status: str
    reason: str
    held: NotRequired[str | None]
    covered: NotRequired[str | None]
    target_level: NotRequired[str | None]
    resting_level: NotRequired[str | None]
    limit_price: NotRequired[str | None]
    last: NotRequired[str | None]
    source: NotRequired[str]
    verified_at: NotRequired[str | None]
    notes: NotRequired[list[str]]
    closed: NotRequired[str]
    at: NotRequired[str]


class FillRow(TypedDict):
    """One filled order; ``taken``: by a stop or an emergency exit since the last run."""

    product_id: str
    side: str
    leg: str
    date: str
    filled_size: str
    average_price: str
    taken: bool


class GapColumns(TypedDict):
    """What a product's own history says of prices that gap below a stop's limit."""

    opens: int
    opens_beyond_limit: int
    gap_shortfall: float | None
    gap_usd: float | None


class ProtectionRow(GapColumns):
    """What one position's protection is worth; distances are fractions of the last price."""

    product: str
    notional: float
    stop: str | None
    limit: str | None
    stop_distance: float
    limit_distance: float
    resting_since: str | None
    verified_open_at: str | None
    bare_seconds: float
    bare_usd_seconds: float


class ErrorRow(TypedDict):
    """A line of the error log; ``severity`` is ``error`` or ``warning``."""

    severity: str
    message: str
    exit_code: NotRequired[int]
    step: NotRequired[str]
    kind: NotRequired[str]
    at: NotRequired[str]


class ImpedimentRow(TypedDict):
    """What stood in the run's way, in plain values (`tf_lib.core.model.impediments`)."""

    kind: str
    scope: str
    product: str
    since: str | None
    wanted: str
    is_missed_exit: bool
    why: str
    what_to_do: str


class PositionRow(TypedDict):
    """One holding, its value as the equity counts it, and its stop."""

    available: str
    hold: str
    notional: float | None
    price: float | None
    stop: str | None
    stop_limit: str | None
    status: str | None
    bare_seconds: float


class TakenRow(TypedDict):
    """What a stop or an emergency exit sold since the last run."""

    product_id: str
    leg: str
    client_id: str
    at: str | None
    filled_size: str
    average_price: str
    fees: str


class DailySummary(TypedDict):
    """What a run came to: the one source of its mail, its page and ``tf status``."""

    date: str
    profile: str
    state: str
    exit_code: int
    errors: list[ErrorRow]
    run_id: NotRequired[str]
    attempt: NotRequired[int]
    plan_attempt: NotRequired[int | None]
    equity: NotRequired[float | None]
    cash: NotRequired[float | None]
    positions: NotRequired[dict[str, PositionRow]]
    protection: NotRequired[list[ProtectionRow]]
    tickers: NotRequired[dict[str, Any]]
    sleeves: NotRequired[dict[str, Any]]
    portfolio: NotRequired[dict[str, Any]]
    result: NotRequired[dict[str, Any]]
    impediments: NotRequired[list[ImpedimentRow]]
    trades: NotRequired[dict[str, Any]]
    orders: NotRequired[list[OrderRow]]
    stops: NotRequired[list[StopRow]]
    taken: NotRequired[list[TakenRow]]
    rejects: NotRequired[list[Mapping[str, Any]]]
    cooldowns: NotRequired[dict[str, str]]
    data_quality: NotRequired[dict[str, Any]]
    problems: NotRequired[list[str]]
    bare_seconds: NotRequired[dict[str, float]]
    artifacts: NotRequired[list[dict[str, Any]]]


def summary_file(day: dt.date | str) -> str:
    """Return the name of a day's summary in its run folder."""
    return f"daily_summary_{day}.json"


def problem(message: str, *, severity: str = "warning", exit_code: int = EXIT_DONE) -> ErrorRow:
    """Return a line of the error log about something that did not stop the run."""
    return {"severity": severity, "message": message, "exit_code": exit_code}


def failures(rows: Iterable[StopRow]) -> list[str]:
    """Return what is unprotected, in words."""
    return [f"{row['product']}: {row['reason']}" for row in rows if row["status"] == "failed"]

"""
Words: what codes and numbers mean, for a reader who has just got up.

One place says what each reason and status means, and how money, prices, shares and spans of
time are written. Undefined is a dash, never 0 and never "nan".
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tf_lib.core.model.records import Reason

UNDEFINED = "—"

REASONS: Mapping[str, str] = {
    Reason.STALE_OR_MISSING_OHLC: "yesterday's bar is missing or not believable: not traded, "
    "its stop stays as it is",
    Reason.UNKNOWN_SIGNAL: "held, but its signal is undefined: not traded, its stop stays",
    Reason.FULL_EXIT: "nothing of it is wanted any more: all is sold",
    Reason.NO_POSITION: "nothing wanted, nothing held",
    Reason.BELOW_THRESHOLD: "no trade: the change is too small to be worth its cost",
    Reason.TRIM: "more is held than wanted: the rest is sold",
    Reason.COOLDOWN_ACTIVE: "cooling down after a stop: not bought",
    Reason.STOP_BREACHED: "the price is at or below its stop level: not bought, a cooldown starts",
    Reason.NOT_PROTECTABLE: "no stop could be placed for it: not bought",
    Reason.ENTER: "a new position",
    Reason.ADD: "less is held than wanted: more is bought",
}
"""What each reason of a decision means."""

SHORT_REASONS: Mapping[str, str] = {
    Reason.STALE_OR_MISSING_OHLC: "without a believable bar",
    Reason.UNKNOWN_SIGNAL: "without a defined signal",
    Reason.BELOW_THRESHOLD: "with a change below the threshold",
    Reason.COOLDOWN_ACTIVE: "cooling down after a stop",
    Reason.STOP_BREACHED: "at or below the stop level",
    Reason.NOT_PROTECTABLE: "that no stop can protect",
}
"""Why a ticker is not traded, in a few words."""

ORDER_STATUSES: Mapping[str, str] = {
    "done": "filled",
    "skipped": "not sent",
    "void": "no longer wanted",
    "given_up": "bought and sold again: no stop was taken for it",
    "refused": "refused by the exchange",
    "unfilled": "ended without a fill",
    "absent": "never reached the exchange",
    "unsettled": "open: the exchange has not said what became of it",
    "preview_ok": "preview: would be taken",
    "would_cancel_first": "preview: would be taken after its stop is cancelled",
}
"""What became of an order."""

STOP_STATUSES: Mapping[str, str] = {
    "placed": "placed",
    "skip": "left as it is",
    "not_open": "no longer open",
    "cancelled": "cancelled",
    "failed": "NOT PROTECTED",
}
"""What was done about a stop."""

MODES: Mapping[str, str] = {
    "armed": "orders are sent",
    "dry": "dry run: nothing is sent",
    "recorded": "a finished run, looked at again: nothing is sent",
}
"""Which executor a session has."""

LEGS: Mapping[str, str] = {"du": "dust"}
"""Legs of an order that a reader would not guess from its side."""


def reason_in_words(reason: str) -> str:
    """Return what a reason means; an unknown one is shown as it is."""
    return REASONS.get(reason, reason.replace("_", " "))


def number(value: object) -> float:
    """Return a number, a decimal string or None as a float; NaN where there is none."""
    if value is None or value == "":
        return math.nan
    return float(str(value))


def money(value: object, *, signed: bool = False, digits: int = 0) -> str:
    """
    Return an amount of quote currency, in whole units unless digits are asked for.

    Examples
    --------
    >>> money(-1234.5), money(980.2, signed=True), money(None)
    ('-1,234', '+980', '—')
    """
    amount = number(value)
    if not math.isfinite(amount):
        return UNDEFINED
    return _plain_zero(f"{amount:{'+' if signed else ''},.{digits}f}")


def _plain_zero(text: str) -> str:
    """Return a number's text; a zero has no sign."""
    return text if float(text.replace(",", "")) else text.lstrip("+-")


def price(value: object) -> str:
    """
    Return a price with five digits that count.

    Examples
    --------
    >>> price(52104.37), price("0.0123456"), price(7.5)
    ('52,104', '0.012346', '7.5000')
    """
    amount = number(value)
    if not math.isfinite(amount):
        return UNDEFINED
    if amount == 0:
        return "0"
    decimals = max(0, 4 - math.floor(math.log10(abs(amount))))
    return f"{amount:,.{decimals}f}"


def percent(value: object, *, digits: int = 1, signed: bool = False) -> str:
    """
    Return a fraction as a percentage.

    Examples
    --------
    >>> percent(0.0744), percent(0.5, digits=0), percent(float("nan"))
    ('7.4 %', '50 %', '—')
    """
    amount = number(value)
    if not math.isfinite(amount):
        return UNDEFINED
    return _plain_zero(f"{100 * amount:{'+' if signed else ''}.{digits}f}") + " %"


def signal(value: object) -> str:
    """
    Return a signal or filter value; a faint one keeps a digit that counts.

    Examples
    --------
    >>> signal(0.3142), signal(0.0), signal(0.00042), signal(0.0000003), signal(None)
    ('0.31', '0', '0.0004', '<0.0001', '—')
    """
    amount = number(value)
    if not math.isfinite(amount):
        return UNDEFINED
    if amount == 0:
        return "0"
    if abs(amount) >= 0.01:
        return f"{amount:.2f}"
    return f"{amount:.4f}" if abs(amount) >= 0.0001 else "<0.0001"


def seconds(value: object) -> str:
    """
    Return a span of time in the unit a reader thinks in.

    Examples
    --------
    >>> seconds(0), seconds(3.21), seconds(130), seconds(7260)
    ('0 s', '3.2 s', '2 min 10 s', '2 h 1 min')
    """
    span = number(value)
    if not math.isfinite(span):
        return UNDEFINED
    if span < 60:
        return f"{span:.1f} s" if span else "0 s"
    whole = round(span)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def counted(count: int, noun: str, plural: str = "") -> str:
    """
    Return a count with its noun.

    Examples
    --------
    >>> counted(1, "order"), counted(0, "order"), counted(2, "entry", "entries")
    ('1 order', 'no orders', '2 entries')
    """
    name = noun if count == 1 else plural or f"{noun}s"
    return f"{count if count else 'no'} {name}"


def listed(names: list[str] | tuple[str, ...], *, most: int = 6) -> str:
    """
    Return names as a person would say them, the first few when there are many.

    Examples
    --------
    >>> listed(["A"]), listed(["A", "B", "C"]), listed(list("ABCDEFGH"), most=3)
    ('A', 'A, B and C', 'A, B, C and 5 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"

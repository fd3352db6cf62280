"""
Account events: the ``events`` part of a schedule, what happens at a time or day after day.

    events:
      - {kind: reward, currency: ETH, amount: "0.00000002", daily_at: "00:00:30"}
      - {kind: account, currency: EUR, row: {available_balance: {value: "-0.01"}}, at: "2024-03-02"}

Each is planted once and then belongs to the exchange's state. A line that is taken out of the file
before it happened does not happen any more; a new line is planted when the file is next read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from tf_lib.errors import InputError, ParameterError
from tf_lib.simulator.faults.daytimes import DaytimeWindow, read_days, time_of_day
from tf_lib.simulator.simulated_clock import DAY, parse_rfc3339
from tf_lib.simulator.venue import Venue
from tf_lib.text.shown import shown
from tf_lib.text.tickers import base_of, quote_of
from tf_lib.text.written import check_keys

_TIMES = ("kind", "at", "daily_at", "dates")
_NAMES = ("currency", "product", "to", "side", "flag", "source")
_MOST_DIGITS = 24


@dataclass(frozen=True)
class EventKind:
    """What a kind of event needs and may have, and the handler that carries it out."""

    handler: str
    needs: tuple[str, ...]
    may: tuple[str, ...] = ()


EVENT_KINDS: Mapping[str, EventKind] = {
    "reward": EventKind("deposits", ("currency", "amount")),
    "transfer": EventKind("deposits", ("currency", "amount")),
    "trade": EventKind("foreign_orders", ("product", "side", "order_configuration"), ("source",)),
    "account": EventKind("account_rows", ("currency", "row"), ("first",)),
    "old_order": EventKind("order_rows", ("row",)),
    "old_fill": EventKind("fill_rows", ("row",)),
    "book": EventKind("books", ("product",), ("bids", "asks", "away")),
    "delist": EventKind("delist", ("product",)),
    "rename": EventKind("rename", ("product", "to"), ("ratio",)),
    "flag": EventKind("flags", ("product", "flag", "value"), ("cancels",)),
}


@dataclass(frozen=True)
class AccountEvent:
    """
    One line of ``events``.

    Attributes
    ----------
    kind : str
        A name in `EVENT_KINDS`.
    data : mapping
        What its handler is given.
    at : int or None
        Its one moment; None when it comes again.
    window : Window or None
        The time of the day at which it comes, and the dates.
    """

    kind: str
    data: Mapping[str, Any]
    at: int | None = None
    window: DaytimeWindow | None = None

    @property
    def name(self) -> str:
        """Return what tells it from every other event."""
        days = sorted(self.window.days) if self.window else []
        begin = self.window.begin if self.window else None
        text = json.dumps([self.kind, self.data, self.at, begin, days], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def next_at(self, after: int) -> int | None:
        """Return when it happens next, later than a moment; what had one moment does not."""
        return self.window.next_begin(after) if self.window is not None else None


@dataclass(frozen=True)
class RenameEvent:
    """A coin's new name: old and new product, new units for each old one, and the day."""

    product: str
    to: str
    ratio: Decimal
    day: int


def read_events(rows: Any, source: str) -> tuple[AccountEvent, ...]:
    """
    Read the ``events`` of a schedule.

    Raises
    ------
    ParameterError
        An unknown kind or key, a key that is missing, or a value that cannot be.
    """
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise ParameterError(f"{source}: events must be a list, got {shown(rows)}")
    return tuple(_event(row, f"{source}: event {n}") for n, row in enumerate(rows, 1))


def _event(row: Any, source: str) -> AccountEvent:
    name = row.get("kind") if isinstance(row, Mapping) else row
    kind = EVENT_KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        kinds = ", ".join(EVENT_KINDS)
        raise ParameterError(f"{source}: unknown kind {shown(name)}; known are {kinds}")
    check_keys(row, (*_TIMES, *kind.needs, *kind.may), source)
    for key in kind.needs:
        if key not in row:
            raise ParameterError(f"{source}: {name}: {key} is missing")
    for key in _NAMES:
        if key in row and not (isinstance(row[key], str) and row[key]):
            raise ParameterError(f"{source}: {name}: {key} must be a name, got {shown(row[key])}")
    if "amount" in row:
        _check_amount(row["amount"], f"{source}: {name}: amount", is_gift=name == "reward")
    at, window = _times(row, source)
    if "away" in row:
        _check_amount(row["away"], f"{source}: book: away", is_gift=False)
        if abs(Decimal(str(row["away"]))) >= 1:
            raise ParameterError(f"{source}: book: away must be below 1, got {row['away']}")
    if name == "rename":
        row = {"ratio": "1", **row}
        _check_rename(row, at, f"{source}: rename")
    data = {key: value for key, value in row.items() if key not in _TIMES}
    return AccountEvent(str(name), _plain(data, source), at, window)


def _check_amount(value: Any, what: str, *, is_gift: bool) -> None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ParameterError(f"{what}: expected a decimal, got {shown(value)}") from None
    is_usable = amount.is_finite() and amount != 0 and abs(amount.adjusted()) <= _MOST_DIGITS
    if not is_usable or (is_gift and amount < 0):
        wanted = "above 0" if is_gift else "other than 0"
        raise ParameterError(f"{what}: expected a number {wanted}, got {shown(value)}")


def _check_rename(row: Mapping[str, Any], at: int | None, source: str) -> None:
    _check_amount(row["ratio"], f"{source}: ratio", is_gift=True)
    if at is None:
        raise ParameterError(f"{source}: a coin is renamed once: at, not daily_at")
    (old, quote), (new, other) = (_parts(row[key], source) for key in ("product", "to"))
    if old == new or quote != other:
        raise ParameterError(f"{source}: {row['product']} cannot become {row['to']}")


def _parts(product_id: str, source: str) -> tuple[str, str]:
    base, quote = base_of(product_id), quote_of(product_id)
    if not base or not quote:
        raise ParameterError(f"{source}: {shown(product_id)} is no product")
    return base, quote


def _times(row: Mapping[str, Any], source: str) -> tuple[int | None, DaytimeWindow | None]:
    """Return the one moment of an event, or the time of day at which it comes."""
    if ("at" in row) == ("daily_at" in row):
        raise ParameterError(f"{source}: exactly one of at and daily_at is needed")
    days = read_days(row.get("dates"), f"{source}: dates")
    if "daily_at" in row:
        begin = time_of_day(row["daily_at"], f"{source}: daily_at")
        return None, DaytimeWindow(begin, begin, days)
    at = parse_rfc3339(str(row["at"]))
    if at is None or days:
        got = "dates, which go with daily_at" if days else shown(row["at"])
        raise ParameterError(f"{source}: at must be one RFC 3339 time, got {got}")
    return at, None


def _plain(data: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return values as the state can keep them: numbers of a YAML file become text."""
    try:
        kept: dict[str, Any] = json.loads(json.dumps(data, default=str, allow_nan=False))
    except (TypeError, ValueError):
        raise ParameterError(f"{source}: holds what no answer could hold: {shown(data)}") from None
    for key in ("amount", "ratio", "away"):
        if key in kept:
            kept[key] = format(Decimal(str(kept[key])), "f")
    return kept


def renames(events: Sequence[AccountEvent]) -> tuple[RenameEvent, ...]:
    """Return the coins that get another name, oldest first."""
    found = [
        RenameEvent(e.data["product"], e.data["to"], Decimal(e.data["ratio"]), e.at // DAY)
        for e in events
        if e.kind == "rename" and e.at is not None
    ]
    return tuple(sorted(found, key=lambda each: each.day))


class Calendar:
    """
    Account events at work: planted, carried out, and planted again for the next day.

    Parameters
    ----------
    venue : Venue
    events : sequence of AccountEvent
        What the schedule says now.
    """

    def __init__(self, venue: Venue, events: Sequence[AccountEvent]) -> None:
        self._venue = venue
        self._events = {event.name: event for event in events}
        for event in events:
            self._check(event)
        venue.matching.handlers["account_event"] = self._happen

    def plant(self, known: Sequence[str], now: int) -> list[str]:
        """
        Schedule what is new in the schedule, and call off what is no more in it.

        Parameters
        ----------
        known : sequence of str
            Names that were planted before.

        Returns
        -------
        list of str
            Names that are planted now.
        """
        agenda = self._venue.matching.agenda
        agenda.call_off(lambda e: e.kind == "account_event" and e.data["name"] not in self._events)
        for name, event in self._events.items():
            at = event.at if event.at is not None else event.next_at(now - 1)
            if name not in known and at is not None:
                agenda.schedule(at, "account_event", {"name": name})
        return list(self._events)

    def _happen(self, data: dict[str, Any]) -> None:
        event, matching = self._events[data["name"]], self._venue.matching
        following = event.next_at(matching.now)
        if following is not None:
            matching.agenda.schedule(following, "account_event", data)
        matching.handlers[EVENT_KINDS[event.kind].handler](dict(event.data))

    def _check(self, event: AccountEvent) -> None:
        """Refuse now what could not happen later."""
        row = event.data.get("row")
        for product_id in (event.data[key] for key in ("product", "to") if key in event.data):
            if not self._venue.catalogue.knows(product_id):
                raise ParameterError(f"events: {event.kind}: no product {shown(product_id)}")
        if event.kind == "flag":
            try:
                self._venue.catalogue.check_flag(event.data["flag"], event.data["value"])
            except InputError as error:
                raise ParameterError(f"events: flag: {error}") from None
        may_be_none = event.kind == "account" and row is None
        if "row" in event.data and not (isinstance(row, Mapping) or may_be_none):
            raise ParameterError(f"events: {event.kind}: row must be a mapping, got {shown(row)}")

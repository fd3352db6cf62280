"""
What a simulated exchange holds, read from its own SQLite file and request log.

This is the evidence: not our ledger, not our summary. Nothing of ``tf_lib`` is imported; the file
is opened for reading only, so that looking changes nothing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from pathlib import Path
from typing import Any

ZERO = Decimal(0)
ENDED = {"FILLED", "CANCELLED", "EXPIRED", "FAILED"}
OWN_PREFIX = "tf1-"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EXACT = Context(prec=60)


@dataclass(frozen=True)
class Wallet:
    """Units of one currency."""

    available: Decimal
    hold: Decimal

    @property
    def total(self) -> Decimal:
        return self.available + self.hold


@dataclass(frozen=True)
class Order:
    """One order as the exchange keeps it."""

    order_id: str
    client_id: str
    product: str
    side: str
    kind: str
    status: str
    is_triggered: bool
    pending_cancel: bool
    stops_falling: bool
    size: Decimal
    filled: Decimal
    value: Decimal
    fees: Decimal
    stop: Decimal | None
    limit: Decimal | None
    created: dt.datetime
    last_update: dt.datetime

    @property
    def is_live(self) -> bool:
        return self.status not in ENDED

    @property
    def is_own(self) -> bool:
        return self.client_id.startswith(OWN_PREFIX)

    @property
    def leg(self) -> str:
        """Two letters of an own id: en, tr, ex, du, sc, sa, em, pi."""
        return self.client_id.split("-")[2][:2] if self.is_own else ""

    @property
    def day(self) -> dt.date:
        """Day an own id names."""
        return dt.date.fromisoformat(f"20{self.client_id.split('-')[1]}")

    @property
    def remaining(self) -> Decimal:
        return self.size - self.filled

    @property
    def protects(self) -> bool:
        """Whether it is a sell stop that rests, has not triggered and is not being cancelled."""
        return (
            self.side == "SELL"
            and self.kind == "STOP_LIMIT"
            and self.status == "OPEN"
            and self.stops_falling
            and not self.is_triggered
            and not self.pending_cancel
        )


@dataclass(frozen=True)
class Fill:
    """One trade."""

    order_id: str
    product: str
    side: str
    price: Decimal
    size: Decimal
    fee: Decimal
    at: dt.datetime

    @property
    def value(self) -> Decimal:
        with localcontext(_EXACT):
            return self.price * self.size


@dataclass(frozen=True)
class ExchangeState:
    """Everything of one portfolio at one moment."""

    now: dt.datetime
    wallets: Mapping[str, Wallet]
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]

    # -- money ---------------------------------------------------------------------------

    @property
    def cash(self) -> Decimal:
        return self.wallet("USD").total

    def wallet(self, currency: str) -> Wallet:
        return self.wallets.get(currency, Wallet(ZERO, ZERO))

    def held(self, product: str) -> Decimal:
        return self.wallet(product.split("-")[0]).total

    @property
    def held_products(self) -> tuple[str, ...]:
        bases = [c for c, w in self.wallets.items() if c != "USD" and w.total]
        return tuple(sorted(f"{base}-USD" for base in bases))

    def cash_by_fills(self, starting_cash: Decimal) -> Decimal:
        """Return what the fills and fees leave of the starting cash."""
        with localcontext(_EXACT):
            cash = starting_cash
            for fill in self.fills:
                cash += (fill.value if fill.side == "SELL" else -fill.value) - fill.fee
            return cash

    def held_by_fills(self, product: str) -> Decimal:
        signs = {"BUY": 1, "SELL": -1}
        return sum((signs[f.side] * f.size for f in self.fills if f.product == product), ZERO)

    # -- orders --------------------------------------------------------------------------

    def order(self, client_id: str) -> Order:
        return next(order for order in self.orders if order.client_id == client_id)

    @property
    def live(self) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if order.is_live)

    def stops(self, product: str) -> tuple[Order, ...]:
        """Return the stops that protect a product."""
        return tuple(o for o in self.orders if o.product == product and o.protects and o.is_own)

    def since(self, moment: dt.datetime) -> tuple[Order, ...]:
        """Return the orders that were made from a moment on."""
        return tuple(order for order in self.orders if order.created >= moment)

    def wrong_with(self, rules: Mapping[str, Rules], last: Mapping[str, Decimal]) -> list[str]:
        """
        Return what is bare, doubled or stray, in words; nothing when all is well.

        What is worth less than 1.05 times the least order at the last price is dust, and needs
        no stop; neither does a rest beside a stop that could carry none of its own.
        """
        found = []
        products = {*self.held_products, *(order.product for order in self.live)}
        for product in sorted(products):
            stops, total = self.stops(product), self.held(product)
            covered = sum((stop.remaining for stop in stops), ZERO)
            rule = rules[product]
            bare = rule.floored(total) - covered
            if bare < 0:
                found.append(f"{product}: stops over {covered} for a holding of {total}")
            if rule.needs_stop(bare, last.get(product, ZERO), stops):
                found.append(f"{product}: {bare} of {total} is under no stop")
            found.extend(
                f"{product}: the limit {stop.limit} is more than 10 % below the stop {stop.stop}"
                for stop in stops
                if rule.is_limit_too_far(stop)
            )
            legs = sorted(stop.leg for stop in stops)
            if legs.count("sc") > 1 or legs.count("sa") > 2:
                found.append(f"{product}: doubled stops {legs}")
            others = [o.client_id for o in self.live if o.product == product and o not in stops]
            if others:
                found.append(f"{product}: live orders that protect nothing: {others}")
            hold = self.wallet(product.split("-")[0]).hold
            listed = sum((o.remaining for o in self.live if o.product == product), ZERO)
            if hold != listed:
                found.append(f"{product}: {hold} on hold, live sells are for {listed}")
        return found


@dataclass(frozen=True)
class Rules:
    """Steps and minimums of a product."""

    base_increment: Decimal
    base_min_size: Decimal
    quote_min_size: Decimal
    price_increment: Decimal

    def is_dust(self, size: Decimal, last: Decimal) -> bool:
        """Tell whether a size is too small to matter, by what it is worth."""
        floored = self.floored(size)
        too_few = floored < self.base_min_size or floored <= 0
        return too_few or floored * last < self.quote_min_size * Decimal("1.05")

    def needs_stop(self, bare: Decimal, last: Decimal, stops: Iterable[Order]) -> bool:
        """Tell whether units without a stop should have one, given the stops beside them."""
        if self.is_dust(bare, last):
            return False
        levels = [stop.stop for stop in stops if stop.stop is not None]
        return not levels or bare * (min(levels) - self.price_increment) >= self.quote_min_size

    def is_limit_too_far(self, stop: Order) -> bool:
        """Tell whether a stop's limit lies more than a tenth, and more than a tick, below it."""
        if stop.stop is None or stop.limit is None or not stop.is_own:
            return False
        return stop.limit < min(stop.stop * Decimal("0.9"), stop.stop - self.price_increment)

    def floored(self, size: Decimal) -> Decimal:
        steps = (size / self.base_increment).to_integral_value(rounding=ROUND_FLOOR)
        return steps * self.base_increment


def rules_of(record: Mapping[str, Any]) -> Rules:
    """Read the rules of a product as the exchange lists it, or a run wrote it down."""
    names = ("base_increment", "base_min_size", "quote_min_size", "price_increment")
    return Rules(**{name: Decimal(record[name]) for name in names})


def read_exchange(path: Path) -> ExchangeState:
    """Read the portfolio that the key is bound to."""
    # Without a write-ahead log beside it the file is whole, and no lock files need to be made.
    wal = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if wal.exists() and wal.stat().st_size else "immutable=1"
    with contextlib.closing(sqlite3.connect(f"file:{path}?{mode}", uri=True)) as database:
        meta = dict(database.execute("SELECT key, value FROM meta"))
        owner = meta["portfolio_uuid"]
        wallets = {
            currency: Wallet(Decimal(available), Decimal(hold))
            for currency, available, hold in database.execute(
                "SELECT currency, available, hold FROM wallets WHERE portfolio_uuid = ?", (owner,)
            )
        }
        orders = tuple(_order(row) for row in _rows(database, "orders"))
        fills = tuple(_fill(row) for row in _rows(database, "fills"))
    return ExchangeState(_moment(int(meta["now"])), wallets, orders, fills)


def dump(path: Path) -> list[str]:
    """Return all that a simulated exchange has on disk, as SQL, for comparing."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return sorted(database.iterdump())


def requests(log: Path, *, after: int = 0) -> list[dict[str, Any]]:
    """Return the request log from a line on, oldest first."""
    if not log.exists():
        return []
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()[after:]]


def changing(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the requests that may change orders or money: whatever is no read and no preview."""
    reads = ("/preview", "/simulator/advance")
    return [
        f"{line['method']} {line['path']} {line['body']}"
        for line in lines
        if line["method"] != "GET" and not str(line["path"]).endswith(reads)
    ]


def _rows(database: sqlite3.Connection, table: str) -> Iterator[dict[str, Any]]:
    cursor = database.execute(f"SELECT * FROM {table} ORDER BY number")
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def _order(row: Mapping[str, Any]) -> Order:
    return Order(
        order_id=row["order_id"],
        client_id=row["client_order_id"],
        product=row["product_id"],
        side=row["side"],
        kind=row["kind"],
        status=row["status"],
        is_triggered=bool(row["is_triggered"]),
        pending_cancel=bool(row["pending_cancel"]),
        stops_falling=bool(row["stops_falling"]),
        size=Decimal(row["size"]),
        filled=Decimal(row["filled_size"]),
        value=Decimal(row["filled_value"]),
        fees=Decimal(row["fees"]),
        stop=_optional(row["stop_price"]),
        limit=_optional(row["limit_price"]),
        created=_moment(row["created"]),
        last_update=_moment(row["last_update"]),
    )


def _fill(row: Mapping[str, Any]) -> Fill:
    return Fill(
        order_id=row["order_id"],
        product=row["product_id"],
        side=row["side"],
        price=Decimal(row["price"]),
        size=Decimal(row["size"]),
        fee=Decimal(row["commission"]),
        at=_moment(row["at"]),
    )


def _optional(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _moment(micros: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=micros)

"""
The exchange's memory: one SQLite file, written before a request is answered.

Amounts are decimal text, moments are microseconds since 1970. The write-ahead log keeps what was
acknowledged through a SIGKILL of the process at any moment. Other programs may read the tables;
`configuration` holds the order as it was asked for.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from tf_lib.errors import StateError
from tf_lib.simulator.matching.balances import Wallets
from tf_lib.simulator.matching.conditions import Event
from tf_lib.simulator.matching.order import TERMINAL, ExchangeFill, Order
from tf_lib.simulator.prices.paths import Jump
from tf_lib.simulator.storage.state_rows import fill_row, order_row, read_fill, read_order

VERSION = "2"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS wallets (
    portfolio_uuid TEXT, position INTEGER, currency TEXT, available TEXT NOT NULL,
    hold TEXT NOT NULL, PRIMARY KEY (portfolio_uuid, currency));
CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY, order_id TEXT UNIQUE, client_order_id TEXT UNIQUE,
    product_id TEXT, side TEXT, kind TEXT, force TEXT, configuration TEXT, base_size TEXT,
    quote_size TEXT, limit_price TEXT, stop_price TEXT, stops_falling INTEGER, end_time INTEGER,
    post_only INTEGER, created INTEGER, fee_rate_maker TEXT, fee_rate_taker TEXT, status TEXT,
    is_triggered INTEGER, pending_cancel INTEGER, size TEXT, filled_size TEXT, filled_value TEXT,
    fees TEXT, fill_count INTEGER, held TEXT, last_fill INTEGER, last_update INTEGER,
    reject_reason TEXT, cancel_message TEXT, source TEXT, edits TEXT, visible_from INTEGER,
    attached TEXT, attached_order_id TEXT, originating_order_id TEXT);
CREATE TABLE IF NOT EXISTS fills (
    number INTEGER PRIMARY KEY, entry_id TEXT, trade_id TEXT, order_id TEXT, product_id TEXT,
    side TEXT, price TEXT, size TEXT, commission TEXT, at INTEGER, visible_from INTEGER,
    is_maker INTEGER);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY, at INTEGER, kind TEXT, data TEXT);
CREATE TABLE IF NOT EXISTS jumps (product_id TEXT, at INTEGER, price TEXT, hold_until INTEGER);
CREATE TABLE IF NOT EXISTS flags (
    product_id TEXT, name TEXT, value TEXT, PRIMARY KEY (product_id, name));
"""


class State:
    """
    Everything that outlives the process.

    Parameters
    ----------
    path : Path or None
        The file; None keeps it in memory and saves nothing.

    Attributes
    ----------
    is_kept : bool
        Whether anything outlives the process.
    """

    def __init__(self, path: Path | None) -> None:
        self.is_kept = path is not None
        self._lock = _take_for_oneself(path) if path is not None else None
        try:
            self._database = sqlite3.connect(
                str(path) if path else ":memory:", check_same_thread=False, isolation_level=None
            )
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._let_go()
            raise StateError(
                f"{path}: not a state file of the simulated exchange: {error}"
            ) from None
        found = self.meta("version", VERSION)
        if found != VERSION:
            self._let_go()
            raise StateError(f"{path}: state of version {found}, this program reads {VERSION}")
        if path is not None:
            path.chmod(0o600)

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of it."""
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._let_go()

    def _let_go(self) -> None:
        self._database.close()
        if self._lock is not None:
            self._lock.close()

    def begin(self) -> None:
        """Open a transaction."""
        self._database.execute("BEGIN")

    def commit(self) -> None:
        """Make what was written since `begin` outlive the process."""
        self._database.execute("COMMIT")

    # -- reading ------------------------------------------------------------------------------

    def meta(self, key: str, default: str = "") -> str:
        """One remembered text."""
        row = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else default

    def orders(self) -> list[Order]:
        """Read every order, oldest first."""
        return [read_order(row) for row in self._rows("orders")]

    def fills(self) -> list[ExchangeFill]:
        """Read every fill, oldest first."""
        return [read_fill(row) for row in self._rows("fills")]

    def _rows(self, table: str) -> list[dict[str, Any]]:
        cursor = self._database.execute(f"SELECT * FROM {table} ORDER BY number")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def traded_products(self) -> dict[str, bool]:
        """Products that ever had an order, and whether one of them is still live."""
        terminal = ", ".join(f"'{status.value}'" for status in sorted(TERMINAL))
        rows = self._database.execute(
            f"SELECT product_id, MAX(status NOT IN ({terminal})) FROM orders GROUP BY product_id"
        )
        return {product_id: bool(is_live) for product_id, is_live in rows}

    def events(self) -> list[Event]:
        """Read what is still to happen."""
        rows = self._database.execute("SELECT at, number, kind, data FROM events")
        return [Event(at, number, kind, json.loads(data)) for at, number, kind, data in rows]

    def restore_wallets(self, portfolio_uuid: str, wallets: Wallets) -> None:
        """Put the stored wallets of a portfolio back."""
        rows = self._database.execute(
            "SELECT currency, available, hold FROM wallets WHERE portfolio_uuid = ? "
            "ORDER BY position",
            (portfolio_uuid,),
        )
        for currency, available, hold in rows:
            wallets.restore(currency, Decimal(available), Decimal(hold))

    def jumps(self) -> list[tuple[str, Jump]]:
        """Read the planted jumps."""
        rows = self._database.execute("SELECT product_id, at, price, hold_until FROM jumps")
        return [(name, Jump(at, Decimal(price), until)) for name, at, price, until in rows]

    def flags(self) -> list[tuple[str, str, Any]]:
        """Read the product flags that were flipped."""
        rows = self._database.execute("SELECT product_id, name, value FROM flags")
        return [(product_id, name, json.loads(value)) for product_id, name, value in rows]

    # -- writing, inside a transaction --------------------------------------------------------

    def put_meta(self, values: Mapping[str, str]) -> None:
        """Remember texts."""
        self._database.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items())
        )

    def put_wallets(self, portfolio_uuid: str, wallets: Wallets) -> None:
        """Write the wallets that changed."""
        for position, wallet in enumerate(wallets):
            if wallet.currency in wallets.dirty:
                free, held = format(wallet.available, "f"), format(wallet.hold, "f")
                self._database.execute(
                    "INSERT OR REPLACE INTO wallets VALUES (?, ?, ?, ?, ?)",
                    (portfolio_uuid, position, wallet.currency, free, held),
                )
        wallets.dirty.clear()

    def put_orders(self, orders: Iterable[Order]) -> None:
        """Write orders, new or changed."""
        for order in orders:
            row = order_row(order)
            marks = ", ".join("?" * len(row))
            self._database.execute(
                f"INSERT OR REPLACE INTO orders ({', '.join(row)}) VALUES ({marks})",
                list(row.values()),
            )

    def put_fills(self, fills: Iterable[ExchangeFill]) -> None:
        """Write new fills."""
        self._database.executemany(
            f"INSERT INTO fills VALUES ({', '.join('?' * 12)})",
            [list(fill_row(fill).values()) for fill in fills],
        )

    def put_events(self, added: Iterable[Event], done: Iterable[int]) -> None:
        """Write what is to happen, and take out what has happened."""
        self._database.executemany(
            "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?)",
            [(e.number, e.at, e.kind, json.dumps(e.data)) for e in added],
        )
        self._database.executemany("DELETE FROM events WHERE number = ?", [(n,) for n in done])

    def put_jump(self, product_id: str, jump: Jump) -> None:
        """Write a planted jump."""
        self._database.execute(
            "INSERT INTO jumps VALUES (?, ?, ?, ?)",
            (product_id, jump.at, format(jump.price, "f"), jump.hold_until),
        )

    def put_flag(self, product_id: str, name: str, value: object) -> None:
        """Write a flipped product flag."""
        self._database.execute(
            "INSERT OR REPLACE INTO flags VALUES (?, ?, ?)", (product_id, name, json.dumps(value))
        )


def _take_for_oneself(path: Path) -> IO[bytes]:
    """Make sure that no other exchange, here or in another process, works on the same state."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f"{path.name}.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StateError(f"{path}: another simulated exchange works on this state") from None
    return lock

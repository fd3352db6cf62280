"""
The ledger: every intent and outcome of a portfolio, on disk before it counts.

One append-only file of JSON lines, each fsynced before the caller goes on, never moved and
never rewritten. A torn last line (power loss in mid-write) is dropped on reading and cut off
before the next line is written.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tf_lib.core.model.client_ids import LegKey, client_id, parse_client_id
from tf_lib.core.model.order_life import OrderStage, check_move
from tf_lib.errors import PreflightRefused, StateError, TfError, UnreadableState
from tf_lib.store.disk_reserve import FULL, give_up
from tf_lib.store.files import json_record, sync_folder
from tf_lib.store.ledger_checkpoint import (
    CHECKPOINT_FILE,
    Checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from tf_lib.store.ledger_entries import apply_entry
from tf_lib.store.ledger_state import DAY_MARKS, LedgerState, OrderRecord

LEDGER_FILE = "ledger.jsonl"
_LINES_BETWEEN = 400
_DAYS_READ = 2
_WHAT_TO_DO = (
    "Nothing is traded until it is right, and positions are protected from what the exchange "
    "shows. The ledger must not be edited: restore it from a backup, or move it away to start from "
    "what the exchange knows (protection only)."
)
_DATED_BY_THE_EXCHANGE = frozenset({"mark", "plan", "intent", "move"})


class Ledger:
    """
    The open ledger of one portfolio: reads are of `state`, writes are the methods.

    Parameters
    ----------
    path : Path
        The file; made when it is not there.
    now : callable
        Exchange time, stamped on every line.
    """

    def __init__(self, path: Path, now: Callable[[], dt.datetime]) -> None:
        self.path = path
        self.now = now
        self.lines: list[dict[str, Any]] = []
        self._torn_bytes = 0
        self._file: int | None = None
        self._start = read_checkpoint(path) or Checkpoint(LedgerState(), 0, 0)
        self.state = self._start.state
        self._read_bytes = self._start.size
        self._take_in()

    def _take_in(self, *, until: int = -1) -> None:
        """Read what is on disk beyond what was read before, at most up to a byte."""
        if not self.path.exists():
            return
        try:
            with self.path.open("rb") as file:
                file.seek(self._read_bytes)
                pieces = file.read(until).split(b"\n")
        except OSError as error:
            raise UnreadableState(f"{self.path}: cannot be read: {error}. {_WHAT_TO_DO}") from error
        self._torn_bytes = len(pieces[-1])
        for number, piece in enumerate(pieces[:-1], start=self._count + 1):
            try:
                self.lines.append(self._applied(piece))
            except (TfError, ValueError, LookupError, TypeError, ArithmeticError) as error:
                why = f"does not fit the lines before it ({type(error).__name__}: {error})"
                if json_record(piece) is None:
                    why = "is not JSON"
                raise UnreadableState(
                    f"{self.path}: line {number} {why}: {piece[:80]!r}. {_WHAT_TO_DO}"
                ) from error
            self._read_bytes += len(piece) + 1

    def _applied(self, piece: bytes) -> dict[str, Any]:
        """Add one line as it stands on disk to the state, and return it."""
        line = json_record(piece)
        if line is None:
            raise StateError("it is no JSON object")
        apply_entry(self.state, line)
        return line

    @property
    def _count(self) -> int:
        return self._start.lines + len(self.lines)

    def line_after(self, moment: dt.datetime) -> dict[str, Any] | None:
        """Return a line that is dated after a moment: one of a clock that was wrong, if any."""
        dated = (line for line in self.lines if line["kind"] in _DATED_BY_THE_EXCHANGE)
        latest = max(dated, key=lambda line: str(line["at"]), default=None)
        if latest is None or dt.datetime.fromisoformat(latest["at"]) <= moment:
            return None
        return latest

    def append(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Write one line and return it once it is on disk; raise and write nothing if illegal."""
        line = {"seq": self._count + 1, "at": self.now().isoformat(), "kind": kind, **fields}
        text = json.dumps(line, default=str)
        apply_entry(self.state, json.loads(text))
        try:
            self._write(text)
        except BaseException:
            self._forget_unwritten()
            raise
        self.lines.append(line)
        self._read_bytes += len(text.encode()) + 1
        return line

    def _forget_unwritten(self) -> None:
        """Go back to what the disk has; whatever is left of the line there is cut off."""
        self._start, self.lines = Checkpoint(LedgerState(), 0, 0), []
        self.state, whole, self._read_bytes = LedgerState(), self._read_bytes, 0
        self._take_in(until=whole)
        self._torn_bytes = 1

    def _write(self, text: str) -> None:
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
                self._file = os.open(self.path, flags, 0o600)
                sync_folder(self.path.parent)
            if self._torn_bytes:
                # What a failure left of a line was never acted upon: nothing follows it.
                os.ftruncate(self._file, self._read_bytes)
                self._torn_bytes = 0
            self._append((text + "\n").encode())
        except OSError as error:
            raise TfError(f"{self.path}: cannot write the ledger: {error}") from error

    def _append(self, line: bytes) -> None:
        """Put a line on the disk; a full disk takes the space that was set aside for it."""
        if self._file is None:
            raise StateError(f"{self.path}: the ledger is closed")
        before = os.fstat(self._file).st_size
        try:
            _flush_all(self._file, line)
        except OSError as error:
            os.ftruncate(self._file, before)
            if error.errno not in FULL or not give_up(self.path.parent):
                raise
            _flush_all(self._file, line)

    def close(self) -> None:
        """Close the file; a later append opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def reread(self) -> Ledger:
        """Take in what another process has written since; return the ledger itself."""
        self.close()
        self._take_in()
        return self

    def keep_checkpoint(self, today: dt.date, *, days: int) -> None:
        """
        Write down what the older lines add up to, once there are many of them.

        The last lines stay outside, for the journal of their days.

        Parameters
        ----------
        days : int
            For how long settled orders are asked for.
        """
        first_kept = (today - dt.timedelta(days=_DAYS_READ)).isoformat()
        count = next((n for n, x in enumerate(self.lines) if x["at"] >= first_kept), 0)
        if count < _LINES_BETWEEN:
            return
        start = read_checkpoint(self.path) or Checkpoint(LedgerState(), 0, 0)
        with self.path.open("rb") as file:
            file.seek(start.size)
            pieces = [file.readline() for _ in range(self._start.lines + count - start.lines)]
        for piece in pieces:
            apply_entry(start.state, json.loads(piece))
        size = start.size + sum(map(len, pieces))
        lines = start.lines + len(pieces)
        oldest = today - dt.timedelta(days=days)
        with contextlib.suppress(OSError):  # without it the next reading takes longer
            write_checkpoint(self.path, Checkpoint(start.state, lines, size), oldest=oldest)

    def pin(self, portfolio_uuid: str) -> None:
        """Bind the ledger to an account at the first run; refuse any other ever after."""
        known = self.state.portfolio_uuid
        if known and known != portfolio_uuid:
            raise PreflightRefused(
                f"{self.path} belongs to portfolio {known}; the key is bound to {portfolio_uuid}. "
                "Use the key of that portfolio, or another --runs folder for the new one."
            )
        if not known:
            self.append("pin", portfolio_uuid=portfolio_uuid)

    def next_ordinal(self, key: LegKey, exchange_client_ids: frozenset[str]) -> int:
        """
        Return 1 + the highest ordinal of a leg in the ledger and in the exchange's own orders.

        An id at the exchange names no product, so any own id of that day and leg whose hash fits
        this product counts.
        """
        uuid = self.state.portfolio_uuid
        highest = max((order.ordinal for order in self.state.of_leg(key)), default=0)
        for text in exchange_client_ids:
            parsed = parse_client_id(text)
            if parsed is None or (parsed.day, parsed.leg) != (key.day, key.leg):
                continue
            if client_id(uuid, key, parsed.ordinal) == text:
                highest = max(highest, parsed.ordinal)
        return highest + 1

    def intend(
        self,
        key: LegKey,
        body: Mapping[str, str],
        *,
        known_ids: frozenset[str] = frozenset(),
        plan: str | None = None,
    ) -> OrderRecord:
        """
        Write the intent of a new order of a leg, with its id and frozen body.

        Parameters
        ----------
        plan : str, optional
            Id of the plan that it carries out, where that is not the day's.
        """
        ordinal = self.next_ordinal(key, known_ids)
        identity = client_id(self.state.portfolio_uuid, key, ordinal)
        named = self.state.plan_id(key.day) if plan is None else plan
        of_plan = {"plan": named} if key.leg.is_rebalance else {}
        self.append(
            "intent",
            client_id=identity,
            day=key.day.isoformat(),
            product=key.product_id,
            side=str(key.side),
            leg=str(key.leg),
            ordinal=ordinal,
            body=dict(body),
            **of_plan,
        )
        return self.state.orders[identity]

    def move(self, identity: str, to: OrderStage, **facts: Any) -> OrderRecord:
        """Write that an order went to another stage, with what was learnt."""
        check_move(self.state.orders[identity].stage, to, client_id=identity)
        self.append("move", client_id=identity, to=str(to), **facts)
        return self.state.orders[identity]

    def mark(self, day: dt.date, mark: str, **fields: Any) -> None:
        """Write a day mark: claimed, effects_complete or done."""
        if mark not in DAY_MARKS:
            raise TfError(f"day mark must be one of {', '.join(DAY_MARKS)}, got {mark!r}")
        self.append("mark", day=day.isoformat(), mark=mark, **fields)

    def extract(self, day: dt.date) -> list[dict[str, Any]]:
        """Return the lines of one day, for the run folder's journal."""
        text = day.isoformat()
        return [line for line in self.lines if line.get("day") == text or line["at"][:10] == text]


def ledger_copy(ledger: Path, folder: Path) -> Path:
    """Copy a ledger for who only looks, so that nothing that is learnt is written down."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (LEDGER_FILE, CHECKPOINT_FILE):
        if ledger.with_name(name).exists():
            shutil.copyfile(ledger.with_name(name), folder / name)
    return folder / LEDGER_FILE


def _flush_all(file: int, line: bytes) -> None:
    written = os.write(file, line)
    if written != len(line):
        raise OSError(errno.ENOSPC, f"only {written} of {len(line)} bytes were written")
    os.fsync(file)

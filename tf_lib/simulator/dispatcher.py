"""
The exchange without its wire: requests in, answers out, everything remembered in between.

One lock, one request at a time: the clock moves, the market catches up, the request is
answered, the state is saved, the log is written, and only then does the answer leave.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Context, localcontext
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from tf_lib.errors import InputError
from tf_lib.simulator.api.queries import Query, Request
from tf_lib.simulator.api.routes import PREFIX, find_route
from tf_lib.simulator.faults.effects import AFTER, BEFORE
from tf_lib.simulator.faults.rules import FaultRule, Faults
from tf_lib.simulator.faults.scheduled_events import Happenings
from tf_lib.simulator.prices.paths import Jump
from tf_lib.simulator.replies import ApiError, Response, invalid
from tf_lib.simulator.simulated_clock import SECOND, SimulatedClock, rfc3339, wall_clock
from tf_lib.simulator.storage.state import State
from tf_lib.simulator.venue import Venue

ARITHMETIC = Context(prec=60)
_LONGEST_LOGGED = 8192
ADVANCE_PATH = "/simulator/advance"
LONGEST_WAIT_SECONDS = 3600


class LineError(ConnectionError):
    """A scheduled fault: in-process callers see it where a client would lose its connection."""


class Engine:
    """
    One exchange.

    Parameters
    ----------
    venue : Venue
    clock : ExchangeClock
    state : State
    faults : Faults
    log_file : Path or None
        Every request is appended to it as one JSON line.
    keeps_log : bool
        Keep the same lines in `request_log`.
    """

    def __init__(
        self,
        venue: Venue,
        clock: SimulatedClock,
        state: State,
        faults: Faults,
        *,
        log_file: Path | None,
        keeps_log: bool,
    ) -> None:
        self.venue = venue
        self.clock = clock
        self.faults = faults
        self.request_log: list[dict[str, Any]] = []
        self.happenings = Happenings(venue)
        self._state = state
        self._log_file = log_file
        self._log: IO[str] | None = None
        if log_file is not None:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            log_file.open("a", encoding="utf-8").close()
        self._keeps_log = keeps_log
        self._had_traps = True
        self._lock = threading.RLock()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._lock, localcontext(ARITHMETIC):
            yield

    # -- requests -----------------------------------------------------------------------------

    def handle(
        self,
        method: str,
        path: str,
        query: str | Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> tuple[int, Any]:
        """
        Answer a request without HTTP and without a token.

        Returns
        -------
        tuple of (status, payload)

        Raises
        ------
        LineError
            A scheduled fault cut the line.
        """
        reply = self.respond(method, path, query, body)
        if reply.cut is not None:
            raise LineError(f"{method} {path}: {reply.cut} by schedule")
        return reply.status, reply.payload if reply.text is None else reply.text

    def respond(
        self, method: str, path: str, query: str | Mapping[str, Any] | None, body: Any
    ) -> Response:
        """Answer a request, scheduled faults included."""
        with self._exclusive():
            self.venue.matching.advance(self.clock.tick())
            text = f"{path} {query} {json.dumps(body, default=str)}" if self.faults.counts else ""
            # Waiting is no request to the exchange: a storm that strikes everything passes.
            is_wait = path == ADVANCE_PATH
            now = self.venue.matching.now
            rule = None if is_wait else self.faults.strike(method, path, text, now=now)
            if rule is not None and rule.kind in BEFORE:
                answer = sent = BEFORE[rule.kind]({**rule.options, "request": body}, Response(200))
            else:
                answer = sent = self._answer(method, path, query, body)
                if rule is not None:
                    sent = AFTER[rule.kind](rule.options, answer)
            self.save()
            self._write_log(method, path, query, body, answer, rule)
        return sent

    def date_seconds(self) -> float:
        """
        Return what ``Date`` says, in seconds since 1970.

        A clock that stands still says nothing of the time that a client lives in.
        """
        return self.now() / SECOND if self.clock.is_running else wall_clock() / SECOND

    def time_headers(self) -> str:
        """Return what every answer tells of the exchange's time, as header lines."""
        running = "running" if self.clock.is_running else "standing"
        return f"x-exchange-time: {rfc3339(self.now())}\r\nx-exchange-clock: {running}\r\n"

    def _pass_time(self, body: Any) -> Response:
        """Let a clock that stands still go on: a client that has to wait asks for it."""
        wait: Any = body.get("seconds") if isinstance(body, Mapping) else None
        is_number = isinstance(wait, int | float) and not isinstance(wait, bool)
        if not is_number or not 0 <= wait <= LONGEST_WAIT_SECONDS:
            raise invalid(f"seconds must be 0 to {LONGEST_WAIT_SECONDS}, got {str(wait)[:40]}")
        if not self.clock.is_running:
            self.advance_to(self.clock.now() + int(wait * SECOND))
        return Response(200, {"now": rfc3339(self.clock.now())})

    def _answer(
        self, method: str, path: str, query: str | Mapping[str, Any] | None, body: Any
    ) -> Response:
        try:
            if (method, path) == ("POST", ADVANCE_PATH):
                return self._pass_time(body)
            route, parts = find_route(method, path)
            named = tuple(unquote(part) for part in parts)
            request = Request(Query.read(query), body, named)
            return Response(200, route.handler(self.venue, request))
        except ApiError as error:
            return error.reply

    def needs_token(self, method: str, path: str) -> bool:
        """Whether a path is private; unknown paths are."""
        try:
            return not find_route(method, path)[0].is_public
        except ApiError:
            return not path.startswith(f"{PREFIX}/market/")

    def log_refused(self, method: str, path: str, query: str, reply: Response) -> None:
        """Log a request that was turned away before it reached the exchange."""
        with self._exclusive():
            self._write_log(method, path, query, None, reply, None)

    # -- time and the world -------------------------------------------------------------------

    def now(self) -> int:
        """Time of the exchange, in microseconds since 1970."""
        with self._exclusive():
            return self.clock.now()

    def advance_to(self, at: int) -> None:
        """Let time pass: every trigger, fill and event on the way happens, in order."""
        with self._exclusive():
            self.clock.move_to(at)
            self.venue.matching.advance(at)
            self.save()

    def plant_jump(self, product_id: str, jump: Jump) -> None:
        """Let a price jump at a moment that is still to come."""
        with self._exclusive():
            now = self.clock.now()
            if jump.at <= now:
                raise InputError(
                    f"{product_id}: a jump at {rfc3339(jump.at)} is not ahead of {rfc3339(now)}"
                )
            self.venue.matching.advance(now)
            self.venue.matching.market.plant_jump(product_id, jump)
            for name in self.venue.catalogue:
                self.venue.matching.agenda.path_changed(name)
            self._state.begin()
            self._state.put_jump(product_id, jump)
            self._state.commit()

    def happen(self, kind: str, data: dict[str, Any]) -> None:
        """Let something of the ``world`` part of a schedule happen now."""
        with self._exclusive():
            now = self.clock.now()
            self.venue.matching.agenda.schedule(now, kind, data)
            self.venue.matching.advance(now)
            self.save()

    # -- memory -------------------------------------------------------------------------------

    def save(self, meta: Mapping[str, str] | None = None) -> None:
        """Write what has changed; once it returns, it outlives the process."""
        matching, agenda = self.venue.matching, self.venue.matching.agenda
        if self._state.is_kept:
            self._state.begin()
            self._state.put_meta({**self._small_facts(), **(meta or {})})
            for owner, wallets in self.venue.books.items():
                if wallets.dirty:
                    self._state.put_wallets(owner, wallets)
            self._state.put_orders(matching.orders[each] for each in matching.changed_orders)
            self._state.put_fills(matching.new_fills)
            self._state.put_events(agenda.added, agenda.done)
            for flag in self.happenings.flipped:
                self._state.put_flag(*flag)
            self._state.commit()
        for changes in (matching.new_fills, agenda.added, agenda.done, self.happenings.flipped):
            changes.clear()
        matching.changed_orders.clear()

    def _small_facts(self) -> dict[str, str]:
        matching = self.venue.matching
        facts = {
            "now": str(self.clock.now()),
            "event_count": str(matching.agenda.event_count),
        }
        if self.faults.counts:
            facts["fault_memory"] = json.dumps(self.faults.memory)
        partial, failures = matching.world.partial_fills, matching.world.failures
        if partial or failures or self._had_traps:
            self._had_traps = bool(partial or failures)
            facts["partial_fills"] = json.dumps({k: str(v) for k, v in partial.items()})
            facts["failures"] = json.dumps(failures)
        if self.venue.oddities.is_dirty:
            facts["oddities"] = self.venue.oddities.to_text()
        if self.happenings.fees_changed:
            tier = matching.costs.tiers[0]
            facts["changed_fees"] = f"{tier.maker} {tier.taker}"
        return facts

    def close(self) -> None:
        """Save and let go of the files."""
        with self._exclusive():
            self.save()
            self._state.close()
            if self._log is not None:
                self._log.close()

    def _write_log(
        self,
        method: str,
        path: str,
        query: str | Mapping[str, Any] | None,
        body: Any,
        reply: Response,
        rule: FaultRule | None,
    ) -> None:
        if self._log_file is None and not self._keeps_log:
            return
        line = {
            "wall_time": rfc3339(wall_clock()),
            "exchange_time": rfc3339(self.clock.now()),
            "method": method,
            "path": path,
            "query": query if isinstance(query, str) else dict(query or {}),
            "body": body,
            "status": reply.status,
            "reply": _logged(reply),
            "changing": is_changing(method, path),
            "fault": rule.kind if rule else None,
        }
        if self._keeps_log:
            self.request_log.append(line)
        if self._log_file is not None and self._log is None:
            self._log = self._log_file.open("a", encoding="utf-8")
        if self._log is not None:
            self._log.write(json.dumps(line, default=str) + "\n")
            self._log.flush()


def is_changing(method: str, path: str) -> bool:
    """Whether a request may change orders or money."""
    try:
        return find_route(method, path)[0].is_changing
    except ApiError:
        return method not in ("GET", "HEAD") and path != ADVANCE_PATH


def _logged(reply: Response) -> Any:
    if reply.text is not None:
        return reply.text[:_LONGEST_LOGGED]
    payload = reply.payload
    if isinstance(payload, dict):
        for name in ("candles", "products"):
            if len(payload.get(name) or ()) > 20:
                return {name: f"{len(payload[name])} left out"}
    return payload

"""
The gate: whether today runs at all, which day it is, and who answers for the exchange (step 0).

It decides before anything is claimed or sent. The day is the exchange's own, whatever the machine
thinks.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from tf_lib.app.connection import (
    START_OF_DAY,
    Connection,
    ExchangeEndpoint,
    candles_stale,
    check_candles_reach,
    check_key_file,
    connect,
    has_own_clock,
    open_endpoint,
)
from tf_lib.app.options import RunOptions
from tf_lib.errors import ExchangeError, ParameterError, PreflightRefused
from tf_lib.exchange.clock import wall_now
from tf_lib.exchange.patience import Patience
from tf_lib.execution.order_check import PLAN_AGE_LIMIT
from tf_lib.notify.mail_file import mail_file_problems
from tf_lib.parameters import Config
from tf_lib.safety.preflight import check_account
from tf_lib.store.heartbeat import Heartbeat
from tf_lib.store.ledger import LEDGER_FILE, Ledger
from tf_lib.store.run_folder import ProfileFolder

_THEN = "run again within the gate, or with --force-run"
_MIDNIGHT_WAIT = dt.timedelta(seconds=30)
_TIME_TO_TRADE = dt.timedelta(minutes=1)
"""A run that is taken up later than this before its plan is too old could trade nothing."""

_FORCED_PATIENCE = dt.timedelta(minutes=10)


@dataclass(frozen=True)
class Verdict:
    """
    What the gate says.

    Attributes
    ----------
    day : date
    event : str
        Why there is nothing to run (``gate_skip``, ``already_ran``); empty when there is.
    facts : mapping
        What is told with it.
    """

    day: dt.date
    event: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


def check_date(date: dt.date | None, config: Config, profile: str) -> None:
    """
    Refuse a day that is not ours to choose, and today where the candles ended long ago.

    Raises
    ------
    ParameterError
    """
    if date is None:
        check_candles_reach(config, wall_now().date())
    elif not has_own_clock(config):
        raise ParameterError(
            f"--date moves the embedded simulated exchange's clock; profile {profile} has "
            f"exchange.kind {config.exchange.kind}, whose day is not ours to choose"
        )


@dataclass
class Gate:
    """What is asked before a day is begun."""

    options: RunOptions
    config: Config
    folder: ProfileFolder
    heartbeat: Heartbeat
    patience: Patience = field(init=False)
    _ledger: Ledger | None = field(default=None, init=False)
    _known: tuple[ExchangeEndpoint, Connection] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Be patient for as long as the gate is open."""
        open_for = dt.timedelta(minutes=self.options.gate_minutes + 1)
        most = _FORCED_PATIENCE if self.options.force_run else open_for
        self.patience = Patience(
            most=most.total_seconds(),
            tell=lambda why: self.heartbeat.beat("reads_fail", why=why),
        )

    @property
    def ledger(self) -> Ledger:
        """The profile's ledger, read once: nobody else writes it under the state lock."""
        if self._ledger is None:
            self._ledger = Ledger(self.folder.state / LEDGER_FILE, wall_now)
        return self._ledger

    def decide(self) -> Verdict:
        """
        Return the day to run, or why this call has nothing to run.

        Raises
        ------
        PreflightRefused
            If a later day has run already, or the exchange cannot be asked for its time.
        """
        if has_own_clock(self.config):
            day = self.options.date or wall_now().date()
            now = dt.datetime.combine(day, START_OF_DAY, dt.UTC)
        else:
            now = self.outside_now()
            day = now.date()
            if self._is_closed(now) and not self._is_taken_up(day, now):
                window = f"{self.options.run_at_utc_hour:02d}:00-{self.options.gate_minutes:02d}"
                said = now.isoformat(timespec="seconds")
                return Verdict(day, "gate_skip", {"now": said, "window": window})
        if self.ledger.state.has_mark(day, "done") and not self.options.force_run:
            return Verdict(day, "already_ran", {"day": day.isoformat()})
        newest = max(self.ledger.state.marks, default=day)
        if newest > day and not has_own_clock(self.config):
            raise PreflightRefused(
                f"today is {day}, and {newest} has run already: the clock was set back. Nothing "
                "was sent; resting stops stay at the exchange. Set the clock (NTP) and run again."
            )
        self.patience.until = self._closing(now)
        return Verdict(day)

    def _is_closed(self, now: dt.datetime) -> bool:
        late = now.hour != self.options.run_at_utc_hour or now.minute > self.options.gate_minutes
        return late and not self.options.force_run

    def _is_taken_up(self, day: dt.date, now: dt.datetime) -> bool:
        """Whether a run of this day was killed or failed, and its plan may still be traded."""
        marks, plan = self.ledger.state.marks.get(day, {}), self.ledger.state.plans.get(day)
        if "claimed" not in marks or "done" in marks:
            return False
        began = marks["claimed"]["at"] if plan is None else plan["planned_at"]
        return now - dt.datetime.fromisoformat(began) < PLAN_AGE_LIMIT - _TIME_TO_TRADE

    def _closing(self, now: dt.datetime) -> dt.datetime:
        """Return until when reads are made again before anything was sent."""
        if self.options.force_run:
            return now + _FORCED_PATIENCE
        hour = START_OF_DAY.hour if has_own_clock(self.config) else self.options.run_at_utc_hour
        open_for = dt.timedelta(minutes=self.options.gate_minutes + 1)
        return dt.datetime.combine(now.date(), dt.time(hour), dt.UTC) + open_for

    def warnings(self, day: dt.date) -> list[str]:
        """
        Return what is wrong with candles and with files of the person who runs this.

        Raises
        ------
        PreflightRefused
            If others can use the key of the live profile.
        """
        stale = candles_stale(self.config, day)
        if stale is not None:
            self.heartbeat.beat("candles_stale", last=stale[0].isoformat(), day=day.isoformat())
        key = check_key_file(self.config, self.folder.profile)
        mail = mail_file_problems(os.environ) if self.config.notifications.email else []
        return [*([stale[1]] if stale else []), *([key] if key else []), *mail]

    def in_doubt(self) -> str:
        """Return why something may be without its stop, as far as the ledger knows, or nothing."""
        state = self.ledger.state
        if state.in_doubt:
            return state.in_doubt
        if state.bare_since:
            return f"without a stop when last seen: {', '.join(sorted(state.bare_since))}"
        unsettled = ", ".join(order.client_id for order in state.unsettled_orders())
        return f"orders whose end is not known: {unsettled}" if unsettled else ""

    def outside_now(self) -> dt.datetime:
        """Return the time of an exchange that is found by its address."""
        if self.config.exchange.clock == "wall":
            return wall_now()
        if self.config.exchange.kind == "paper":
            from tf_lib.app.paper import paper_now

            return paper_now(self.config, self.patience)
        with open_endpoint(self.config, self.folder, dt.date.min) as endpoint:
            try:
                return self.reached(endpoint).now()
            except ExchangeError as error:
                raise endpoint.unreachable(error, _THEN) from error

    def reached(self, endpoint: ExchangeEndpoint) -> Connection:
        """Return the connection to an endpoint; deciding on the day may have made it already."""
        if self._known is None or self._known[0] != endpoint:
            self._known = (endpoint, connect(endpoint, self.patience))
        return self._known[1]

    def checked(self, connection: Connection, endpoint: ExchangeEndpoint) -> str:
        """Return the portfolio's uuid once key and portfolio are right."""
        try:
            return check_account(connection.client.line, self.config.portfolio.name).uuid
        except ExchangeError as error:
            raise endpoint.unreachable(error, _THEN) from error

    def check_day(self, connection: Connection, endpoint: ExchangeEndpoint, day: dt.date) -> None:
        """Refuse a day that the exchange does not have: the machine's clock is wrong."""
        if endpoint.clock != "wall":
            return
        try:
            theirs = connection.client.line.server_time()
            midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
            if dt.timedelta(0) < midnight - theirs <= _MIDNIGHT_WAIT:
                # This machine is a little ahead: its day has begun, the exchange's is about to.
                connection.pause((midnight - theirs).total_seconds())
                theirs = connection.client.line.server_time()
        except ExchangeError as error:
            raise endpoint.unreachable(error, _THEN) from error
        if theirs.date() != day:
            raise PreflightRefused(
                f"this machine's clock says {wall_now():%Y-%m-%d %H:%M:%S} UTC, the exchange's "
                f"{theirs:%Y-%m-%d %H:%M:%S}: {day} is not its day. Nothing was sent; resting "
                "stops stay at the exchange. Set the clock (NTP) and run again."
            )

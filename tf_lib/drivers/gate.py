"""
The gate: whether today runs at all, which day it is, and who answers for the exchange (step 0).

It decides before anything is claimed or sent. The day is the exchange's own, whatever the machine
thinks.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from tf_lib.drivers.heartbeat import Heartbeat
from tf_lib.drivers.options import RunOptions
from tf_lib.drivers.place import Connection, Place, connect, has_own_clock, open_place
from tf_lib.drivers.preflight import check_account
from tf_lib.edge.clock import wall_now
from tf_lib.edge.ledger import FILE_NAME, Ledger
from tf_lib.edge.run_store import ProfileFolder
from tf_lib.errors import ExchangeError, PreflightRefused
from tf_lib.parameters import Config

_MIDNIGHT_WAIT = dt.timedelta(seconds=30)


@dataclass
class Gate:
    """What is asked before a day is begun."""

    options: RunOptions
    config: Config
    folder: ProfileFolder
    heartbeat: Heartbeat
    _ledger: Ledger | None = field(default=None, init=False)
    _known: tuple[Place, Connection] | None = field(default=None, init=False)

    @property
    def ledger(self) -> Ledger:
        """The profile's ledger, read once: nobody else writes it under the state lock."""
        if self._ledger is None:
            self._ledger = Ledger(self.folder.state / FILE_NAME, wall_now)
        return self._ledger

    def day(self) -> dt.date | None:
        """
        Return the day to run, or None when this call has nothing to do.

        Raises
        ------
        PreflightRefused
            If a later day has run already, or the exchange cannot be asked for its time.
        """
        if has_own_clock(self.config):
            day = self.options.date or wall_now().date()
        else:
            now = self.outside_now()
            day = now.date()
            late = now.hour != self.options.run_at_utc_hour
            late = late or now.minute > self.options.gate_minutes
            if late and not self.options.force_run:
                window = f"{self.options.run_at_utc_hour:02d}:00-{self.options.gate_minutes:02d}"
                said = now.isoformat(timespec="seconds")
                self.heartbeat.beat("gate_skip", now=said, window=window)
                return None
        if self.ledger.state.has_mark(day, "done") and not self.options.force_run:
            self.heartbeat.beat("already_ran", day=day.isoformat())
            return None
        newest = max(self.ledger.state.marks, default=day)
        if newest > day and not has_own_clock(self.config):
            raise PreflightRefused(
                f"today is {day}, and {newest} has run already: the clock was set back. Nothing "
                "was sent; resting stops stay at the exchange. Set the clock (NTP) and run again."
            )
        return day

    def outside_now(self) -> dt.datetime:
        """Return the time of an exchange that is found by its address."""
        if self.config.exchange.clock == "wall":
            return wall_now()
        if self.config.exchange.kind == "paper":
            from tf_lib.drivers.paper import paper_now

            return paper_now(self.config)
        with open_place(self.config, self.folder, dt.date.min) as place:
            try:
                return self.reached(place).now()
            except ExchangeError as error:
                raise _unreachable(place, error) from error

    def reached(self, place: Place) -> Connection:
        """Return the connection to a place; deciding on the day may have made it already."""
        if self._known is None or self._known[0] != place:
            try:
                self._known = (place, connect(place))
            except ExchangeError as error:
                raise _unreachable(place, error) from error
        return self._known[1]

    def checked(self, connection: Connection, place: Place) -> str:
        """Return the portfolio's uuid once key and portfolio are right."""
        try:
            return check_account(connection.client, self.config.portfolio.name).portfolio_uuid
        except ExchangeError as error:
            raise _unreachable(place, error) from error

    def check_day(self, connection: Connection, place: Place, day: dt.date) -> None:
        """Refuse a day that the exchange does not have: the machine's clock is wrong."""
        if place.clock != "wall":
            return
        try:
            theirs = connection.client.server_time()
            midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
            if dt.timedelta(0) < midnight - theirs <= _MIDNIGHT_WAIT:
                # This machine is a little ahead: its day has begun, the exchange's is about to.
                connection.pause((midnight - theirs).total_seconds())
                theirs = connection.client.server_time()
        except ExchangeError as error:
            raise _unreachable(place, error) from error
        if theirs.date() != day:
            raise PreflightRefused(
                f"this machine's clock says {wall_now():%Y-%m-%d %H:%M:%S} UTC, the exchange's "
                f"{theirs:%Y-%m-%d %H:%M:%S}: {day} is not its day. Nothing was sent; resting "
                "stops stay at the exchange. Set the clock (NTP) and run again."
            )


def _unreachable(place: Place, error: ExchangeError) -> PreflightRefused:
    where = place.base_url or "the real exchange"
    return PreflightRefused(
        f"the exchange at {where} cannot be reached: {error}. Nothing was sent; resting stops stay "
        "at the exchange. Check the network and run again within the gate, or with --force-run."
    )

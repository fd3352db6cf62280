"""The simulated exchange as one object: settings in, an address and files out."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tf_lib.errors import InputError, StateError
from tf_lib.simulator.dispatcher import Engine
from tf_lib.simulator.faults.rules import FaultPlan, Faults, fault_rule, read_faults
from tf_lib.simulator.faults.scheduled_events import set_delays, thin_out
from tf_lib.simulator.prices.paths import Jump
from tf_lib.simulator.settings import SimulatorSettings
from tf_lib.simulator.simulated_clock import SimulatedClock, micros, moment, start_of, wall_clock
from tf_lib.simulator.start_up import begin_events, begin_world, make_venue, open_state
from tf_lib.simulator.storage.state import State

if TYPE_CHECKING:
    from tf_lib.simulator.wire.server import Server


@dataclass(frozen=True)
class Endpoint:
    """Where a started exchange is found; `base_url` is host:port, as the official SDK takes it."""

    base_url: str
    ca_file: Path
    key_file: Path
    portfolio_uuid: str
    ed25519_key_file: Path

    def to_mapping(self) -> dict[str, str]:
        """Return the line a standalone exchange prints."""
        names = ("base_url", "ca_file", "key_file", "portfolio_uuid")
        return {name: str(getattr(self, name)) for name in names}


class SimulatedExchange:
    """
    A simulated Coinbase, in this process.

    `engine` answers requests without any wire; `start` opens the wire. All moments are aware
    UTC datetimes. `stop` ends it for good, also as the end of a ``with`` block.

    Parameters
    ----------
    settings : SimulatorSettings
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = replace(
            settings, candles=None, intraday={}
        )  # the market has its own arrays
        plan = read_faults(settings.faults)
        self._state = State(settings.state_file)
        try:
            self.engine = self._opened(settings, plan)
        except BaseException:
            self._state.close()
            raise
        self._server: Server | None = None
        self._ending = ExitStack()
        self._ending.callback(self.engine.close)

    def _opened(self, settings: SimulatorSettings, plan: FaultPlan) -> Engine:
        first = start_of(settings.as_of) if settings.as_of else wall_clock()
        now = int(self._state.meta("now", str(first)))
        if settings.running and settings.as_of is None:
            now = max(now, wall_clock())
        venue = make_venue(settings, self._state, now, plan)
        engine = Engine(
            venue,
            SimulatedClock(now, step=settings.step_ms * 1000, is_running=settings.running),
            self._state,
            Faults(plan, json.loads(self._state.meta("fault_memory", "[]"))),
            log_file=settings.log_file,
            keeps_log=settings.keeps_log,
        )
        open_state(engine, self._state, settings.starting_cash)
        begin_world(engine, self._state, plan.world)
        begin_events(engine, self._state, plan.events)
        return engine

    # -- life ---------------------------------------------------------------------------------

    def start(self) -> Endpoint:
        """Listen on loopback over TLS and say where."""
        from tf_lib.simulator.wire.credentials import open_credentials
        from tf_lib.simulator.wire.server import Server
        from tf_lib.simulator.wire.tokens import TokenCheck

        if self._server is not None:
            raise StateError("the simulated exchange is already started")
        portfolio_uuid = self.engine.venue.rights.portfolio.uuid
        credentials = open_credentials(self._credentials_folder(), portfolio_uuid)
        hosts: set[str] = set()
        skew = self.engine.venue.matching.world.token_skew_seconds
        tokens = TokenCheck(
            credentials, hosts, skew_seconds=skew, now=lambda: self.engine.date_seconds()
        )
        try:
            server = Server(self.engine, tokens, credentials.server_file, self.settings.port)
        except OSError as error:
            raise InputError(
                f"cannot listen on port {self.settings.port}: {error.strerror}"
            ) from None
        hosts |= {f"{host}:{server.server_port}" for host in ("127.0.0.1", "localhost", "[::1]")}
        self._server = server
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        thread.start()
        self._ending.callback(thread.join, timeout=5)
        self._ending.callback(server.stop)
        return Endpoint(
            base_url=f"127.0.0.1:{server.server_port}",
            ca_file=credentials.ca_file,
            key_file=credentials.key_file,
            portfolio_uuid=portfolio_uuid,
            ed25519_key_file=credentials.ed25519_key_file,
        )

    def stop(self) -> None:
        """Close the door, save, and let go of the state; the object is done after it."""
        self._ending.close()

    def __enter__(self) -> Self:
        """Enter a block that ends with `stop`; `start` is still the caller's."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop it."""
        self.stop()

    # -- time and the world -------------------------------------------------------------------

    def now(self) -> dt.datetime:
        """Time of the exchange."""
        return moment(self.engine.now())

    def advance_to(self, to: dt.datetime) -> None:
        """
        Let time pass at the exchange; everything on the way happens in order.

        Raises
        ------
        InputError
            The clock cannot go back.
        """
        self.engine.advance_to(micros(to))

    @property
    def request_log(self) -> list[dict[str, Any]]:
        """Every request so far, as the log file has it; never a token."""
        return self.engine.request_log

    def plant_jump(
        self,
        product_id: str,
        at: dt.datetime,
        price: Decimal,
        *,
        hold_until: dt.datetime | None = None,
    ) -> None:
        """Let a price jump at a moment ahead; it holds, then runs to the day's next corner."""
        begin = micros(at)
        end = micros(hold_until) if hold_until else begin
        self.engine.plant_jump(product_id, Jump(begin, price, end))

    def set_delays(self, **delays: object) -> None:
        """Set delays by the names of a schedule's ``world`` part."""
        set_delays(self.engine.venue, delays)

    def thin_out(self, fractions: Mapping[str, object]) -> None:
        """Let the next order of each product that trades fill only this fraction."""
        thin_out(self.engine.venue, fractions)

    def set_flag(self, product_id: str, name: str, value: object) -> None:
        """Flip a flag of a product now, for example ``cancel_only``."""
        self.engine.happen("flags", {"product": product_id, "flag": name, "value": value})

    def deposit(self, currency: str, amount: Decimal) -> None:
        """Let money or units appear from outside; below zero they leave."""
        self.engine.happen("deposits", {"currency": currency, "amount": format(amount, "f")})

    def place_by_hand(
        self, product_id: str, side: str, configuration: Mapping[str, Any], *, source: str = ""
    ) -> None:
        """Let the customer place an order outside this client; a refused one is not made."""
        data = {"product": product_id, "side": side, "source": source}
        configured = {"order_configuration": dict(configuration)}
        self.engine.happen("foreign_orders", data | configured)

    def add_fault(self, **rule: object) -> None:
        """Let one more fault rule count from now on, written as in a schedule."""
        self.engine.faults.add(fault_rule(rule))

    def clear_faults(self) -> None:
        """Forget every fault rule."""
        self.engine.faults.clear()

    def _credentials_folder(self) -> Path:
        state_file = self.settings.state_file
        if state_file is not None:
            return state_file.with_name(f"{state_file.stem}_keys")
        folder = tempfile.TemporaryDirectory(prefix="tf_simulator_")
        return Path(self._ending.enter_context(folder))

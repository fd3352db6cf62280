"""The simulated exchange as one object: settings in, an address and files out."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tf_lib.core.records import Product
from tf_lib.errors import InputError, StateError
from tf_lib.simulator.bars import DayBars
from tf_lib.simulator.catalogue import Catalogue, rules_for
from tf_lib.simulator.clock import ExchangeClock, micros, moment, start_of, wall_clock
from tf_lib.simulator.engine import Engine
from tf_lib.simulator.faults import Faults, fault_rule, read_faults
from tf_lib.simulator.happenings import plant, set_delays
from tf_lib.simulator.market import Market, PathMarket
from tf_lib.simulator.matching import Costs, Matching
from tf_lib.simulator.paths import Jump
from tf_lib.simulator.settings import SimulatorSettings
from tf_lib.simulator.state import VERSION, State
from tf_lib.simulator.venue import KeyRights, Portfolio, Venue, derived_uuid
from tf_lib.simulator.wallets import Wallets

if TYPE_CHECKING:
    from tf_lib.simulator.server import Server


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
        return {
            "base_url": self.base_url,
            "ca_file": str(self.ca_file),
            "key_file": str(self.key_file),
            "portfolio_uuid": self.portfolio_uuid,
        }


class SimulatedExchange:
    """
    A simulated Coinbase, in this process.

    `engine` answers requests without any wire; `start` opens the wire. All moments are aware
    UTC datetimes. `stop` ends it for good, also as the end of a ``with`` block.

    Parameters
    ----------
    settings : SimulatorSettings
    market : Market or None
        Where prices come from; None builds it from the settings.
    """

    def __init__(self, settings: SimulatorSettings, *, market: Market | None = None) -> None:
        self.settings = settings
        plan = read_faults(settings.faults)
        self._state = State(settings.state_file)
        first = start_of(settings.as_of) if settings.as_of else wall_clock()
        now = int(self._state.meta("now", str(first)))
        if settings.running and settings.as_of is None:
            now = max(now, wall_clock())
        self._clock = ExchangeClock(now, step=settings.step_ms * 1000, is_running=settings.running)
        catalogue, made = _products_and_market(settings, market)
        portfolios = self._portfolios()
        opened = int(self._state.meta("opened", str(now)))
        venue = _venue(settings, catalogue, market or made, portfolios, now, opened)
        log = None
        if settings.log_file is not None:
            settings.log_file.parent.mkdir(parents=True, exist_ok=True)
            log = settings.log_file.open("a", encoding="utf-8")
        counts = json.loads(self._state.meta("fault_counts", "[]"))
        self.engine = Engine(
            venue,
            self._clock,
            self._state,
            Faults(plan, counts),
            log=log,
            keeps_log=settings.keeps_log,
        )
        self._open_state(venue, now)
        self._begin_world(venue, plan.world)
        self._is_closed = False
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    # -- life ---------------------------------------------------------------------------------

    def start(self) -> Endpoint:
        """Listen on loopback over TLS and say where."""
        from tf_lib.simulator.credentials import open_credentials
        from tf_lib.simulator.server import Server
        from tf_lib.simulator.tokens import TokenCheck

        if self._server is not None:
            raise StateError("the simulated exchange is already started")
        portfolio_uuid = self.engine.venue.rights.portfolio.uuid
        credentials = open_credentials(self._credentials_folder(), portfolio_uuid)
        hosts: set[str] = set()
        tokens = TokenCheck(credentials, hosts)
        try:
            server = Server(self.engine, tokens, credentials.server_file, self.settings.port)
        except OSError as error:
            raise InputError(
                f"cannot listen on port {self.settings.port}: {error.strerror}"
            ) from None
        hosts |= {f"{host}:{server.server_port}" for host in ("127.0.0.1", "localhost", "[::1]")}
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()
        return Endpoint(
            base_url=f"127.0.0.1:{server.server_port}",
            ca_file=credentials.ca_file,
            key_file=credentials.key_file,
            portfolio_uuid=portfolio_uuid,
            ed25519_key_file=credentials.ed25519_key_file,
        )

    def stop(self) -> None:
        """Close the door, save, and let go of the state; the object is done after it."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._thread = None
        if not self._is_closed:
            self._is_closed = True
            self.engine.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> Self:
        """Enter a block that ends with `stop`; `start` is still the caller's."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
        """Set delays and partial fills by the names of a schedule's ``world`` part."""
        set_delays(self.engine.venue, delays)

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

    # -- making -------------------------------------------------------------------------------

    def _portfolios(self) -> tuple[Portfolio, ...]:
        settings = self.settings
        place = str(settings.state_file.resolve()) if settings.state_file else "memory"
        made = derived_uuid("portfolio", place, str(settings.seed), settings.portfolio_name)
        named = self._state.meta("portfolio_uuid", made)
        name = self._state.meta("portfolio_name", settings.portfolio_name)
        default = Portfolio("Default", derived_uuid("default", named), "DEFAULT")
        return default, Portfolio(name, named, "CONSUMER")

    def _open_state(self, venue: Venue, now: int) -> None:
        """Put a stored exchange back, or make a new one with its starting cash."""
        state, settings = self._state, self.settings
        if state.meta("version"):
            for owner, wallets in venue.books.items():
                state.restore_wallets(owner, wallets)
            events = state.events()
            count = int(state.meta("event_count", "0"))
            venue.matching.restore(state.orders(), state.fills(), events, count)
            for product_id, name, value in state.flags():
                venue.catalogue.flip(product_id, name, value)
            for product_id, jump in state.jumps():
                venue.matching.market.plant_jump(product_id, jump)
            return
        for owner, wallets in venue.books.items():
            is_named = owner == venue.portfolios[1].uuid
            wallets.deposit("USD", settings.starting_cash if is_named else Decimal(0))
        state.begin()
        state.put_meta(
            {
                "version": VERSION,
                "portfolio_uuid": venue.portfolios[1].uuid,
                "portfolio_name": venue.portfolios[1].name,
                "opened": str(now),
            }
        )
        state.commit()
        self.engine.save()

    def _begin_world(self, venue: Venue, world: Mapping[str, Any]) -> None:
        """Set the delays; plant what has a moment, unless this state already has it."""
        set_delays(venue, world)
        print_of_world = hashlib.sha256(repr(world).encode()).hexdigest()
        if not world or self._state.meta("world") == print_of_world:
            return
        for product_id, jump in plant(venue, world):
            self.engine.plant_jump(product_id, jump)
        self._state.begin()
        self._state.put_meta({"world": print_of_world})
        self._state.commit()
        self.engine.save()

    def _credentials_folder(self) -> Path:
        state_file = self.settings.state_file
        if state_file is not None:
            return state_file.with_name(f"{state_file.stem}_keys")
        self._folder = tempfile.TemporaryDirectory(prefix="tf_simulator_")
        return Path(self._folder.name)


def _products_and_market(
    settings: SimulatorSettings, market: Market | None
) -> tuple[Catalogue, PathMarket]:
    bars: dict[str, DayBars] | None = None
    if settings.candles is not None:
        bars = {name: DayBars.from_frame(name, f) for name, f in settings.candles.items()}
    tickers = sorted(bars if bars is not None else settings.tickers)
    if market is not None:
        tickers, bars = list(market.product_ids), None
    rules: dict[str, Product] = rules_for(tickers, settings.products, bars)
    if bars is None and market is None:
        from tf_lib.simulator.synthetic import synthetic_bars

        ticks = {name: product.price_increment for name, product in rules.items()}
        bars = synthetic_bars(tickers, seed=settings.seed, ticks=ticks)
    return Catalogue(rules), PathMarket(bars or {}, rules)


def _venue(
    settings: SimulatorSettings,
    catalogue: Catalogue,
    market: Market,
    portfolios: tuple[Portfolio, ...],
    now: int,
    opened: int,
) -> Venue:
    books = {portfolio.uuid: Wallets() for portfolio in portfolios}
    wanted = settings.key_bound_to or portfolios[1].name
    bound = next((p for p in portfolios if p.name == wanted), None)
    if bound is None:
        names = ", ".join(portfolio.name for portfolio in portfolios)
        raise InputError(f"no portfolio {wanted!r} to bind the key to; there are {names}")
    matching = Matching(
        market,
        catalogue,
        books[bound.uuid],
        portfolio_uuid=bound.uuid,
        costs=Costs(settings.slippage, settings.maker_fee, settings.taker_fee),
        now=now,
    )
    rights = KeyRights(bound, can_trade=settings.can_trade, can_transfer=settings.can_transfer)
    return Venue(matching, catalogue, portfolios, books, rights, opened)

"""
The endpoint: which exchange a profile speaks to, and how it is reached.

`simulated` without an address is embedded: it lives in the launcher's process, with its state
in the profile's folder and its clock moved to 00:01 UTC of the day. Everything else is found
by its address.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_lib.errors import ParameterError, PreflightRefused
from tf_lib.exchange.clock import ExchangeClock, now_source, wall_now
from tf_lib.exchange.factory import open_exchange
from tf_lib.exchange.hosts import is_loopback
from tf_lib.exchange.patience import Patience
from tf_lib.exchange.port import Exchange
from tf_lib.parameters import Config
from tf_lib.store import files

if TYPE_CHECKING:
    import pandas as pd

    from tf_lib.core.candles.intraday_bars import IntradayBars
    from tf_lib.simulator.faults.account_events import RenameEvent
    from tf_lib.store.run_folder import ProfileFolder

START_OF_DAY = dt.time(0, 1)
EXCHANGE_FILE = "exchange.sqlite"
LIVE_PROFILE = "live"
_LATE_DAYS = 7
"""A folder that somebody keeps up to date may be some days behind."""


@dataclass(frozen=True)
class ExchangeEndpoint:
    """Where the exchange is; no secret, so that it may be written down."""

    base_url: str | None
    ca_file: str | None
    key_file: str | None
    clock: str
    is_embedded: bool

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values."""
        return dict(self.__dict__)

    @classmethod
    def from_mapping(cls, record: Mapping[str, Any]) -> ExchangeEndpoint:
        """Read back what `to_mapping` wrote."""
        return cls(**record)

    def unreachable(self, error: Exception, then: str) -> PreflightRefused:
        """Return the refusal that says this exchange cannot be reached, and what to do `then`."""
        return PreflightRefused(
            f"the exchange at {self.base_url or 'the real exchange'} cannot be reached: {error}. "
            f"Nothing was sent; resting stops stay at the exchange. Check the network and {then}."
        )


@dataclass(frozen=True)
class Connection:
    """A client, and time as its exchange counts it."""

    client: Exchange
    now: Callable[[], dt.datetime]
    pause: Callable[[float], None]

    def with_patience(self, patience: Patience | None) -> Connection:
        """Let its reads be made again for so long, in its own time; return itself."""
        if patience is not None:
            patience.now, patience.pause = self.now, self.pause
        self.client.line.patience = patience
        return self


def is_embedded(config: Config) -> bool:
    """Whether the exchange lives in the launcher's own process."""
    return config.exchange.kind in ("simulated", "paper") and config.exchange.base_url is None


def has_own_clock(config: Config) -> bool:
    """Whether the day is the exchange's own affair, so that no gate of the wall applies."""
    return config.exchange.kind == "simulated" and config.exchange.base_url is None


def last_day_known(config: Config, days: Collection[dt.date]) -> dt.date:
    """
    Return today, as far as it is known without asking an exchange.

    Parameters
    ----------
    days : collection of date
        Those that the profile has run: the last of them where the exchange has a clock of its own.
    """
    has_clock = has_own_clock(config) or config.exchange.clock == "exchange"
    return max(days) if has_clock and days else wall_now().date()


def candles_stale(config: Config, day: dt.date) -> tuple[dt.date, str] | None:
    """Return the last day of a candle folder that ends before yesterday, and that in words."""
    if not has_own_clock(config) or config.exchange.candles == "synthetic":
        return None
    from tf_lib.store.candle_csv import last_day_of_candles

    folder = Path(config.exchange.candles)
    last = last_day_of_candles(folder, config.universe.sorted_tickers)
    gap = (day - last).days if last is not None else 0
    if last is None or gap <= 1:
        return None
    return last, f"candles in {folder} are stale: they end on {last}, {gap} days before {day}"


def check_candles_reach(config: Config, today: dt.date) -> None:
    """
    Refuse to run as of today where the candles ended long ago: the clock would not come back.

    Raises
    ------
    ParameterError
        With the last day and an option that names one.
    """
    found = candles_stale(config, today)
    if found is None or (today - found[0]).days <= _LATE_DAYS:
        return
    raise ParameterError(
        f"{found[1]}. Without --date the simulated exchange would move to today, and its time does "
        f"not go back. Name the day: --date {found[0] + dt.timedelta(days=1)} is the last one with "
        "all of its candles. Nothing was run."
    )


def check_endpoint(config: Config, profile: str) -> None:
    """
    Refuse an exchange that must not be spoken to.

    Real money is reached in one way only: kind ``coinbase`` without an address of its own, under
    the profile that is called ``live``. So no copied or half-edited file trades by accident.

    Raises
    ------
    PreflightRefused
        If the address is not on this machine and this is not that one way.
    ParameterError
        If the exchange's own clock is asked for where only the wall's may count.
    """
    exchange = config.exchange
    if is_embedded(config):
        return
    if exchange.clock == "exchange" and not is_loopback(exchange.base_url):
        raise ParameterError("exchange.clock: 'exchange' is refused for the real host, use wall")
    if is_loopback(exchange.base_url):
        return
    if exchange.faults is not None:
        raise ParameterError(
            f"exchange.faults: {exchange.faults}: only a simulated exchange goes wrong by "
            f"schedule, and exchange.kind is {exchange.kind}; take the line out"
        )
    is_real = exchange.kind == "coinbase" and exchange.base_url is None
    if not is_real or profile != LIVE_PROFILE:
        raise PreflightRefused(
            f"profile {profile} has exchange.kind {exchange.kind} at "
            f"{exchange.base_url or 'the real exchange'}: orders go to a host on this machine, or "
            "to the real exchange under --profile live (or --config with a file named live.yaml) "
            "with exchange.kind coinbase and no base_url. Nothing was sent."
        )


def key_file_problem(config: Config) -> str:
    """Return what is wrong with the permissions of the key file, or nothing."""
    named = config.exchange.key_file
    return "" if named is None or is_embedded(config) else files.key_file_openness(Path(named))


def check_key_file(config: Config, profile: str) -> str:
    """
    Return what is wrong with the permissions of the key file, or nothing.

    Raises
    ------
    PreflightRefused
        If others can use the key of the live profile. Guard and protect do not ask: a stop that
        is missing is worse.
    """
    problem = key_file_problem(config)
    if problem and profile == LIVE_PROFILE:
        raise PreflightRefused(
            f"{problem}. Whoever read it can trade. Nothing was sent; resting stops stay. If "
            "others use this machine, make a new key."
        )
    return problem


@contextlib.contextmanager
def open_endpoint(
    config: Config,
    folder: ProfileFolder,
    day: dt.date | None,
    *,
    copy_to: Path | None = None,
    patience: Patience | None = None,
) -> Iterator[ExchangeEndpoint]:
    """
    Yield where the exchange is; an embedded one runs until the block ends.

    Parameters
    ----------
    day : date or None
        The clock of an embedded one moves to 00:01 UTC of this day; None leaves it where it is.
    copy_to : Path, optional
        An embedded one works on a copy there, so that neither its clock nor anything else of it
        moves.
    patience : Patience, optional
        For how long prices that paper trading wants are asked for when nobody answers.

    Raises
    ------
    ParameterError
        If `day` lies before the simulated exchange's own time.
    PreflightRefused
        If the exchange must not be spoken to.
    """
    check_endpoint(config, folder.profile)
    exchange, state = config.exchange, folder.state
    if not is_embedded(config):
        yield ExchangeEndpoint(
            exchange.base_url,
            exchange.ca_file,
            exchange.key_file,
            exchange.clock,
            is_embedded=False,
        )
        return
    from tf_lib.simulator import SimulatedExchange

    file = state / EXCHANGE_FILE
    if copy_to is not None:
        file = _copied(file, copy_to)
    with SimulatedExchange(embedded_settings(config, state, file, day, patience)) as embedded:
        if day is not None:
            _move_clock(embedded, day)
        endpoint = embedded.start()
        yield ExchangeEndpoint(
            base_url=endpoint.base_url,
            ca_file=str(endpoint.ca_file),
            key_file=str(endpoint.key_file),
            clock="exchange",
            is_embedded=True,
        )


def _copied(file: Path, folder: Path) -> Path:
    """Copy the exchange's state as one consistent whole, even while another process uses it."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / file.name
    if file.exists():
        with (
            contextlib.closing(sqlite3.connect(file)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    return copy


def embedded_settings(
    config: Config, state: Path, file: Path, day: dt.date | None, patience: Patience | None = None
) -> Any:
    """Return the settings of the exchange that lives in this process."""
    from tf_lib.simulator import SimulatorSettings
    from tf_lib.simulator.faults.account_events import renames
    from tf_lib.simulator.faults.rules import read_faults

    candles: Mapping[str, pd.DataFrame] | None
    exchange, costs = config.exchange, config.execution_and_costs
    intraday: Mapping[str, IntradayBars] = {}
    plan = read_faults(Path(exchange.faults) if exchange.faults is not None else None)
    tickers = _listed(config, renames(plan.events))
    if exchange.kind == "paper":
        from tf_lib.app.paper import paper_market

        today = day or wall_now().date()
        candles, products = paper_market(config, state, today, patience=patience)
    else:
        from tf_lib.store.candle_csv import products_of

        folder = None if exchange.candles == "synthetic" else Path(exchange.candles)
        candles = None if folder is None else _candle_folder(folder, tickers)
        intraday = {} if folder is None else _intraday_of(folder, tickers)
        products = products_of(config, folder, tickers)
    return SimulatorSettings(
        candles=candles,
        intraday=intraday,
        tickers=tickers,
        products=products,
        starting_cash=Decimal(exchange.starting_cash),
        portfolio_name=config.portfolio.name,
        state_file=file,
        log_file=state / "exchange_requests.jsonl",
        as_of=day,
        seed=exchange.seed,
        slippage=Decimal(repr(costs.transaction_cost_est)),
        maker_fee=Decimal(repr(costs.maker_fee)),
        taker_fee=Decimal(repr(costs.taker_fee)),
        faults=plan,
    )


def _listed(config: Config, renamed: Sequence[RenameEvent]) -> tuple[str, ...]:
    """
    Return what the embedded exchange lists: the universe, and coins that are to be renamed.

    A coin's new name goes on from the old one's candles where it has no file of its own.
    """
    folder = None if config.exchange.candles == "synthetic" else Path(config.exchange.candles)
    coming = {
        each.to for each in renamed if folder is None or not (folder / f"{each.to}.csv").is_file()
    }
    before = {each.product for each in renamed}
    return tuple(sorted({*config.universe.tickers, *before} - coming))


def _candle_folder(folder: Path, tickers: tuple[str, ...]) -> Mapping[str, pd.DataFrame]:
    """Read a candle folder; one that has not changed is not read again for the next day."""
    files = [folder / f"{ticker}.csv" for ticker in tickers]
    stamps = tuple((f.stat().st_mtime_ns, f.stat().st_size) for f in files if f.is_file())
    return _read_once(folder, tickers, stamps)


def _intraday_of(folder: Path, tickers: tuple[str, ...]) -> Mapping[str, IntradayBars]:
    """Read shorter candles, where the folder has any; once, as `_candle_folder` reads."""
    from tf_lib.store.candle_csv import intraday_files

    stamps = tuple(
        (file.name, file.stat().st_mtime_ns, file.stat().st_size)
        for file in intraday_files(folder, tickers)
    )
    return _read_intraday_once(folder, tickers, stamps) if stamps else {}


@functools.lru_cache(maxsize=1)
def _read_intraday_once(
    folder: Path, tickers: tuple[str, ...], stamps: tuple[tuple[str, int, int], ...]
) -> Mapping[str, IntradayBars]:
    from tf_lib.store.candle_csv import read_intraday

    return read_intraday(folder, tickers)


@functools.lru_cache(maxsize=1)
def _read_once(
    folder: Path, tickers: tuple[str, ...], stamps: tuple[tuple[int, int], ...]
) -> Mapping[str, pd.DataFrame]:
    from tf_lib.store.candle_csv import read_candle_folder

    return read_candle_folder(folder, tickers)


def _move_clock(embedded: Any, day: dt.date) -> None:
    """Move the exchange to the day's start; a day it has passed cannot be run again."""
    start = dt.datetime.combine(day, START_OF_DAY, dt.UTC)
    now = embedded.now()
    if now.date() > day:
        raise ParameterError(
            f"--date {day}: the simulated exchange is already at {now:%Y-%m-%d %H:%M} UTC and its "
            "time does not go back. Use a later date or another --runs folder, or start this "
            "profile anew with tf reset, which moves its folder aside and deletes nothing."
        )
    if now < start:
        embedded.advance_to(start)


def connect(endpoint: ExchangeEndpoint, patience: Patience | None = None) -> Connection:
    """
    Make the client of an endpoint, with its clock; sends nothing yet.

    Parameters
    ----------
    patience : Patience, optional
        For how long its reads are made again when they fail.
    """
    client = open_exchange(endpoint.base_url, endpoint.ca_file, endpoint.key_file)
    if endpoint.clock != "exchange":
        told = Connection(client, now_source("wall", client.line), time.sleep)
        return told.with_patience(patience)
    now = now_source("exchange", client.line)

    def pause(seconds: float) -> None:
        """Wait in the exchange's time: one that stands still goes on when it is asked to."""
        if isinstance(now, ExchangeClock) and now.stands_still:
            client.line.advance_simulated(seconds)
        else:
            time.sleep(seconds)

    return Connection(client, now, pause).with_patience(patience)

"""
The stage: one exchange behind a fixed TLS address, and one profile that trades on it.

The exchange lives in this process, the profile's commands in children of a fork server. State of
both is copied and put back, so that every case starts from the same moment. The profile takes the
exchange's time for its own, or lives on a machine by the wall clock, as live: `live_on`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tests.oracle.exchange_state import ExchangeState, read_exchange
from tests.proofs import fork_server
from tests.proofs.fork_server import PROJECT, ForkServer
from tests.proofs.markets import PRODUCTS
from tests.proofs.wall import Door, Setting
from tf_lib.simulator import SimulatedExchange, SimulatorSettings
from tf_lib.simulator.prices.day_bars import DayBars
from tf_lib.simulator.simulated_clock import SECOND, wall_clock
from tf_lib.store.candle_csv import read_candle_folder

UNIVERSE = {
    "tickers": list(PRODUCTS),
    "sleeves": {
        "Core": {"weight": 0.6, "tickers": ["BTC-USD", "ETH-USD"]},
        "Alt": {"weight": 0.4, "tickers": ["ADA-USD", "XTZ-USD"]},
    },
}


def scratch_folder() -> Path:
    """Return a new folder, in memory where there is one."""
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="tf-proofs-", dir=parent))


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    said: str


@dataclass(frozen=True)
class Usage:
    """Seconds of CPU since the stage was made: of the commands, and of all else in here."""

    commands: float
    exchange: float


class Stage:
    """
    Exchange, profile and fork server of one worker.

    Parameters
    ----------
    folder : Path
        Of this stage alone; removed by `close`.
    candles : Path
        Candle folder.
    start : date
        Day at whose 00:01 UTC the exchange begins.
    sections : mapping
        Parameters beyond the defaults.
    """

    def __init__(
        self,
        folder: Path,
        candles: Path,
        start: dt.date,
        *,
        universe: Mapping[str, Any] = UNIVERSE,
        cash: str = "15000",
        faults: Mapping[str, Any] | None = None,
        **sections: Any,
    ) -> None:
        self.folder = folder
        self.cash = Decimal(cash)
        self.runs = folder / "runs"
        self.said = folder / "said.txt"
        self.late = folder / "late.json"
        self._world = folder / "exchange"
        self._world.mkdir(parents=True)
        tickers = list(universe["tickers"])
        frames = read_candle_folder(candles, tickers)
        self.settings = SimulatorSettings(
            candles={name: DayBars.from_frame(name, frame) for name, frame in frames.items()},
            starting_cash=self.cash,
            state_file=self._world / "exchange.sqlite",
            as_of=start,
            faults=faults,
        )
        self.setting: Setting | None = None
        self._step_ms = self.settings.step_ms
        self.exchange = SimulatedExchange(self.settings)
        self.endpoint = self.exchange.start()
        self._server = self.exchange._server
        self._first = self.exchange
        self._tell_dates()
        self._door = Door(folder / "door", self._passed)
        self._configs = {
            clock: self._write_config(clock, universe, sections) for clock in ("exchange", "wall")
        }
        self._codes: list[int] = []
        self._child_cpu = 0.0
        self._here_cpu = 0.0
        options = ["--config", str(self.config), "--runs", str(folder / "warm")]
        warm = ["run", *options, "--no-notebook", "--gate-minutes", "59", "--dry-run"]
        self._forks = ForkServer(warm, **self.environment, TMPDIR=str(self._world))
        shutil.rmtree(folder / "warm", ignore_errors=True)

    def _write_config(
        self, clock: str, universe: Mapping[str, Any], sections: Mapping[str, Any]
    ) -> Path:
        exchange = {
            "kind": "simulated",
            "base_url": f"https://{self.endpoint.base_url}",
            "ca_file": str(self.endpoint.ca_file),
            "key_file": str(self.endpoint.key_file),
            "clock": clock,
        }
        content = {
            "extends": str(PROJECT / "parameters" / "demo.yaml"),
            "notifications": {"email": False},
            "universe": dict(universe),
            "exchange": exchange,
            **sections,
        }
        path = self.folder / clock / "proof.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return path

    @property
    def config(self) -> Path:
        """The profile's parameters, with the clock that it lives by now."""
        return self._configs["wall" if self.setting else "exchange"]

    @property
    def environment(self) -> dict[str, str]:
        """What a command of the profile finds beside the environment of this process."""
        return {
            "TF_LOCK_DIR": str(self.folder / "locks"),
            "HOME": str(self.folder),
        }

    # -- commands ------------------------------------------------------------------------

    def call(self, name: str, *arguments: str, **order: Any) -> Ended:
        """Call a command of the profile in a child; a negative code is the signal it died of."""
        self.said.unlink(missing_ok=True)
        options = ["--config", str(self.config), "--runs", str(self.runs)]
        told: dict[str, Any] = {
            "arguments": [name, *options, *arguments],
            "root": str(self.profile),
            "said": str(self.said),
            "late": str(self.late),
        }
        if self.setting is not None:
            told |= {"setting": asdict(self.setting), "door": str(self.folder / "door")}
        answer = self._forks.ask(told | order)
        code, self._codes = answer["code"], answer["codes"]
        self._child_cpu += answer["cpu"]
        said = self.said.read_text(encoding="utf-8") if self.said.exists() else ""
        return Ended(code, said)

    def run_here(self) -> Ended:
        """Do the day in this process, which has imported everything: nobody is killed in it."""
        if self.setting is not None:
            return self.run()
        fork_server.prepare()
        options = ["--config", str(self.config), "--runs", str(self.runs)]
        arguments = ["run", *options, "--no-notebook", "--gate-minutes", "59"]
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        began = time.thread_time()
        try:
            code, said = fork_server.call(arguments)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
        self._here_cpu += time.thread_time() - began
        return Ended(code, said)

    def run_twice(self, **order: Any) -> list[int]:
        """Start the day's run twice at the same instant; return both exit codes."""
        self.call("run", "--no-notebook", "--gate-minutes", "59", times=2, **order)
        return self._codes

    def run(self, *arguments: str, **order: Any) -> Ended:
        """Do the day that the exchange has."""
        return self.call("run", "--no-notebook", "--gate-minutes", "59", *arguments, **order)

    def do(self, name: str, *arguments: str, **order: Any) -> Ended:
        """Call a command, the day's run with the options of `run`."""
        return (self.run if name == "run" else functools.partial(self.call, name))(
            *arguments, **order
        )

    def guard(self, **order: Any) -> Ended:
        return self.call("guard", **order)

    # -- time ----------------------------------------------------------------------------

    def live_on(self, setting: Setting | None) -> None:
        """Live by the wall clock of a machine, or by the exchange's, from the next beginning on."""
        self.setting = setting
        step = self._step_ms if setting is None else setting.late_ms
        self.settings = replace(self.settings, step_ms=step)

    @contextlib.contextmanager
    def living_on(self, setting: Setting | None) -> Iterator[None]:
        """Live on a machine within a block."""
        self.live_on(setting)
        try:
            yield
        finally:
            self.live_on(None)

    def _passed(self, seconds: float) -> dt.datetime:
        """Let a process sleep."""
        if seconds > 0:
            self.wait(seconds)
        return self.exchange.now()

    def _tell_dates(self) -> None:
        """Let ``Date`` and the check of tokens be of the time in which the profile lives."""

        def seconds() -> float:
            by_wall = self.setting is not None
            return (self.exchange.engine.now() if by_wall else wall_clock()) / SECOND

        for exchange in (self._first, self.exchange):
            exchange.engine.date_seconds = seconds  # type: ignore[method-assign]

    def go_to(self, day: dt.date, at: dt.time = dt.time(0, 1)) -> None:
        """Let time pass up to a moment of a day, by the clock of the machine."""
        ahead = self.setting.machine.shift if self.setting else 0.0
        moment = dt.datetime.combine(day, at, dt.UTC) - dt.timedelta(seconds=ahead)
        if moment > self.exchange.now():
            self.exchange.advance_to(moment)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.exchange.advance_to(self.exchange.now() + dt.timedelta(seconds=seconds))

    def do_day(self, day: dt.date, *arguments: str, **order: Any) -> Ended:
        self.go_to(day)
        return self.run(*arguments, **order)

    # -- looking -------------------------------------------------------------------------

    @property
    def profile(self) -> Path:
        return self.runs / "proof"

    @property
    def state(self) -> Path:
        return self.profile / "state"

    @property
    def ledger(self) -> Path:
        return self.state / "ledger.jsonl"

    def held(self) -> ExchangeState:
        """Return what the exchange holds, from its own file."""
        self.exchange.engine.save()
        return read_exchange(self._world / "exchange.sqlite")

    def product(self, product: str) -> dict[str, Any]:
        """Return what the exchange says of a product."""
        path = f"/api/v3/brokerage/market/products/{product}"
        return dict(self.exchange.engine.handle("GET", path)[1])

    def on_grid(self, product: str, value: Decimal, *, step: str = "price_increment") -> Decimal:
        """Round a price, or with another step a size, to what the exchange takes."""
        tick = Decimal(self.product(product)[step])
        return (value / tick).to_integral_value() * tick

    def count_changes(self) -> int:
        """Return how many changing requests the exchange has heard since it was put here."""
        return sum(1 for line in self.exchange.request_log if line["changing"])

    def cancel_by_hand(self, *order_ids: str) -> None:
        """Cancel orders as the customer does."""
        path, body = "/api/v3/brokerage/orders/batch_cancel", {"order_ids": list(order_ids)}
        self.exchange.engine.handle("POST", path, None, body)

    # -- keeping and putting back --------------------------------------------------------

    def keep(self, name: str) -> Path:
        """Copy the whole state under a name."""
        kept = self.folder / "kept" / name
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        self._close_exchange()
        shutil.copyfile(self._world / "exchange.sqlite", kept / "exchange.sqlite")
        if self.runs.exists():
            shutil.copytree(self.runs, kept / "runs", symlinks=True)
        self._open_exchange()
        return kept

    def put_back(self, kept: Path) -> None:
        """Begin again from a kept state."""
        self._close_exchange()
        for path in self._world.glob("exchange.sqlite*"):
            path.unlink()
        shutil.copyfile(kept / "exchange.sqlite", self._world / "exchange.sqlite")
        shutil.rmtree(self.runs, ignore_errors=True)
        if (kept / "runs").exists():
            shutil.copytree(kept / "runs", self.runs, symlinks=True)
        self.late.unlink(missing_ok=True)
        self._open_exchange()

    @contextlib.contextmanager
    def another_world(
        self, candles: Path, start: dt.date, setting: Setting | None
    ) -> Iterator[None]:
        """Begin anew on another market within a block: a fresh account, nothing of the old one."""
        usual = self.settings
        frames = read_candle_folder(candles, list(usual.candles or ()))
        bars = {name: DayBars.from_frame(name, frame) for name, frame in frames.items()}
        self.settings = replace(usual, candles=bars, as_of=start)
        try:
            with self.living_on(setting):
                self._close_exchange()
                for path in self._world.glob("exchange.sqlite*"):
                    path.unlink()
                shutil.rmtree(self.runs, ignore_errors=True)
                self._open_exchange()
                yield
        finally:
            self.settings = usual

    def usage(self) -> Usage:
        """Return the CPU that was used so far."""
        here = self._here_cpu
        return Usage(self._child_cpu + here, time.process_time() - here)

    def _close_exchange(self) -> None:
        self.exchange.engine.close()

    def _open_exchange(self) -> None:
        self.exchange = SimulatedExchange(self.settings)
        self._tell_dates()
        assert self._server is not None
        self._server.engine = self.exchange.engine

    def close(self) -> None:
        """End everything and leave nothing behind."""
        self._forks.close()
        self._door.close()
        if self._server is not None:
            self._server.stop()
        with contextlib.suppress(Exception):
            self.exchange.engine.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def stage(candles: Path, start: dt.date, **options: Any) -> Iterator[Stage]:
    """Yield a stage in a folder of its own."""
    made = Stage(scratch_folder() / "stage", candles, start, **options)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(made.folder.parent, ignore_errors=True)

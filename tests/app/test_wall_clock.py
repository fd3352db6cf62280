"""
`clock: wall`, as in live: the machine's clock is not the exchange's, and money must not notice.

The exchange runs in here, the profile's commands in processes of their own on a machine whose
time is off, drifts, or is set while they run.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import PROJECT, Profile, Said, end_of, must_end
from tests.app.remote import to_remote
from tests.oracle.exchange_state import ExchangeState, read_exchange
from tests.processes import begun
from tests.proofs.wall import Machine
from tf_lib.simulator import SimulatedExchange, SimulatorSettings

DAY = "2026-07-06"
KILLED = -9
ENTRY, PILOT = "-en", "-pi"


@dataclass
class World:
    """An exchange whose clock runs, and a profile that trades there by the wall's clock."""

    exchange: SimulatedExchange
    profile: Profile
    file: Path

    def machine(self, ahead: float, **errors: Any) -> Machine:
        """Return a machine that is so many seconds ahead of the exchange."""
        return Machine(self.exchange.now().timestamp() - time.time() + ahead, **errors)

    def start(self, machine: Machine, name: str, *arguments: str) -> subprocess.Popen[str]:
        words = [*machine.command(), name, *self.profile.options(), *arguments]
        return begun(words, cwd=PROJECT, stderr=subprocess.STDOUT)

    def run(self, machine: Machine, *, killed_after: str = "") -> Said:
        """Do the day; the process is killed when an order of such an id has been answered."""
        process = self.start(machine, "run", "--no-notebook")
        if killed_after:
            with self._deadly(killed_after, process):
                return end_of(process)
        return end_of(process)

    @contextlib.contextmanager
    def _deadly(self, part_of_id: str, process: subprocess.Popen[str]) -> Iterator[None]:
        def kill() -> None:
            os.kill(process.pid, signal.SIGKILL)

        with self.answered(part_of_id, kill):
            yield

    @contextlib.contextmanager
    def answered(self, part_of_id: str, deed: Callable[[], None]) -> Iterator[None]:
        """Do something once an order of such an id was acted on, and before it is answered."""
        engine = self.exchange.engine
        respond = engine.respond

        def responded(method: str, path: str, query: Any, body: Any) -> Any:
            reply = respond(method, path, query, body)
            if path.endswith("/orders") and part_of_id in str(body):
                engine.respond = respond  # type: ignore[method-assign]
                deed()
            return reply

        engine.respond = responded  # type: ignore[method-assign]
        try:
            yield
        finally:
            engine.respond = respond  # type: ignore[method-assign]

    def slow(self, seconds: float) -> None:
        """Let every answer take its time."""
        engine = self.exchange.engine
        respond = engine.respond

        def responded(*request: Any) -> Any:
            reply = respond(*request)
            time.sleep(seconds)
            return reply

        engine.respond = responded  # type: ignore[assignment, method-assign]

    def state(self) -> ExchangeState:
        self.exchange.engine.save()
        return read_exchange(self.file)

    def bought(self) -> dict[str, Decimal]:
        """Return the units that were bought of each product."""
        found: dict[str, Decimal] = {}
        for order in self.state().orders:
            if order.side == "BUY":
                found[order.product] = found.get(order.product, Decimal(0)) + order.filled
        return found

    def planned(self) -> dict[str, Decimal]:
        """Return the units that the ledger's one plan wanted of each product."""
        (plan,) = [line for line in self.profile.ledger() if line["kind"] == "plan"]
        return {row["product_id"]: Decimal(row["base_size"]) for row in plan["orders"]}

    def check(self) -> None:
        """Hold what was bought against what was planned, and look that all of it is protected."""
        assert self.bought() == self.planned()
        assert self.profile.wrong(DAY, self.state()) == []
        times = [line["at"] for line in self.profile.ledger()]
        assert times == sorted(times)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    file = tmp_path / "venue" / "exchange.sqlite"
    file.parent.mkdir()
    day = dt.date.fromisoformat(DAY)
    settings = SimulatorSettings(as_of=day, running=True, state_file=file, keeps_log=False)
    with SimulatedExchange(settings) as exchange:
        endpoint = exchange.start().to_mapping()
        profile = to_remote(tmp_path, endpoint, exchange={"clock": "wall"})
        yield World(exchange, profile, file)


@pytest.mark.parametrize("ahead", [0.2, 3.0, -4.0])
def test_killed_after_the_entry_it_is_bought_once(world: World, ahead: float) -> None:
    """Run again within ten minutes, the plan's own orders are known by the plan's id."""
    must_end(world.run(world.machine(ahead), killed_after=ENTRY), KILLED)

    must_end(world.run(world.machine(ahead)))

    world.check()


@pytest.mark.parametrize(("ahead", "latency"), [(0.2, 0.0), (0.0, 0.06)])
def test_the_pilot_is_subtracted(world: World, ahead: float, latency: float) -> None:
    """On a machine that is ahead, and on an exact one whose answers are slow."""
    world.slow(latency)

    must_end(world.run(world.machine(ahead)))

    assert any(PILOT in order.client_id for order in world.state().orders)
    world.check()


@pytest.mark.parametrize("step", [-120.0, 45.0])
def test_a_clock_that_is_set_in_mid_run(world: World, tmp_path: Path, step: float) -> None:
    """Somebody sets the machine's time between two orders; the time of the ledger goes on."""
    is_set = tmp_path / "is_set"
    machine = world.machine(0.2, drift=0.001, step=step, step_file=str(is_set))

    with world.answered(PILOT, is_set.touch):
        code, said = world.run(machine)

    assert is_set.exists()
    assert code == 0, said
    world.check()


def test_two_machines_that_disagree(world: World) -> None:
    """The run that died was four seconds ahead, the one that takes it up is four behind."""
    assert world.run(world.machine(4.0), killed_after=ENTRY)[0] == KILLED

    must_end(world.run(world.machine(-4.0)))

    world.check()


def test_lines_in_the_exchanges_future_are_reported_and_move_nothing(world: World) -> None:
    """A ledger that a wrong clock wrote: an hour ahead, its plan is dead."""
    assert world.run(world.machine(0.0), killed_after=PILOT)[0] == KILLED
    ledger = world.profile.state / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace("T00:01:", "T01:01:"))
    bought = world.bought()

    code, said = world.run(world.machine(0.0))

    assert "after the exchange's time" in said
    assert "lies in the exchange's future" in str(world.profile.summary(DAY)["orders"])
    assert world.bought() == bought
    assert code in (0, 1)
    summary = world.profile.summary(DAY)
    assert summary["stops"]
    assert all(row["status"] != "failed" for row in summary["stops"])
    assert not [x for x in world.profile.ledger() if x.get("to") == "ABSENT"]

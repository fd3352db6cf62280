"""
The wall clock: a machine whose time is not the exchange's.

``python -m tests.proofs.wall SETTING COMMAND ...`` is ``tf`` on a machine that lives in the
exchange's time but for an error: ahead or behind, drifting, set in mid-run. As on a real one, whose
clock somebody sets, only ``time.time`` is wrong; the clock that counts from the boot goes on.

The crash matrix and the soak have an exchange that stands still between requests. There a machine's
seconds are the exchange's: an answer takes as long as it is late, and to sleep moves the exchange.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import os
import random
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, SupportsIndex


@dataclass(frozen=True)
class Machine:
    """
    A machine's clock, in seconds.

    Attributes
    ----------
    shift : float
        What its time is away from this machine's at the beginning.
    drift : float
        How much faster it goes than it should, as a fraction.
    step : float
        By how much it is set.
    step_file : str
        It is set while this file is there.
    step_after : float or None
        It is set so many seconds after a process began.
    """

    shift: float
    drift: float = 0.0
    step: float = 0.0
    step_file: str = ""
    step_after: float | None = None

    def command(self) -> tuple[str, ...]:
        """Return how ``tf`` is called on this machine."""
        setting = json.dumps(asdict(self))
        return (sys.executable, "-W", "error", "-m", "tests.proofs.wall", setting)

    def install(self) -> None:
        """Let this process live on this machine."""
        time.time = self._clock(time.time)

    def _clock(self, right: Callable[[], float]) -> Callable[[], float]:
        began = right()

        def wrong() -> float:
            passed = right() - began
            stepped = self.step if self.step and self._is_set(passed) else 0.0
            return began + passed * (1 + self.drift) + self.shift + stepped

        return wrong

    def _is_set(self, passed: float) -> bool:
        if self.step_after is not None:
            return passed >= self.step_after
        return os.path.exists(self.step_file)


@dataclass(frozen=True)
class Setting:
    """A machine, and how late an answer is on its line, in milliseconds."""

    machine: Machine
    late_ms: int


SETTINGS = {
    "exact": Setting(Machine(0.0), 10),
    "exact, slow line": Setting(Machine(0.0), 500),
    "0.05 s ahead": Setting(Machine(0.05), 60),
    "0.2 s ahead": Setting(Machine(0.2), 10),
    "1.5 s ahead": Setting(Machine(1.5), 60),
    "4.9 s ahead": Setting(Machine(4.9), 500),
    "0.2 s behind": Setting(Machine(-0.2), 60),
    "4 s behind": Setting(Machine(-4.0), 10),
    "drifting": Setting(Machine(0.3, drift=0.02), 60),
    "set ahead": Setting(Machine(-0.3, step=2.0, step_after=2.5), 60),
    "set back": Setting(Machine(0.8, step=-3.0, step_after=2.5), 60),
}
"""By name; what a case or a world is played on."""

SOAK_LIVES_BY_IT_EVERY = 3


def setting_of_world(number: int) -> Setting | None:
    """Return the machine of a world of the soak; every third lives by the wall clock."""
    if number % SOAK_LIVES_BY_IT_EVERY:
        return None
    return SETTINGS[random.Random(f"machine {number}").choice(sorted(SETTINGS))]


def goes_back(ledger: bytes) -> list[str]:
    """Return where a line of the ledger is dated before the one above it."""
    rows = [json.loads(text) for text in ledger.splitlines() if text.endswith(b"}")]
    times = [(row["seq"], dt.datetime.fromisoformat(row["at"])) for row in rows]
    return [
        f"clock: line {number} of the ledger is dated {(before - at).total_seconds():.3f} s "
        "before the one above it"
        for (_, before), (number, at) in itertools.pairwise(times)
        if at < before
    ]


class Door:
    """Where a process on a machine asks what time it is, and lets time pass; a socket by a path."""

    def __init__(self, path: Path, wait: Callable[[float], dt.datetime]) -> None:
        class Asked(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    self.wfile.write(f"{wait(float(line)).timestamp()!r}\n".encode())

        self._server = socketserver.ThreadingUnixStreamServer(str(path), Asked)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Let nobody in any more."""
        self._server.shutdown()
        self._server.server_close()


class Inside:
    """
    The time of a process in which an exchange's seconds pass.

    Parameters
    ----------
    door : str
        Where the exchange's time is asked for.
    late_ms : int
        How late an answer is; half of it is the way back.
    """

    def __init__(self, door: str, late_ms: int) -> None:
        self._way_back = late_ms / 2000
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(door)
        self._answers = self._line.makefile("rb")
        self._now = 0.0

    def install(self, machine: Machine) -> None:
        """Let this process live in that time, on a machine."""
        from requests.adapters import HTTPAdapter

        self._sleep(0.0)
        time.time = time.monotonic = lambda: self._now
        time.clock_gettime = lambda which: self._now
        time.sleep = self._sleep
        HTTPAdapter.send = self._sent(HTTPAdapter.send)  # type: ignore[method-assign]
        machine.install()

    def _sleep(self, seconds: float | SupportsIndex) -> None:
        self._line.sendall(f"{float(seconds)!r}\n".encode())
        self._now = max(self._now + float(seconds), float(self._answers.readline()))

    def _sent(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def sent(adapter: Any, request: Any, **options: Any) -> Any:
            answer = send(adapter, request, **options)
            with contextlib.suppress(KeyError):
                told = dt.datetime.fromisoformat(answer.headers["x-exchange-time"])
                self._now = max(self._now, told.timestamp() + self._way_back)
            return answer

        return sent


def main(setting: str, arguments: list[str]) -> int:
    """Do one command on a machine."""
    Machine(**json.loads(setting)).install()
    from tf_lib.app.cli import app, run_command

    def called(**options: Any) -> Any:
        return app(arguments, **options)

    return run_command(called)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

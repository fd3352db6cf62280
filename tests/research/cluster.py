"""A Dask cluster of somebody else: scheduler and workers are processes of their own."""

from __future__ import annotations

import itertools
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

_DEADLINE_SECONDS = 120.0
_POLL_SECONDS = 0.01


def wait_until(happened: Callable[[], object], what: str) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not happened():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(_POLL_SECONDS)


_PAGE = Path(__file__).parents[2] / "docs" / "sweeps.md"
ADDRESS, PORT = "10.0.0.5", "8786"


def written(command: str, *, having: str = "") -> list[str]:
    """Return the lines of docs/sweeps.md that begin with a command and have a word."""
    section = (
        _PAGE.read_text(encoding="utf-8").split("## A cluster of your own")[1].split("\n## ")[0]
    )
    blocks = section.split("```")[1::2]
    lines = [line for block in blocks for line in block.strip().splitlines()]
    return [line for line in lines if line.startswith(command) and having in line]


class OneMachine:
    """This machine only: the page's commands on its loopback addresses, and a port that is free."""

    def __init__(self) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self._port = str(listener.getsockname()[1])
        self._addresses = itertools.cycle(f"127.0.0.{last}" for last in (2, 3, 4))

    def here(self, line: str) -> list[str]:
        """Return the arguments of one of the page's commands, for this machine."""
        return shlex.split(line.replace(ADDRESS, "127.0.0.1").replace(PORT, self._port))

    def on_another(self, line: str) -> list[str]:
        """Return the same for a worker, on an address of its own."""
        return [*self.here(line), "--host", next(self._addresses)]

    def client(self, arguments: list[str]) -> list[str]:
        """Return a command as it is started where a person sits."""
        return arguments

    def close(self) -> None:
        """Leave nothing."""


class ManyMachines:
    """
    Network namespaces on one switch, as machines of a network: the page's commands word for word.

    Wants root and ip(8); `Unavailable` where either is missing. Nothing of it is seen outside.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._switch = self._namespace("switch")
        self._ip("-n", self._switch, "link", "add", "name", "switch0", "type", "bridge")
        self._ip("-n", self._switch, "link", "set", "switch0", "up")
        self._first = self._machine(ADDRESS)

    def _ip(self, *arguments: str) -> None:
        try:
            subprocess.run(["ip", *arguments], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.close()
            raise Unavailable(f"no network namespaces here: {error}") from error

    def _namespace(self, name: str) -> str:
        name = f"tf-{os.getpid()}-{name}"
        self._ip("netns", "add", name)
        self._names.append(name)
        return name

    def _machine(self, address: str) -> str:
        name, port = self._namespace(address), f"port{len(self._names)}"
        ends = ("eth0", "netns", name, "type", "veth", "peer", "name", port, "netns", self._switch)
        self._ip("link", "add", *ends)
        self._ip("-n", self._switch, "link", "set", port, "master", "switch0", "up")
        self._ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            self._ip("-n", name, "link", "set", device, "up")
        return name

    def here(self, line: str) -> list[str]:
        """Return the arguments of one of the page's commands, on the scheduler's machine."""
        return ["ip", "netns", "exec", self._first, *shlex.split(line)]

    def on_another(self, line: str) -> list[str]:
        """Return the same on a machine that is new."""
        return self.client(shlex.split(line))

    def client(self, arguments: list[str]) -> list[str]:
        """Return any command on a machine that is new."""
        name = self._machine(f"10.0.0.{10 + len(self._names)}")
        return ["ip", "netns", "exec", name, *arguments]

    def close(self) -> None:
        """Take the network apart."""
        for name in self._names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


class Unavailable(Exception):
    """This machine does not let us."""


class Cluster:
    """
    A scheduler and, as they are asked for, workers; all end with it.

    Parameters
    ----------
    folder : Path
        For scratch files, certificates and for what they write.
    scheme : str
        Of docs/sweeps.md: tcp or tls.
    machines : OneMachine or ManyMachines
    """

    def __init__(
        self,
        folder: Path,
        scheme: str = "tcp",
        *,
        machines: OneMachine | ManyMachines | None = None,
    ) -> None:
        self.folder, self.machines = folder, machines or OneMachine()
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = dict(os.environ)
        if scheme == "tls":
            self.environment |= certificates(folder)
        (line,) = [
            one
            for one in written("dask scheduler")
            if ("--protocol tls" in one) == (scheme == "tls")
        ]
        (self._worker,) = written(f"dask worker {scheme}://")
        (command,) = written("tf sweep", having=f"{scheme}://")
        self.address = self.machines.here(command)[-1]
        self.scheduler = self._start(self.machines.here(line))
        said = folder / "0.log"
        wait_until(lambda: b"Scheduler at:" in said.read_bytes(), "the scheduler's address")

    def add_worker(self, code: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a worker, with the package below `code` instead of ours when it is given."""
        # One process that is killed whole: no other is there to start it anew.
        line = self._worker.replace("--nworkers -1", "--nworkers 1 --no-nanny")
        return self._start(
            [*self.machines.on_another(line), "--local-directory", str(self.folder)], code=code
        )

    def _start(self, arguments: list[str], *, code: Path | None = None) -> subprocess.Popen[bytes]:
        tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {
            **self.environment,
            "PATH": tools,
            "PYTHONPATH": str(code or ""),
            "PYTHONWARNINGS": "ignore",
        }
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                arguments, cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def __enter__(self) -> Cluster:
        """Return it as it runs."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every process."""
        for process in self.processes:
            process.kill()
            process.wait()
        self.machines.close()


def certificates(folder: Path) -> dict[str, str]:
    """Make certificates as the page says; return the environment that its lines leave."""
    lines = ["set -e", *written("openssl"), *written("export DASK_"), "env -0"]
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], cwd=folder, check=True, capture_output=True, text=True
    )
    variables = (one.partition("=") for one in done.stdout.split("\0") if "__TLS__" in one)
    return {name: value for name, _, value in variables}

"""A Dask cluster of somebody else: scheduler and workers are processes of their own."""

from __future__ import annotations

import json
import os
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


class Cluster:
    """
    A scheduler and, as they are asked for, workers; all end with it.

    Parameters
    ----------
    folder : Path
        For scratch files and for what they write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        self.scheduler = self._start(
            "distributed.cli.dask_scheduler",
            *("--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
            *("--no-show", "--scheduler-file", str(file)),
        )
        wait_until(lambda: file.exists() and file.stat().st_size, "the scheduler's address")
        self.address = str(json.loads(file.read_text())["address"])

    def add_worker(self, code: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a worker, with the package below `code` instead of ours when it is given."""
        return self._start(
            "distributed.cli.dask_worker",
            *(self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard"),
            *("--local-directory", str(self.folder)),
            code=code,
        )

    def _start(
        self, module: str, *arguments: str, code: Path | None = None
    ) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(code or ""), "PYTHONWARNINGS": "ignore"}
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
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

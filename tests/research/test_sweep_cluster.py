"""`tf sweep` as a process that has no other client: on a cluster of others, and its end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import tf_lib
from tests.research.cluster import Cluster, wait_until
from tests.research.sweeping import FAST, write_inputs
from tf_lib.app.commands.research.sweep import sweep_of
from tf_lib.app.commands.research.sweep_workers import SweepWorkers

GRID = f"{FAST}: [10, 20]\nrisk_and_sizing.cap_high: {{low: 0.5, high: 0.9, n: 100}}\n"
N_PORTIONS = 50


def sweep(
    inputs: tuple[Path, Path, Path],
    out: Path,
    *options: str,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start the command in a process of its own, the first of a session as in a terminal."""
    config, grid, candles = map(str, inputs)
    command = ["sweep", "--config", config, "--grid", grid, "--candles", candles]
    return subprocess.Popen(
        [sys.executable, "-m", "tf_lib", *command, "--out", str(out), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **(environment or {})},
    )


def parts(out: Path) -> list[Path]:
    return list(out.glob("parts/*/*.parquet"))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return write_inputs(tmp_path_factory.mktemp("inputs"), GRID)


def alive_in(session: int) -> list[psutil.Process]:
    """Return what lives of a session; nobody may be there to bury the dead."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def whole(inputs: tuple[Path, Path, Path], out: Path) -> str:
    """Return the table of a sweep in this process, resumed where `out` holds some of it."""
    config, grid, candles = inputs
    result = sweep_of(config, grid, str(candles), out, workers=SweepWorkers(n_workers=1))
    return result.table.to_csv(index=False, lineterminator="\n")


@pytest.fixture(scope="module")
def table(inputs: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    return whole(inputs, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def test_a_cluster_of_other_processes_gives_the_same_files_though_a_worker_dies(
    tmp_path: Path, inputs: tuple[Path, Path, Path], table: str, cluster: Cluster
) -> None:
    """Killed after the first part has landed; what it had in hand is done by another."""
    out = tmp_path / "out"
    first = cluster.add_worker()
    running = sweep(inputs, out, "--scheduler", cluster.address)
    wait_until(lambda: parts(out) or running.poll() is not None, "the first part")
    first.kill()
    n_then = len(parts(out))
    second = cluster.add_worker()
    _, said = running.communicate()
    second.kill()

    assert running.returncode == 0, said
    assert "Traceback" not in said
    assert 0 < n_then < N_PORTIONS
    assert (out / "results.csv").read_text(encoding="utf-8") == table


@pytest.mark.slow
def test_results_of_a_worker_that_runs_other_code_are_refused(
    tmp_path: Path, inputs: tuple[Path, Path, Path], cluster: Cluster
) -> None:
    """One line says which worker and what to do; neither part nor trial stands under our name."""
    out, theirs = tmp_path / "out", tmp_path / "theirs"
    shutil.copytree(Path(tf_lib.__file__).parent, theirs / "tf_lib")
    with (theirs / "tf_lib" / "research" / "evaluate.py").open("a") as file:
        file.write("\nMETRICS = METRICS\n")
    worker = cluster.add_worker(theirs)
    running = sweep(inputs, out, "--scheduler", cluster.address)
    _, said = running.communicate()
    worker.kill()

    assert running.returncode == 1
    errors = [line for line in said.splitlines() if not line.startswith("sweep:")]
    assert len(errors) == 1, said
    assert errors[0].startswith(f"error: the worker pid {worker.pid} on ")
    assert "runs other code" in errors[0]
    assert "start them anew" in errors[0]
    assert parts(out) == []
    assert not (out / "trials.jsonl").exists()


@pytest.mark.parametrize(
    ("number", "end"),
    [(signal.SIGINT, os.killpg), pytest.param(signal.SIGTERM, os.kill, marks=pytest.mark.slow)],
)
def test_an_interrupted_sweep_ends_its_workers_and_goes_on_where_it_was(
    tmp_path: Path, inputs: tuple[Path, Path, Path], table: str, number: int, end: Any
) -> None:
    """Ctrl-C reaches all processes of a terminal, SIGTERM the one: a line, and nothing left."""
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    running = sweep(inputs, out, "--workers", "2", environment={"TMPDIR": str(scratch)})
    wait_until(lambda: parts(out) or running.poll() is not None, "the first part")
    end(running.pid, number)
    _, said = running.communicate()
    before = {part: part.stat().st_mtime_ns for part in parts(out)}

    assert running.returncode == 1
    assert [line for line in said.splitlines() if not line.startswith("sweep:")] == [
        f"error: interrupted; what was done is kept in {out}, and the same command goes on with "
        "the rest"
    ]
    assert list(scratch.iterdir()) == []
    assert list(out.glob("parts/*/.*")) == []
    wait_until(lambda: not alive_in(running.pid), "the end of all it started")
    assert before
    assert whole(inputs, out) == table
    assert {part: part.stat().st_mtime_ns for part in before} == before


def test_a_scheduler_that_dies_is_said_in_a_line_and_the_command_goes_on_where_it_was(
    tmp_path: Path, inputs: tuple[Path, Path, Path], table: str, cluster: Cluster
) -> None:
    """Killed half-way, exit 1; then no part is made again, and the table is the same."""
    out = tmp_path / "out"
    cluster.add_worker()
    running = sweep(inputs, out, "--scheduler", cluster.address)
    wait_until(lambda: parts(out) or running.poll() is not None, "the first part")
    cluster.scheduler.kill()
    _, said = running.communicate()
    before = {part: part.stat().st_mtime_ns for part in parts(out)}

    assert running.returncode == 1
    errors = [line for line in said.splitlines() if not line.startswith("sweep:")]
    assert len(errors) == 1, said
    assert errors[0].startswith("error: the Dask scheduler is gone; what was done is kept.")
    assert 0 < len(before) < N_PORTIONS
    assert whole(inputs, out) == table
    assert {part: part.stat().st_mtime_ns for part in before} == before

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
from tests.research.cluster import Cluster, ManyMachines, OneMachine, Unavailable, wait_until
from tests.research.sweeping import FAST, write_inputs
from tf_lib.app.commands.research.sweep import sweep_command

GRID = f"{FAST}: [10, 20]\nrisk_and_sizing.cap_high: {{low: 0.5, high: 0.9, n: 100}}\n"
N_SETS, N_PORTIONS = 200, 50
FILES = ("results.csv", "results.parquet", "walk_forward.csv", "summary.json", "trials.jsonl")


def sweep(
    inputs: tuple[Path, Path, Path],
    out: Path,
    *options: str,
    on: Cluster | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start the command in a process of its own, the first of a session as in a terminal."""
    config, grid, candles = map(str, inputs)
    command = ["sweep", "--config", config, "--grid", grid, "--candles", candles]
    arguments = [sys.executable, "-m", "tf_lib", *command, "--out", str(out), *options]
    if on is not None:
        arguments = on.machines.client([*arguments, "--scheduler", on.address])
    return subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**(on.environment if on else os.environ), **(environment or {})},
    )


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in FILES}


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


def whole(inputs: tuple[Path, Path, Path], out: Path) -> dict[str, bytes]:
    """Return the files of a sweep in this process, resumed where `out` holds some of it."""
    assert sweep_command(*inputs, out, n_workers=1) == 0
    return contents(out)


@pytest.fixture(scope="module")
def files(inputs: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return whole(inputs, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.mark.parametrize(
    ("scheme", "machines"),
    [
        ("tcp", OneMachine),
        pytest.param("tls", OneMachine, marks=pytest.mark.slow),
        pytest.param("tls", ManyMachines, marks=pytest.mark.slow),
    ],
)
def test_the_cluster_of_the_page_gives_the_same_files_though_a_worker_dies(
    tmp_path: Path,
    inputs: tuple[Path, Path, Path],
    files: dict[str, bytes],
    scheme: str,
    machines: type[OneMachine] | type[ManyMachines],
) -> None:
    """Its lines as they are written; a worker killed half-way, another does the rest."""
    try:
        network = machines()
    except Unavailable as error:
        pytest.skip(f"{error}; on loopback addresses the same test runs")
    out = tmp_path / "out"
    with Cluster(tmp_path, scheme, machines=network) as cluster:
        first = cluster.add_worker()
        running = sweep(inputs, out, on=cluster)
        wait_until(lambda: parts(out) or running.poll() is not None, "the first part")
        first.kill()
        n_then = len(parts(out))
        cluster.add_worker()
        _, said = running.communicate()

    assert running.returncode == 0, said
    assert "Traceback" not in said
    assert 0 < n_then < N_PORTIONS
    assert contents(out) == files


@pytest.mark.slow
def test_two_workers_of_this_machine_give_the_same_files(
    tmp_path: Path, inputs: tuple[Path, Path, Path], files: dict[str, bytes]
) -> None:
    """Of the command, as one types it."""
    running = sweep(inputs, tmp_path / "out", "--workers", "2")
    _, said = running.communicate()

    assert running.returncode == 0, said
    assert contents(tmp_path / "out") == files


@pytest.mark.slow
def test_two_commands_in_one_folder_do_the_work_once(
    tmp_path: Path, inputs: tuple[Path, Path, Path], files: dict[str, bytes], cluster: Cluster
) -> None:
    """The second says for whom it waits, finds all done, and writes the same files."""
    out = tmp_path / "out"
    worker = cluster.add_worker()
    first = sweep(inputs, out, on=cluster)
    wait_until(lambda: parts(out) or first.poll() is not None, "the first part")
    second = sweep(inputs, out, on=cluster)
    said = [running.communicate()[1] for running in (first, second)]
    worker.kill()

    assert (first.returncode, second.returncode) == (0, 0), said
    assert f"another one works in {out} (pid {first.pid} on " in said[1]
    assert f"{N_SETS} of {N_SETS} sets" not in said[1]
    assert len(parts(out)) == N_PORTIONS
    assert contents(out) == files


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
    running = sweep(inputs, out, on=cluster)
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
    tmp_path: Path, inputs: tuple[Path, Path, Path], files: dict[str, bytes], number: int, end: Any
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
    assert whole(inputs, out) == files
    assert {part: part.stat().st_mtime_ns for part in before} == before


def test_a_scheduler_that_dies_is_said_in_a_line_and_the_command_goes_on_where_it_was(
    tmp_path: Path, inputs: tuple[Path, Path, Path], files: dict[str, bytes], cluster: Cluster
) -> None:
    """Killed half-way, exit 1; then no part is made again, and the table is the same."""
    out = tmp_path / "out"
    cluster.add_worker()
    running = sweep(inputs, out, on=cluster)
    wait_until(lambda: parts(out) or running.poll() is not None, "the first part")
    cluster.scheduler.kill()
    _, said = running.communicate()
    before = {part: part.stat().st_mtime_ns for part in parts(out)}

    assert running.returncode == 1
    errors = [line for line in said.splitlines() if not line.startswith("sweep:")]
    assert len(errors) == 1, said
    assert errors[0].startswith("error: the Dask scheduler is gone; what was done is kept.")
    assert 0 < len(before) < N_PORTIONS
    assert whole(inputs, out) == files
    assert {part: part.stat().st_mtime_ns for part in before} == before

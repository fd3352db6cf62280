"""`tf sweep --scheduler`: a cluster of other processes, from a process that has no other client."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tf_lib
from tests.research.cluster import Cluster, wait_until
from tests.research.sweeping import FAST, write_inputs
from tf_lib.drivers.sweep import sweep_of
from tf_lib.drivers.sweep_place import SweepPlace

GRID = f"{FAST}: [10, 20]\nrisk_and_sizing.cap_high: {{low: 0.5, high: 0.9, n: 12}}\n"


def sweep(inputs: tuple[Path, Path, Path], out: Path, *options: str) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    config, grid, candles = map(str, inputs)
    command = ["sweep", "--config", config, "--grid", grid, "--candles", candles]
    return subprocess.Popen(
        [sys.executable, "-m", "tf_lib", *command, "--out", str(out), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def parts(out: Path) -> list[Path]:
    return list(out.glob("parts/*/*.parquet"))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return write_inputs(tmp_path_factory.mktemp("inputs"), GRID)


def test_a_cluster_of_other_processes_gives_the_same_files_though_a_worker_dies(
    tmp_path: Path, inputs: tuple[Path, Path, Path]
) -> None:
    """Killed after the first part has landed; what it had in hand is done by another."""
    out = tmp_path / "out"
    with Cluster(tmp_path / "cluster") as cluster:
        first = cluster.add_worker()
        running = sweep(inputs, out, "--scheduler", cluster.address)
        wait_until(lambda: parts(out) or running.poll() is not None, "the first part")
        first.kill()
        n_then = len(parts(out))
        cluster.add_worker()
        _, said = running.communicate()
    config, grid, candles = inputs
    plain = sweep_of(config, grid, str(candles), tmp_path / "plain", place=SweepPlace(n_workers=1))

    assert running.returncode == 0, said
    assert "Traceback" not in said
    assert 0 < n_then < 24
    table = plain.table.to_csv(index=False, lineterminator="\n")
    assert (out / "results.csv").read_text(encoding="utf-8") == table


def test_results_of_a_worker_that_runs_other_code_are_refused(
    tmp_path: Path, inputs: tuple[Path, Path, Path]
) -> None:
    """One line says which worker and what to do; neither part nor trial stands under our name."""
    out, theirs = tmp_path / "out", tmp_path / "theirs"
    shutil.copytree(Path(tf_lib.__file__).parent, theirs / "tf_lib")
    with (theirs / "tf_lib" / "research" / "evaluate.py").open("a") as file:
        file.write("\nMETRICS = METRICS\n")
    with Cluster(tmp_path / "cluster") as cluster:
        worker = cluster.add_worker(theirs)
        running = sweep(inputs, out, "--scheduler", cluster.address)
        _, said = running.communicate()

    assert running.returncode == 1
    errors = [line for line in said.splitlines() if not line.startswith("sweep:")]
    assert len(errors) == 1, said
    assert errors[0].startswith(f"error: the worker pid {worker.pid} on ")
    assert "runs other code" in errors[0]
    assert "start them anew" in errors[0]
    assert parts(out) == []
    assert not (out / "trials.jsonl").exists()

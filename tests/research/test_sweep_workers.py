"""Worker processes: the same bytes as in one process, also when one is killed half-way."""

from __future__ import annotations

import gc
import io
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.research.sweeping import swept
from tf_lib.app.commands.research.sweep import write_sweep
from tf_lib.errors import ParameterError
from tf_lib.research.sweep import workers
from tf_lib.research.sweep.evaluate import Evaluation
from tf_lib.research.sweep.study import Study
from tf_lib.research.sweep.workers import WorkersLost, cluster_at, local_workers, on_dask

FILES = ("results.csv", "results.parquet", "walk_forward.csv", "summary.json", "trials.jsonl")
# What Dask itself does when a worker dies under it is not ours to mend.
pytestmark = pytest.mark.filterwarnings(
    "ignore:::distributed",
    "ignore:::tornado",
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture(autouse=True)
def _connections_of_the_dead() -> Iterator[None]:
    """Let Dask's sockets to a worker that was killed be found here and not in another's test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with local_workers(2) as connected:
        yield connected


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def collect(arriving: Iterator[list[Evaluation]], landed: list[Evaluation]) -> None:
    for evaluations in arriving:
        landed.extend(evaluations)


def test_a_killed_worker_changes_no_byte(tmp_path: Path, client: Any) -> None:
    """Two worker processes, one killed after the first portion has landed."""
    killed: list[int] = []

    def with_a_kill(study: Study, portions: Sequence[Any]) -> Iterator[list[Evaluation]]:
        for landed in on_dask(client, study, portions):
            if not killed:
                victim = next(iter(client.run(os.getpid).values()))
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)
            yield landed

    write_sweep(swept(tmp_path / "one", per_portion=1), tmp_path / "one")
    write_sweep(swept(tmp_path / "two", per_portion=1, workers=with_a_kill), tmp_path / "two")

    assert killed
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Yield a client of somebody else's cluster, which asks nobody for credentials."""
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with (
        distributed.LocalCluster(host="127.0.0.1", silence_logs=50, **settings) as running,
        distributed.Client(running) as connected,
    ):
        yield connected


@pytest.mark.parametrize("scheme", ["tls", "tcp"])
def test_local_workers_take_no_work_of_others(client: Any, scheme: str) -> None:
    """Another process that finds the scheduler's port has no credentials for it."""
    import distributed

    assert client.scheduler.address.startswith("tls://127.0.0.1:")
    address = client.scheduler.address.replace("tls", scheme)
    strangers = distributed.security.Security.temporary() if scheme == "tls" else None
    with pytest.raises((OSError, TypeError)):
        distributed.Client(address, security=strangers, timeout=2, set_as_default=False)

    assert client.submit(os.getpid).result() != os.getpid()


def test_a_cluster_is_used_by_its_address_and_left_running(tmp_path: Path, cluster: Any) -> None:
    """Any Dask cluster will do; a study that was lost with its worker is sent again."""

    def elsewhere(study: Study, portions: Sequence[Any]) -> Iterator[list[Evaluation]]:
        with cluster_at(cluster.scheduler.address) as connected:
            yield from on_dask(connected, study, portions)

    result = swept(tmp_path / "cluster", workers=elsewhere, per_portion=2)
    plain = swept(tmp_path / "plain")

    pd.testing.assert_frame_equal(result.table, plain.table, check_exact=True)
    assert cluster.submit(os.getpid).result() != os.getpid()


def test_what_no_worker_can_do_is_said_after_the_rest_has_landed(client: Any) -> None:
    """An error of ours in one portion costs that portion only."""
    from tests.research.sweeping import planned

    study, sets, _ = planned()
    good = [one for one in sets if one.key]
    portions: list[Any] = [(good[0],), ("not a set",), (good[1],)]
    landed: list[Evaluation] = []
    with pytest.raises(WorkersLost, match="1 of 3 portions"):
        collect(on_dask(client, study, portions), landed)

    assert {one.key for one in landed} == {good[0].key, good[1].key}


def test_a_scheduler_that_is_not_there_is_said_in_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A port of this machine that nobody listens on."""
    from tf_lib.research.sweep import workers

    monkeypatch.setattr(workers, "CONNECT_SECONDS", 1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with (
        pytest.raises(ParameterError, match=rf"--scheduler tcp://127.0.0.1:{port}: there is no"),
        cluster_at(f"tcp://127.0.0.1:{port}"),
    ):
        pass


@pytest.mark.parametrize("address", ["nonsense://x", "tcp://"])
def test_an_address_that_means_nothing_is_a_bad_parameter(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a traceback."""
    from tf_lib.research.sweep import workers

    monkeypatch.setattr(workers, "CONNECT_SECONDS", 1)
    with pytest.raises(ParameterError, match="--scheduler"), cluster_at(address):
        pass


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "DASK_DISTRIBUTED__COMM__TLS__CA_FILE"),
        ({"ca-file": "nowhere.pem", "client.cert": "gone.pem"}, "nowhere.pem, gone.pem"),
    ],
)
def test_tls_without_certificates_says_where_they_are_named(
    files: dict[str, str], told: str
) -> None:
    """Before anything is sent, and nothing is left that the end of the process waits for."""
    import dask

    named = {f"distributed.comm.tls.{name}": path for name, path in files.items()}
    address = "tls://127.0.0.1:8786"
    with (
        dask.config.set(named),
        pytest.raises(ParameterError, match=f"--scheduler {address}: .*{told}"),
        cluster_at(address),
    ):
        pass


class Listener(io.StringIO):
    """A terminal on which whoever is told of a worker that stands still lets it go on."""

    def __init__(self, worker: int) -> None:
        super().__init__()
        self.worker = worker

    def write(self, text: str) -> int:
        if "nothing has come" in text:
            os.kill(self.worker, signal.SIGCONT)
        return super().write(text)


def test_a_worker_that_stands_still_is_told_and_changes_no_byte(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where it holds what it has done; nothing is lost, and nobody else is needed."""
    monkeypatch.setattr(workers, "PATIENCE_SECONDS", 0.5)
    with local_workers(1) as alone:
        (worker,) = alone.run(os.getpid).values()
        heard = Listener(worker)
        monkeypatch.setattr(sys, "stderr", heard)

        def stopping(study: Study, portions: Sequence[Any]) -> Iterator[list[Evaluation]]:
            for number, landed in enumerate(on_dask(alone, study, portions)):
                if number == 0:
                    os.kill(worker, signal.SIGSTOP)
                yield landed

        still = swept(tmp_path / "still", per_portion=1, workers=stopping)
    write_sweep(still, tmp_path / "still")
    write_sweep(swept(tmp_path / "one", per_portion=1), tmp_path / "one")

    assert "nothing has come for" in heard.getvalue()
    assert contents(tmp_path / "still") == contents(tmp_path / "one")

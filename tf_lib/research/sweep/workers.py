"""
Workers: where the portions of a sweep are evaluated: this process, local ones, or a cluster.

Part of a sweep (study -> *evaluations* -> parts). Portions are independent and come back in any
order. What a lost worker had in hand is evaluated again by another; nothing else is lost. Dask
is imported only when it is used.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, cast

from tf_lib.errors import ParameterError, TfError
from tf_lib.research.sweep.evaluate import Evaluation, evaluate
from tf_lib.research.sweep.study import PlannedSet, Study

if TYPE_CHECKING:
    from distributed import Client

Portion = tuple[PlannedSet, ...]
CONNECT_SECONDS = 10
FIRST_WORKER_SECONDS = 30
# Of a part; then twice as long, and again: a part of many tickers may take minutes.
PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.02
_MOST_NAMED = 5
_RETRIES = 3
TLS_VARIABLES = tuple(
    f"DASK_DISTRIBUTED__COMM__TLS__{name}" for name in ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY")
)


class WorkersLost(TfError):
    """Some portions could not be evaluated; what was done is kept, a second run does the rest."""


def in_this_process(study: Study, portions: Sequence[Portion]) -> Generator[list[Evaluation]]:
    """Yield what comes of each portion, one after the other."""
    for portion in portions:
        yield evaluate(study, portion)


def on_dask(
    client: Client, study: Study, portions: Sequence[Portion]
) -> Generator[list[Evaluation]]:
    """
    Yield what comes of each portion as it is done.

    Raises
    ------
    WorkersLost
        When all that could be done has been yielded, if a portion failed on worker after worker;
        at once when the scheduler is gone.
    """
    with warnings.catch_warnings():
        # Bars of hundreds of products are large, and go to each worker only once.
        warnings.filterwarnings("ignore", message="Sending large graph")
        # A task, not scattered data: should all its holders be lost, it is simply run again.
        shared = client.submit(_itself, study, key=f"study-{study.identity}")
        waiting = {
            client.submit(evaluate, shared, portion, pure=False, retries=_RETRIES): portion
            for portion in portions
        }
    lost: list[str] = []
    for future in _as_they_land(client, list(waiting)):
        error, landed = _outcome(client, future)
        if error is None:
            yield landed
        else:
            lost.append(f"{type(error).__name__}: {error}".splitlines()[0])
        waiting.pop(future)
        future.release()
    if lost:
        raise WorkersLost(
            f"{len(lost)} of {len(portions)} portions could not be evaluated, the first because "
            f"of {lost[0]}; what was done is kept, start the sweep again for the rest"
        )


def _as_they_land(client: Client, waiting: Sequence[Any]) -> Iterator[Any]:
    """Yield what is done; while nothing is for long, say now and then who is waited for."""
    # Its loop is named: the default client is not asked for, which is another's or none.
    landing = _dask().as_completed(waiting, loop=client.loop)
    since, patience = time.monotonic(), PATIENCE_SECONDS
    while not landing.is_empty():
        yield from (batch := landing.next_batch(block=False))
        if batch:
            since, patience = time.monotonic(), PATIENCE_SECONDS
        elif time.monotonic() - since > patience:
            _say_who_is_waited_for(client, patience)
            patience *= 2.0
        else:
            time.sleep(_POLL_SECONDS)


def _say_who_is_waited_for(client: Client, seconds: float) -> None:
    print(f"sweep: {_waited_for(client, seconds)}", file=sys.stderr, flush=True)


def _waited_for(client: Client, seconds: float) -> str:
    """Return who has work in hand, for a person to look at; the scheduler may be on its way out."""
    said = f"nothing has come for {seconds:.0f} s: "
    try:
        at_work = {name: len(keys) for name, keys in client.processing().items() if keys}
        if not client.nthreads():
            return said + "the scheduler has no worker left; it goes on when one joins"
    except (CancelledError, OSError, TimeoutError):
        return said + "the scheduler does not answer"
    if not at_work:
        return said + "the scheduler has not handed out a part"
    shown = ", ".join(f"{name} ({count})" for name, count in sorted(at_work.items())[:_MOST_NAMED])
    more = f" and {len(at_work) - _MOST_NAMED} more" if len(at_work) > _MOST_NAMED else ""
    return said + f"parts in hand at {shown}{more}; a worker that ends loses nothing"


def _outcome(client: Client, future: Any) -> tuple[BaseException | None, list[Evaluation]]:
    """Return the error of a portion or what came of it."""
    try:
        error = future.exception()
        return error, [] if error else _fetched(client, future)
    except (CancelledError, OSError) as gone:
        if _answers(client):
            # It is a worker that could not be reached: this portion is lost, not the cluster.
            return gone, []
        raise WorkersLost(
            "the Dask scheduler is gone; what was done is kept. Start it and its workers again, "
            "then give the same command with its address: it goes on with the rest"
        ) from gone


def _answers(client: Client) -> bool:
    """Whether the scheduler is there."""
    if client.status != "running":
        return False
    try:
        client.nthreads()
    except (CancelledError, OSError):
        return False
    return True


def _fetched(client: Client, future: Any) -> list[Evaluation]:
    """Return what came of a portion; a worker that holds it and does not answer is told of."""
    patience = PATIENCE_SECONDS
    while True:
        try:
            landed: list[Evaluation] = future.result(timeout=patience)
            return landed
        except TimeoutError:
            if future.status == "cancelled":
                raise
            _say_who_is_waited_for(client, patience)
            patience *= 2.0


def _itself(study: Study) -> Study:
    return study


def _dask() -> Any:
    """Return the library as it is: it is typed only in part."""
    import distributed

    return distributed


@contextlib.contextmanager
def local_workers(n_workers: int | None = None) -> Iterator[Client]:
    """
    Start worker processes on this machine, and end them.

    Parameters
    ----------
    n_workers : int, optional
        Default: one for each processor this process may use.
    """
    count = n_workers or available_processors()
    with tempfile.TemporaryDirectory(prefix="tf_sweep_") as scratch:
        settings: dict[str, Any] = {
            "n_workers": count,
            "threads_per_worker": 1,
            "processes": True,
            "host": "127.0.0.1",
            # Made for this sweep: no other process of this machine can join or send work.
            "security": _dask().security.Security.temporary(),
            "protocol": "tls",
            # Any free port of this machine alone: no page is served, and none is in the way.
            "dashboard_address": "127.0.0.1:0",
            "worker_dashboard_address": "127.0.0.1:0",
            "local_directory": scratch,
            "memory_limit": 0,
            "silence_logs": logging.CRITICAL,
        }
        with _scratch_in(scratch), _deaf_to_ctrl_c():
            cluster = _dask().LocalCluster(**settings)
        with cluster, _scratch_in(scratch), _dask().Client(cluster) as client:
            yield client


def _scratch_in(folder: str) -> contextlib.AbstractContextManager[Any]:
    """Keep what the scheduler and the client write from the temporary folder of all."""
    import dask

    return cast(
        "contextlib.AbstractContextManager[Any]", dask.config.set({"temporary-directory": folder})
    )


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """
    Have threads and processes that begin within never hear Ctrl-C, nor any that those start.

    A terminal sends it to all of them; it is this thread that ends them.
    """
    # It makes the thread that starts it hear again, and the first process starts it.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def available_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def cluster_at(address: str) -> Iterator[Client]:
    """
    Connect to a running scheduler, and leave it running.

    Raises
    ------
    ParameterError
        If the address cannot be read or reached in 10 seconds, its certificates are not there, or
        no worker is there in 30.
    """
    with _dask().utils.silence_logging_cmgr(logging.CRITICAL), _connected(address) as client:
        try:
            client.wait_for_workers(1, timeout=FIRST_WORKER_SECONDS)
        except TimeoutError as error:
            raise ParameterError(
                f"--scheduler {address}: the scheduler has no worker, none came within "
                f"{FIRST_WORKER_SECONDS} seconds"
            ) from error
        yield client


def _connected(address: str) -> Client:
    _check_certificates(address)
    try:
        client: Client = _dask().Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError, RuntimeError) as error:
        raise ParameterError(
            f"--scheduler {address}: there is no Dask scheduler that answers within "
            f"{CONNECT_SECONDS} seconds ({type(error).__name__}: {error})".splitlines()[0]
        ) from error
    return client


def _check_certificates(address: str) -> None:
    """Refuse tls:// without readable certificates, before anything is started for it."""
    if not address.startswith("tls://"):
        return
    # Of Dask's own configuration: its files, or the environment.
    security = _dask().security.Security()
    tls = security.get_tls_config_for_role("client")
    try:
        is_ready = security.get_connection_args("client")["ssl_context"] is not None
    except OSError as error:
        files = ", ".join(str(tls[name]) for name in ("ca_file", "cert", "key") if tls[name])
        raise ParameterError(
            f"--scheduler {address}: cannot use its certificates, {files}: {error}"
        ) from error
    if not is_ready:
        raise ParameterError(
            f"--scheduler {address}: tls:// wants the certificate of the cluster's authority and "
            f"one of your own with its key; name them in {', '.join(TLS_VARIABLES)} "
            "(docs/sweeps.md, a cluster of your own)"
        )

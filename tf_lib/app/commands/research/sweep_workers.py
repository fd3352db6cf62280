"""Where a sweep is computed, how much a worker takes at a time, and the line that tells of it."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tf_lib.app.commands.research.progress import Progress
from tf_lib.errors import ParameterError, TfError
from tf_lib.research.inference.objectives import Objective
from tf_lib.research.sweep.evaluate import Evaluation
from tf_lib.research.sweep.run_sweep import MOST_PER_PORTION, Workers
from tf_lib.research.sweep.study import Study
from tf_lib.research.sweep.workers import (
    Portion,
    available_processors,
    cluster_at,
    in_this_process,
    local_workers,
    on_dask,
)

if TYPE_CHECKING:
    from distributed import Client

_PORTIONS_PER_WORKER = 4
_CLUSTER_WORKERS = 16
# Sets times bars: some 250 sets of fourteen tickers and four years, about two seconds' work.
_WORTH_PROCESSES = 5_000_000
_LINE_SECONDS = 5.0
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class SweepWorkers:
    """
    Where a sweep is computed.

    Attributes
    ----------
    scheduler : str or None
        Address of a running Dask scheduler; None: worker processes on this machine.
    n_workers : int or None
        How many of those; None: one per processor. With one, this process does the work.
    """

    scheduler: str | None = None
    n_workers: int | None = None

    def __post_init__(self) -> None:
        if self.n_workers is not None and self.n_workers < 1:
            raise ParameterError(f"--workers must be at least 1, got {self.n_workers}")

    @property
    def width(self) -> int:
        """How many workers to expect."""
        if self.scheduler is not None:
            return _CLUSTER_WORKERS
        return self.n_workers or available_processors()

    def _is_quick(self, study: Study, n_sets: int) -> bool:
        """Whether starting worker processes would take longer than the work itself."""
        return self.n_workers is None and n_sets * study.bars.close.size < _WORTH_PROCESSES

    def __call__(self, study: Study, portions: Sequence[Portion]) -> Generator[list[Evaluation]]:
        """Evaluate portions there; with nothing to do, nothing is started."""
        if not portions:
            return
        n_sets = sum(len(portion) for portion in portions)
        if self.scheduler is None and (len(portions) == 1 or self._is_here(study, n_sets)):
            yield from in_this_process(study, portions)
        else:
            with self._client(len(portions)) as client:
                yield from on_dask(client, study, portions)

    @contextlib.contextmanager
    def lasting(self, study: Study, n_sets: int) -> Iterator[Workers]:
        """Keep what is started for a first lot of portions for the later ones, `n_sets` in all."""
        if self.scheduler is None and self._is_here(study, n_sets):
            yield in_this_process
            return
        clients: list[Client] = []
        with contextlib.ExitStack() as until_the_end:

            def work(study: Study, portions: Sequence[Portion]) -> Generator[list[Evaluation]]:
                if portions and not clients:
                    clients.append(until_the_end.enter_context(self._client(self.width)))
                if portions:
                    yield from on_dask(clients[0], study, portions)

            yield work

    def _is_here(self, study: Study, n_sets: int) -> bool:
        return self.width == 1 or self._is_quick(study, n_sets)

    def _client(self, n_portions: int) -> contextlib.AbstractContextManager[Client]:
        if self.scheduler is not None:
            return cluster_at(self.scheduler)
        return local_workers(min(self.width, n_portions))


def per_portion(n_sets: int, width: int) -> int:
    """Return how many sets a worker takes at a time: some portions for each of them."""
    return max(1, min(MOST_PER_PORTION, math.ceil(n_sets / (width * _PORTIONS_PER_WORKER))))


class ProgressLine:
    """One line on stderr that tells how far a sweep is; a quick one says nothing."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._progress = Progress("sweep", "sets", line_seconds=_LINE_SECONDS)

    def __call__(self, done: int, total: int, best: float) -> None:
        """Tell how far it is, at most now and then."""
        by = self._objective
        name = "Sharpe" if by.is_sharpe else by.label
        said = f"best {name} {by.text(best)}" if math.isfinite(best) else "no figure yet"
        self._progress(done, total, f", {said}")


class SweepInterrupted(TfError):
    """Somebody ended a sweep; what was done is kept."""


@contextlib.contextmanager
def ending_cleanly(out_dir: Path) -> Iterator[None]:
    """
    End workers and temporary folders on Ctrl-C, SIGTERM and SIGHUP, and say what is kept.

    The first signal counts; what comes while the workers end is not heard.

    Raises
    ------
    SweepInterrupted
    """
    before = {each: signal.getsignal(each) for each in _ENDING if _is_heard(each)}

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    try:
        for each in before:
            signal.signal(each, interrupt)
        yield
    except KeyboardInterrupt:
        raise SweepInterrupted(
            f"interrupted; what was done is kept in {out_dir}, and the same command goes on with "
            "the rest"
        ) from None
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _is_heard(number: signal.Signals) -> bool:
    """Whether a signal reaches this thread: nohup keeps SIGHUP away."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and signal.getsignal(number) not in (signal.SIG_IGN, None)

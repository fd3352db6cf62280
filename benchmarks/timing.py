"""Timing: medians of repeated calls, of two things in turn, so that both see the same machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence


def seconds(call: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def median_ms(call: Callable[[], object], *, times: int) -> float:
    """Return the median of several calls, in milliseconds."""
    return 1000 * statistics.median(seconds(call) for _ in range(times))


def medians_in_turn(
    one: Callable[[], object], other: Callable[[], object], *, times: int
) -> tuple[float, float]:
    """Return both medians, in seconds, of calls that take turns."""
    pairs = [(seconds(one), seconds(other)) for _ in range(times)]
    return (
        statistics.median(first for first, _ in pairs),
        statistics.median(second for _, second in pairs),
    )


def best_ms_in_turn(calls: Sequence[Callable[[], object]], *, times: int, warm: int) -> list[float]:
    """
    Return the shortest time of each call in milliseconds; calls take turns, after warm ones.

    The shortest is what a thing costs when nothing else is in its way.
    """
    rounds = [[1000 * seconds(call) for call in calls] for _ in range(warm + times)]
    return [min(column) for column in zip(*rounds[warm:], strict=True)]

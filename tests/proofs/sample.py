"""Seeded parts of all cases: the same ones for the same seed, and something of every kind."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def sampled(items: Sequence[T], kind: Callable[[T], Any], *, count: int, seed: int) -> list[T]:
    """Return a seeded part in which every kind has its share; kinds can be sorted."""
    chance = random.Random(seed)
    groups: dict[Any, list[T]] = {}
    for item in items:
        groups.setdefault(kind(item), []).append(item)
    shuffled = [chance.sample(group, len(group)) for _, group in sorted(groups.items())]
    found: list[T] = []
    while len(found) < count and any(shuffled):
        for group in shuffled:
            if group and len(found) < count:
                found.append(group.pop())
    return found

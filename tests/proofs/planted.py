"""Planted faults: each breaks one rule of execution, and the proofs must catch it by name."""

from __future__ import annotations


def plant(name: str) -> None:
    """Break one rule in this process."""
    raise NotImplementedError(name)

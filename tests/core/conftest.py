"""Hypothesis for compiled code: the first call compiles, and every run draws the same examples."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("compiled", deadline=None, derandomize=True, database=None)
settings.load_profile("compiled")

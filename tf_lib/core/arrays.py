"""
Arrays: the names of the shapes that the core passes around, and how a kernel is compiled.

A history is indexed [row, ticker]: rows are UTC days, tickers stand by name. Kernels are
compiled without fast-math, so that the same numbers give the same bits everywhere in a run.
A division by zero gives infinity or NaN, as it does on arrays; where that matters it is tested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tf_lib.core.kernel_cache import KernelCache

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function over plain arrays; the machine code is kept beside its module."""
    compiled: Any = njit(error_model="numpy")(function)
    compiled._cache = KernelCache(function)
    return cast("Callable[_P, _R]", compiled)

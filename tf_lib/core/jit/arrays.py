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
from numba.extending import register_jitable
from numpy.typing import NDArray

from tf_lib.core.jit.kernel_cache import keep_on_disk

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_njit: Any = njit  # its types do not know all of its options
_register_jitable: Any = register_jitable
_P = ParamSpec("_P")
_R = TypeVar("_R")


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function over plain arrays, for Python and other kernels; it is kept on disk."""
    door = _njit(error_model="numpy", no_cfunc_wrapper=True, _nrt=True)(function)
    keep_on_disk(door)
    return cast("Callable[_P, _R]", door)


def leaf_kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """
    Let kernels call a function that makes no array and returns none.

    Its arrays live as long as its caller, so it need not count who holds them; in a short function
    called for every ticker and day that counting is most of the time. Called from Python it is the
    plain function.
    """
    return _leaf(function, is_copied=False)


def inlined_kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """
    Copy a leaf kernel into the kernels that call it.

    For one that takes many arrays inside a loop: to hand them over costs more than its work. A
    copy costs time to compile, so the rest is left to the compiler's judgement.
    """
    return _leaf(function, is_copied=True)


def _leaf(function: Callable[_P, _R], *, is_copied: bool) -> Callable[_P, _R]:
    register = _register_jitable(
        error_model="numpy",
        no_cfunc_wrapper=True,
        no_cpython_wrapper=True,
        _nrt=False,
        forceinline=is_copied,
    )
    return cast("Callable[_P, _R]", register(function))

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
from numba import njit, types
from numpy.typing import NDArray

from tf_lib.core.kernel_cache import KernelCache

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_njit: Any = njit  # its types do not know all of its options
_types: Any = types
_P = ParamSpec("_P")
_R = TypeVar("_R")


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function over plain arrays; the machine code is kept beside its module."""
    return _kept(function, _njit(error_model="numpy", no_cfunc_wrapper=True))


def leaf_kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """
    Compile a function that only kernels call, and that makes no array and returns none.

    Its arrays live as long as its caller, so it need not count who holds them; in a short function
    called for every ticker and day that counting is most of the time. Without a door for Python
    it compiles in half the time.
    """
    without = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return _kept(function, _njit(error_model="numpy", **without))


def _kept(function: Callable[_P, _R], compiler: Any) -> Callable[_P, _R]:
    compiled = compiler(function)
    compiled._cache = KernelCache(function)
    resolve = compiled.get_call_template

    def resolve_plain(args: Any, kws: Any) -> Any:
        """Take a constant for a number like any other: numba compiles anew for each one."""
        plain = {name: _types.unliteral(kind) for name, kind in kws.items()}
        return resolve([_types.unliteral(kind) for kind in args], plain)

    compiled.get_call_template = resolve_plain
    return cast("Callable[_P, _R]", compiled)

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

from tf_lib.core.jit.kernel_cache import KernelCache
from tf_lib.core.jit.kernel_parts import LeafCompiler, PartCompiler

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_njit: Any = njit  # its types do not know all of its options
_types: Any = types
_P = ParamSpec("_P")
_R = TypeVar("_R")


def kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """
    Compile a function over plain arrays; the machine code is kept beside its module.

    A kernel that calls it gets it as a part of its own machine code.
    """
    door = _njit(error_model="numpy", no_cfunc_wrapper=True)(function)
    door._cache = KernelCache(function)
    part = _part(function, PartCompiler)
    door.get_call_template, door.get_overload = part.get_call_template, part.get_overload
    return cast("Callable[_P, _R]", door)


def leaf_kernel(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """
    Compile a function that only kernels call, and that makes no array and returns none.

    Its arrays live as long as its caller, so it need not count who holds them; in a short function
    called for every ticker and day that counting is most of the time.
    """
    return cast("Callable[_P, _R]", _part(function, LeafCompiler))


def _part(function: Callable[..., Any], compiler: type[PartCompiler]) -> Any:
    part = _njit(error_model="numpy", no_cfunc_wrapper=True, pipeline_class=compiler)(function)
    resolve = part.get_call_template

    def resolve_plain(args: Any, kws: Any) -> Any:
        """Take a constant for a number like any other: numba compiles anew for each one."""
        plain = {name: _types.unliteral(kind) for name, kind in kws.items()}
        return resolve([_types.unliteral(kind) for kind in args], plain)

    part.get_call_template = resolve_plain
    return part

"""
Kernel cache: machine code on disk that is never older than anything it was made from.

numba keeps a compiled kernel beside its module and drops it when that file changes. But a kernel
also holds the code of the kernels it calls and the constants it took from other modules, and
numba does not look there: after an update of one module, kernels of another would go on with the
old rules. Here the stamp of a kernel covers all that it reaches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from numba.core import caching

_OWN = "tf_lib"
_numba: Any = caching  # only half of it is typed


class KernelCache(_numba.FunctionCache):  # type: ignore[misc]
    """The cache of one kernel, stamped with the content of everything it is compiled from."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = (self._impl.locator.get_source_stamp(), digest_of(function))
        self._cache_file = _numba.IndexDataCacheFile(
            cache_path=self._cache_path, filename_base=self._impl.filename_base, source_stamp=stamp
        )


def digest_of(function: Callable[..., Any]) -> str:
    """
    Return a digest of a function's code, of all functions it reaches and constants it reads.

    Examples
    --------
    >>> def area(r): return r * r
    >>> digest_of(area) == digest_of(area)
    True
    """
    digest = hashlib.sha256()
    for piece in _pieces(function, set()):
        digest.update(piece.encode("utf-8", "backslashreplace"))
        digest.update(b"\n")
    return digest.hexdigest()


def _pieces(function: Any, seen: set[int]) -> Iterator[str]:
    plain = getattr(function, "py_func", function)
    if id(plain) in seen:
        return
    seen.add(id(plain))
    code: CodeType = plain.__code__
    names = list(_names(code))
    yield f"{plain.__qualname__} {code.co_code.hex()} {_constants(code)} {plain.__defaults__!r}"
    for name in names:
        value = plain.__globals__.get(name)
        if isinstance(value, ModuleType) and value.__name__.startswith(_OWN):
            for attribute in names:
                yield from _value_pieces(attribute, getattr(value, attribute, None), seen)
        else:
            yield from _value_pieces(name, value, seen)


def _value_pieces(name: str, value: Any, seen: set[int]) -> Iterator[str]:
    if hasattr(value, "py_func") or isinstance(value, FunctionType):
        yield from _pieces(value, seen)
    elif isinstance(value, type):
        yield f"{name} {value.__qualname__} {getattr(value, '_fields', ())}"
    elif isinstance(value, bool | int | float | str | tuple):
        yield f"{name} {value!r}"


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _constants(code: CodeType) -> str:
    """Return constants as text; a nested function stands for its code, not for its address."""
    return repr(
        [
            f"{c.co_code.hex()} {_constants(c)}" if isinstance(c, CodeType) else repr(c)
            for c in code.co_consts
        ]
    )

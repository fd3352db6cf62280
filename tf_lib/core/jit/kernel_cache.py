"""
Kernel cache: machine code on disk that is never older than anything it was made from.

numba keeps a compiled kernel beside its module and drops it when that file changes. But a kernel
also holds the code of the kernels it calls and the constants it took from other modules, and
numba does not look there: after an update of one module, kernels of another would go on with the
old rules. Here the stamp of a kernel covers all that it reaches.

A cache is a convenience: what cannot be read (torn by a power loss, or naming a class that an
update took away) is compiled again, and a disk that takes no file costs time, not the run.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from numba.core import caching

_OWN = "tf_lib"
_numba: Any = caching  # only half of it is typed
_UNUSABLE = (
    OSError, EOFError, _numba.pickle.UnpicklingError, AttributeError, ImportError, IndexError,
    KeyError, TypeError, ValueError,
)  # fmt: skip


class KernelCache(_numba.FunctionCache):  # type: ignore[misc]
    """The cache of one kernel, stamped with the content of everything it is compiled from."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = (self._impl.locator.get_source_stamp(), digest_of(function))
        self._cache_file = _CacheFile(
            cache_path=self._cache_path, filename_base=self._impl.filename_base, source_stamp=stamp
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code for a signature, None when there is none that can be used."""
        try:
            return super().load_overload(sig, target_context)
        except _UNUSABLE:
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep machine code, if the disk takes it."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)


class _CacheFile(_numba.IndexDataCacheFile):  # type: ignore[misc]
    """An index that counts as empty when it cannot be read."""

    def _load_index(self) -> Any:
        try:
            return super()._load_index()
        except _UNUSABLE:
            return {}


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

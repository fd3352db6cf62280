"""
User code: files of Python that a user wrote and parameters or a sweep name, run as text.

The file is never imported by its name: neither the folder a command starts in nor the one of the
parameters is searched for modules.
"""

from __future__ import annotations

import functools
import hashlib
import linecache
import sys
from types import ModuleType

_MODULES_KEPT = 64
_PREFIX = "user_code_"


def sha256_of(source: str) -> str:
    """Return the sha256 of a text, as ``sha256sum`` shows it of a file with plain line ends."""
    return hashlib.sha256(source.encode()).hexdigest()


@functools.lru_cache(maxsize=_MODULES_KEPT)
def run_source(source: str, file: str) -> ModuleType:
    """
    Run a file's text, once in a process, under a name that stands in no other module's way.

    Raises
    ------
    Exception
        Whatever running it raises.
    """
    seal = sha256_of(source)[:12]
    module, shown = ModuleType(f"{_PREFIX}{seal}"), f"<{file} {seal}>"
    # Tracebacks show the text that ran, whatever the file says by now.
    linecache.cache[shown] = (len(source), None, source.splitlines(keepends=True), shown)
    sys.modules[module.__name__] = module
    exec(compile(source, shown, "exec", dont_inherit=True), module.__dict__)
    return module


def failed_in(error: BaseException) -> str:
    """Return ``line N`` of the user's file in which an error came up, as far as it is known."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").startswith(_PREFIX):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" in line {line}" if line else ""

"""
Kernel cache: machine code on disk that is never older than the sources it was made from.

numba drops what it kept of a kernel when that kernel's own file changes. But a kernel also holds
the code of the kernels it calls and the constants it took from other modules, and numba does not
look there: after an update of one module, kernels of another would go on with the old rules. So
machine code lies in a folder named after a digest of all those sources: the core's, and those
beside the kernel.

A cache is a convenience: what cannot be read (torn by a power loss) is compiled again, and a disk
that takes no file costs time, not the run.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from numba import config

_CORE = Path(__file__).resolve().parents[1]
_PREFIX = "kernels-"
_config: Any = config  # its types do not know what it is filled with
_one_at_a_time = threading.Lock()
_UNUSABLE = (
    OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError, IndexError,
    KeyError, TypeError, ValueError,
)  # fmt: skip


def keep_on_disk(door: Any) -> None:
    """Let a kernel that Python calls keep its machine code, if there is a disk that takes it."""
    source = Path(door.py_func.__code__.co_filename).resolve()
    with _one_at_a_time:
        folder = cache_folder(source.parent)
        if folder is None:
            return
        with _only_into(folder), contextlib.suppress(RuntimeError):
            door.enable_caching()
    door.compile = _forgiving(door.compile, folder)


@functools.cache
def cache_folder(beside: Path) -> Path | None:
    """
    Return the folder for kernels whose sources lie in another, None if none can be written.

    It is beside the sources; else, as where a package was installed for all, in the user's cache.
    Those that earlier sources made are removed with the first use of a new one.
    """
    name = _PREFIX + _digest([*_CORE.rglob("*.py"), *beside.glob("*.py")])
    for base in _bases(beside):
        folder = base / name
        is_new = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        for old in base.glob(_PREFIX + "*") if is_new else ():
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
        return folder
    return None


def _bases(beside: Path) -> Iterator[Path]:
    """Yield where folders may be; those not beside the sources are apart by installation."""
    apart = f"{beside.name}-{hashlib.sha256(str(beside).encode()).hexdigest()[:16]}"
    if _config.CACHE_DIR:
        yield Path(_config.CACHE_DIR) / apart
    yield beside / "__pycache__"
    users = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    yield Path(users) / "tf-lib" / apart


def _digest(sources: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _only_into(folder: Path) -> Iterator[None]:
    """Name the one folder that numba may take: beside its module a kernel could grow stale."""
    before = _config.CACHE_DIR, _config.CACHE_LOCATOR_CLASSES
    _config.CACHE_DIR, _config.CACHE_LOCATOR_CLASSES = str(folder), "UserProvidedCacheLocator"
    try:
        yield
    finally:
        _config.CACHE_DIR, _config.CACHE_LOCATOR_CLASSES = before


def _forgiving(compiled: Callable[[Any], Any], folder: Path) -> Callable[[Any], Any]:
    """Compile again without what was kept; what was compiled but not kept is simply there then."""

    def anew_if_unusable(signature: Any) -> Any:
        try:
            return compiled(signature)
        except _UNUSABLE:
            shutil.rmtree(folder, ignore_errors=True)
            return compiled(signature)

    return anew_if_unusable

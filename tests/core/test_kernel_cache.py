"""Compiled kernels on disk follow every module they were made from, not only their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CALLEE = """
from tf_lib.core.jit.arrays import kernel
RATE = {rate}
STEP = {step}

def plain(x):
    return x * RATE

@kernel
def scaled(x):
    return x + RATE
"""
CALLER = """
from numba.extending import register_jitable
from tf_lib.core.jit.arrays import kernel
from callee import STEP, plain, scaled
register_jitable(plain)

@kernel
def doubled(x):
    return 2.0 * scaled(x) + STEP + plain(x)

if __name__ == "__main__":
    print(doubled(10.0), sum(doubled.stats.cache_hits.values()))
"""


def answer(folder: Path, *, rate: float, step: float) -> tuple[float, int]:
    """
    Return what a fresh process gets from the caller, and how often the cache was of use.

    The clock of the files stands still, as within one second on a fast machine. Python's own
    bytecode cache stays out of it: it would take a module of the same length for unchanged.
    """
    (folder / "callee.py").write_text(CALLEE.format(rate=rate, step=step), encoding="utf-8")
    (folder / "main.py").write_text(CALLER, encoding="utf-8")
    for name in ("callee.py", "main.py"):
        os.utime(folder / name, (1.7e9, 1.7e9))
    done = subprocess.run(
        [sys.executable, "-B", "main.py"], capture_output=True, text=True, check=True, cwd=folder
    )
    value, hits = done.stdout.split()
    return float(value), int(hits)


def test_a_change_in_a_called_module_compiles_the_caller_anew(tmp_path: Path) -> None:
    """
    2 (10 + rate) + step + 10 rate: 35 with rate 1 and step 3.

    Unchanged, the kernel comes from disk; a changed constant or callee in the other module makes
    the caller's kernel on disk worthless, though its own file is the same.
    """
    assert answer(tmp_path, rate=1.0, step=3.0) == (35.0, 0)
    assert answer(tmp_path, rate=1.0, step=3.0) == (35.0, 1)
    assert answer(tmp_path, rate=2.0, step=3.0) == (47.0, 0)
    assert answer(tmp_path, rate=2.0, step=4.0) == (48.0, 0)


@pytest.mark.parametrize("junk", [b"", b"torn", b"\x80\x04N."])
def test_a_torn_cache_is_compiled_anew(tmp_path: Path, junk: bytes) -> None:
    """Whatever a power loss left of index and code."""
    assert answer(tmp_path, rate=1.0, step=3.0) == (35.0, 0)
    for path in [*tmp_path.rglob("*.nbi"), *tmp_path.rglob("*.nbc")]:
        path.write_bytes(junk)

    assert answer(tmp_path, rate=1.0, step=3.0) == (35.0, 0)
    assert answer(tmp_path, rate=1.0, step=3.0) == (35.0, 1)


def test_a_torn_code_file_alone_is_compiled_anew(tmp_path: Path) -> None:
    """The index is whole and names a file that is not."""
    assert answer(tmp_path, rate=1.0, step=3.0) == (35.0, 0)
    for path in tmp_path.rglob("*.nbc"):
        path.write_bytes(path.read_bytes()[:40])

    assert answer(tmp_path, rate=1.0, step=3.0) == (35.0, 0)


@pytest.mark.parametrize("module", ["sizing", "trades", "windows"])
def test_kernels_of_the_core_have_such_a_cache(module: str) -> None:
    """Every kernel that Python calls does; parts are kept in those."""
    from importlib import import_module

    from tf_lib.core.jit.kernel_cache import KernelCache
    from tf_lib.core.jit.kernel_parts import PartCompiler

    kernels = [
        value
        for value in vars(import_module(f"tf_lib.core.{module}")).values()
        if hasattr(value, "py_func")
        and not issubclass(value._compiler.pipeline_class, PartCompiler)
    ]

    assert kernels
    assert all(isinstance(each._cache, KernelCache) for each in kernels)

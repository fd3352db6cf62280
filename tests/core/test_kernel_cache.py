"""Compiled kernels on disk follow every module they were made from, not only their own."""

from __future__ import annotations

import ast
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import rooms

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


def begin(
    folder: Path, *, caches: Path | None = None, file_bytes: int = -1
) -> subprocess.Popen[str]:
    """Begin a process that calls the kernel; it may write files of so many bytes."""
    return subprocess.Popen(
        [sys.executable, "-B", "main.py"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=os.environ | {"XDG_CACHE_HOME": str(caches or folder / "caches")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes)),
    )


def end(process: subprocess.Popen[str]) -> tuple[float, int]:
    """Return what a process got from the kernel, and how often the cache was of use."""
    value, hits = process.communicate(timeout=120)[0].split()
    return float(value), int(hits)


def write(folder: Path, *, rate: float = 1.0, step: float = 3.0) -> Path:
    """
    Write both modules.

    The clock of the files stands still, as within one second on a fast machine. Python's own
    bytecode cache stays out of it: it would take a module of the same length for unchanged.
    """
    (folder / "callee.py").write_text(CALLEE.format(rate=rate, step=step), encoding="utf-8")
    (folder / "main.py").write_text(CALLER, encoding="utf-8")
    for name in ("callee.py", "main.py"):
        os.utime(folder / name, (1.7e9, 1.7e9))
    return folder


def answer(folder: Path, *, rate: float = 1.0, step: float = 3.0) -> tuple[float, int]:
    """Return what a fresh process gets from the caller, and how often the cache was of use."""
    return end(begin(write(folder, rate=rate, step=step)))


def test_a_change_in_a_called_module_compiles_the_caller_anew(tmp_path: Path) -> None:
    """
    2 (10 + rate) + step + 10 rate: 35 with rate 1 and step 3.

    Unchanged, the kernel comes from disk; a changed constant or callee in the other module makes
    the caller's kernel on disk worthless, though its own file is the same. It is removed.
    """
    assert answer(tmp_path) == (35.0, 0)
    assert answer(tmp_path) == (35.0, 1)
    assert answer(tmp_path, rate=2.0) == (47.0, 0)
    assert answer(tmp_path, rate=2.0, step=4.0) == (48.0, 0)
    assert len([*tmp_path.rglob("kernels-*")]) == 1


def test_a_change_in_the_core_compiles_every_kernel_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project_root: Path
) -> None:
    """A copy of the package whose core has a line more is another package to a kernel."""
    (tmp_path / "tf_lib").mkdir()
    for path in [*project_root.glob("tf_lib/*.py"), *project_root.glob("tf_lib/core/**/*.py")]:
        copy = tmp_path / path.relative_to(project_root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    assert answer(tmp_path) == (35.0, 0)
    assert answer(tmp_path) == (35.0, 1)
    with (tmp_path / "tf_lib/core/orders/stops.py").open("a", encoding="utf-8") as module:
        module.write("NEW = 1\n")
    assert answer(tmp_path) == (35.0, 0)


@pytest.mark.parametrize("junk", [b"", b"torn", b"\x80\x04N."])
def test_a_torn_cache_is_compiled_anew(tmp_path: Path, junk: bytes) -> None:
    """Whatever a power loss left of index and code."""
    assert answer(tmp_path) == (35.0, 0)
    for path in [*tmp_path.rglob("*.nbi"), *tmp_path.rglob("*.nbc")]:
        path.write_bytes(junk)

    assert answer(tmp_path) == (35.0, 0)
    assert answer(tmp_path) == (35.0, 1)


def test_a_torn_code_file_alone_is_compiled_anew(tmp_path: Path) -> None:
    """The index is whole and names a file that is not."""
    assert answer(tmp_path) == (35.0, 0)
    for path in tmp_path.rglob("*.nbc"):
        path.write_bytes(path.read_bytes()[:40])

    assert answer(tmp_path) == (35.0, 0)


def test_a_full_disk_costs_time_and_not_the_run(tmp_path: Path) -> None:
    """The folder can be made, and no byte be written."""
    assert end(begin(write(tmp_path), file_bytes=0)) == (35.0, 0)
    assert answer(tmp_path) == (35.0, 0)


def test_a_room_that_cannot_be_written_has_its_folder_among_the_users(tmp_path: Path) -> None:
    """As where a package was installed for all; without either, kernels are only not kept."""
    (tmp_path / "__pycache__").write_text("in the way")
    assert answer(tmp_path) == (35.0, 0)
    assert answer(tmp_path) == (35.0, 1)
    assert [*(tmp_path / "caches/tf-lib").rglob("*.nbc")]

    nowhere = tmp_path / "__pycache__"
    assert end(begin(tmp_path, caches=nowhere)) == (35.0, 0)
    assert end(begin(tmp_path, caches=nowhere)) == (35.0, 0)


def test_processes_that_compile_at_once_are_of_one_mind(tmp_path: Path) -> None:
    """All write into the same folder; who comes late may find it made."""
    found = [end(each) for each in [begin(write(tmp_path)) for _ in range(3)]]

    assert [value for value, _ in found] == [35.0] * 3
    assert answer(tmp_path) == (35.0, 1)


def test_the_digest_covers_all_that_kernels_read(project_root: Path) -> None:
    """What a kernel takes from another module lies in the core or beside the kernel."""
    outside, seen = [], 0
    for module, path in rooms.modules(project_root).items():
        tree, room = ast.parse(path.read_text(encoding="utf-8")), module.rpartition(".")[0]
        sources = {
            alias.asname or alias.name: node.module or ""
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        for function in [node for node in tree.body if isinstance(node, ast.FunctionDef)]:
            if {"kernel", "leaf_kernel", "inlined_kernel"} & {
                ast.unparse(decorator) for decorator in function.decorator_list
            }:
                seen += 1
                read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
                used = {sources[name] for name in read & set(sources)}
                outside += [
                    f"{module}.{function.name} reads {source}"
                    for source in used
                    if source.startswith("tf_lib.")
                    and not source.startswith("tf_lib.core.")
                    and source.rpartition(".")[0] != room
                ]

    assert seen > 100
    assert outside == []

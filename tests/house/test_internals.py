"""What is used of other packages that they keep for themselves, and the bounds that this needs."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

INTERNALS = {
    ("coinbase-advanced-py", "_load_private_key"),  # reads both kinds of keys
    ("numba", "_nrt"),  # named by the docstring of register_jitable
}
"""Each may change with any version: its package needs a bound below the next one."""
LEANT_ON = {
    "coinbase-advanced-py": "the client's session, its hooks and the text of its errors",
    "numba": "how compile and enable_caching work together, and what CACHE_DIR is read for",
}
PUBLIC = {"_asdict", "_exit", "_fields", "_replace", "_value_"}  # by the documentation of Python
FOLDERS = ("benchmarks", "scripts", "tests", "tf_lib")
OWN = {*FOLDERS, ""}


def is_private(name: str) -> bool:
    """Return whether a part of a dotted name is somebody's own; ``numba.core`` is by its manual."""
    return name.startswith("numba.core") or any(
        part.startswith("_") and not part.startswith("__") for part in name.split(".")
    )


def reached(tree: ast.AST) -> Iterator[str]:
    """Yield private names that are imported from others, read from a value or given as option."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] not in OWN:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg


def made(tree: ast.AST) -> Iterator[str]:
    """Yield what a module defines, sets or takes: a private name among these is our own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield from [node.attr] if ast.unparse(node.value) == "self" else []


def internals(sources: list[str]) -> set[str]:
    """Return the private names that sources reach for and none of them makes."""
    trees = [ast.parse(source) for source in sources]
    own = {name for tree in trees for name in made(tree)} | PUBLIC
    return {name for tree in trees for name in reached(tree) if is_private(name)} - own


def test_internals_of_others_are_the_listed_ones(project_root: Path) -> None:
    """Something new is either in the package's public words, or in the list with a reason."""
    paths = [path for folder in FOLDERS for path in (project_root / folder).rglob("*.py")]
    found = internals([path.read_text(encoding="utf-8") for path in paths])

    assert found == {name for _, name in INTERNALS}


def test_the_search_bites() -> None:
    """Each way of reaching in is seen, and what is ours is not."""
    assert internals(["from numba.core import caching"]) == {"numba.core.caching"}
    assert internals(["import requests._internal_utils"]) == {"requests._internal_utils"}
    assert internals(["door._cache = 1", "njit(_dbg=True)"]) == {"_cache", "_dbg"}
    assert internals(["class A:\n  def _own(self): self._x = 1\nA()._own()\nA()._x"]) == set()


def test_what_is_leant_on_has_bounds(project_root: Path) -> None:
    """The next version that may change them is not installed unseen."""
    project: Any = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]
    bounds = {one.name: one.specifier for one in map(Requirement, project["dependencies"])}
    assert {package for package, _ in INTERNALS} <= set(LEANT_ON)

    for package in LEANT_ON:
        operators = {one.operator: Version(one.version) for one in bounds[package]}
        assert set(operators) == {">=", "<"}, package
        least = operators[">="]
        assert operators["<"].release[:2] <= (least.major, least.minor + 1), package

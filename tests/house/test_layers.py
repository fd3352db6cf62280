"""
Who may import whom, read off the source.

drivers -> research, pages, edge, core (and the simulator, which they start);
simulator -> core; edge -> core; pages -> core; research -> core, pages;
core -> nothing. Everyone may use the modules that lie in tf_lib itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED = {"days", "errors", "parameters", "shown", "written"}
ALLOWED = {
    "core": {"core"},
    "edge": {"edge", "core"},
    "simulator": {"simulator", "core"},
    "pages": {"pages", "core"},
    "research": {"research", "core", "pages"},
    "drivers": {"drivers", "research", "pages", "edge", "core", "simulator"},
    # The modules that lie in tf_lib itself.
    "errors": set(),
    "days": set(),
    "shown": set(),
    "written": {"errors", "shown"},
    "parameters": {"days", "errors", "shown", "written"},
    "__init__": set(),
    "__main__": {"drivers"},
}

# What the core may use besides itself: nothing that knows the time, the
# machine, the disk, the network or chance.
PURE_MODULES = {
    "__future__", "abc", "base64", "bisect", "collections", "contextlib", "copy", "csv",
    "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq",
    "io", "itertools", "json", "math", "numbers", "operator", "re", "statistics", "string",
    "struct", "textwrap", "types", "typing", "uuid", "zlib",
    "numba", "numpy", "pandas", "scipy",
}  # fmt: skip
IMPURE_BUILTINS = {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}
IMPURE_METHODS = {
    "now", "utcnow", "today",  # datetime, date, Timestamp
    "uuid1", "uuid4",
    "open", "read_text", "read_bytes", "write_text", "write_bytes",
    "read_csv", "read_json", "read_parquet", "read_pickle",
    "to_csv", "to_parquet", "to_pickle", "tofile", "fromfile", "loadtxt", "savetxt",
}  # fmt: skip


def imported_modules(tree: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    """Yield line and full dotted name of every import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            if base == "tf_lib":
                # `from tf_lib import edge` imports tf_lib.edge.
                for alias in node.names:
                    yield node.lineno, f"tf_lib.{alias.name}"
            else:
                yield node.lineno, base


def layer_violations(source: str, module: str) -> list[str]:
    """Return what a module's imports break, as lines for a person."""
    layer = module.split(".")[1]
    allowed = ALLOWED[layer] | {"__init__"} | (SHARED if layer not in SHARED else set())
    found = []
    for line, name in imported_modules(ast.parse(source), package=module.rsplit(".", 1)[0]):
        first, *rest = name.split(".")
        if first == "tf_lib":
            # `from tf_lib import __version__` names no layer.
            target = rest[0] if rest and rest[0] in ALLOWED else "__init__"
            if target not in allowed:
                found.append(f"{module}:{line}: {layer} imports {name}")
        elif layer == "core" and first not in PURE_MODULES:
            found.append(f"{module}:{line}: the core imports {name}")
    return found


def purity_violations(source: str, module: str) -> list[str]:
    """Return what in a core module reaches for time, disk, chance or the terminal."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS:
                found.append(f"{module}:{node.lineno}: {node.func.id}()")
            if isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_METHODS:
                found.append(f"{module}:{node.lineno}: .{node.func.attr}()")
        is_numpy_random = (
            isinstance(node, ast.Attribute)
            and node.attr == "random"
            and isinstance(node.value, ast.Name)
            and node.value.id in {"np", "numpy"}
        )
        if is_numpy_random:
            found.append(f"{module}:{node.lineno}: numpy.random")
    return found


def _modules(project_root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((project_root / "tf_lib").rglob("*.py")):
        parts = path.relative_to(project_root).with_suffix("").parts
        yield ".".join(parts), path.read_text(encoding="utf-8")


def test_every_layer_imports_only_what_it_may(project_root: Path) -> None:
    """The arrows of the design hold for every import, also inside functions."""
    found = [line for name, text in _modules(project_root) for line in layer_violations(text, name)]

    assert found == []


def test_core_is_pure(project_root: Path) -> None:
    """No clock, disk, chance or printing in the core."""
    core = [(name, text) for name, text in _modules(project_root) if ".core." in f"{name}."]

    assert core, "tf_lib has no core"
    assert [line for name, text in core for line in purity_violations(text, name)] == []


def test_every_folder_of_the_library_is_a_known_layer(project_root: Path) -> None:
    """A new folder or module needs its place in the table first."""
    entries = [
        path
        for path in (project_root / "tf_lib").iterdir()
        if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))
    ]

    assert {path.stem for path in entries} <= set(ALLOWED)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tf_lib.core.signals.columns", "from tf_lib.exchange.clock import utc_now"),
        ("tf_lib.core.signals.columns", "from tf_lib import edge"),
        ("tf_lib.core.signals.columns", "def late():\n    import tf_lib.simulator.api"),
        ("tf_lib.core.signals.columns", "from ..edge import clock"),
        ("tf_lib.core.signals.columns", "import os"),
        ("tf_lib.core.signals.columns", "from pathlib import Path"),
        ("tf_lib.core.signals.columns", "import requests"),
        ("tf_lib.core.__init__", "from ..pages import charts"),
        ("tf_lib.store.ledger", "from tf_lib.simulator import market"),
        ("tf_lib.store.ledger", "from tf_lib.app.launch.runner import run"),
        ("tf_lib.simulator.api", "from tf_lib.exchange.coinbase.client import Coinbase"),
        ("tf_lib.pages.day.charts", "from tf_lib.research import backtest"),
        ("tf_lib.research.attribution.shadow", "from tf_lib.edge import run_store"),
        ("tf_lib.errors", "import tf_lib.parameters"),
        ("tf_lib.parameters", "from tf_lib.core import records"),
    ],
)
def test_a_forbidden_import_is_seen(module: str, source: str) -> None:
    """Each of these would break an arrow."""
    assert len(layer_violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tf_lib.core.signals.columns", "from .windows import rolling_max"),
        ("tf_lib.core.signals.columns", "import numpy as np\nfrom tf_lib.errors import BarsError"),
        ("tf_lib.store.ledger", "import sqlite3\nfrom tf_lib.core import records"),
        ("tf_lib.app.launch.runner", "from tf_lib.simulator import server"),
        ("tf_lib.research.report", "from tf_lib.pages import charts"),
        ("tf_lib.parameters", "from tf_lib.errors import ParameterError"),
        ("tf_lib.__main__", "from tf_lib.app.cli import main"),
    ],
)
def test_an_allowed_import_passes(module: str, source: str) -> None:
    """The arrows of the design themselves."""
    assert layer_violations(source, module) == []


@pytest.mark.parametrize(
    "source",
    [
        "open('x')",
        "io.open('x')",
        "print('x')",
        "datetime.now(UTC)",
        "pd.Timestamp.utcnow()",
        "date.today()",
        "np.random.default_rng(1)",
        "uuid.uuid4()",
        "bars.to_parquet('x')",
    ],
)
def test_an_impure_call_is_seen(source: str) -> None:
    """Each of these would make an answer depend on more than its arguments."""
    assert len(purity_violations(source, "tf_lib.core.signals.columns")) == 1

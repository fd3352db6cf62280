"""
The house holds what `tests.house.rooms` says of it, read off the sources.

A folder and a name tell a reader where to look; imports run down only, so that a room can be
understood without those above it.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

import tf_lib
from tests.house import rooms
from tests.house.rooms import MODULES_IN_A_FOLDER, ROOMS, room_of

# Public lists that notebooks import from; they only name what lies in the rooms.
FACADES = {"runs", "public_list"}

TOLD_TWICE = {
    "is_dust": "in exact decimals, and in whole lots",
    "price": "from an exchange's answer, and in a reader's words",
    "volatility": "a figure, and its chart",
}
"""Public functions of one name in two modules, and what each of them means."""

# What the core may use besides itself: nothing that knows the time, the
# machine, the disk, the network or chance.
PURE_MODULES = {
    "__future__", "abc", "base64", "bisect", "collections", "contextlib", "copy", "csv",
    "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq",
    "io", "itertools", "json", "math", "numbers", "operator", "re", "statistics", "string",
    "struct", "textwrap", "types", "typing", "uuid", "zlib",
    "numba", "numpy", "pandas", "scipy",
}  # fmt: skip
# numba would write to the disk by itself; here it is told where.
KEEPS_MACHINE_CODE = "tf_lib.core.jit.kernel_cache"
IMPURE_BUILTINS = {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}
IMPURE_METHODS = {
    "now", "utcnow", "today",  # datetime, date, Timestamp
    "uuid1", "uuid4",
    "open", "read_text", "read_bytes", "write_text", "write_bytes",
    "read_csv", "read_json", "read_parquet", "read_pickle",
    "to_csv", "to_parquet", "to_pickle", "tofile", "fromfile", "loadtxt", "savetxt",
}  # fmt: skip


def forbidden_imports(source: str, module: str) -> list[str]:
    """Return what a module's imports break, as lines for a person."""
    here = room_of(module)
    found = []
    for line, name in rooms.imported_names(ast.parse(source), module.rpartition(".")[0]):
        if name.startswith("tf_lib."):
            target = room_of(name)
            if target in ROOMS and target != here and target not in ROOMS[here].below:
                found.append(f"{module}:{line}: {here} imports {name}")
        elif module == KEEPS_MACHINE_CODE:
            continue
        elif here == "core" and name.split(".")[0] not in PURE_MODULES:
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
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"np.random", "numpy.random"}:
            found.append(f"{module}:{node.lineno}: numpy.random")
    return found


def test_imports_run_down_only() -> None:
    """The arrows of the house hold for every import, also inside functions."""
    inside = {name: text for name, text in rooms.sources().items() if room_of(name) in ROOMS}
    found = [line for name, text in inside.items() for line in forbidden_imports(text, name)]

    assert found == []


def test_no_folder_and_no_module_imports_itself_by_others(project_root: Path) -> None:
    """No circle, neither of modules nor of folders."""
    assert rooms.circle(rooms.arrows(project_root)) == []
    assert rooms.circle(rooms.folder_arrows(project_root)) == []


def test_core_is_pure() -> None:
    """No clock, disk, chance or printing in the core."""
    core = {name for name in rooms.sources() if room_of(name) == "core"} - {KEEPS_MACHINE_CODE}

    assert core, "tf_lib has no core"
    assert [line for name in core for line in purity_violations(rooms.sources()[name], name)] == []


def test_every_folder_of_the_library_is_a_room(project_root: Path) -> None:
    """A new folder or module of tf_lib itself needs its place in the table first."""
    folders = {room_of(name) for name in rooms.modules(project_root)}
    assert folders <= {"", *ROOMS, "__main__", *FACADES}


def test_a_room_can_be_looked_over(project_root: Path) -> None:
    """No folder holds more modules than one can keep in mind."""
    folders = Counter(
        path.parent.relative_to(project_root)
        for path in rooms.modules(project_root).values()
        if path.name != "__init__.py"
    )

    assert {str(name): n for name, n in folders.items() if n > MODULES_IN_A_FOLDER} == {}


def test_a_module_name_means_one_thing(project_root: Path) -> None:
    """Outside of endpoints and commands, which are named after what people type."""
    names = Counter(
        path.stem
        for path in rooms.modules(project_root).values()
        if path.name != "__init__.py" and not {"api", "commands"} & set(path.parts)
    )

    assert [name for name, n in names.items() if n > 1] == []


def test_a_class_name_means_one_thing() -> None:
    """Whoever searches for a class finds one."""
    names: dict[str, list[str]] = {}
    for module, text in rooms.sources().items():
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                names.setdefault(node.name, []).append(module)

    assert {name: where for name, where in names.items() if len(where) > 1} == {}


def test_a_public_function_means_one_thing() -> None:
    """But for commands, the simulated exchange, which knows nothing else, and `TOLD_TWICE`."""
    names: dict[str, list[str]] = {}
    for module, text in rooms.sources().items():
        if room_of(module) == "simulator" or {"cli", "commands"} & set(module.split(".")):
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                names.setdefault(node.name, []).append(module)

    assert {name for name, where in names.items() if len(where) > 1} == set(TOLD_TWICE)


def test_the_library_quotes_the_table() -> None:
    """The docstring of tf_lib says of the rooms what the table says."""
    doc = " ".join((tf_lib.__doc__ or "").split())

    for name, room in ROOMS.items():
        assert f"{name} {room.holds}" in doc


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tf_lib.core.signals.columns", "from tf_lib.exchange.clock import utc_now"),
        ("tf_lib.core.signals.columns", "from tf_lib import exchange"),
        ("tf_lib.core.signals.columns", "def late():\n    import tf_lib.simulator.api"),
        ("tf_lib.core.signals.columns", "from ...store import files"),
        ("tf_lib.core.signals.columns", "import os"),
        ("tf_lib.core.signals.columns", "from pathlib import Path"),
        ("tf_lib.core.signals.columns", "import requests"),
        ("tf_lib.store.ledger", "from tf_lib.simulator import market"),
        ("tf_lib.store.ledger", "from tf_lib.app.launch.runner import run"),
        ("tf_lib.store.ledger", "from tf_lib.execution import rebalance"),
        ("tf_lib.exchange.clock", "from tf_lib.store import files"),
        ("tf_lib.simulator.api.orders", "from tf_lib.exchange.coinbase import client"),
        ("tf_lib.pages.day.charts", "from tf_lib.research import backtest"),
        ("tf_lib.research.attribution.shadow", "from tf_lib.store import run_folder"),
        ("tf_lib.research.sweep.grid", "from tf_lib.pages import html"),
        ("tf_lib.errors", "import tf_lib.parameters"),
        ("tf_lib.parameters", "from tf_lib.core.model import records"),
    ],
)
def test_a_forbidden_import_is_seen(module: str, source: str) -> None:
    """Each of these would be an arrow that runs up, or leave the core impure."""
    assert len(forbidden_imports(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tf_lib.core.signals.columns", "from .windows import rolling_max"),
        ("tf_lib.core.signals.columns", "import numpy as np\nfrom tf_lib.errors import BarsError"),
        ("tf_lib.store.ledger", "import sqlite3\nfrom tf_lib.core.model import records"),
        ("tf_lib.app.launch.runner", "from tf_lib.simulator import SimulatedExchange"),
        ("tf_lib.app.commands.site", "from tf_lib.pages import site"),
        ("tf_lib.parameters", "from tf_lib.errors import ParameterError"),
    ],
)
def test_an_allowed_import_passes(module: str, source: str) -> None:
    """The arrows of the house themselves."""
    assert forbidden_imports(source, module) == []


def test_a_circle_is_seen() -> None:
    """The search itself finds one, wherever it begins."""
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}

    assert rooms.circle(graph) == ["b", "d"]
    assert rooms.circle({**graph, "d": {"c"}}) == []


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

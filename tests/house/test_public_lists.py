"""What a room offers is there, and notebooks use nothing else."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import rooms
from tests.house.rooms import ROOT

OFFERING = ("tf_lib.pages", "tf_lib.research", "tf_lib.runs")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LISTS = [
    name
    for name, path in rooms.modules(ROOT).items()
    if path.name == "__init__.py" and "__all__" in path.read_text(encoding="utf-8")
]


def imported_by(notebook: Path) -> Iterator[str]:
    """Yield what a notebook imports, as dotted names."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            for _, name in rooms.imported_names(ast.parse("".join(cell["source"])), ""):
                yield name


def used_elsewhere(room: str) -> set[str]:
    """Return the names that modules outside of a room import from it."""
    return {
        name.rpartition(".")[2]
        for module, text in rooms.sources().items()
        if rooms.room_of(module) != room
        for _, name in rooms.imported_names(ast.parse(text), module.rpartition(".")[0])
        if name.startswith(f"tf_lib.{room}.")
    }


@pytest.mark.parametrize("name", sorted({*LISTS, *OFFERING}))
def test_a_public_list_is_true(name: str) -> None:
    """Every name of it can be imported, none is private, none stands twice."""
    module = importlib.import_module(name)
    listed = module.__all__

    assert all(getattr(module, each) is not None for each in listed)
    assert not [each for each in listed if each.startswith("_")]
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize("room", sorted(set(rooms.ROOMS) - {"errors", "project", "text"}))
def test_each_room_has_a_list(room: str) -> None:
    """But for the ground that all stand on, which is modules."""
    assert f"tf_lib.{room}" in LISTS


@pytest.mark.parametrize("room", ["app", "execution", "exchange", "notify", "safety", "store"])
def test_a_room_offers_what_others_use_of_it(room: str) -> None:
    """Neither less nor more: what is not listed in its `__init__` is the room's own."""
    used, listed = used_elsewhere(room), set(importlib.import_module(f"tf_lib.{room}").__all__)

    assert {"to be listed": used - listed, "used by nobody": listed - used} == {
        "to be listed": set(),
        "used by nobody": set(),
    }


def test_the_core_offers_what_others_use() -> None:
    """Its list is for readers: types and decisions, without the kernels that research compiles."""
    assert set(importlib.import_module("tf_lib.core").__all__) <= used_elsewhere("core")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_import_from_the_public_lists(notebook: Path) -> None:
    """No command module and nothing that is not listed."""
    ours = [name.rpartition(".") for name in imported_by(notebook) if name.startswith("tf_lib")]

    assert ours
    for package, _, name in ours:
        assert package in OFFERING
        assert name in importlib.import_module(package).__all__


def test_benchmarks_import_no_command(project_root: Path) -> None:
    """They measure what lies below."""
    for path in (project_root / "benchmarks").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = [name for _, name in rooms.imported_names(tree, "benchmarks")]
        assert not [name for name in found if name.startswith("tf_lib.app")]


def test_a_name_costs_what_it_needs() -> None:
    """A day that is opened loads no sweep, and a name that is not offered is refused in words."""
    code = (
        "import sys; from tf_lib.runs import open_day\n"
        "assert not {'dask', 'matplotlib', 'tf_lib.research.sweep'} & set(sys.modules)\n"
        "from tf_lib.runs import close_day"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert "cannot import name 'close_day'" in done.stderr


def test_what_runs_every_few_minutes_loads_little() -> None:
    """Guard, protect and the commands that only look: no candles, kernels or charts."""
    commands = ", ".join(f"tf_lib.app.commands.{name}" for name in ("guard", "status", "doctor"))
    code = f"import sys, {commands}; print({{'pandas', 'numba', 'matplotlib'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.stdout == "set()\n"

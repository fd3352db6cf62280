"""
The rooms of tf_lib: what each holds, and which others it may import.

The one statement of the rule. `tests.house.diagrams` writes it into docs/architecture.md, the
docstring of tf_lib quotes it, and tests hold the sources against it.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_BASE = ("parameters", "text", "project", "errors")


@dataclass(frozen=True)
class Room:
    """A room: what it holds in a line, and the rooms below it that it may import."""

    holds: str
    below: tuple[str, ...]


ROOMS: Mapping[str, Room] = {
    "app": Room(
        "the daily run from gate to finish, and the command line",
        (
            *("execution", "safety", "notify", "store", "exchange"),
            *("simulator", "research", "pages", "core", *_BASE),
        ),
    ),
    "execution": Room(
        "from a frozen plan to positions under their stops",
        ("safety", "notify", "store", "exchange", "core", *_BASE),
    ),
    "safety": Room(
        "who may send: arming, locks, the account's epoch",
        ("notify", "store", "exchange", "core", *_BASE),
    ),
    "notify": Room("who is told, in which words", ("store", "exchange", "core", *_BASE)),
    "store": Room("files on disk: ledger, run folders, candles", ("exchange", "core", *_BASE)),
    "exchange": Room("the port, and Coinbase behind it", ("core", *_BASE)),
    "simulator": Room("the exchange that stands in, behind the same wire", ("core", *_BASE)),
    "research": Room("backtests, sweeps and proofs about data", ("core", *_BASE)),
    "pages": Room("charts, tables and reports that a person reads", ("core", *_BASE)),
    "core": Room("decides; pure arithmetic on arrays and frozen values", _BASE),
    "parameters": Room("what a user may set, checked", ("text", "errors")),
    "text": Room("days, numbers, values and words as people write them", ("project", "errors")),
    "project": Room("where notebooks, parameters and runs lie", ("errors",)),
    "errors": Room("what can go wrong, by name and exit code", ()),
}
"""From the top of the house to its ground."""

MODULES_IN_A_FOLDER = 12


def table() -> str:
    """Return the rooms as the table that docs/architecture.md shows."""
    lines = ["| package | what it holds | may import |", "|---|---|---|"]
    for name, room in ROOMS.items():
        own = [below for below in room.below if below not in _BASE or name in _BASE]
        lines.append(f"| `{name}` | {room.holds} | {', '.join(own) or 'nothing'} |")
    return "\n".join(lines) + "\n"


def modules(root: Path) -> dict[str, Path]:
    """Return the modules of tf_lib by dotted name; a package by the name of its folder."""
    found = {}
    for path in sorted((root / "tf_lib").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def sources() -> dict[str, str]:
    """Return the text of each module of tf_lib by dotted name."""
    return {name: path.read_text(encoding="utf-8") for name, path in modules(ROOT).items()}


def imported_names(tree: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    """
    Yield line and dotted name of every import, wherever it stands.

    ``from a import b`` yields ``a.b``, which may be a module or a name in one.
    """
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
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def arrows(root: Path) -> dict[str, set[str]]:
    """Return which module of tf_lib imports which others, also inside functions."""
    known = modules(root)
    found: dict[str, set[str]] = {}
    for name, path in known.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        tree = ast.parse(path.read_text(encoding="utf-8"))
        targets = set()
        for _, imported in imported_names(tree, package):
            target = imported if imported in known else imported.rpartition(".")[0]
            if target in known:
                targets.add(target)
        found[name] = targets - {name}
    return found


def room_of(module: str) -> str:
    """Return the room of a dotted name: its part after tf_lib, '' for tf_lib itself."""
    return module.split(".")[1] if "." in module else ""


def folder_arrows(root: Path) -> dict[str, set[str]]:
    """
    Return the arrows between folders; a module that lies among folders stands for itself.

    A folder holds modules that belong together, so that an arrow between two is one idea that
    uses another. `tf_lib.app.cli` lies above the folders of `app`, `tf_lib.app.options` below
    them: neither is the folder.
    """
    known = arrows(root)
    with_folders = {name.rpartition(".")[0] for name in known if _is_package(root, name)}

    def node(name: str) -> str:
        parent = name.rpartition(".")[0]
        if _is_package(root, name) or parent in with_folders:
            return name
        return parent

    found: dict[str, set[str]] = {}
    for name, targets in known.items():
        here = found.setdefault(node(name), set())
        here |= {node(target) for target in targets} - {node(name)}
    return found


def _is_package(root: Path, name: str) -> bool:
    return (root / name.replace(".", "/")).is_dir()


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the nodes of a circle in a graph, in order; empty if there is none."""
    done: set[str] = set()
    for start in sorted(graph):
        found = _circle_from(graph, start, [], done)
        if found:
            return found
    return []


def _circle_from(
    graph: Mapping[str, set[str]], node: str, way: list[str], done: set[str]
) -> list[str]:
    if node in way:
        return way[way.index(node) :]
    if node in done:
        return []
    for following in sorted(graph.get(node, ())):
        found = _circle_from(graph, following, [*way, node], done)
        if found:
            return found
    done.add(node)
    return []

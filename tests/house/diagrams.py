"""
Diagrams in the docs, drawn from the code: ``python -m tests.house.diagrams``.

State diagrams come from the tables of states, the house from the imports of its modules. A
diagram is the mermaid block of its page; the words around it are written by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.house import rooms
from tests.house.rooms import ROOT
from tf_lib.core.model.order_life import TRANSITIONS as ORDER_LIFE
from tf_lib.simulator.matching.order import TRANSITIONS as EXCHANGE_STATUS

DOCS = ROOT / "docs"
_STATES, _HOUSE = "```mermaid\nstateDiagram-v2\n", "```mermaid\nflowchart TD\n"

TABLES: Mapping[str, tuple[str, Mapping[str, frozenset[str]]]] = {
    "order_life.md": ("INTENDED", {str(a): frozenset(b) for a, b in ORDER_LIFE.items()}),
    "simulator.md": ("PENDING", {str(a): frozenset(b) for a, b in EXCHANGE_STATUS.items()}),
}
"""Page to (first state, what may follow what)."""


def drawn(first: str, following: Mapping[str, Iterable[str]]) -> str:
    """Return the lines of a state diagram: moves by state, then the states that nothing follows."""
    lines = [f"[*] --> {first}"]
    lines += [f"{one} --> {other}" for one in following for other in sorted(following[one])]
    lines += [f"{one} --> [*]" for one in sorted(following) if not following[one]]
    return "".join(f"    {line}\n" for line in lines)


def drawn_house(root: Path) -> str:
    """
    Return the lines of the house: each room with its folders, arrows from imports.

    An arrow that others lead to by a longer way is left out.
    """
    folders = _outermost(rooms.folder_arrows(root))
    lines = []
    for room in rooms.ROOMS:
        inside = [name for name in folders if name.startswith(f"tf_lib.{room}.")]
        if not inside:
            lines.append(f"{room}[{room}]")
            continue
        lines.append(f"subgraph {room}")
        lines += [f"    {_key(name)}[{name.rpartition('.')[2]}]" for name in sorted(inside)]
        within = {name: folders[name] & set(inside) for name in inside}
        lines += [f"    {arrow}" for arrow in _drawn_arrows(within)]
        lines.append("end")
    between = {room: set[str]() for room in rooms.ROOMS}
    for name, targets in folders.items():
        if rooms.room_of(name) in rooms.ROOMS:
            between[rooms.room_of(name)] |= {rooms.room_of(target) for target in targets}
    held = {
        room: {t for t in targets if t in between} - {room} for room, targets in between.items()
    }
    return "".join(f"    {line}\n" for line in [*lines, *_drawn_arrows(held)])


def _outermost(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return a graph of folders with what lies in a folder of a room drawn as that folder."""
    found: dict[str, set[str]] = {}
    for name, targets in graph.items():
        node = ".".join(name.split(".")[:3])
        arrows = {".".join(target.split(".")[:3]) for target in targets}
        found[node] = found.get(node, set()) | (arrows - {node})
    return found


def _drawn_arrows(graph: Mapping[str, set[str]]) -> list[str]:
    kept = []
    for name, targets in sorted(graph.items()):
        longer = set().union(*(_reached(graph, target) for target in targets)) if targets else set()
        kept += [f"{_key(name)} --> {_key(target)}" for target in sorted(targets - longer)]
    return kept


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = graph.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return found


def _key(name: str) -> str:
    return name.removeprefix("tf_lib.").replace(".", "_")


def with_diagram(page: str, diagram: str, opening: str = _STATES) -> str:
    """Return a page with its one diagram of a kind replaced."""
    before, found, rest = page.partition(opening)
    if not found or opening in rest:
        raise ValueError(f"a page needs exactly one block that begins with {opening!r}")
    _, closing, after = rest.partition("```\n")
    return before + opening + diagram + closing + after


def with_rooms(page: str) -> str:
    """Return the page on architecture with the table of rooms replaced."""
    head = rooms.table().partition("\n")[0] + "\n"
    before, found, rest = page.partition(head)
    if not found:
        raise ValueError(f"a page needs a table that begins with {head!r}")
    return before + rooms.table() + rest[rest.index("\n\n") + 1 :]


def pages() -> dict[Path, str]:
    """Return each page that holds something drawn, as it should be."""
    found = {}
    for name, (first, following) in TABLES.items():
        page = DOCS / name
        found[page] = with_diagram(page.read_text(encoding="utf-8"), drawn(first, following))
    page = DOCS / "architecture.md"
    text = with_rooms(page.read_text(encoding="utf-8"))
    found[page] = with_diagram(text, drawn_house(ROOT), _HOUSE)
    return found


def main() -> None:
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""
Diagrams in the docs, drawn from the tables in the code: ``python -m tests.house.diagrams``.

A diagram is the mermaid block of its page; the words around it are written by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tf_lib.core.model.order_life import TRANSITIONS as ORDER_LIFE
from tf_lib.simulator.matching.order import TRANSITIONS as EXCHANGE_STATUS

DOCS = Path(__file__).resolve().parents[2] / "docs"
_OPENING, _CLOSING = "```mermaid\nstateDiagram-v2\n", "```\n"

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


def with_diagram(page: str, diagram: str) -> str:
    """Return a page with its one state diagram replaced."""
    before, opening, rest = page.partition(_OPENING)
    if not opening or _OPENING in rest:
        raise ValueError(f"a page needs exactly one block that begins with {_OPENING!r}")
    _, closing, after = rest.partition(_CLOSING)
    return before + opening + diagram + closing + after


def main() -> None:
    for name, (first, following) in TABLES.items():
        page = DOCS / name
        text = page.read_text(encoding="utf-8")
        page.write_text(with_diagram(text, drawn(first, following)), encoding="utf-8")


if __name__ == "__main__":
    main()

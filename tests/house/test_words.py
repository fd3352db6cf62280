"""
What a reader meets is said in the trade's own words; docs/glossary.md has them.

Documents, notebooks, what the program prints and mails, the first paragraph of each docstring, and
the names of modules, classes and public functions: what is found by searching, and read by whoever
reads only that.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.house.rooms import DOCUMENTS, ROOT, sources

INSTEAD = {
    r"bare(?:d)?\b(?! (?:minimum|Python))": "unprotected",
    r"(?<!shake )hands(?! (?:it|out|over|them)\b)": "executor",
    r"rooms?": "headroom, buffers, workspace",
    r"teeth|tooth|bites?": "planted faults",
    r"mend(?:s|ed|ing)?": "repair, correct, fix; of a state: failed, warning",
    r"crumbs?": "small remainder, dust",
    r"restless(?:ness)?": "volatility of volatility",
    r"settl(?:e|es|ed|ing)": "recover, reconcile; of an order: its end is known",
    r"jump(?:s|ed)? (?:over|below|to the open)|on a jump": "gap",
    r"hardships?|troubles": "faults",
    r"eve|morrow": "the day before, the day after",
    r"liv(?:e|es|ed|ing) through|lived": "run a backtest over a date range",
    r"the market took|leav(?:e|es|ing) the market|left at the market": "stop-out, market exit",
    r"belief": "reconciliation",
}
"""Private words, as patterns, and what is said instead."""

OF_NAMES = {
    **INSTEAD,
    r"desks?": "order sender",
    r"\w+ places?": "endpoint, workers; `place` is what is done to a stop",
    r"(?:adopt|compil|leav|plac|protect|settl)ing": "the noun: adoption, placement",
}
"""The same of names, whose words are read with spaces between them."""

BANNED = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)
BANNED_IN_NAMES = re.compile(rf"\b(?:{'|'.join(OF_NAMES)})\b", re.IGNORECASE)
WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
QUOTED = re.compile(r"```.*?```|`[^`\n]*`|\"[^\"\n]*\"", re.DOTALL)


def _documents() -> Iterator[tuple[str, str]]:
    for path in DOCUMENTS:
        yield path.name, path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                yield path.name, "".join(cell["source"])


def _first_paragraphs() -> Iterator[tuple[str, str]]:
    for module, source in sources().items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                said = ast.get_docstring(node) or ""
                name = getattr(node, "name", "the module")
                yield f"{module}: {name}", said.split("\n\n")[0]


def _said_by_the_program() -> Iterator[tuple[str, str]]:
    """Give every text with a space in it; a name or a column of a file has none."""
    for module, source in sources().items():
        tree = ast.parse(source)
        described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or id(node) in described:
                continue
            if isinstance(node.value, str) and " " in node.value:
                yield f"{module}:{node.lineno}", node.value


def private_words(text: str) -> list[str]:
    """Return the private words of a text; code and quoted titles may say what they like."""
    prose = " ".join(QUOTED.sub(" ", text).split())
    return [found.lower() for found in BANNED.findall(prose)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A bare position", ["bare"]),
        ("sells by hand, `bare_seconds` in hand", []),
        ("The hands that trade leave the market", ["hands", "leave the market"]),
        ("The live run goes on; each level lives there", []),
        ('A. Elder, "Come Into My Trading Room"', []),
    ],
)
def test_private_words_are_found_and_nothing_else(text: str, found: list[str]) -> None:
    """Code, and words that only look alike, pass."""
    assert private_words(text) == found


@pytest.mark.parametrize("texts", [_documents, _first_paragraphs, _said_by_the_program])
def test_what_a_reader_meets_is_said_in_the_words_of_the_trade(texts: Any) -> None:
    """Somebody who searches with the usual word finds it."""
    met = [(name, word) for name, text in texts() for word in private_words(text)]

    assert met == []


def _names() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "tf_lib").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield module, path.stem
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                yield module, node.name


@pytest.mark.parametrize(
    ("name", "is_private"),
    [
        ("Desk", True),
        ("open_place", True),
        ("BareTime", True),
        ("settling", True),
        ("place", False),
        ("place_remainder", False),
        ("replaced", False),
        ("OrderSender", False),
    ],
)
def test_private_words_are_found_in_names(name: str, is_private: bool) -> None:
    """Word by word, however they are written together."""
    assert bool(BANNED_IN_NAMES.search(" ".join(WORD.findall(name)))) == is_private


def test_names_are_words_of_the_trade() -> None:
    """Modules, classes and public functions, methods included."""
    met = [(m, n) for m, n in _names() if BANNED_IN_NAMES.search(" ".join(WORD.findall(n)))]

    assert met == []

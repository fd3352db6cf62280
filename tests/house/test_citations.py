"""What code, tests and documents cite can be looked up in this repository."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.rooms import DOCUMENTS, ROOT

KINDS = (".py", ".md", ".sh", ".ipynb", ".yaml", ".toml")
CITATION = re.compile(
    r"(?P<page>docs/\w+\.md|\(\w+\.md\)|\b[A-Z]{4,}(?:\.md)?),?\s+sections?\s+"
    r"(?P<sections>\d+(?:\.\d+)?(?:(?:,|\s+and|\s+to)\s+\d+(?:\.\d+)?)*)"
)
HEADING = re.compile(r"^#+ (\d+(?:\.\d+)?)[. ]", re.MULTILINE)
PAGE = re.compile(r"\b[\w-]+\.md\b")
CODE = re.compile(
    r"`((?:tf_lib|tests|docs|scripts|notebooks|parameters|benchmarks)(?:/[\w./-]+|(?:\.(?!py\b)\w+)+))`"
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)\s]+)?\)")


def _texts() -> Iterator[tuple[str, str]]:
    folders = ("tf_lib", "tests", "docs", "notebooks", "parameters", "scripts", "benchmarks")
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in KINDS and path.is_file():
                # A citation may go over the end of a line, of a comment's too.
                text = re.sub(r"\s*\n\s*#?\s*", " ", path.read_text(encoding="utf-8"))
                yield path.relative_to(ROOT).as_posix(), text
    for path in sorted(ROOT.glob("*.md")):
        yield path.name, re.sub(r"\s*\n\s*", " ", path.read_text(encoding="utf-8"))


def _citations() -> Iterator[tuple[str, str, str]]:
    for name, text in _texts():
        for found in CITATION.finditer(text):
            for section in re.findall(r"\d+(?:\.\d+)?", found["sections"]):
                yield name, found["page"].strip("()"), section


def test_each_cited_section_is_a_heading_of_a_document_that_is_here() -> None:
    """``docs/execution.md section 6.5`` leads to a heading that begins with 6.5."""
    pages = (ROOT / "docs").glob("*.md")
    headings = {page.name: set(HEADING.findall(page.read_text("utf-8"))) for page in pages}
    found = list(_citations())
    lost = [
        (name, page, section)
        for name, page, section in found
        if section not in headings.get(page.removeprefix("docs/"), set())
    ]

    assert len(found) > 40
    assert lost == []


def test_each_document_that_is_named_is_here() -> None:
    """A page that a text sends its reader to is part of the project."""
    here = {path.name for path in [*DOCUMENTS, *ROOT.glob("findings/*.md")]}
    named = {(name, page) for name, text in _texts() for page in PAGE.findall(text)}

    assert [(name, page) for name, page in sorted(named) if page not in here] == []


def test_each_path_and_name_in_a_document_is_here() -> None:
    """`tf_lib/errors.py` is a file, `tf_lib.research.sweep` can be imported."""
    texts = {page.name: page.read_text("utf-8") for page in DOCUMENTS}
    written = {(name, each) for name, text in texts.items() for each in CODE.findall(text)}
    lost = [(page, each) for page, each in sorted(written) if not _is_here(each)]

    assert len(written) > 20
    assert lost == []


def _is_here(written: str) -> bool:
    if "/" in written:
        return (ROOT / written).exists()
    module, rest = written, list[str]()
    while module:
        with contextlib.suppress(ImportError):
            found: object = importlib.import_module(module)
            for name in rest:
                found = getattr(found, name, None)
            return found is not None
        module, _, last = module.rpartition(".")
        rest.insert(0, last)
    return False


@pytest.mark.parametrize("path", DOCUMENTS)
def test_each_link_of_a_document_leads_somewhere(path: Path) -> None:
    """A file that is linked is here, and so is its heading."""
    lost = []
    for target, anchor in LINK.findall(path.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        there = path.parent / target
        if not there.exists() or (anchor and anchor not in _anchors(there)):
            lost.append(target + anchor)

    assert lost == []


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {"#" + title.replace(" ", "-") for title in plain}

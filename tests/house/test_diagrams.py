"""Diagrams in the docs are those of the tables in the code."""

from __future__ import annotations

import pytest

from tests.house.diagrams import DOCS, TABLES, drawn, pages, with_diagram


def test_pages_show_what_is_drawn_from_the_code() -> None:
    for page, text in pages().items():
        assert page.read_text(encoding="utf-8") == text, "run: python -m tests.house.diagrams"


def test_a_table_that_changed_is_noticed() -> None:
    first, following = TABLES["order_life.md"]
    page = (DOCS / "order_life.md").read_text(encoding="utf-8")
    less = dict(following) | {"UNKNOWN": following["UNKNOWN"] - {"ABSENT"}}
    assert with_diagram(page, drawn(first, less)) != page


def test_a_page_without_a_diagram_is_an_error() -> None:
    with pytest.raises(ValueError, match="exactly one block"):
        with_diagram("# Nothing drawn\n", "")

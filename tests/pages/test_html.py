"""Pieces of a page: plain, escaped, and readable as text."""

from __future__ import annotations

from tf_lib.pages.html import BAD, LEFT, Column, Row, bullets, paragraph, table

COLUMNS = [Column("ticker", LEFT), Column("price", hint='in "USD"')]


def test_a_table_is_aligned_as_text() -> None:
    """Words to the left, numbers to the right."""
    shown = table(COLUMNS, [Row(["A-USD", "1.5"]), Row(["BB-USD", "10"])], empty="", caption="c")

    assert repr(shown).splitlines() == ["ticker  price", "A-USD     1.5", "BB-USD     10"]


def test_cells_and_hints_are_escaped() -> None:
    """Nothing from outside becomes HTML."""
    shown = table(COLUMNS, [Row(["<i>", "&"], BAD)], empty="", caption='a "caption"')

    assert "<i>" not in shown.html
    assert "&lt;i&gt;" in shown.html
    assert "in &quot;USD&quot;" in shown.html


def test_an_empty_table_is_its_sentence() -> None:
    """No heading over nothing."""
    assert table(COLUMNS, [], empty="None.", caption="c").text == "None."


def test_pieces_join_and_empty_ones_vanish() -> None:
    """No blank lines for what is not there."""
    assert (paragraph("One.") + bullets([]) + bullets(["Two."])).text == "One.\n- Two."

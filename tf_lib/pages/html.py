"""
HTML: small, plain pieces that look right in a notebook, in the report and on paper.

A piece knows its plain text too: a terminal shows that, and a check of notebooks compares it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

LEFT, RIGHT = "left", "right"
NORMAL, QUIET, WARN, BAD = "", "quiet", "warn", "bad"

_ROW_LOOKS = {
    NORMAL: "",
    QUIET: "color:#8a8a8a",
    WARN: "background:#fff4d6",
    BAD: "background:#fde3d3",
}


@dataclass(frozen=True)
class Fragment:
    """A piece of a page, as HTML and as text."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text

    def __add__(self, other: Fragment) -> Fragment:
        """Return both, one below the other."""
        pieces = [one for one in (self, other) if one.html]
        return Fragment("\n".join(p.html for p in pieces), "\n".join(p.text for p in pieces))


@dataclass(frozen=True)
class Row:
    """One line of a table: a text per column, and how much it matters."""

    cells: Sequence[str]
    look: str = NORMAL


@dataclass(frozen=True)
class Column:
    """
    One column: its heading, its side, and what the heading means when it is not plain.

    `is_wide` is for sentences: they run over several lines instead of off the page.
    """

    name: str
    side: str = RIGHT
    hint: str = field(default="")
    is_wide: bool = False


def left(*names: str) -> list[Column]:
    """Return plain columns of words."""
    return [Column(name, LEFT) for name in names]


def right(*names: str) -> list[Column]:
    """Return plain columns of numbers."""
    return [Column(name) for name in names]


def table(columns: Sequence[Column], rows: Sequence[Row], *, empty: str, caption: str) -> Fragment:
    """
    Return a table; with no rows, the sentence that says so.

    Parameters
    ----------
    columns : sequence of Column
    rows : sequence of Row
        As many cells as columns.
    empty : str
        What to say instead of an empty table.
    caption : str
        What the table shows, read out to those who do not see it.
    """
    if not rows:
        return paragraph(empty)
    head = "".join(_cell("th", c.name, c, title=c.hint) for c in columns)
    body = "".join(
        f"<tr{_look(row.look)}>"
        + "".join(_cell("td", text, c) for text, c in zip(row.cells, columns, strict=True))
        + "</tr>\n"
        for row in rows
    )
    html = (
        f'<div class="tf-scroll" style="overflow-x:auto"><table class="tf-table" '
        f'aria-label="{escape(caption)}">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>"
    )
    return Fragment(html, _as_text(columns, rows))


def _look(look: str) -> str:
    return f' class="{look}" style="{_ROW_LOOKS[look]}"' if look else ""


def _cell(tag: str, text: str, column: Column, *, title: str = "") -> str:
    hint = f' title="{escape(title)}"' if title else ""
    wide = ";white-space:normal;min-width:12em" if column.is_wide else ""
    return f'<{tag}{hint} style="text-align:{column.side}{wide}">{escape(text)}</{tag}>'


def _as_text(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    lines = [[c.name for c in columns], *[list(row.cells) for row in rows]]
    widths = [max(len(line[k]) for line in lines) for k in range(len(columns))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column.side == LEFT else cell.rjust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in lines
    )


def paragraph(text: str, *, look: str = NORMAL) -> Fragment:
    """Return one sentence or two."""
    return Fragment(f"<p{_look(look)}>{escape(text)}</p>", text)


def bullets(points: Sequence[str]) -> Fragment:
    """Return a list of sentences; nothing when there are none."""
    if not points:
        return Fragment("", "")
    items = "".join(f"<li>{escape(point)}</li>" for point in points)
    return Fragment(f"<ul>{items}</ul>", "\n".join(f"- {point}" for point in points))

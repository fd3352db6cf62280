"""
Style: what all charts share, so that they look like one hand drew them.

Figures are made without pyplot: no global state, nothing to close, and a daily run does not pay
for its import. What matters is never said by colour alone.
"""

from __future__ import annotations

import base64
import datetime as dt
import io
import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from tf_lib.pages import colours

# Typed loosely: the stubs want every key as a literal.
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 4.0,
    "axes.labelsize": 7.5,
    "axes.labelcolor": colours.GREY,
    "axes.edgecolor": colours.PALE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": colours.GRID,
    "grid.linewidth": 0.6,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.color": colours.PALE,
    "ytick.color": colours.PALE,
    "xtick.labelcolor": colours.GREY,
    "ytick.labelcolor": colours.GREY,
    "text.color": colours.INK,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.2,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}

WIDTH = 6.4
DPI = 150
_COLOURS = 256
_TITLE_COLUMNS, _NOTE_COLUMNS = 76, 98
_TITLE_LINE, _ABOVE, _UNDER_TITLE, _BELOW = 0.175, 0.09, 0.3, 0.3

_EPOCH = dt.date(1970, 1, 1)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

styled = matplotlib.rc_context(STYLE)
"""Decorates what draws with the shared style, and leaves everybody else's settings as they were."""


class Chart(Figure):
    """
    A figure that a notebook shows as one small PNG with its title as alternative text.

    Parameters
    ----------
    title : str
        What the chart shows, as a sentence; wrapped above the axes.
    height_inches : float
        Height of everything below the title.
    note : str
        A second, quieter line under the title.
    """

    def __init__(self, title: str, height_inches: float, *, note: str = "") -> None:
        lines = textwrap.wrap(title, _TITLE_COLUMNS, break_on_hyphens=False) or [""]
        notes = textwrap.wrap(note, _NOTE_COLUMNS, break_on_hyphens=False)
        self.head_inches = _ABOVE + _TITLE_LINE * (len(lines) + len(notes)) + _UNDER_TITLE
        super().__init__(figsize=(WIDTH, height_inches + self.head_inches), dpi=DPI)
        FigureCanvasAgg(self)
        self.alt = f"{title}. {note}" if note else title
        full = WIDTH, height_inches + self.head_inches
        for row, line in enumerate([*lines, *notes]):
            y = 1 - (_ABOVE + _TITLE_LINE * row) / full[1]
            look = {"weight": "bold", "size": 9.0} if row < len(lines) else {"color": colours.GREY}
            self.text(0.012, y, line, va="top", ha="left", **look)

    def panels(
        self,
        rows: int = 1,
        columns: int = 1,
        *,
        left: float = 0.55,
        right: float = 0.12,
        below: float = _BELOW,
        gaps: tuple[float, float] = (0.35, 0.4),
        heights: Sequence[float] | None = None,
    ) -> list[Axes]:
        """Return axes row by row; all margins are in inches, so that nothing has to be solved."""
        width, height = self.get_size_inches()
        top = height - self.head_inches
        inner_height = top - below - gaps[1] * (rows - 1)
        inner_width = width - left - right - gaps[0] * (columns - 1)
        shares = np.asarray(heights if heights is not None else np.ones(rows), dtype=float)
        shares = shares / shares.sum()
        made, y = [], top
        for row in range(rows):
            tall = inner_height * shares[row]
            wide = inner_width / columns
            for column in range(columns):
                x = left + column * (wide + gaps[0])
                box = (x / width, (y - tall) / height, wide / width, tall / height)
                made.append(self.add_axes(box))
            y -= tall + gaps[1]
        return made

    def png(self) -> bytes:
        """Return the figure as a PNG of few colours: a third of the size, no visible loss."""
        with matplotlib.rc_context(STYLE):
            canvas: Any = FigureCanvasAgg(self)
            canvas.draw()
            pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        few = picture.quantize(
            _COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
        buffer = io.BytesIO()
        few.save(buffer, format="PNG", compress_level=6, dpi=(DPI, DPI))
        return buffer.getvalue()

    def _png_text(self) -> str:
        return base64.b64encode(self.png()).decode("ascii")

    @property
    def html(self) -> str:
        """The picture inside a page."""
        return f'<img alt="{escape(self.alt)}" src="data:image/png;base64,{self._png_text()}">'

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        bundle = {"image/png": self._png_text(), "text/plain": self.alt}
        return bundle, {"image/png": {"alt": self.alt}}

    def __repr__(self) -> str:
        return self.alt


def date_axis(
    axes: Axes, numbers: NDArray[np.float64], *, most: int = 7, labels: bool = True
) -> None:
    """Put at most so many readable dates under an axis whose x is days since 1970."""
    first, last = int(numbers[0]), int(numbers[-1])
    ticks, names = date_ticks(first, last, most=most)
    axes.set_xticks(ticks, names if labels else [""] * len(ticks))
    axes.tick_params(axis="x", length=2)
    axes.set_xlim(first, last + 0.02 * (last - first) + 0.5)


def date_ticks(first: int, last: int, *, most: int) -> tuple[list[int], list[str]]:
    """
    Return month starts between two days since 1970, thinned; January shows its year.

    A span with fewer than two month starts gets its ends, with the year where there is room.

    Examples
    --------
    >>> date_ticks(19700, 19800, most=7)
    ([19723, 19754, 19783], ['2024', 'Feb', 'Mar'])
    >>> date_ticks(19724, 19730, most=7)
    ([19724, 19730], ['2 Jan 2024', '8 Jan 2024'])
    """
    starts = [(number, month) for number, month in _month_starts(last) if number >= first]
    if len(starts) < 2:
        ends = sorted({first, last})
        return ends, [_date(day, with_year=most > 4) for day in ends]
    step = next(s for s in (1, 2, 3, 6, 12, 24, 60, 120) if len(starts) <= s * most or s == 120)
    kept = [(number, month) for number, month in starts if month % step == 0]
    return [number for number, _ in kept], [_month_name(month) for _, month in kept]


def _month_starts(last: int) -> Iterator[tuple[int, int]]:
    """Yield days since 1970 and months since the year 0 of each month's first day."""
    month = 1970 * 12
    while (number := (dt.date(month // 12, month % 12 + 1, 1) - _EPOCH).days) <= last:
        yield number, month
        month += 1


def _month_name(month: int) -> str:
    return MONTHS[month % 12] if month % 12 else str(month // 12)


def _date(number: int, *, with_year: bool) -> str:
    day = _EPOCH + dt.timedelta(days=number)
    return f"{day.day} {MONTHS[day.month - 1]}" + (f" {day.year}" if with_year else "")


def say_nothing_there(axes: Axes, why: str) -> None:
    """Say in an empty panel why it is empty."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=colours.GREY)


def name_rows(
    axes: Axes, names: Sequence[str], remarks: Sequence[str], shades: Sequence[str] = ()
) -> None:
    """Name the rows of a horizontal chart at the left, with a remark about each at the right."""
    beside = axes.get_yaxis_transform()
    for k, remark in enumerate(remarks):
        colour = shades[k] if shades else colours.GREY
        axes.text(1.01, k, remark, transform=beside, va="center", color=colour)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")


def write_in_cells(
    axes: Axes, values: NDArray[np.float64], form: str, is_dark: NDArray[np.bool_]
) -> None:
    """Write each number that there is into its cell of a field of colours."""
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour, text = "white" if is_dark[row, column] else colours.INK, f"{value:{form}}"
            axes.text(column, row, text, ha="center", va="center", color=colour, size=6.5)


def legend_above(axes: Axes, *, columns: int = 6, is_tight: bool = False) -> None:
    """Put a one-line legend right above the axes."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=columns,
        borderaxespad=0.1,
        columnspacing=0.7 if is_tight else 1.2,
        handlelength=1.1 if is_tight else 1.4,
        handletextpad=0.4,
        fontsize=7.0 if is_tight else 7.5,
    )

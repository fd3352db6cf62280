"""Cost tables: which fee and slippage a result would bear, and what it makes of little and much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tf_lib.pages import words
from tf_lib.pages.html import BAD, LEFT, Column, Fragment, Row, paragraph, right, table

_LARGE_SHARE = 0.01


@dataclass(frozen=True)
class CostPage:
    """
    What is shown.

    Attributes
    ----------
    break_even : sequence of mapping
        cost, is, earns and loses (rate, cagr), n_backtests.
    capacity : sequence of mapping
        One per capital.
    note : str
        What the capacities say.
    """

    break_even: Sequence[Mapping[str, Any]] = ()
    capacity: Sequence[Mapping[str, Any]] = ()
    note: str = ""


def cost_sections(page: CostPage) -> str:
    """Return both sections as HTML; nothing where nothing was asked."""
    parts = []
    if page.break_even:
        parts += ["<h2>Costs at which it is gone</h2>", break_even_table(page.break_even).html]
    if page.capacity:
        parts += ["<h2>With little and with much money</h2>", paragraph(page.note).html]
        parts.append(capacity_table(page.capacity).html)
    return "\n".join(parts)


def break_even_table(found: Sequence[Mapping[str, Any]]) -> Fragment:
    """Return a line per cost, with both sides of the crossing."""
    columns = [Column("cost", LEFT), Column("answer", LEFT, is_wide=True)]
    columns += right("still earns at", "CAGR there", "loses at", "CAGR there", "backtests")
    rows = [
        Row((str(one["cost"]), str(one["is"]), *_side(one["earns"]), *_side(one["loses"]),
             f"{one['n_backtests']}"))
        for one in found
    ]  # fmt: skip
    return table(columns, rows, empty="", caption="Found by bisection of real backtests")


def _side(tried: Mapping[str, float] | None) -> tuple[str, str]:
    if tried is None:
        return "-", "-"
    return f"{tried['rate']:.4%}", f"{tried['cagr']:.3%}"


def capacity_table(rows: Sequence[Mapping[str, Any]]) -> Fragment:
    """Return a line per capital; marked where the prices assumed are not to be believed."""
    columns = right("capital", "CAGR", "Sharpe ratio", "deepest fall", "exposure", "fills")
    columns += [
        Column("not bought", hint="decided, and nothing could be bought: too small, or no cash"),
        Column("median share", hint="of a ticker's volume on a day on which it was traded"),
        *right("95 %", "most"),
    ]
    lines = [
        Row(
            (
                words.money(one["capital"]),
                words.percent(one["cagr"]),
                _number(one["sharpe"]),
                words.percent(one["max_drawdown"]),
                words.percent(one["exposure"]),
                f"{one['trades']}",
                f"{one['not_bought']}",
                *(_share(one[name]) for name in ("share_median", "share_95", "share_most")),
            ),
            *((BAD,) if (one["share_95"] or 0.0) > _LARGE_SHARE else ()),
        )
        for one in rows
    ]
    return table(columns, lines, empty="", caption="The same days with other capitals")


def _share(value: float | None) -> str:
    return words.UNDEFINED if value is None else f"{value:.2%}"


def _number(value: float | None) -> str:
    return words.UNDEFINED if value is None else f"{value:.2f}"

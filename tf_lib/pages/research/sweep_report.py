"""
Sweep report: the verdict first, then the whole landscape, then the sets.

It takes plain frames and texts; who makes them is no business of a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from tf_lib.pages import words
from tf_lib.pages.html import (
    BAD,
    LEFT,
    Column,
    Fragment,
    Row,
    bullets,
    left,
    paragraph,
    right,
    table,
)
from tf_lib.pages.page import write_page
from tf_lib.pages.research.cost_tables import CostPage, cost_sections
from tf_lib.pages.research.sweep_charts import (
    SHARPE,
    Ranked,
    axes_chart,
    heat_maps,
    ranking_chart,
    short,
)

MOST_ROWS = 25
_SHOWN = ("sharpe", "plateau_sharpe", "plateau_worst", "cagr", "max_drawdown", "turnover")
_OBJECTIVE = ("objective", "plateau_objective", "plateau_worst")
_PERCENTS = ("cagr", "max_drawdown", "low", "high")


@dataclass(frozen=True)
class SweepRecord:
    """
    What the page shows.

    Attributes
    ----------
    title, summary, verdict : str
    passed : bool
    answers : sequence of str
        To the two questions of the verdict, each with its reasons.
    figures : sequence of (name, value, meaning)
        Texts.
    luck : float
        Sharpe ratio a year that luck alone shows.
    table : DataFrame
        One row per set: the paths, ``status``, ``problem``, figures and plateaus.
    paths : sequence of str
    walk : DataFrame
        One row per fold of the walk forward: from, to, set, train_sharpe, test_sharpe, and
        train_objective where that is something else.
    has_best_plateau : bool
        Whether some set's neighbourhood is better than the others'.
    by : Ranked
        What sets are ranked by.
    notes : sequence of str
        What has to be known beside the verdict.
    """

    title: str
    summary: str
    verdict: str
    passed: bool
    answers: Sequence[str]
    figures: Sequence[tuple[str, str, str]]
    luck: float
    table: pd.DataFrame
    paths: Sequence[str]
    walk: pd.DataFrame
    has_best_plateau: bool
    by: Ranked = SHARPE
    notes: Sequence[str] = ()


def write_sweep_report(path: Path, record: SweepRecord, costs: CostPage | None = None) -> None:
    """Write the page; beside, then renamed. `costs` are those of the best set, if asked for."""
    write_page(path, record.title, sweep_body(record, costs))


def sweep_body(record: SweepRecord, costs: CostPage | None = None) -> str:
    """Return the body of the page as HTML."""
    good = record.table[record.table["status"] == "ok"]
    by = record.by
    charts = [ranking_chart(good, record.luck, by), axes_chart(good, record.paths, by)]
    named = f"The sets with the highest {by.label}"
    parts = [
        f"<h1>{escape(record.title)}</h1>",
        paragraph(record.summary).html,
        verdict_box(record).html,
        *(paragraph(note).html for note in record.notes),
        figures_table(record.figures).html,
        cost_sections(costs or CostPage()),
        "<h2>The landscape</h2>",
        *[chart.html for chart in (*charts, *heat_maps(good, record.paths, by))],
        "<h2>Plateaus: the sets with the best neighbourhood</h2>",
        paragraph(plateau_note(good, can_tell=record.has_best_plateau)).html,
        sets_table(good, record.paths, by=by.plateau).html,
        f"<h2>{escape(named)}</h2>",
        sets_table(good, record.paths, by=by.column).html,
        "<h2>Walk forward</h2>",
        walk_table(record.walk).html,
        problems_table(record.table, record.paths).html,
    ]
    return "\n".join(parts)


def verdict_box(record: SweepRecord) -> Fragment:
    """Return the verdict with its reasons; nothing subtle about it."""
    reasons = bullets(list(record.answers))
    if record.passed:
        said = paragraph(f"✓ {record.verdict}")
        return Fragment(said.html + reasons.html, f"{said.text}\n{reasons.text}")
    html = f'<div class="tf-failed"><strong>✗ {escape(record.verdict)}</strong>{reasons.html}</div>'
    return Fragment(html, f"✗ {record.verdict}\n{reasons.text}")


def figures_table(figures: Sequence[tuple[str, str, str]]) -> Fragment:
    """Return the numbers of the verdict with what they mean."""
    columns = [Column("figure", LEFT), Column("value"), Column("meaning", LEFT)]
    return table(columns, [Row(one) for one in figures], empty="", caption="Figures of the verdict")


def sets_table(good: pd.DataFrame, paths: Sequence[str], *, by: str) -> Fragment:
    """Return the first sets by some figure."""
    names = [*paths, *_figures(good)]
    columns = [Column("set"), *(Column(short(name).replace("_", " "), hint=name) for name in names)]
    first = good.sort_values([by, "set"], ascending=[False, True]).head(MOST_ROWS)
    rows = [
        Row((f"{line['set']}", *(_shown(name, line[name]) for name in names)))
        for line in first.to_dict("records")
    ]
    return table(columns, rows, empty="No set has a result.", caption=f"Sets by {by}")


def _figures(good: pd.DataFrame) -> list[str]:
    """Return the columns that are shown: those of the objective first, if it has its own."""
    if "objective" not in good:
        return list(_SHOWN)
    return [*_OBJECTIVE, *(name for name in _SHOWN if "plateau" not in name)]


def plateau_note(good: pd.DataFrame, *, can_tell: bool) -> str:
    """Return what a plateau is made of, and for how many sets there is none."""
    without = int(good["plateau_worst"].isna().sum())
    said = (
        "Mean over a set and its neighbours: at most one unit away on every parameter (the next "
        "value, or a quarter of more than ten drawn ones)."
    )
    if without:
        said += f" {without} of {len(good)} sets have no neighbour, and so no plateau."
    if not can_tell:
        said += " These are too few sets to tell one plateau from another."
    return said


def walk_table(walk: pd.DataFrame) -> Fragment:
    """Return what was chosen on the past, and what it did on the days that followed."""
    has_own = "train_objective" in walk
    columns = [
        *left("kind", "from", "to"),
        *right("set", *(["objective in training"] if has_own else [])),
        *right("Sharpe ratio in training", "Sharpe ratio after"),
    ]
    rows = [
        Row(
            (
                str(line["kind"]),
                str(line["from"]),
                str(line["to"]),
                str(line["set"]),
                *([_shown("objective", line["train_objective"])] if has_own else []),
                _shown("sharpe", line["train_sharpe"]),
                _shown("sharpe", line["test_sharpe"]),
            )
        )
        for line in walk.to_dict("records")
    ]
    return table(columns, rows, empty="Too few days to walk forward.", caption="Walk forward")


def problems_table(whole: pd.DataFrame, paths: Sequence[str]) -> Fragment:
    """Return the sets that were invalid or failed; nothing when there are none."""
    bad = whole[whole["status"] != "ok"]
    if bad.empty:
        return Fragment("", "")
    columns = [Column("set"), Column("status", LEFT), Column("values", LEFT), Column("why", LEFT)]
    rows = [
        Row(
            (f"{line['set']}", str(line["status"]), _values(line, paths), str(line["problem"])), BAD
        )
        for line in bad.head(MOST_ROWS).to_dict("records")
    ]
    shown = table(columns, rows, empty="", caption="Sets without a result")
    return Fragment(f"<h2>{len(bad)} sets without a result</h2>", "") + shown


def _values(line: Mapping[object, object], paths: Sequence[str]) -> str:
    return ", ".join(f"{short(path)} {_shown(path, line[path])}" for path in paths)


def _shown(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    number = float(value) if isinstance(value, int | float) else float("nan")
    if number != number:
        return words.UNDEFINED
    if name in _PERCENTS:
        return words.percent(number)
    return f"{number:.2f}" if name in (*_SHOWN, *_OBJECTIVE) else f"{number:g}"

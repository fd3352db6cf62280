"""
Site: one static page over all runs of all profiles, read off their daily summaries.

It opens from disk without a server and without JavaScript. A folder without a readable summary
is shown too, in red: a run that left nothing must not vanish from the list.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.core.model.day_result import SMALLEST_TRANSFER, change_in_short
from tf_lib.core.model.run_rows import summary_file
from tf_lib.errors import StateError
from tf_lib.pages import colours, words
from tf_lib.pages.day.headline import DayFacts, Headline, Level, banner, verdict
from tf_lib.pages.day.stop_rows import stop_lines
from tf_lib.pages.page import write_page
from tf_lib.pages.style import Chart, date_axis, styled
from tf_lib.project import RUN_COMMAND
from tf_lib.text.days import is_day
from tf_lib.text.shown import printable

PAGE_NAME = "index.html"
_EPOCH = dt.date(1970, 1, 1)
_KINDS = (("", ""), ("attempts", "earlier attempt"), ("dry", "dry run"))
_LINKS = (("report", "report.html"), ("notebook", "daily_run.ipynb"))
_HEADINGS = (
    "date",
    "",
    "equity",
    "since the run before",
    "orders",
    "stops",
    "bare",
    "open",
    "what to know",
)


@dataclass(frozen=True)
class Run:
    """
    One run's folder and what its summary says.

    Attributes
    ----------
    problem : str
        Why there is no summary to show.
    changed : tuple of str
        Which files are no longer what the run wrote.
    """

    profile: str
    folder: Path
    kind: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    changed: tuple[str, ...] = ()

    @property
    def date(self) -> str:
        """The day, from the folder's name."""
        return self.folder.name[:10]

    @property
    def verdict(self) -> Headline:
        """How the run went."""
        if self.problem:
            return Headline(Level.ACT, self.problem)
        return verdict(DayFacts.from_summary(self.summary))


def write_site(runs: Path, found: Sequence[Run]) -> Path:
    """Write the page of runs that were read."""
    profiles = sorted({run.profile for run in found}, key=_live_first)
    body = ["<h1>Trend following: all runs</h1>"]
    if not profiles:
        body.append(f"<p>There is no run yet. Make one with <code>{RUN_COMMAND}</code>.</p>")
    for profile in profiles:
        body.append(_profile_part(profile, [r for r in found if r.profile == profile], runs))
    page = runs / PAGE_NAME
    write_page(page, "Trend following: all runs", "\n".join(body))
    return page


def read_runs(runs: Path, changed: Callable[[Path], Sequence[str]] | None = None) -> Iterator[Run]:
    """
    Yield every run below a folder of runs, oldest first within its kind.

    One that cannot be shown is yielded with its problem, and is in nobody's way.

    Parameters
    ----------
    runs : Path
        Holds one folder per profile.
    changed : callable, optional
        Says which files of a run's folder are no longer what the run wrote.

    Raises
    ------
    StateError
        If there is no such folder.
    """
    if not runs.is_dir():
        raise StateError(
            f"{runs}: there is no such folder; name the one that holds the folders of the profiles"
        )
    for profile in sorted(path for path in runs.iterdir() if path.is_dir()):
        yield from read_profile(profile, changed)


def read_profile(
    profile: Path, changed: Callable[[Path], Sequence[str]] | None = None
) -> Iterator[Run]:
    """Yield every run of one profile's folder, as `read_runs` does."""
    for place, kind in _KINDS:
        parent = profile / place if place else profile
        try:
            folders = sorted(parent.iterdir()) if parent.is_dir() else []
        except OSError as error:
            problem = f"this folder cannot be read: {error.strerror}"
            yield Run(profile.name, parent, kind, problem=problem)
            continue
        for folder in folders:
            if is_day(folder.name[:10]) and folder.is_dir():
                run = _sound(_read_run(profile.name, folder, kind), profile.parent)
                yield run if changed is None else replace(run, changed=tuple(changed(folder)))


def _read_run(profile: str, folder: Path, kind: str) -> Run:
    path = folder / summary_file(folder.name[:10])
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Run(profile, folder, kind, problem="no summary: the run is going on or was ended")
    except (OSError, ValueError, RecursionError) as error:
        return Run(profile, folder, kind, problem=f"the summary cannot be read: {error}")
    if not isinstance(content, dict):
        return Run(profile, folder, kind, problem="the summary is not an object")
    return Run(profile, folder, kind, summary=content)


def _sound(run: Run, root: Path) -> Run:
    """Return a run that can be shown: a summary of any form may lie in a folder of years."""
    try:
        _row(run, root)
        banner(DayFacts.from_summary(run.summary))
    except Exception as error:  # whatever a foreign or spoilt summary holds
        why = f"{type(error).__name__}: {error}"
        problem = f"the summary cannot be shown: {printable(why):.200}"
        return Run(run.profile, run.folder, run.kind, problem=problem)
    return run


def _live_first(profile: str) -> tuple[int, str]:
    order = ("live", "paper", "demo")
    return (order.index(profile) if profile in order else len(order), profile)


def _profile_part(profile: str, runs: Sequence[Run], root: Path) -> str:
    days = [run for run in runs if not run.kind]
    newest_first = sorted(runs, key=lambda r: (r.date, not r.kind, r.folder.name), reverse=True)
    parts = [f"<h2>{escape(profile)}</h2>"]
    if days and not days[-1].problem:
        parts.append(banner(DayFacts.from_summary(days[-1].summary)).html)
    curve = equity_curve(profile, days)
    if curve is not None:
        parts.append(curve.html)
    head = "".join(f"<th>{name}</th>" for name in _HEADINGS)
    rows = "\n".join(_row(run, root) for run in newest_first)
    parts.append(
        f'<div class="tf-scroll"><table><thead><tr style="text-align:left">{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )
    return "\n".join(parts)


def _row(run: Run, root: Path) -> str:
    found, facts = run.verdict, DayFacts.from_summary(run.summary)
    state = str(run.summary.get("state") or "?")
    mark = {Level.GOOD: "✓", Level.LOOK: "!", Level.ACT: "✗"}[found.level]
    level = Level.LOOK if run.changed and found.level is Level.GOOD else found.level
    look = {Level.GOOD: "", Level.LOOK: ' class="warn"', Level.ACT: ' class="bad"'}[level]
    about = "; ".join([*run.changed, *(found.points or [run.problem])]).rstrip("; ")
    cells = [
        escape(run.date + (f" ({run.kind})" if run.kind else "")),
        f"{mark} {escape(state)}",
        words.money(run.summary.get("equity")),
        escape(change_in_short(run.summary.get("result") or {})),
        str(len(facts.orders)),
        escape(_protected(facts)),
        words.seconds(max(facts.bare_seconds.values(), default=0.0)),
        _links(run, root),
        escape(about),
    ]
    return f"<tr{look}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _protected(facts: DayFacts) -> str:
    lines = stop_lines(facts.stops, facts.bare_seconds)
    if not lines:
        return "nothing held"
    return f"{sum(line.is_protected for line in lines)} of {len(lines)}"


def _links(run: Run, root: Path) -> str:
    names = [*_LINKS, ("summary", summary_file(run.date))]
    where = run.folder.relative_to(root).as_posix()
    links = [
        f'<a href="{quote(f"{where}/{file}")}">{name}</a>'
        for name, file in names
        if os.access(run.folder / file, os.F_OK)
    ]
    return " ".join(links) or "nothing there"


@styled
def _growth(known: Sequence[tuple[dt.date, float, Run]]) -> FloatArray:
    """Return the growth of one unit by each day; where a run did not say it, by its equity."""
    grown = [1.0]
    for (_, before, earlier), (_, now, run) in itertools.pairwise(known):
        figures = [(each.summary.get("result") or {}).get("growth") for each in (earlier, run)]
        then, since = (words.number(figure) for figure in figures)
        by_record = math.isfinite(then) and math.isfinite(since) and then > 0
        ratio = since / then if by_record else now / before if before else 1.0
        grown.append(grown[-1] * ratio)
    return np.array(grown)


def _paid_in_words(run: Run) -> str:
    paid = words.number((run.summary.get("result") or {}).get("paid_in"))
    if not math.isfinite(paid) or abs(paid) < SMALLEST_TRANSFER:
        return ""
    way = "came in" if paid > 0 else "went out"
    return f"; {words.money(abs(paid))} {way}: taken out of the curve"


def equity_curve(profile: str, runs: Sequence[Run]) -> Chart | None:
    """
    Draw the equity of a profile's days, money that came in or went out taken out (time-weighted).

    None with fewer than two of them.
    """
    points = [(run.date, words.number(run.summary.get("equity")), run) for run in runs]
    known = [(dt.date.fromisoformat(day), x, run) for day, x, run in points if math.isfinite(x)]
    if len(known) < 2:
        return None
    days = np.array([(day - _EPOCH).days for day, _, _ in known], dtype=np.float64)
    worth = np.array([value for _, value, _ in known])
    # What the first day's equity came to, had nothing been paid in or taken out.
    equity = worth[0] * _growth(known)
    change = equity[-1] / equity[0] - 1.0 if equity[0] else math.nan
    fall = float(np.max(1.0 - equity / np.maximum.accumulate(equity)))
    chart = Chart(
        f"{profile}: equity {words.money(worth[-1])}, {words.percent(change, signed=True)} "
        f"since {known[0][0]}",
        1.6,
        note=f"{len(known)} days; deepest fall from a high {words.percent(fall)}"
        + _paid_in_words(known[-1][2]),
    )
    (axes,) = chart.panels(left=0.62)
    axes.plot(days, equity, color=colours.BLUE, linewidth=1.4)
    axes.plot(days, np.maximum.accumulate(equity), color=colours.GREY, linewidth=0.6, linestyle=":")
    axes.set_ylabel("equity")
    date_axis(axes, days)
    return chart

"""
Headline: was the day good, and if not, what is to be done.

Made from the rows of a day, so that the notebook, the site, the summary page and the mail say
the same words. What could not be known is never called good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from typing import Any

from tf_lib.core.model.day_result import change_in_short, result_in_lines, stopped_out
from tf_lib.core.model.impediments import ImpedimentKind, in_a_line, kind_in_words
from tf_lib.core.model.run_rows import ErrorRow, ImpedimentRow, OrderRow, StopRow
from tf_lib.errors import (
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_LOCKED,
    EXIT_REFUSED,
    EXIT_UNPROTECTED,
)
from tf_lib.pages import words
from tf_lib.pages.day.stop_rows import StopLine, stop_lines
from tf_lib.pages.html import Fragment

LONG_UNPROTECTED_SECONDS = 60.0

EXIT_WORDS: Mapping[int, str] = {
    EXIT_DONE: "done",
    EXIT_FAILED: "the run failed",
    EXIT_BAD_INPUT: "a parameter or an input file is wrong; nothing was sent",
    EXIT_UNPROTECTED: "a position is unprotected or an own order is unsettled",
    EXIT_LOCKED: "another run holds the lock",
    EXIT_REFUSED: "refused before anything was sent",
}

EXIT_ADVICE: Mapping[int, str] = {
    EXIT_FAILED: "Running again today protects and finishes the record; what was not traded is "
    "decided anew tomorrow.",
    EXIT_BAD_INPUT: "Correct what the message names, then run again.",
    EXIT_REFUSED: "Check network, key and portfolio; then run again within the gate, or with "
    "--force-run.",
}


class Level(StrEnum):
    """How much a day wants of its reader."""

    GOOD = "good"
    LOOK = "look"
    ACT = "act"


@dataclass(frozen=True)
class DayFacts:
    """
    What the headline is made from; absent facts count as "nothing of the kind".

    Attributes
    ----------
    date, profile : str
    mode : str
        Of the session: ``live``, ``dry``, ``recorded``; empty where it does not matter.
    orders, stops : rows
        Results of `order_submit` and `dust_submit`, and the last word on each product's stop.
    bare_seconds : mapping of ticker to seconds
    not_ok : sequence of ticker
        Without believable data for yesterday.
    problems : sequence of str
        Whatever else was noticed: data, clock, foreign trades.
    errors : rows
        With ``severity`` and ``message``.
    exit_code : int or None
        None while the run is still going on.
    state : str
        The run's state in a word, once it is over.
    equity : float or None
        In quote currency.
    impediments : rows
        What kept the run from doing what was decided, as in the summary.
    result : mapping
        What the day did to the money, as in the summary.
    notes : sequence of str
        What is worth a line and does not make a day less good.
    """

    date: str
    profile: str = ""
    mode: str = ""
    orders: Sequence[OrderRow] = ()
    stops: Sequence[StopRow] = ()
    bare_seconds: Mapping[str, float] = field(default_factory=dict)
    not_ok: Sequence[str] = ()
    problems: Sequence[str] = ()
    errors: Sequence[ErrorRow] = ()
    exit_code: int | None = None
    state: str = ""
    equity: float | None = None
    impediments: Sequence[ImpedimentRow] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def is_failed(self) -> bool:
        """Whether something went wrong, besides what stood in the way."""
        return bool(self.exit_code) and self.state not in ("attention", "dry")

    @classmethod
    def from_summary(cls, summary: Mapping[str, Any]) -> DayFacts:
        """Read the facts off a daily summary; missing keys are nothing to say."""
        quality = summary.get("data_quality") or {}
        code = summary.get("exit_code")
        return cls(
            date=str(summary.get("date", "")),
            profile=str(summary.get("profile", "")),
            mode="dry" if summary.get("state") == "dry" else "",
            orders=summary.get("orders") or (),
            stops=summary.get("stops") or (),
            bare_seconds=summary.get("bare_seconds") or {},
            not_ok=quality.get("not_ok") or (),
            problems=[*(quality.get("problems") or ()), *(summary.get("problems") or ())],
            errors=summary.get("errors") or (),
            exit_code=None if code is None else int(code),
            state=str(summary.get("state", "")),
            equity=summary.get("equity"),
            impediments=summary.get("impediments") or (),
            result=summary.get("result") or {},
        )


@dataclass(frozen=True)
class Headline:
    """A day in one sentence, and what stands behind it."""

    level: Level
    title: str
    points: tuple[str, ...] = ()


def verdict(facts: DayFacts) -> Headline:
    """Judge a day: act on what is dangerous, look at what is odd, else it was good."""
    lines = stop_lines(facts.stops, facts.bare_seconds)
    act, look = _to_act_on(facts, lines), _to_look_at(facts, lines)
    what = f"{_orders_in_words(facts)}, {_stops_in_words(lines)}"
    sold = stopped_out(facts.result)
    if sold:
        change = change_in_short(facts.result)
        by = "its stop" if len(sold) == 1 else "their stops"
        money = f", equity {change}" if change else ""
        what = f"{words.listed(sold)} sold by {by}{money}; {what}"
    notes = (*result_in_lines(facts.result, facts.result.get("currency", "")), *facts.notes)
    if act:
        return Headline(Level.ACT, f"ACT NOW: {_trouble(facts)}{what}", (*act, *look, *notes))
    if facts.mode == "dry":
        what = f"dry run, nothing was sent: {what}"
    if facts.impediments:
        names = list(dict.fromkeys(_in_short(row) for row in facts.impediments))
        said = f"Attention: {words.listed(names, most=2)}; {what}"
        return Headline(Level.LOOK, said, (*look, *notes))
    if sold:
        return Headline(Level.LOOK, f"Stopped out: {what}", (*look, *notes))
    if look:
        return Headline(Level.LOOK, f"Have a look: {what}", (*look, *notes))
    return Headline(Level.GOOD, f"Good day: {what}", notes)


def _trouble(facts: DayFacts) -> str:
    """Return what went wrong, for the title."""
    if facts.is_failed:
        return f"{EXIT_WORDS.get(facts.exit_code or 0, f'exit code {facts.exit_code}')}; "
    missed = [row for row in facts.impediments if _is_to_act_on(row)]
    if not missed:
        return ""
    names = [f"{row.get('product') or 'portfolio'}: {row.get('wanted')}" for row in missed]
    return f"not sold ({words.listed(names, most=2)}); "


def _is_to_act_on(row: ImpedimentRow) -> bool:
    """Whether something was to be sold and was not, and nobody wished it so."""
    return bool(row.get("is_missed_exit")) and row.get("kind") != ImpedimentKind.PAUSED


def _in_short(row: ImpedimentRow) -> str:
    return f"{row.get('product') or 'the portfolio'} {kind_in_words(row)}"


def banner(facts: DayFacts) -> Fragment:
    """Return the headline as the first thing on a page."""
    found = verdict(facts)
    mark, edge, ground = {
        Level.GOOD: ("✓", "#009e73", "#e7f5f0"),
        Level.LOOK: ("!", "#e69f00", "#fff6df"),
        Level.ACT: ("✗", "#d55e00", "#fdeadd"),
    }[found.level]
    change = change_in_short(facts.result)
    worth = "" if facts.equity is None else f"equity {words.money(facts.equity)} {change}".rstrip()
    mode = words.MODES.get(facts.mode, facts.mode)
    where = " · ".join(part for part in (facts.date, facts.profile, mode, worth) if part)
    points = "".join(f"<li>{escape(point)}</li>" for point in found.points)
    html = (
        f'<div class="tf-banner {found.level}" style="border-left:6px solid {edge};'
        f'background:{ground};color:#222;padding:0.7em 1em;margin:0.6em 0">'
        f'<div style="color:#555;font-size:90%">{escape(where)}</div>'
        f'<div style="font-size:125%;font-weight:bold">{mark} {escape(found.title)}</div>'
        + (f'<ul style="margin:0.5em 0 0">{points}</ul>' if points else "")
        + "</div>"
    )
    text = "\n".join([where, f"{mark} {found.title}", *(f"- {p}" for p in found.points)])
    return Fragment(html, text)


# -- what stands behind it -----------------------------------------------------------------


def _to_act_on(facts: DayFacts, lines: list[StopLine]) -> list[str]:
    protect = f"python -m tf_lib protect --profile {facts.profile or 'PROFILE'}"
    points = [
        f"{line.product} is not under a stop ({line.reason}). Run `{protect}`; if it stays so, "
        "place a stop or sell it by hand at the exchange."
        for line in lines
        if line.is_known and not line.is_protected
    ]
    points += [
        f"The {row.get('side')} of {row.get('product_id')} is unsettled: the exchange has not said "
        f"what became of it. Look at the exchange's order list, then run `{protect}`."
        for row in facts.orders
        if row.get("status") == "unsettled"
    ]
    points += [str(row.get("message")) for row in facts.errors if _is_error(row)]
    points += [in_a_line(row) for row in facts.impediments if _is_to_act_on(row)]
    if facts.is_failed:
        points += [str(problem) for problem in facts.problems]
        said = f"The exit code was {facts.exit_code}."
        points.append(EXIT_ADVICE.get(facts.exit_code or EXIT_DONE, said))
    return points


def _is_error(row: ErrorRow) -> bool:
    return str(row.get("severity", "error")) == "error"


def _to_look_at(facts: DayFacts, lines: list[StopLine]) -> list[str]:
    points = [in_a_line(row) for row in facts.impediments if not _is_to_act_on(row)]
    named = {row.get("product") for row in facts.impediments}
    points += [f"{line.product}: {line.reason}" for line in lines if not line.is_known]
    points += [
        f"{line.product} was without its stop for {words.seconds(line.bare_seconds)}."
        for line in lines
        if line.bare_seconds > LONG_UNPROTECTED_SECONDS
    ]
    points += [_order_point(row) for row in facts.orders if _is_odd(row, named)]
    if facts.not_ok:
        names = words.listed(sorted(facts.not_ok))
        points.append(f"No believable bar of yesterday for {names}: not traded, stops untouched.")
    if not facts.is_failed:
        points += [str(problem) for problem in facts.problems]
    points += [str(row.get("message")) for row in facts.errors if not _is_error(row)]
    return points


def _is_odd(row: OrderRow, named: set[Any]) -> bool:
    """Whether an order's end is worth a point: not if an impediment tells of its product."""
    if row.get("product_id") in named:
        return False
    return row.get("status") not in ("done", "preview_ok", "would_cancel_first", "unsettled")


def _order_point(row: OrderRow) -> str:
    status = str(row.get("status"))
    note = f" ({row['note']})" if row.get("note") else ""
    said = words.ORDER_STATUSES.get(status, status)
    return f"{row.get('side')} {row.get('product_id')}: {said}{note}. Tomorrow's run decides anew."


def _orders_in_words(facts: DayFacts) -> str:
    if not facts.orders:
        return "no orders" if facts.exit_code or facts.impediments else "nothing to trade"
    counts = Counter(str(row.get("status")) for row in facts.orders)
    done, previewed = counts.pop("done", 0), counts.pop("preview_ok", 0)
    previewed += counts.pop("would_cancel_first", 0)
    parts = []
    if done:
        parts.append(f"{words.counted(done, 'order')} filled")
    if previewed:
        parts.append(f"{words.counted(previewed, 'order')} previewed")
    if counts:
        parts.append(f"{counts.total()} not done")
    return ", ".join(parts)


def _stops_in_words(lines: list[StopLine]) -> str:
    if not lines:
        return "nothing held"
    safe = sum(line.is_protected for line in lines)
    if safe < len(lines):
        return f"only {safe} of {words.counted(len(lines), 'position')} known to be under stops"
    if safe == 1:
        return "the only position under its stop"
    return f"all {safe} positions under stops"

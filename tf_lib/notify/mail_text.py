"""
The day's mail: one glance, then what happened, then what to do.

Made from the daily summary alone. The subject carries the state first, so that a phone's lock
screen tells whether the day was good; whatever the summary lacks is left out, not guessed.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tf_lib.core.model.day_result import change_in_short, result_in_lines
from tf_lib.core.model.impediments import in_a_line, kind_in_words
from tf_lib.text.glossary import TITLE, explained

Summary = Mapping[str, Any]
Rows = list[list[str]]

_INDENT = "  "
_MOST_WORDS = 90
_STOP = ("product", "status", "resting_level", "reason")
_WHAT_TO_DO = {
    "done": "Nothing.",
    "attention": "Read what stood in the way, below: each says what to do about it.",
    "dry": "Nothing: this was a dry run, no order was sent.",
    "unprotected": (
        "Now: open Coinbase and look at the positions below. Then run\n"
        "    python -m tf_lib protect --profile {profile}\n"
        "and, if a position stays unprotected, place its stop or sell it by hand."
    ),
    "refused": (
        "Nothing was sent; resting stops stay as they are. Find the cause with\n"
        "    python -m tf_lib doctor --profile {profile}\n"
        "and start the day again within its gate, or with --force-run."
    ),
    "failed": (
        "Read the errors below and the run's notebook. See what stands with\n"
        "    python -m tf_lib status --profile {profile}\n"
        "and run the day again once the cause is gone; it goes on where it stopped."
    ),
}


_WORDS = {"done": "DONE", "attention": "ATTENTION", "dry": "DRY", "alarm": "ALARM"}
"""Every other state is a day that failed."""


@dataclass(frozen=True)
class MailText:
    """Subject, plain text and the same as HTML."""

    subject: str
    text: str
    html: str


def compose(summary: Summary, *, prefix: str = "tf") -> MailText:
    """
    Return the mail of a day.

    Examples
    --------
    >>> compose({"date": "2024-03-01", "profile": "demo", "state": "done", "exit_code": 0,
    ...          "equity": 15432.1, "orders": [{"status": "done"}], "positions": {"X-USD": {}}}
    ... ).subject
    'DONE 2024-03-01 [tf demo] equity 15,432.10, 1 order, all protected'
    """
    todo = _WHAT_TO_DO.get(_state(summary), _WHAT_TO_DO["failed"])
    todo = todo.format(profile=summary.get("profile", "demo"))
    subject, sections = _subject(summary, prefix), _sections(summary)
    words = explained(" ".join([subject, todo, *_said(sections)]))
    if words:
        sections.append((TITLE, [list(entry) for entry in words]))
    return MailText(subject, _as_text(subject, todo, sections), _as_html(subject, todo, sections))


def _said(sections: Sequence[tuple[str, Rows]]) -> list[str]:
    """Return every title and cell."""
    cells = [cell for _, rows in sections for row in rows for cell in row]
    return [*(title for title, _ in sections), *cells]


def _subject(summary: Summary, prefix: str) -> str:
    parts = [_worth(summary)] if _is_number(summary.get("equity")) else []
    sent = [row for row in _rows(summary, "orders") if not _is_zero(row.get("filled_size"))]
    if _state(summary) != "refused":
        parts.append(f"{len(sent)} order{'' if len(sent) == 1 else 's'}")
    taken = {str(row.get("product_id", "?")) for row in _rows(summary, "taken")}
    if taken:
        parts.append(f"stopped out: {', '.join(sorted(taken))}")
    parts.append(_protection(summary))
    trouble = _first_trouble(summary)
    if trouble:
        is_refused = _state(summary) == "refused"
        parts.insert(0, f"refused: {trouble}" if is_refused else trouble)
    said = ", ".join(part for part in parts if part)
    head = f"{summary.get('date', '?')} [{prefix} {summary.get('profile', '?')}]"
    return _one_line(f"{_word(summary)} {head} {said}")


def _word(summary: Summary) -> str:
    """Return the state in one word: what a phone shows first."""
    return _WORDS.get(_state(summary), "FAILED")


def _worth(summary: Summary) -> str:
    """Return the equity, and how it changed since the run before."""
    result = summary.get("result")
    change = change_in_short(result) if isinstance(result, Mapping) else ""
    return " ".join(part for part in (f"equity {_money(summary['equity'])}", change) if part)


def _state(summary: Summary) -> str:
    return str(summary.get("state") or "failed")


def _protection(summary: Summary) -> str:
    """Say what the exit code vouches for, and name what is unprotected."""
    bare = _bare(summary)
    if bare:
        return f"NOT PROTECTED: {', '.join(bare)}"
    if summary.get("exit_code") != 0 and _state(summary) != "attention":
        return ""
    return "all protected" if summary.get("positions") else "nothing held"


def _bare(summary: Summary) -> list[str]:
    rows = _rows(summary, "stops")
    return [str(row.get("product", "?")) for row in rows if row.get("status") == "failed"]


def _first_trouble(summary: Summary) -> str:
    """Return the first error, or what stood in the way, in a few words."""
    impediments = _in_the_way(summary)
    if impediments or summary.get("exit_code") == 0:
        return impediments
    rows = [row for row in _rows(summary, "errors") if row.get("severity") != "warning"]
    words = str(rows[0].get("message", "")) if rows else next(iter(_problems(summary)), "")
    line = _one_line(words)
    return line if len(line) <= _MOST_WORDS else line[: _MOST_WORDS - 3] + "..."


def _in_the_way(summary: Summary) -> str:
    """Return the gravest impediment of a day that went well but for it, and how many more."""
    rows = _rows(summary, "impediments")
    if _state(summary) not in ("attention", "dry") or not rows:
        return ""
    first = max(rows, key=lambda row: (bool(row.get("is_missed_exit")), bool(row.get("wanted"))))
    said = f"{first.get('product') or 'portfolio'} {kind_in_words(first)}"
    if first.get("wanted"):
        said = f"{said}: {first['wanted']} not made"
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f"{_one_line(said)}{more}"


def _problems(summary: Summary) -> list[str]:
    found = summary.get("problems")
    return [str(item) for item in found] if isinstance(found, list | tuple) else []


def _sections(summary: Summary) -> list[tuple[str, Rows]]:
    account = [
        [name, _money(summary[name])]
        for name in ("equity", "cash")
        if _is_number(summary.get(name))
    ]
    sections = [
        ("What stood in the way", [[in_a_line(row)] for row in _rows(summary, "impediments")]),
        ("The day's result", _result(summary)),
        ("Account", account),
        ("Errors", _errors(summary)),
        ("Orders", [_order(row) for row in _rows(summary, "orders")]),
        ("Sold by stops since the last run", [_taken(row) for row in _rows(summary, "taken")]),
        ("Positions", _positions(summary)),
        ("Stops", [_texts(row, *_STOP) for row in _rows(summary, "stops")]),
        ("Cooldowns", [[name, str(since)] for name, since in _items(summary, "cooldowns")]),
        ("Data", _data(summary)),
    ]
    return [(title, rows) for title, rows in sections if rows]


def _result(summary: Summary) -> Rows:
    result = summary.get("result")
    if not isinstance(result, Mapping):
        return []
    return [[line] for line in result_in_lines(result, str(result.get("currency") or ""))]


def _errors(summary: Summary) -> Rows:
    rows = [
        [str(row.get("severity", "error")), _one_line(str(row.get("message", row)))]
        for row in _rows(summary, "errors")
    ]
    return rows + [["error", _one_line(problem)] for problem in _problems(summary)]


def _order(row: Summary) -> list[str]:
    filled, price = row.get("filled_size"), row.get("average_price")
    done = f"{filled} at {price}" if price and not _is_zero(filled) else ""
    name = str(row.get("product_id") or row.get("product") or "")
    return [name, *_texts(row, "side", "status"), done, *_texts(row, "note")]


def _taken(row: Summary) -> list[str]:
    done = f"{row.get('filled_size', '?')} at {row.get('average_price', '?')}"
    return [*_texts(row, "product_id"), str(row.get("at") or "")[:16].replace("T", " "), done]


def _positions(summary: Summary) -> Rows:
    rows = []
    for name, position in _items(summary, "positions"):
        if not isinstance(position, Mapping):
            continue
        bare = position.get("bare_seconds")
        stop = position.get("stop")
        rows.append(
            [
                name,
                _money(position.get("notional")),
                f"stop {stop}" if stop not in (None, "") else "",
                f"unprotected {float(bare):.0f} s" if _is_number(bare) and bare else "",
            ]
        )
    return rows


def _data(summary: Summary) -> Rows:
    quality = summary.get("data_quality")
    if not isinstance(quality, Mapping):
        return []
    rows = [["not ok", str(name)] for name in quality.get("not_ok") or []]
    rows += [["problem", _one_line(str(text))] for text in quality.get("problems") or []]
    revised = quality.get("revisions") or []
    return rows + ([["revised bars", str(len(revised))]] if revised else [])


def _as_text(subject: str, todo: str, sections: Sequence[tuple[str, Rows]]) -> str:
    parts = [subject, f"What to do\n{textwrap.indent(todo, _INDENT)}"]
    for title, rows in sections:
        widths = [max(map(len, column)) for column in zip(*_even(rows), strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in _even(rows)
        ]
        parts.append(f"{title}\n" + textwrap.indent("\n".join(lines), _INDENT))
    return "\n\n".join(parts) + "\n"


def _as_html(subject: str, todo: str, sections: Sequence[tuple[str, Rows]]) -> str:
    parts = [f"<h2>{html.escape(subject)}</h2>", "<h3>What to do</h3>"]
    parts.append(f"<pre>{html.escape(todo)}</pre>")
    for title, rows in sections:
        lines = [
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in _even(rows)
        ]
        parts.append(f"<h3>{html.escape(title)}</h3><table cellpadding=4>{''.join(lines)}</table>")
    body = "".join(parts)
    return f"<!doctype html><html><body style='font-family: sans-serif'>{body}</body></html>"


def _even(rows: Rows) -> Rows:
    """Fill rows up to the same number of cells."""
    width = max(len(row) for row in rows)
    return [row + [""] * (width - len(row)) for row in rows]


def _rows(summary: Summary, key: str) -> list[Summary]:
    found = summary.get(key)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def _items(summary: Summary, key: str) -> list[tuple[str, Any]]:
    found = summary.get(key)
    return sorted(found.items()) if isinstance(found, Mapping) else []


def _texts(row: Summary, *keys: str) -> list[str]:
    return ["" if row.get(key) is None else _one_line(str(row[key])) for key in keys]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _is_zero(value: object) -> bool:
    """Whether this is a zero; what is absent is not."""
    try:
        return value is not None and float(str(value)) == 0
    except ValueError:
        return False


def _money(value: object) -> str:
    try:
        return f"{float(str(value)):,.2f}" if value is not None else ""
    except ValueError:
        return str(value)

"""
Impediments: whatever keeps a run from doing what the decision wants.

Noted where they are met, brought together in one list, and shown in summary, page, mail, status
and guard on every day on which they hold (docs/execution.md section 14, "Nothing is silent").
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tf_lib.core.model.run_rows import ImpedimentRow


class ImpedimentKind(StrEnum):
    """
    What stands in the way; with the product it is what two days are compared by.

    Attributes
    ----------
    in_words : str
        As a reader would say it.
    passes_by_itself : bool
        Whether the next run may be rid of it without anybody's doing.
    """

    in_words: str
    passes_by_itself: bool

    def __new__(
        cls, value: str, in_words: str = "", passes_by_itself: bool = False
    ) -> ImpedimentKind:
        """Return a kind with what is said of it."""
        kind = str.__new__(cls, value)
        kind._value_, kind.in_words, kind.passes_by_itself = value, in_words, passes_by_itself
        return kind

    LOCKED = "locked", "locked"
    UNKNOWN_HOLDING = "unknown_holding", "holding unknown"
    NOT_LISTED = "not_listed", "not listed any more"
    NOT_TRADABLE = "not_tradable", "takes no orders"
    NO_PRICE = "no_price", "without a believable price", True
    NOT_PROTECTABLE = "not_protectable", "not protectable"
    STOP_REFUSED = "stop_refused", "stop refused"
    BUY_REFUSED = "buy_refused", "buy refused"
    SELL_REFUSED = "sell_refused", "sell refused"
    NOT_DONE = "not_done", "trade not done", True
    UNPROTECTED = "unprotected", "UNPROTECTED"
    NO_BUYS = "no_buys", "buys nothing", True
    HALTED = "halted", "trades nothing", True
    PAUSED = "paused", "paused", True
    FLATTEN_UNFINISHED = "flatten_unfinished", "not flattened"
    EQUITY_UNEXPLAINED = "equity_unexplained", "changed by more than is explained", True
    WRONG_CURRENCY = "wrong_currency", "money in another currency"
    FEES_UNREADABLE = "fees_unreadable", "fees unreadable", True
    HISTORY_UNREADABLE = "history_unreadable", "order history unreadable"
    LEDGER_UNREADABLE = "ledger_unreadable", "ledger unreadable"
    DATA_NOT_BELIEVED = "data_not_believed", "bars not believed", True


@dataclass(frozen=True)
class Impediment:
    """
    One thing that stands in the way.

    Attributes
    ----------
    kind : ImpedimentKind
    why : str
        What is known of the cause, in the exchange's words where they are its own.
    what_to_do : str
        What the reader can do about it.
    product : str
        The product it concerns; empty for the whole portfolio.
    wanted : str
        What the decision wanted and did not get, in words and money; empty if nothing.
    is_missed_exit : bool
        Whether what was not done is an exit or a trim.
    since : date, optional
        The first day of an unbroken row on which it held; known once days are compared.
    """

    kind: ImpedimentKind
    why: str
    what_to_do: str
    product: str = ""
    wanted: str = ""
    is_missed_exit: bool = False
    since: dt.date | None = None

    @property
    def needs_person(self) -> bool:
        """Whether it stays until somebody does something, or keeps money in what is to be sold."""
        return self.is_missed_exit or not self.kind.passes_by_itself

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same one tomorrow: no clock, no price and no count."""
        return str(self.kind), self.product

    def to_mapping(self) -> ImpedimentRow:
        """Return plain values for the summary and the log."""
        return {
            "kind": str(self.kind),
            "scope": "product" if self.product else "portfolio",
            "product": self.product,
            "since": self.since.isoformat() if self.since is not None else None,
            "wanted": self.wanted,
            "is_missed_exit": self.is_missed_exit,
            "why": self.why,
            "what_to_do": self.what_to_do,
        }

    @classmethod
    def from_mapping(cls, record: Mapping[str, Any]) -> Impediment:
        """Read back what `to_mapping` wrote."""
        since = record.get("since")
        return cls(
            ImpedimentKind(record["kind"]),
            record["why"],
            record["what_to_do"],
            product=record.get("product", ""),
            wanted=record.get("wanted", ""),
            is_missed_exit=bool(record.get("is_missed_exit", False)),
            since=dt.date.fromisoformat(since) if since else None,
        )


def brought_together(
    found: Iterable[Impediment], *, before: Iterable[Impediment], day: dt.date
) -> tuple[Impediment, ...]:
    """
    Return one impediment for each kind and product, with the day since which it holds.

    Parameters
    ----------
    found : iterable of Impediment
        Of this day; of two with one key the later stands, with what either knows was wanted.
    before : iterable of Impediment
        The list of the run before.
    day : date
        The day of those that are new.

    Examples
    --------
    >>> halt = Impediment(ImpedimentKind.HALTED, "no prices", "look at the exchange")
    >>> [one] = brought_together([halt], before=[], day=dt.date(2026, 3, 1))
    >>> [two] = brought_together([halt], before=[one], day=dt.date(2026, 3, 2))
    >>> two.since
    datetime.date(2026, 3, 1)
    """
    since = {one.key: one.since for one in before}
    merged: dict[tuple[str, str], Impediment] = {}
    for one in found:
        known = merged.get(one.key, one)
        merged[one.key] = replace(
            one,
            wanted=one.wanted or known.wanted,
            is_missed_exit=one.is_missed_exit or known.is_missed_exit,
            since=min(filter(None, (since.get(one.key), one.since)), default=day),
        )
    return tuple(merged[key] for key in sorted(merged))


def keeps_from_trading(found: Iterable[Impediment], *, is_anything_done: bool) -> bool:
    """
    Whether the day must not end as if it were good.

    An exit or a trim that was wanted and not carried out, or a day on which something was wanted
    and nothing was traded.

    Parameters
    ----------
    is_anything_done : bool
        Whether any order of the day's plan was carried out.
    """
    known = list(found)
    if any(one.is_missed_exit for one in known):
        return True
    return not is_anything_done and any(one.wanted for one in known)


def in_a_line(record: Mapping[str, Any]) -> str:
    """
    Return an impediment of a summary as one line: what, since when, what was wanted, why, what now.

    Examples
    --------
    >>> lock = Impediment(ImpedimentKind.LOCKED, "it changed", "tf release X-USD", "X-USD",
    ...                   wanted="full exit of 4,750.12 USD", since=dt.date(2026, 3, 1))
    >>> in_a_line(lock.to_mapping())
    'X-USD locked since 2026-03-01; wanted: full exit of 4,750.12 USD; why: it changed; what to do:\
 tf release X-USD'
    """
    head = f"{record.get('product') or 'whole portfolio'} {kind_in_words(record)}"
    since = f" since {record['since']}" if record.get("since") else ""
    parts = [f"{head}{since}"]
    for name, said in (("wanted", "wanted"), ("why", "why"), ("what_to_do", "what to do")):
        if record.get(name):
            parts.append(f"{said}: {record[name]}")
    return "; ".join(parts)


def kind_in_words(record: Mapping[str, Any]) -> str:
    """Return what stands in the way, as a reader would say it."""
    kind = str(record.get("kind", ""))
    # A record of another version may hold a kind that is not known here.
    known = {str(one): one.in_words for one in ImpedimentKind}
    return known.get(kind, kind.replace("_", " "))

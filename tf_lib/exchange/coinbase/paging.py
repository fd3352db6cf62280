"""
Paging: a list counts only when it was read to its proper end.

A page that repeats, a cursor that turns in a circle or an end that never comes makes the whole
list unknown; a list cut short is never handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tf_lib.errors import UnknownState
from tf_lib.exchange.coinbase.values import Record, records_of

Read = Callable[[dict[str, Any]], dict[str, Any]]
_MOST_PAGES = 400


def all_records(read: Read, key: str, *, what: str) -> list[Record]:
    """
    Read every page of a list that says ``has_next``.

    Parameters
    ----------
    read : callable
        Takes the paging parameters (none, or ``cursor``) and returns one page.
    key : str
        Where the records stand in a page.

    Raises
    ------
    UnknownState
        If a page lacks its records or its ``has_next``, or a cursor is missing or comes twice.
    """
    return [record for page in _pages_with_next(read, what) for record in _rows(page, key, what)]


def all_records_without_next(read: Read, key: str, *, page_size: int, what: str) -> list[Record]:
    """
    Read every page of a list that ends with an empty cursor or an empty page (fills).

    The last page may repeat its own cursor; a full page that does so never ends and is unknown.
    """
    records: list[Record] = []
    cursor = ""
    for _ in range(_MOST_PAGES):
        page = read({"cursor": cursor} if cursor else {})
        rows = _rows(page, key, what)
        records.extend(rows)
        following = page.get("cursor") or ""
        if not rows or not following:
            return records
        if following == cursor:
            if len(rows) < page_size:
                return records
            raise UnknownState(f"{what}: the cursor {cursor!r:.40} comes again and again")
        cursor = str(following)
    raise UnknownState(f"{what}: no end after {_MOST_PAGES} pages")


def _pages_with_next(read: Read, what: str) -> Iterator[Record]:
    seen: set[str] = set()
    cursor = ""
    for _ in range(_MOST_PAGES):
        page = read({"cursor": cursor} if cursor else {})
        yield page
        has_next = page.get("has_next")
        if has_next is False:
            return
        if has_next is not True:
            raise UnknownState(f"{what}: has_next must be true or false, got {has_next!r:.40}")
        cursor = str(page.get("cursor") or "")
        if not cursor:
            raise UnknownState(f"{what}: there are more pages and no cursor to them")
        if cursor in seen:
            raise UnknownState(f"{what}: the cursor {cursor!r:.40} came twice")
        seen.add(cursor)
    raise UnknownState(f"{what}: no end after {_MOST_PAGES} pages")


def _rows(page: Record, key: str, what: str) -> list[Record]:
    return records_of(page, key, what=what)

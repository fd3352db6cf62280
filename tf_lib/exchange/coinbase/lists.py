"""
Lists: read to their proper end, and which of their records matter.

A page that repeats, a cursor that turns in a circle or an end that never comes makes the whole
list unknown; a list cut short is never handed on.

Strictness is for what is traded here: the quote currency, the bases of the universe, whatever
was ever bought, and orders under our own ids. A record of anything else that cannot be read is
left out and named; it must not keep a position from being protected (docs/execution.md section 14).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tf_lib.errors import UnknownState
from tf_lib.exchange.coinbase.line import CoinbaseLine
from tf_lib.exchange.coinbase.values import Record, optional_text, records_of
from tf_lib.text.tickers import base_of, quote_of

logger = logging.getLogger(__name__)

ReadPage = Callable[[dict[str, Any]], dict[str, Any]]
_MOST_PAGES = 400
_DOLLARS = ("USD", "USDC")
"""Two names of one book where the exchange says nothing else: BTC-USDC is an alias of BTC-USD."""


class OurNames:
    """
    The products that are traded here, and under what other names the exchange speaks of them.

    Examples
    --------
    >>> names = OurNames()
    >>> names.use(["ETH-USDC"])
    >>> names.ours("ETH-USD"), names.ours("BTC-USD")
    ('ETH-USDC', 'BTC-USD')
    """

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._others: dict[str, str] = {}

    def use(self, product_ids: Iterable[str]) -> None:
        """Say which products are traded here."""
        self._used.update(product_ids)

    def is_used(self, name: object) -> bool:
        """Whether a product goes by this very name here."""
        return name in self._used

    def learn(self, record: Record) -> None:
        """Take in from a product's record which names stand for one of ours."""
        listed = record.get("alias_to")
        names = [optional_text(record, "product_id"), optional_text(record, "alias")]
        names += [n for n in listed if isinstance(n, str)] if isinstance(listed, list) else []
        for ours in [name for name in names if name in self._used]:
            for name in names:
                if name and name not in self._used:
                    self._others.setdefault(name, ours)

    def ours(self, product_id: str) -> str:
        """Return what a product is called here; a stranger keeps its name."""
        if product_id in self._used:
            return product_id
        return self._others.get(product_id) or self._twin(product_id)

    def _twin(self, product_id: str) -> str:
        if quote_of(product_id) in _DOLLARS:
            for other in _DOLLARS:
                twin = f"{base_of(product_id)}-{other}"
                if twin in self._used:
                    return twin
        return product_id

    def all_names(self, product_ids: Iterable[str]) -> list[str]:
        """Return products with every other name under which the exchange may list them."""
        found: dict[str, None] = {}
        for ours in product_ids:
            found[ours] = None
            found.update((name, None) for name, known in self._others.items() if known == ours)
            twin = f"{base_of(ours)}-USD"
            if quote_of(ours) == "USDC" and self.ours(twin) == ours:
                found[twin] = None
        return list(found)

    def needs(self, currency: str) -> bool:
        """Whether a currency is traded here; everything is while nobody has said what is."""
        return not self._used or any(
            currency in (base_of(name), quote_of(name)) for name in self._used
        )

    def is_money(self, currency: str) -> bool:
        """Whether products are paid in a currency; each is while nobody has said what is traded."""
        return not self._used or any(currency == quote_of(name) for name in self._used)


class Reads:
    """The base of every part of the client that reads."""

    def __init__(self, line: CoinbaseLine) -> None:
        self.line = line
        self.names = OurNames()
        self.left_out: dict[str, None] = {}

    def leave_out(self, why: str) -> None:
        """Name a record that is left out, once."""
        if why not in self.left_out:
            self.left_out[why] = None
            logger.warning("left out: %s", why)


def all_records(read: ReadPage, key: str, *, what: str) -> list[Record]:
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


def all_records_without_next(
    read: ReadPage, key: str, *, page_size: int, what: str
) -> list[Record]:
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


def _pages_with_next(read: ReadPage, what: str) -> Iterator[Record]:
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

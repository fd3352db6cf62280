"""
Oddities: what the exchange's answers show beside what is true.

Rows of accounts that no wallet stands behind, orders and fills from before, books that are empty
or far from the last trade. They are put there by account events and belong to the exchange's
state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Oddities:
    """
    Everything that is shown and not meant.

    Attributes
    ----------
    account_rows : list of dict
        Rows of ``accounts``: currency, ``row`` (put over a usual one), ``first`` (before the
        wallets).
    order_rows, fill_rows : list of dict
        Rows of orders and fills that are older than all others, the newest first.
    books : dict of product id to dict
        ``bids`` or ``asks`` false: that side is empty; ``away``: how far the middle lies above
        (below zero: under) the last trade, as a fraction.
    is_dirty : bool
        Whether something has changed since it was last written down.
    """

    account_rows: list[dict[str, Any]] = field(default_factory=list)
    order_rows: list[dict[str, Any]] = field(default_factory=list)
    fill_rows: list[dict[str, Any]] = field(default_factory=list)
    books: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_dirty: bool = False

    def put_account_row(self, data: Mapping[str, Any]) -> None:
        """Show one more row of accounts; a row of None takes all odd ones of the currency away."""
        self.is_dirty = True
        if data["row"] is None:
            same = data["currency"]
            self.account_rows = [row for row in self.account_rows if row["currency"] != same]
        else:
            self.account_rows.append(dict(data))

    def put_order_row(self, data: Mapping[str, Any]) -> None:
        """Show one more order from before."""
        self.is_dirty = True
        self.order_rows.append(dict(data["row"]))

    def put_fill_row(self, data: Mapping[str, Any]) -> None:
        """Show one more fill from before."""
        self.is_dirty = True
        self.fill_rows.append(dict(data["row"]))

    def put_book(self, data: Mapping[str, Any]) -> None:
        """Let the book of a product be odd, or usual again when nothing is said of it."""
        self.is_dirty = True
        self.books[data["product"]] = {k: v for k, v in data.items() if k != "product"}

    def book(self, product_id: str) -> Mapping[str, Any]:
        """Return what is odd about a book."""
        return self.books.get(product_id, {})

    def has_side(self, product_id: str, side: str) -> bool:
        """Whether a side of a book (``bids`` or ``asks``) holds anything."""
        return self.book(product_id).get(side, True) is True

    def to_text(self) -> str:
        """Return all of it as one text, and count it as written down."""
        self.is_dirty = False
        names = ("account_rows", "order_rows", "fill_rows", "books")
        return json.dumps({name: getattr(self, name) for name in names})

    def restore(self, text: str) -> None:
        """Put back what `to_text` wrote; an empty text holds nothing."""
        for name, value in json.loads(text or "{}").items():
            setattr(self, name, value)


def put_over(usual: Any, odd: Any) -> Any:
    """
    Return a row with some of its fields put in their odd place.

    Examples
    --------
    >>> put_over({"hold": {"value": "0", "currency": "EUR"}}, {"hold": {"value": "-1"}})
    {'hold': {'value': '-1', 'currency': 'EUR'}}
    """
    if not (isinstance(usual, Mapping) and isinstance(odd, Mapping)):
        return odd
    changed = {key: put_over(usual.get(key), value) for key, value in odd.items()}
    return {**usual, **changed}

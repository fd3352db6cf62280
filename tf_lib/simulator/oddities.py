"""
Oddities: what the exchange's answers show beside what is true.

Rows of accounts that no wallet stands behind, and other things that are shown and never traded.
They are put there by account events and belong to the exchange's state.
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
    is_dirty : bool
        Whether something has changed since it was last written down.
    """

    account_rows: list[dict[str, Any]] = field(default_factory=list)
    is_dirty: bool = False

    def put_account_row(self, data: Mapping[str, Any]) -> None:
        """Show one more row of accounts; a row of None takes all odd ones of the currency away."""
        self.is_dirty = True
        if data["row"] is None:
            same = data["currency"]
            self.account_rows = [row for row in self.account_rows if row["currency"] != same]
        else:
            self.account_rows.append(dict(data))

    def to_text(self) -> str:
        """Return all of it as one text, and count it as written down."""
        self.is_dirty = False
        return json.dumps({"account_rows": self.account_rows})

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

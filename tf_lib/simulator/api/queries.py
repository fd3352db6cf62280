"""A request's parameters: repeated keys, enumerations, bounded numbers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tf_lib.simulator.replies import invalid
from tf_lib.simulator.simulated_clock import parse_rfc3339


@dataclass(frozen=True)
class Query:
    """The query string of one request."""

    values: Mapping[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, query: str | Mapping[str, Any] | None) -> Query:
        """Take a raw query string, or a mapping of names to values or lists of values."""
        if query is None:
            return cls()
        if isinstance(query, str):
            return cls(parse_qs(query, keep_blank_values=True, max_num_fields=2000))
        return cls(
            {
                name: [str(v) for v in value] if isinstance(value, (list, tuple)) else [str(value)]
                for name, value in query.items()
                if value is not None
            }
        )

    def all(self, name: str) -> list[str]:
        """Every value of a repeated key; empty ones do not count."""
        return [value for value in self.values.get(name, []) if value != ""]

    def one(self, name: str) -> str | None:
        """Return the last value of a key, None if absent or empty."""
        values = self.all(name)
        return values[-1] if values else None

    def whole(self, name: str, default: int, *, most: int | None = None) -> int:
        """Return a whole number of at least 0; above `most` it is cut to it."""
        value = self.one(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) <= 18):
            raise invalid(f"{name} must be a whole number, got {value[:40]!r}")
        number = int(value)
        return number if most is None else min(number, most)

    def among(self, name: str, known: Collection[str]) -> list[str]:
        """Values of an enumeration, each of which must exist."""
        values = self.all(name)
        for value in values:
            if value not in known:
                raise invalid(f"{name} has no value {value[:60]!r}")
        return values

    def moment(self, name: str) -> int | None:
        """Return an RFC 3339 time in microseconds since 1970."""
        value = self.one(name)
        if value is None:
            return None
        at = parse_rfc3339(value)
        if at is None:
            raise invalid(f"{name} must be an RFC 3339 time, got {value[:40]!r}")
        return at

    def cursor(self) -> int:
        """Return where the last page ended, 0 for the first page."""
        value = self.one("cursor")
        if value is None:
            return 0
        try:
            return int(base64.urlsafe_b64decode(value.encode("ascii")).decode("ascii"))
        except (ValueError, UnicodeError, binascii.Error):
            raise invalid("cursor is not one this exchange gave out") from None


def cursor_text(position: int) -> str:
    """
    Opaque text for a position in a list.

    Examples
    --------
    >>> Query({"cursor": [cursor_text(250)]}).cursor()
    250
    """
    return base64.urlsafe_b64encode(str(position).encode()).decode()


def page(items: list[Any], query: Query, *, limit: int) -> tuple[list[Any], bool, str]:
    """Cut one page: items, whether more follow, and the cursor to them ('' at the end)."""
    begin = max(0, query.cursor())
    end = begin + max(limit, 1)
    more = end < len(items)
    return items[begin:end], more, cursor_text(end) if more else ""


@dataclass(frozen=True)
class Request:
    """One request, without transport and token; `parts` are those its path holds."""

    query: Query
    body: Any
    parts: tuple[str, ...]

    def fields(self) -> Mapping[str, Any]:
        """Return the body as an object."""
        if not isinstance(self.body, Mapping):
            raise invalid("the request body must be a JSON object")
        return self.body

"""Answers of a profile's embedded exchange, changed on their way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

Faulty = Callable[..., AbstractContextManager[None]]


def put(endpoint: str, field: str, value: Any) -> dict[str, Any]:
    """Return the rule that puts a value into a field of an answer."""
    return {"kind": "put_field", "endpoint": endpoint, "field": field, "value": value}

"""Orders and fills as rows of the exchange's memory, and back."""

from __future__ import annotations

import json
from dataclasses import fields
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from tf_lib.simulator.matching.attached import read_attached
from tf_lib.simulator.matching.order import ExchangeFill, Order, Terms

_TERMS, _ORDER, _FILL = TypeAdapter(Terms), TypeAdapter(Order), TypeAdapter(ExchangeFill)
_JSON = ("configuration", "edits", "attached")


def order_row(order: Order) -> dict[str, Any]:
    """Return an order as column names and values: its own fields and those of its terms."""
    row = _fields(order.terms) | _fields(order)
    del row["terms"]
    attached = order.attached.configuration if order.attached else None
    return {name: _cell(value) for name, value in (row | {"attached": attached}).items()}


def read_order(row: dict[str, Any]) -> Order:
    """Return the order of a row."""
    row = row | {name: json.loads(row[name]) for name in _JSON if row[name] is not None}
    terms = _TERMS.validate_python(row)
    attached = read_attached({"attached_order_configuration": row["attached"]}, terms)
    return _ORDER.validate_python(row | {"terms": terms, "attached": attached})


def fill_row(fill: ExchangeFill) -> dict[str, Any]:
    """Return a fill as column names and values."""
    return {name: _cell(value) for name, value in _fields(fill).items()}


def read_fill(row: dict[str, Any]) -> ExchangeFill:
    """Return the fill of a row."""
    return _FILL.validate_python(row)


def _fields(record: Terms | Order | ExchangeFill) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _cell(value: Any) -> Any:
    """Return a value as SQLite keeps it: amounts in plain digits, lists and mappings as JSON."""
    if isinstance(value, Decimal):
        return format(value, "f")
    return json.dumps(value) if isinstance(value, dict | list) else value

"""
Attached orders: a bracket that comes into being when the order it hangs on ends with fills.

Only buys carry one here, and it sells what they bought. It is an order of its own: take profit at
its limit, stop side at its trigger, size whatever the parent filled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tf_lib.core.model.records import Product, Side
from tf_lib.simulator.matching import order_checks as entry
from tf_lib.simulator.matching.order import Kind, Order, Terms
from tf_lib.simulator.prices.day_bars import plain
from tf_lib.simulator.replies import RefusedError, invalid, unsupported

FORM = "trigger_bracket_gtc"


def read_attached(body: Mapping[str, Any], parent: Terms) -> Terms | None:
    """
    What is to follow an order, without a size; None when nothing is attached.

    Raises
    ------
    ApiError
        ``attached_order_configuration`` has not the form of one.
    RefusedError
        It names a size, or hangs on an order that carries none.
    """
    configuration = body.get("attached_order_configuration")
    if configuration is None or configuration == {}:
        return None
    if not isinstance(configuration, Mapping) or len(configuration) != 1:
        raise invalid("attached_order_configuration must hold exactly one kind of order")
    ((name, fields),) = configuration.items()
    if not isinstance(fields, Mapping):
        raise invalid(f"{str(name)[:60]} must be an object")
    if name != FORM or parent.kind not in (Kind.MARKET, Kind.LIMIT) or not parent.is_buy:
        raise unsupported(f"only {FORM} may be attached, to market and limit buys")
    if fields.get("base_size") or fields.get("quote_size"):
        raise RefusedError("ATTACHED_ORDER_SIZE_MUST_BE_NIL", "PREVIEW_INVALID_ORDER_CONFIG")
    one = {"base_size": "1", **{key: fields[key] for key in fields if key != "base_size"}}
    terms = entry.read_terms(
        {
            "product_id": parent.product_id,
            "side": Side.SELL.value,
            "order_configuration": {name: one},
        }
    )
    return replace(terms, base_size=None, configuration={name: dict(fields)})


def check_attached(attached: Terms, parent: Terms, product: Product, last: Decimal) -> None:
    """Refuse prices off the grid, or not on either side of where the parent buys."""
    entry.check_grid(attached, product)
    bought_at = last if parent.limit_price is None else min(parent.limit_price, last)
    entry.check_geometry(attached, bought_at, now=0)


def sized(attached: Terms, parent: Order, step: Decimal) -> Terms | None:
    """Return the terms for what a parent filled; None when that is no whole step."""
    size = parent.filled_size // step * step
    if size <= 0:
        return None
    ((name, fields),) = attached.configuration.items()
    return replace(
        attached, base_size=size, configuration={name: {**fields, "base_size": plain(size)}}
    )

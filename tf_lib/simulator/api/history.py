"""Endpoints that show orders and fills."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import ROUND_DOWN
from itertools import chain, takewhile
from typing import Any

from tf_lib.core.model.records import Side
from tf_lib.simulator.api.old_rows import is_asked, old_fills, old_orders
from tf_lib.simulator.api.queries import Query, Request, page
from tf_lib.simulator.api.views import fill_view, order_view
from tf_lib.simulator.matching.order import ExchangeFill, Force, Kind, Order, Status
from tf_lib.simulator.matching.pricing import MONEY
from tf_lib.simulator.prices.day_bars import plain
from tf_lib.simulator.replies import invalid, not_found
from tf_lib.simulator.venue import Venue
from tf_lib.text.tickers import base_of

PAGE = 100
MOST_ORDERS = 1000
MOST_FILLS = 1000
_STATUSES = (*Status, "UNKNOWN_ORDER_STATUS", "QUEUED")
_FORCES = (*Force, "UNKNOWN_TIME_IN_FORCE")
_KINDS = (*Kind, "UNKNOWN_ORDER_TYPE", "STOP", "TWAP", "SCALED")
_SIDES = (*Side, "UNKNOWN_ORDER_SIDE")
_SOURCES = ("UNKNOWN_PLACEMENT_SOURCE", "RETAIL_SIMPLE", "RETAIL_ADVANCED")
_PRODUCT_TYPES = ("UNKNOWN_PRODUCT_TYPE", "SPOT", "FUTURE")
_ORDER_SORTS = ("UNKNOWN_SORT_BY", "LIMIT_PRICE", "LAST_FILL_TIME", "LAST_UPDATE_TIME")
_FILL_SORTS = ("UNKNOWN_SORT_BY", "PRICE", "TRADE_TIME")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def get_order(venue: Venue, request: Request) -> Any:
    """GET /orders/historical/{order_id}."""
    (order_id,) = request.parts
    order = venue.matching.orders.get(order_id)
    for row in old_orders(venue) if order is None else ():
        if row.get("order_id") == order_id:
            return {"order": row}
    if order is None or order.visible_from > venue.matching.now:
        if not _ID.fullmatch(order_id):
            raise invalid("invalid order id")
        raise not_found("order with this orderID was not found")
    return {"order": _order(venue, order)}


def _order(venue: Venue, order: Order) -> dict[str, Any]:
    product_id = venue.shown_as(order.terms.product_id, "orders")
    return order_view(venue, order) | {"product_id": product_id}


def list_orders(venue: Venue, request: Request) -> Any:
    """
    GET /orders/historical/batch: newest first.

    ``OPEN`` stands alone among the statuses. Unless asked for, only orders of the advanced
    interface are shown. Dates do not apply to open orders.
    """
    query = request.query
    wanted = _order_filter(query)
    now = venue.matching.now
    shown = (o for o in _candidates(venue, query) if o.visible_from <= now)
    found = sorted(filter(wanted, shown), key=_order_key(query))
    limit = query.whole("limit", PAGE, most=MOST_ORDERS) or PAGE
    old = (row for row in old_orders(venue) if is_asked(query, row, "created_time"))
    rows, more, cursor = page([*found, *old], query, limit=limit)
    return {
        "orders": [_order(venue, row) if isinstance(row, Order) else row for row in rows],
        "sequence": "0",
        "has_next": more,
        "cursor": cursor,
        "proof_token_required": False,
    }


def _candidates(venue: Venue, query: Query) -> Iterator[Order]:
    """Orders worth a closer look, newest first: a long history is not read for a short answer."""
    newest_first = reversed(venue.matching.orders.values())
    if query.all("order_status") == [Status.OPEN]:
        waiting = (venue.matching.agenda.waiting(name) for name in venue.catalogue)
        newest_first = iter(sorted(chain(*waiting), key=lambda order: -order.number))
        return chain(venue.matching.executing(), newest_first)
    start = query.moment("start_date")
    if start is None:
        return newest_first
    return takewhile(lambda order: order.created >= start, newest_first)


def _order_filter(query: Query) -> Callable[[Order], bool]:
    statuses = set(query.among("order_status", _STATUSES))
    if Status.OPEN in statuses and len(statuses) > 1:
        raise invalid("order_status OPEN cannot be combined with other statuses")
    ids, products = set(query.all("order_ids")), set(query.all("product_ids"))
    forces = set(query.among("time_in_forces", _FORCES))
    kinds = set(query.among("order_types", _KINDS))
    sides = set(query.among("order_side", _SIDES)) - {"UNKNOWN_ORDER_SIDE"}
    sources = set(query.among("order_placement_source", _SOURCES)) or {"RETAIL_ADVANCED"}
    types = set(query.among("product_type", _PRODUCT_TYPES)) - {"UNKNOWN_PRODUCT_TYPE"}
    assets = set(query.all("asset_filters"))
    start, end = query.moment("start_date"), query.moment("end_date")
    if start is not None and end is not None and start > end:
        raise invalid("start_date must be before end_date")
    only_open = statuses == {Status.OPEN}

    def is_wanted(order: Order) -> bool:
        terms = order.terms
        in_time = (start is None or order.created >= start) and (end is None or order.created < end)
        return (
            (in_time or only_open)
            and (not statuses or order.status in statuses)
            and (not ids or order.order_id in ids)
            and (not products or terms.product_id in products)
            and (not forces or terms.force in forces)
            and (not kinds or terms.kind in kinds)
            and (not sides or terms.side in sides)
            and (not types or "SPOT" in types)
            and (not assets or base_of(terms.product_id) in assets)
            and order.source in sources
        )

    return is_wanted


def _order_key(query: Query) -> Callable[[Order], Any]:
    (sort,) = query.among("sort_by", _ORDER_SORTS)[-1:] or [""]
    if sort == "LIMIT_PRICE":
        return lambda order: -(order.terms.limit_price or 0)
    if sort == "LAST_FILL_TIME":
        return lambda order: -(order.last_fill or 0)
    if sort == "LAST_UPDATE_TIME":
        return lambda order: -order.last_update
    return lambda order: -order.number


def list_fills(venue: Venue, request: Request) -> Any:
    """GET /orders/historical/fills: newest first, 100 a page, no ``has_next``."""
    query = request.query
    wanted = _fill_filter(query)
    now = venue.matching.now
    found = [f for f in reversed(venue.matching.fills) if f.visible_from <= now and wanted(f)]
    (sort,) = query.among("sort_by", _FILL_SORTS)[-1:] or [""]
    if sort == "PRICE":
        found.sort(key=lambda fill: -fill.price)
    limit = query.whole("limit", PAGE, most=MOST_FILLS) or PAGE
    old = (row for row in old_fills(venue) if is_asked(query, row, "trade_time"))
    rows, _, cursor = page([*found, *old], query, limit=limit)
    return {
        "fills": [_fill(venue, row) if isinstance(row, ExchangeFill) else row for row in rows],
        "cursor": cursor,
    }


def _fill(venue: Venue, fill: ExchangeFill) -> dict[str, Any]:
    view = fill_view(venue, fill)
    if venue.matching.orders[fill.order_id].terms.quote_size is not None:
        value = (fill.price * fill.size).quantize(MONEY, ROUND_DOWN)
        view |= {"size_in_quote": True, "size": plain(value)}
    return view | {"product_id": venue.shown_as(fill.product_id, "fills")}


def _fill_filter(query: Query) -> Callable[[ExchangeFill], bool]:
    orders, trades = set(query.all("order_ids")), set(query.all("trade_ids"))
    products = set(query.all("product_ids"))
    start = query.moment("start_sequence_timestamp")
    end = query.moment("end_sequence_timestamp")

    def is_wanted(fill: ExchangeFill) -> bool:
        return (
            (not orders or fill.order_id in orders)
            and (not trades or fill.trade_id in trades)
            and (not products or fill.product_id in products)
            and (start is None or fill.visible_from >= start)
            and (end is None or fill.visible_from < end)
        )

    return is_wanted

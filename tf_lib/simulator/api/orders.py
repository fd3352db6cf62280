"""Endpoints that make, preview, edit and cancel orders."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tf_lib.core.orders import fills as rule
from tf_lib.simulator.api.queries import Request
from tf_lib.simulator.matching import order_checks as entry
from tf_lib.simulator.matching.attached import check_attached, read_attached
from tf_lib.simulator.matching.balances import ZERO
from tf_lib.simulator.matching.order import Force, Kind, Order, Status, Terms
from tf_lib.simulator.prices.day_bars import plain
from tf_lib.simulator.replies import (
    ApiError,
    RefusedError,
    invalid,
    missing_scope,
    refused,
    used_client_id,
)
from tf_lib.simulator.venue import Venue, derived_uuid

MOST_CANCELS = 100
_LONGEST_CLIENT_ID = 128


def create(venue: Venue, request: Request) -> Any:
    """
    POST /orders.

    A client id that was used before, by an order in any status, makes no new order: the answer
    is a success with the old order's id and the new request's configuration.
    """
    body = request.fields()
    client_order_id = entry.text_field(body, "client_order_id")
    if len(client_order_id) > _LONGEST_CLIENT_ID:
        raise invalid("client_order_id is too long")
    _may_trade(venue, body)
    configuration = body.get("order_configuration")
    known = venue.matching.by_client_id.get(client_order_id)
    try:
        terms = entry.read_terms(body)
        if known is not None and venue.matching.world.refuses_used_ids:
            raise used_client_id()
        attached = read_attached(body, terms)
        if known is None:
            judge(venue, terms, attached)
            known = venue.matching.place(terms, client_order_id, attached=attached).order_id
    except RefusedError as refusal:
        return refusal.body(configuration)
    return {
        "success": True,
        "success_response": {
            "order_id": known,
            "product_id": terms.product_id,
            "side": terms.side.value,
            "client_order_id": client_order_id,
            "attached_order_id": venue.matching.orders[known].attached_order_id,
        },
        "order_configuration": configuration,
    }


def _may_trade(venue: Venue, body: Mapping[str, Any]) -> None:
    if not venue.rights.can_trade:
        raise missing_scope()
    owner = body.get("retail_portfolio_id")
    if owner not in (None, "", venue.rights.portfolio.uuid):
        raise ApiError(403, "PERMISSION_DENIED", "account is not available")


def judge(venue: Venue, terms: Terms, attached: Terms | None = None) -> None:
    """
    Put an order, and what hangs on it, through every check the exchange makes before it takes it.

    Raises
    ------
    RefusedError
        The first rule that is broken.
    """
    matching = venue.matching
    product = entry.check_product(venue.catalogue.get(terms.product_id), terms)
    last = matching.last_price(terms.product_id)
    if last is None:
        raise RefusedError("INELIGIBLE_PAIR", "PREVIEW_MISSING_PRODUCT_PRICE_BOOK", "No market yet")
    entry.check_buys(terms, matching.world.refused_buys)
    entry.check_grid(terms, product)
    size = matching.base_size(terms)
    price = last if terms.limit_price is None else terms.limit_price
    entry.check_size(terms, product, size=size, price=price)
    entry.check_geometry(terms, last, matching.now)
    entry.check_band(terms, last, matching.world.band(is_stop=terms.kind is Kind.STOP_LIMIT))
    if attached is not None:
        check_attached(attached, terms, product, last)
    entry.check_post_only(terms, would_trade=matching.would_trade_now(terms))
    if matching.needed(terms, size) > matching.wallets.available(terms.held_currency):
        raise refused("INSUFFICIENT_FUND", "Insufficient balance in source account")


def preview(venue: Venue, request: Request) -> Any:
    """POST /orders/preview: what the order would cost, and in ``errs`` why it would fail."""
    body, terms, errors = request.fields(), None, []
    try:
        terms = entry.read_terms(body)
        judge(venue, terms, read_attached(body, terms))
    except RefusedError as refusal:
        errors = [refusal.preview]
    return _estimate(venue, terms, errors)


def _estimate(venue: Venue, terms: Terms | None, errors: list[str]) -> dict[str, Any]:
    matching = venue.matching
    quote = venue.quote(terms.product_id) if terms and terms.product_id in venue.catalogue else None
    size = price = ZERO
    if terms is not None and quote is not None:
        size = matching.base_size(terms)
        price = terms.limit_price or matching.market_price(terms)
        if terms.kind is Kind.LIMIT and matching.would_trade_now(terms):
            price = rule.crossing_price(quote.last, price, matching.costs.slippage, terms.is_buy)
    value = size * price
    fee = value * matching.fee_tier().taker
    total = value + fee if terms is None or terms.is_buy else value - fee
    text = {name: plain(amount.quantize(Decimal("1E-8"))) for name, amount in (
        ("order_total", total),
        ("commission_total", fee),
        ("quote_size", value),
        ("average_filled_price", price),
    )}  # fmt: skip
    return {
        **text,
        "base_size": plain(size),
        "errs": errors,
        "warning": [],
        "best_bid": plain(quote.bid) if quote else "",
        "best_ask": plain(quote.ask) if quote else "",
        "is_max": False,
        "order_margin_total": "0",
        "leverage": "0",
        "long_leverage": "0",
        "short_leverage": "0",
        "slippage": plain(matching.costs.slippage),
        "preview_id": derived_uuid("preview", str(matching.now)),
        "current_liquidation_buffer": "",
        "projected_liquidation_buffer": "",
        "max_leverage": "",
        "commission_detail_total": {"total_commission": text["commission_total"]},
        "pnl_configuration": None,
    }


def cancel(venue: Venue, request: Request) -> Any:
    """POST /orders/batch_cancel: one result per id; success means accepted, not cancelled."""
    ids = request.fields().get("order_ids")
    if not isinstance(ids, list) or not ids or not all(isinstance(each, str) for each in ids):
        raise invalid("order_ids must be a list of order ids")
    if len(ids) > MOST_CANCELS:
        raise ApiError(
            400, "InvalidArgument", f"Too many orderIDs entered, limit is {MOST_CANCELS}"
        )
    _may_trade(venue, {})
    return {"results": [_cancel_one(venue, order_id) for order_id in ids]}


def _cancel_one(venue: Venue, order_id: str) -> dict[str, Any]:
    order = venue.matching.orders.get(order_id)
    reason = "UNKNOWN_CANCEL_FAILURE_REASON"
    if order is None:
        reason = "UNKNOWN_CANCEL_ORDER"
    elif order.status is Status.FILLED:
        reason = "ORDER_IS_FULLY_FILLED"
    elif not order.is_live:
        reason = "UNKNOWN_CANCEL_ORDER"
    elif order.pending_cancel:
        reason = "DUPLICATE_CANCEL_REQUEST"
    elif order.status is Status.EDIT_QUEUED:
        reason = "ORDER_IS_BEING_REPLACED"
    else:
        venue.matching.request_cancel(order)
        return {"success": True, "failure_reason": reason, "order_id": order_id}
    return {"success": False, "failure_reason": reason, "order_id": order_id}


def edit(venue: Venue, request: Request) -> Any:
    """POST /orders/edit: resting good-till-cancelled limit orders only; price and size needed."""
    _may_trade(venue, {})
    order, price, size, reason = _edit(venue, request)
    if order is None or reason:
        failure = {"edit_failure_reason": reason, "preview_failure_reason": ""}
        return {
            "success": False,
            "error_response": {"error_details": "", "edit_order_failure_reason": reason},
            "errors": [failure],
        }
    venue.edits.request(order, price=price, size=size)
    return {"success": True, "success_response": {"order_id": order.order_id}, "errors": []}


def preview_edit(venue: Venue, request: Request) -> Any:
    """POST /orders/edit_preview."""
    order, price, size, reason = _edit(venue, request)
    estimate = _estimate(venue, order.terms.edited(price, size) if order else None, [])
    failures = [{"edit_failure_reason": reason, "preview_failure_reason": ""}] if reason else []
    return {"errors": failures, **estimate}


def _edit(venue: Venue, request: Request) -> tuple[Order | None, Decimal, Decimal, str]:
    body = request.fields()
    order = venue.matching.orders.get(entry.text_field(body, "order_id"))
    price, size = _amount(body, "price"), _amount(body, "size")
    if order is None:
        return None, price, size, "ORDER_NOT_FOUND"
    if body.get("stop_price"):
        return order, price, size, "FIELD_STOPPRICE_NOT_SUPPORTED"
    return order, price, size, _edit_failure(venue, order, price, size)


def _amount(body: Mapping[str, Any], name: str) -> Decimal:
    """Return a number of an edit; one that is left out is read as 0."""
    value = body.get(name)
    if value is None or value == "":
        return ZERO
    if not isinstance(value, str) or not entry.is_number(value):
        raise invalid(f"{name} must be a decimal string")
    return Decimal(value)


def _edit_failure(venue: Venue, order: Order, price: Decimal, size: Decimal) -> str:
    terms = order.terms
    if terms.kind is not Kind.LIMIT or terms.force is not Force.GTC:
        return venue.matching.world.stop_edit_refusal
    if order.pending_cancel and order.is_live:
        return "CANNOT_EDIT_ORDER_PENDING_CANCEL"
    if order.status is Status.EDIT_QUEUED:
        return "ORDER_IS_ALREADY_BEING_REPLACED"
    if order.status is not Status.OPEN:
        return "ONLY_OPEN_ORDERS_CAN_BE_EDITED"
    product = venue.catalogue[terms.product_id]
    if size <= 0 or size % product.base_increment or size * price < product.quote_min_size:
        return "INVALID_EDITED_SIZE"
    if price <= 0 or price % product.price_increment:
        return "INVALID_EDITED_PRICE"
    if price == terms.limit_price and size == order.size:
        return "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"
    return venue.edits.failure(order, price, size)

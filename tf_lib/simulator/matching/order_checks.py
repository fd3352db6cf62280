"""
Order entry: what a create or preview request asks for, and whether the exchange takes it.

Malformed requests raise `ApiError` (HTTP 400); well-formed orders that break a rule raise
`RefusedError` (HTTP 200 with ``success: false``). Numbers off the grid are refused, never rounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tf_lib.core.model.records import Product, Side
from tf_lib.simulator.matching.order import Force, Kind, Terms
from tf_lib.simulator.replies import (
    RefusedError,
    invalid,
    only_in_preview,
    refused,
    unsupported,
)
from tf_lib.simulator.simulated_clock import parse_rfc3339

BASE_MAX_SIZE = Decimal("1000000000000")
QUOTE_MAX_SIZE = Decimal("150000000")
_PLAIN_NUMBER = re.compile(r"\d{1,24}(\.\d{0,24})?", re.ASCII)
_DIRECTIONS = {"STOP_DIRECTION_STOP_UP": False, "STOP_DIRECTION_STOP_DOWN": True}


@dataclass(frozen=True)
class Form:
    """One key of ``order_configuration`` and the fields it has."""

    kind: Kind
    force: Force
    prices: tuple[str, ...] = ()


FORMS: Mapping[str, Form | None] = {
    "market_market_ioc": Form(Kind.MARKET, Force.IOC),
    "market_market_fok": None,
    "limit_limit_gtc": Form(Kind.LIMIT, Force.GTC, ("limit_price",)),
    "limit_limit_gtd": Form(Kind.LIMIT, Force.GTD, ("limit_price",)),
    "limit_limit_fok": Form(Kind.LIMIT, Force.FOK, ("limit_price",)),
    "sor_limit_ioc": Form(Kind.LIMIT, Force.IOC, ("limit_price",)),
    "stop_limit_stop_limit_gtc": Form(Kind.STOP_LIMIT, Force.GTC, ("limit_price", "stop_price")),
    "stop_limit_stop_limit_gtd": Form(Kind.STOP_LIMIT, Force.GTD, ("limit_price", "stop_price")),
    "trigger_bracket_gtc": Form(Kind.BRACKET, Force.GTC, ("limit_price", "stop_trigger_price")),
    "trigger_bracket_gtd": Form(Kind.BRACKET, Force.GTD, ("limit_price", "stop_trigger_price")),
    "twap_limit_gtd": None,
    "scaled_limit_gtc": None,
}


def is_number(text: str) -> bool:
    """Whether a text is a plain decimal: no sign, no exponent."""
    return _PLAIN_NUMBER.fullmatch(text) is not None


def text_field(body: Mapping[str, Any], name: str) -> str:
    """Return a required string of a request body."""
    value = body.get(name)
    if not isinstance(value, str):
        raise invalid(f"{name} must be a string")
    if not value:
        raise invalid(f"{name} is required")
    return value


def read_terms(body: Mapping[str, Any]) -> Terms:
    """
    What an order request asks for.

    Raises
    ------
    ApiError
        The body has not the form of an order request.
    RefusedError
        It has, but this exchange takes no such order.
    """
    product_id = text_field(body, "product_id")
    side = text_field(body, "side")
    if side not in Side.__members__:
        raise invalid(f"side must be BUY or SELL, got {side[:40]}")
    name, fields, form = _configuration(body)
    stops_falling = _direction(fields, form, Side(side))
    sizes = _sizes(fields, form, Side(side))
    prices = {key: _number(fields, key, is_price=True) for key in form.prices}
    return Terms(
        product_id=product_id,
        side=Side(side),
        kind=form.kind,
        force=form.force,
        configuration={name: dict(fields)},
        limit_price=prices.get("limit_price"),
        stop_price=prices.get("stop_price") or prices.get("stop_trigger_price"),
        stops_falling=stops_falling,
        end_time=_end_time(fields, form),
        post_only=_post_only(fields),
        **sizes,
    )


def _configuration(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], Form]:
    configuration = body.get("order_configuration")
    if not isinstance(configuration, Mapping) or len(configuration) != 1:
        raise invalid("order_configuration must hold exactly one kind of order")
    ((name, fields),) = configuration.items()
    if name not in FORMS:
        raise invalid(f"unknown field {str(name)[:60]!r} in order_configuration")
    if not isinstance(fields, Mapping):
        raise invalid(f"{name} must be an object")
    form = FORMS[name]
    if form is None:
        raise unsupported(f"{name} is not supported on spot products")
    return name, fields, form


def _number(fields: Mapping[str, Any], name: str, *, is_price: bool) -> Decimal | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise invalid(f"{name} must be a string")
    if value == "":
        return None
    if not is_number(value):
        code = "PREVIEW_INVALID_LIMIT_PRICE" if is_price else "PREVIEW_NON_NUMERIC_ORDER_SIZE"
        raise only_in_preview(code)
    return Decimal(value)


def _sizes(fields: Mapping[str, Any], form: Form, side: Side) -> dict[str, Decimal | None]:
    base = _number(fields, "base_size", is_price=False)
    quote = _number(fields, "quote_size", is_price=False)
    if form.kind is not Kind.MARKET and quote is not None:
        raise unsupported("size in quote currency is not supported for this order")
    if side is Side.SELL and quote is not None:
        raise unsupported("Market sells must be in base currency")
    if (base is None) == (quote is None):
        raise unsupported("exactly one of base_size and quote_size is required")
    return {"base_size": base, "quote_size": quote}


def _direction(fields: Mapping[str, Any], form: Form, side: Side) -> bool:
    if form.kind is Kind.BRACKET:
        return side is Side.SELL
    if form.kind is not Kind.STOP_LIMIT:
        return True
    value = fields.get("stop_direction")
    if not isinstance(value, str) or value not in _DIRECTIONS:
        raise invalid(f"stop_direction must be one of {', '.join(_DIRECTIONS)}")
    return _DIRECTIONS[value]


def _end_time(fields: Mapping[str, Any], form: Form) -> int | None:
    if form.force is not Force.GTD:
        return None
    value = fields.get("end_time")
    end = parse_rfc3339(value) if isinstance(value, str) else None
    if end is None:
        raise invalid("end_time must be an RFC 3339 time")
    return end


def _post_only(fields: Mapping[str, Any]) -> bool:
    value = fields.get("post_only", False)
    if not isinstance(value, bool):
        raise invalid("post_only must be a boolean")
    return value


def check_product(product: Product | None, terms: Terms) -> Product:
    """Refuse what the state of the product forbids."""
    if product is None:
        raise refused("INVALID_PRODUCT_ID", "Unknown product")
    state = "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"
    if product.view_only or product.status != "online":
        raise RefusedError("INELIGIBLE_PAIR", state, "Product is not open for trading")
    if product.trading_disabled or product.is_disabled:
        raise RefusedError("TRADING_DISABLED", state, "Trading is disabled for this product")
    if product.cancel_only:
        raise RefusedError("ORDER_ENTRY_DISABLED", state, "Product is cancel only")
    if product.auction_mode:
        raise RefusedError("PRODUCT_TRADING_HALTED", state, "Product is in auction mode")
    if product.limit_only and terms.kind is Kind.MARKET:
        raise RefusedError(
            "UNSUPPORTED_ORDER_CONFIGURATION", state, "Market orders are not allowed: limit only"
        )
    if product.post_only and not (terms.kind is Kind.LIMIT and terms.post_only):
        raise RefusedError("ORDER_ENTRY_DISABLED", state, "Product is post only")
    return product


def check_grid(terms: Terms, product: Product) -> None:
    """Refuse sizes and prices that are not whole steps."""
    if _off(terms.base_size, product.base_increment):
        raise refused("INVALID_SIZE_PRECISION", "Too many decimals in order amount")
    if _off(terms.quote_size, product.quote_increment):
        raise only_in_preview("PREVIEW_INVALID_QUOTE_SIZE_PRECISION")
    if terms.kind is Kind.MARKET:
        return
    if not terms.limit_price:
        raise refused("INVALID_LIMIT_PRICE")
    if _off(terms.limit_price, product.price_increment):
        raise refused("INVALID_PRICE_PRECISION", "Too many decimals in order price")
    if terms.kind is Kind.LIMIT:
        return
    if not terms.stop_price:
        raise only_in_preview("PREVIEW_INVALID_STOP_PRICE")
    if _off(terms.stop_price, product.price_increment):
        raise only_in_preview("PREVIEW_INVALID_STOP_PRICE_PRECISION")


def check_size(terms: Terms, product: Product, *, size: Decimal, price: Decimal) -> None:
    """Refuse orders that are too small or too large; `price` values the size."""
    in_quote = terms.quote_size is not None
    unit = "QUOTE" if in_quote else "BASE"
    value = terms.quote_size if terms.quote_size is not None else size * price
    if size < product.base_min_size or size <= 0 or value < product.quote_min_size:
        raise only_in_preview(f"PREVIEW_INVALID_{unit}_SIZE_TOO_SMALL")
    if size > BASE_MAX_SIZE or value > QUOTE_MAX_SIZE:
        raise only_in_preview(f"PREVIEW_INVALID_{unit}_SIZE_TOO_LARGE")


def check_geometry(terms: Terms, last: Decimal, now: int) -> None:
    """Refuse stops on the wrong side of the last trade or of their limit, and past end times."""
    limit, stop = terms.limit_price, terms.stop_price
    if terms.end_time is not None and terms.end_time <= now:
        raise RefusedError("INVALID_REQUEST", "PREVIEW_INVALID_ORDER_CONFIG", "end_time has passed")
    if limit is None or stop is None:
        return
    if terms.stops_falling and stop >= last:
        raise only_in_preview("PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE")
    if not terms.stops_falling and stop <= last:
        raise only_in_preview("PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE")
    if terms.kind is Kind.BRACKET:
        if (limit <= last) if not terms.is_buy else (limit >= last):
            raise refused("INVALID_LIMIT_PRICE")
    elif not terms.is_buy and limit > stop:
        raise only_in_preview("PREVIEW_STOP_PRICE_BELOW_LIMIT_PRICE")
    elif terms.is_buy and limit < stop:
        raise only_in_preview("PREVIEW_STOP_PRICE_ABOVE_LIMIT_PRICE")


def check_buys(terms: Terms, refused: str) -> None:
    """Refuse the buys that this exchange does not take."""
    if not terms.is_buy or not refused:
        return
    if refused == "all":
        raise unsupported("source is not enabled for trading")
    if terms.kind is Kind.MARKET and terms.base_size is not None:
        raise unsupported("Market buys must be in quote currency")


def check_band(terms: Terms, last: Decimal, band: Decimal | None) -> None:
    """Refuse a limit further beyond the market, or beyond its stop, than the price band."""
    if band is None or terms.limit_price is None or terms.kind is Kind.BRACKET:
        return
    middle = terms.stop_price or last
    worst = middle * (1 + band) if terms.is_buy else middle * (1 - band)
    if (terms.limit_price > worst) if terms.is_buy else (terms.limit_price < worst):
        side = terms.side.value
        raise RefusedError(
            f"LIMIT_ORDER_PRICE_EXCEEDS_PRICE_BAND_ON_{side}", "PREVIEW_BREACHED_PRICE_LIMIT"
        )


def check_post_only(terms: Terms, *, would_trade: bool) -> None:
    """Refuse a post-only order that would take."""
    if terms.post_only and would_trade:
        raise refused("INVALID_LIMIT_PRICE_POST_ONLY", "invalid limit price for post-only")


def _off(value: Decimal | None, step: Decimal) -> bool:
    return value is not None and value % step != 0

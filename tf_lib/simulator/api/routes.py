"""Which handler answers which path, and which paths need a token."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tf_lib.simulator.api import account, app, history, market, orders
from tf_lib.simulator.api.queries import Request
from tf_lib.simulator.replies import ApiError
from tf_lib.simulator.venue import Venue

PREFIX = "/api/v3/brokerage"
Handler = Callable[[Venue, Request], Any]


@dataclass(frozen=True)
class Route:
    """One endpoint."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    is_public: bool = False
    is_changing: bool = False


def _route(method: str, path: str, handler: Handler, **flags: bool) -> Route:
    """Return a route; paths of the older API begin with ``/v2`` instead of the prefix."""
    whole = path if path.startswith("/v2/") else f"{PREFIX}{path}"
    pattern = re.compile(re.sub(r"\{\w+\}", "([^/]+)", whole))
    return Route(method, pattern, handler, **flags)


ROUTES = (
    _route("GET", "/time", account.time, is_public=True),
    _route("GET", "/accounts", account.accounts),
    _route("GET", "/accounts/{uuid}", account.account),
    _route("GET", "/portfolios", account.portfolios),
    _route("POST", "/portfolios/move_funds", account.move_funds, is_changing=True),
    _route("GET", "/portfolios/{uuid}", account.breakdown),
    _route("GET", "/key_permissions", account.key_permissions),
    _route("GET", "/transaction_summary", account.transaction_summary),
    _route("GET", "/payment_methods", account.payment_methods),
    _route("GET", "/products", market.products),
    _route("GET", "/products/{id}", market.product),
    _route("GET", "/products/{id}/candles", market.candles),
    _route("GET", "/products/{id}/ticker", market.ticker),
    _route("GET", "/best_bid_ask", market.best_bid_ask),
    _route("GET", "/product_book", market.product_book),
    _route("GET", "/market/products", market.products, is_public=True),
    _route("GET", "/market/product_book", market.product_book, is_public=True),
    _route("GET", "/market/products/{id}", market.product, is_public=True),
    _route("GET", "/market/products/{id}/candles", market.candles, is_public=True),
    _route("GET", "/market/products/{id}/ticker", market.ticker, is_public=True),
    _route("POST", "/orders", orders.create, is_changing=True),
    _route("POST", "/orders/preview", orders.preview),
    _route("POST", "/orders/edit", orders.edit, is_changing=True),
    _route("POST", "/orders/edit_preview", orders.preview_edit),
    _route("POST", "/orders/batch_cancel", orders.cancel, is_changing=True),
    _route("GET", "/orders/historical/batch", history.list_orders),
    _route("GET", "/orders/historical/fills", history.list_fills),
    _route("GET", "/orders/historical/{id}", history.get_order),
    _route("POST", "/orders/close_position", app.close_position),
    _route("GET", "/payment_methods/{id}", app.payment_method),
    _route("POST", "/convert/quote", app.conversion),
    _route("GET", "/convert/trade/{id}", app.conversion),
    _route("POST", "/convert/trade/{id}", app.conversion),
    _route("GET", "/cfm/balance_summary", app.futures_balance),
    _route("GET", "/cfm/positions", app.futures_positions),
    _route("GET", "/cfm/positions/{id}", app.futures_position),
    _route("GET", "/v2/time", app.time, is_public=True),
    _route("GET", "/v2/currencies", app.currencies, is_public=True),
    _route("GET", "/v2/currencies/crypto", app.crypto_currencies, is_public=True),
    _route("GET", "/v2/exchange-rates", app.exchange_rates, is_public=True),
    _route("GET", "/v2/prices/{pair}/{kind}", app.price, is_public=True),
    _route("GET", "/v2/accounts", app.accounts),
    *(
        _route("GET", f"/v2/accounts/{{id}}/{history}", app.account_history)
        for history in ("transactions", "deposits", "withdrawals", "addresses", "buys", "sells")
    ),
)


@lru_cache(maxsize=4096)
def find_route(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """
    Return the endpoint of a request and the parts of its path.

    Raises
    ------
    ApiError
        404 if the path is unknown, 405 if it is known with another method.
    """
    matches = [(route, route.pattern.fullmatch(path)) for route in ROUTES]
    found = [(route, match.groups()) for route, match in matches if match is not None]
    for route, parts in found:
        if route.method == method:
            return route, parts
    if found:
        raise ApiError(405, "METHOD_NOT_ALLOWED", "Method Not Allowed")
    raise ApiError(404, "NOT_FOUND", "Not Found")

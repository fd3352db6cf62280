"""
The few paths outside the spot subset that spot clients call on their way.

The older consumer API (``/v2``: time, currencies, rates, accounts) and the futures side, which
this customer does not have: empty lists, or a refusal in the exchange's own form.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tf_lib.simulator.api.queries import Request
from tf_lib.simulator.api.views import money
from tf_lib.simulator.matching.balances import Wallet
from tf_lib.simulator.matching.order_checks import text_field
from tf_lib.simulator.prices.day_bars import plain
from tf_lib.simulator.replies import ApiError, not_found, refused
from tf_lib.simulator.simulated_clock import SECOND, rfc3339
from tf_lib.simulator.venue import Venue, derived_uuid
from tf_lib.text.tickers import base_of, quote_of

_FIAT = ("EUR", "GBP", "USD")
_PLACES = Decimal("1E-12")


def time(venue: Venue, request: Request) -> Any:
    """GET /v2/time."""
    now = venue.matching.now // SECOND
    return {"data": {"iso": rfc3339(now * SECOND)[:19] + "Z", "epoch": now}}


def currencies(venue: Venue, request: Request) -> Any:
    """GET /v2/currencies: money of states."""
    return {"data": [{"id": name, "name": name, "min_size": "0.01"} for name in _FIAT]}


def crypto_currencies(venue: Venue, request: Request) -> Any:
    """GET /v2/currencies/crypto: what the products are made of."""
    codes = sorted(
        {part(name) for name in venue.catalogue for part in (base_of, quote_of)} - set(_FIAT)
    )
    return {
        "data": [
            {
                "asset_id": derived_uuid("asset", code),
                "code": code,
                "name": code,
                "color": "#000000",
                "sort_index": 100 + number,
                "exponent": 8,
                "type": "crypto",
                "address_regex": "",
            }
            for number, code in enumerate(codes)
        ]
    }


def exchange_rates(venue: Venue, request: Request) -> Any:
    """GET /v2/exchange-rates: units of each currency for one of ``currency``."""
    currency = request.query.one("currency") or "USD"
    unit = _in_dollars(venue, currency)
    if unit is None:
        raise ApiError(400, "INVALID_ARGUMENT", f"Invalid currency ({currency[:20]})")
    rates = {"USD": plain(unit), "USDC": plain(unit)}
    for product_id in venue.catalogue:
        base = base_of(product_id)
        price = _in_dollars(venue, base)
        if price is not None and price > 0:
            rates[base] = plain((unit / price).quantize(_PLACES))
    return {"data": {"currency": currency, "rates": rates}}


def _in_dollars(venue: Venue, currency: str) -> Decimal | None:
    if currency in ("USD", "USDC"):
        return Decimal(1)
    product_id = f"{currency}-USD"
    return venue.matching.last_price(product_id) if product_id in venue.catalogue else None


def price(venue: Venue, request: Request) -> Any:
    """GET /v2/prices/{pair}/{spot, buy or sell}."""
    pair, kind = request.parts
    quote = venue.quote(pair) if pair in venue.catalogue else None
    if quote is None or kind not in ("spot", "buy", "sell"):
        raise not_found("Not found")
    amount = {"spot": quote.last, "buy": quote.ask, "sell": quote.bid}[kind]
    money = {"amount": plain(amount), "base": base_of(pair), "currency": quote_of(pair)}
    return {"data": money}


def accounts(venue: Venue, request: Request) -> Any:
    """GET /v2/accounts: every wallet on one page."""
    owner = venue.rights.portfolio.uuid
    rows = [_account(venue, wallet) for wallet in venue.books[owner]]
    return {"pagination": _one_page(), "data": rows}


def _account(venue: Venue, wallet: Wallet) -> dict[str, Any]:
    code, kind = wallet.currency, "fiat" if wallet.currency in _FIAT else "crypto"
    amount = money(wallet.total, code)
    return {
        "id": venue.account_uuid(code, venue.rights.portfolio.uuid),
        "name": f"{code} Wallet",
        "primary": False,
        "type": "fiat" if kind == "fiat" else "wallet",
        "currency": {"code": code, "name": code, "exponent": 2 if kind == "fiat" else 8,
                     "type": kind},
        "balance": {"amount": amount["value"], "currency": code},
        "created_at": rfc3339(venue.opened),
        "updated_at": rfc3339(venue.opened),
        "resource": "account",
        "resource_path": f"/v2/accounts/{code}",
        "allow_deposits": False,
        "allow_withdrawals": False,
    }  # fmt: skip


def _one_page() -> dict[str, Any]:
    return {
        "ending_before": None,
        "starting_after": None,
        "previous_ending_before": None,
        "next_starting_after": None,
        "limit": 250,
        "order": "desc",
        "previous_uri": None,
        "next_uri": None,
    }


def account_history(venue: Venue, request: Request) -> Any:
    """GET /v2/accounts/{id}/transactions, deposits, withdrawals, addresses, buys, sells: none."""
    owner, wanted = venue.rights.portfolio.uuid, request.parts[0]
    known = {venue.account_uuid(w.currency, owner): w for w in venue.books[owner]}
    if wanted not in known and wanted not in {w.currency for w in known.values()}:
        raise not_found("Not found")
    return {"pagination": _one_page(), "data": []}


def futures_balance(venue: Venue, request: Request) -> Any:
    """GET /cfm/balance_summary: this customer trades no futures."""
    return {"balance_summary": None}


def futures_positions(venue: Venue, request: Request) -> Any:
    """GET /cfm/positions: none."""
    return {"positions": []}


def futures_position(venue: Venue, request: Request) -> Any:
    """GET /cfm/positions/{product_id}: none."""
    return {"position": None}


def close_position(venue: Venue, request: Request) -> Any:
    """POST /orders/close_position: for futures alone, so refused as an order is."""
    text_field(request.fields(), "product_id")
    return refused("INVALID_PRODUCT_ID", "Not a futures product").body(None)


def payment_method(venue: Venue, request: Request) -> Any:
    """GET /payment_methods/{id}: there is none."""
    raise not_found("payment method not found")


def conversion(venue: Venue, request: Request) -> Any:
    """Refuse what has to do with conversions: this customer may not make any."""
    raise ApiError(403, "PERMISSION_DENIED", "Conversions are not available to this account")

"""Endpoints about the account: wallets, portfolios, permissions, fees, time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from tf_lib.simulator.api.queries import Request, page
from tf_lib.simulator.api.views import account_view, money
from tf_lib.simulator.matching.balances import ZERO, Wallet
from tf_lib.simulator.matching.oddities import put_over
from tf_lib.simulator.prices.day_bars import plain
from tf_lib.simulator.replies import invalid, missing_scope, not_found
from tf_lib.simulator.simulated_clock import SECOND, rfc3339
from tf_lib.simulator.venue import Portfolio, Venue

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PORTFOLIO_TYPES = ("UNDEFINED", "DEFAULT", "CONSUMER", "INTX")
_CASH = frozenset({"USD", "USDC", "EUR", "GBP"})


def time(venue: Venue, request: Request) -> Any:
    """GET /time."""
    now = venue.matching.now
    return {
        "iso": rfc3339(now),
        "epochSeconds": str(now // SECOND),
        "epochMillis": str(now // 1000),
    }


def accounts(venue: Venue, request: Request) -> Any:
    """GET /accounts: 49 a page unless asked, at most 250."""
    limit = request.query.whole("limit", 49, most=250)
    owner = venue.rights.portfolio.uuid
    wanted = request.query.one("retail_portfolio_id")
    rows, more, cursor = page(
        [] if wanted not in (None, owner) else _account_rows(venue), request.query, limit=limit
    )
    return {
        "accounts": rows,
        "has_next": more,
        "cursor": cursor,
        "size": len(rows),
    }


def account(venue: Venue, request: Request) -> Any:
    """GET /accounts/{uuid}."""
    (wanted,) = request.parts
    for row in _account_rows(venue):
        if row["uuid"] == wanted:
            return {"account": row}
    raise not_found("account not found") if _UUID.fullmatch(wanted) else invalid("invalid uuid")


def _account_rows(venue: Venue) -> list[Any]:
    """Every wallet, and the odd rows before and after them."""
    wallets = venue.books[venue.rights.portfolio.uuid]
    rows = [account_view(venue, wallet, wallet.currency) for wallet in wallets]
    for number, odd in enumerate(venue.oddities.account_rows):
        usual = account_view(venue, Wallet(odd["currency"]), f"{odd['currency']} {number}")
        row = put_over(usual, odd["row"])
        rows.insert(0 if odd.get("first") is True else len(rows), row)
    return rows


def portfolios(venue: Venue, request: Request) -> Any:
    """GET /portfolios."""
    wanted = request.query.among("portfolio_type", _PORTFOLIO_TYPES)
    found = [p for p in venue.portfolios if not wanted or p.type in wanted]
    return {"portfolios": [_portfolio(each) for each in found]}


def _portfolio(portfolio: Portfolio) -> dict[str, Any]:
    return {**asdict(portfolio), "deleted": False}


def breakdown(venue: Venue, request: Request) -> Any:
    """GET /portfolios/{uuid}; amounts of positions are JSON numbers, as the exchange has them."""
    (wanted,) = request.parts
    portfolio = next((p for p in venue.portfolios if p.uuid == wanted), None)
    if portfolio is None:
        if not _UUID.fullmatch(wanted):
            raise invalid("invalid portfolio uuid")
        raise not_found("portfolio not found")
    values = {w.currency: w.total * _worth(venue, w.currency) for w in venue.books[wanted]}
    total = sum(values.values(), ZERO)
    cash = sum((value for name, value in values.items() if name in _CASH), ZERO)
    return {
        "breakdown": {
            "portfolio": _portfolio(portfolio),
            "portfolio_balances": {
                "total_balance": money(_cents(total), "USD"),
                "total_futures_balance": money(ZERO, "USD"),
                "total_cash_equivalent_balance": money(_cents(cash), "USD"),
                "total_crypto_balance": money(_cents(total - cash), "USD"),
                "futures_unrealized_pnl": money(ZERO, "USD"),
                "perp_unrealized_pnl": money(ZERO, "USD"),
            },
            "spot_positions": [
                _position(venue, wallet, wanted, total)
                for wallet in venue.books[wanted]
                if wallet.total > 0
            ],
            "perp_positions": [],
            "futures_positions": [],
            "equity_positions": [],
        }
    }


def _position(venue: Venue, wallet: Wallet, owner: str, total: Decimal) -> dict[str, Any]:
    worth = _worth(venue, wallet.currency)
    value = wallet.total * worth
    free = wallet.available * worth
    return {
        "asset": wallet.currency,
        "account_uuid": venue.account_uuid(wallet.currency, owner),
        "asset_uuid": venue.account_uuid(wallet.currency, "asset"),
        "total_balance_fiat": float(value),
        "total_balance_crypto": float(wallet.total),
        "available_to_trade_fiat": float(free),
        "available_to_trade_crypto": float(wallet.available),
        "available_to_transfer_fiat": float(free),
        "available_to_transfer_crypto": float(wallet.available),
        "allocation": float(value / total) if total > 0 else 0.0,
        "one_day_change": 0.0,
        "cost_basis": money(ZERO, "USD"),
        "average_entry_price": money(ZERO, "USD"),
        "unrealized_pnl": 0.0,
        "is_cash": wallet.currency in _CASH,
        "asset_img_url": "",
        "account_type": "",
    }


def _worth(venue: Venue, currency: str) -> Decimal:
    if currency in _CASH:
        return Decimal(1)
    for product_id in (f"{currency}-USD", f"{currency}-USDC"):
        if product_id in venue.catalogue:
            return venue.matching.last_price(product_id) or ZERO
    return ZERO


def _cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"))


def key_permissions(venue: Venue, request: Request) -> Any:
    """GET /key_permissions."""
    rights = venue.rights
    return {
        "can_view": True,
        "can_trade": rights.can_trade,
        "can_transfer": rights.can_transfer,
        "portfolio_uuid": rights.portfolio.uuid,
        "portfolio_type": rights.portfolio.type,
    }


def transaction_summary(venue: Venue, request: Request) -> Any:
    """GET /transaction_summary: volumes are JSON numbers, rates are strings."""
    now_paid = venue.matching.fee_tier()
    ends_at = venue.matching.costs.ends_at(now_paid)
    recent = list(venue.matching.recent_fills())
    volume = float(sum((fill.price * fill.size for fill in recent), ZERO))
    fees = float(sum((fill.commission for fill in recent), ZERO))
    tier = {
        "pricing_tier": now_paid.name,
        "usd_from": plain(now_paid.usd_from),
        "usd_to": "" if ends_at is None else plain(ends_at),
        "taker_fee_rate": plain(now_paid.taker),
        "maker_fee_rate": plain(now_paid.maker),
        "aop_from": "",
        "aop_to": "",
        "volume_types_and_range": [],
    }
    return {
        "total_volume": volume,
        "total_fees": fees,
        "fee_tier": tier,
        "margin_rate": None,
        "goods_and_services_tax": None,
        "advanced_trade_only_volume": volume,
        "advanced_trade_only_fees": fees,
        "coinbase_pro_volume": 0,
        "coinbase_pro_fees": 0,
        "total_balance": "",
        "has_promo_fee": False,
        "volume_breakdown": [],
        "fee_tier_without_promotion": tier,
    }


def move_funds(venue: Venue, request: Request) -> Any:
    """POST /portfolios/move_funds: needs the right to transfer."""
    if not venue.rights.can_transfer:
        raise missing_scope()
    body = request.fields()
    funds = body.get("funds")
    source, target = body.get("source_portfolio_uuid"), body.get("target_portfolio_uuid")
    if not isinstance(funds, Mapping) or source not in venue.books or target not in venue.books:
        raise invalid("funds, source_portfolio_uuid and target_portfolio_uuid are required")
    amount = str(funds.get("value", ""))
    currency = str(funds.get("currency", ""))
    if not re.fullmatch(r"\d{1,20}(\.\d{1,16})?", amount, re.ASCII) or not currency:
        raise invalid("funds must hold a value and a currency")
    if venue.books[source].available(currency) < Decimal(amount):
        raise invalid("insufficient funds in the source portfolio")
    venue.books[source].deposit(currency, -Decimal(amount))
    venue.books[target].deposit(currency, Decimal(amount))
    return {"source_portfolio_uuid": source, "target_portfolio_uuid": target}


def payment_methods(venue: Venue, request: Request) -> Any:
    """GET /payment_methods: none."""
    return {"payment_methods": []}

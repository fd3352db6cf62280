"""How orders, fills, wallets, products and candles look on the wire; numbers are strings."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any

from tf_lib.core.model.records import PRODUCT_FLAGS, Product, Quote
from tf_lib.simulator.matching.balances import ZERO, Wallet
from tf_lib.simulator.matching.order import ExchangeFill, Kind, Order
from tf_lib.simulator.prices.day_bars import Candle, plain
from tf_lib.simulator.simulated_clock import rfc3339
from tf_lib.simulator.venue import Venue

_AVERAGE = Decimal("1E-16")
_FIAT = frozenset({"USD", "EUR", "GBP"})


def money(value: Decimal, currency: str) -> dict[str, str]:
    """Amount of money or units as the exchange writes it."""
    return {"value": plain(value), "currency": currency}


def account_view(venue: Venue, wallet: Wallet, name: str) -> dict[str, Any]:
    """Return one row of ``accounts``, whose id follows from a name."""
    owner = venue.rights.portfolio.uuid
    kind = "FIAT" if wallet.currency in _FIAT else "CRYPTO"
    return {
        "uuid": venue.account_uuid(name, owner),
        "name": f"{wallet.currency} Wallet",
        "currency": wallet.currency,
        "available_balance": money(wallet.available, wallet.currency),
        "default": True,
        "active": True,
        "created_at": rfc3339(venue.opened),
        "updated_at": rfc3339(venue.opened),
        "deleted_at": None,
        "type": f"ACCOUNT_TYPE_{kind}",
        "ready": True,
        "hold": money(wallet.hold, wallet.currency),
        "retail_portfolio_id": owner,
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }


def order_view(venue: Venue, order: Order) -> dict[str, Any]:
    """Return one order as ``get_order`` and ``list_orders`` show it."""
    terms = order.terms
    cost = order.fees if terms.is_buy else -order.fees
    average = ZERO
    if order.filled_size > 0:
        average = (order.filled_value / order.filled_size).quantize(_AVERAGE, ROUND_DOWN)
    share = order.filled_size * 100 / order.size if order.size > 0 else ZERO
    return {
        "order_id": order.order_id,
        "product_id": terms.product_id,
        "user_id": venue.user_id,
        "order_configuration": terms.configuration,
        "side": terms.side.value,
        "client_order_id": order.client_order_id,
        "status": order.status.value,
        "time_in_force": terms.force.value,
        "created_time": rfc3339(order.created),
        "completion_percentage": plain(share.quantize(Decimal("0.01"), ROUND_DOWN)),
        "filled_size": plain(order.filled_size),
        "average_filled_price": plain(average),
        "fee": "",
        "number_of_fills": str(order.fill_count),
        "filled_value": plain(order.filled_value),
        "pending_cancel": order.pending_cancel and order.is_live,
        "size_in_quote": terms.quote_size is not None,
        "total_fees": plain(order.fees),
        "size_inclusive_of_fees": terms.quote_size is not None,
        "total_value_after_fees": plain(order.filled_value + cost),
        "trigger_status": _trigger_status(order),
        "order_type": terms.kind.value,
        "reject_reason": order.reject_reason,
        "settled": not order.is_live,
        "product_type": "SPOT",
        "reject_message": "",
        "cancel_message": order.cancel_message,
        "order_placement_source": order.source,
        "outstanding_hold_amount": plain(order.held),
        "is_liquidation": False,
        "last_fill_time": None if order.last_fill is None else rfc3339(order.last_fill),
        "edit_history": [
            {**edit, "replace_accept_timestamp": rfc3339(int(edit["replace_accept_timestamp"]))}
            for edit in order.edits
        ],
        "leverage": "",
        "margin_type": "UNKNOWN_MARGIN_TYPE",
        "retail_portfolio_id": venue.rights.portfolio.uuid,
        "originating_order_id": order.originating_order_id,
        "attached_order_id": order.attached_order_id,
        "attached_order_configuration": order.attached.configuration if order.attached else None,
        "last_update_time": rfc3339(order.last_update),
    }


def _trigger_status(order: Order) -> str:
    if order.terms.kind not in (Kind.STOP_LIMIT, Kind.BRACKET):
        return "INVALID_ORDER_TYPE"
    return "STOP_TRIGGERED" if order.is_triggered else "STOP_PENDING"


def fill_view(venue: Venue, fill: ExchangeFill) -> dict[str, Any]:
    """Return one row of ``fills``."""
    return {
        "entry_id": fill.entry_id,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "trade_time": rfc3339(fill.at),
        "trade_type": "FILL",
        "price": plain(fill.price),
        "size": plain(fill.size),
        "commission": plain(fill.commission),
        "product_id": fill.product_id,
        "sequence_timestamp": rfc3339(fill.visible_from),
        "liquidity_indicator": "MAKER" if fill.is_maker else "TAKER",
        "size_in_quote": False,
        "user_id": venue.user_id,
        "side": fill.side.value,
        "retail_portfolio_id": venue.rights.portfolio.uuid,
        "fillSource": "FILL_SOURCE_CLOB",
        "commission_detail_total": {"total_commission": plain(fill.commission)},
    }


def product_view(product: Product, *, quote: Quote | None, volume: Decimal) -> dict[str, Any]:
    """Return one product; one that has not listed has no price and is for viewing only."""
    base, quoted = product.base_currency, product.quote_currency
    view: dict[str, Any] = {
        "product_id": product.product_id,
        "price": plain(quote.last) if quote else "",
        "price_percentage_change_24h": "",
        "volume_24h": plain(volume),
        "volume_percentage_change_24h": "",
        "base_increment": plain(product.base_increment),
        "quote_increment": plain(product.quote_increment),
        "quote_min_size": plain(product.quote_min_size),
        "quote_max_size": "150000000",
        "base_min_size": plain(product.base_min_size),
        "base_max_size": "1000000000000",
        "base_name": base,
        "quote_name": quoted,
        "watched": False,
        "new": False,
        "status": product.status,
        "product_type": "SPOT",
        "quote_currency_id": quoted,
        "base_currency_id": base,
        "fcm_trading_session_details": None,
        "mid_market_price": plain(quote.mid) if quote else "",
        "alias": "",
        "alias_to": [],
        "base_display_symbol": base,
        "quote_display_symbol": quoted,
        "price_increment": plain(product.price_increment),
        "display_name": f"{base}-{quoted}",
        "product_venue": "CBE",
        "approximate_quote_24h_volume": plain(
            (volume * quote.last).quantize(Decimal("0.01")) if quote else ZERO
        ),
        "new_at": None,
        "best_bid_price": "",
        "best_ask_price": "",
    }
    return view | {flag: getattr(product, flag) for flag in PRODUCT_FLAGS}


def candle_view(candle: Candle) -> dict[str, str]:
    """Return one bucket; ``start`` is UNIX seconds."""
    names = ("low", "high", "open", "close", "volume")
    return {"start": str(candle.start_second), **{name: getattr(candle, name) for name in names}}

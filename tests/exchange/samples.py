"""Records as the exchange writes them."""

from __future__ import annotations

from typing import Any


def order_record(**changes: Any) -> dict[str, Any]:
    """Return a resting protective stop, with changes."""
    record = {
        "order_id": "00000000-0000-0000-0000-000000000001",
        "product_id": "BTC-USD",
        "user_id": "u",
        "order_configuration": {
            "stop_limit_stop_limit_gtc": {
                "base_size": "0.05",
                "limit_price": "38000.00",
                "stop_price": "39000.00",
                "stop_direction": "STOP_DIRECTION_STOP_DOWN",
            }
        },
        "side": "SELL",
        "client_order_id": "tf1-240301-stop1-0123456789abcdef",
        "status": "OPEN",
        "time_in_force": "GOOD_UNTIL_CANCELLED",
        "created_time": "2024-03-01T00:01:02.123456Z",
        "completion_percentage": "0",
        "filled_size": "0",
        "average_filled_price": "0",
        "fee": "",
        "number_of_fills": "0",
        "filled_value": "0",
        "pending_cancel": False,
        "size_in_quote": False,
        "total_fees": "0",
        "size_inclusive_of_fees": False,
        "total_value_after_fees": "0",
        "trigger_status": "STOP_PENDING",
        "order_type": "UNKNOWN_ORDER_TYPE",
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": False,
        "product_type": "SPOT",
        "reject_message": "",
        "cancel_message": "",
        "order_placement_source": "RETAIL_ADVANCED",
        "outstanding_hold_amount": "0.05",
        "is_liquidation": False,
        "last_fill_time": None,
        "edit_history": None,
        "leverage": "",
        "margin_type": "UNKNOWN_MARGIN_TYPE",
    }
    return {**record, **changes}


def fill_record(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return one fill, with changes."""
    record = {
        "entry_id": f"entry-{number}",
        "trade_id": f"trade-{number}",
        "order_id": "o-1",
        "trade_time": f"2024-03-01T00:02:{number % 60:02d}.000000Z",
        "trade_type": "FILL",
        "price": "40000",
        "size": "0.01",
        "commission": "4.8",
        "product_id": "BTC-USD",
        "sequence_timestamp": "2024-03-01T00:02:00.000000Z",
        "liquidity_indicator": "TAKER",
        "size_in_quote": False,
        "user_id": "u",
        "side": "BUY",
    }
    return {**record, **changes}


def account_record(currency: str, free: str, hold: str = "0", **changes: Any) -> dict[str, Any]:
    """Return one wallet, with changes."""
    record = {
        "uuid": f"wallet-{currency}",
        "name": f"{currency} Wallet",
        "currency": currency,
        "available_balance": {"value": free, "currency": currency},
        "default": True,
        "active": True,
        "created_at": "2024-01-01T00:00:00Z",
        "updated_at": "2024-01-01T00:00:00Z",
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": {"value": hold, "currency": currency},
        "retail_portfolio_id": "p",
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }
    return {**record, **changes}


def product_record(product_id: str = "BTC-USD", **changes: Any) -> dict[str, Any]:
    """Return one product, with changes."""
    base, quote = product_id.split("-")
    record = {
        "product_id": product_id,
        "price": "40000.12",
        "base_increment": "0.00000001",
        "quote_increment": "0.01",
        "price_increment": "0.01",
        "base_min_size": "0.00000001",
        "base_max_size": "3400",
        "quote_min_size": "1",
        "quote_max_size": "150000000",
        "status": "online",
        "is_disabled": False,
        "trading_disabled": False,
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "auction_mode": False,
        "view_only": False,
        "base_currency_id": base,
        "quote_currency_id": quote,
    }
    return {**record, **changes}


def candle_record(start: int, close: str = "2", **changes: Any) -> dict[str, Any]:
    """Return one daily candle, with changes."""
    record = {"start": str(start), "low": "1", "high": "3", "open": "2", "close": close}
    return {**record, "volume": "10.5", **changes}

"""What the exchange refuses, in the shapes and with the codes of the real one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.conftest import PREFIX, Hands, order_body, stop_limit
from tf_lib.simulator import SimulatedExchange


def limit(size: str, price: str, **more: Any) -> dict[str, Any]:
    return {"limit_limit_gtc": {"base_size": size, "limit_price": price, **more}}


def market(**sizes: str) -> dict[str, Any]:
    return {"market_market_ioc": sizes}


def buy_stop(size: str, stop: str, limit_price: str) -> dict[str, Any]:
    ((name, fields),) = stop_limit(size, stop, limit_price).items()
    return {name: {**fields, "stop_direction": "STOP_DIRECTION_STOP_UP"}}


UNKNOWN, UNSUPPORTED = "UNKNOWN_FAILURE_REASON", "UNSUPPORTED_ORDER_CONFIGURATION"
POST_ONLY = "INVALID_LIMIT_PRICE_POST_ONLY"
REFUSED = [
    ("BUY", market(base_size="1000"), "INSUFFICIENT_FUND", "INSUFFICIENT_FUND"),
    ("SELL", market(base_size="3"), "INSUFFICIENT_FUND", "INSUFFICIENT_FUND"),
    ("BUY", market(base_size="0.123456789"), "INVALID_SIZE_PRECISION", "INVALID_SIZE_PRECISION"),
    ("BUY", market(quote_size="3.111"), UNKNOWN, "INVALID_QUOTE_SIZE_PRECISION"),
    ("SELL", market(quote_size="50"), UNSUPPORTED, "INVALID_ORDER_CONFIG"),
    ("BUY", market(quote_size="50", base_size="1"), UNSUPPORTED, "INVALID_ORDER_CONFIG"),
    ("BUY", market(base_size="1e-05"), UNKNOWN, "NON_NUMERIC_ORDER_SIZE"),
    ("BUY", market(base_size="0.00999999"), UNKNOWN, "INVALID_BASE_SIZE_TOO_SMALL"),
    ("BUY", market(quote_size="0.99"), UNKNOWN, "INVALID_QUOTE_SIZE_TOO_SMALL"),
    ("BUY", market(quote_size="150000001"), UNKNOWN, "INVALID_QUOTE_SIZE_TOO_LARGE"),
    ("BUY", limit("1", "99.001"), "INVALID_PRICE_PRECISION", "INVALID_PRICE_PRECISION"),
    ("SELL", limit("1", "99", post_only=True), POST_ONLY, POST_ONLY),
    ("SELL", stop_limit("1", "95.001", "93"), UNKNOWN, "INVALID_STOP_PRICE_PRECISION"),
    ("SELL", stop_limit("1", "100", "93"), UNKNOWN, "STOP_PRICE_ABOVE_LAST_TRADE_PRICE"),
    ("SELL", stop_limit("1", "95", "95.01"), UNKNOWN, "STOP_PRICE_BELOW_LIMIT_PRICE"),
    ("BUY", buy_stop("1", "99", "105"), UNKNOWN, "STOP_PRICE_BELOW_LAST_TRADE_PRICE"),
    ("BUY", buy_stop("1", "105", "104"), UNKNOWN, "STOP_PRICE_ABOVE_LIMIT_PRICE"),
    ("SELL", stop_limit("0.011", "95", "90"), UNKNOWN, "INVALID_BASE_SIZE_TOO_SMALL"),
    ("SELL", {"market_market_fok": {"base_size": "1"}}, UNSUPPORTED, "INVALID_ORDER_CONFIG"),
]


@pytest.mark.parametrize(("side", "configuration", "error", "preview"), REFUSED)
def test_refused_inside_a_200(
    hands: Hands, side: str, configuration: Any, error: str, preview: str
) -> None:
    hands.buy("2")
    before = hands.wallet("USD"), hands.wallet("BTC")
    reply = hands.order(side, configuration)
    assert reply["success"] is False
    assert reply["order_configuration"] == configuration
    reasons = {"preview_failure_reason": f"PREVIEW_{preview}", "new_order_failure_reason": error}
    told = reply["error_response"]
    assert told == {"error": error, **reasons} | {w: told[w] for w in ("message", "error_details")}
    assert hands.preview(side, configuration)["errs"] == [f"PREVIEW_{preview}"]
    assert (hands.wallet("USD"), hands.wallet("BTC")) == before


def test_unknown_product(hands: Hands) -> None:
    reply = hands.order("BUY", market(base_size="1"), "NOPE-USD")
    assert reply["error_response"]["error"] == "INVALID_PRODUCT_ID"


@pytest.mark.parametrize(
    ("flag", "value", "refuses_limit"),
    [
        ("cancel_only", True, True),
        ("trading_disabled", True, True),
        ("is_disabled", True, True),
        ("view_only", True, True),
        ("auction_mode", True, True),
        ("post_only", True, True),
        ("status", "offline", True),
        ("limit_only", True, False),
    ],
)
def test_state_of_the_product(hands: Hands, flag: str, value: object, refuses_limit: bool) -> None:
    resting = hands.made("BUY", limit("1", "50"))
    hands.exchange.set_flag("BTC-USD", flag, value)
    assert hands.get("/products/BTC-USD")[flag] == value
    assert not hands.order("BUY", market(base_size="1"))["success"]
    assert hands.order("BUY", limit("1", "51"))["success"] is not refuses_limit
    (result,) = hands.cancel(resting)
    assert result["success"]


MALFORMED = [
    {},
    {"client_order_id": "x"},
    order_body("HOLD", {}),
    order_body("BUY", {}),
    {"client_order_id": "", "product_id": "BTC-USD", "side": "BUY"},
    order_body("BUY", {"limit_limit_ioc": {"base_size": "1"}}),
    order_body("BUY", {"market_market_ioc": {"base_size": 1}}),
    order_body("BUY", {"market_market_ioc": []}),
    ["not", "an", "object"],
    None,
]


@pytest.mark.parametrize("body", MALFORMED)
def test_malformed_requests_are_400(exchange: SimulatedExchange, body: Any) -> None:
    status, payload = exchange.engine.handle("POST", f"{PREFIX}/orders", None, body)
    assert (status, payload["error"]) == (400, "INVALID_ARGUMENT")
    assert payload["message"] == payload["error_details"]


def test_missing_things_are_404(exchange: SimulatedExchange) -> None:
    def asked(path: str, method: str = "GET") -> tuple[int, str]:
        status, payload = exchange.engine.handle(method, PREFIX + path)
        return status, payload["message"]

    missing = "order with this orderID was not found"
    some = "00000000-0000-4000-8000-000000000000"
    assert asked(f"/orders/historical/{some}") == (404, missing)
    assert asked("/orders/historical/my-client-id") == (404, missing)
    assert asked("/orders/historical/%7B%7D")[0] == 400
    assert asked("/products/NOPE-USD") == (404, "Product NOPE-USD not supported")
    assert asked(f"/accounts/{some}")[0] == 404
    assert asked(f"/portfolios/{some}")[0] == 404
    assert asked("/nothing")[0] == 404
    assert asked("/orders", "DELETE")[0] == 405


def test_a_client_id_makes_one_order_for_ever(exchange: SimulatedExchange, hands: Hands) -> None:
    def ask(side: str, configuration: dict[str, Any]) -> Any:
        return hands.post("/orders", order_body(side, configuration, "same"))

    first = ask("BUY", limit("1", "90"))["success_response"]["order_id"]
    hands.cancel(first)
    again = ask("BUY", market(base_size="5"))
    assert again["success"]
    assert again["success_response"]["order_id"] == first
    assert again["order_configuration"] == market(base_size="5")
    assert hands.show(first)["status"] == "CANCELLED"
    assert len(exchange.engine.venue.matching.orders) == 1
    assert hands.wallet("BTC") == (0, 0)


def test_a_refused_order_does_not_use_up_its_client_id(hands: Hands) -> None:
    assert not hands.post("/orders", order_body("BUY", market(base_size="1000")))["success"]
    assert hands.post("/orders", order_body("BUY", market(base_size="1")))["success"]


def test_a_key_that_may_not_trade(exchange: SimulatedExchange) -> None:
    venue = exchange.engine.venue
    venue.rights = type(venue.rights)(venue.rights.portfolio, can_trade=False)
    body = order_body("BUY", market(base_size="1"))
    status, payload = exchange.engine.handle("POST", f"{PREFIX}/orders", None, body)
    assert (status, payload["error_details"]) == (403, "Missing required scopes")

"""Changing requests are sent once, as they are, and judged by proof."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.exchange.canned_exchange import Canned, CannedExchange
from tests.exchange.shown import shown_with_locals
from tf_lib.core.model.records import MarketOrder, Side, StopOrder
from tf_lib.errors import HaltRun, TfError
from tf_lib.exchange.coinbase.client import Coinbase
from tf_lib.exchange.port import Accepted, CancelOutcome, RefusalKind, Refused, Unknown

MINE = "tf1-240301-stop1-0123456789abcdef"
STOP = StopOrder("BTC-USD", Decimal("5E-8"), Decimal("39000.10"), Decimal("3.8E+4"))
BUY = MarketOrder("BTC-USD", Side.BUY, Decimal("0.05"))
YES = {"success": True, "success_response": {"order_id": "o-1", "client_order_id": MINE}}
ECHO = {"order_configuration": {"market_market_ioc": {"base_size": "1"}}}


def test_a_stop_is_sent_as_it_is(canned: CannedExchange, client: Coinbase) -> None:
    """Text, no exponent, downwards, under our id."""
    canned.answer("POST", "/orders", YES | ECHO)

    assert client.send(MINE, STOP) == Accepted("o-1")
    (sent,) = canned.seen
    assert sent.body == {
        "client_order_id": MINE,
        "product_id": "BTC-USD",
        "side": "SELL",
        "order_configuration": {
            "stop_limit_stop_limit_gtc": {
                "base_size": "0.00000005",
                "limit_price": "38000",
                "stop_price": "39000.10",
                "stop_direction": "STOP_DIRECTION_STOP_DOWN",
            }
        },
    }


def test_market_and_immediate_limit_orders(canned: CannedExchange, client: Coinbase) -> None:
    """By size in base units."""
    canned.answer("POST", "/orders", YES)
    client.send(MINE, BUY)
    client.send(MINE, MarketOrder("X-USD", Side.SELL, Decimal(3), None, Decimal("0.10")))
    first, second = (one.body for one in canned.seen)

    assert first["side"] == "BUY"
    assert first["order_configuration"] == {"market_market_ioc": {"base_size": "0.05"}}
    assert second["side"] == "SELL"
    assert second["order_configuration"] == {
        "sor_limit_ioc": {"base_size": "3", "limit_price": "0.10"}
    }


@pytest.mark.parametrize(
    "answer",
    [
        Canned(YES, 500),
        Canned("<html>challenge</html>", 502, "text/html"),
        Canned("", 503),
        Canned(YES, fault="reset"),
        Canned(YES, fault="cut"),
        Canned(YES, fault="hang"),
        Canned("not json"),
        Canned('"text"'),
        Canned(YES | {"order_configuration": None}),
        Canned({"success": True}),
        Canned("", 302, headers=(("Location", "/api/v3/brokerage/orders"),)),
        Canned({"error": "conflict"}, 409),
    ],
)
def test_what_proves_nothing_is_unknown_and_not_sent_again(
    canned: CannedExchange, client: Coinbase, waits: list[float], answer: Canned
) -> None:
    """The order may be working."""
    canned.answer("POST", "/orders", answer, YES)

    assert isinstance(client.send(MINE, BUY), Unknown)
    assert len(canned.seen) == 1
    assert waits == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Canned("Unauthorized", 401, "text/plain"), RefusalKind.ACCESS),
        (Canned("no scope", 403, "text/plain"), RefusalKind.ACCESS),
        (Canned("<html>slow down</html>", 429, "text/html"), RefusalKind.RATE),
        (Canned({"error": "RATE"}, 429), RefusalKind.RATE),
        (Canned({"error": "INVALID_ARGUMENT", "message": "x"}, 400), RefusalKind.IDENTITY),
        (
            Canned({"success": False, "error_response": {"error": "INSUFFICIENT_FUND"}}),
            RefusalKind.FUNDS,
        ),
    ],
)
def test_what_is_proven_is_refused_and_not_sent_again(
    canned: CannedExchange, client: Coinbase, answer: Canned, kind: RefusalKind
) -> None:
    """Not even for a fresh token: the caller decides."""
    canned.answer("POST", "/orders", answer, YES)
    result = client.send(MINE, STOP)

    assert isinstance(result, Refused)
    assert result.kind is kind
    assert len(canned.seen) == 1


@pytest.mark.parametrize("bad", ["", "x" * 37, "tf1 240301", "tf1_1"])
def test_an_id_the_sdk_or_the_exchange_might_change_is_not_sent(
    canned: CannedExchange, client: Coinbase, bad: str
) -> None:
    """The SDK puts a random id in the place of an empty one."""
    with pytest.raises(TfError, match="client order id"):
        client.send(bad, BUY)

    assert canned.seen == []


def test_a_size_of_zero_is_not_sent(canned: CannedExchange, client: Coinbase) -> None:
    """Nor anything that is no number."""
    with pytest.raises(TfError, match="BTC-USD: base size"):
        client.send(MINE, StopOrder("BTC-USD", Decimal(0), Decimal(2), Decimal(1)))
    with pytest.raises(TfError, match="limit price"):
        client.send(MINE, replace(BUY, limit_price=Decimal("NaN")))

    assert canned.seen == []


def test_cancels_are_answered_one_by_one(canned: CannedExchange, client: Coinbase) -> None:
    """One request, each id once."""
    results = [
        {"success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": "a"},
        {"success": False, "failure_reason": "UNKNOWN_CANCEL_ORDER", "order_id": "b"},
    ]
    canned.answer("POST", "/orders/batch_cancel", {"results": results})
    answers = client.cancel(["a", "b", "a"])

    assert [one.outcome for one in answers.values()] == ["accepted", "refused"]
    assert canned.seen[0].body == {"order_ids": ["a", "b"]}


@pytest.mark.parametrize("answer", [Canned({"results": None}), Canned("", 502), Canned({})])
def test_a_cancel_without_a_clear_answer_is_unknown(
    canned: CannedExchange, client: Coinbase, answer: Canned
) -> None:
    """It may have been taken."""
    canned.answer("POST", "/orders/batch_cancel", answer)

    assert client.cancel(["a"])["a"].outcome is CancelOutcome.UNKNOWN
    assert len(canned.seen) == 1


def test_cancelling_nothing_sends_nothing(canned: CannedExchange, client: Coinbase) -> None:
    """The exchange hangs on an empty list."""
    assert client.cancel([]) == {}
    assert canned.seen == []


def test_many_cancels_go_out_in_hundreds(canned: CannedExchange, client: Coinbase) -> None:
    """More are refused as a whole."""
    canned.answer("POST", "/orders/batch_cancel", {"results": []})
    answers = client.cancel([f"o-{number}" for number in range(230)])

    assert len(answers) == 230
    assert [len(one.body["order_ids"]) for one in canned.seen] == [100, 100, 30]


def test_the_hook_is_asked_before_each_changing_request_and_only_then(
    canned: CannedExchange, client: Coinbase
) -> None:
    """With what is about to be sent."""
    asked: list[tuple[str, str, int]] = []
    client.line.before_send = lambda action, subject: asked.append(
        (action, subject, len(canned.seen))
    )
    canned.answer("POST", "/orders", YES)
    canned.answer("POST", "/orders/batch_cancel", {"results": []})
    canned.answer("POST", "/orders/preview", {"errs": []})
    canned.answer("GET", "/portfolios", {"portfolios": []})
    client.line.portfolios()
    client.preview(BUY)
    client.send(MINE, BUY)
    client.send(MINE, STOP)
    client.cancel(["a", "b"])

    assert asked == [
        ("create_market", MINE, 2),
        ("create_stop_limit_sell", MINE, 3),
        ("cancel", "a,b", 4),
    ]


def test_a_hook_that_raises_keeps_the_request_back(
    canned: CannedExchange, client: Coinbase
) -> None:
    """Its error comes out as it is: nothing is unknown."""

    def disarmed(action: str, subject: str) -> None:
        raise HaltRun("the epoch has passed")

    client.line.before_send = disarmed
    for send in (lambda: client.send(MINE, BUY), lambda: client.cancel(["a"])):
        with pytest.raises(HaltRun, match="epoch"):
            send()

    assert canned.seen == []


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (Canned({"errs": []}), []),
        (Canned({"errs": None}), []),
        (Canned({"errs": ["PREVIEW_INSUFFICIENT_FUND"]}), ["PREVIEW_INSUFFICIENT_FUND"]),
        (Canned({"error": "INVALID_ARGUMENT"}, 400), ["INVALID_ARGUMENT"]),
    ],
)
def test_a_preview_says_why_an_order_would_be_refused(
    canned: CannedExchange, client: Coinbase, answer: Canned, wanted: list[str]
) -> None:
    """With status 200 even when it would."""
    canned.answer("POST", "/orders/preview", answer)

    for order in (STOP, BUY):
        assert [one.code for one in client.preview(order)] == wanted
    assert "client_order_id" not in canned.seen[0].body


def test_a_preview_is_a_read_and_may_be_tried_again(
    canned: CannedExchange, client: Coinbase
) -> None:
    """It reserves nothing."""
    canned.answer("POST", "/orders/preview", Canned("", 503), {"errs": []})

    assert client.preview(BUY) == []


def test_an_unknown_answer_shows_no_key(canned: CannedExchange, client: Coinbase) -> None:
    """Its reason goes to the ledger."""
    canned.answer("POST", "/orders", Canned({}, 500))
    client.send(MINE, BUY)
    token = canned.seen[0].token
    canned.answer("POST", "/orders", Canned(token, 500))
    answer = client.send(MINE, BUY)

    assert isinstance(answer, Unknown)
    assert token.removeprefix("Bearer ") not in shown_with_locals(TfError(answer.why))
    assert "***" in answer.why

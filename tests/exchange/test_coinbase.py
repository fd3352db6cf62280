"""Changing requests are sent once, as they are, and judged by proof."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.exchange.canned_exchange import Canned, Edge
from tests.exchange.shown import shown_with_locals
from tf_lib.core.model.records import MarketOrder, Side, StopOrder
from tf_lib.errors import HaltRun, TfError
from tf_lib.exchange.port import Accepted, CancelOutcome, RefusalKind, Refused, Unknown

MINE = "tf1-240301-stop1-0123456789abcdef"
STOP = StopOrder("BTC-USD", Decimal("5E-8"), Decimal("39000.10"), Decimal("3.8E+4"))
BUY = MarketOrder("BTC-USD", Side.BUY, Decimal("0.05"))
YES = {"success": True, "success_response": {"order_id": "o-1", "client_order_id": MINE}}
NO_FUND = {"error": "INSUFFICIENT_FUND"}
ECHO = {"order_configuration": {"market_market_ioc": {"base_size": "1"}}}


def test_a_stop_is_sent_as_it_is(edge: Edge) -> None:
    """Text, no exponent, downwards, under our id."""
    edge.post("/orders", YES | ECHO)

    assert edge.client.send(MINE, STOP) == Accepted("o-1")
    (sent,) = edge.seen
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


def test_market_and_immediate_limit_orders(edge: Edge) -> None:
    """By size in base units."""
    edge.post("/orders", YES)
    edge.client.send(MINE, BUY)
    edge.client.send(MINE, MarketOrder("X-USD", Side.SELL, Decimal(3), None, Decimal("0.10")))
    first, second = (one.body for one in edge.seen)

    assert first["side"] == "BUY"
    assert first["order_configuration"] == {"market_market_ioc": {"base_size": "0.05"}}
    assert second["side"] == "SELL"
    immediate = {"sor_limit_ioc": {"base_size": "3", "limit_price": "0.10"}}
    assert second["order_configuration"] == immediate


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
def test_what_proves_nothing_is_not_sent_again(
    edge: Edge, waits: list[float], answer: Canned
) -> None:
    """The order may be working."""
    edge.post("/orders", answer, YES)

    assert isinstance(edge.client.send(MINE, BUY), Unknown)
    assert len(edge.seen) == 1
    assert waits == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Canned("Unauthorized", 401, "text/plain"), RefusalKind.ACCESS),
        (Canned("no scope", 403, "text/plain"), RefusalKind.ACCESS),
        (Canned("<html>slow down</html>", 429, "text/html"), RefusalKind.RATE),
        (Canned({"error": "RATE"}, 429), RefusalKind.RATE),
        (Canned({"error": "INVALID_ARGUMENT", "message": "x"}, 400), RefusalKind.IDENTITY),
        (Canned({"success": False, "error_response": NO_FUND}), RefusalKind.FUNDS),
    ],
)
def test_what_is_proven_is_refused_once(edge: Edge, answer: Canned, kind: RefusalKind) -> None:
    """Not even for a fresh token: the caller decides."""
    edge.post("/orders", answer, YES)
    result = edge.client.send(MINE, STOP)

    assert isinstance(result, Refused)
    assert result.kind is kind
    assert len(edge.seen) == 1


@pytest.mark.parametrize("bad", ["", "x" * 37, "tf1 240301", "tf1_1"])
def test_an_id_the_sdk_or_the_exchange_might_change_is_not_sent(edge: Edge, bad: str) -> None:
    """The SDK puts a random id in the place of an empty one."""
    with pytest.raises(TfError, match="client order id"):
        edge.client.send(bad, BUY)

    assert edge.seen == []


def test_a_size_of_zero_is_not_sent(edge: Edge) -> None:
    """Nor anything that is no number."""
    with pytest.raises(TfError, match="BTC-USD: base size"):
        edge.client.send(MINE, StopOrder("BTC-USD", Decimal(0), Decimal(2), Decimal(1)))
    with pytest.raises(TfError, match="limit price"):
        edge.client.send(MINE, replace(BUY, limit_price=Decimal("NaN")))

    assert edge.seen == []


def test_cancels_are_answered_one_by_one(edge: Edge) -> None:
    """One request, each id once."""
    results = [
        {"success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": "a"},
        {"success": False, "failure_reason": "UNKNOWN_CANCEL_ORDER", "order_id": "b"},
    ]
    edge.post("/orders/batch_cancel", {"results": results})
    answers = edge.client.cancel(["a", "b", "a"])

    assert [one.outcome for one in answers.values()] == ["accepted", "refused"]
    assert edge.seen[0].body == {"order_ids": ["a", "b"]}


@pytest.mark.parametrize("answer", [Canned({"results": None}), Canned("", 502), Canned({})])
def test_a_cancel_without_a_clear_answer_is_unknown(edge: Edge, answer: Canned) -> None:
    """It may have been taken."""
    edge.post("/orders/batch_cancel", answer)

    assert edge.client.cancel(["a"])["a"].outcome is CancelOutcome.UNKNOWN
    assert len(edge.seen) == 1


def test_cancelling_nothing_sends_nothing(edge: Edge) -> None:
    """The exchange hangs on an empty list."""
    assert edge.client.cancel([]) == {}
    assert edge.seen == []


def test_many_cancels_go_out_in_hundreds(edge: Edge) -> None:
    """More are refused as a whole."""
    edge.post("/orders/batch_cancel", {"results": []})
    answers = edge.client.cancel([f"o-{number}" for number in range(230)])

    assert len(answers) == 230
    assert [len(one.body["order_ids"]) for one in edge.seen] == [100, 100, 30]


def test_the_hook_is_asked_before_each_changing_request_and_only_then(edge: Edge) -> None:
    """With what is about to be sent."""
    asked: list[tuple[str, str, int]] = []
    edge.client.line.before_send = lambda action, subject: asked.append(
        (action, subject, len(edge.seen))
    )
    edge.post("/orders", YES)
    edge.post("/orders/batch_cancel", {"results": []})
    edge.post("/orders/preview", {"errs": []})
    edge.get("/portfolios", {"portfolios": []})
    edge.client.line.portfolios()
    edge.client.preview(BUY)
    edge.client.send(MINE, BUY)
    edge.client.send(MINE, STOP)
    edge.client.cancel(["a", "b"])

    sent = [("create_market", MINE, 2), ("create_stop_limit_sell", MINE, 3)]
    assert asked == [*sent, ("cancel", "a,b", 4)]


def test_a_hook_that_raises_keeps_the_request_back(edge: Edge) -> None:
    """Its error comes out as it is: nothing is unknown."""

    def disarmed(action: str, subject: str) -> None:
        raise HaltRun("the epoch has passed")

    edge.client.line.before_send = disarmed
    for send in (lambda: edge.client.send(MINE, BUY), lambda: edge.client.cancel(["a"])):
        with pytest.raises(HaltRun, match="epoch"):
            send()

    assert edge.seen == []


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (Canned({"errs": []}), []),
        (Canned({"errs": None}), []),
        (Canned({"errs": ["PREVIEW_INSUFFICIENT_FUND"]}), ["PREVIEW_INSUFFICIENT_FUND"]),
        (Canned({"error": "INVALID_ARGUMENT"}, 400), ["INVALID_ARGUMENT"]),
    ],
)
def test_preview_says_why_order_would_be_refused(edge: Edge, answer: Canned, wanted: Any) -> None:
    """With status 200 even when it would."""
    edge.post("/orders/preview", answer)

    for order in (STOP, BUY):
        assert [one.code for one in edge.client.preview(order)] == wanted
    assert "client_order_id" not in edge.seen[0].body


def test_a_preview_is_a_read_and_may_be_tried_again(edge: Edge) -> None:
    """It reserves nothing."""
    edge.post("/orders/preview", Canned("", 503), {"errs": []})

    assert edge.client.preview(BUY) == []


def test_an_unknown_answer_shows_no_key(edge: Edge) -> None:
    """Its reason goes to the ledger."""
    edge.post("/orders", Canned({}, 500))
    edge.client.send(MINE, BUY)
    token = edge.seen[0].token
    edge.post("/orders", Canned(token, 500))
    answer = edge.client.send(MINE, BUY)

    assert isinstance(answer, Unknown)
    assert token.removeprefix("Bearer ") not in shown_with_locals(TfError(answer.why))
    assert "***" in answer.why

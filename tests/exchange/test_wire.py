"""Reads are tried within bounds; what fails says why and never shows the key."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from tests.exchange.canned_exchange import Canned, CannedExchange, Edge
from tests.exchange.shown import shown_with_locals
from tf_lib.errors import ExchangeError, RejectedError, RetryableError
from tf_lib.exchange.coinbase.auth import ApiKey
from tf_lib.exchange.coinbase.client import Coinbase
from tf_lib.exchange.coinbase.wire import HttpRejectedError, RateBudget, RetryRule

TIME = {"iso": "2024-03-01T00:01:00Z", "epochSeconds": "1709251260", "epochMillis": "1709251260000"}
HTML = Canned("<html>" + "x" * 5000 + "</html>", 502, "text/html")


@pytest.mark.parametrize(
    "failure",
    [
        HTML,
        Canned({}, 500),
        Canned("", 503),
        Canned({"errors": [{"id": "rate_limit_exceeded"}]}, 429),
        Canned("<html>slow down</html>", 429, "text/html"),
        Canned("Unauthorized", 401, "text/plain"),
        Canned(TIME, fault="reset"),
        Canned(TIME, fault="cut"),
        Canned(TIME, fault="hang"),
        Canned("no json"),
        Canned('["no object"]'),
        Canned("null"),
    ],
)
def test_a_read_is_tried_again(edge: Edge, waits: list[float], failure: Canned) -> None:
    """Whatever a network or a gateway does once; every call has a time-out."""
    edge.get("/time", failure, TIME)

    assert edge.client.line.server_time().isoformat() == "2024-03-01T00:01:00+00:00"
    assert (edge.client.line.requests_sent, len(waits)) == (2, 1)


def test_tries_are_bounded(edge: Edge, waits: list[float]) -> None:
    """Three, with growing waits, then the error; its text is short."""
    edge.get("/time", HTML)
    with pytest.raises(RetryableError, match="GET /time: HTTPError: 502") as caught:
        edge.client.line.server_time()

    assert len(edge.seen) == 3
    assert len(waits) == 2
    assert all(0.4 < wait < 5 for wait in waits)
    assert len(str(caught.value)) < 400


def test_a_second_401_is_believed(edge: Edge) -> None:
    """One fresh token, no more."""
    edge.get("/time", Canned("Unauthorized", 401, "text/plain"))
    with pytest.raises(RejectedError, match="401"):
        edge.client.line.server_time()

    tokens = [one.token for one in edge.seen]
    assert len(tokens) == 2
    assert len(set(tokens)) == 2


def test_a_refusal_is_not_tried_again(edge: Edge, waits: list[float]) -> None:
    """A missing scope does not come by waiting."""
    body = {"error": "PERMISSION_DENIED", "error_details": "Missing required scopes"}
    edge.get("/key_permissions", Canned(body, 403))
    with pytest.raises(HttpRejectedError) as caught:
        edge.client.line.key_permissions()

    assert (caught.value.code, caught.value.status) == ("PERMISSION_DENIED", 403)
    assert waits == []


def test_a_redirect_is_not_followed(edge: Edge) -> None:
    """It would carry the token elsewhere, and turn a POST into a GET."""
    away = Canned("", 302, headers=(("Location", "https://127.0.0.1:9/"),))
    edge.get("/time", away)
    with pytest.raises(ExchangeError, match="redirects"):
        edge.client.line.server_time()

    assert len(edge.seen) == 1


def test_nobody_there_is_an_error_of_ours(key_file: Path, canned: CannedExchange) -> None:
    """Refused connections and certificates of strangers included."""
    rule = RetryRule(sleep=lambda seconds: None)
    nobody = Coinbase.connect("127.0.0.1:1", canned.ca_file, key_file, retry=rule)
    stranger = Coinbase.connect(canned.base_url, None, key_file, retry=rule)
    for client in (nobody, stranger):
        with pytest.raises(RetryableError, match="GET /time"):
            client.line.server_time()
        client.line.close()

    assert canned.seen == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("reset", "Remote end closed connection without response"),
        ("hang", "The read operation timed out"),
    ],
)
def test_what_happened_is_said_in_a_few_words(edge: Edge, fault: str, words: str) -> None:
    """Not the three errors that libraries wrap around it, with pools and addresses."""
    edge.get("/time", Canned(TIME, fault=fault))
    with pytest.raises(RetryableError) as caught:
        edge.client.line.server_time()

    assert str(caught.value).startswith("GET /time: ")
    assert str(caught.value).endswith(words)
    assert "Pool" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_a_server_that_mirrors_everything_learns_us_nothing(
    edge: Edge, key_file: Path, status: int
) -> None:
    """Key, secret and token stay out of text, locals and pickles of the error."""
    content = json.loads(key_file.read_text())
    edge.get("/portfolios", {"portfolios": []})
    edge.client.line.portfolios()
    token = edge.seen[-1].token
    mirror = {"error": "X", "message": f"{token} {content['name']} {content['privateKey']}"}
    edge.get("/key_permissions", Canned(mirror, status))
    with pytest.raises(ExchangeError) as caught:
        edge.client.line.key_permissions()

    shown = shown_with_locals(caught.value) + repr(pickle.dumps(caught.value))
    secrets = [token.removeprefix("Bearer "), content["name"].rsplit("/", 1)[-1]]
    secrets += [line for line in content["privateKey"].splitlines() if "-----" not in line]
    assert [piece for piece in secrets if piece in shown] == []


def test_no_trace_on_stderr_or_in_logs(
    edge: Edge, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK logs whole error bodies unless it is silenced."""
    caplog.set_level("DEBUG", logger="coinbase.RESTClient")
    edge.get("/time", Canned({"message": "canary"}, 400))
    with pytest.raises(RejectedError):
        edge.client.line.server_time()

    assert "canary" not in capfd.readouterr().err + caplog.text


def test_a_client_shows_no_key(client: Coinbase, key_file: Path) -> None:
    """Printed or formatted."""
    assert "canary" not in f"{client!r} {client.line!r} {ApiKey.from_file(key_file)!r}"


def test_the_rate_budget_waits_for_the_oldest_to_leave() -> None:
    """Two a second, five in ten seconds: the third waits for the first, and so on."""
    now = [100.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))
        now[0] += seconds

    budget = RateBudget(limits=((2, 1.0), (5, 10.0)), clock=lambda: now[0], sleep=sleep)
    for _ in range(6):
        budget.wait()

    # 100, 100, 101, 101, 102, then five are in the last ten seconds until 110.
    assert slept == [1.0, 1.0, 8.0]


def test_no_limit_never_waits() -> None:
    """As on loopback."""

    def sleep(seconds: float) -> None:
        raise AssertionError("waited")

    budget = RateBudget(limits=(), sleep=sleep)
    for _ in range(1000):
        budget.wait()


def test_waiting_comes_before_the_hook(canned: CannedExchange, key_file: Path) -> None:
    """What the hook checked must not grow old before the request goes out."""
    order: list[str] = []
    budget = RateBudget(limits=((1, 1.0),), sleep=lambda seconds: order.append("waited"))
    client = Coinbase.connect(canned.base_url, canned.ca_file, key_file, budget=budget)
    client.line.before_send = lambda action, subject: order.append("checked")
    client.cancel(["a"])
    client.cancel(["b"])
    client.line.close()

    assert order == ["checked", "waited", "checked"]


def test_control_characters_are_escaped_at_the_border(edge: Edge) -> None:
    """In refusals and in answers: what would clear a screen or turn a line round is shown."""
    nasty = "sorry\x1b[2J\r\u202egnorw\x00"
    body = {"error": f"DENIED\x07{nasty}", "error_details": nasty}
    edge.get("/key_permissions", Canned(body, 403))
    edge.get("/portfolios", {"portfolios": [{"uuid": "u\x1b", "name": nasty}]})
    with pytest.raises(HttpRejectedError) as caught:
        edge.client.line.key_permissions()
    (portfolio,) = edge.client.line.portfolios()

    assert r"sorry\x1b[2J\r\u202egnorw\x00" in (portfolio.name, str(caught.value))
    for text in (str(caught.value), caught.value.code, portfolio.name, portfolio.uuid):
        assert text.isprintable()

"""
Scenario days on which the exchange, its data or the machine fails.

They are listed and told in `scenarios`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
from collections.abc import Iterator
from typing import Any

from tests.proofs.crash import trace
from tests.proofs.story import BUSY, Story, legs_of
from tests.proofs.wire import Wire, once_after

# -- the exchange ----------------------------------------------------------------------------


def a_halted_product(story: Story) -> None:
    """Products that take no orders keep their stops; nothing of them is cancelled."""
    halted = ("BTC-USD", "ETH-USD", "XTZ-USD")
    before = {o.client_id for product in halted for o in story.held.stops(product)}
    story.halt(*halted)
    story.run(code=None)
    after = {o.client_id for product in halted for o in story.held.stops(product)}
    story.expect(before == after, "their stops are untouched")
    story.end()
    story.halt(*halted, is_halted=False)
    story.next_day()
    story.end()


def a_limit_only_product(story: Story) -> None:
    """A product without market orders is met with immediate limits."""
    story.stage.exchange.set_flag("BTC-USD", "limit_only", True)
    story.run()
    story.expect("tr" in legs_of(story.held, BUSY), "it is trimmed all the same")
    story.end()


def halted_after_the_cancel(story: Story) -> None:
    """The product halts while a stop is being replaced: exit 3 until it opens again."""
    products = ("ADA-USD", "BTC-USD", "ETH-USD", "XTZ-USD")
    once_after(story.stage, "/batch_cancel", lambda: story.halt(*products))
    story.run(code=3)
    story.halt(*products, is_halted=False)
    story.stage.wait(840)
    story.guard(code=None)
    story.end()


def stops_refused(story: Story) -> None:
    """The exchange takes no stop of a new product: its pilot is sold, the rest is not bought."""
    refuse_stops(story, "ADA-USD")
    story.run(code=None)
    story.expect(story.held.held("ADA-USD") < 1, "the pilot was sold")
    entries = [o for o in story.orders("en", BUSY) if o.product == "ADA-USD"]
    story.expect(not entries, "nothing more was bought")
    story.end()


def refuse_stops(story: Story, product: str) -> None:
    """Let the exchange refuse every stop of a product, with proof."""
    story.stage.exchange.add_fault(
        kind="refuse",
        endpoint="POST /orders",
        contains=[product, "stop_limit_stop_limit_gtc"],
        error="INVALID_SIZE_PRECISION",
        preview="PREVIEW_INVALID_SIZE_PRECISION",
        message="Too many decimals in order amount",
    )


def stale_accounts_after_a_buy(story: Story) -> None:
    """The account list lags behind fills by seconds: nothing is taken for zero."""
    with _lagging_accounts(story):
        story.run(code=None)
    story.end()


def stale_accounts_for_the_guard(story: Story) -> None:
    """Killed right after a buy; the guard's first look at the accounts is older than the buy."""
    points = trace(story.stage)
    story.begin()
    bought = max(p.number for p in points if p.what == "ledger intent en")
    sent = next(p.number for p in points if p.number > bought and p.what == "POST /orders")
    with _lagging_accounts(story):
        story.stage.run(planted=story.planted, kill={"number": sent, "moment": "after"})
        story.stage.wait(2)
        story.guard()
    story.end()


@contextlib.contextmanager
def _lagging_accounts(story: Story) -> Iterator[None]:
    """Let the account list show for eight seconds what it was before an order."""
    wire = Wire(story.stage)
    stale: list[tuple[dt.datetime, Any]] = []

    def responded(method: str, path: str, query: Any, body: Any) -> Any:
        now = story.stage.exchange.now()
        is_fresh = not stale or now >= stale[0][0]
        if path.endswith("/orders") and method == "POST" and is_fresh:
            before = wire.respond("GET", "/api/v3/brokerage/accounts", {"limit": "250"}, None)
            stale[:] = [(now + dt.timedelta(seconds=8), before)]
        if path.endswith("/accounts") and stale and now < stale[0][0]:
            return stale[0][1]
        return wire.respond(method, path, query, body)

    wire.put(responded)
    try:
        yield
    finally:
        wire.restore()


def an_answer_without_proof(story: Story) -> None:
    """Every second order is made and answered with 503: looked up, never sent twice as a buy."""
    story.stage.exchange.add_fault(
        kind="status_after", endpoint="POST /orders", status=503, calls=["1", "3", "5", "7", "9"]
    )
    story.run(code=None)
    story.stage.exchange.clear_faults()
    story.stage.wait(300)
    story.guard(code=None)
    story.end()


def a_cancel_that_is_turned_down(story: Story) -> None:
    """Stops that cannot be cancelled stay; what is bought beside them is covered in the end."""
    story.stage.exchange.add_fault(
        kind="status", endpoint="POST /orders/batch_cancel", status=429, probability=0.6
    )
    story.run(code=None)
    story.stage.exchange.clear_faults()
    story.stage.wait(300)
    story.guard(code=None)
    story.end()
    story.next_day()
    story.end()


# -- its data --------------------------------------------------------------------------------


def bad_data(story: Story) -> None:
    """Yesterday's bar of one ticker is missing: no trade of it, its stop stays as it is."""
    before = {o.client_id: o.stop for o in story.held.stops("BTC-USD")}
    story.stage.exchange.add_fault(
        kind="candles_missing", endpoint="GET /products/BTC-USD/candles", value=[0, 1, 2]
    )
    story.run(code=None)
    story.stage.exchange.clear_faults()
    after = {o.client_id: o.stop for o in story.held.stops("BTC-USD")}
    story.expect(before == after, "its stops are left exactly as they are")
    traded = [o for leg in ("tr", "en", "ex") for o in story.orders(leg, BUSY)]
    story.expect(story.summary()["data_quality"]["not_ok"] == ["BTC-USD"], "the summary says so")
    story.expect(not [o for o in traded if o.product == "BTC-USD"], "it is not traded")
    story.end()


def an_undefined_signal(story: Story) -> None:
    """A ticker stood still for so long that its signal is undefined: no trade, its stop stays."""
    before = story.stop_of("ETH-USD").stop
    shutil.rmtree(story.stage.state / "candles")
    price = format(story.last("ETH-USD"), "f")
    flat = dict.fromkeys(("open", "high", "low", "close"), price)
    story.stage.exchange.add_fault(
        kind="candles_revised",
        endpoint="GET /products/ETH-USD/candles",
        value={str(number): flat for number in range(20)},
    )
    story.run(code=None)
    story.stage.exchange.clear_faults()
    reason = story.summary()["tickers"]["ETH-USD"]["reason"]
    story.expect(reason == "unknown_signal", f"the reason is unknown_signal, not {reason}")
    story.expect(not [o for o in story.orders("ex") if o.product == "ETH-USD"], "it is not sold")
    after = story.stop_of("ETH-USD").stop
    story.expect(before and after and after >= before, "its stop stays")
    story.end()


# -- the machine -----------------------------------------------------------------------------


def a_lost_ledger(story: Story) -> None:
    """State is gone in the middle of the day: adopted, protected, nothing bought twice."""
    story.run()
    story.stage.ledger.unlink()
    sent = story.stage.count_changes()
    story.run("--force-run", code=1)
    bought = [x for x in story.stage.exchange.request_log if x["changing"]][sent:]
    sides = [x["body"].get("side") for x in bought if isinstance(x["body"], dict)]
    story.expect("BUY" not in sides, "nothing is bought")
    story.next_day()
    story.end(ledger_is_whole=False)


def an_old_plan(story: Story) -> None:
    """Killed before its trades and found twenty minutes later: protected, not traded."""
    point = first_point(story, "POST /orders", changing=True)
    story.stage.run(planted=story.planted, kill={"number": point, "moment": "before"})
    story.stage.wait(1200)
    story.run(code=None)
    story.end()


def asleep_in_the_middle(story: Story) -> None:
    """The machine sleeps for twenty minutes over a cancel: covered again, nothing more traded."""
    once_after(story.stage, "/batch_cancel", lambda: story.stage.wait(1200))
    # What was wanted and not done is told, and a trim that was not made is exit 1.
    story.run(code=1)
    story.expect(not {"tr", "en", "pi"} & legs_of(story.held, BUSY), "nothing is traded")
    story.end()


def first_point(story: Story, what: str, *, changing: bool) -> int:
    """Return the number of the first point of a kind in an undisturbed run."""
    points = trace(story.stage)
    story.begin()
    return next(p.number for p in points if p.what == what and p.is_changing == changing)

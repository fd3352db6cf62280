"""
Scenario days: each tells a short story to the exchange and says what must come of it.

What the oracle judges is asked after every story; beyond that a story expects its own facts.
A story given the name of a planted fault runs its commands with it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.oracle.exchange_state import ExchangeState, Order
from tests.proofs.crash import LAGS, NO_LAGS, evidence_of
from tests.proofs.oracle import judge, worst_bare_seconds
from tests.proofs.stage import Ended, Stage
from tests.proofs.wire import Wire, once_after

FIRST, BUSY = dt.date(2023, 6, 5), dt.date(2023, 6, 8)
EXIT_DAY = dt.date(2023, 6, 16)
CENT = Decimal("0.01")


@dataclass
class Story:
    """A stage, what was said on it, and what was found wrong."""

    stage: Stage
    eve: Path
    planted: str = ""
    findings: list[str] = field(default_factory=list)
    moved: list[tuple[str, Decimal, dt.datetime]] = field(default_factory=list)
    triggered: dict[str, dt.datetime] = field(default_factory=dict)
    worst_bare: float = 0.0

    def begin(self) -> None:
        self.stage.put_back(self.eve)

    # -- doing ---------------------------------------------------------------------------

    def run(self, *arguments: str, code: int | None = 0, **order: Any) -> Ended:
        ended = self.stage.run(*arguments, **({"planted": self.planted} | order))
        self._expect_code("run", ended, code)
        return ended

    def guard(self, *, code: int | None = 0, **order: Any) -> Ended:
        ended = self.stage.guard(**({"planted": self.planted} | order))
        self._expect_code("guard", ended, code)
        return ended

    def next_day(self, *, code: int | None = 0) -> Ended:
        day = self.stage.exchange.now().date() + dt.timedelta(days=1)
        self.stage.go_to(day)
        return self.run(code=code)

    def _expect_code(self, name: str, ended: Ended, code: int | None) -> None:
        if code is not None and ended.code != code:
            said = ended.said[-500:]
            self.findings.append(f"exit: {name} ended with {ended.code}, not {code}: {said}")

    def jump(self, product: str, price: Decimal, *, minutes: float = 40, after: float = 10) -> None:
        """Let a price jump and stay; stops that it triggers and does not fill are noted."""
        price = self.stage.on_grid(product, price)
        at = self.stage.exchange.now() + dt.timedelta(seconds=after)
        until = at + dt.timedelta(minutes=minutes)
        self.stage.exchange.plant_jump(product, at, price, hold_until=until)
        self.stage.wait(after + 5)
        for order in self.held.orders:
            if order.product == product and order.is_live and order.is_triggered:
                self.triggered.setdefault(order.client_id, at)

    def deposit(self, currency: str, amount: Decimal) -> None:
        self.moved.append((currency, amount, self.stage.exchange.now()))
        self.stage.exchange.deposit(currency, amount)

    def halt(self, *products: str, is_halted: bool = True) -> None:
        for product in products:
            self.stage.exchange.set_flag(product, "cancel_only", is_halted)

    def cancel_by_hand(self, *stops: Order) -> None:
        self.stage.cancel_by_hand(*(stop.order_id for stop in stops))

    def by_hand(self, product: str, side: str, **configuration: Any) -> None:
        self.stage.exchange.place_by_hand(product, side, configuration)

    # -- looking -------------------------------------------------------------------------

    @property
    def held(self) -> ExchangeState:
        return self.stage.held()

    def last(self, product: str) -> Decimal:
        return Decimal(self.stage.product(product)["price"])

    def summary(self) -> dict[str, Any]:
        path = max(self.stage.profile.glob("*-*-*/daily_summary_*.json"))
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def stop_of(self, product: str) -> Order:
        return max(self.held.stops(product), key=lambda stop: stop.created)

    def orders(self, leg: str, day: dt.date | None = None) -> list[Order]:
        found = [o for o in self.held.orders if o.is_own and o.leg == leg]
        return [o for o in found if day is None or o.day == day]

    def expect(self, is_so: object, what: str) -> None:
        if not is_so:
            self.findings.append(f"story: {what}")

    def end(self, **more: Any) -> None:
        """Let the oracle judge."""
        evidence = evidence_of(
            self.stage, moved=tuple(self.moved), triggered=dict(self.triggered), **more
        )
        self.findings += judge(evidence)
        self.worst_bare = max(self.worst_bare, worst_bare_seconds(evidence))


# -- ordinary days ---------------------------------------------------------------------------


def a_stretch_of_days(story: Story) -> None:
    """Entry, pilot, add, trim, raise, full exit and two-way days, one after the other."""
    story.run()
    while story.stage.exchange.now().date() < EXIT_DAY:
        story.next_day()
        story.end()
    story.expect({"en", "pi", "tr", "ex", "sc", "sa"} <= legs_of(story.held), "all legs occur")
    two_way = [d for d in days_of(story.held) if {"en", "tr"} <= legs_of(story.held, d)]
    story.expect(two_way, "a day buys and sells")


def legs_of(exchange: ExchangeState, day: dt.date | None = None) -> set[str]:
    return {o.leg for o in exchange.orders if o.is_own and (day is None or o.day == day)}


def days_of(exchange: ExchangeState) -> set[dt.date]:
    return {o.day for o in exchange.orders if o.is_own}


def a_day_with_lags(story: Story) -> None:
    """Holds, cancels, orders and fills show late; nothing fails of it."""
    story.stage.exchange.set_delays(**LAGS)
    story.run()
    story.stage.exchange.set_delays(**NO_LAGS)
    story.end()


def a_day_with_pending_orders(story: Story) -> None:
    """Orders rest as PENDING for a while, and market orders fill late."""
    story.stage.exchange.set_delays(order_pending_seconds=5, market_fill_seconds=4)
    story.run()
    story.stage.exchange.set_delays(order_pending_seconds=0, market_fill_seconds=0)
    story.end()


def a_forced_run_with_unchanged_data(story: Story) -> None:
    """It is a second plan from fresh holdings, and it sends nothing."""
    story.run()
    sent = story.stage.count_changes()
    story.run("--force-run")
    story.expect(story.stage.count_changes() == sent, "a forced run sends nothing")
    story.end()


def a_finished_day_again(story: Story) -> None:
    story.run()
    heard = len(story.stage.exchange.request_log)
    ended = story.run()
    changed = [x for x in story.stage.exchange.request_log[heard:] if x["changing"]]
    story.expect("already_ran" in ended.said and not changed, "a finished day does nothing")
    story.end()


# -- prices ----------------------------------------------------------------------------------


def stopped_out_overnight(story: Story) -> None:
    """Price goes between stop and limit: sold, a week of cooldown, nothing bought."""
    story.run()
    stop = story.stop_of("XTZ-USD")
    assert stop.stop is not None
    assert stop.limit is not None
    story.stage.wait(3600)
    story.jump("XTZ-USD", (stop.stop + stop.limit) / 2, minutes=5)
    out = story.stage.exchange.now().date()
    for _ in range(8):
        story.next_day()
    bought = [
        o.day
        for leg in ("en", "pi")
        for o in story.orders(leg)
        if o.product == "XTZ-USD" and out < o.day < out + dt.timedelta(days=7)
    ]
    story.expect(not bought, f"nothing is bought in the cooldown, got {bought}")
    story.end()


def jump_below_the_limit(story: Story) -> None:
    """From above the stop to below its limit: triggered, unfilled, left at the market."""
    story.run()
    stop = story.stop_of("ETH-USD")
    assert stop.limit is not None
    story.stage.wait(600)
    story.jump("ETH-USD", stop.limit * Decimal("0.9"), minutes=120)
    story.stage.wait(600)
    story.guard()
    story.expect("em" in legs_of(story.held), "the guard leaves at the market")
    story.expect(not story.held.stops("ETH-USD"), "no stop is left")
    story.end()
    story.next_day()
    story.end()


def jump_and_back(story: Story) -> None:
    """Below the limit and back before anybody looked: filled at the limit, counted as bare."""
    story.run()
    stop = story.stop_of("ETH-USD")
    assert stop.limit is not None
    story.stage.wait(600)
    story.jump("ETH-USD", stop.limit * Decimal("0.95"), minutes=1)
    story.next_day()
    story.end()


def level_above_the_market(story: Story) -> None:
    """Today's level is above the last trade: the stop is clamped, the clamp is not remembered."""
    story.run()
    story.stage.go_to(story.stage.exchange.now().date(), dt.time(23, 59))
    for product in story.held.held_products:
        stop = story.stop_of(product)
        assert stop.stop is not None
        gap = story.last(product) - stop.stop
        story.stage.exchange.plant_jump(
            product,
            story.stage.exchange.now() + dt.timedelta(seconds=90),
            story.stage.on_grid(product, stop.stop + gap / 20),
            hold_until=story.stage.exchange.now() + dt.timedelta(hours=2),
        )
    story.stage.wait(120)
    story.run()
    story.end()
    story.next_day()
    story.end()


def breach_between_plan_and_buy(story: Story) -> None:
    """A price at or below today's stop when it comes to buying: void, and a cooldown."""
    story.stage.exchange.set_delays(market_fill_seconds=0)
    product = "ADA-USD"
    price = story.last(product) * Decimal("0.7")
    at = story.stage.exchange.now() + dt.timedelta(milliseconds=700)
    story.stage.exchange.plant_jump(
        product,
        at,
        story.stage.on_grid(product, price),
        hold_until=at + dt.timedelta(hours=3),
    )
    story.run(code=None)
    bought = [o for leg in ("en", "pi") for o in story.orders(leg, BUSY) if o.product == product]
    story.expect(not any(o.created > at for o in bought), "nothing is bought below the stop")
    story.end()


# -- people and venues -----------------------------------------------------------------------


def a_manual_sale(story: Story) -> None:
    """A person sells part of a position: covered, reported, not traded until released."""
    story.run()
    held = story.held.held("BTC-USD")
    stop = story.stop_of("BTC-USD")
    story.cancel_by_hand(stop)
    part = story.stage.on_grid("BTC-USD", held / 3, step="base_increment")
    story.by_hand("BTC-USD", "SELL", market_market_ioc={"base_size": format(part, "f")})
    story.guard(code=None)
    story.next_day(code=None)
    later = [o for leg in ("tr", "en", "ex") for o in story.orders(leg) if o.day > BUSY]
    story.expect(not [o for o in later if o.product == "BTC-USD"], "BTC-USD is not rebalanced")
    released = story.stage.call("release", "BTC-USD")
    story.expect(released.code == 0, f"release: {released.said}")
    story.next_day()
    story.end()


def a_deposit(story: Story) -> None:
    """Units appear from outside: covered and reported, and the product is left alone."""
    story.run()
    story.deposit("ETH", Decimal("0.75"))
    story.guard(code=None)
    story.end()
    story.next_day(code=None)
    story.end()


def a_foreign_stop(story: Story) -> None:
    """Somebody's own protective stop counts as cover and is never touched."""
    story.run()
    story.deposit("ETH", Decimal("0.5"))
    last = story.last("ETH-USD")
    story.by_hand(
        "ETH-USD",
        "SELL",
        stop_limit_stop_limit_gtc={
            "base_size": "0.5",
            "stop_price": format((last * Decimal("0.8")).quantize(CENT), "f"),
            "limit_price": format((last * Decimal("0.78")).quantize(CENT), "f"),
            "stop_direction": "STOP_DIRECTION_STOP_DOWN",
        },
    )
    story.guard(code=None)
    story.next_day(code=None)
    theirs = [o for o in story.held.orders if not o.is_own and o.is_live]
    story.expect(len(theirs) == 1, "the foreign stop is still there")
    story.end()


def a_foreign_sale(story: Story) -> None:
    """Units under somebody's other sell are bare: exit 3, the rest is protected."""
    story.run()
    story.deposit("ETH", Decimal("0.5"))
    last = story.last("ETH-USD")
    price = format((last * 2).quantize(CENT), "f")
    story.by_hand("ETH-USD", "SELL", limit_limit_gtc={"base_size": "0.5", "limit_price": price})
    story.guard(code=3)
    story.end()
    mine = [f for f in story.findings if not f.startswith("bare: ETH-USD: 0.5")]
    story.findings = [f for f in mine if not f.startswith("bare_time: ETH-USD")]


def a_stop_that_vanished(story: Story) -> None:
    """Cancelled by hand while price is above it: placed again at its level, reported."""
    story.run()
    stop = story.stop_of("XTZ-USD")
    story.cancel_by_hand(*story.held.stops("XTZ-USD"))
    story.stage.wait(300)
    story.guard(code=None)
    story.expect(story.stop_of("XTZ-USD").stop == stop.stop, "it rests at the same level again")
    story.end()


def a_vanished_stop_below_the_market(story: Story) -> None:
    """Cancelled by hand, and price is below it when we look: left at the market."""
    story.run()
    stop = story.stop_of("XTZ-USD")
    assert stop.stop is not None
    story.cancel_by_hand(*story.held.stops("XTZ-USD"))
    story.jump("XTZ-USD", stop.stop * Decimal("0.97"), minutes=60)
    story.guard(code=None)
    story.expect(story.held.held("XTZ-USD") < 1, "it was left at the market")
    story.end()


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
    wire = Wire(story.stage)

    def responded(method: str, path: str, query: Any, body: Any) -> Any:
        is_stop = (
            path.endswith("/orders")
            and isinstance(body, dict)
            and body.get("product_id") == product
            and "stop_limit_stop_limit_gtc" in body["order_configuration"]
        )
        if is_stop:
            configuration = body["order_configuration"]
            off_grid = {
                "stop_limit_stop_limit_gtc": {
                    **configuration["stop_limit_stop_limit_gtc"],
                    "base_size": "0.00000000001",
                }
            }
            return wire.respond(method, path, query, body | {"order_configuration": off_grid})
        return wire.respond(method, path, query, body)

    wire.put(responded)


def stale_accounts_after_a_buy(story: Story) -> None:
    """The account list lags behind fills by seconds: nothing is taken for zero."""
    with lagging_accounts(story):
        story.run(code=None)
    story.end()


def stale_accounts_for_the_guard(story: Story) -> None:
    """Killed right after a buy; the guard's first look at the accounts is older than the buy."""
    from tests.proofs.crash import trace

    points = trace(story.stage)
    story.begin()
    bought = max(p.number for p in points if p.what == "ledger intent en")
    sent = next(p.number for p in points if p.number > bought and p.what == "POST /orders")
    with lagging_accounts(story):
        story.stage.run(planted=story.planted, kill={"number": sent, "moment": "after"})
        story.stage.wait(2)
        story.guard()
    story.end()


@contextlib.contextmanager
def lagging_accounts(story: Story) -> Iterator[None]:
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


def dust(story: Story) -> None:
    """A person leaves less than can be protected: no stop, no alarm, closed only when cheap."""
    story.run()
    total = story.held.held("BTC-USD")
    story.cancel_by_hand(*story.held.stops("BTC-USD"))
    size = total - Decimal("0.00001")
    story.by_hand("BTC-USD", "SELL", market_market_ioc={"base_size": format(size, "f")})
    story.guard(code=None)
    story.expect(not story.held.stops("BTC-USD"), "dust rests under no stop")
    story.next_day(code=None)
    story.end()


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
    story.run()
    story.expect(not {"tr", "en", "pi"} & legs_of(story.held, BUSY), "nothing is traded")
    story.end()


def first_point(story: Story, what: str, *, changing: bool) -> int:
    """Return the number of the first point of a kind in an undisturbed run."""
    from tests.proofs.crash import trace

    points = trace(story.stage)
    story.begin()
    return next(p.number for p in points if p.what == what and p.is_changing == changing)


STORIES: dict[str, Callable[[Story], None]] = {
    function.__name__: function
    for function in (
        a_stretch_of_days,
        a_day_with_lags,
        a_day_with_pending_orders,
        a_forced_run_with_unchanged_data,
        a_finished_day_again,
        stopped_out_overnight,
        jump_below_the_limit,
        jump_and_back,
        level_above_the_market,
        breach_between_plan_and_buy,
        a_manual_sale,
        a_deposit,
        a_foreign_stop,
        a_foreign_sale,
        a_stop_that_vanished,
        a_vanished_stop_below_the_market,
        a_halted_product,
        a_limit_only_product,
        halted_after_the_cancel,
        stops_refused,
        stale_accounts_after_a_buy,
        stale_accounts_for_the_guard,
        an_answer_without_proof,
        a_cancel_that_is_turned_down,
        dust,
        bad_data,
        an_undefined_signal,
        a_lost_ledger,
        an_old_plan,
        asleep_in_the_middle,
    )
}


def tell(stage: Stage, eve: Path, name: str, planted: str = "") -> Story:
    """Tell one story from the evening before the busy day."""
    story = Story(stage, eve, planted)
    story.begin()
    try:
        STORIES[name](story)
    except (AssertionError, LookupError, ValueError, OSError) as error:
        story.findings.append(f"story: it broke: {error!r}")
        story.end()
    return story

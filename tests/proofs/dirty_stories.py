"""
Stories of a dirty world: what real accounts, books, candles and midnights have.

Each says what must come of it besides what the oracle looks at: nothing locked for cents, one bad
book one bad product, no start that ends well while something is unprotected.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from tests.proofs import dirt
from tests.proofs.crash import NO_LAGS
from tests.proofs.exchange_stories import first_point
from tests.proofs.story import BUSY, EXIT_DAY, Story, legs_of

CRUMB_DAYS = 3
GATE = ("--gate-minutes", "5")


def _kinds(story: Story) -> set[tuple[str, str]]:
    return {(one["kind"], one["product"]) for one in story.summary()["impediments"]}


def crumbs_from_nowhere(story: Story) -> None:
    """A few units appear each day: taken over with a note, nothing is locked, days are done."""
    story.run()
    for _ in range(CRUMB_DAYS):
        for product in story.held.held_products:
            step = Decimal(story.stage.product(product)["base_increment"])
            story.deposit(product.split("-")[0], step)
        story.next_day()
        story.expect(story.summary()["state"] == "done", f"the day is done: {_kinds(story)}")
    story.end()


def one_book_without_a_bid(story: Story) -> None:
    """The product is left alone and named, what was wanted of it is told; the others trade."""
    product = "ADA-USD"
    story.stage.exchange.engine.happen("books", {"product": product, "bids": False})
    story.run(code=None)
    traded = {o.product for o in story.held.orders if o.is_own and o.day == BUSY and o.filled}
    story.expect(traded == {"BTC-USD", "XTZ-USD"}, f"the others trade: {sorted(traded)}")
    story.expect(("no_price", product) in _kinds(story), f"it is named: {_kinds(story)}")
    story.stage.exchange.engine.happen("books", {"product": product})
    story.end()


def a_held_book_far_from_its_last_trade(story: Story) -> None:
    """A quarter of equity without a price: it is left alone, and nothing is bought that day."""
    story.stage.exchange.engine.happen("books", {"product": "BTC-USD", "away": "0.021"})
    before = {stop.client_id for stop in story.held.stops("BTC-USD")}
    story.run(code=1)
    story.expect(not legs_of(story.held, BUSY) & {"en", "pi"}, "nothing is bought")
    story.expect(("no_price", "BTC-USD") in _kinds(story), f"it is named: {_kinds(story)}")
    stops = {stop.client_id for stop in story.held.stops("BTC-USD")}
    story.expect(stops == before, "its stops stay as they are")
    story.stage.exchange.engine.happen("books", {"product": "BTC-USD"})
    story.end()


def what_was_there_before(story: Story) -> None:
    """Coins from before the first run are covered and never sold, whatever is wanted."""
    story.stage.put_back(story.stage.folder / "kept" / "beginning")
    story.deposit("XTZ", Decimal(900))
    story.run(code=None)
    story.expect(story.held.stops("XTZ-USD"), "what was there is under a stop")
    story.expect(("locked", "XTZ-USD") in _kinds(story), f"it is named: {_kinds(story)}")
    for _ in range(3):
        story.next_day(code=None)
    sold = [o for o in story.held.orders if o.is_own and o.side == "SELL" and o.filled]
    sold = [o for o in sold if o.product == "XTZ-USD" and o.leg in ("tr", "ex", "du")]
    story.expect(not sold, "nothing of it is sold by a plan")
    story.end()
    # Nobody knows for how long it had been without a stop before the first run saw it.
    story.findings = [f for f in story.findings if not f.startswith("bare_time: XTZ-USD")]


def started_after_the_gate(story: Story) -> None:
    """Killed right after a purchase, started again when the gate is closed: covered, then gone."""
    number = first_point(story, "POST /orders", changing=True)
    story.run(code=None, kill={"number": number + 1, "moment": "after"})
    story.stage.wait(900)
    ended = story.stage.call("run", "--no-notebook", *GATE, planted=story.planted)
    story.expect(ended.code == 0, f"the late start ends well: {ended.code} {ended.said[-300:]}")
    story.expect("gate_skip" in ended.said, "it says that the gate is closed")
    story.end()


def a_storm_at_midnight(story: Story) -> None:
    """Nothing but 503 until half past three minutes: the day is done, nothing doubled."""
    story.stage.exchange.add_fault(
        kind="status", status=503, **{"from": "00:01:00", "until": "00:03:30"}
    )
    ended = story.stage.call("run", "--no-notebook", *GATE, planted=story.planted)
    story.expect(ended.code == 0, f"the day is done: {ended.code} {ended.said[-300:]}")
    story.stage.exchange.clear_faults()
    story.expect("en" in legs_of(story.held, BUSY), "what was wanted is traded")
    story.end()


def a_high_that_never_was(story: Story) -> None:
    """One high of yesterday times a hundred: not believed on any day, the stop stays, no sale."""
    last = BUSY - dt.timedelta(days=1)
    bent = {last.isoformat(): {"high": "100"}}
    story.stage.exchange.add_fault(
        kind="candles_scaled", endpoint="GET /products/ETH-USD/candles", value=bent
    )
    before = story.held.held("ETH-USD")
    for number in range(4):
        story.run(code=None) if not number else story.next_day(code=None)
        stop = max((s.stop or Decimal(0) for s in story.held.stops("ETH-USD")), default=Decimal(0))
        story.expect(stop < story.last("ETH-USD"), f"day {number}: the stop is below the market")
        emptied = story.held.held("ETH-USD") < before / 10
        story.expect(not emptied, f"day {number}: a held coin is not sold for a wrong bar")
    story.stage.exchange.clear_faults()
    story.end()


def an_old_backup(story: Story) -> None:
    """The records of three days ago come back: no stop is lowered, nothing is bought twice."""
    levels = _with_old_records(story)
    story.guard(code=None)
    story.next_day(code=None)
    _expect_levels(story, levels)
    story.end(ledger_is_whole=False)


def an_old_backup_and_lost_stops(story: Story) -> None:
    """The same, and the stops are gone: they come back where the highest of them rested."""
    levels = _with_old_records(story)
    for product in sorted(levels):
        story.cancel_by_hand(*story.held.stops(product))
    story.guard(code=None)
    _expect_levels(story, levels)
    story.end(ledger_is_whole=False)


def _with_old_records(story: Story) -> dict[str, Decimal]:
    """Live on for three days, bring the records of before back; return where stops rest."""
    story.run()
    kept = story.stage.folder / "old_runs"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(story.stage.runs, kept, symlinks=True)
    for _ in range(3):
        story.next_day()
    levels = {
        product: stop.stop
        for product in story.held.held_products
        if story.held.stops(product) and (stop := story.stop_of(product)).stop is not None
    }
    _put_back(kept, story.stage.runs)
    return levels


def _expect_levels(story: Story, levels: Mapping[str, Decimal]) -> None:
    for product, level in sorted(levels.items()):
        now = [stop.stop for stop in story.held.stops(product) if stop.stop is not None]
        if story.held.held(product) > 1:
            story.expect(now, f"{product} is under a stop")
        if now:
            story.expect(min(now) >= level, f"{product}: {min(now)} rests where {level} did")


def _put_back(kept: Path, runs: Path) -> None:
    shutil.rmtree(runs)
    shutil.copytree(kept, runs, symlinks=True)


def holds_that_come_back_late(story: Story) -> None:
    """Two minutes after a cancel the base is free again: everything is under a stop in the end."""
    story.stage.exchange.set_delays(hold_release_seconds=119)
    story.run(code=None)
    story.guard(code=None)
    story.stage.exchange.set_delays(**NO_LAGS)
    story.end()


def one_stop_in_a_band(story: Story) -> None:
    """A stop is refused by a price band: the same level rests with a nearer limit."""
    dirt.refused_stop(story.stage, "ETH-USD")
    story.run(code=None)
    story.stage.exchange.clear_faults()
    story.expect(story.held.stops("ETH-USD"), "ETH-USD is under a stop")
    story.end()


def every_stop_in_a_band(story: Story) -> None:
    """Limits may lie one percent below their stop at most: they come nearer, nothing is lost."""
    story.stage.exchange.set_delays(stop_band="0.01")
    story.run()
    story.expect("en" in legs_of(story.held, BUSY), "what was wanted is traded")
    story.stage.exchange.set_delays(stop_band=None)
    story.end()


def buys_in_quote_currency_only(story: Story) -> None:
    """Market buys sized in base units are refused: they are sized in quote currency."""
    story.stage.exchange.set_delays(refused_buys="base_sized")
    story.run()
    story.expect("en" in legs_of(story.held, BUSY), "what was wanted is bought")
    story.end()


def every_buy_refused(story: Story) -> None:
    """The exchange's words are told, on the day and on the next."""
    story.stage.exchange.set_delays(refused_buys="all")
    for _ in range(2):
        story.run(code=None) if story.summary()["date"] < BUSY.isoformat() else story.next_day(
            code=None
        )
        wanted = {t for t, row in story.summary()["tickers"].items() if row["trade_notional"] > 0}
        told = {product for kind, product in _kinds(story) if kind == "buy_refused"}
        story.expect(wanted <= told, f"refused buys are told: {wanted} wanted, {told} told")
    story.end()


def locked_products_still_leave(story: Story) -> None:
    """A person's coins lie beside ours: adds and trims wait, a full exit sells what is ours."""
    story.run()
    theirs = {name: story.held.held(name) / 2 for name in story.held.held_products}
    for name, units in theirs.items():
        units = story.stage.on_grid(name, units, step="base_increment")
        story.deposit(name.split("-")[0], units)
        theirs[name] = units
    left: set[str] = set()
    while story.stage.exchange.now().date() < EXIT_DAY and not left:
        story.next_day(code=None)
        rows = story.summary()["tickers"]
        left = {name for name in theirs if rows[name]["reason"] == "full_exit"}
        for name in left:
            sold = any(o.leg == "ex" and o.filled for o in story.held.orders if o.product == name)
            story.expect(sold, f"what is ours of {name} is sold")
            story.expect(story.held.held(name) >= theirs[name], f"theirs of {name} is kept")
    story.expect(left, "a locked product is to leave on some day")
    story.end()

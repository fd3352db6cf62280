"""
Scenario days: each tells a short story to the exchange and says what must come of it.

What the oracle judges is asked after every story; beyond that a story expects its own facts.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

from tests.proofs import dirty_stories, exchange_stories, wish_stories
from tests.proofs.crash import LAGS, NO_LAGS
from tests.proofs.stage import Stage
from tests.proofs.story import BUSY, EXIT_DAY, Story, days_of, legs_of, stories_of

CENT = Decimal("0.01")


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
    """From above the stop to below its limit: triggered, unfilled, sold at the market."""
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
    """Below the limit and back before anybody looked: filled at the limit, told as unprotected."""
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
    to, until = story.stage.on_grid(product, price), at + dt.timedelta(hours=3)
    story.stage.exchange.plant_jump(product, at, to, hold_until=until)
    story.run(code=None)
    bought = [o for leg in ("en", "pi") for o in story.orders(leg, BUSY) if o.product == product]
    story.expect(not any(o.created > at for o in bought), "nothing is bought below the stop")
    story.end()


# -- people ----------------------------------------------------------------------------------


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
    """Units under somebody's other sell are unprotected: exit 3, the rest is protected."""
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
    """Cancelled by hand, and price is below it when we look: sold at the market."""
    story.run()
    stop = story.stop_of("XTZ-USD")
    assert stop.stop is not None
    story.cancel_by_hand(*story.held.stops("XTZ-USD"))
    story.jump("XTZ-USD", stop.stop * Decimal("0.97"), minutes=60)
    story.guard(code=None)
    story.expect(story.held.held("XTZ-USD") < 1, "it was sold at the market")
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


STORIES = stories_of(globals()) | stories_of(vars(wish_stories))
STORIES |= stories_of(vars(exchange_stories)) | stories_of(vars(dirty_stories))


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

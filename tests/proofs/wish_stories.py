"""Scenario days on which somebody pauses, or wants out."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from tests.proofs.story import BUSY, Story, legs_of

TRADES = {"en", "pi", "tr", "ex"}


def a_pause_over_a_busy_day(story: Story) -> None:
    """Its trims and its entry wait, its stops are raised; resumed, the next day trades."""
    story.stage.call("pause", planted=story.planted)
    raised = {stop.product: stop.stop for stop in story.held.orders if stop.protects}
    story.run(code=None)
    story.expect(not legs_of(story.held, BUSY) & TRADES, "a paused day trades nothing")
    now = {stop.product: stop.stop for stop in story.held.orders if stop.protects}
    story.expect(now != raised, "a paused day raises stops")
    kinds = {one["kind"] for one in story.summary()["impediments"]}
    story.expect("paused" in kinds, f"it is named: {kinds}")
    story.guard()
    story.end()
    story.stage.call("resume", planted=story.planted)
    story.next_day(code=None)
    story.expect(legs_of(story.held, BUSY + dt.timedelta(days=1)) & TRADES, "then it trades")
    story.end()


def out_of_everything_beside_coins_of_others(story: Story) -> None:
    """Ours are sold and bought back only when somebody resumes; theirs rest under a stop."""
    story.deposit("ETH", Decimal(2))
    story.guard(code=None)
    ended = story.stage.call("flatten", "--all", "--yes", planted=story.planted)
    story.expect(ended.code == 0, f"the flatten ends well: {ended.code} {ended.said[-400:]}")
    held = {name: story.held.held(name) for name in story.held.held_products}
    story.expect(set(held) == {"ETH-USD"}, f"only theirs is held: {held}")
    story.expect(held.get("ETH-USD", Decimal(0)) >= 2, f"theirs is not sold: {held}")
    story.end()
    story.run(code=None)
    story.next_day(code=None)
    bought = [o for leg in ("en", "pi") for o in story.orders(leg) if o.day >= BUSY]
    story.expect(not bought, "nothing is bought back")
    story.end()

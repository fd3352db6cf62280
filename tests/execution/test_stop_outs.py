"""Stops at work: triggered and filled, jumped over, vanished, raised; and what follows."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.app.profile import Profile, must_end
from tests.app.venue import cancel_by_hand, jump, level, times

NEXT, AFTER = "2024-03-12", "2024-03-13"
WEEK_LATER = ("2024-03-18", "2024-03-19")
GONE = "ETH-USD"


def sold(profile: Profile, product: str) -> list[str]:
    """Return the legs that sold a product, in their order."""
    sales = [o for o in profile.exchange().orders if o.side == "SELL" and o.filled]
    return [o.leg for o in sales if o.product == product]


def test_gap_below_the_limit(held: Profile) -> None:
    """
    From above the stop to below its limit at 00:00:30: triggered, not filled, protects nothing.

    The run looks twice, cancels it and sells at the market; the cooldown begins.
    """
    price = times(level(held, GONE), "0.90")
    jump(held, GONE, NEXT, price)

    must_end(held.run(NEXT))

    exchange = held.exchange()
    assert exchange.held(GONE) == 0
    assert set(sold(held, GONE)) == {"em"}
    for fill in exchange.fills:
        if fill.product == GONE and fill.side == "SELL":
            assert fill.price == price * Decimal("0.999")
    assert held.wrong(NEXT) == []
    summary = held.summary(NEXT)
    assert summary["cooldowns"][GONE] == NEXT
    assert summary["bare_seconds"][GONE] >= 30
    row = next(row for row in summary["stops"] if row["product"] == GONE)
    assert "market exit: stop triggered and price is below its limit" in row["reason"]


def test_gap_between_stop_and_limit_fills(held: Profile) -> None:
    """Below the stop and above the limit it is sold at once; the run finds nothing held."""
    jump(held, GONE, NEXT, times(level(held, GONE), "0.995"))

    must_end(held.run(NEXT))

    assert held.exchange().held(GONE) == 0
    assert set(sold(held, GONE)) <= {"sc", "sa"}
    assert held.summary(NEXT)["cooldowns"][GONE] == NEXT
    assert held.summary(NEXT)["tickers"][GONE]["reason"] in ("cooldown_active", "no_position")


def test_nothing_is_bought_for_a_week(held: Profile) -> None:
    """The day of the stop's fill is the first of seven."""
    jump(held, GONE, NEXT, times(level(held, GONE), "0.90"))
    for day in (NEXT, AFTER, *WEEK_LATER):
        must_end(held.run(day))
        reason = held.summary(day)["tickers"][GONE]["reason"]
        bought = [o for o in held.exchange().orders if o.product == GONE and o.leg in ("en", "pi")]
        new = [o for o in bought if str(o.day) == day]
        if day != WEEK_LATER[1]:
            assert new == [], day
            assert reason in ("cooldown_active", "no_position", "below_threshold"), day


def test_triggered_and_price_came_back(held: Profile) -> None:
    """Jumped below the limit a day ago and ran back since: it filled at its limit on the way."""
    limits = {stop.limit for stop in held.exchange().stops(GONE)}
    jump(held, GONE, NEXT, times(level(held, GONE), "0.90"))

    must_end(held.run(AFTER))

    assert held.exchange().held(GONE) == 0
    assert set(sold(held, GONE)) <= {"sc", "sa"}
    prices = {f.price for f in held.exchange().fills if f.product == GONE and f.side == "SELL"}
    assert prices == limits
    assert held.wrong(AFTER) == []
    assert held.summary(AFTER)["cooldowns"][GONE] == NEXT


@pytest.mark.parametrize("leg", ["sc", "sa"])
def test_stop_that_a_person_cancelled(held: Profile, leg: str) -> None:
    """Either slot, the older or the younger: placed again at its level or above, and reported."""
    (stop,) = [o for o in held.exchange().stops("ADA-USD") if o.leg == leg]
    assert stop.stop is not None
    cancel_by_hand(held, stop.client_id)
    assert held.wrong("2024-03-11")

    must_end(held.run(NEXT))

    assert held.wrong(NEXT) == []
    assert min(o.stop for o in held.exchange().stops("ADA-USD") if o.stop) >= stop.stop
    row = next(row for row in held.summary(NEXT)["stops"] if row["product"] == "ADA-USD")
    assert any("ended without our cancel" in note for note in row["notes"])
    assert held.summary(NEXT)["bare_seconds"]["ADA-USD"] > 0


def test_protect_restores_a_cancelled_stop_at_its_level(held: Profile) -> None:
    """By hand or by the guard: the level that is remembered, none higher, none lower."""
    for name, ticker in (("protect", "ADA-USD"), ("guard", "XTZ-USD")):
        stops = [o for o in held.exchange().stops(ticker) if o.leg == "sc"]
        cancel_by_hand(held, stops[0].client_id)

        must_end(held.call(name))

        (again,) = [o for o in held.exchange().stops(ticker) if o.leg == "sc"]
        assert (again.stop, again.size) == (stops[0].stop, stops[0].size)
    assert held.wrong("2024-03-11") == []


def test_vanished_stop_and_price_below_it(held: Profile) -> None:
    """A person cancelled it and price fell through its level: sold, not placed below."""
    jump(held, GONE, NEXT, times(level(held, GONE), "0.97"))
    for stop in held.exchange().stops(GONE):
        cancel_by_hand(held, stop.client_id)

    must_end(held.run(NEXT))

    assert held.exchange().held(GONE) == 0
    assert set(sold(held, GONE)) == {"em"}
    assert held.summary(NEXT)["cooldowns"][GONE] == NEXT


def test_one_vanished_slot_and_price_below_it(held: Profile) -> None:
    """The older of two stops was cancelled by hand: its units leave as the other's do."""
    jump(held, "ADA-USD", NEXT, times(level(held, "ADA-USD"), "0.97"))
    (core,) = [o for o in held.exchange().stops("ADA-USD") if o.leg == "sc"]
    cancel_by_hand(held, core.client_id)

    must_end(held.run(NEXT))

    assert held.exchange().held("ADA-USD") == 0
    row = next(row for row in held.summary(NEXT)["stops"] if row["product"] == "ADA-USD")
    assert any(f"{core.client_id} ended without our cancel" in note for note in row["notes"])
    assert held.wrong(NEXT) == []
    assert held.summary(NEXT)["cooldowns"]["ADA-USD"] == NEXT


def test_level_above_market_is_clamped_and_not_remembered(held: Profile, tmp_path: Path) -> None:
    """
    Price between the level that rests and the one that is due today.

    The stop goes two ticks below the market; what is remembered is where it belongs.
    """
    twin = held.copied(tmp_path / "twin")
    twin.run(NEXT)
    old, due = level(held, GONE), level(twin, GONE)
    tick = Decimal("0.01")
    between = due - 5 * tick
    assert between > old * Decimal("1.006")
    jump(held, GONE, NEXT, between)

    must_end(held.run(NEXT))

    assert level(held, GONE) == between - 2 * tick
    levels = {x["product"]: x["target_level"] for x in held.ledger() if x["kind"] == "level"}
    assert Decimal(levels[GONE]) == due
    assert held.wrong(NEXT) == []


def test_raise_is_one_cancel_and_one_stop(held: Profile) -> None:
    """Per slot; a raise below `min_raise_bps` is none."""
    sent = held.count_requests()
    before = {p: held.exchange().stops(p) for p in held.exchange().held_products}

    must_end(held.run(NEXT))

    raised = [
        p
        for p, stops in before.items()
        if {o.client_id for o in stops} != {o.client_id for o in held.exchange().stops(p)}
    ]
    for product, stops in before.items():
        now = held.exchange().stops(product)
        if product in raised:
            assert all(
                new.stop >= old.stop * Decimal("1.005")
                for new in now
                for old in stops
                if new.stop and old.stop and new.leg == old.leg
            )
    slots = sum(len(before[p]) for p in raised)
    changes = held.changed(after=sent)
    assert len([x for x in changes if "batch_cancel" in x]) == slots
    assert len([x for x in changes if "stop_limit_stop_limit_gtc" in x]) == slots

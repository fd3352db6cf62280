"""What the exchange refuses: sent in another form where there is one, else told in its words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.app.profile import FAULTS, MakeProfile, Profile, going_wrong, must_end

DAY, NEXT = "2024-03-11", "2024-03-12"
HELD = ("ADA-USD", "ETH-USD", "XTZ-USD")
EVERY_STOP = {
    "kind": "refuse",
    "endpoint": "POST /orders",
    "contains": "stop_limit_stop_limit_gtc",
    "error": "LIMIT_ORDER_PRICE_EXCEEDS_PRICE_BAND_ON_SELL",
    "preview": "PREVIEW_BREACHED_PRICE_LIMIT",
    "message": "limit is too far",
}


@pytest.fixture
def profile(make_profile: MakeProfile) -> Profile:
    return make_profile(exchange=FAULTS)


def impediments(profile: Profile, day: str, kind: str) -> dict[str, dict[str, Any]]:
    """Return a day's impediments of a kind by product."""
    found = profile.summary(day)["impediments"]
    return {one["product"]: one for one in found if one["kind"] == kind}


def test_stops_keep_their_levels_within_a_band(profile: Profile) -> None:
    """Limits may lie 1 % beyond their stop: they do, and the day is as good as any other."""
    with going_wrong(profile, world={"stop_band": "0.01"}):
        must_end(profile.run(DAY))

    exchange = profile.exchange()
    assert exchange.held_products == HELD
    assert profile.wrong(DAY) == []
    for product in HELD:
        for stop in exchange.stops(product):
            assert stop.stop is not None
            assert stop.limit is not None
            assert stop.limit >= stop.stop * 99 / 100
    rows = {row["product"]: row for row in profile.summary(DAY)["stops"]}
    for name in HELD:
        target, resting = (Decimal(rows[name][key]) for key in ("target_level", "resting_level"))
        assert 0 <= target - resting < profile.rules(DAY)[name].price_increment


def test_where_no_stop_is_taken_it_is_said_each_day(profile: Profile) -> None:
    """The pilots are sold; why, since when and in whose words stands on both days."""
    with going_wrong(profile, EVERY_STOP):
        first, said = profile.run(DAY)
        before = len(profile.exchange().orders)
        second, said_again = profile.run(NEXT)

    assert (first, second) == (1, 1), said + said_again
    assert profile.exchange().held_products == ()
    assert len(profile.exchange().orders) == before
    found: dict[str, Any] = {}
    for day in (DAY, NEXT):
        found = impediments(profile, day, "not_protectable")
        assert found
        for one in found.values():
            assert one["since"] == DAY
            rungs = ", ".join(f"with its limit {far} below" for far in ("1 %", "0.5 %", "one tick"))
            assert f"at its level, {rungs}: PREVIEW_BREACHED_PRICE_LIMIT" in one["why"]
            assert "LIMIT_ORDER_PRICE_EXCEEDS_PRICE_BAND_ON_SELL; limit is too far" in one["why"]
    assert all("since 2024-03-11" in one["why"] for one in found.values())


def test_buys_are_sized_by_money_where_no_other_is_taken(profile: Profile) -> None:
    """Each position is bought and under its stop; the fraction of a step beside it stays."""
    with going_wrong(profile, world={"refused_buys": "base_sized"}):
        codes = [profile.run(day) for day in (DAY, NEXT)]

    assert [code for code, _ in codes] == [0, 0], codes
    exchange, rules = profile.exchange(), profile.rules(DAY)
    assert exchange.held_products == HELD
    assert profile.wrong(NEXT) == []
    assert any(exchange.held(name) != rules[name].floored(exchange.held(name)) for name in HELD)
    planned = {one["product_id"]: one for one in profile.json(DAY, "plan.json")["orders"]}
    for name in HELD:
        bought = sum(o.filled for o in exchange.orders if o.product == name and o.side == "BUY")
        share = float(bought) / float(planned[name]["base_size"])
        assert 0.97 < share <= 1.0


def test_where_no_buy_is_taken_the_day_fails_in_the_exchanges_words(profile: Profile) -> None:
    """Nothing is held, and it is no good day."""
    with going_wrong(profile, world={"refused_buys": "all"}):
        must_end(profile.run(DAY), 1)

    assert profile.exchange().held_products == ()
    found = impediments(profile, DAY, "buy_refused")
    assert set(found) == set(HELD)
    assert all("source is not enabled for trading" in one["why"] for one in found.values())

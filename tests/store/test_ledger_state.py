"""What the lines add up to: orders, marks, levels, cooldowns, belief, bare time."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.store.build import DAY, ENTRY, STOP, STOP_BODY, Clock, again, market, pinned
from tf_lib.core.model.client_ids import Leg, LegKey
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import Side
from tf_lib.store.ledger_state import NotProtectable, Pause


def test_an_order_keeps_what_was_learnt(tmp_path: Path) -> None:
    """Stage, id at the exchange, fills and fees; the body is frozen."""
    ledger = pinned(tmp_path)
    identity = ledger.intend(ENTRY, market("2")).client_id
    ledger.move(identity, OrderStage.ACKED, order_id="o-1")
    ledger.append("facts", client_id=identity, filled_size="0.5", filled_value="50", fees="0.6")
    assert ledger.state.orders[identity].may_be_live
    ledger.move(
        identity,
        OrderStage.DONE,
        detail="FILLED",
        filled_size="2",
        filled_value="200",
        fees="2.4",
        last_fill_at="2024-03-01T00:01:05+00:00",
    )
    order = again(ledger).state.orders[identity]

    assert (order.stage, order.order_id, order.base_size) == (OrderStage.DONE, "o-1", Decimal(2))
    assert (order.filled_size, order.filled_value) == (Decimal(2), Decimal(200))
    assert order.fees == Decimal("2.4")
    assert order.signed_fill == 2
    assert order.last_fill_at == dt.datetime(2024, 3, 1, 0, 1, 5, tzinfo=dt.UTC)
    assert not order.may_be_live


def test_own_fills_move_the_expected_holding(tmp_path: Path) -> None:
    """Since the last confirmed total: what we bought less what we sold, each fill once."""
    ledger = pinned(tmp_path)
    ledger.append("confirmed", totals={"BTC": "1"})
    buy = ledger.intend(ENTRY, market("2")).client_id
    ledger.move(buy, OrderStage.ACKED, order_id="o-1")
    ledger.append("facts", client_id=buy, filled_size="0.5")
    ledger.move(buy, OrderStage.DONE, filled_size="2")
    sell = ledger.intend(LegKey(DAY, "BTC-USD", Side.SELL, Leg.TRIM), market("0.25")).client_id
    ledger.move(sell, OrderStage.ACKED, order_id="o-2")
    ledger.move(sell, OrderStage.DONE, filled_size="0.25")
    state = again(ledger).state

    assert state.confirmed["BTC"] == Decimal(1)
    assert state.fills_since_confirmed["BTC"] == Decimal("1.75")

    ledger.append("confirmed", totals={"BTC": "2.75"})
    state = again(ledger).state
    assert state.confirmed["BTC"] == Decimal("2.75")
    assert "BTC" not in state.fills_since_confirmed


@pytest.mark.parametrize("forced", [True, False])
def test_only_a_forced_claim_begins_a_second_set(tmp_path: Path, forced: bool) -> None:
    """Marks and plan of the first are gone, the count of attempts is not; a rerun resumes them."""
    ledger = pinned(tmp_path)
    for mark in ("claimed", "effects_complete", "done"):
        ledger.mark(DAY, mark)
    ledger.append("plan", day=DAY.isoformat(), planned_at="2024-03-01T00:01:00+00:00", orders=[])
    ledger.mark(DAY, "claimed", attempt=2, forced=forced)
    state = again(ledger).state

    assert state.has_mark(DAY, "done") is not forced
    assert state.has_mark(DAY, "effects_complete") is not forced
    assert (DAY in state.plans) is not forced
    assert state.attempts[DAY] == 2


def test_level_lives_as_long_as_the_holding(tmp_path: Path) -> None:
    """Dust ends it; the stops of the next holding are told from those of the last."""
    clock = Clock()
    ledger = pinned(tmp_path, clock)
    old = ledger.intend(STOP, STOP_BODY).client_id
    ledger.move(old, OrderStage.ACKED, order_id="o-1")
    ledger.append("level", product="BTC-USD", target_level="90")
    ledger.append("level", product="BTC-USD", target_level="95")
    assert again(ledger).state.levels == {"BTC-USD": Decimal(95)}
    clock.go(seconds=1)
    ledger.append("flat", product="BTC-USD")
    assert again(ledger).state.levels == {}
    clock.go(seconds=1)
    new = ledger.intend(STOP, STOP_BODY).client_id
    ledger.move(new, OrderStage.ACKED, order_id="o-2")

    stops = again(ledger).state.stops_of_holding("BTC-USD")

    assert [order.client_id for order in stops] == [new]


def test_the_latest_cooldown_counts(tmp_path: Path) -> None:
    """A line about an older fill, found later, does not shorten it."""
    ledger = pinned(tmp_path)
    for start in ("2024-03-01", "2024-02-20", "2024-02-27"):
        ledger.append("cooldown", product="BTC-USD", start=start, cause="test")

    assert again(ledger).state.cooldowns == {"BTC-USD": dt.date(2024, 3, 1)}


def test_unprotected_time_runs_from_the_first_to_the_cover(tmp_path: Path) -> None:
    """A clock that runs is not set back; the seconds of a day add up; money is counted, too."""
    clock = Clock()
    ledger = pinned(tmp_path, clock)
    ledger.append("bare", product="BTC-USD", since=clock().isoformat())
    clock.go(seconds=3)
    ledger.append("bare", product="BTC-USD", since=clock().isoformat())
    clock.go(seconds=2)
    ledger.append("covered", product="BTC-USD", day=DAY.isoformat(), notional="100")
    assert again(ledger).state.bare_since == {}
    clock.go(seconds=10)
    ledger.append("bare", product="BTC-USD", since=clock().isoformat())
    clock.go(seconds=1)
    ledger.append("covered", product="BTC-USD", day=DAY.isoformat(), notional="50")
    state = again(ledger).state

    assert state.unprotected_seconds_on(DAY) == {"BTC-USD": 6.0}
    assert state.unprotected_usd_seconds_on(DAY) == {"BTC-USD": 5 * 100 + 1 * 50}
    assert state.unprotected_seconds_on(DAY + dt.timedelta(days=1)) == {}


def test_cover_without_a_clock_is_nothing(tmp_path: Path) -> None:
    """No second is invented."""
    ledger = pinned(tmp_path)
    ledger.append("covered", product="BTC-USD", day=DAY.isoformat())

    assert again(ledger).state.unprotected_seconds_on(DAY) == {}


def test_locked_until_released(tmp_path: Path) -> None:
    """The release forgets what was expected, so that what is there counts from now on."""
    ledger = pinned(tmp_path)
    ledger.append("confirmed", totals={"BTC": "1"})
    ledger.append("locked", product="BTC-USD", why="a manual trade")
    assert again(ledger).state.locked == {"BTC-USD": "a manual trade"}

    ledger.append("released", product="BTC-USD")

    state = again(ledger).state
    assert (state.locked, state.confirmed) == ({}, {})


def test_a_proven_product_is_protectable_again(tmp_path: Path) -> None:
    """A stop that was seen OPEN ends the doubt."""
    ledger = pinned(tmp_path)
    ledger.append("not_protectable", product="BTC-USD", day=DAY.isoformat())
    later = DAY + dt.timedelta(days=8)
    ledger.append("not_protectable", product="BTC-USD", day=later.isoformat(), why="BAND")
    found = again(ledger).state.not_protectable["BTC-USD"]
    assert found == NotProtectable(since=DAY, day=later, times=2, why="BAND")

    ledger.append("proven", product="BTC-USD")

    assert again(ledger).state.not_protectable == {}
    assert again(ledger).state.proven_products == {"BTC-USD"}


@pytest.mark.parametrize(("times", "days"), [(1, 7), (2, 14), (3, 28), (4, 56), (9, 56)])
def test_a_refused_stop_is_tried_again_ever_later(times: int, days: int) -> None:
    """Seven days, then twice as long each time, up to eightfold."""
    found = NotProtectable(DAY, DAY, times, "BAND")

    assert found.is_left_alone(DAY + dt.timedelta(days=days - 1), days=7)
    assert not found.is_left_alone(DAY + dt.timedelta(days=days), days=7)


def test_orders_of_a_leg_and_live_orders(tmp_path: Path) -> None:
    """By ordinal; live are those the exchange may still hold or fill."""
    ledger = pinned(tmp_path)
    first = ledger.intend(STOP, STOP_BODY).client_id
    second = ledger.intend(STOP, STOP_BODY).client_id
    ledger.move(first, OrderStage.REFUSED)
    entry = ledger.intend(ENTRY, market("1")).client_id
    state = again(ledger).state

    assert [order.client_id for order in state.of_leg(STOP)] == [first, second]
    assert [order.client_id for order in state.live_orders()] == [second, entry]
    assert [order.client_id for order in state.live_orders("BTC-USD")] == [second, entry]
    assert state.live_orders("ETH-USD") == []
    assert [order.client_id for order in state.of_day(DAY)] == [first, second, entry]


def test_a_cancel_that_was_not_taken_is_forgotten(tmp_path: Path) -> None:
    """What ends the order later is then not our doing."""
    ledger = pinned(tmp_path)
    identity = ledger.intend(STOP, STOP_BODY).client_id
    ledger.move(identity, OrderStage.ACKED, order_id="o-1")
    ledger.move(identity, OrderStage.WORKING)
    ledger.move(identity, OrderStage.CANCEL_SENT)
    assert again(ledger).state.orders[identity].cancel_sent

    ledger.move(identity, OrderStage.WORKING)

    assert not again(ledger).state.orders[identity].cancel_sent


@pytest.mark.parametrize(
    ("until", "held"), [(None, (True, True, True)), ("2024-03-03", (True, True, False))]
)
def test_pause_ends_on_first_day_that_trades(tmp_path: Path, until: str | None, held: Any) -> None:
    """The day it names trades; without one it holds until somebody resumes."""
    ledger = pinned(tmp_path)
    ends = {} if until is None else {"until": until}
    ledger.append("paused", day="2024-03-01", why="at the sea", **ends)
    state = again(ledger).state

    days = [dt.date(2024, 3, day) for day in (1, 2, 3)]
    assert tuple(state.paused_on(day) is not None for day in days) == held
    ledger.append("resumed")
    assert again(ledger).state.pause is None


def test_a_pause_within_a_pause_began_with_the_first(tmp_path: Path) -> None:
    """The later one says until when; after one that is over another begins anew."""
    ledger = pinned(tmp_path)
    for day, until in (("2024-03-01", "2024-03-05"), ("2024-03-04", "2024-03-09")):
        ledger.append("paused", day=day, until=until, why="")
    assert again(ledger).state.pause == Pause(dt.date(2024, 3, 1), dt.date(2024, 3, 9))

    ledger.append("paused", day="2024-03-09", why="again")

    assert again(ledger).state.pause == Pause(dt.date(2024, 3, 9), None, "again")


def test_a_flatten_is_open_until_all_of_it_is_sold(tmp_path: Path) -> None:
    """A second wish is put to the first, which says when it began; resuming gives both up."""
    ledger = pinned(tmp_path)
    first = ledger.append("flatten", day="2024-03-01", products=["ETH-USD", "ADA-USD"])
    ledger.append("flattened", products=["ADA-USD"])
    ledger.append("flatten", day="2024-03-01", products=["BTC-USD"])
    wish = again(ledger).state.flatten

    assert wish is not None
    assert wish.products == ("BTC-USD", "ETH-USD")
    assert wish.begun_at.isoformat() == first["at"]
    ledger.append("flattened", products=["BTC-USD"])
    assert again(ledger).state.flatten is not None
    ledger.append("flattened", products=["ETH-USD"])
    assert again(ledger).state.flatten is None
    ledger.append("flatten", day="2024-03-02", products=["BTC-USD"])
    ledger.append("resumed")
    assert again(ledger).state.flatten is None


def test_orders_of_another_plan_do_not_count_for_the_days(tmp_path: Path) -> None:
    """A flatten sells by a plan of its own; ordinals go on all the same."""
    ledger = pinned(tmp_path)
    ledger.mark(DAY, "claimed")
    ledger.append("plan", day=DAY.isoformat(), planned_at=ledger.now().isoformat(), orders=[])
    key = LegKey(DAY, "BTC-USD", Side.SELL, Leg.EXIT)
    of_day = ledger.intend(key, market("1"))
    of_flatten = ledger.intend(key, market("2"), plan="2024-03-01-flatten-9")
    state = again(ledger).state

    assert state.of_plan(key) == [state.orders[of_day.client_id]]
    assert state.of_plan(key, "2024-03-01-flatten-9") == [state.orders[of_flatten.client_id]]
    assert of_flatten.ordinal == of_day.ordinal + 1

"""One order and its answers, on a machine that sleeps and an exchange that leaves things out."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from tests.app.profile import put
from tests.execution.desks import COIN, DAY, Bench
from tf_lib.core.model.client_ids import Leg, LegKey
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import MarketOrder, Side
from tf_lib.execution.order_sender import PlanRef

SIZE = {"base_size": "1"}
DROPPED = {"kind": "drop_before", "endpoint": "POST /orders"}


def market(side: Side, size: str = "1") -> MarketOrder:
    return MarketOrder(COIN, side, Decimal(size))


def test_a_request_after_a_sleep_is_absent_only_long_after_it(bench: Bench) -> None:
    """The machine slept between intent and request: the request's own 150 seconds count."""
    bench.exchange.add_fault(**DROPPED)
    bench.desk.client.line.before_send = lambda action, subject: bench.go(300)
    began = bench.exchange.now()

    record = bench.buy()

    assert record.stage is OrderStage.ABSENT
    moves = [x for x in bench.desk.ledger.lines if x["kind"] == "move"]
    answered, absent = (dt.datetime.fromisoformat(moves[n]["at"]) for n in (0, -1))
    assert answered - began >= dt.timedelta(seconds=300)
    assert absent - answered > dt.timedelta(seconds=150)


@pytest.mark.parametrize(("minutes", "again"), [(8, 2), (11, 1)])
def test_a_sale_of_an_old_plan_is_not_sent_again(bench: Bench, minutes: int, again: int) -> None:
    """Its answer was lost: within the plan's ten minutes it may go out once more, later not."""
    bench.buy()
    planned = bench.exchange.now() - dt.timedelta(minutes=minutes)
    bench.desk.ledger.append(
        "plan", day=str(DAY), planned_at=planned.isoformat(), orders=[], levels={}
    )
    bench.exchange.add_fault(**DROPPED)
    sent = len(bench.exchange.request_log)

    bench.desk.send(Leg.EXIT, market(Side.SELL))

    posts = [x for x in bench.exchange.request_log[sent:] if x["path"].endswith("/orders")]
    assert len(posts) == again


@pytest.mark.parametrize(
    ("leg", "is_paused", "named", "again"),
    [
        (Leg.TRIM, False, None, 2),
        (Leg.TRIM, True, None, 1),
        (Leg.EXIT, True, None, 2),
        (Leg.EXIT, True, "2024-03-11-flatten-9", 2),
    ],
)
def test_in_a_pause_only_a_full_exit_is_sent_again(
    bench: Bench, leg: Leg, is_paused: bool, named: str | None, again: int
) -> None:
    """Its answer was lost; of the day's plan as of a flatten's own."""
    bench.buy()
    ledger, now = bench.desk.ledger, bench.exchange.now()
    ledger.append("plan", day=str(DAY), planned_at=now.isoformat(), orders=[], levels={})
    if is_paused:
        ledger.append("paused", day=str(DAY), why="")
    if named is not None:
        bench.desk.plan = PlanRef(named, now)
    bench.exchange.add_fault(**DROPPED)
    sent = len(bench.exchange.request_log)

    record = bench.desk.send(leg, market(Side.SELL))

    posts = [x for x in bench.exchange.request_log[sent:] if x["path"].endswith("/orders")]
    assert len(posts) == again
    assert record.plan == (named or ledger.state.plan_id(DAY))


def test_what_an_earlier_plan_left_is_not_sent_again_by_another(bench: Bench) -> None:
    """A flatten that finds an unknown sale of the day's plan looks it up, and sends its own."""
    bench.buy()
    ledger, now = bench.desk.ledger, bench.exchange.now()
    ledger.append("plan", day=str(DAY), planned_at=now.isoformat(), orders=[], levels={})
    record = ledger.intend(LegKey(DAY, COIN, Side.SELL, Leg.EXIT), {"type": "market"} | SIZE)
    bench.desk.plan = PlanRef("2024-03-11-flatten-9", now)
    sent = len(bench.exchange.request_log)

    ended = bench.desk.resolve(record.client_id)

    assert ended.stage is OrderStage.ABSENT
    posts = [x for x in bench.exchange.request_log[sent:] if x["path"].endswith("/orders")]
    assert posts == []


def test_a_cooldown_is_dated_by_the_fills_where_the_order_does_not_tell(bench: Bench) -> None:
    """A stop that sold on Monday and is read on Thursday, without its last_fill_time."""
    bench.buy()
    bench.cover(bench.last() * Decimal("0.9")).ensure()
    bench.jump(bench.last() * Decimal("0.895"))
    bench.go(60)
    bench.go(3 * 86400)
    bench.exchange.add_fault(**put("GET /orders/*", "order.last_fill_time", None))

    bench.desk.refresh(bench.stops()[0].client_id)

    assert bench.desk.ledger.state.cooldowns[COIN] == DAY


def test_an_order_that_rose_is_released_for_good(bench: Bench) -> None:
    """Thought absent, found days later: its product is locked, and stays free once released."""
    ledger, protecting = bench.desk.ledger, bench.protecting()
    bench.exchange.add_fault(kind="drop_after", endpoint="POST /orders")
    hidden = {"endpoint": "GET /orders/historical/batch", "field": "orders", "value": []}
    bench.exchange.add_fault(kind="put_field", **hidden)
    record = bench.buy("0.5")
    assert record.stage is OrderStage.ABSENT
    bench.exchange.clear_faults()

    protecting.protect_only_now()
    assert record.client_id in ledger.state.locked[COIN]
    ledger.append("confirmed", totals={"ETH": "0.5"})
    ledger.append("released", product=COIN)
    protecting.protect_only_now()

    assert COIN not in ledger.state.locked


def test_a_refused_order_that_is_listed_as_failed_did_nothing(bench: Bench) -> None:
    """The exchange keeps a record of what it refused: no reason to lock the product."""
    bench.exchange.engine.venue.matching.world.failures[COIN] = "HOLD_FAILURE"
    bench.exchange.add_fault(kind="status_after", status=400, endpoint="POST /orders")
    assert bench.buy().stage is OrderStage.REFUSED
    bench.exchange.clear_faults()

    bench.protecting().protect_only_now()

    assert bench.desk.ledger.state.locked == {}


def test_an_order_that_was_given_a_wrong_name_is_found_by_ours(bench: Bench) -> None:
    """The answer names an order that there is not: bought, counted and covered all the same."""
    odd = put("POST /orders", "success_response.order_id", "nonsense")
    bench.exchange.add_fault(**odd)

    record = bench.buy()
    result = bench.cover(bench.last() * Decimal("0.9")).ensure()

    assert (record.stage, record.filled_size) == (OrderStage.DONE, Decimal(1))
    assert (result.status, result.covered) == ("placed", Decimal(1))
    assert {order.order_id for order in bench.stops()} == {
        order.order_id for order in bench.desk.ledger.state.live_orders(COIN)
    }

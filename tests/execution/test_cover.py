"""The stops of one product, where the exchange refuses, fails or halts in the middle."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.execution.desks import COIN, Bench
from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.records import Protection, Reason, Side
from tf_lib.core.orders.build import PlannedOrder
from tf_lib.execution.protection import Cover, Foreign, Position
from tf_lib.execution.rebalance import Rebalance

STOPS = {"endpoint": "POST /orders", "contains": "stop_limit_stop_limit_gtc"}


def units(bench: Bench) -> Decimal:
    return bench.desk.client.holdings()["ETH"].total


def legs(bench: Bench) -> list[str]:
    return [str(o.key.leg) for o in bench.desk.ledger.state.orders.values()]


def one_stop(bench: Bench) -> Decimal:
    """Hold one unit under one stop; return its level."""
    bench.buy()
    level = (bench.last() * Decimal("0.9")).quantize(Decimal("0.01"))
    bench.cover(level).ensure()
    return level


def rebalance(bench: Bench, level: Decimal) -> Rebalance:
    """Return what trades while the stops rest at a level."""
    now = bench.exchange.now()
    return Rebalance(bench.desk, lambda *_: bench.cover(level), now, Decimal("0.012"))


def tell_otherwise(bench: Bench, field: str, *, value: str) -> None:
    """Let the exchange tell of the stop that rests what it is not."""
    bench.exchange.add_fault(
        kind="put_field",
        endpoint="GET /orders/historical/*",
        contains=bench.stops()[0].order_id,
        field=field,
        value=value,
    )


def two_slots(bench: Bench) -> Decimal:
    """Hold two units under two stops; return their level."""
    level = (bench.last() * Decimal("0.9")).quantize(Decimal("0.01"))
    for _ in range(2):
        bench.buy()
        assert bench.cover(level).ensure().is_protected
    assert {o.key.leg for o in bench.stops()} == {Leg.STOP_CORE, Leg.STOP_ADD}
    return level


def three_slots(bench: Bench) -> Decimal:
    """Hold three units under as many stops as there may be; return their level."""
    level = two_slots(bench)
    bench.buy()
    assert bench.cover(level).ensure().is_protected
    assert [str(o.key.leg) for o in bench.stops()] == ["sc", "sa", "sa"]
    return level


def test_an_add_stop_is_not_freed_where_nothing_could_be_placed(bench: Bench) -> None:
    """Cancelled, it could not come back: the new units alone are unprotected, and that is said."""
    level, before = three_slots(bench), {o.client_id for o in bench.stops()}
    bench.buy()
    bench.exchange.set_flag(COIN, "cancel_only", True)

    result = bench.cover(level).ensure()

    assert {o.client_id for o in bench.stops()} == before
    assert (result.status, result.covered) == ("failed", Decimal(3))
    assert "not replaced: the product takes no new sells now" in result.notes


def test_an_add_stop_goes_back_where_its_new_level_is_refused(bench: Bench) -> None:
    """A refusal of any kind leads back to the old level before anything else."""
    level = three_slots(bench)
    bench.buy()
    higher = (level * Decimal("1.05")).quantize(Decimal("0.01"))
    fault = {"kind": "status", "status": 400, "contains": f'"{higher}"'}
    bench.exchange.add_fault(endpoint="POST /orders", **fault)

    result = bench.cover(higher, may_move=False).ensure()

    assert result.status == "placed"
    assert {Decimal(o.body["stop_price"]) for o in bench.stops()} == {level}
    assert result.covered == 4


@pytest.mark.parametrize("lag", [0, 28, 29, 60, 120])
@pytest.mark.parametrize("rest", ["0.02", "0.4"])
@pytest.mark.parametrize("may_cancel", [True, False], ids=["run", "guard"])
def test_a_small_missing_rest_costs_no_good_stop(
    bench: Bench, lag: float, rest: str, may_cancel: bool
) -> None:
    """However late holds come back: what rests stays, the rest gets a stop of its own, at once."""
    level = two_slots(bench)
    before = {o.client_id for o in bench.stops()}
    bench.exchange.set_delays(hold_release_seconds=lag)
    bench.buy(rest)
    bench.desk.may_cancel_intact = may_cancel

    for _ in range(3):
        result = bench.cover(level, may_move=may_cancel).ensure()
        assert (result.is_protected, result.covered) == (True, 2 + Decimal(rest))

    assert before < {o.client_id for o in bench.stops()}
    assert legs(bench).count("sc") + legs(bench).count("sa") == 3


@pytest.mark.parametrize("lag", [0, 28, 29, 60, 120])
def test_no_call_ends_with_less_covered_than_it_began(bench: Bench, lag: float) -> None:
    """Raises and a fourth rest with holds that come back up to two minutes late."""
    level = three_slots(bench)
    bench.exchange.set_delays(hold_release_seconds=lag)
    covered, resting = Decimal(3), None

    for step in range(3):
        bench.buy("0.05")
        higher = (level * (1 + Decimal(step) / 50)).quantize(Decimal("0.01"))
        for _ in range(2):
            result = bench.cover(higher).ensure()
            assert result.covered >= covered
            covered, resting = result.covered, result.resting_level
        assert (covered, resting) == (units(bench), higher)

    assert len(bench.stops()) == 3


def test_a_trim_waits_for_holds_that_come_back_late(bench: Bench) -> None:
    """Its rest is under a stop before anything is sold, and nothing ends uncovered."""
    level = one_stop(bench)
    bench.exchange.set_delays(hold_release_seconds=120)
    planned = PlannedOrder(COIN, Side.SELL, Leg.TRIM, Decimal("0.4"), bench.last(), Reason.TRIM)
    trades = rebalance(bench, level)

    result = trades.execute(planned)

    assert (result.status, units(bench)) == ("done", Decimal("0.6"))
    assert result.cover is not None
    assert (result.cover.is_protected, result.cover.covered) == (True, Decimal("0.6"))
    assert legs(bench) == ["en", "sc", "sc", "tr"]


def test_of_two_added_stops_each_is_judged_by_its_own(bench: Bench) -> None:
    """Somebody cancelled the older one and price went through all levels: its units are sold."""
    level = three_slots(bench)
    older = next(o for o in bench.stops() if o.key.leg is Leg.STOP_ADD)
    bench.cancel_by_hand(older.order_id)
    bench.jump(level - Decimal("0.5"))
    bench.go(5)

    result = bench.cover(level).ensure()

    assert (legs(bench).count("em"), units(bench)) == (1, Decimal(0))
    assert result.reason == "market exit: its stop ended and price is at or below its level"


def test_a_stop_that_the_exchange_takes_and_fails_is_tried_again(bench: Bench) -> None:
    """PENDING, then FAILED for a hold: read again and sent again at the same level, no ladder."""
    bench.buy()
    level = (bench.last() - Decimal("0.05")).quantize(Decimal("0.01"))
    bench.exchange.engine.venue.matching.world.failures[COIN] = "HOLD_FAILURE"

    result = bench.cover(level).ensure()

    assert result.is_protected
    assert {Decimal(o.body["stop_price"]) for o in bench.stops()} == {level}


@pytest.mark.parametrize(
    ("band", "how", "limit"),
    [
        ("0.01", "with its limit 1 % below", "0.99"),
        ("0.006", "with its limit 0.5 % below", "0.995"),
        ("0.0001", "with its limit one tick below", "1"),
    ],
)
def test_price_band_is_met_with_nearer_limit(bench: Bench, band: str, how: str, limit: str) -> None:
    """The level stays where it belongs: no lower level could mend the distance to the limit."""
    bench.buy()
    level = (bench.last() * Decimal("0.9")).quantize(Decimal("0.01"))
    bench.exchange.engine.venue.matching.world.price_band = Decimal(band)

    result = bench.cover(level).ensure()

    assert (result.status, result.reason, result.covered) == ("placed", how, Decimal(1))
    assert result.resting_level == level
    nearest = level - Decimal("0.01")
    assert result.limit_price is not None
    assert abs(result.limit_price - min(level * Decimal(limit), nearest)) <= Decimal("0.01")
    assert all("BREACHED_PRICE_LIMIT" in note for note in result.notes)


def test_a_raise_under_a_price_band_keeps_the_new_level(bench: Bench) -> None:
    """The old stop rested before the band was there; the raised one rests with a nearer limit."""
    level = one_stop(bench)
    bench.exchange.engine.venue.matching.world.price_band = Decimal("0.01")
    higher = (level * Decimal("1.05")).quantize(Decimal("0.01"))

    result = bench.cover(higher).ensure()

    assert (result.covered, result.resting_level) == (Decimal(1), higher)


def test_a_wide_buffer_leaves_a_good_stop_alone(bench: Bench) -> None:
    """What a holding is worth decides, not where its limit would lie."""
    level = one_stop(bench)
    [before] = bench.stops()
    wide = bench.desk.config.stops.model_copy(update={"limit_buffer_atr": 60.0})
    bench.desk.config = bench.desk.config.model_copy(update={"stops": wide})
    position = Position(bench.desk, COIN, foreign=Foreign())

    result = Cover(position, Protection(level, float(level))).ensure()

    assert (result.status, result.reason) == ("skip", "stop in place")
    assert bench.stops() == [before]


def test_a_triggered_stop_below_its_limit_is_sold(bench: Bench) -> None:
    """Twice seen below the limit: cancelled and sold at the market."""
    level = one_stop(bench)
    bench.jump(level * Decimal("0.9"))
    bench.go(5)

    result = bench.cover(level).ensure()

    assert (legs(bench), units(bench)) == (["en", "sc", "em"], Decimal(0))
    assert result.reason == "market exit: stop triggered and price is below its limit"


def test_a_triggered_stop_above_its_level_gets_a_stop_again(bench: Bench) -> None:
    """A single print triggered it and nobody bought: no market exit while price is above."""
    level = one_stop(bench)
    tell_otherwise(bench, "order.trigger_status", value="STOP_TRIGGERED")

    result = bench.cover(level).ensure()

    assert (legs(bench), units(bench)) == (["en", "sc", "sc"], Decimal(1))
    assert (result.status, result.covered, result.resting_level) == ("placed", Decimal(1), level)


def test_a_pilot_is_kept_where_nothing_proves_that_no_stop_is_taken(bench: Bench) -> None:
    """Lost answers are no refusal: it is not sold, nothing more is bought, a person is called."""
    bench.exchange.add_fault(kind="drop_before", **STOPS)
    last = bench.last()
    planned = PlannedOrder(COIN, Side.BUY, Leg.ENTRY, Decimal(1), last, Reason.ENTER)

    def cover_of(product: str, may_move: bool) -> Cover:
        return bench.cover(last * Decimal("0.9"))

    trades = Rebalance(bench.desk, cover_of, bench.exchange.now(), Decimal("0.012"))

    result = trades.execute(planned)

    assert set(legs(bench)) == {"pi", "sc"}
    assert result.cover is not None
    assert not result.cover.is_protected
    assert "could not be protected" in trades.halted


@pytest.mark.parametrize("may_cancel", [True, False], ids=["run", "guard"])
def test_a_stop_that_somebody_edited(bench: Bench, may_cancel: bool) -> None:
    """Half its size is half a cover: a run puts it right, the guard raises the alarm."""
    level = one_stop(bench)
    size = "order.order_configuration.stop_limit_stop_limit_gtc.base_size"
    tell_otherwise(bench, size, value="0.5")
    bench.desk.may_cancel_intact = may_cancel

    result = bench.cover(level).ensure()

    assert (result.is_protected, result.covered) == (may_cancel, Decimal(may_cancel))
    assert any("was altered: base_size: sent 1" in note for note in result.notes)
    assert legs(bench).count("sc") == (2 if may_cancel else 1)


def test_a_product_that_halts_while_its_stops_are_cancelled(bench: Bench) -> None:
    """Seen to take sells seconds ago is no leave to cancel the next stop as well."""
    level = two_slots(bench)
    core, add = sorted(bench.stops(), key=lambda o: o.key.leg, reverse=True)
    assert (core.key.leg, add.key.leg) == (Leg.STOP_CORE, Leg.STOP_ADD)
    bench.exchange.set_delays(cancel_ack_seconds=8)
    planned = PlannedOrder(COIN, Side.SELL, Leg.EXIT, Decimal(2), bench.last(), Reason.FULL_EXIT)
    trades = rebalance(bench, level)
    bench.desk.client.line.before_send = lambda *_: bench.exchange.set_flag(
        COIN, "cancel_only", True
    )

    result = trades.execute(planned)

    assert (result.status, result.filled_size) == ("skipped", Decimal(0))
    assert [o.client_id for o in bench.stops()] == [add.client_id]
    assert result.cover is not None
    assert not result.cover.is_protected

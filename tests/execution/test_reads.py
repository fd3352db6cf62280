"""Reads that grow old, lag behind or lack a row."""

from __future__ import annotations

from decimal import Decimal

from tests.app.profile import put
from tests.execution.desks import COIN, Bench
from tf_lib.core.model.records import Protection
from tf_lib.exchange.freshness import Read
from tf_lib.execution.protection import Cover, Foreign, Position, Reading
from tf_lib.execution.reconciliation import reconciled_holdings


def reading(bench: Bench, held: str) -> Read[Reading]:
    return bench.desk.fresh.read(Reading(Decimal(held), bench.last()))


def test_a_reading_does_not_hold_for_long(bench: Bench) -> None:
    """Nothing was sent, but the world goes on: after half a minute it is read anew."""
    bench.buy()
    known = reading(bench, "5")
    position = Position(bench.desk, COIN, foreign=Foreign(), known=known)

    assert position.held() == 5
    bench.go(31)
    assert position.held() == 1


def test_a_stop_that_vanished_since_it_was_read(bench: Bench) -> None:
    """Read at the beginning of a slow run, cancelled by hand meanwhile: found and replaced."""
    bench.buy()
    level = bench.last() * Decimal("0.9")
    bench.cover(level).ensure()
    bench.go(45)
    bench.cancel_by_hand(bench.stops()[0].order_id)
    position = Position(bench.desk, COIN, foreign=Foreign(), known=reading(bench, "1"))

    result = Cover(position, Protection(level, None)).ensure()

    assert (result.status, result.covered) == ("placed", Decimal(1))


def test_a_coin_that_was_never_held_and_is_not_in_the_account_yet(bench: Bench) -> None:
    """Its first fill is certain: an account list that lags behind it is no proof of nothing."""
    bench.buy()
    bench.exchange.add_fault(**put("GET /accounts", "accounts", []), calls=[1, 2])

    result = bench.cover(bench.last() * Decimal("0.9")).ensure()

    assert (result.status, result.held, result.covered) == ("placed", Decimal(1), Decimal(1))


def test_a_row_that_is_missing_after_a_release(bench: Bench) -> None:
    """What is confirmed was forgotten; the stop that holds the base says that there is some."""
    bench.buy()
    bench.cover(bench.last() * Decimal("0.9")).ensure()
    product = bench.desk.products[COIN]
    bench.desk.ledger.append("confirmed", totals={"ETH": "1"})
    bench.desk.ledger.append("released", product=COIN)
    bench.exchange.add_fault(kind="put_field", endpoint="GET /accounts", field="accounts", value=[])

    reconciled = reconciled_holdings(bench.desk, [product])

    assert COIN in reconciled.unknown
    assert reconciled.most(product) == 1

"""What is remembered and what is not: lost ledgers, dead plans, second plans, old cooldowns."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from decimal import Decimal
from pathlib import Path

from tests.app.profile import Profile, must_end
from tests.app.venue import at, cut_ledger, deposit, jump, level, opened, times
from tests.execution.desks import COIN, Bench
from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.records import MarketOrder, Side
from tf_lib.core.orders.build import floor_to
from tf_lib.execution.recovery import recall_level

DAY, NEXT, AFTER = "2024-03-11", "2024-03-12", "2024-03-13"


def own_ids(profile: Profile) -> list[str]:
    return [o.client_id for o in profile.exchange().orders if o.is_own]


def forget_ledger(profile: Profile) -> None:
    (profile.state / "ledger.jsonl").unlink()


def test_lost_ledger_on_the_same_day(held: Profile) -> None:
    """Own orders of today are found: adopted, protected, not traded again; exit 1."""
    forget_ledger(held)
    before, sent = own_ids(held), held.count_requests()

    said = must_end(held.run(DAY), 1)

    assert "its state was lost" in said
    assert held.changed(after=sent) == []
    assert own_ids(held) == before
    assert held.wrong(DAY) == []


def test_lost_ledger_and_a_run_that_died_after_it_looked(held: Profile) -> None:
    """What one run found of today, the next one does not take for its own ledger's doing."""
    forget_ledger(held)
    before = own_ids(held)
    assert held.run(DAY)[0] == 1
    cut_ledger(held, before='"kind": "plan"')
    rich_again(held)

    said = must_end(held.run(DAY), 1)

    assert "its state was lost" in said
    assert own_ids(held) == before
    assert held.run(DAY, "--force-run")[0] == 0
    assert own_ids(held) != before, "a second set on purpose may trade"
    assert held.wrong(DAY) == []


def rich_again(profile: Profile) -> None:
    """Give the account so much cash that a plan of today would buy more of everything."""
    deposit(profile, "USD", "20000")


def test_lost_ledger_a_day_later(held: Profile) -> None:
    """The stops are known again by their ids; levels do not fall; no stop is doubled."""
    stops = {p: held.exchange().stops(p) for p in held.exchange().held_products}
    forget_ledger(held)

    must_end(held.run(NEXT))

    assert held.wrong(NEXT) == []
    for product, old in stops.items():
        now = held.exchange().stops(product)
        lowest = min(order.stop for order in old if order.stop)
        assert all(order.stop >= lowest for order in now if order.stop)
    ids = own_ids(held)
    assert len(ids) == len(set(ids))
    levels = {x["product"] for x in held.ledger() if x["kind"] == "level"}
    assert set(held.exchange().held_products) <= levels


def test_lost_ledger_after_a_stop_out(held: Profile) -> None:
    """The cooldown is rebuilt from the exchange's orders."""
    jump(held, "ETH-USD", NEXT, times(level(held, "ETH-USD"), "0.995"))
    assert held.run(NEXT)[0] == 0
    assert held.exchange().held("ETH-USD") == 0
    forget_ledger(held)

    must_end(held.run(AFTER))

    assert held.summary(AFTER)["cooldowns"]["ETH-USD"] == NEXT
    entries = [o for o in held.exchange().orders if o.leg == "en" and str(o.day) == AFTER]
    assert "ETH-USD" not in {order.product for order in entries}


def planned_only(profile: Profile, folder: Path) -> Profile:
    """Return the first day as a run left it that died right after it froze its plan."""
    other = profile.copied(folder)
    ledger = other.state / "ledger.jsonl"
    lines = ledger.read_text(encoding="utf-8").splitlines(keepends=True)
    kinds = [json.loads(line)["kind"] for line in lines]
    ledger.write_text("".join(lines[: kinds.index("plan") + 1]), encoding="utf-8")
    file, uuid = other.state / "exchange.sqlite", json.loads(lines[0])["portfolio_uuid"]
    file.unlink()
    with opened(other, DAY):
        pass
    # The account of a new exchange is named by its place; here it is the one of the ledger.
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        known = "(SELECT value FROM meta WHERE key = 'portfolio_uuid')"
        database.execute(
            f"UPDATE wallets SET portfolio_uuid = ? WHERE portfolio_uuid = {known}", (uuid,)
        )
        database.execute("UPDATE meta SET value = ? WHERE key = 'portfolio_uuid'", (uuid,))
    return other


def test_a_plan_is_dead_after_ten_minutes(first_day: Profile, tmp_path: Path) -> None:
    """A rerun within them carries the frozen plan out; later it only protects."""
    fresh = planned_only(first_day, tmp_path / "fresh")
    stale = fresh.copied(tmp_path / "stale")
    with opened(stale) as exchange:
        exchange.advance_to(at(DAY, "00:12"))

    assert fresh.run(DAY)[0] == 0
    code, said = stale.run(DAY)

    assert fresh.exchange().held_products == first_day.exchange().held_products
    assert code == 1, said  # nothing of what was wanted is done
    assert stale.exchange().orders == ()
    assert {o["status"] for o in stale.summary(DAY)["orders"]} == {"skipped"}
    assert all("older than 10 minutes" in o["note"] for o in stale.summary(DAY)["orders"])
    assert stale.marks(DAY)[-1] == "done"


def test_a_second_plan_after_money_came(held: Profile) -> None:
    """--force-run is a deliberate second set: ids go on where the first ended."""
    first = own_ids(held)
    with opened(held) as exchange:
        exchange.deposit("USD", Decimal(12_000))
        exchange.advance_to(at(DAY, "00:04"))

    must_end(held.run(DAY, "--force-run"))

    new = [x for x in own_ids(held) if x not in first]
    assert new, "so much money must be invested"
    assert len(own_ids(held)) == len(set(own_ids(held)))
    assert held.wrong(DAY) == []
    assert held.summary(DAY)["attempt"] == 2


def test_bought_by_hand_after_a_stop_out(held: Profile) -> None:
    """The level of what the market took says nothing of what a person buys afterwards."""
    old = level(held, "ETH-USD")
    jump(held, "ETH-USD", NEXT, times(old, "0.995"))
    price = times(old, "0.7")
    with opened(held) as exchange:
        exchange.plant_jump("ETH-USD", at(NEXT, "00:10"), price, hold_until=at(NEXT, "23:00"))
        exchange.advance_to(at(NEXT, "00:20"))
        exchange.deposit("ETH", Decimal("0.5"))

    said = must_end(held.call("guard"), 1)

    assert "ETH-USD is locked" in said
    assert level(held, "ETH-USD") == times(price, "0.9")
    assert held.exchange().held("ETH-USD") == Decimal("0.5")


def test_a_level_is_not_recalled_from_before_a_stop_out(bench: Bench) -> None:
    """Once the ledger knows that all was gone, older stops are of another holding."""
    bench.buy()
    bench.cover(bench.last() * Decimal("0.97")).ensure()
    bench.jump(bench.last() * Decimal("0.965"))
    bench.go(60)
    bench.protecting().protect_only_now()
    assert COIN not in bench.desk.ledger.state.levels
    bench.exchange.deposit("ETH", Decimal(1))

    recall_level(bench.desk, bench.desk.products[COIN], Decimal(1))

    assert COIN not in bench.desk.ledger.state.levels


def test_lost_ledger_and_a_higher_stop_of_an_earlier_holding(bench: Bench) -> None:
    """Sold and bought anew within days: only the stops of what is held now are remembered."""
    bench.buy()
    bench.cover(bench.last() * Decimal("0.97")).ensure()
    bench.desk.cancel(bench.stops()[0].client_id)
    bench.desk.send(Leg.EXIT, MarketOrder(COIN, Side.SELL, Decimal(1)))
    bench.protecting().protect_only_now()
    bench.jump(bench.last() * Decimal("0.8"))
    bench.go(60)
    bench.buy()
    tick = bench.desk.products[COIN].price_increment
    kept = floor_to(bench.last() * Decimal("0.9"), tick)
    bench.cover(kept).ensure()
    bench.cancel_by_hand(bench.stops()[0].order_id)
    bench.forget()

    rows = bench.protecting().protect_only_now()

    assert [row["status"] for row in rows] == ["placed"]
    assert [Decimal(stop.body["stop_price"]) for stop in bench.stops()] == [kept]


def test_lost_ledger_and_a_stop_that_rested_for_weeks(held: Profile) -> None:
    """Placed long ago, filled yesterday: its cooldown is found among all orders."""
    with opened(held) as exchange:
        exchange.advance_to(at("2024-04-02", "00:01"))
    stops = held.exchange().stops("ETH-USD")
    jump(held, "ETH-USD", "2024-04-03", times(level(held, "ETH-USD"), "0.995"))
    forget_ledger(held)

    must_end(held.run("2024-04-03"))

    assert held.exchange().held("ETH-USD") == 0
    causes = [x["cause"] for x in held.ledger() if x["kind"] == "cooldown"]
    assert any(cause in {o.client_id for o in stops} for cause in causes)

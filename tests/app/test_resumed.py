"""A plan that one attempt made and another carried out: the record shows the one that was done."""

from __future__ import annotations

import pytest

from tests.app.profile import BUSY_DAY, Profile, command, must_end
from tests.app.venue import at, interrupted, level, opened, times


def test_the_record_shows_the_plan_executed(busy: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices moved in between, so a plan of the second attempt would have been another one."""
    planned = interrupted(busy, monkeypatch, orders=1)
    price = times(level(busy, "ADA-USD"), "1.5")
    with opened(busy) as exchange:
        begin, end = at(BUSY_DAY, "00:04"), at(BUSY_DAY, "00:59")
        exchange.plant_jump("ADA-USD", begin, price, hold_until=end)
        exchange.advance_to(at(BUSY_DAY, "00:05"))

    must_end(busy.run(BUSY_DAY))

    assert busy.json(BUSY_DAY, "plan.json") == planned
    assert planned["attempt"] == 1
    summary = busy.summary(BUSY_DAY)
    assert (summary["attempt"], summary["plan_attempt"]) == (2, 1)
    sizes = {row["product_id"]: row["base_size"] for row in planned["orders"]}
    assert {row["product_id"]: row["base_size"] for row in summary["orders"]} == sizes
    assert {t for t, row in summary["trades"].items() if row["trade_notional"]} >= set(sizes)
    ended, told = command("replay", str(busy.day(BUSY_DAY)))
    assert ended == 0, told
    assert "the same, byte for byte" in told
    assert "the plan of attempt 1" in told
    read = busy.json(BUSY_DAY, "account_resumed.json")
    assert read["wallets"] != busy.json(BUSY_DAY, "inputs/account.json")["wallets"]


def test_a_record_that_lost_a_part_does_not_keep_its_plan_from_being_carried_out(
    busy: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk kept half of the candles that the plan was made from."""
    planned = interrupted(busy, monkeypatch, orders=1)
    candles = busy.day(BUSY_DAY) / "inputs" / "candles.parquet"
    candles.write_bytes(candles.read_bytes()[: candles.stat().st_size // 2])

    must_end(busy.run(BUSY_DAY))

    sizes = {row["product_id"]: row["base_size"] for row in planned["orders"]}
    done = busy.summary(BUSY_DAY)["orders"]
    assert {row["product_id"]: row["base_size"] for row in done} == sizes

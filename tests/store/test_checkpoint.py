"""The checkpoint: a run's reading does not grow with the years, and the ledger stays the truth."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.store.build import DAY, STOP_BODY, Clock, again, market, pinned, plain
from tf_lib.core.model.client_ids import Leg, LegKey
from tf_lib.core.model.order_life import OrderStage
from tf_lib.core.model.records import Side
from tf_lib.errors import TfError
from tf_lib.store import ledger_checkpoint
from tf_lib.store.ledger import Ledger
from tf_lib.store.ledger_checkpoint import CHECKPOINT_FILE
from tf_lib.store.ledger_state import LedgerState, OrderRecord

DAYS = 700
TODAY = DAY + dt.timedelta(days=DAYS)


def one_day(ledger: Ledger, day: dt.date) -> None:
    """Write a day on which a unit is bought, protected, sold again, and all else is told."""
    product = f"P{day.toordinal() % 3}-USD"
    ledger.mark(day, "claimed", attempt=1, forced=False, pid=1)
    ledger.append("plan", day=day.isoformat(), planned_at=ledger.now().isoformat(), orders=[])
    entry = ledger.intend(LegKey(day, product, Side.BUY, Leg.ENTRY), market("1"))
    ledger.move(entry.client_id, OrderStage.ACKED, order_id=f"o-{day}")
    ledger.move(entry.client_id, OrderStage.DONE, filled_size="1", filled_value="100", fees="1")
    ledger.append("bare", product=product, since=ledger.now().isoformat())
    stop = ledger.intend(LegKey(day, product, Side.SELL, Leg.STOP_CORE), STOP_BODY)
    ledger.move(stop.client_id, OrderStage.ACKED, order_id=f"s-{day}")
    ledger.move(stop.client_id, OrderStage.WORKING)
    ledger.append("covered", product=product, day=day.isoformat(), notional="100")
    ledger.append("level", product=product, target_level="90")
    ledger.append("proven", product=product)
    if product != "P0-USD":
        ledger.move(stop.client_id, OrderStage.CANCEL_SENT)
        ledger.move(stop.client_id, OrderStage.DONE)
        ledger.append("flat", product=product)
    ledger.append("confirmed", totals={product.split("-")[0]: "1"})
    ledger.append("cooldown", product=product, start=day.isoformat(), cause="test")
    ledger.append("locked", product="X-USD", why="somebody else", order=f"o-{day}")
    ledger.mark(day, "effects_complete")
    ledger.mark(day, "done")


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a ledger of two years, with a checkpoint kept on the way."""
    folder = tmp_path_factory.mktemp("years")
    clock = Clock()
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr("os.fsync", lambda handle: None)
        ledger = pinned(folder, clock)
        for number in range(DAYS):
            day = DAY + dt.timedelta(days=number)
            if number in (300, 650):
                again(ledger).keep_checkpoint(day, days=100)
            one_day(ledger, day)
            clock.go(days=1)
        ledger.close()
    return folder


@pytest.fixture
def ledger(years: Path, tmp_path: Path) -> Ledger:
    """Return a copy of it, as the next process reads it."""
    folder = shutil.copytree(years, tmp_path / "copy")
    return Ledger(folder / "ledger.jsonl", Clock())


def whole(ledger: Ledger) -> Ledger:
    """Return the ledger as it is read without a checkpoint."""
    alone = ledger.path.parent.with_name("alone")
    shutil.rmtree(alone, ignore_errors=True)
    alone.mkdir()
    shutil.copyfile(ledger.path, alone / "ledger.jsonl")
    return Ledger(alone / "ledger.jsonl", Clock())


def test_only_the_last_lines_are_read(ledger: Ledger) -> None:
    """The rest is in a file whose size does not grow with the ledger's."""
    everything = whole(ledger)

    assert len(everything.lines) > 10_000
    assert len(ledger.lines) < 1_100
    assert ledger.path.with_name(CHECKPOINT_FILE).stat().st_size < ledger.path.stat().st_size / 4


def test_the_state_is_the_same_but_for_what_is_long_past(ledger: Ledger) -> None:
    """Live orders, stops of a holding, levels, cooldowns, locks: all as the lines add up."""
    read, everything = plain(ledger), plain(whole(ledger))
    by_day = ("orders", "marks", "attempts", "plans", "bare_seconds", "bare_usd_seconds")

    for name in set(read) - set(by_day):
        assert read[name] == everything[name], name
    for name in by_day:
        assert read[name].items() <= everything[name].items(), name
    state = ledger.state
    assert state.live_orders() == whole(ledger).state.live_orders()
    assert len(state.live_orders("P0-USD")) > 200
    assert state.stops_of_holding("P0-USD") == whole(ledger).state.stops_of_holding("P0-USD")
    recent = TODAY - dt.timedelta(days=100)
    kept = [o for o in everything["orders"].values() if o.key.day >= recent]
    assert [state.orders[o.client_id] for o in kept] == kept
    assert len(state.orders) < len(everything["orders"])


def test_what_is_written_next_is_numbered_on(ledger: Ledger) -> None:
    """The day's journal is whole, and both ways to read agree on the new lines."""
    count = len(whole(ledger).lines)
    before = ledger.extract(TODAY - dt.timedelta(days=1))
    ledger.now = lambda: dt.datetime.combine(TODAY, dt.time(0, 1), dt.UTC)
    one_day(ledger, TODAY)

    assert before == whole(ledger).extract(TODAY - dt.timedelta(days=1))
    assert ledger.extract(TODAY)[0]["seq"] == count + 1
    assert [x["seq"] for x in whole(ledger).lines] == list(range(1, len(whole(ledger).lines) + 1))
    assert plain(again(ledger)) == plain(ledger)


@pytest.mark.parametrize("spoilt", ["torn", "changed", "of another ledger", "older", "later"])
def test_a_checkpoint_that_does_not_fit_is_left_aside(ledger: Ledger, spoilt: str) -> None:
    """Cut by a power loss, edited, or made of other lines: then every line is read."""
    path = ledger.path.with_name(CHECKPOINT_FILE)
    text = path.read_text()
    content = json.loads(text)
    if spoilt == "torn":
        path.write_text(text[: len(text) // 2])
    elif spoilt == "changed":
        content["state"] = content["state"].replace('"90"', '"80"')
        path.write_text(json.dumps(content))
    elif spoilt == "of another ledger":
        path.write_text(json.dumps(content | {"seal": "0" * 64}))
    elif spoilt == "older":
        lines = ledger.path.read_bytes().splitlines(keepends=True)
        ledger.path.write_bytes(b"".join(lines[:500]))
    else:
        path.write_text(json.dumps(content | {"version": 99}))

    read = again(ledger)

    assert read.lines == whole(ledger).lines
    assert plain(read) == plain(whole(ledger))


def test_a_write_that_fails_goes_back_to_the_disk(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when most of the ledger was never read line by line."""
    live = ledger.state.live_orders()[0].client_id

    def refuse(*arguments: Any) -> None:
        raise OSError(5, "input/output error")

    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", refuse)
        with pytest.raises(TfError, match="cannot write the ledger"):
            ledger.move(live, OrderStage.CANCEL_SENT)

    assert plain(ledger) == plain(whole(ledger))
    ledger.move(live, OrderStage.DONE)
    assert plain(again(ledger)).keys() == plain(ledger).keys()
    assert again(ledger).state.orders[live].stage is OrderStage.DONE


def test_every_field_is_in_it() -> None:
    """A field that is added to the state or to an order is not forgotten here."""
    key = LegKey(DAY, "BTC-USD", Side.SELL, Leg.STOP_CORE)
    at = dt.datetime(2024, 3, 1, 0, 1, 2, 345, tzinfo=dt.UTC)
    texts = {"str": "text", "Decimal": Decimal("1.50")}
    samples: dict[str, Any] = texts | {"int": 3, "bool": True, "LegKey": key}
    samples |= {"dt.datetime": at, "OrderStage": OrderStage.DONE, "Mapping[str, str]": STOP_BODY}
    types = {one.name: str(one.type) for one in dataclasses.fields(OrderRecord)}
    values = {name: samples[kind.removesuffix(" | None")] for name, kind in types.items()}
    order = OrderRecord(**values)
    state = LedgerState(orders={"text": order})
    plain_state = ledger_checkpoint._PLAIN.dump_python(state, mode="json")
    read_back = ledger_checkpoint._PLAIN.validate_python(json.loads(json.dumps(plain_state)))

    assert set(plain_state) == set(vars(state))
    assert read_back == state

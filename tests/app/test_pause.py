"""A pause: no entry, addition or trim; stops, full exits and the guard go on, and it is said."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys

import pytest

from tests.app.profile import BUSY_DAY as DAY
from tests.app.profile import DAY_AFTER, FEW_UNIVERSE, Profile, command, must_end, write_parameters
from tests.app.venue import interrupted, level
from tf_lib.exchange.clock import wall_now
from tf_lib.safety.lock import state_lock

BUSY_TRADES = {*(("ADA-USD", "tr"), ("XTZ-USD", "tr")), *(("ETH-USD", "pi"), ("ETH-USD", "en"))}


def traded(profile: Profile, day: str) -> set[tuple[str, str]]:
    """Return product and leg of a day's own orders that are no stops."""
    orders = [o for o in profile.exchange().orders if o.is_own and str(o.day) == day]
    return {(o.product, o.leg) for o in orders if not o.leg.startswith("s")}


def the_pause(profile: Profile, day: str) -> dict[str, object]:
    (found,) = profile.summary(day)["impediments"]
    return dict(found)


def test_a_paused_day_raises_its_stops_and_trades_nothing(busy: Profile) -> None:
    """Two trims and an entry are withheld and named; a withheld trim ends in exit 1."""
    before = {product: level(busy, product) for product in busy.exchange().held_products}
    must_end(busy.call("pause", "--why", "at the sea"))

    must_end(busy.run(DAY), 1)

    assert traded(busy, DAY) == set()
    assert any(level(busy, product) > stop for product, stop in before.items())
    assert busy.wrong(DAY) == []
    found = the_pause(busy, DAY)
    assert (found["kind"], found["product"], found["since"]) == ("paused", "", "2024-03-08")
    assert found["is_missed_exit"] is True
    for wanted in ("ADA-USD: trim of", "XTZ-USD: trim of", "ETH-USD: entry of"):
        assert wanted in str(found["wanted"])
    assert "at the sea" in str(found["why"])
    assert must_end(busy.call("guard")).endswith("0 other alarms\n")
    assert json.loads(busy.call("status", "--json")[1])["paused"]["why"] == "at the sea"
    assert busy.json(DAY, "plan.json")["orders"] == []
    assert "byte for byte" in must_end(command("replay", str(busy.day(DAY))))


def test_a_full_exit_goes_on(profile: Profile) -> None:
    """A sleeve that gets no weight any more is sold out; what is wanted in its place waits."""
    must_end(profile.run("2024-03-11"))
    held = set(profile.exchange().held_products)
    sleeves = {
        "Core": {"weight": 1.0, "tickers": ["BTC-USD", "ETH-USD"]},
        "Alt": {"weight": 0.0, "tickers": ["ADA-USD", "XTZ-USD"]},
    }
    write_parameters(profile.config, universe=FEW_UNIVERSE | {"sleeves": sleeves})
    must_end(profile.call("pause"))

    said = profile.run("2024-03-12")[1]

    assert traded(profile, "2024-03-12") == {("ADA-USD", "ex"), ("XTZ-USD", "ex")}, said
    assert set(profile.exchange().held_products) == held - {"ADA-USD", "XTZ-USD"}
    assert profile.wrong("2024-03-12") == []


def test_until_is_the_first_day_that_trades(busy: Profile) -> None:
    """It ends by itself, and is told no more."""
    must_end(busy.call("pause", "--until", DAY))

    must_end(busy.run(DAY))

    assert traded(busy, DAY) == BUSY_TRADES
    assert busy.summary(DAY)["impediments"] == []
    assert json.loads(busy.call("status", "--json")[1])["paused"] is None


def test_resume_lets_the_next_run_trade(busy: Profile) -> None:
    """A pause that was asked for twice is one, and one word ends it."""
    must_end(busy.call("pause", "--until", "2024-03-20"))
    must_end(busy.call("pause"))
    must_end(busy.run(DAY), 1)
    assert "since 2024-03-08" in must_end(busy.call("resume"))
    assert "nothing is paused" in must_end(busy.call("resume"))

    must_end(busy.run(DAY_AFTER))

    assert {leg for _, leg in traded(busy, DAY_AFTER)} & {"tr", "en"}


def test_a_plan_that_was_frozen_before_the_pause_buys_nothing_more(
    busy: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run died after its first trim; the one that takes it up makes neither trim nor entry."""
    interrupted(busy, monkeypatch, orders=1)
    done = traded(busy, DAY)
    must_end(busy.call("pause"))

    must_end(busy.run(DAY), 1)

    assert traded(busy, DAY) == done == {("ADA-USD", "tr")}
    found = the_pause(busy, DAY)
    assert "XTZ-USD: trim of" in str(found["wanted"])
    assert "ETH-USD: entry of" in str(found["wanted"])
    assert "ADA-USD" not in str(found["wanted"])
    assert busy.wrong(DAY) == []


def test_a_dry_run_says_what_a_pause_would_withhold(busy: Profile) -> None:
    """It previews no order that a run would not send."""
    must_end(busy.call("pause"))

    said = must_end(busy.run(DAY, "--dry-run"), 1)

    assert "whole portfolio paused" in said
    assert "ETH-USD: entry of" in said


@pytest.mark.parametrize("until", ["2024-03-08", "2024-03-01", "2024-02-30", "tomorrow", ""])
def test_a_day_that_cannot_end_it_is_named(busy: Profile, until: str) -> None:
    """Today and before, no day, and nothing: exit 2, and not a line in the ledger."""
    before = busy.ledger()

    assert "--until" in must_end(busy.call("pause", "--until", until), 2)

    assert busy.ledger() == before


def test_before_the_first_run(profile: Profile) -> None:
    """By the machine's day, since the exchange has none yet; status shows it."""
    today = wall_now().date()
    must_end(profile.call("pause", "--until", str(today)), 2)

    must_end(profile.call("pause", "--until", str(today + dt.timedelta(days=1))))

    assert "PAUSED since" in profile.call("status")[1]


def test_it_waits_for_no_run(busy: Profile) -> None:
    """Exit 4 while a run holds the lock: nothing is written."""
    hold = (
        "import sys, pathlib; from tf_lib.safety.lock import state_lock\n"
        "with state_lock(pathlib.Path(sys.argv[1]), kind='run'): print(flush=True); input()"
    )
    before = busy.ledger()
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(busy.state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        run.stdout.readline()
        assert "run with pid" in must_end(busy.call("pause"), 4)
        run.communicate(b"\n")

    assert busy.ledger() == before
    assert not state_lock(busy.state, kind="test").is_held()


def test_a_spoilt_ledger_is_named(busy: Profile) -> None:
    """Nothing is traded then anyway."""
    with (busy.state / "ledger.jsonl").open("a", encoding="utf-8") as ledger:
        ledger.write("{nonsense}\n")

    assert "is not JSON" in must_end(busy.call("pause"), 2)

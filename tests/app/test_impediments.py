"""What keeps a run from doing what was decided is said everywhere, on every day it holds."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.app.mailbox import Mailbox
from tests.app.profile import BUSY_DAY as DAY
from tests.app.profile import DAY_AFTER, FAULTS, Faulty, MakeProfile, Profile, going_wrong, must_end
from tests.app.venue import lock
from tf_lib.app.record.day_record import DayRecord
from tf_lib.app.record.impediment_rows import found_in
from tf_lib.core.model.impediments import (
    Impediment,
    ImpedimentKind,
    brought_together,
    keeps_from_trading,
)


@pytest.fixture
def profile(busy_by_mail: Profile) -> Profile:
    return busy_by_mail


def refused(side: str) -> dict[str, Any]:
    return {"kind": "status", "status": 400, "endpoint": "POST /orders", "contains": f'"{side}"'}


def test_trim_that_lock_keeps_back_is_told_on_every_day(profile: Profile, mailbox: Mailbox) -> None:
    """Exit 1 and ATTENTION, in summary, mail, terminal, `status` and guard; since the first day."""
    lock(profile, "ADA-USD")

    said = must_end(profile.run(DAY), 1)

    summary = profile.summary(DAY)
    assert summary["state"] == "attention"
    (found,) = [one for one in summary["impediments"] if one["product"] == "ADA-USD"]
    wanted = f"trim of {-summary['tickers']['ADA-USD']['trade_notional']:,.2f} USD"
    assert found["kind"] == "locked"
    assert found["since"] == DAY
    assert (found["wanted"], found["is_missed_exit"]) == (wanted, True)
    assert "tf release ADA-USD" in found["what_to_do"]
    assert profile.marks(DAY)[-1] == "done"
    subject = str(mailbox.messages[-1]["Subject"])
    assert subject.startswith("ATTENTION ")
    assert "ADA-USD locked" in subject
    assert "DONE" not in subject
    for shown in (said, mailbox.text(), profile.call("status")[1]):
        assert "ADA-USD locked since" in shown
        assert f"wanted: {wanted}" in shown
        assert "what to do: tf release ADA-USD" in shown

    profile.run(DAY_AFTER)

    (later,) = [x for x in profile.summary(DAY_AFTER)["impediments"] if x["product"] == "ADA-USD"]
    assert later["since"] == DAY
    shown = json.loads(profile.call("status", "--json")[1])["impediments"]
    assert shown == profile.summary(DAY_AFTER)["impediments"]
    assert "ATTENTION" in str(mailbox.messages[-1]["Subject"])


def test_what_is_released_is_told_no_more(profile: Profile, mailbox: Mailbox) -> None:
    """The list is that of the day, and `since` begins anew when it comes again."""
    lock(profile, "ADA-USD")
    profile.run(DAY)
    profile.call("release", "ADA-USD")

    must_end(profile.run(DAY_AFTER))

    assert profile.summary(DAY_AFTER)["impediments"] == []
    assert "DONE" in str(mailbox.messages[-1]["Subject"])


def test_a_day_on_which_every_buy_is_refused(make_profile: MakeProfile, mailbox: Mailbox) -> None:
    """Something was wanted and nothing traded: exit 1, with the exchange's words."""
    profile = make_profile(exchange=FAULTS, notifications={"email": True})
    with going_wrong(profile, refused("BUY")):
        must_end(profile.run(DAY), 1)

    found = profile.summary(DAY)["impediments"]
    assert {one["kind"] for one in found} == {"buy_refused"}
    assert all(one["wanted"].startswith("entry of ") and one["why"] for one in found)
    subject = str(mailbox.messages[-1]["Subject"])
    assert subject.startswith("ATTENTION ")
    assert "DONE" not in subject
    assert "nothing held" in subject


def test_one_refused_buy_beside_trades_that_were_made(profile: Profile, faulty: Faulty) -> None:
    """Said, and the day is not failed for it: exit 0, attention."""
    with faulty(refused("BUY")):
        must_end(profile.run(DAY))

    summary = profile.summary(DAY)
    assert summary["state"] == "attention"
    (found,) = summary["impediments"]
    assert (found["kind"], found["product"]) == ("buy_refused", "ETH-USD")


def test_a_run_that_dies_half_way_says_what_it_left(profile: Profile, faulty: Faulty) -> None:
    """From the plan in its folder alone: what was not begun is named, with its money."""
    dead = {"kind": "status", "status": 500, "endpoint": "GET /products/*", "calls": ["5-9999"]}
    with faulty(dead):
        code, said = profile.run(DAY)

    assert code in (1, 3), said
    summary = profile.summary(DAY)
    wanted = {t for t, row in summary["tickers"].items() if row["trade_notional"]}
    told = {one["product"] for one in summary["impediments"] if one["wanted"]}
    done = {o["product_id"] for o in summary["orders"] if o["status"] == "done"}
    assert wanted
    assert told == wanted - done


def test_a_dry_run_says_what_would_stand_in_the_way(profile: Profile) -> None:
    """It keeps no list: the state stays as it was."""
    lock(profile, "ADA-USD")
    before = (profile.state / "impediments.json").read_bytes()

    code, said = profile.run(DAY, "--dry-run")

    assert (code, "dry" in said) == (1, True)
    assert "ADA-USD locked" in said
    assert (profile.state / "impediments.json").read_bytes() == before


def test_guard_alarms_about_what_needs_a_person(profile: Profile, faulty: Faulty) -> None:
    """A refused buy of the last run is told by the guard too; a bar that is missing is not."""
    with faulty(refused("BUY")):
        profile.run(DAY)

    said = must_end(profile.call("guard"), 1)

    assert "ALARM ETH-USD buy refused since" in said


def test_a_gate_of_the_strategy_is_no_impediment(profile: Profile) -> None:
    """Threshold, cooldown and a breached stop are what was decided, not what stands in its way."""
    must_end(profile.run(DAY))

    assert profile.summary(DAY)["state"] == "done"
    assert profile.summary(DAY)["impediments"] == []


# -- the function itself ---------------------------------------------------------------------------


def ticker(reason: str, *, trade: float = 0.0, held: float = 0.0, target: float = 0.0) -> Any:
    amounts = {"trade_notional": trade, "current_notional": held, "target_notional": target}
    return {"reason": reason, "close": 100.0} | amounts


RULES = {"base_min_size": "0.01", "quote_min_size": "1", "status": "online"}
QUOTE = {"bid": "99.99", "ask": "100.01", "last": "100"}


def record(row: dict[str, Any], *, units: str = "0", **account: Any) -> DayRecord:
    """One ticker, decided and read."""
    read: dict[str, Any] = {
        "products": {"AAA-USD": RULES},
        "quotes": {"AAA-USD": QUOTE},
        "wallets": {"AAA": {"available": units, "hold": "0"}},
    }
    read |= account
    return DayRecord({"tickers": {"AAA-USD": row}}, read, read, notes={"AAA-USD": "no order"})


ENTER = ticker("enter", trade=2382.0, target=2382.0)
EXIT = ticker("full_exit", trade=-4750.12, held=4750.12)
STALE = ticker("stale_or_missing_ohlc", held=100)
VIEW_ONLY = {"AAA-USD": RULES | {"view_only": True}}
BARE = ticker("not_protectable", target=2382.0)


@pytest.mark.parametrize(
    ("found", "kind", "wanted", "is_exit"),
    [
        (record(EXIT, units="47", blocked={"AAA-USD": "x"}), "locked", "full exit of 4,750", True),
        (record(EXIT, units="47", halt="no price"), "halted", "AAA-USD: full exit of 4,", True),
        (record(ENTER, no_buys="clock"), "no_buys", "AAA-USD: entry of 2,382.00 USD", False),
        (record(EXIT, units="47", quotes={}), "no_price", "full exit of 4,750.12 USD", True),
        (record(EXIT, units="47", products={}), "not_listed", "full exit of 4,750.12 USD", True),
        (record(BARE), "not_protectable", "entry of 2,382.00 USD", False),
        (record(BARE, quotes={}), "no_price", "entry of 2,382.00 USD", False),
        (record(BARE, products=VIEW_ONLY), "not_tradable", "entry of 2,382.00 USD", False),
        (record(ticker("unknown_signal", held=100), units="1"), "data_not_believed", "", False),
        (record(STALE, units="1"), "data_not_believed", "", False),
    ],
)
def test_what_keeps_back_is_named(found: DayRecord, kind: str, wanted: str, is_exit: bool) -> None:
    """One line: what stands in the way, what was wanted of which product, in money."""
    (one,) = found_in(found)

    assert one.kind == kind
    assert one.wanted.startswith(wanted)
    assert one.is_missed_exit is is_exit
    assert one.why
    assert one.what_to_do


@pytest.mark.parametrize("reason", ["below_threshold", "cooldown_active", "stop_breached"])
def test_gates_are_silent(reason: str) -> None:
    """The strategy decided so."""
    assert found_in(record(ticker(reason, target=500.0, held=300.0), units="3")) == []


@pytest.mark.parametrize(
    ("units", "kinds"), [("0.0004", []), ("0.0104", []), ("0.0106", ["no_price"])]
)
def test_dust_stands_in_nobodys_way(units: str, kinds: list[str]) -> None:
    """Four cents without a price are no news, nor is what is worth less than 1.05 of the least."""
    found = found_in(record(ticker("no_position"), units=units, quotes={}))

    assert [one.kind for one in found] == kinds


def test_an_exit_that_no_order_can_make_is_not_missed() -> None:
    """Four cents are to be sold, of a product without a bid: below what the exchange takes."""
    cents = ticker("full_exit", trade=-0.04, held=0.04)

    assert found_in(record(cents, units="0.0004", quotes={})) == []


def test_what_was_noted_where_it_was_met_knows_best() -> None:
    """Its words stand, with what the decision wanted put to them."""
    noted = Impediment(ImpedimentKind.LOCKED, "0.5 came from nowhere", "tf release", "AAA-USD")
    read = replace(record(EXIT, units="47", blocked={"AAA-USD": "x"}), noted=(noted,))

    (one,) = found_in(read)

    assert (one.why, one.wanted) == ("0.5 came from nowhere", "full exit of 4,750.12 USD")


def test_what_knows_its_own_beginning_keeps_it() -> None:
    """A lock in the ledger is older than the first list that named it."""
    first, day = dt.date(2026, 3, 1), dt.date(2026, 3, 9)
    known = Impediment(ImpedimentKind.LOCKED, "x", "y", "AAA-USD", since=first)

    (one,) = brought_together([known], before=[], day=day)
    (again,) = brought_together([replace(known, since=None)], before=[one], day=day)

    assert one.since == again.since == first


def test_a_missed_entry_alone_fails_only_an_idle_day() -> None:
    """Something was wanted and nothing was done, or an exit was missed."""
    entry = Impediment(ImpedimentKind.BUY_REFUSED, "no", "read", "A-USD", wanted="entry of 5 USD")
    leave = replace(entry, is_missed_exit=True)

    assert keeps_from_trading([entry], is_anything_done=False)
    assert not keeps_from_trading([entry], is_anything_done=True)
    assert keeps_from_trading([leave], is_anything_done=True)
    assert not keeps_from_trading([replace(entry, wanted="")], is_anything_done=False)

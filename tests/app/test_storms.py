"""
A busy midnight: reads that fail for minutes, runs that are killed, starts that come again.

Nobody loses a day to an exchange that is away for two minutes, and no start ends as if all were
well while a position is known to have no stop.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.app.profile import FAULTS, FEW_UNIVERSE, MakeProfile, Profile, going_wrong, must_end
from tests.app.remote import to_remote
from tests.oracle.exchange_state import ExchangeState, read_exchange, requests
from tf_lib.simulator import SimulatedExchange, SimulatorSettings

DAY = "2024-03-11"


@pytest.fixture
def stormy(make_profile: MakeProfile, no_waiting: None) -> Profile:
    """Return a profile whose exchange takes a schedule of mishaps; short waits cost no time."""
    return make_profile(exchange=FAULTS)


def storm(endpoint: str = "* *", *, until: str, begin: str = "00:01:00") -> dict[str, Any]:
    fault = {"kind": "status", "status": 503, "endpoint": endpoint, "body": "html"}
    return fault | {"from": begin, "until": until}


def entries(profile: Profile) -> list[str]:
    return [o.product for o in profile.exchange().orders if o.leg == "en" and o.filled]


# -- before anything was sent ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        storm(until="00:01:02"),
        storm(until="00:03:30"),
        storm("GET /accounts", until="00:03:30"),
        storm("GET /best_bid_ask", until="00:05:00"),
    ],
    ids=["two seconds", "all", "accounts", "prices"],
)
def test_a_day_is_done_after_the_storm(stormy: Profile, rule: dict[str, Any]) -> None:
    """Reads go on until the gate closes; the day is traded once, and the wait is on record."""
    with going_wrong(stormy, rule):
        must_end(stormy.run(DAY))

    assert stormy.wrong(DAY) == []
    assert stormy.marks(DAY) == ["claimed", "effects_complete", "done"]
    assert len(entries(stormy)) == len(set(entries(stormy))) > 0
    if rule["until"] > "00:02":
        assert len(stormy.beats("reads_fail")) == 1
        assert "503" in stormy.beats("reads_fail")[0]["why"]


def test_a_storm_that_outlasts_the_gate(stormy: Profile) -> None:
    """Exit 5 once the gate is closed, not before and not for ever; nothing begun."""
    with going_wrong(stormy, storm(until="23:59")):
        code, said = stormy.run(DAY)

    asked = requests(stormy.request_log)
    assert code == 5, said
    assert "cannot be reached" in said
    assert "00:05:3" < asked[-1]["exchange_time"][11:19] <= "00:06:00"
    assert len(asked) < 150
    assert not list(stormy.folder.glob("20*"))


def test_a_forced_run_has_ten_minutes(stormy: Profile) -> None:
    """There is no gate that closes."""
    with going_wrong(stormy, storm(until="00:10:30")):
        must_end(stormy.run(DAY, "--force-run"))

    assert stormy.wrong(DAY) == []


def test_a_storm_in_the_notebook(make_profile: MakeProfile) -> None:
    """The kernel is a process of its own, and as patient."""
    profile = make_profile(exchange=FAULTS)
    with going_wrong(profile, storm("GET /accounts", until="00:04:00")):
        must_end(profile.shell("run", "--date", DAY))

    assert profile.wrong(DAY) == []
    lines = profile.lines(DAY, "heartbeat")
    assert [x["event"] for x in lines].count("reads_fail") == 1


def test_a_quiet_second_start(stormy: Profile) -> None:
    """It asks for nothing and waits for nothing."""
    assert stormy.run(DAY)[0] == 0
    asked = stormy.count_requests()

    assert stormy.run(DAY) == (0, f"already_ran day={DAY}\n")
    assert stormy.count_requests() == asked


# -- after something was sent ----------------------------------------------------------------------


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[SimulatedExchange]:
    """Yield an exchange of its own, found by its address, whose clock moves when it is asked to."""
    folder = tmp_path / "venue"
    folder.mkdir()
    settings = SimulatorSettings(
        tickers=tuple(FEW_UNIVERSE["tickers"]),
        as_of=dt.date.fromisoformat(DAY),
        state_file=folder / "exchange.sqlite",
        log_file=folder / "requests.jsonl",
    )
    with SimulatedExchange(settings) as exchange:
        exchange.advance_to(at("00:01:00"))
        yield exchange


@pytest.fixture
def remote(venue: SimulatedExchange, tmp_path: Path, no_waiting: None) -> Profile:
    """Return a profile that trades there."""
    return to_remote(tmp_path, venue.start().to_mapping())


def at(time: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{DAY}T{time}+00:00")


def state_of(venue: SimulatedExchange) -> ExchangeState:
    assert venue.settings.state_file is not None
    return read_exchange(venue.settings.state_file)


def asked(venue: SimulatedExchange) -> list[dict[str, Any]]:
    assert venue.settings.log_file is not None
    return requests(venue.settings.log_file)


def unprotected(venue: SimulatedExchange) -> list[str]:
    """Return what is held and does not rest under stops as a whole, by the exchange's own state."""
    state = state_of(venue)
    covered = {n: sum(stop.remaining for stop in state.stops(n)) for n in state.held_products}
    return [name for name, units in covered.items() if units < state.held(name) * Decimal("0.99")]


def lose_stops(venue: SimulatedExchange) -> str:
    """Cancel every stop of a product as the customer does in the app; return its name."""
    product = state_of(venue).held_products[0]
    ids = [stop.order_id for stop in state_of(venue).stops(product)]
    path = "/api/v3/brokerage/orders/batch_cancel"
    venue.engine.handle("POST", path, None, {"order_ids": ids})
    assert unprotected(venue) == [product]
    return product


def killed_after_buys(profile: Profile, venue: SimulatedExchange, number: int) -> None:
    """Start a day and kill it when its n-th buy was filled, before it hears of it."""
    slow = {"kind": "slow", "seconds": 60, "contains": '"BUY"', "calls": [number]}
    venue.add_fault(endpoint="POST /orders", **slow)
    process = profile.start("run", "--no-notebook")
    deadline = monotonic() + 60
    while sum('"BUY"' in json.dumps(x["body"]) for x in asked(venue)) < number:
        assert process.poll() is None, process.communicate()[0]
        assert monotonic() < deadline
        threading.Event().wait(0.05)
    process.kill()
    process.communicate()
    venue.clear_faults()


def test_killed_after_an_entry_and_started_late(remote: Profile, venue: SimulatedExchange) -> None:
    """The gate is closed and the plan too old: settled and covered first, then skipped."""
    killed_after_buys(remote, venue, 2)
    assert unprotected(venue)
    venue.advance_to(at("00:11:00"))

    said = must_end(remote.run())

    events = [line.split()[0] for line in said.splitlines()]
    assert events[-2:] == ["protected", "gate_skip"]
    assert unprotected(venue) == []

    sent = len(asked(venue))
    assert remote.run()[1].split()[0] == "gate_skip"
    assert {x["path"].rpartition("/")[2] for x in asked(venue)[sent:]} <= {"time"}


def test_killed_and_started_while_its_plan_holds(remote: Profile, venue: SimulatedExchange) -> None:
    """The gate is closed, but there is time: the day is finished."""
    killed_after_buys(remote, venue, 2)
    venue.advance_to(at("00:08:00"))

    must_end(remote.run())

    assert unprotected(venue) == []
    assert remote.marks(DAY)[-1] == "done"
    bought = [o.product for o in state_of(venue).orders if o.leg == "en"]
    assert len(bought) == len(set(bought)) > 1


def test_killed_and_the_exchange_stays_away(remote: Profile, venue: SimulatedExchange) -> None:
    """What cannot be covered is no good end: exit 3, after three minutes of trying."""
    killed_after_buys(remote, venue, 1)
    venue.advance_to(at("00:11:00"))
    venue.add_fault(kind="status", status=503, endpoint="GET /accounts")

    said = must_end(remote.run(), 3)

    assert "ALARM" in said
    tried = [x["exchange_time"] for x in asked(venue) if x["path"].endswith("/accounts")]
    assert dt.datetime.fromisoformat(tried[-1]) >= at("00:13:50")

    venue.clear_faults()
    assert remote.run()[0] == 0
    assert unprotected(venue) == []


def refuses_stops(venue: SimulatedExchange) -> None:
    fault = {"kind": "status", "status": 400, "contains": "stop_limit_stop_limit_gtc"}
    venue.add_fault(endpoint="POST /orders", **fault)


def test_day_that_ended_unprotected_is_not_over(remote: Profile, venue: SimulatedExchange) -> None:
    """Exit 3 again for as long as no stop is taken, covered and exit 0 when one is."""
    assert remote.run()[0] == 0
    product = lose_stops(venue)
    refuses_stops(venue)
    assert remote.run(None, "--force-run")[0] == 3
    assert remote.marks(DAY)[-1] == "done"

    for _ in range(2):
        said = must_end(remote.run(), 3)
        assert said.splitlines()[-1] == f"already_ran day={DAY}"
        assert f"ALARM not protected: {product}" in said

    venue.clear_faults()
    assert remote.run()[0] == 0
    assert unprotected(venue) == []
    sent = len(asked(venue))
    assert remote.run() == (0, f"already_ran day={DAY}\n")
    assert len(asked(venue)) <= sent + 1


@pytest.mark.parametrize("name", ["guard", "protect"])
def test_protection_tries_three_minutes(
    remote: Profile, venue: SimulatedExchange, name: str
) -> None:
    """Two and a half minutes without an answer leave nothing unprotected."""
    assert remote.run()[0] == 0
    lose_stops(venue)
    venue.advance_to(at("00:30:00"))
    venue.add_fault(**storm(begin="00:30:00", until="00:32:30"))

    must_end(remote.call(name))

    assert unprotected(venue) == []

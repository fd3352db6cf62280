"""`protect` and `release`: by hand, after a crash, and on a profile that never ran."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.profile import Profile, must_end, simulator, tree
from tests.app.remote import to_remote
from tests.app.venue import cut_ledger, lock

DAY = "2024-03-05"


def test_protect_on_a_profile_that_never_ran_makes_no_exchange(profile: Profile) -> None:
    """Its first run chooses the day; an exchange made today could not go back to it."""
    for name in ("protect", "guard"):
        code, said = profile.call(name)

        assert (code, "0 held, 0 unprotected" in said) == (0, True), said
        assert not (profile.state / "exchange.sqlite").exists()
    assert profile.run(DAY)[0] == 0


def test_protect_changes_nothing_where_all_is_covered(profile: Profile) -> None:
    """Every holding rests under its stop: not one changing request, the clock stays."""
    profile.run(DAY)
    before, sent = profile.exchange(), profile.count_requests()
    assert before.held_products

    said = must_end(profile.call("protect"))

    assert "0 unprotected" in said
    assert profile.changed(after=sent) == []
    assert profile.exchange().now.date() == before.now.date()


def test_protect_before_the_day_was_claimed(profile: Profile) -> None:
    """The exchange's clock is a day further than the ledger's last mark: a run died in between."""
    profile.run(DAY)
    profile.run("2024-03-06")
    cut_ledger(profile, before='"day": "2024-03-06"')
    now = profile.exchange().now

    must_end(profile.call("protect"))

    assert profile.exchange().now.date() == now.date()


def test_release_lets_a_changed_holding_be_traded_again(profile: Profile) -> None:
    """A locked product stays locked over days until a person says so, once."""
    profile.run(DAY)
    lock(profile, "BTC-USD", why="a manual trade")
    assert profile.run("2024-03-06")[0] == 0
    locked = {"BTC-USD": "a manual trade"}
    assert profile.json("2024-03-06", "inputs/account.json")["blocked"] == locked
    assert json.loads(profile.call("status", "--json")[1])["locked"] == locked

    code, said = profile.call("release", "BTC-USD")

    assert (code, said) == (0, "BTC-USD released; it was locked because: a manual trade\n")
    assert profile.run("2024-03-07")[0] == 0
    assert profile.json("2024-03-07", "inputs/account.json")["blocked"] == {}


def test_release_of_what_is_not_locked_names_what_is(profile: Profile) -> None:
    """A misspelt product is a usage error, and nothing is written."""
    profile.run(DAY)
    before = tree(profile.state)

    code, said = profile.call("release", "BTC")

    assert (code, said) == (2, "error: BTC is not locked; locked products: none\n")
    assert tree(profile.state) == before | {"run.lock": b""}


@pytest.mark.parametrize("name", ["protect", "guard"])
def test_upkeep_waits_for_nobody(profile: Profile, name: str) -> None:
    """While a run holds the lock, protect ends with 4; the guard stands back."""
    from tf_lib.safety.lock import state_lock

    profile.run(DAY)
    sent = profile.count_requests()
    with state_lock(profile.state, kind="run"):
        code, said = profile.call(name)

    assert code == {"protect": 4, "guard": 0}[name]
    assert "run with pid" in said
    assert profile.changed(after=sent) == []


@pytest.mark.parametrize(("name", "exit_code"), [("protect", 5), ("guard", 1)])
def test_upkeep_without_an_exchange(
    tmp_path: Path, name: str, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said with the address and what that means for the positions."""
    with simulator(tmp_path / "venue", "--candles", "synthetic") as endpoint:
        profile = to_remote(tmp_path, endpoint, exchange={"clock": "wall"})
        assert profile.run(None, "--force-run")[0] == 0

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    code, said = profile.call(name)

    assert code == exit_code, said
    assert f"the exchange at {endpoint['base_url']} cannot be reached" in said
    assert "resting stops stay at the exchange" in said

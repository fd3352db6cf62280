"""A ledger or an epoch that cannot be read stops trading, never protection."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.app.profile import Profile, must_end
from tests.app.venue import cancel_by_hand, level

DAY, DAY_AFTER = "2024-03-11", "2024-03-12"


def spoil_line(ledger: Path) -> int:
    """Overwrite a line in the middle with NULs, as a disk does; return its number."""
    lines = ledger.read_bytes().split(b"\n")
    number = len(lines) // 2
    lines[number - 1] = b"\0" * len(lines[number - 1])
    ledger.write_bytes(b"\n".join(lines))
    return number


def unprotected_one(profile: Profile) -> tuple[str, Decimal]:
    """Take one product's stop away; return the product and the level it had."""
    product = profile.exchange().held_products[0]
    rested = level(profile, product)
    for stop in profile.exchange().stops(product):
        cancel_by_hand(profile, stop.client_id)
    return product, rested


@pytest.mark.parametrize("command", ["guard", "protect", "run"])
def test_spoilt_ledger_is_covered_from_what_exchange_shows(profile: Profile, command: str) -> None:
    """The level of its own stop comes back, nothing is bought, the file stays as it is."""
    assert profile.run(DAY)[0] == 0
    ledger = profile.state / "ledger.jsonl"
    number = spoil_line(ledger)
    spoilt, (product, rested) = ledger.read_bytes(), unprotected_one(profile)
    bought = [o for o in profile.exchange().orders if o.side == "BUY"]

    code, said = profile.run(DAY_AFTER) if command == "run" else profile.call(command)

    assert code == {"guard": 1, "protect": 1, "run": 2}[command], said
    assert f"{ledger}: line {number} is not JSON" in said
    assert level(profile, product) == rested
    assert profile.wrong(DAY) == []
    assert [o for o in profile.exchange().orders if o.side == "BUY"] == bought
    assert ledger.read_bytes() == spoilt

    sent = profile.count_requests()
    must_end(profile.call("guard"), 1)
    assert profile.changed(after=sent) == []
    logged = (profile.state / "guard.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert f"line {number} is not JSON" in str(json.loads(logged)["alarms"])


def test_a_ledger_that_is_right_again(profile: Profile) -> None:
    """What was placed meanwhile is found at the exchange; the next day trades as ever."""
    assert profile.run(DAY)[0] == 0
    ledger = profile.state / "ledger.jsonl"
    whole = ledger.read_bytes()
    spoil_line(ledger)
    product, rested = unprotected_one(profile)
    assert profile.call("guard")[0] == 1
    ledger.write_bytes(whole)

    guarded, said = profile.call("guard")
    code, ran = profile.run(DAY_AFTER)

    assert guarded == 0, said
    assert code == 0, ran
    assert level(profile, product) >= rested
    assert profile.wrong(DAY_AFTER) == []


@pytest.mark.parametrize("command", ["guard", "protect", "run"])
def test_a_spoilt_epoch(profile: Profile, command: str) -> None:
    """The same: covered, not traded, and the file is named."""
    assert profile.run(DAY)[0] == 0
    epoch = profile.state / "epoch"
    epoch.write_bytes(b"\0\0")
    product, rested = unprotected_one(profile)

    code, said = profile.run(DAY_AFTER) if command == "run" else profile.call(command)

    assert code == {"guard": 1, "protect": 1, "run": 2}[command], said
    assert f"{epoch}: the epoch cannot be read: line 1 is" in said
    assert level(profile, product) == rested
    assert profile.wrong(DAY) == []
    assert epoch.read_bytes() == b"\0\0"
    assert not profile.day(DAY_AFTER).exists()

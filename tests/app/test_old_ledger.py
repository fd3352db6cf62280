"""A ledger that came back from a backup: what the exchange has shown since is the better memory."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from tests.app.profile import BUSY_DAY, BUSY_UNIVERSE, DAY_AFTER, Profile, write_parameters
from tests.app.venue import cancel_by_hand, opened
from tf_lib.store.ledger import Ledger

FILES = ("ledger.jsonl", "ledger_checkpoint.json")


def backup(profile: Profile, folder: Path) -> Path:
    """Copy a profile's memory, and nothing of the exchange."""
    folder.mkdir()
    for name in FILES:
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(profile.state / name, folder / name)
    return folder


def restore(profile: Profile, folder: Path) -> None:
    for name in FILES:
        (profile.state / name).unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(folder / name, profile.state / name)


def highest(profile: Profile) -> dict[str, Decimal]:
    """Return the highest level of all live stops of each product."""
    exchange, found = profile.exchange(), {}
    for product in exchange.held_products:
        found[product] = max(stop.stop or Decimal(0) for stop in exchange.stops(product))
    return found


@pytest.fixture
def raised(busy: Profile, tmp_path: Path) -> tuple[Profile, str]:
    """Return a profile after the busy day with the ledger of the day before, and what rose."""
    config = write_parameters(tmp_path / "busy.yaml", universe=BUSY_UNIVERSE)
    profile = Profile(config, busy.runs)
    before, kept = highest(profile), backup(profile, tmp_path / "backup")
    assert profile.run(BUSY_DAY)[0] == 0
    after = highest(profile)
    restore(profile, kept)
    product = next(p for p in sorted(after) if p in before and after[p] > before[p])
    return profile, product


def test_the_unprotected_is_covered_at_its_highest_level(raised: tuple[Profile, str]) -> None:
    """Yesterday's ledger, and the run died between cancel and place."""
    profile, product = raised
    rested = highest(profile)[product]
    for stop in profile.exchange().stops(product):
        cancel_by_hand(profile, stop.client_id)

    code, said = profile.call("guard")

    assert code in (0, 1), said
    assert highest(profile)[product] == rested


def test_the_days_run_lowers_no_stop(raised: tuple[Profile, str]) -> None:
    """Nobody died; by the day's own reckoning the level would be lower: the live stop's stands."""
    profile, product = raised
    rested, held = highest(profile)[product], profile.exchange().held(product)
    sections = {"risk_and_sizing": {"atr_multiplier": 9.0}}
    write_parameters(profile.config, universe=BUSY_UNIVERSE, **sections)
    with opened(profile) as exchange:
        exchange.deposit(product.split("-")[0], held)

    code, said = profile.run(DAY_AFTER)

    assert code in (0, 1), said
    levels = [stop.stop or Decimal(0) for stop in profile.exchange().stops(product)]
    assert min(levels) >= rested
    assert len(levels) >= 2 or profile.exchange().held(product) != 2 * held


def test_killed_while_orders_are_adopted_again(
    raised: tuple[Profile, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After any line of it the guard sends no id again, cancels nothing and locks nothing."""
    profile, _ = raised
    with opened(profile) as exchange:
        exchange.advance_to(exchange.now() + dt.timedelta(minutes=4))
    kept = backup(profile, tmp_path / "old")
    append = Ledger.append
    for count in range(1, 12):
        restore(profile, kept)
        written = 0

        def dies(ledger: Ledger, kind: str, *, until: int = count, **fields: object) -> object:
            nonlocal written
            if written == until:
                raise KeyboardInterrupt
            written += 1
            return append(ledger, kind, **fields)

        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "append", dies)
            profile.call("guard")
        sent = profile.count_requests()

        code, said = profile.call("guard")

        assert profile.changed(after=sent) == [], (count, said)
        assert "locked" not in said, count
        assert code in (0, 1), said
        moves = [x.get("to") for x in profile.ledger() if x["kind"] == "move"]
        assert not {"ABSENT", "MISMATCH"} & set(moves), count

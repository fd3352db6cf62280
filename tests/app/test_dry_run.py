"""A dry run: reads, decides, previews; nothing at the exchange and nothing of the state moves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import FEW_UNIVERSE, Profile, must_end, new_profile, tree
from tests.oracle.exchange_state import dump
from tf_lib.safety.lock import state_lock

DAY_BEFORE, DAY = "2024-03-11", "2024-03-18"
"""On the first, some are bought; on the second, one is to be sold."""


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Return a profile that holds positions under stops."""
    folder = tmp_path_factory.mktemp("first")
    profile = new_profile(folder / "few.yaml", DAY_BEFORE, universe=FEW_UNIVERSE)
    assert profile.exchange().held_products
    return profile


@pytest.fixture
def held(first_day: Profile, tmp_path: Path) -> Profile:
    """Return a copy of it."""
    return first_day.copied(tmp_path / "runs")


def previewed(profile: Profile) -> Path:
    """Return the folder of the only dry run."""
    (folder,) = (profile.folder / "dry").iterdir()
    return folder


def test_dry_run_sends_and_moves_nothing(held: Profile) -> None:
    """No changing request; wallets, orders, clock and ledger are the same to the byte."""
    exchange = held.state / "exchange.sqlite"
    ledger = (held.state / "ledger.jsonl").read_bytes()
    before, whole, sent = dump(exchange), exchange.read_bytes(), held.count_requests()

    said = must_end(held.run(DAY, "--dry-run"))

    assert any(line.startswith(f"dry {DAY} exit 0") for line in said.splitlines())
    assert held.count_requests() > sent
    assert held.changed(after=sent) == []
    assert dump(exchange) == before
    assert exchange.read_bytes() == whole
    assert (held.state / "ledger.jsonl").read_bytes() == ledger
    assert not held.day(DAY).exists()


def test_dry_run_leaves_no_copy_behind(held: Profile) -> None:
    """Its copies of ledger, exchange and key are gone when it ends."""
    held.run(DAY, "--dry-run")
    folder = previewed(held)

    assert folder.name == f"{DAY}-1"
    assert [path.name for path in folder.rglob("*") if path.name.startswith(".")] == []
    assert not list(folder.rglob("*.sqlite")) + list(folder.rglob("key*.json"))
    assert not (folder / "done.json").exists()


def test_real_run_afterwards_has_the_same_plan(held: Profile) -> None:
    """What was previewed is what is done, and it is done as if there had been no preview."""
    twin = held.copied(held.runs.with_name("twin"))
    held.run(DAY, "--dry-run")
    dry_plan = (previewed(held) / "plan.json").read_bytes()

    assert held.run(DAY)[0] == twin.run(DAY)[0] == 0
    assert held.plan(DAY) == twin.plan(DAY) == dry_plan
    assert held.exchange().wallets == twin.exchange().wallets
    assert held.wrong(DAY) == []


def results(folder: Path, log: str) -> list[dict[str, Any]]:
    lines = (folder / "logs" / f"{log}.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["action"] == "result"]


def test_preview_refused_for_our_own_stop_is_no_fault(held: Profile) -> None:
    """The stop holds the base, so the sale's preview is refused; the run would cancel it first."""
    held.run(DAY, "--dry-run")
    (row,) = results(previewed(held), "order_submit")

    assert (row["product_id"], row["leg"]) == ("XTZ-USD", "ex")
    assert row["status"] == "would_cancel_first"


def test_dry_run_tells_what_it_would_do_with_every_stop(held: Profile) -> None:
    """One row per holding, all skipped, with the level that rests and the one that should."""
    held.run(DAY, "--dry-run")
    rows = results(previewed(held), "stop_updates")

    assert {row["status"] for row in rows} == {"skip"}
    assert any(row["reason"].startswith("would") for row in rows)


def test_dry_run_on_a_profile_that_never_ran(profile: Profile) -> None:
    """A first look before the first run: its clock, ledger and account are still to be made."""
    must_end(profile.run(DAY_BEFORE, "--dry-run"))

    assert not (profile.state / "exchange.sqlite").exists()
    assert not (profile.state / "ledger.jsonl").exists()
    assert profile.changed() == []
    assert {row["status"] for row in results(previewed(profile), "order_submit")} == {"preview_ok"}
    assert profile.run("2024-03-05")[0] == 0


def test_dry_runs_of_a_day_are_numbered(held: Profile) -> None:
    """Each has a folder of its own."""
    for _ in range(2):
        held.run(DAY, "--dry-run")

    assert sorted(p.name for p in (held.folder / "dry").iterdir()) == [f"{DAY}-1", f"{DAY}-2"]


def test_dry_run_of_a_day_that_is_done_needs_force(held: Profile) -> None:
    """The gate holds for it as for any run; with --force-run it looks again and sends nothing."""
    assert held.run(DAY_BEFORE, "--dry-run") == (0, f"already_ran day={DAY_BEFORE}\n")
    before = tree(held.day(DAY_BEFORE))

    code, said = held.run(DAY_BEFORE, "--dry-run", "--force-run")

    assert (code, "dry 2024-03-11 exit 0" in said) == (0, True)
    assert tree(held.day(DAY_BEFORE)) == before
    assert held.marks(DAY_BEFORE) == ["claimed", "effects_complete", "done"]


def test_dry_run_while_another_run_holds_the_lock(held: Profile) -> None:
    """It needs no lock, since it changes nothing."""
    with state_lock(held.state, kind="run"):
        assert held.run(DAY, "--dry-run")[0] == 0

"""`prune`, `backup`, `restore`: days and ledgers that are kept for years."""

from __future__ import annotations

import json
import shutil
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import Profile, after_days, must_end, tree, write_parameters
from tf_lib.app.record import packed
from tf_lib.errors import StateError

THREE = ("2024-03-08", "2024-03-11", "2024-03-18")


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Return a profile with three days, to copy."""
    return after_days(write_parameters(tmp_path_factory.mktemp("ran") / "demo.yaml"), *THREE)


@pytest.fixture
def ran(three_days: Profile, tmp_path: Path) -> Profile:
    """Return a copy of it, to change."""
    shutil.copytree(three_days.runs, tmp_path / "runs")
    return Profile(three_days.config, tmp_path / "runs")


# -- prune -----------------------------------------------------------------------------------------


def test_old_days_are_packed_and_read_as_before(ran: Profile) -> None:
    """Replay, show, status and the index; a second call has nothing to do."""
    shown = must_end(ran.call("show", THREE[0]))
    whole = tree(ran.day(THREE[0]))

    assert "2 of 3 days packed" in must_end(ran.call("prune", "--keep", "3d"))

    left = {path.name for path in ran.day(THREE[0]).iterdir()}
    assert left == {packed.PACK, packed.PACK_LIST, "done.json", f"daily_summary_{THREE[0]}.json"}
    assert tree(packed.unpacked(ran.day(THREE[0]))) == whole
    assert must_end(ran.call("replay", "--all")).endswith("3 of 3 days decide the same, 0 differ\n")
    assert must_end(ran.call("show", THREE[0])) == shown
    assert "RECORD CHANGED" not in must_end(ran.call("runs")) + ran.call("status")[1]
    assert "0 of 3 days packed" in must_end(ran.call("prune", "--keep", "3"))


def test_a_day_goes_on_after_days_were_packed(ran: Profile) -> None:
    """What a run looks back at is not in the packs."""
    must_end(ran.call("prune", "--keep", "0"))

    must_end(ran.run("2024-03-19"))

    assert ran.summary("2024-03-19")["result"]["since_start"]["date"] == THREE[0]


def test_a_packing_that_was_cut_short_is_carried_on(
    ran: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between pack and originals: both are there, and the next one ends it."""
    day = ran.day(THREE[0])
    whole = tree(day)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", _killed)
        with pytest.raises(KeyboardInterrupt):
            packed.pack(day)
    assert whole.items() <= tree(day).items()

    packed.pack(day)

    assert tree(packed.unpacked(day)) == whole


def test_originals_stay_beside_a_pack_that_was_spoilt_meanwhile(ran: Profile) -> None:
    """Killed before the originals went, and the pack damaged since: nothing is deleted."""
    day = ran.day(THREE[0])
    whole = shutil.copytree(day, day.with_name("whole"))
    packed.pack(day)
    for path in whole.rglob("*"):
        if path.is_file() and not (to := day / path.relative_to(whole)).exists():
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
    (day / packed.PACK).chmod(0o600)
    (day / packed.PACK).write_bytes(b"damaged")

    with pytest.raises(StateError):
        packed.pack(day)

    assert tree(whole).items() <= tree(day).items()


def _killed(path: Path, missing_ok: bool = False) -> None:
    raise KeyboardInterrupt


def test_a_pack_that_was_changed_is_named(ran: Profile) -> None:
    """As any file of a finished day; nothing of it is read."""
    must_end(ran.call("prune", "--keep", "0"))
    pack = ran.day(THREE[1]) / packed.PACK
    pack.chmod(0o600)
    pack.write_bytes(pack.read_bytes()[:-9])

    assert ran.call("replay", str(ran.day(THREE[1])))[0] == 2
    with pytest.raises(StateError):
        packed.unpacked(ran.day(THREE[1]))
    (changed,) = packed.changed_record(ran.day(THREE[1]))
    assert packed.PACK in changed


def test_a_file_that_differs_from_its_pack_stays(ran: Profile) -> None:
    """Somebody put another one there since: neither is thrown away."""
    day = ran.day(THREE[0])
    packed.pack(day)
    (day / "plan.json").write_text("{}", encoding="utf-8")

    assert ran.call("prune", "--keep", "0")[0] == 1
    assert (day / "plan.json").read_text() == "{}"


# -- backup and restore ----------------------------------------------------------------------------


def test_a_backup_brings_everything_back(ran: Profile, tmp_path: Path) -> None:
    """In an empty folder as in a used one, which is moved aside; the next day goes on."""
    file, elsewhere = tmp_path / "kept.tar.gz", Profile(ran.config, tmp_path / "elsewhere")
    must_end(ran.call("backup", "--out", str(file)))
    before = _without_locks(ran.folder)

    must_end(elsewhere.call("restore", str(file), "--yes"))
    assert _without_locks(elsewhere.folder) == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    must_end(ran.run("2024-03-19"))
    said = must_end(ran.call("restore", str(file), "--yes"))
    assert "1 later days (2024-03-19 to 2024-03-19)" in said
    assert _without_locks(ran.folder) == before
    (aside,) = (ran.runs / "earlier").iterdir()
    assert (aside / "2024-03-19" / "plan.json").exists()
    must_end(ran.run("2024-03-19"))


def _without_locks(folder: Path) -> dict[str, bytes]:
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    return {n: c for n, c in found.items() if not n.endswith((".lock", ".holder", ".reserve"))}


def test_what_a_backup_does_not_know_is_said_first(ran: Profile, tmp_path: Path) -> None:
    """Without a yes nothing is changed, and nobody there to ask is exit 2."""
    file = tmp_path / "kept.tar.gz"
    must_end(ran.call("backup", "--out", str(file)))
    before = _without_locks(ran.folder)

    code, said = ran.call("restore", str(file))

    assert code == 2
    assert "not in its ledger" in said
    assert _without_locks(ran.folder) == before


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _other_file(file: Path) -> None:
    file.write_text("not a backup", encoding="utf-8")


def _edited(file: Path) -> None:
    """Put another ledger into it, as somebody who edits one by hand."""
    there = file.parent / "edited"
    with tarfile.open(file) as backup:
        backup.extractall(there, filter="data")
    ledger = there / "profile" / "state" / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes() + b"\n")
    with tarfile.open(file, "w:gz") as backup:
        backup.add(there / "backup.json", "backup.json")
        backup.add(there / "profile", "profile")


@pytest.mark.parametrize("spoilt", [_cut, _other_file, _edited])
def test_a_spoilt_backup_changes_nothing(ran: Profile, tmp_path: Path, spoilt: Any) -> None:
    """Every file is checked before the first is moved."""
    file = tmp_path / "kept.tar.gz"
    must_end(ran.call("backup", "--out", str(file)))
    before = _without_locks(ran.folder)
    spoilt(file)

    assert ran.call("restore", str(file), "--yes")[0] in (1, 2)
    assert _without_locks(ran.folder) == before


def test_a_backup_is_of_its_profile_and_overwrites_nothing(ran: Profile, tmp_path: Path) -> None:
    """Another profile's, or a file that is there: exit 2."""
    file = tmp_path / "kept.tar.gz"
    must_end(ran.call("backup", "--out", str(file)))
    other = Profile(write_parameters(tmp_path / "other.yaml"), tmp_path / "o")

    assert ran.call("backup", "--out", str(file))[0] == 2
    assert other.call("restore", str(file), "--yes")[0] == 2
    assert other.call("backup", "--out", str(tmp_path / "new"))[0] == 2


def test_a_spoilt_ledger_is_kept_too(ran: Profile, tmp_path: Path) -> None:
    """Somebody may still read it."""
    ledger = ran.folder / "state" / "ledger.jsonl"
    lines = ledger.read_text().splitlines()
    lines[len(lines) // 2] = "\0" * 40
    ledger.write_text("\n".join(lines) + "\n", encoding="utf-8")
    file = tmp_path / "kept.tar.gz"

    must_end(ran.call("backup", "--out", str(file)))

    with tarfile.open(file) as backup:
        manifest = json.load(backup.extractfile("backup.json"))  # type: ignore[arg-type]
    assert "ledger_problem" in manifest

"""The run store: where things lie, what is proven before a run, and what is read back."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import pandas as pd
import pytest

from tf_lib.errors import StateError
from tf_lib.store.run_folder import LOG_NAMES, ProfileFolder, RunFolder, RunLogs

DAY = dt.date(2024, 3, 1)


def now() -> dt.datetime:
    return dt.datetime(2024, 3, 1, 0, 1, 2, tzinfo=dt.UTC)


# -- profile folders -------------------------------------------------------------------------------


def test_state_is_made_and_proven(tmp_path: Path) -> None:
    """The probe is gone afterwards."""
    folder = ProfileFolder(tmp_path / "runs", "demo")
    folder.prepare()

    assert folder.state == tmp_path / "runs" / "demo" / "state"
    assert list(folder.state.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Named, with what to do."""
    (tmp_path / "runs").write_text("a file", encoding="utf-8")

    with pytest.raises(StateError, match=r"runs/demo/state: .*cannot be written.*--runs"):
        ProfileFolder(tmp_path / "runs", "demo").prepare()


def test_an_earlier_attempt_moves_away_whole(tmp_path: Path) -> None:
    """Under attempts/, by day and number; a name that is taken gets another."""
    folder = ProfileFolder(tmp_path, "demo")
    for number in (1, 2, 3):
        made = folder.open_day(DAY, number)
        (made / "mark").write_text(str(number), encoding="utf-8")
    again = folder.open_day(DAY, 3)
    kept = sorted((tmp_path / "demo" / "attempts").iterdir())

    assert list(again.iterdir()) == []
    assert [path.name for path in kept] == ["2024-03-01-1", "2024-03-01-2", "2024-03-01-2.2"]
    assert [(path / "mark").read_text(encoding="utf-8") for path in kept] == ["1", "2", "3"]


def test_dry_folders_are_numbered(tmp_path: Path) -> None:
    """One for each look."""
    folder = ProfileFolder(tmp_path, "demo")
    names = [folder.open_dry(DAY).name for _ in range(3)]

    assert names == ["2024-03-01-1", "2024-03-01-2", "2024-03-01-3"]


def test_days_are_the_folders_named_by_a_day(tmp_path: Path) -> None:
    """Oldest first; state, attempts and dry runs are none."""
    folder = ProfileFolder(tmp_path, "demo")
    assert folder.days() == []
    for name in ("2024-03-02", "2024-03-01", "state", "attempts", "dry", "20240303", "2024-13-01"):
        (tmp_path / "demo" / name).mkdir(parents=True)
    (tmp_path / "demo" / "2024-03-09").write_text("a file", encoding="utf-8")

    assert [path.name for path in folder.days()] == ["2024-03-01", "2024-03-02"]


# -- logs ------------------------------------------------------------------------------------------


def test_lines_carry_the_exchanges_time(tmp_path: Path) -> None:
    """And are read back in their order."""
    logs = RunLogs(tmp_path / "logs", now)
    logs.write("errors", severity="warning", message="one")
    logs.write("errors", severity="error", message="zwölf")

    assert logs.read("errors") == [
        {"at": now().isoformat(), "severity": "warning", "message": "one"},
        {"at": now().isoformat(), "severity": "error", "message": "zwölf"},
    ]
    assert logs.read("heartbeat") == []


def test_every_log_exists_from_the_start(tmp_path: Path) -> None:
    """An empty one says "nothing", not "unknown"."""
    RunLogs(tmp_path / "logs", now).touch_all()

    names = {path.name for path in (tmp_path / "logs").iterdir()}
    assert names == {f"{name}.jsonl" for name in LOG_NAMES}


def test_only_known_logs(tmp_path: Path) -> None:
    """A misspelt name would lose its lines."""
    with pytest.raises(StateError, match=r"log must be one of heartbeat, .* got 'error'"):
        RunLogs(tmp_path, now).write("error", message="x")


# -- run folders -----------------------------------------------------------------------------------


def test_missing_and_broken_artifacts_are_named(tmp_path: Path) -> None:
    """By path and by what is wrong."""
    folder = RunFolder(tmp_path, now)
    with pytest.raises(StateError, match=r"plan\.json: this run has no plan\.json"):
        folder.read_json("plan.json")
    with pytest.raises(StateError, match=r"signals\.parquet: this run has no"):
        folder.read_frame("signals.parquet")

    (tmp_path / "plan.json").write_text("{", encoding="utf-8")
    (tmp_path / "signals.parquet").write_bytes(b"PAR1")

    with pytest.raises(StateError, match=r"plan\.json: is not JSON"):
        folder.read_json("plan.json")
    with pytest.raises(StateError, match=r"signals\.parquet: cannot be read as a table"):
        folder.read_frame("signals.parquet")


def test_tables_and_values_survive(tmp_path: Path) -> None:
    """Index names, times and numbers, to the bit."""
    folder = RunFolder(tmp_path, now)
    texts = ["2024-03-01", "2024-03-02", "2024-03-04"]
    days = pd.DatetimeIndex(pd.to_datetime(texts, utc=True), name="date")
    table = pd.DataFrame({"close": [0.1, float("nan"), 1e-300]}, index=days)
    folder.write_frame("inputs/table.parquet", table)
    folder.write_json("plan.json", {"text": "ä", "list": [1, None]})
    folder.write_yaml("config.yaml", {"b": 1, "a": {"c": "1.0"}})

    pd.testing.assert_frame_equal(folder.read_frame("inputs/table.parquet"), table)
    assert folder.read_json("plan.json") == {"text": "ä", "list": [1, None]}
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == "b: 1\na:\n  c: '1.0'\n"


def test_only_known_snapshots(tmp_path: Path) -> None:
    """Three, by name."""
    with pytest.raises(StateError, match=r"snapshot must be one of .* got 'last'"):
        RunFolder(tmp_path, now).write_snapshot("last", pd.DataFrame())


def test_artifacts_are_listed_with_their_hashes(tmp_path: Path) -> None:
    """Every file by its path; not the mark itself, and nothing half-written."""
    folder = RunFolder(tmp_path, now)
    folder.write_json("plan.json", {})
    folder.logs.write("errors", message="x")
    (tmp_path / "done.json").write_text("{}", encoding="utf-8")
    (tmp_path / ".part").write_text("half", encoding="utf-8")
    listed = {row["path"]: row for row in folder.artifacts()}

    assert set(listed) == {"plan.json", "logs/errors.jsonl"}
    content = (tmp_path / "plan.json").read_bytes()
    assert listed["plan.json"]["bytes"] == len(content)
    assert listed["plan.json"]["sha256"] == hashlib.sha256(content).hexdigest()


def test_seals_tell_what_was_changed(tmp_path: Path) -> None:
    """A byte more, or a file that is gone; what was not sealed may change."""
    folder = RunFolder(tmp_path, now)
    for name in ("one", "two", "three"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    folder.seal("inputs/sha256.json", ("one", "two"))
    (tmp_path / "three").write_text("changed", encoding="utf-8")
    assert folder.broken_seals("inputs/sha256.json") == []

    (tmp_path / "one").write_text("one.", encoding="utf-8")
    (tmp_path / "two").unlink()

    first, second = folder.broken_seals("inputs/sha256.json")
    assert first.startswith("one is not the file this run wrote: sha256 ")
    assert second.endswith("missing now")


def test_without_a_seal_there_is_nothing_to_hold_against(tmp_path: Path) -> None:
    """Named, not passed over."""
    with pytest.raises(StateError, match="this run has no inputs/sha256"):
        RunFolder(tmp_path, now).broken_seals("inputs/sha256.json")

"""The trial ledger forgets nothing, counts nothing twice, and survives a torn line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tf_lib.errors import StateError
from tf_lib.research.sweep.trials import Trial, TrialLedger


def trial(key: str, sharpe: float | None = 0.1) -> Trial:
    return Trial(key, "ok" if sharpe is not None else "failed", sharpe, 100)


def test_every_trial_counts_once_across_sweeps(tmp_path: Path) -> None:
    """The same set on the same bars is no second try; a failed one is a first."""
    TrialLedger(tmp_path).add([trial("a"), trial("b", None)])
    later = TrialLedger(tmp_path)
    later.add([trial("b", None), trial("c"), trial("c")])

    assert len(later) == len(TrialLedger(tmp_path)) == 3
    assert "b" in later


def test_variance_is_of_what_has_a_sharpe_ratio_in_any_order(tmp_path: Path) -> None:
    """By hand: 0.1, 0.2, 0.6 have mean 0.3 and sample variance (0.04 + 0.01 + 0.09) / 2."""
    numbers = [0.1, 0.2, None, 0.6]
    for folder, order in (("one", numbers), ("other", numbers[::-1])):
        TrialLedger(tmp_path / folder).add(trial(f"t{n}", n) for n in order)
    one, other = (TrialLedger(tmp_path / folder).sharpe_variance for folder in ("one", "other"))

    assert one == pytest.approx(0.07)
    assert one == other


def test_one_trial_has_no_variance(tmp_path: Path) -> None:
    """Nor has none."""
    ledger = TrialLedger(tmp_path)
    assert ledger.sharpe_variance == 0.0

    ledger.add([trial("a")])
    assert ledger.sharpe_variance == 0.0


def test_a_line_torn_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    """What was written before and after it stays."""
    ledger = TrialLedger(tmp_path)
    ledger.add([trial("a")])
    with ledger.path.open("a") as file:
        file.write('{"key": "b", "stat')
    again = TrialLedger(tmp_path)
    assert len(again) == 1

    again.add([trial("c")])
    assert len(TrialLedger(tmp_path)) == 2


def test_a_ledger_of_something_else_is_refused_by_line(tmp_path: Path) -> None:
    """A file that somebody edited must not silently count fewer trials."""
    ledger = TrialLedger(tmp_path)
    ledger.add([trial("a")])
    with ledger.path.open("a") as file:
        file.write('{"name": "x"}\n')

    with pytest.raises(StateError, match="line 2: not a trial"):
        TrialLedger(tmp_path)


def test_order_removes_no_trial_and_no_torn_line_swallows_one(tmp_path: Path) -> None:
    """Lines of several sweeps, one torn: sorted by key, each whole trial there once."""
    ledger = TrialLedger(tmp_path)
    ledger.add([trial("c"), trial("a", None)])
    with ledger.path.open("a") as file:
        file.write('{"key": "b", "stat')
    again = TrialLedger(tmp_path)
    again.add([trial("b", 0.3)])
    again.put_in_order()

    sorted_by_key = TrialLedger(tmp_path / "plain")
    sorted_by_key.add([trial("a", None), trial("b", 0.3), trial("c")])
    assert again.path.read_bytes() == sorted_by_key.path.read_bytes()
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["trials.jsonl"]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"0.25", b'"abc"', "sharpe cannot be 'abc'"),
        (b'"b"', b'["b"]', r"key cannot be \['b'\]"),
        (b'"b"', b'"\xff"', "can't decode byte 0xff"),
        (b"0.25", b"0.05", "digest"),
        (b"0.25", b"NaN", "sharpe cannot be nan"),
        (b"100", b"true", "n_days cannot be True"),
        (b'"n_days": 100, ', b"", "n_days"),
        (b'{"key"', b'3, {"key"', "Extra data"),
    ],
)
def test_a_line_that_was_edited_is_refused_by_file_and_line(
    tmp_path: Path, old: bytes, new: bytes, why: str
) -> None:
    """Whatever was done to it: exit code 2, and the way out."""
    ledger = TrialLedger(tmp_path)
    ledger.add([trial("a"), trial("b", 0.25)])
    first, second = ledger.path.read_bytes().splitlines(keepends=True)
    assert old in second
    ledger.path.write_bytes(first + second.replace(old, new))

    with pytest.raises(StateError, match=rf"trials\.jsonl, line 2: not a trial.*{why}") as caught:
        TrialLedger(tmp_path)
    assert "move it away" in str(caught.value)
    assert caught.value.exit_code == 2

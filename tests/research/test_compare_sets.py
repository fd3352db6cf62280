"""The returns of all sets in one file, and two of them held against each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.research.sweeping import ATR, CAP, FAST, halt_sets, planned, swept, write_inputs
from tf_lib.app.commands.research.compare_sets import compare_sets_command, compared
from tf_lib.app.commands.research.sweep import sweep_command
from tf_lib.app.commands.results.returns_table import RETURNS_NAME, read_returns, write_returns
from tf_lib.errors import ParameterError
from tf_lib.research.inference.bootstrap import (
    Resampling,
    annual_mean,
    annual_sharpe,
    bootstrap_difference,
    resampled_rows,
)
from tf_lib.research.sweep.evaluate import evaluate


def test_each_column_is_the_returns_of_its_set(tmp_path: Path) -> None:
    """To the last bit, on its days; a set that is invalid has none."""
    result = swept(tmp_path)
    frame = pd.read_parquet(write_returns(result, tmp_path)).set_index("date")
    study, sets, _ = planned()
    good = [one for one in sets if not one.problem]

    assert list(frame.columns) == [str(one.number) for one in good]
    assert (frame.index[0], frame.index[-1], len(frame)) == (study.start, study.end, study.n_days)
    for one, made in zip(good, evaluate(study, good), strict=True):
        np.testing.assert_array_equal(frame[str(one.number)].to_numpy(), made.returns)


def test_memory_is_bounded_and_the_returns_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven days of two sets at a time: no other number; a failed set has no column."""
    halt_sets(monkeypatch, {0.8}, "no solution")
    result = swept(tmp_path, {CAP: [0.7, 0.8, 0.9]})
    whole = pd.read_parquet(write_returns(result, tmp_path))
    cut = write_returns(result, tmp_path, most_bytes=7 * 2 * 8)

    assert pq.ParquetFile(cut).num_row_groups == -(-result.study.n_days // 7)
    pd.testing.assert_frame_equal(pd.read_parquet(cut), whole, check_exact=True)
    assert list(whole.columns) == ["date", "0", "2"]


def test_a_sweep_that_goes_on_writes_the_same_file(tmp_path: Path) -> None:
    """Also when nothing is left to do and the file is gone."""
    inputs = write_inputs(tmp_path, f"{FAST}: [10, 20]\n")
    out = tmp_path / "out"
    sweep_command(*inputs, out, n_workers=1)
    first = (out / RETURNS_NAME).read_bytes()
    (out / RETURNS_NAME).unlink()
    sweep_command(*inputs, out, n_workers=1)

    assert (out / RETURNS_NAME).read_bytes() == first


def test_a_difference_by_a_plain_loop() -> None:
    """The same rows for both, and the quantiles of what is left."""
    random = np.random.default_rng(2)
    a, b = random.normal(0.001, 0.02, (2, 300))
    how = Resampling(block_rows=10, n_samples=200, seed=4)
    found = bootstrap_difference(a, b, annual_sharpe, how)
    drawn = [
        (x.mean() / x.std(ddof=1) - y.mean() / y.std(ddof=1)) * 365**0.5
        for x, y in ((a[rows], b[rows]) for rows in resampled_rows(300, how))
    ]

    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, (0.05, 0.95))))
    assert found.value == pytest.approx(float((annual_sharpe(a[None]) - annual_sharpe(b[None]))[0]))
    turned = bootstrap_difference(b, a, annual_sharpe, how)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_nine_bands_of_ten_hold_the_true_difference() -> None:
    """Of pairs that share a market and differ by a known mean: within what chance allows."""
    random = np.random.default_rng(9)
    held = 0
    for seed in range(100):
        market = random.normal(0.0, 0.02, 400)
        a, b = market + random.normal(0.001, 0.01, 400), market + random.normal(0.0, 0.01, 400)
        band = bootstrap_difference(a, b, annual_mean, Resampling(20, 300, seed))
        held += band.low <= 0.365 <= band.high

    assert 78 <= held <= 98


def test_the_command_says_whether_zero_lies_within(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the terminal and in a file of its own; best is a name, too."""
    inputs = write_inputs(tmp_path, f"{ATR}: [1.5, 2.5, 4.0]\n")
    out = tmp_path / "out"
    sweep_command(*inputs, out, n_workers=1)
    best = json.loads((out / "summary.json").read_text())["best"]["set"]
    capsys.readouterr()

    assert best == 2
    assert compare_sets_command(out, "best", "0") == 0
    record = json.loads((out / "comparison_2_0.json").read_text())
    (a, b), per_year = read_returns(out, [2, 0])
    said = capsys.readouterr().out
    sharpe = record["first_minus_second"]["sharpe"]
    assert record["first_minus_second"]["mean"]["value"] == pytest.approx((a - b).mean() * per_year)
    assert sharpe["zero_within"] == (sharpe["low"] <= 0.0 <= sharpe["high"])
    assert ("Zero lies within" in said) == sharpe["zero_within"]


def test_two_series_of_one_kind_are_not_told_apart() -> None:
    """And a series that is better every day is."""
    random = np.random.default_rng(5)
    a, b = random.normal(0.0, 0.02, (2, 500))
    how = Resampling(20, 500)
    alike = {"sharpe": bootstrap_difference(a, b, annual_sharpe, how)}
    apart = {"sharpe": bootstrap_difference(a - 0.003, a, annual_sharpe, how)}

    assert "do not tell set 3 from set 7" in compared([3, 7], 500, alike)
    assert "set 7 did better than set 3" in compared([3, 7], 500, apart)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("0", "0", "compared with itself"),
        ("0", "9", "has no returns of set 9; .*2 sets have"),
        ("worst", "0", "number of a set as in results.csv, or best, got 'worst'"),
    ],
)
def test_sets_that_are_not_there_are_said(
    tmp_path: Path, first: str, second: str, said: str
) -> None:
    """And a folder without a sweep."""
    write_returns(swept(tmp_path, {FAST: [10, 20]}), tmp_path)
    with pytest.raises(ParameterError, match=said):
        compare_sets_command(tmp_path, first, second)
    with pytest.raises(ParameterError, match=r"returns\.parquet: cannot be read"):
        compare_sets_command(tmp_path / "empty", "0", "1")
    with pytest.raises(ParameterError, match="names no best set"):
        compare_sets_command(tmp_path / "empty", "best", "1")

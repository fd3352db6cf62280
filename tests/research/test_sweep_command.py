"""The command: files a person and a program can read, and bad input said plainly."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pytest

from tests.research.sweeping import FAST, write_inputs
from tf_lib.app.commands.research.sweep import sweep_command
from tf_lib.app.commands.research.sweep_workers import SweepWorkers
from tf_lib.errors import BarsError, ParameterError, StateError

GRID = f"{FAST}: [10, 20, 300]\nrisk_and_sizing.atr_multiplier: {{low: 1.5, high: 2.5, n: 2}}\n"


def test_files_of_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table, the summary, the page; the verdict on the terminal as plain as it can be."""
    config, grid, candles = write_inputs(tmp_path, GRID)
    out = tmp_path / "out"

    assert sweep_command(config, grid, candles, out, n_workers=1) == 0
    summary = json.loads((out / "summary.json").read_text())
    table = pd.read_csv(out / "results.csv")
    said = capsys.readouterr()
    assert summary["n_sets"] == len(table) == 6
    assert summary["sets"] == {"invalid": 2, "ok": 4}
    assert summary["n_trials"] == 4
    pd.testing.assert_frame_equal(
        pd.read_parquet(out / "results.parquet"), table.fillna({"problem": "", "key": ""})
    )
    assert summary["best"]["set"] == table["sharpe"].idxmax()
    assert summary["passed"] == (not summary["warnings"])
    assert ("WARNING" in said.out) == (not summary["passed"])
    assert "2 invalid" in said.err
    page = (out / "report.html").read_text()
    assert page.count("<img ") >= 3
    assert "http" not in page
    assert "must be below slow_mavg" in page
    assert (out / "walk_forward.csv").read_text().startswith("kind,from,to,set,train_sharpe")


def test_drawn_sets_and_switches_have_a_page_too(tmp_path: Path) -> None:
    """Many values are shown as ranges, words as they are."""
    text = (
        f"{FAST}: {{low: 5, high: 60}}\n"
        "risk_and_sizing.covariance: [sample, ewm]\n"
        "signals.donchian.donchian_shift: [true, false]\n"
        "random: {n: 24, seed: 2}\n"
    )
    config, grid, candles = write_inputs(tmp_path, text)
    sweep_command(config, grid, candles, tmp_path / "out", n_workers=1)
    table = pd.read_csv(tmp_path / "out" / "results.csv")

    assert len(table) == 24
    assert set(table["risk_and_sizing.covariance"]) == {"sample", "ewm"}
    assert table["neighbours"].between(4, 8).all()
    assert (tmp_path / "out" / "report.html").read_text().count("<img ") == 5


def test_a_value_written_again_is_one_trial_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one list, and in a later sweep of the same folder."""
    path = "execution_and_costs.notional_threshold_pct"
    config, grid, candles = write_inputs(tmp_path, f"{path}: [0.3, 0.30000000000000004, 0.1]\n")
    sweep_command(config, grid, candles, tmp_path / "out", n_workers=1)
    first = capsys.readouterr().err
    grid.write_text(f"{path}: [0.30000000000000004]\n")
    sweep_command(config, grid, candles, tmp_path / "out", n_workers=1)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())

    assert "2 sets (1 written again, tried once)" in first
    assert summary["n_trials"] == 2
    assert summary["n_repeated"] == 0


def test_a_spoilt_ledger_is_refused_and_the_way_out_that_is_said_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An edited number; then the ledger is moved away, and every trial counts again."""
    config, grid, candles = write_inputs(tmp_path, GRID)
    out = tmp_path / "out"
    sweep_command(config, grid, candles, out, n_workers=1)
    ledger = out / "trials.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole.replace(b'"sharpe": ', b'"sharpe": 1', 1))
    with pytest.raises(StateError, match=r"trials\.jsonl, line 1: "):
        sweep_command(config, grid, candles, out, n_workers=1)
    ledger.unlink()
    capsys.readouterr()
    sweep_command(config, grid, candles, out, n_workers=1)

    assert "had lost 4 trials" in capsys.readouterr().out
    assert ledger.read_bytes() == whole


def test_sets_that_never_trade_are_no_crash_and_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No Sharpe ratio at all: the table says so, and the verdict is that nothing was shown."""
    text = "execution_and_costs.notional_threshold_pct: [5.0, 6.0]\n"
    config, grid, candles = write_inputs(tmp_path, text)
    sweep_command(config, grid, candles, tmp_path / "out", n_workers=1)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())

    assert summary["sets"] == {"ok": 2}
    assert summary["best"]["sharpe"] is None
    assert summary["best"]["trades"] == 0
    assert summary["sharpe"] is None
    assert not summary["passed"]
    said = capsys.readouterr().out
    assert "WARNING: No set beat not trading" in said
    assert "best     none: no set ever traded" in said


def test_a_set_that_never_trades_is_not_the_best_of_sets_that_lose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One rule in the table, the verdict, the walk forward and on the terminal."""
    text = (
        "execution_and_costs.notional_threshold_pct: [0.05, 5.0]\n"
        "execution_and_costs.taker_fee: [0.04, 0.05, 0.06]\n"
        "execution_and_costs.maker_fee: [0.04]\n"
    )
    config, grid, candles = write_inputs(tmp_path, text)
    out = tmp_path / "out"
    sweep_command(config, grid, candles, out, n_workers=1)
    summary = json.loads((out / "summary.json").read_text())
    table = pd.read_csv(out / "results.csv")
    walk = pd.read_csv(out / "walk_forward.csv")
    said = capsys.readouterr().out
    traded = table[table["trades"] > 0]

    assert len(traded) == 3
    assert (traded["sharpe"] < 0).all()
    assert summary["best"]["set"] == traded["set"].iloc[int(traded["sharpe"].argmax())]
    assert summary["best"]["sharpe"] == pytest.approx(summary["sharpe"])
    assert summary["best_plateau"]["set"] in set(traded["set"])
    assert set(walk["set"]) <= set(traded["set"])
    assert summary["verdict"].startswith("No set beat not trading")
    assert f"{summary['sharpe']:.2f} a year" in summary["warnings"][0]
    assert "(no set beat not trading)" in said
    assert "undefined" not in said


def test_too_few_sets_have_no_best_plateau_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two sets are each other's only neighbours: their plateaus are the same."""
    config, grid, candles = write_inputs(tmp_path, f"sets: [{{{FAST}: 10}}, {{{FAST}: 20}}]\n")
    out = tmp_path / "out"
    sweep_command(config, grid, candles, out, n_workers=1)

    assert json.loads((out / "summary.json").read_text())["best_plateau"] is None
    assert "plateau  undefined: too few neighbouring sets" in capsys.readouterr().out
    assert "too few sets to tell one plateau from another" in (out / "report.html").read_text()


def test_a_span_of_its_own(tmp_path: Path) -> None:
    """First and last day can be given."""
    config, grid, candles = write_inputs(tmp_path, f"{FAST}: [10, 20]\n")
    first, last, out = dt.date(2023, 1, 1), dt.date(2023, 6, 30), tmp_path / "out"
    sweep_command(config, grid, candles, out, n_workers=1, start=first, end=last)

    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["days"] == ["2023-01-01", "2023-06-30"]
    assert summary["n_days"] == 181


def test_bad_input_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    """An unknown path, an empty grid, days that never meet, no such folder, no worker."""
    config, grid, candles = write_inputs(tmp_path, "signals.moving_average.fast: [1]\n")
    out = tmp_path / "out"
    with pytest.raises(ParameterError, match=r"g\.yaml: .*did you mean"):
        sweep_command(config, grid, candles, out)
    grid.write_text("sets: []\n")
    with pytest.raises(ParameterError, match="the grid is empty"):
        sweep_command(config, grid, candles, out)
    grid.write_text(f"{FAST}: [10]\n")
    early = dt.date(2010, 1, 1), dt.date(2011, 1, 1)
    with pytest.raises(BarsError, match="no day in common"):
        sweep_command(config, grid, candles, out, start=early[0], end=early[1])
    with pytest.raises(ParameterError, match="every set would live 1 day, 2023-01-05"):
        sweep_command(
            config, grid, candles, out, start=dt.date(2023, 1, 5), end=dt.date(2023, 1, 5)
        )
    with pytest.raises(ParameterError, match="ends before that"):
        sweep_command(config, grid, candles, out, start=early[1], end=early[0])
    with pytest.raises(BarsError, match="no such candle folder"):
        sweep_command(config, grid, tmp_path / "absent", out)
    with pytest.raises(ParameterError, match="--workers must be at least 1, got 0"):
        SweepWorkers(n_workers=0)

    assert not out.exists()


def test_a_daily_run_never_pays_for_dask() -> None:
    """Neither the command line nor the sweep's own modules import it before it is used."""
    import subprocess
    import sys

    code = (
        "import sys, tf_lib.app.cli, tf_lib.app.commands.research.sweep\n"
        "import tf_lib.research.sweep.run_sweep\n"
        "print([name for name in ('dask', 'distributed') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"

"""Sweeps: equal tables whatever happened on the way, and nothing counted twice."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.research.sweeping import (
    ATR,
    CAP,
    FAST,
    THRESHOLD,
    candles,
    config,
    days,
    halt_sets,
    planned,
    swept,
)
from tf_lib.core.jit.arrays import FloatArray
from tf_lib.errors import HaltRun, TfError
from tf_lib.research.backtest.run_backtest import backtest
from tf_lib.research.inference.overfitting import (
    block_sums,
    probabilistic_sharpe,
    probability_of_overfitting,
    sharpe_moments,
)
from tf_lib.research.inference.splits import CombinatorialPurged, WalkForward, walk_forward_folds
from tf_lib.research.sweep import result_files as parts_of_sweeps
from tf_lib.research.sweep.evaluate import METRICS, Evaluation
from tf_lib.research.sweep.judgement import Judgement, TrialCount, judge
from tf_lib.research.sweep.result_files import OtherCode, Parts, Returns
from tf_lib.research.sweep.run_sweep import run_sweep
from tf_lib.research.sweep.selection import BestPerFold, Plans, select, usual_plans
from tf_lib.research.sweep.study import PlannedSet, Study
from tf_lib.research.sweep.trials import INVALID, LEDGER_NAME, OK, TrialLedger
from tf_lib.research.sweep.workers import WorkersLost, in_this_process


def trials_of(folder: Path) -> bytes:
    return (folder / LEDGER_NAME).read_bytes()


def of_this_edition(
    study: Study, portions: Sequence[Any]
) -> Generator[list[Evaluation], None, None]:
    """Evaluate by code of the edition that the parts want, which a test may have changed."""
    code = vars(parts_of_sweeps)["code_edition"]()
    for landed in in_this_process(study, portions):
        yield [replace(one, code=code) for one in landed]


def test_each_row_is_the_backtest_of_its_set(tmp_path: Path) -> None:
    """A set alone, without anything shared, gives the same numbers to the last bit."""
    result = swept(tmp_path)
    study = result.study
    for row in result.table[result.table["status"] == OK].to_dict("records"):
        changes = {FAST: row[FAST], ATR: row[ATR], THRESHOLD: row[THRESHOLD]}
        alone = backtest(candles(), config(changes), start=study.start, end=study.end)
        expected = [alone.metrics[name] for name in METRICS if name in alone.metrics]

        assert [row[name] for name in METRICS if name in alone.metrics] == pytest.approx(
            expected, rel=0, abs=0, nan_ok=True
        )


def test_another_parameter_file_on_the_same_bars_is_another_study(tmp_path: Path) -> None:
    """What a worker keeps of one parameter file is not used for the next one's sets."""
    swept(tmp_path / "first", {FAST: [10]})
    study, sets, grid = planned({FAST: [10]}, {ATR: 1.0})
    later = run_sweep(study, sets, grid, tmp_path / "second")
    alone = backtest(candles(), config({FAST: 10, ATR: 1.0}), start=study.start, end=study.end)

    assert later.best["sharpe"] == alone.metrics["sharpe"]


def test_table_has_a_row_for_every_set_in_the_order_of_the_grid(tmp_path: Path) -> None:
    """Invalid sets are there with the reason, and no trial."""
    table = swept(tmp_path).table

    assert table["set"].tolist() == list(range(12))
    assert (table[FAST] == 300).sum() == 4
    assert set(table.loc[table[FAST] == 300, "status"]) == {INVALID}
    assert table.loc[table[FAST] == 300, "problem"].str.contains("must be below").all()
    assert len(TrialLedger(tmp_path)) == 8


@pytest.mark.parametrize("per_portion", [1, 3, 64])
def test_table_is_the_same_however_it_was_cut(tmp_path: Path, per_portion: int) -> None:
    """And in whatever order the portions came."""

    def backwards(study: Study, portions: Sequence[Any]) -> Generator[list[Evaluation], None, None]:
        yield from in_this_process(study, portions[::-1])

    plain = swept(tmp_path / "plain")
    other = swept(tmp_path / "other", per_portion=per_portion, workers=backwards)

    pd.testing.assert_frame_equal(plain.table, other.table, check_exact=True)
    assert plain.to_mapping() == other.to_mapping()
    assert trials_of(tmp_path / "plain") == trials_of(tmp_path / "other")
    assert len(trials_of(tmp_path / "plain").splitlines()) == 8


def test_trials_of_two_sweeps_are_the_same_bytes_whichever_was_first(tmp_path: Path) -> None:
    """A third one, that adds none, leaves the file alone."""
    first, second = {FAST: [10, 20]}, {FAST: [20, 30, 40]}
    swept(tmp_path / "one", first)
    swept(tmp_path / "one", second)
    swept(tmp_path / "other", second)
    swept(tmp_path / "other", first)
    before = (tmp_path / "one" / LEDGER_NAME).stat().st_mtime_ns
    swept(tmp_path / "one", first)

    assert trials_of(tmp_path / "one") == trials_of(tmp_path / "other")
    assert (tmp_path / "one" / LEDGER_NAME).stat().st_mtime_ns == before


def test_a_stopped_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    """What has landed is not evaluated again, and the result is as if nothing had happened."""

    class StoppedError(Exception):
        pass

    def stopped(study: Study, portions: Sequence[Any]) -> Generator[list[Evaluation], None, None]:
        yield from itertools.islice(in_this_process(study, portions), 2)
        raise StoppedError

    evaluated: list[PlannedSet] = []

    def watched(study: Study, portions: Sequence[Any]) -> Generator[list[Evaluation], None, None]:
        evaluated.extend(one for portion in portions for one in portion)
        yield from in_this_process(study, portions)

    whole = swept(tmp_path / "whole")
    with pytest.raises(StoppedError):
        swept(tmp_path / "torn", workers=stopped, per_portion=3)
    assert len(TrialLedger(tmp_path / "torn")) == 6
    resumed = swept(tmp_path / "torn", workers=watched)
    again = swept(tmp_path / "torn", workers=watched)

    assert len(evaluated) == 2
    pd.testing.assert_frame_equal(whole.table, resumed.table, check_exact=True)
    assert resumed.to_mapping() == whole.to_mapping() == again.to_mapping()
    assert trials_of(tmp_path / "torn") == trials_of(tmp_path / "whole")


def test_a_part_torn_by_a_crash_is_not_there(tmp_path: Path) -> None:
    """It is written beside and renamed; what lies beside is never read."""
    study, _, _ = planned()
    parts = Parts(tmp_path, study.fingerprint)
    parts.write([Evaluation("a", OK, "", (0.0,) * len(METRICS), np.zeros(3))])
    (parts.folder / ".b.123.tmp").write_bytes(b"PAR1 half of it")

    assert [one.key for one in parts.evaluations()] == ["a"]


@pytest.mark.parametrize("kept_bytes", [0, 100])
def test_a_part_that_a_power_loss_left_unreadable_is_made_again(
    tmp_path: Path, kept_bytes: int
) -> None:
    """Whole or worthless: nobody has to delete it."""
    whole = swept(tmp_path, per_portion=3)
    folder = Parts(tmp_path, whole.study.fingerprint).folder
    torn = sorted(folder.glob("*.parquet"))[0]
    torn.write_bytes(torn.read_bytes()[:kept_bytes])
    again = swept(tmp_path, per_portion=3)

    pd.testing.assert_frame_equal(whole.table, again.table, check_exact=True)
    assert whole.to_mapping() == again.to_mapping()


def test_results_of_other_code_are_not_mixed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is evaluated again; the trials are the same ones."""
    evaluated: list[Any] = []

    def watched(study: Study, portions: Sequence[Any]) -> Generator[list[Evaluation], None, None]:
        evaluated.extend(portions)
        yield from of_this_edition(study, portions)

    swept(tmp_path, workers=watched, per_portion=1)
    monkeypatch.setattr(parts_of_sweeps, "code_edition", lambda: "other")
    swept(tmp_path, workers=watched, per_portion=1)

    assert len(evaluated) == 16
    assert len(TrialLedger(tmp_path)) == 8


def test_a_part_of_other_code_is_not_read_wherever_it_lies(tmp_path: Path) -> None:
    """Its own name counts, not the folder's: copied into ours, it is evaluated again."""
    study, sets, grid = planned({FAST: [10, 20]})
    elsewhere = Parts(tmp_path / "elsewhere", study.fingerprint)
    elsewhere.code = "other"
    no_fees = Evaluation(sets[0].key, OK, "", (9.0,) * len(METRICS), np.zeros(3), code="other")
    ours = Parts(tmp_path / "ours", study.fingerprint)
    with pytest.raises(OtherCode, match="runs other code"):
        ours.write([no_fees])
    shutil.copytree(elsewhere.write([no_fees]).parent, ours.folder)
    result = run_sweep(study, sets, grid, tmp_path / "ours")

    assert result.table["sharpe"].iloc[0] != 9.0


def test_lost_portions_are_an_error_that_keeps_what_was_done(tmp_path: Path) -> None:
    """The second run does the rest."""

    def losing(study: Study, portions: Sequence[Any]) -> Generator[list[Evaluation], None, None]:
        yield from in_this_process(study, portions[1:])
        raise WorkersLost("1 of 3 portions could not be evaluated")

    with pytest.raises(TfError, match="1 of 3"):
        swept(tmp_path, workers=losing, per_portion=3)

    assert len(TrialLedger(tmp_path)) == 5
    pd.testing.assert_frame_equal(
        swept(tmp_path).table, swept(tmp_path / "other").table, check_exact=True
    )


def test_every_trial_ever_made_in_the_folder_counts(tmp_path: Path) -> None:
    """A second grid deflates the first one's best; the same grid again does not."""
    first = swept(tmp_path)
    again = swept(tmp_path)
    swept(tmp_path, {FAST: [10, 12, 14, 16, 18, 22, 24], CAP: [0.5, 0.6, 0.7]})
    later = swept(tmp_path)

    assert first.judgement.trials == again.judgement.trials
    assert first.judgement.trials.n_trials == 8
    assert later.judgement.trials.n_trials == 8 + 21
    pd.testing.assert_frame_equal(first.table, later.table)


def test_a_ledger_that_lost_trials_is_made_again_from_the_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted or cut: those of other grids, spans and editions of the code, too, byte for byte."""
    swept(tmp_path, {CAP: [0.5, 0.6, 0.7]}, per_portion=2)
    monkeypatch.setattr(parts_of_sweeps, "code_edition", lambda: "other")
    study, sets, grid = planned(span=days("2023-01-01", "2023-03-01"))
    run_sweep(study, sets, grid, tmp_path, per_portion=3, workers=of_this_edition)
    whole = TrialLedger(tmp_path).path.read_bytes()
    TrialLedger(tmp_path).path.unlink()
    again = run_sweep(study, sets, grid, tmp_path)

    assert again.n_restored == len(TrialLedger(tmp_path)) == again.judgement.trials.n_trials == 11
    assert TrialLedger(tmp_path).path.read_bytes() == whole
    TrialLedger(tmp_path).path.write_bytes(b"".join(whole.splitlines(keepends=True)[::2]))
    assert run_sweep(study, sets, grid, tmp_path).n_restored == 5
    assert TrialLedger(tmp_path).path.read_bytes() == whole
    assert run_sweep(study, sets, grid, tmp_path).n_restored == 0


def test_failed_trials_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying counts, not only succeeding; and they are not tried again."""
    halt_sets(monkeypatch, {0.8, 0.9}, "no solution")
    result = swept(tmp_path, {CAP: [0.7, 0.8, 0.9]})
    swept(tmp_path, {CAP: [0.7, 0.8, 0.9]})

    assert result.counts == {"failed": 2, "ok": 1}
    assert len(TrialLedger(tmp_path)) == 3
    assert result.best["set"] == 0
    with pytest.raises(HaltRun, match=r"every one of 2 sets failed; .*no solution"):
        swept(tmp_path, {CAP: [0.8, 0.9]})


def test_judgement_follows_from_the_ledger_and_the_returns(tmp_path: Path) -> None:
    """Deflated Sharpe and overfitting worked out again from the parts, all at once."""
    result = swept(tmp_path)
    ledger = TrialLedger(tmp_path)
    good = result.table[result.table["status"] == OK]
    pieces = Parts(tmp_path, result.study.fingerprint).returns(frozenset(good["key"]))
    rows = {k: row for piece in pieces for k, row in zip(piece.keys, piece.values, strict=True)}
    returns = np.stack([rows[key] for key in good["key"]], axis=1)
    sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    moments = sharpe_moments(np.ascontiguousarray(returns[:, sharpes.argmax()]))
    found = result.judgement

    drawn = np.random.default_rng(5).multivariate_normal(
        np.zeros(8), np.corrcoef(returns, rowvar=False), 50_000
    )
    luck = float(drawn.max(axis=1).mean()) / (len(returns) - 1) ** 0.5
    assert found.luck == pytest.approx(luck, rel=0.1)
    assert 1.0 < found.effective_trials < 8.0
    assert found.deflated == pytest.approx(probabilistic_sharpe(moments, benchmark=found.luck))
    assert ledger.sharpe_variance == pytest.approx(float(sharpes.var(ddof=1)))
    n_blocks = usual_plans(result.study.n_days).n_blocks
    whole = probability_of_overfitting(block_sums(returns, n_blocks))
    assert found.overfitting is not None
    assert found.overfitting.probability == whole.probability
    assert found.moments.sharpe * 365**0.5 == pytest.approx(float(good["sharpe"].max()))


def test_choices_of_a_walk_forward_by_a_plain_loop() -> None:
    """Sets arrive in two helpings; the best in training is chosen, the first of equals."""
    random = np.random.default_rng(4)
    returns = random.normal(0, 0.01, (6, 200))
    returns[4] = returns[1]
    folds = walk_forward_folds(200, WalkForward(60, 40, purge_rows=5))
    watcher = BestPerFold(folds)
    watcher.see([5, 4, 3], returns[[5, 4, 3]])
    watcher.see([2, 1, 0], returns[[2, 1, 0]])
    for choice, fold in zip(watcher.chosen, folds, strict=True):
        train = returns[:, fold.train]
        sharpe = [float(row.mean() / row.std(ddof=1)) for row in train]
        best = min(range(6), key=lambda number: (-sharpe[number], number))

        assert choice.number == best
        assert choice.train_sharpe == pytest.approx(sharpe[best])
        np.testing.assert_array_equal(choice.test_returns, returns[best, fold.test])


def test_a_set_that_did_not_trade_is_never_chosen_before_one_that_lost() -> None:
    """In whatever order they come; without any that moved it is the first, without a ratio."""
    random = np.random.default_rng(8)
    returns = np.stack([np.zeros(200), random.normal(-0.002, 0.01, 200), np.zeros(200)])
    folds = walk_forward_folds(200, WalkForward(60, 40))
    for order in ([0, 1, 2], [2, 1, 0]):
        watcher = BestPerFold(folds)
        for number in order:
            watcher.see([number], returns[[number]])

        assert {choice.number for choice in watcher.chosen} == {1}
    still = BestPerFold(folds)
    still.see([2, 0], returns[[2, 0]])
    assert {choice.number for choice in still.chosen} == {0}
    assert all(np.isnan(choice.train_sharpe) for choice in still.chosen)


def test_paths_of_cross_validation_cover_every_day_with_choices_that_did_not_see_it() -> None:
    """With one single set every path is its own returns, so that all Sharpe ratios agree."""
    returns = np.random.default_rng(6).normal(0.001, 0.01, (1, 230))
    plans = Plans(None, None, CombinatorialPurged(6, 2, purge_rows=3, embargo_rows=3), 0)
    found = select([Returns(("a",), returns)].copy, {"a": 0}, 230, plans)
    expected = returns.mean() / returns.std(ddof=1)

    assert found.path_sharpes.tolist() == pytest.approx([expected] * 5)
    assert found.blocks is None


def test_skill_passes_and_noise_does_not() -> None:
    """One set with an edge among skill-less ones is found on all days alike."""
    random = np.random.default_rng(12)
    noise = random.normal(0.0, 0.01, (20, 900))
    skilled = noise.copy()
    skilled[7] += 0.0025
    verdicts = []
    for returns in (noise, skilled):
        keys = tuple(str(n) for n in range(20))
        places = {key: int(key) for key in keys}
        found = select([Returns(keys, returns)].copy, places, 900, usual_plans(900))
        sharpes = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
        count = TrialCount(20, float(sharpes.var(ddof=1)))
        verdicts.append(judge(returns[sharpes.argmax()], found, count))

    assert [one.passed for one in verdicts] == [False, True]
    assert "likely luck" in verdicts[0].verdict
    assert "may be the luck of 20 trials" in verdicts[0].warnings[0]
    assert verdicts[1].warnings == ()


def test_few_days_leave_out_what_they_cannot_tell(tmp_path: Path) -> None:
    """Thirty days make neither a walk nor blocks, and the verdict says luck."""
    end = planned()[0].end
    study, sets, grid = planned(span=(end.replace(day=1), end))
    result = run_sweep(study, sets, grid, tmp_path)

    assert result.judgement.overfitting is None
    assert result.judgement.rolling == ()
    assert result.to_mapping()["walk_forward_rolling_sharpe"] is None
    assert not result.judgement.passed
    assert result.judgement.verdict.startswith("No verdict: ")
    assert "cannot be said" in " ".join(result.judgement.warnings)


def judged(returns: FloatArray) -> Judgement:
    """Every row a set and a trial."""
    keys = tuple(str(n) for n in range(len(returns)))
    n_days = returns.shape[1]
    found = select(
        [Returns(keys, returns)].copy, {k: int(k) for k in keys}, n_days, usual_plans(n_days)
    )
    sharpes = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
    variance = float(sharpes.var(ddof=1)) if len(returns) > 1 else 0.0
    return judge(returns[sharpes.argmax()], found, TrialCount(len(returns), variance))


def test_no_few_days_pass_however_well_they_went() -> None:
    """By hand: 1 + (1 + (2^2 / 365) / 2) (1.645 / (2 / 365^0.5))^2 = 249.2 days, rounded up."""
    random = np.random.default_rng(17)
    for n_days in (2, 3, 7, 30, 249):
        short = judged(random.normal(0.01, 0.005, (6, n_days)))

        assert not short.passed
        assert short.verdict == f"No verdict: {n_days} days, at least 250 needed."
        assert f"{n_days} days are too few" in short.warnings[0]
    assert not any(
        judged(random.normal(0.0, 0.01, (8, n_days))).passed for n_days in (3, 3, 3, 5, 5, 7, 30)
    )


def test_what_cannot_be_computed_does_not_pass() -> None:
    """One set leaves nothing to choose from, so that nothing can be said of the choice."""
    alone = judged(np.random.default_rng(3).normal(0.003, 0.01, (1, 900)))

    assert alone.overfitting is None
    assert not alone.passed
    assert alone.luck_answer.passed
    assert alone.choice_answer.passed is None
    assert "No verdict on the choice" in alone.verdict
    assert len(alone.warnings) == 1


def test_progress_is_told_as_results_land(tmp_path: Path) -> None:
    """Done, in all, and the best so far; the last call says all."""
    told: list[tuple[int, int, float]] = []
    result = swept(tmp_path, per_portion=3, progress=lambda *said: told.append(said))

    assert [done for done, _, _ in told] == [3, 6, 8]
    assert told[-1][2] == pytest.approx(float(result.best["sharpe"]))

"""What the terminal says of a finished sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from tf_lib.research.sweep.run_sweep import SweepResult
from tf_lib.research.sweep.trials import INVALID


def told(result: SweepResult) -> str:
    """Return what the terminal shows: counts, best set, best plateau, verdict and warnings."""
    counts = ", ".join(f"{n} {status}" for status, n in result.counts.items())
    judgement = result.judgement
    over = judgement.overfitting
    lines = [
        f"{len(result.table)} sets ({counts}); {judgement.trials.n_trials} trials ever made here, "
        f"as good as {judgement.effective_trials:.3g} independent ones",
        _best_line(result),
        _plateau_line(result),
        f"deflated Sharpe {judgement.deflated:.3f}, probabilistic {judgement.probabilistic:.3f}, "
        f"reality check p {judgement.p_value:.3f} +- {judgement.p_error:.3f}, "
        f"probability of overfitting {'-' if over is None else f'{over.probability:.2f}'}",
    ]
    if result.n_restored:
        lines.append(
            f"trials.jsonl had lost {result.n_restored} trials that the parts still know; they "
            "count again"
        )
    problems = result.table[result.table["status"] == INVALID]
    if len(problems):
        lines.append(f"first invalid set {problems['set'].iloc[0]}: {problems['problem'].iloc[0]}")
    if result.search is not None:
        lines.append(search_line(result.search))
        lines.append(str(result.search["note"]))
    if result.objective.judged_by:
        lines.append(result.objective.judged_by)
    lines.append(judgement.verdict if judgement.passed else f"WARNING: {judgement.verdict}")
    lines += [f"  {line}" for answer in judgement.answers for line in answer.lines]
    return "\n".join(lines)


def search_line(search: Mapping[str, Any]) -> str:
    """Return how a guided search went."""
    short = "" if search["tried"] == search["trials"] else ", nothing new came up"
    return (
        f"search   {search['tried']} of {search['trials']} sets tried{short}; "
        f"{search['without_figure']} without a figure (invalid, failed, never traded or beyond the "
        f"limit), told to the sampler as the worst; {search['sampler']}, seed {search['seed']}, "
        f"{search['per_round']} a round"
    )


def _best_line(result: SweepResult) -> str:
    best, judgement, by = result.best, result.judgement, result.objective
    if not judgement.has_best and not math.isfinite(best["sharpe"]):
        return "best     none: no set ever traded"
    if not judgement.has_best:
        return f"best     none: no set that traded has a {by.words}"
    behind = "" if judgement.beat_not_trading else " (no set beat not trading)"
    return f"best     set {best['set']}: {_figures(result, best)}{behind}, " + _values(result, best)


def _plateau_line(result: SweepResult) -> str:
    plateau = result.best_plateau
    if plateau is None:
        return "plateau  undefined: too few neighbouring sets to tell one from another"
    around = result.objective.text(plateau[result.objective.plateau])
    return (
        f"plateau  set {plateau['set']}: {_figures(result, plateau)}, {around} with its "
        f"{plateau['neighbours']:.0f} neighbours, {_values(result, plateau)}"
    )


def _values(result: SweepResult, row: pd.Series) -> str:
    return ", ".join(f"{path.rsplit('.', 1)[-1]} {row[path]}" for path in result.grid.paths)


def _figures(result: SweepResult, row: pd.Series) -> str:
    """The figure that ranks, and the Sharpe ratio beside it."""
    by, sharpe = result.objective, row["sharpe"]
    said = f"Sharpe {sharpe:.2f}" if math.isfinite(sharpe) else "Sharpe undefined"
    return said if by.is_sharpe else f"{by.label} {by.text(row[by.column])}, {said}"

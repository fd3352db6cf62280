"""
Judgement: whether the best set of a sweep is more than luck, in numbers and in plain words.

Last stage of a sweep (parts -> selection -> *judgement* -> report). The Sharpe ratio of the best
set is held against what luck shows the best of all trials ever made in the research folder, and
choosing the best is held against days that did not choose it. The objective says which set is best;
luck is told by Sharpe ratios, whatever it is. Passing is necessary, not sufficient.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.research.inference.bootstrap import (
    Band,
    Resampling,
    Statistic,
    annual_growth,
    annual_sharpe,
    bootstrap_band,
    deepest_drawdown,
)
from tf_lib.research.inference.objectives import Objective
from tf_lib.research.inference.overfitting import (
    Overfitting,
    SharpeMoments,
    daily_sharpe,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    probability_of_overfitting,
    sharpe_deviation,
    sharpe_moments,
)
from tf_lib.research.inference.plain_answers import Answer
from tf_lib.research.inference.trial_luck import independent_trials
from tf_lib.research.sweep.selection import BLOCK_DAYS, P_ALLOWED, Chosen, Selection

DSR_WANTED = 0.95
PBO_ALLOWED = 0.50
CREDIBLE_SHARPE = 2.0
"""A year's, at most to be claimed: no record is judged before it could show so much at 95 %."""
_SAMPLES = 500


@dataclass(frozen=True)
class TrialCount:
    """How many evaluations were ever made, and the variance of their Sharpe ratios per day."""

    n_trials: int
    variance: float


@dataclass(frozen=True)
class Judgement:
    """
    What can be said of the best set.

    Attributes
    ----------
    moments : SharpeMoments
        Of the best set's daily returns.
    trials : TrialCount
    probabilistic, deflated : float
        Probability that the true Sharpe ratio lies above 0, and above what luck shows the best
        of so many trials.
    luck : float
        That Sharpe ratio, per day.
    effective_trials : float
        Independent trials with as much luck; what the trials have in common counts once.
    track_record_days : float
        Days of such returns needed to believe, at 95 %, that the Sharpe ratio is above 0.
    p_value, p_error : float
        How often the best of these very sets does as well without skill (`RealityCheck`), and
        the standard error of that share.
    overfitting : Overfitting or None
        None with one set only, or too few days.
    rolling, anchored : tuple of Chosen
        The walks forward; empty with too few days.
    path_sharpes : float array
        Per day, of each path of combinatorial purged cross-validation.
    bands : mapping of name to Band
        Sharpe, CAGR and deepest drawdown of the best set, days drawn in blocks.
    days_per_year : float
    objective : Objective
        What the best set is best by.
    figure : float
        Of the best set, by the objective; NaN when no set has one.
    """

    moments: SharpeMoments
    trials: TrialCount
    probabilistic: float
    deflated: float
    luck: float
    effective_trials: float
    track_record_days: float
    p_value: float
    p_error: float
    overfitting: Overfitting | None
    rolling: tuple[Chosen, ...]
    anchored: tuple[Chosen, ...]
    path_sharpes: FloatArray
    bands: Mapping[str, Band]
    days_per_year: float
    objective: Objective
    figure: float

    @property
    def least_days(self) -> int:
        """
        Days below which there is no verdict: the minimum track record of `CREDIBLE_SHARPE`.

        The minimum track record of the ratio as measured would not do: a few lucky days measure
        one so high that few days seem to suffice.
        """
        claimed = SharpeMoments(CREDIBLE_SHARPE / math.sqrt(self.days_per_year), 2)
        return math.ceil(minimum_track_record(claimed))

    @property
    def is_too_short(self) -> bool:
        """Whether nothing can be concluded from so few days."""
        return self.moments.n_periods < self.least_days

    @property
    def has_best(self) -> bool:
        """Whether any set has a figure by the objective."""
        return math.isfinite(self.figure)

    @property
    def beat_not_trading(self) -> bool:
        """Whether the best set earned more than nothing, by Sharpe ratio and by objective."""
        earned = self.figure > 0.0 or not self.objective.is_zero_without_trading
        return self.moments.sharpe > 0.0 and earned

    @property
    def luck_answer(self) -> Answer:
        """Whether the best set is better than luck."""
        question = "Is the best set better than luck?"
        if not self.has_best and self.objective.is_sharpe:
            nothing = "No set ever traded: there is no Sharpe ratio, and nothing to choose."
            return Answer(question, None, (nothing,), "Sets that trade.")
        if not self.has_best:
            nothing = f"No set that traded has a {self.objective.words}: none is best."
            return Answer(question, None, (nothing,), "Another limit, objective or grid.")
        said = self._length_doubts() + self._luck_doubts()
        passed = None if self.is_too_short else not said
        return Answer(question, passed, said, self._enough() if said else "")

    def _length_doubts(self) -> tuple[str, ...]:
        if not self.is_too_short:
            return ()
        return (
            f"{self.moments.n_periods} days are too few for a verdict: even a Sharpe ratio of "
            f"{CREDIBLE_SHARPE:g} a year, more than which is not credible, takes "
            f"{self.least_days} days to be believed at 95 % (minimum track record).",
        )

    def _not_beaten(self) -> str:
        sharpe = f"{self._yearly(self.moments.sharpe):.2f} a year"
        if self.objective.is_sharpe:
            return (
                f"No set beat not trading: the best Sharpe ratio of those that traded is {sharpe}."
            )
        return (
            f"The set with the best {self.objective.words}, {self.objective.text(self.figure)}, "
            f"did not beat not trading; its Sharpe ratio is {sharpe}."
        )

    def _luck_doubts(self) -> tuple[str, ...]:
        said = []
        is_sharpe = self.objective.is_sharpe
        name = "The best Sharpe ratio" if is_sharpe else "The Sharpe ratio of the best set"
        if not self.beat_not_trading:
            said.append(self._not_beaten())
        if not self.deflated >= DSR_WANTED:
            said.append(
                f"{name}, {self._yearly(self.moments.sharpe):.2f} a year, may be "
                f"the luck of {self.trials.n_trials} trials (as good as "
                f"{self.effective_trials:.3g} independent ones): luck alone shows about "
                f"{self._yearly(self.luck):.2f}, and the deflated Sharpe ratio is "
                f"{self.deflated:.2f}, below {DSR_WANTED}."
            )
        if not self.p_value <= P_ALLOWED:
            said.append(
                f"Without any skill, the best of these sets does as well in {self.p_value:.1%} "
                f"(+- {self.p_error:.1%}) of histories drawn from their own days (more than "
                f"{P_ALLOWED:.0%})."
            )
        elif not self.p_value + 2.0 * self.p_error <= P_ALLOWED:
            said.append(
                f"The reality check's {self.p_value:.2%} (+- {self.p_error:.2%}) cannot be told "
                f"from its limit, {P_ALLOWED:.0%}; that does not pass."
            )
        return tuple(said)

    def _enough(self) -> str:
        """What would have made the deflated Sharpe ratio enough, all else as it is."""
        sharpe, n_days = self.moments.sharpe, self.moments.n_periods
        if not sharpe > 0.0:
            return "Sets that earn more than not trading."
        # The luck of so many trials shrinks with the root of the days, as all errors do.
        in_errors = self.luck * math.sqrt(n_days - 1)
        reached = sharpe * math.sqrt(n_days - 1)
        ahead = float(ndtri(DSR_WANTED)) * sharpe_deviation(self.moments)
        wanted = reached - ahead
        days = 1.0 + ((ahead + in_errors) / sharpe) ** 2
        said = f"{max(math.ceil(days), self.least_days)} days of such returns instead of {n_days}"
        if wanted > 0.0 and wanted < in_errors:
            said += (
                f", or no more than {independent_trials(wanted):.3g} independent trials instead of "
                f"{self.effective_trials:.3g}"
            )
        return f"{said}."

    @property
    def choice_answer(self) -> Answer:
        """Whether choosing the best among these sets carries over to other days."""
        question = "Does choosing among these sets carry over to other days?"
        if self.overfitting is None:
            unsaid = (
                "Whether choosing the best set carries over to other days cannot be said: it takes "
                "at least two sets that traded and 40 days."
            )
            return Answer(question, None, (unsaid,), "Two sets that trade, over 40 days or more.")
        if not self.overfitting.probability <= PBO_ALLOWED:
            said = (
                "Choosing the best set does not carry over to other days: in "
                f"{self.overfitting.probability:.0%} of the splits the best of one half comes "
                "out at or below the median of the other (more than "
                f"{PBO_ALLOWED:.0%})."
            )
            enough = "More days, or sets that differ more; as it is, any of them will do alike."
            return Answer(question, False, (said,), enough)
        return Answer(question, True, (), "")

    @property
    def answers(self) -> tuple[Answer, Answer]:
        """Both answers: on luck, and on choosing."""
        return self.luck_answer, self.choice_answer

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the result may be luck, in sentences; empty when nothing says so."""
        if not self.has_best:
            return self.luck_answer.doubts
        return self.luck_answer.doubts + self.choice_answer.doubts

    @property
    def passed(self) -> bool:
        """Whether nothing says that the result is luck."""
        return not self.warnings

    @property
    def verdict(self) -> str:
        """One sentence."""
        if not self.has_best and not self.objective.is_sharpe:
            return f"No set has a {self.objective.words}. Do not trade any because of this sweep."
        if not self.beat_not_trading and not self.objective.is_sharpe:
            return "The best set did not beat not trading. Do not trade it because of this sweep."
        if not self.beat_not_trading:
            return "No set beat not trading. Do not trade any of them because of this sweep."
        if self.passed:
            return "Nothing here says that the best set is luck; that is not yet a promise."
        if self.is_too_short:
            return f"No verdict: {self.moments.n_periods} days, at least {self.least_days} needed."
        if not self.luck_answer.passed:
            return "This result is likely luck. Do not trade it because of this sweep."
        if self.choice_answer.passed is None:
            return (
                "Better than luck, as far as can be told. No verdict on the choice of the best "
                "set: there was nothing to compare."
            )
        return (
            "Better than luck, as far as can be told; which set is best is likely luck. Do not "
            "prefer it because of this sweep."
        )

    def _yearly(self, sharpe: float) -> float:
        return sharpe * math.sqrt(self.days_per_year)

    def to_mapping(self) -> dict[str, Any]:
        """Return the numbers as plain values; Sharpe ratios are a year's unless named daily."""
        over = self.overfitting
        return {
            "passed": self.passed,
            "verdict": self.verdict,
            "objective": {
                **self.objective.to_mapping(),
                "best": self.figure if self.has_best else None,
                "judged_by": self.objective.judged_by,
            },
            "warnings": list(self.warnings),
            "better_than_luck": dataclasses.asdict(self.luck_answer),
            "choice_carries_over": dataclasses.asdict(self.choice_answer),
            "sharpe": None if self.moments.never_moved else self._yearly(self.moments.sharpe),
            "sharpe_daily": self.moments.sharpe,
            "n_days": self.moments.n_periods,
            "minimum_days": self.least_days,
            "skewness": self.moments.skewness,
            "kurtosis": self.moments.kurtosis,
            "n_trials": self.trials.n_trials,
            "effective_trials": self.effective_trials,
            "trial_sharpe_variance_daily": self.trials.variance,
            "sharpe_of_luck": self._yearly(self.luck),
            "probabilistic_sharpe": self.probabilistic,
            "deflated_sharpe": self.deflated,
            "minimum_track_record_days": (
                self.track_record_days if math.isfinite(self.track_record_days) else None
            ),
            "reality_check_p_value": self.p_value,
            "reality_check_p_error": self.p_error,
            "probability_of_overfitting": over.probability if over else None,
            "probability_of_loss_out_of_sample": over.probability_of_loss if over else None,
            "walk_forward_rolling_sharpe": self.walk_sharpe(self.rolling),
            "walk_forward_anchored_sharpe": self.walk_sharpe(self.anchored),
            "cross_validation_path_sharpes": [self._yearly(s) for s in self.path_sharpes],
            "bands": {name: dataclasses.asdict(band) for name, band in self.bands.items()},
        }

    def walk_sharpe(self, walk: tuple[Chosen, ...]) -> float | None:
        """Sharpe ratio a year of a walk's judged days, joined; None without any."""
        if not walk:
            return None
        joined = np.concatenate([choice.test_returns for choice in walk])
        return self._yearly(daily_sharpe(joined)) if joined.size > 1 else None


def judge(
    best_returns: FloatArray,
    selection: Selection,
    trials: TrialCount,
    *,
    objective: Objective | None = None,
) -> Judgement:
    """
    Judge the best set of a sweep.

    Parameters
    ----------
    best_returns : float array of shape (n_days,)
        Daily returns of the set that was best over all days; zeros when none has a figure.
    selection : Selection
        What choosing among all sets came to.
    trials : TrialCount
        Of the research folder's ledger.
    objective : Objective, optional
        What it is best by, with the days of a year; default the Sharpe ratio.
    """
    best_by = objective or Objective()
    moments = sharpe_moments(best_returns)
    expected = selection.luck.expected_maximum(n_trials=trials.n_trials)
    effective, variance = independent_trials(expected), 1.0 / (moments.n_periods - 1)
    return Judgement(
        moments=moments,
        trials=trials,
        probabilistic=probabilistic_sharpe(moments),
        deflated=deflated_sharpe(moments, n_trials=effective, trial_variance=variance),
        luck=expected_maximum_sharpe(effective, variance),
        effective_trials=effective,
        track_record_days=minimum_track_record(moments),
        p_value=selection.p_value,
        p_error=selection.p_error,
        overfitting=(
            probability_of_overfitting(selection.blocks) if selection.blocks is not None else None
        ),
        rolling=selection.rolling,
        anchored=selection.anchored,
        path_sharpes=selection.path_sharpes,
        bands=_bands(best_returns, best_by.days_per_year),
        days_per_year=best_by.days_per_year,
        objective=best_by,
        figure=float(best_by.figures(best_returns[None, :])[0]),
    )


def _bands(returns: FloatArray, days_per_year: float) -> dict[str, Band]:
    """Bands of the figures people look at first, all of the same resampled histories."""
    how = Resampling(block_rows=min(BLOCK_DAYS, returns.size / 2), n_samples=_SAMPLES)
    figures: dict[str, Statistic] = {
        "sharpe": functools.partial(annual_sharpe, periods_per_year=days_per_year),
        "cagr": functools.partial(annual_growth, periods_per_year=days_per_year),
        "max_drawdown": deepest_drawdown,
    }
    return {name: bootstrap_band(returns, figure, how) for name, figure in figures.items()}

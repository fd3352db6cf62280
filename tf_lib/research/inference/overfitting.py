"""
Overfitting: how much of a Sharpe ratio is left once luck and the number of tries are counted.

Part of research (backtest -> sweep -> *verdict*). All Sharpe ratios here are per period and not
annualized, and kurtosis is 3 for a normal distribution; mixing either up silently ruins every
number below. Pure: the same returns and counts give the same answer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr, ndtri

from tf_lib.core.jit.arrays import FloatArray, IntArray
from tf_lib.errors import ParameterError
from tf_lib.research.backtest.statistics import LEAST_DEVIATION

EULER_GAMMA = 0.5772156649015329
# Few enough for a cache, and too few for a product to be shared among processors: where others work
# on them, too, waiting for one another takes ten times longer than the sums.
_MOST_AT_ONCE, _NUMBERS_AT_ONCE = 512, 1 << 15


@dataclass(frozen=True)
class SharpeMoments:
    """
    What the tests below need to know of a series of returns.

    Attributes
    ----------
    sharpe : float
        Mean over sample standard deviation, per period; 0 when nothing ever moved.
    n_periods : int
    skewness, kurtosis : float
        Of the sample; 0 and 3 for a normal distribution, and when nothing ever moved.
    never_moved : bool
    """

    sharpe: float
    n_periods: int
    skewness: float = 0.0
    kurtosis: float = 3.0
    never_moved: bool = field(default=False, compare=False)


def sharpe_moments(returns: FloatArray) -> SharpeMoments:
    """
    Return the Sharpe ratio of a series with the moments that say how far to trust it.

    Raises
    ------
    ParameterError
        With fewer than two returns, or one that is not finite.

    Examples
    --------
    >>> round(sharpe_moments(np.array([0.01, 0.03])).sharpe, 3)
    1.414
    """
    if returns.ndim != 1 or returns.size < 2 or not np.isfinite(returns).all():
        raise ParameterError(
            f"a Sharpe ratio needs at least two finite returns, got shape {returns.shape} with "
            f"{int((~np.isfinite(returns)).sum())} that are not finite"
        )
    mean, deviation = float(returns.mean()), float(returns.std(ddof=1))
    if deviation <= LEAST_DEVIATION:
        return SharpeMoments(0.0, returns.size, never_moved=True)
    scaled = (returns - mean) / float(returns.std())
    return SharpeMoments(
        mean / deviation, returns.size, float((scaled**3).mean()), float((scaled**4).mean())
    )


def daily_sharpe(returns: FloatArray) -> float:
    """
    Return mean over sample standard deviation; 0 when nothing ever moved.

    Examples
    --------
    >>> daily_sharpe(np.array([0.01, 0.03])) == sharpe_moments(np.array([0.01, 0.03])).sharpe
    True
    """
    deviation = float(returns.std(ddof=1)) if returns.size > 1 else 0.0
    return float(returns.mean()) / deviation if deviation > LEAST_DEVIATION else 0.0


def row_sharpes(returns: FloatArray, *, still: float = 0.0) -> FloatArray:
    """Sharpe ratio per day of each row; `still` where nothing ever moved. Rows do not mix."""
    mean: FloatArray = returns.mean(axis=1)
    deviation: FloatArray = returns.std(axis=1, ddof=1)
    sharpe = np.full_like(mean, still)
    np.divide(mean, deviation, out=sharpe, where=deviation > LEAST_DEVIATION)
    return sharpe


def sharpe_deviation(moments: SharpeMoments) -> float:
    """Return the standard error of the Sharpe ratio, times the root of the periods less one."""
    sharpe = moments.sharpe
    square = 1.0 - moments.skewness * sharpe + (moments.kurtosis - 1.0) / 4.0 * sharpe * sharpe
    return math.sqrt(max(square, LEAST_DEVIATION))


def probabilistic_sharpe(moments: SharpeMoments, *, benchmark: float = 0.0) -> float:
    """
    Probability that the true Sharpe ratio lies above a benchmark.

    Parameters
    ----------
    moments : SharpeMoments
    benchmark : float
        Sharpe ratio per period to be beaten.

    References
    ----------
    .. [1] D. H. Bailey and M. López de Prado, "The Sharpe Ratio Efficient Frontier",
       Journal of Risk 15 (2), 2012.

    Examples
    --------
    Two years of monthly returns that look safe until their shape is counted.

    >>> round(probabilistic_sharpe(SharpeMoments(0.458, 24)), 3)
    0.982
    >>> round(probabilistic_sharpe(SharpeMoments(0.458, 24, -2.448, 10.164)), 3)
    0.913
    """
    if moments.n_periods < 2:
        raise ParameterError(f"n_periods must be at least 2, got {moments.n_periods}")
    reach = (moments.sharpe - benchmark) * math.sqrt(moments.n_periods - 1)
    return float(ndtr(reach / sharpe_deviation(moments)))


def minimum_track_record(
    moments: SharpeMoments, *, benchmark: float = 0.0, confidence: float = 0.95
) -> float:
    """
    Periods of such returns needed before the Sharpe ratio is believed to beat a benchmark.

    Returns
    -------
    float
        Periods; infinite when the Sharpe ratio is not above the benchmark.

    References
    ----------
    .. [1] D. H. Bailey and M. López de Prado, "The Sharpe Ratio Efficient Frontier",
       Journal of Risk 15 (2), 2012.

    Examples
    --------
    Years of daily returns to believe that an annual 2 beats an annual 1.

    >>> daily = SharpeMoments(2 / 250**0.5, 250)
    >>> round(minimum_track_record(daily, benchmark=1 / 250**0.5) / 250, 2)
    2.73
    """
    if not 0.5 < confidence < 1.0:
        raise ParameterError(f"confidence must lie between 0.5 and 1, got {confidence}")
    ahead = moments.sharpe - benchmark
    if ahead <= 0.0:
        return math.inf
    return 1.0 + (sharpe_deviation(moments) * float(ndtri(confidence)) / ahead) ** 2


def expected_maximum_sharpe(n_trials: float, trial_variance: float) -> float:
    """
    Sharpe ratio that the best of many skill-less trials is expected to show.

    Parameters
    ----------
    n_trials : float
        How many independent ones were tried, at least 1; one trial expects 0. Between one and two
        the answer lies in between: an effective number of trials need not be whole.
    trial_variance : float
        Variance of the trials' Sharpe ratios, per period.

    References
    ----------
    .. [1] D. H. Bailey and M. López de Prado, "The Deflated Sharpe Ratio", Journal of
       Portfolio Management 40 (5), 2014.

    Examples
    --------
    >>> round(expected_maximum_sharpe(100, 0.5 / 250), 4)
    0.1132
    """
    if n_trials < 1:
        raise ParameterError(f"n_trials must be at least 1, got {n_trials}")
    if not trial_variance >= 0.0:
        raise ParameterError(f"trial_variance must be at least 0, got {trial_variance}")
    if n_trials < 2:
        return (n_trials - 1.0) * expected_maximum_sharpe(2, trial_variance)
    typical = float(ndtri(1.0 - 1.0 / n_trials))
    extreme = float(ndtri(1.0 - 1.0 / (n_trials * math.e)))
    return math.sqrt(trial_variance) * ((1.0 - EULER_GAMMA) * typical + EULER_GAMMA * extreme)


def deflated_sharpe(moments: SharpeMoments, *, n_trials: float, trial_variance: float) -> float:
    """
    Probability that the best of many trials is better than luck would have made it.

    Parameters
    ----------
    moments : SharpeMoments
        Of the trial that was chosen.
    n_trials, trial_variance
        As `expected_maximum_sharpe` takes them.

    References
    ----------
    .. [1] D. H. Bailey and M. López de Prado, "The Deflated Sharpe Ratio", Journal of
       Portfolio Management 40 (5), 2014.

    Examples
    --------
    An annual 2.5 over five years of daily returns, best of 100, is not enough for 0.95.

    >>> best = SharpeMoments(2.5 / 250**0.5, 1250, -3.0, 10.0)
    >>> round(deflated_sharpe(best, n_trials=100, trial_variance=0.5 / 250), 4)
    0.9004
    """
    benchmark = expected_maximum_sharpe(n_trials, trial_variance)
    return probabilistic_sharpe(moments, benchmark=benchmark)


@dataclass(frozen=True)
class Overfitting:
    """
    What happened to the best set of one half of the days in the other half.

    Attributes
    ----------
    probability : float
        Share of the splits in which the best set in sample came out at or below the median.
    logits : float array (n_splits,)
        Log odds of the best set's relative rank out of sample; 0 is the median.
    chosen : int array (n_splits,)
        The set that was best in sample.
    out_of_sample : float array (n_splits,)
        That set's Sharpe ratio per period in the other half.
    """

    probability: float
    logits: FloatArray
    chosen: IntArray
    out_of_sample: FloatArray

    @property
    def probability_of_loss(self) -> float:
        """Share of the splits in which the best set in sample lost money out of sample."""
        return float((self.out_of_sample < 0.0).mean())


@dataclass(frozen=True)
class BlockSums:
    """
    Returns of many sets, summed by block of days: all that the test below needs.

    Attributes
    ----------
    counts : float array (n_blocks,)
        Days of each block.
    sums, squares : float array (n_blocks, n_sets)
    """

    counts: FloatArray
    sums: FloatArray
    squares: FloatArray


def block_edges(n_rows: int, n_blocks: int) -> IntArray:
    """Return where blocks of days begin and end, as equal as whole days allow."""
    if n_blocks < 2 or n_blocks % 2 or n_rows < 2 * n_blocks:
        raise ParameterError(
            f"n_blocks must be even, at least 2 and at most half of the days, got {n_blocks} "
            f"for {n_rows} days"
        )
    edges: IntArray = np.linspace(0, n_rows, n_blocks + 1).round().astype(np.int64)
    return edges


def block_sums(returns: FloatArray, n_blocks: int) -> BlockSums:
    """Sum returns of shape (n_days, n_sets) by block of days."""
    edges = block_edges(len(returns), n_blocks)
    starts = edges[:-1]
    return BlockSums(
        np.diff(edges).astype(np.float64),
        np.add.reduceat(returns, starts, axis=0),
        np.add.reduceat(returns * returns, starts, axis=0),
    )


def probability_of_overfitting(blocks: BlockSums) -> Overfitting:
    """
    Probability that choosing the best set is worse than taking the median one.

    Combinatorially symmetric cross-validation: the blocks of days are split into two halves in
    every possible way, the best set of one half is looked up among all sets of the other.

    Parameters
    ----------
    blocks : BlockSums
        Of at least two sets; `block_sums` makes it.

    Raises
    ------
    ParameterError
        With fewer than two sets.

    References
    ----------
    .. [1] D. H. Bailey, J. M. Borwein, M. López de Prado and Q. J. Zhu, "The Probability of
       Backtest Overfitting", Journal of Computational Finance 20 (4), 2017.
    """
    n_blocks, n_sets = blocks.sums.shape
    if n_sets < 2:
        raise ParameterError(f"overfitting is judged among at least two sets, got {n_sets}")
    at_once = max(2, min(_MOST_AT_ONCE, _NUMBERS_AT_ONCE // n_sets))
    parts = [_judged(blocks, chosen) for chosen in _halves(n_blocks, at_once)]
    logits, best, outside = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Overfitting(float((logits <= 0.0).mean()), logits, best, outside)


def _halves(n_blocks: int, at_once: int) -> Iterator[FloatArray]:
    """Yield every choice of half of the blocks as rows of 0 and 1, so many at a time."""
    combinations = itertools.combinations(range(n_blocks), n_blocks // 2)
    while taken := list(itertools.islice(combinations, at_once)):
        chosen = np.zeros((len(taken), n_blocks))
        np.put_along_axis(chosen, np.array(taken), 1.0, axis=1)
        yield chosen


def _judged(blocks: BlockSums, chosen: FloatArray) -> tuple[FloatArray, IntArray, FloatArray]:
    """Return logit, best set, and its Sharpe ratio out of sample, per choice."""
    inside, outside = _sharpes(blocks, chosen), _sharpes(blocks, 1.0 - chosen)
    # What never moved has no Sharpe ratio, so that it is not the best of sets that lost.
    best = np.where(np.isnan(inside), -np.inf, inside).argmax(axis=1)
    outside = np.nan_to_num(outside)
    reached = outside[np.arange(len(best)), best][:, None]
    # Ties share the average rank: rank among all, counted from 1.
    below = np.count_nonzero(outside < reached, axis=1)
    equal = np.count_nonzero(outside == reached, axis=1)
    relative = (below + (equal + 1) / 2.0) / (outside.shape[1] + 1.0)
    return np.log(relative / (1.0 - relative)), best, reached[:, 0]


def _sharpes(blocks: BlockSums, chosen: FloatArray) -> FloatArray:
    """Sharpe ratio per period of each set over each choice of blocks; NaN if it never moved."""
    days = (chosen @ blocks.counts)[:, None]
    mean, variance = chosen @ blocks.sums, chosen @ blocks.squares
    mean /= days
    variance -= days * mean * mean
    variance /= days - 1.0
    moved = variance > LEAST_DEVIATION**2
    np.sqrt(variance, out=variance, where=moved)
    sharpe = np.full_like(mean, np.nan)
    np.divide(mean, variance, out=sharpe, where=moved)
    return sharpe

"""
How often the verdict is wrong: ``python -m tests.research.verdict_tables``.

Two tables. Markets without skill: how often the best set passes as better than luck, on several
kinds of noise, with and without near-copies of what was tried. Sets with skill: how often they
pass. Both beside the deflated Sharpe ratio as it would be with every trial counted as independent
and the variance of their Sharpe ratios (Bailey and López de Prado 2014), which copies can buy.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tf_lib.core.jit.arrays import FloatArray
from tf_lib.research.inference.objectives import Objective
from tf_lib.research.inference.overfitting import deflated_sharpe, row_sharpes
from tf_lib.research.sweep.judgement import DSR_WANTED, Judgement, TrialCount, judge
from tf_lib.research.sweep.result_files import Returns
from tf_lib.research.sweep.selection import P_ALLOWED, Plans, select

N_SETS, N_COPIES = 48, 200
LENGTHS = (30, 90, 365, 1460)
DAYS_PER_YEAR = 365.0
_VOLATILITY = 0.02

Noise = Callable[[np.random.Generator, int, int], FloatArray]
"""From a generator, sets and days to returns without skill, (n_sets, n_days)."""


def independent(random: np.random.Generator, n_sets: int, n_days: int) -> FloatArray:
    return random.normal(0.0, _VOLATILITY, (n_sets, n_days))


def garch_t(random: np.random.Generator, n_sets: int, n_days: int) -> FloatArray:
    """Volatility that clusters, GARCH(1, 1) with 0.1 and 0.85, and t(4) shocks."""
    shocks = random.standard_t(4, (n_days, n_sets)) / np.sqrt(2.0)
    variance = np.full(n_sets, 1.0)
    returns = np.empty((n_days, n_sets))
    for day in range(n_days):
        returns[day] = np.sqrt(variance) * shocks[day]
        variance = 0.05 + 0.1 * returns[day] ** 2 + 0.85 * variance
    return _VOLATILITY * returns.T


def one_factor(random: np.random.Generator, n_sets: int, n_days: int) -> FloatArray:
    """Coins that move together, correlation 0.7; each set holds some of them some of the time."""
    common = random.normal(0.0, _VOLATILITY, n_days)
    coins = 0.7**0.5 * common + 0.3**0.5 * random.normal(0.0, _VOLATILITY, (10, n_days))
    return _timed(random, coins, n_sets)


def ar1(random: np.random.Generator, n_sets: int, n_days: int) -> FloatArray:
    """Returns that lean on yesterday's, by 0.1."""
    shocks = independent(random, n_sets, n_days)
    returns = np.empty_like(shocks)
    returns[:, 0] = shocks[:, 0]
    for day in range(1, n_days):
        returns[:, day] = 0.1 * returns[:, day - 1] + shocks[:, day]
    return returns


def shuffled(real: FloatArray) -> Noise:
    """Real returns of coins without their means, drawn in blocks of 20 days, held by sets."""
    centered = real - real.mean(axis=1, keepdims=True)

    def noise(random: np.random.Generator, n_sets: int, n_days: int) -> FloatArray:
        starts = random.integers(0, real.shape[1] - 20, -(-n_days // 20))
        days = (starts[:, None] + np.arange(20)).ravel()[:n_days]
        return _timed(random, centered[:, days], n_sets)

    return noise


def _timed(random: np.random.Generator, coins: FloatArray, n_sets: int) -> FloatArray:
    """Sets that hold coins in stretches of about a month, chosen without knowing anything."""
    n_coins, n_days = coins.shape
    changes = random.random((n_sets, n_coins, n_days)) < 1.0 / 30.0
    is_held = (np.cumsum(changes, axis=2) + random.integers(0, 2, (n_sets, n_coins, 1))) % 2
    held: FloatArray = np.einsum("scd,cd->sd", is_held / n_coins, coins)
    return held


def with_copies(random: np.random.Generator, returns: FloatArray) -> FloatArray:
    """Add near-copies, as a parameter of little effect makes them."""
    copies = returns[random.integers(0, len(returns), N_COPIES)]
    return np.concatenate([returns, copies + random.normal(0.0, 1e-3 * _VOLATILITY, copies.shape)])


@dataclass(frozen=True)
class Passed:
    """Shares of markets that pass: better than luck, both questions, and by independent trials."""

    luck: float
    both: float
    counted: float


def judged(returns: FloatArray) -> Judgement:
    """Judge the best of some sets, each a trial."""
    keys = tuple(str(number) for number in range(len(returns)))
    n_days = returns.shape[1]
    n_blocks = min(16, n_days // 10 // 2 * 2)
    plans = Plans(None, None, None, n_blocks if n_blocks >= 4 else 0)
    found = select([Returns(keys, returns)].copy, {key: int(key) for key in keys}, n_days, plans)
    # In a month a set may hold nothing at all: it is a trial, and has no Sharpe ratio.
    sharpes = row_sharpes(returns, still=np.nan)
    trials = TrialCount(len(returns), float(np.nanvar(sharpes, ddof=1)))
    best = returns[np.nanargmax(sharpes)]
    return judge(best, found, trials, objective=Objective(days_per_year=DAYS_PER_YEAR))


def shares(make: Callable[[np.random.Generator], FloatArray], markets: range) -> Passed:
    """Judge so many markets, each of a seed of its own."""
    rows = []
    for seed in markets:
        one = judged(make(np.random.default_rng(seed)))
        counted = deflated_sharpe(
            one.moments, n_trials=one.trials.n_trials, trial_variance=one.trials.variance
        )
        by_count = counted >= DSR_WANTED and one.p_value <= P_ALLOWED and not one.is_too_short
        rows.append((bool(one.luck_answer.passed), one.passed, by_count))
    return Passed(*(float(share) for share in np.mean(rows, axis=0)))


def skilled(
    random: np.random.Generator, n_sets: int, n_days: int, *, sharpe: float, correlation: float
) -> FloatArray:
    """Sets that all have a true Sharpe ratio a year, and a correlation."""
    common = random.standard_normal(n_days)
    own = random.standard_normal((n_sets, n_days))
    noise = correlation**0.5 * common + (1.0 - correlation) ** 0.5 * own
    returns: FloatArray = _VOLATILITY * (noise + sharpe / DAYS_PER_YEAR**0.5)
    return returns


KINDS: dict[str, Noise] = {"independent": independent, "GARCH-t": garch_t}
KINDS |= {"one factor": one_factor, "AR(1)": ar1}


def false_passes(
    kinds: Mapping[str, Noise], lengths: Sequence[int], markets: range
) -> dict[tuple[str, int, bool], Passed]:
    """Return the shares by kind of noise, days, and whether near-copies were added."""
    found = {}
    for name, noise in kinds.items():
        for n_days in lengths:
            for copied in (False, True):

                def make(
                    random: np.random.Generator,
                    noise: Noise = noise,
                    n_days: int = n_days,
                    copied: bool = copied,
                ) -> FloatArray:
                    returns = noise(random, N_SETS, n_days)
                    return with_copies(random, returns) if copied else returns

                found[name, n_days, copied] = shares(make, markets)
    return found


def power(
    sharpes: tuple[float, ...], correlations: tuple[float, ...], n_days: int, markets: range
) -> dict[tuple[float, float], Passed]:
    """Return the shares by true Sharpe ratio a year and correlation of the sets."""
    return {
        (sharpe, correlation): shares(
            lambda random, s=sharpe, c=correlation: skilled(  # type: ignore[misc]
                random, 50, n_days, sharpe=s, correlation=c
            ),
            markets,
        )
        for sharpe in sharpes
        for correlation in correlations
    }


def real_returns() -> FloatArray | None:
    """Daily returns of real coins over days that all of them have; None without the data."""
    from tests.core.build import REAL_CANDLES
    from tf_lib.store.candle_csv import read_candle_folder

    if not any(REAL_CANDLES.glob("*.csv")):
        return None
    closes = [
        frame["close"].iloc[-1500:].to_numpy(dtype=np.float64)
        for frame in read_candle_folder(REAL_CANDLES).values()
        if len(frame) >= 1500
    ]
    rows = np.stack(closes)
    returns: FloatArray = rows[:, 1:] / rows[:, :-1] - 1.0
    return returns


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("--markets", type=int, default=200, help="of each kind")
    parser.add_argument("--days", type=int, nargs="+", default=LENGTHS, help="of a market")
    asked = parser.parse_args()
    markets, real = range(asked.markets), real_returns()
    kinds = dict(KINDS) if real is None else {**KINDS, "real, shuffled": shuffled(real)}
    print("| noise | days | copies | better than luck | both | trials as independent |")
    print("|---|--:|---|--:|--:|--:|")
    for kind in kinds.items():
        for (name, n_days, copied), one in false_passes(dict([kind]), asked.days, markets).items():
            cells = (name, n_days, "200" if copied else "-", one.luck, one.both, one.counted)
            said = (f"{c:.1%}" if isinstance(c, float) else str(c) for c in cells)
            print("| " + " | ".join(said), "|", flush=True)
    print("\n| true Sharpe | correlation | better than luck | both | trials as independent |")
    print("|--:|--:|--:|--:|--:|")
    for (sharpe, share), one in power((0.5, 1.0, 1.5, 2.0), (0.5, 0.9), 1460, markets).items():
        print(f"| {sharpe} | {share} | {one.luck:.1%} | {one.both:.1%} | {one.counted:.1%} |")


if __name__ == "__main__":
    main()

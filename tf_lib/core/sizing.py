"""
Sizing: from signals and covariance to target weights.

Stage 4 of the pipeline (risk -> *sleeve budgets -> target weights* -> trades). Each active
sleeve carries its budget of the portfolio's variance; the mix is scaled to the volatility wanted
without leverage; no name exceeds the cap, and what does not fit stays cash.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tf_lib.core.arrays import FloatArray, IntArray, kernel
from tf_lib.errors import HaltRun
from tf_lib.parameters import Config

SHARE_ERROR_MOST = 1e-10
_SHARE_ERROR_GOAL = 1e-15


class SizingRules(NamedTuple):
    """The numbers of DESIGN section 6 as the kernel takes them; volatility is per day."""

    target_volatility: float
    min_signal: float
    max_rounds: int
    cap_low: float
    cap_high: float
    cap_threshold: float
    cap_is_static: bool
    cap_rounds: int
    cap_tolerance: float


class SleeveMap(NamedTuple):
    """Which sleeve each ticker is in, by position, and what share of risk each sleeve gets."""

    sleeve_of: IntArray
    weights: FloatArray


class RawSizing(NamedTuple):
    """What the kernel answers; `Sizing` says what each number is."""

    unit_mix: FloatArray
    pre_cap_weight: FloatArray
    weight: FloatArray
    multiplier: FloatArray
    budget: FloatArray
    risk_share: FloatArray
    unit_volatility: float
    gross_target: float
    n_eff: float
    n_eff_post: float
    cap: float
    cap_binds: bool
    volatility_pre: float
    volatility_post: float
    leftover: float
    share_error: float


@dataclass(frozen=True)
class Sizing:
    """
    Target weights of one day and how they came about.

    With no active sleeve there is no mix: weights and gross are 0, and what is said of a mix
    (`unit_portfolio_volatility`, `n_eff`, a conditional `cap_value`) is NaN.

    Attributes
    ----------
    tickers, sleeves : tuple of str
        By name; what the arrays are indexed by.
    risk_budget_weight : float array (n_tickers,)
        Unit mix u, before volatility and cap; sums to 1, or is all 0.
    pre_cap_weight, target_weight : float array (n_tickers,)
        Fraction of deployable equity before and after the cap.
    sleeve_multiplier : float array (n_sleeves,)
        Scaled so that the largest is 1; 0 for an inactive sleeve.
    sleeve_budget, risk_share : float array (n_sleeves,)
        Budget after re-normalising over active sleeves, and share of variance at u.
    daily_volatility_pre_cap, daily_volatility_post_cap, target_daily_volatility : float
        Per day, as a fraction.
    n_eff, n_eff_post : float
        1 / sum of squares of the mix, before and after the cap.
    share_error : float
        Largest distance of a risk share from its budget.
    """

    tickers: tuple[str, ...]
    sleeves: tuple[str, ...]
    risk_budget_weight: FloatArray
    pre_cap_weight: FloatArray
    target_weight: FloatArray
    sleeve_multiplier: FloatArray
    sleeve_budget: FloatArray
    risk_share: FloatArray
    unit_portfolio_volatility: float
    gross_target: float
    n_eff: float
    n_eff_post: float
    cap_value: float
    cap_binding: bool
    daily_volatility_pre_cap: float
    daily_volatility_post_cap: float
    target_daily_volatility: float
    cap_leftover_gross: float
    share_error: float
    shares_within_tolerance: bool

    @property
    def volatility_error_pre_cap(self) -> float:
        """Volatility before the cap less the target, per day."""
        return self.daily_volatility_pre_cap - self.target_daily_volatility

    @property
    def volatility_error_post_cap(self) -> float:
        """Volatility after the cap less the target, per day."""
        return self.daily_volatility_post_cap - self.target_daily_volatility

    @property
    def gross_pre_cap(self) -> float:
        """Sum of weights before the cap."""
        return float(self.pre_cap_weight.sum())

    @property
    def gross_post_cap(self) -> float:
        """Sum of weights after the cap."""
        return float(self.target_weight.sum())


def sizing_rules(config: Config) -> SizingRules:
    """Return the numbers the sizing kernel takes."""
    risk = config.risk_and_sizing
    return SizingRules(
        target_volatility=risk.annualized_target_volatility
        / math.sqrt(config.run.annual_trading_days),
        min_signal=float(risk.risk_min_signal),
        max_rounds=risk.risk_max_iterations,
        cap_low=float(risk.cap_low),
        cap_high=float(risk.cap_high),
        cap_threshold=float(risk.cap_n_eff_threshold),
        cap_is_static=risk.cap_mode == "static",
        cap_rounds=risk.cap_max_iter,
        cap_tolerance=float(risk.cap_tol),
    )


def sleeve_map(config: Config) -> SleeveMap:
    """Return sleeves by position, tickers and sleeves by name."""
    universe = config.universe
    names = universe.sorted_sleeves
    owners = [names.index(universe.sleeve_of[ticker]) for ticker in universe.sorted_tickers]
    weights = np.array([universe.sleeves[name].weight for name in names], dtype=np.float64)
    return SleeveMap(np.array(owners, dtype=np.int64), weights)


def size_positions(signal: FloatArray, covariance: FloatArray, config: Config) -> Sizing:
    """
    Turn one day's signals into target weights (DESIGN section 6).

    Parameters
    ----------
    signal : float array of shape (n_tickers,)
        `vol_adjusted_signal` of the config's tickers by name, at least 0; undefined counts 0.
    covariance : float array of shape (n_tickers, n_tickers)
        Daily, positive semi-definite.

    Raises
    ------
    HaltRun
        If the covariance is not finite, or the sleeve shares could not be brought within 1e-10
        of their budgets.
    """
    if not np.isfinite(covariance).all():
        raise HaltRun("the covariance must be finite: a return among the last days is not")
    rules = sizing_rules(config)
    raw = size_kernel(signal, covariance, sleeve_map(config), rules)
    if not raw.share_error <= SHARE_ERROR_MOST or not np.isfinite(raw.weight).all():
        raise HaltRun(
            f"sleeve shares of risk must come within {SHARE_ERROR_MOST} of their budgets, the "
            f"solver stopped {raw.share_error:.3g} away after at most {rules.max_rounds} rounds "
            f"(budgets {raw.budget.tolist()}, shares {raw.risk_share.tolist()})"
        )
    tolerance = config.risk_and_sizing.risk_sleeve_budget_tolerance
    return Sizing(
        tickers=config.universe.sorted_tickers,
        sleeves=config.universe.sorted_sleeves,
        risk_budget_weight=raw.unit_mix,
        pre_cap_weight=raw.pre_cap_weight,
        target_weight=raw.weight,
        sleeve_multiplier=raw.multiplier,
        sleeve_budget=raw.budget,
        risk_share=raw.risk_share,
        unit_portfolio_volatility=raw.unit_volatility,
        gross_target=raw.gross_target,
        n_eff=raw.n_eff,
        n_eff_post=raw.n_eff_post,
        cap_value=raw.cap,
        cap_binding=bool(raw.cap_binds),
        daily_volatility_pre_cap=raw.volatility_pre,
        daily_volatility_post_cap=raw.volatility_post,
        target_daily_volatility=rules.target_volatility,
        cap_leftover_gross=raw.leftover,
        share_error=raw.share_error,
        shares_within_tolerance=bool(raw.share_error <= tolerance),
    )


@kernel
def _variance(weights: FloatArray, covariance: FloatArray) -> float:
    total = 0.0
    for i in range(weights.size):
        if weights[i] != 0.0:
            row = 0.0
            for j in range(weights.size):
                row += covariance[i, j] * weights[j]
            total += weights[i] * row
    return max(total, 0.0)


@kernel
def _effective_names(weights: FloatArray) -> float:
    """Return 1 / sum of squared shares; undefined with nothing held."""
    total, squares = 0.0, 0.0
    for i in range(weights.size):
        total += weights[i]
        squares += weights[i] * weights[i]
    return total * total / squares if squares > 0.0 else np.nan


@kernel
def _solve(matrix: FloatArray, right: FloatArray) -> None:
    """Solve a small symmetric positive definite system by Cholesky; both are overwritten."""
    n = right.size
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = math.sqrt(max(total, 1e-300)) if i == j else total / matrix[j, j]
    for i in range(n):
        for k in range(i):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            right[i] -= matrix[k, i] * right[k]
        right[i] /= matrix[i, i]


@kernel
def _distance_to_budget(x: FloatArray, pull: FloatArray, budget: FloatArray) -> float:
    variance, worst = 0.0, 0.0
    for i in range(x.size):
        variance += x[i] * pull[i]
    # Also false when it is NaN: no distance is then no answer.
    if not variance > 0.0:
        return np.inf
    for i in range(x.size):
        worst = max(worst, abs(x[i] * pull[i] / variance - budget[i]))
    return worst


@kernel
def risk_parity(
    matrix: FloatArray, budget: FloatArray, max_rounds: int
) -> tuple[FloatArray, float]:
    """
    Find x > 0 whose shares of x' C x equal the budgets, and the largest error of a share.

    The minimum of x' C x / 2 - sum of budget * log x, unique because it is strictly convex, by
    Newton steps that are cut short until they stay positive and come down. C has a unit diagonal.
    """
    n = budget.size
    x, best, pull, step = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    hessian = np.empty((n, n))
    best_error = np.inf
    for i in range(n):
        x[i] = math.sqrt(budget[i])
    for _ in range(max_rounds):
        for i in range(n):
            pull[i] = 0.0
            for j in range(n):
                pull[i] += matrix[i, j] * x[j]
        error = _distance_to_budget(x, pull, budget)
        if error < best_error:
            best_error = error
            for i in range(n):
                best[i] = x[i]
        elif best_error <= SHARE_ERROR_MOST:
            break
        if error <= _SHARE_ERROR_GOAL:
            break
        for i in range(n):
            step[i] = budget[i] / x[i] - pull[i]
            for j in range(n):
                hessian[i, j] = matrix[i, j]
            hessian[i, i] += budget[i] / (x[i] * x[i])
        _solve(hessian, step)
        length = _length(matrix, budget, x, step)
        for i in range(n):
            x[i] += length * step[i]
    return best, best_error


@kernel
def _objective(matrix: FloatArray, budget: FloatArray, x: FloatArray) -> float:
    total = 0.5 * _variance(x, matrix)
    for i in range(x.size):
        total -= budget[i] * math.log(x[i])
    return total


@kernel
def _length(matrix: FloatArray, budget: FloatArray, x: FloatArray, step: FloatArray) -> float:
    """Return how much of a Newton step to take: all of it near the solution."""
    length, relative = 1.0, 0.0
    for i in range(x.size):
        relative = max(relative, abs(step[i]) / x[i])
        if step[i] < 0.0:
            length = min(length, -0.9 * x[i] / step[i])
    if relative < 1e-3:
        return length
    here = _objective(matrix, budget, x)
    there = np.empty(x.size)
    for _ in range(60):
        for i in range(x.size):
            there[i] = x[i] + length * step[i]
        if _objective(matrix, budget, there) < here:
            return length
        length *= 0.5
    return length


@kernel
def _multipliers(
    block: FloatArray, summed: FloatArray, weights: FloatArray, rules: SizingRules
) -> tuple[FloatArray, FloatArray, float]:
    """Return multiplier (largest is 1) and budget of each sleeve, and the error of the shares."""
    n = summed.size
    multiplier, budget = np.zeros(n), np.zeros(n)
    active = np.zeros(n, dtype=np.int64)
    count, budget_sum = 0, 0.0
    for s in range(n):
        if summed[s] > rules.min_signal and block[s, s] > 0.0 and weights[s] > 0.0:
            active[count] = s
            count += 1
            budget_sum += weights[s]
    if count == 0:
        return multiplier, budget, 0.0
    matrix, wanted = np.empty((count, count)), np.empty(count)
    for a in range(count):
        wanted[a] = weights[active[a]] / budget_sum
        for b in range(count):
            scale = math.sqrt(block[active[a], active[a]]) * math.sqrt(block[active[b], active[b]])
            matrix[a, b] = block[active[a], active[b]] / scale if a != b else 1.0
    x, error = np.ones(1), 0.0
    if count > 1:
        x, error = risk_parity(matrix, wanted, rules.max_rounds)
    largest = 0.0
    for a in range(count):
        x[a] /= math.sqrt(block[active[a], active[a]])
        largest = max(largest, x[a])
    for a in range(count):
        multiplier[active[a]] = x[a] / largest
        budget[active[a]] = wanted[a]
    return multiplier, budget, error


@kernel
def _sleeve_block(
    signal: FloatArray, covariance: FloatArray, sleeve_of: IntArray, n_sleeves: int
) -> FloatArray:
    """Return the covariance of the sleeves as portfolios of their signals."""
    block = np.zeros((n_sleeves, n_sleeves))
    for i in range(signal.size):
        for j in range(signal.size):
            block[sleeve_of[i], sleeve_of[j]] += signal[i] * covariance[i, j] * signal[j]
    return block


@kernel
def _capped(
    weight: FloatArray, mix: FloatArray, cap: float, rules: SizingRules
) -> tuple[FloatArray, bool, float]:
    """Return weights under the cap, whether it bound, and the gross that found no room."""
    out = np.empty(weight.size)
    binds, leftover = False, 0.0
    for i in range(weight.size):
        out[i] = min(weight[i], cap)
        leftover += weight[i] - out[i]
        binds = binds or weight[i] > cap + rules.cap_tolerance
    for _ in range(rules.cap_rounds):
        room = 0.0
        for i in range(out.size):
            if mix[i] > 0.0:
                room += cap - out[i]
        if leftover <= rules.cap_tolerance or room <= rules.cap_tolerance:
            break
        moved = min(leftover, room)
        for i in range(out.size):
            if mix[i] > 0.0:
                out[i] = min(out[i] + moved * ((cap - out[i]) / room), cap)
        leftover -= moved
    return out, binds, max(leftover, 0.0)


@kernel
def size_kernel(
    signal: FloatArray, covariance: FloatArray, sleeves: SleeveMap, rules: SizingRules
) -> RawSizing:
    """Size one day; see `size_positions`. The caller judges `share_error`."""
    n, n_sleeves = signal.size, sleeves.weights.size
    known = np.zeros(n)
    summed = np.zeros(n_sleeves)
    for i in range(n):
        if math.isfinite(signal[i]):
            known[i] = signal[i]
            summed[sleeves.sleeve_of[i]] += signal[i]
    block = _sleeve_block(known, covariance, sleeves.sleeve_of, n_sleeves)
    multiplier, budget, error = _multipliers(block, summed, sleeves.weights, rules)
    mix, weight, total = np.zeros(n), np.zeros(n), 0.0
    for i in range(n):
        mix[i] = multiplier[sleeves.sleeve_of[i]] * known[i]
        total += mix[i]
    if total > 0.0:
        for i in range(n):
            mix[i] /= total
    unit_variance = _variance(mix, covariance)
    share = np.zeros(n_sleeves)
    for i in range(n):
        pull = 0.0
        for j in range(n):
            pull += covariance[i, j] * mix[j]
        if unit_variance > 0.0:
            share[sleeves.sleeve_of[i]] += mix[i] * pull / unit_variance
    unit_volatility = math.sqrt(unit_variance) if total > 0.0 else np.nan
    gross = 0.0
    if total > 0.0:
        gross = 1.0
        if rules.target_volatility < unit_volatility:
            gross = rules.target_volatility / unit_volatility
    n_eff = _effective_names(mix)
    for i in range(n):
        weight[i] = mix[i] * gross
    cap = rules.cap_high
    if rules.cap_is_static or n_eff < rules.cap_threshold:
        cap = rules.cap_low
    final, binds, leftover = _capped(weight, mix, cap, rules)
    return RawSizing(
        mix,
        weight,
        final,
        multiplier,
        budget,
        share,
        unit_volatility,
        gross,
        n_eff,
        _effective_names(final),
        cap if rules.cap_is_static or total > 0.0 else np.nan,
        binds,
        math.sqrt(_variance(weight, covariance)),
        math.sqrt(_variance(final, covariance)),
        leftover,
        error,
    )

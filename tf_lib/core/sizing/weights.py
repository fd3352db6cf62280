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

from tf_lib.core.jit.arrays import FloatArray, IntArray, inlined_kernel, kernel, leaf_kernel
from tf_lib.core.sizing.risk_parity import (
    SHARE_ERROR_MOST,
    BudgetBuffers,
    budget_buffers,
    fill_multipliers,
    fill_sleeve_block,
    portfolio_variance,
)
from tf_lib.core.sizing.sizing_rules import (
    AS_CASH,
    BY_HEADROOM,
    STATIC,
    SizingRules,
    SleeveMap,
    sizing_rules,
    sleeve_map,
)
from tf_lib.errors import HaltRun
from tf_lib.parameters import Config


class SizingNumbers(NamedTuple):
    """What the sizing of a day says besides the arrays; `Sizing` says what each number is."""

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


class RawSizing(NamedTuple):
    """What the kernel answers; `Sizing` says what each array and number is."""

    unit_mix: FloatArray
    pre_cap_weight: FloatArray
    weight: FloatArray
    multiplier: FloatArray
    budget: FloatArray
    risk_share: FloatArray
    numbers: SizingNumbers


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
    def gross_post_cap(self) -> float:
        """Sum of weights after the cap."""
        return float(self.target_weight.sum())


def size_positions(
    signal: FloatArray,
    covariance: FloatArray,
    config: Config,
    *,
    final_signal: FloatArray | None = None,
) -> Sizing:
    """
    Turn one day's signals into target weights (docs/design.md section 6).

    Parameters
    ----------
    signal : float array of shape (n_tickers,)
        `vol_adjusted_signal` of the config's tickers by name, at least 0; undefined counts 0.
    covariance : float array of shape (n_tickers, n_tickers)
        Daily, positive semi-definite.
    final_signal : float array of shape (n_tickers,), optional
        Before it is divided by volatility: what the cap cuts goes only to names whose final
        signal is above ``risk_min_signal``. Default `signal` itself.

    Raises
    ------
    HaltRun
        If the covariance is not finite, or the sleeve shares could not be brought within 1e-10
        of their budgets.
    """
    if not np.isfinite(covariance).all():
        raise HaltRun("the covariance must be finite: a return among the last days is not")
    rules = sizing_rules(config)
    final = signal if final_signal is None else final_signal
    raw = size_kernel(signal, final, covariance, sleeve_map(config), rules)
    numbers = raw.numbers
    if not numbers.share_error <= SHARE_ERROR_MOST or not np.isfinite(raw.weight).all():
        raise HaltRun(
            f"sleeve shares of risk must come within {SHARE_ERROR_MOST} of their budgets, the "
            f"solver stopped {numbers.share_error:.3g} away after at most {rules.max_rounds} "
            f"rounds (budgets {raw.budget.tolist()}, shares {raw.risk_share.tolist()})"
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
        unit_portfolio_volatility=numbers.unit_volatility,
        gross_target=numbers.gross_target,
        n_eff=numbers.n_eff,
        n_eff_post=numbers.n_eff_post,
        cap_value=numbers.cap,
        cap_binding=bool(numbers.cap_binds),
        daily_volatility_pre_cap=numbers.volatility_pre,
        daily_volatility_post_cap=numbers.volatility_post,
        target_daily_volatility=rules.target_volatility,
        cap_leftover_gross=numbers.leftover,
        share_error=numbers.share_error,
        shares_within_tolerance=bool(numbers.share_error <= tolerance),
    )


# Rows of the buffers, by ticker and by sleeve.
KNOWN, MIX, PRE_CAP, FINAL = range(4)
SUMMED, MULTIPLIER, BUDGET, SHARE = range(4)


class WeightBuffers(NamedTuple):
    """
    Workspace for a day's sizing of at most so many tickers and sleeves, used day by day.

    After a call the rows `MIX`, `PRE_CAP` and `FINAL` of `by_ticker`, and `MULTIPLIER` and
    `BUDGET` of `by_sleeve`, hold the answer.
    """

    by_ticker: FloatArray
    by_sleeve: FloatArray
    block: FloatArray
    budgets: BudgetBuffers


@kernel
def weight_buffers(n_tickers: int, n_sleeves: int) -> WeightBuffers:
    """Return the workspace for so many tickers and sleeves."""
    return WeightBuffers(
        np.zeros((4, n_tickers)),
        np.zeros((4, n_sleeves)),
        np.empty((n_sleeves, n_sleeves)),
        budget_buffers(n_sleeves),
    )


@leaf_kernel
def _effective_names(weights: FloatArray) -> float:
    """Return 1 / sum of squared shares; undefined with nothing held."""
    total, squares = 0.0, 0.0
    for i in range(weights.size):
        total += weights[i]
        squares += weights[i] * weights[i]
    return total * total / squares if squares > 0.0 else np.nan


@leaf_kernel
def _fill_capped(
    weight: FloatArray,
    mix: FloatArray,
    final: FloatArray,
    cap: float,
    rules: SizingRules,
    out: FloatArray,
) -> tuple[bool, float]:
    """Write weights under the cap; return whether it bound, and the gross left over."""
    binds, leftover = False, 0.0
    for i in range(weight.size):
        out[i] = min(weight[i], cap)
        leftover += weight[i] - out[i]
        binds = binds or weight[i] > cap + rules.cap_tolerance
    if rules.cap_leftover != AS_CASH:
        for _ in range(rules.cap_rounds):
            moved = _push_leftover(leftover, mix, final, cap, rules, out)
            if moved == 0.0:
                break
            leftover -= moved
    return binds, max(leftover, 0.0)


@leaf_kernel
def _push_leftover(
    leftover: float,
    mix: FloatArray,
    final: FloatArray,
    cap: float,
    rules: SizingRules,
    out: FloatArray,
) -> float:
    """
    Push what the cap cut into names with headroom and a signal; return how much went.

    A smoothed signal never reaches zero: without the floor the leftover of a strong name bought
    others whose signal was 1e-23.
    """
    headroom, pulls = 0.0, 0.0
    for i in range(out.size):
        if mix[i] > 0.0 and final[i] > rules.min_signal:
            headroom += cap - out[i]
            pulls += _pull(cap - out[i], mix[i], rules)
    if leftover <= rules.cap_tolerance or headroom <= rules.cap_tolerance:
        return 0.0
    going, came = min(leftover, headroom), 0.0
    for i in range(out.size):
        if mix[i] > 0.0 and final[i] > rules.min_signal:
            before = out[i]
            part = _pull(cap - before, mix[i], rules) / pulls
            out[i] = min(before + going * part, cap)
            came += out[i] - before
    # By headroom all of it finds its place; what rounding makes of the sum is no leftover.
    return going if rules.cap_leftover == BY_HEADROOM else came


@leaf_kernel
def _pull(headroom: float, share: float, rules: SizingRules) -> float:
    """Return what a name's part of the leftover is in proportion to."""
    if rules.cap_leftover == BY_HEADROOM:
        return headroom
    return share if headroom > 0.0 else 0.0


@leaf_kernel
def _fill_mix(
    signal: FloatArray, multiplier: FloatArray, sleeve_of: IntArray, mix: FloatArray
) -> float:
    """Write multiplied signals as shares of their sum, and return that sum."""
    total = 0.0
    for i in range(signal.size):
        mix[i] = multiplier[sleeve_of[i]] * signal[i]
        total += mix[i]
    if total > 0.0:
        for i in range(signal.size):
            mix[i] /= total
    return total


@leaf_kernel
def _fill_shares(
    mix: FloatArray, covariance: FloatArray, sleeve_of: IntArray, share: FloatArray
) -> None:
    """Write each sleeve's share of the mix's variance."""
    variance = portfolio_variance(mix, covariance)
    share[:] = 0.0
    for i in range(mix.size):
        pull = 0.0
        for j in range(mix.size):
            pull += covariance[i, j] * mix[j]
        if variance > 0.0:
            share[sleeve_of[i]] += mix[i] * pull / variance


@leaf_kernel
def _fill_known(
    signal: FloatArray, sleeve_of: IntArray, known: FloatArray, summed: FloatArray
) -> None:
    """Write the signal with undefined as 0, and its sum per sleeve."""
    for s in range(summed.size):
        summed[s] = 0.0
    for i in range(signal.size):
        known[i] = 0.0
        if math.isfinite(signal[i]):
            known[i] = signal[i]
            summed[sleeve_of[i]] += signal[i]


@inlined_kernel
def size_into(
    signal: FloatArray,
    final_signal: FloatArray,
    covariance: FloatArray,
    sleeves: SleeveMap,
    rules: SizingRules,
    buffers: WeightBuffers,
) -> SizingNumbers:
    """Size one day into a workspace; see `size_positions`. The caller judges `share_error`."""
    owner, n = sleeves.sleeve_of, signal.size
    known, mix = buffers.by_ticker[KNOWN, :n], buffers.by_ticker[MIX, :n]
    weight, final = buffers.by_ticker[PRE_CAP, :n], buffers.by_ticker[FINAL, :n]
    summed, multiplier = buffers.by_sleeve[SUMMED], buffers.by_sleeve[MULTIPLIER]
    _fill_known(signal, owner, known, summed)
    fill_sleeve_block(known, covariance, owner, buffers.block)
    error = fill_multipliers(
        buffers.block,
        summed,
        sleeves.weights,
        rules.min_signal,
        rules.max_rounds,
        multiplier,
        buffers.by_sleeve[BUDGET],
        buffers.budgets,
    )
    total = _fill_mix(known, multiplier, owner, mix)
    any_held = total > 0.0
    # The mix is one portfolio of the sleeves, whose covariance is there already.
    whole = math.sqrt(portfolio_variance(multiplier, buffers.block))
    unit_volatility = whole / total if any_held else np.nan
    gross = 1.0 if any_held else 0.0
    if rules.target_volatility < unit_volatility:
        gross = rules.target_volatility / unit_volatility
    for i in range(n):
        weight[i] = mix[i] * gross
    n_eff = _effective_names(mix)
    is_tight = rules.cap_mode == STATIC or n_eff < rules.cap_threshold
    cap = rules.cap_low if is_tight else rules.cap_high
    binds, leftover = _fill_capped(weight, mix, final_signal, cap, rules, final)
    volatility = unit_volatility * gross if any_held else 0.0
    is_moved = False
    for i in range(n):
        is_moved = is_moved or final[i] != weight[i]
    return SizingNumbers(
        unit_volatility,
        gross,
        n_eff,
        _effective_names(final),
        cap if rules.cap_mode == STATIC or any_held else np.nan,
        binds,
        volatility,
        math.sqrt(portfolio_variance(final, covariance)) if is_moved else volatility,
        leftover,
        error,
    )


@kernel
def size_kernel(
    signal: FloatArray,
    final_signal: FloatArray,
    covariance: FloatArray,
    sleeves: SleeveMap,
    rules: SizingRules,
) -> RawSizing:
    """Size one day; see `size_positions`. The caller judges `share_error`."""
    buffers = weight_buffers(signal.size, sleeves.weights.size)
    numbers = size_into(signal, final_signal, covariance, sleeves, rules, buffers)
    of_ticker, of_sleeve = buffers.by_ticker, buffers.by_sleeve
    _fill_shares(of_ticker[MIX], covariance, sleeves.sleeve_of, of_sleeve[SHARE])
    return RawSizing(
        of_ticker[MIX],
        of_ticker[PRE_CAP],
        of_ticker[FINAL],
        of_sleeve[MULTIPLIER],
        of_sleeve[BUDGET],
        of_sleeve[SHARE],
        numbers,
    )

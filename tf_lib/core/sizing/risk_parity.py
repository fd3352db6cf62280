"""
Budgets: how much of each sleeve, so that every active one carries its share of the risk.

Part of stage 4 (risk -> *sleeve budgets* -> target weights). The problem is convex and as small
as the number of sleeves; a few Newton steps solve it exactly. Kernels only, no library's linear
algebra, so the same signals give the same bits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tf_lib.core.jit.arrays import FloatArray, IntArray, kernel, leaf_kernel

SHARE_ERROR_MOST = 1e-10
_SHARE_ERROR_GOAL = 1e-15
_APPROACHES = 2


# Rows of the buffers: what stands in them before a call does not matter.
WANTED, X, BEST, PULL, STEP, THERE, DEVIATION = range(7)
MATRIX, HESSIAN = range(2)


class BudgetBuffers(NamedTuple):
    """Workspace for so many sleeves: numbers, rows of sleeves, and square arrays."""

    active: IntArray
    rows: FloatArray
    squares: FloatArray


@kernel
def budget_buffers(n_sleeves: int) -> BudgetBuffers:
    """Return the workspace for so many sleeves."""
    return BudgetBuffers(
        np.empty(n_sleeves, dtype=np.int64),
        np.empty((7, n_sleeves)),
        np.empty((2, n_sleeves, n_sleeves)),
    )


@leaf_kernel
def portfolio_variance(weights: FloatArray, covariance: FloatArray) -> float:
    """Return w' C w, never below 0."""
    total = 0.0
    for i in range(weights.size):
        if weights[i] != 0.0:
            row = 0.0
            for j in range(weights.size):
                row += covariance[i, j] * weights[j]
            total += weights[i] * row
    return max(total, 0.0)


@leaf_kernel
def fill_sleeve_block(
    signal: FloatArray, covariance: FloatArray, sleeve_of: IntArray, block: FloatArray
) -> None:
    """Write the covariance of the sleeves as portfolios of their signals."""
    for s in range(block.shape[0]):
        for t in range(block.shape[0]):
            block[s, t] = 0.0
    for i in range(signal.size):
        for j in range(i):
            both = signal[i] * covariance[i, j] * signal[j]
            block[sleeve_of[i], sleeve_of[j]] += both
            block[sleeve_of[j], sleeve_of[i]] += both
        block[sleeve_of[i], sleeve_of[i]] += signal[i] * covariance[i, i] * signal[i]


@leaf_kernel
def fill_multipliers(
    block: FloatArray,
    summed: FloatArray,
    weights: FloatArray,
    min_signal: float,
    max_rounds: int,
    multiplier: FloatArray,
    budget: FloatArray,
    buffers: BudgetBuffers,
) -> float:
    """
    Write multiplier (largest is 1) and budget of each sleeve; return the error of the shares.

    Parameters
    ----------
    block : float array of shape (n_sleeves, n_sleeves)
        Covariance of the sleeves, see `fill_sleeve_block`.
    summed : float array of shape (n_sleeves,)
        Sum of each sleeve's signals; active only above `min_signal`.
    weights : float array of shape (n_sleeves,)
        Budgets before they are re-normalised over active sleeves.
    """
    active, x, wanted = buffers.active, buffers.rows[BEST], buffers.rows[WANTED]
    deviation = buffers.rows[DEVIATION]
    count, budget_sum = 0, 0.0
    for s in range(summed.size):
        multiplier[s], budget[s] = 0.0, 0.0
        if summed[s] > min_signal and block[s, s] > 0.0 and weights[s] > 0.0:
            active[count] = s
            count += 1
            budget_sum += weights[s]
    for a in range(count):
        wanted[a] = weights[active[a]] / budget_sum
        deviation[a] = math.sqrt(block[active[a], active[a]])
        for b in range(a):
            correlation = block[active[a], active[b]] / (deviation[a] * deviation[b])
            buffers.squares[MATRIX, a, b], buffers.squares[MATRIX, b, a] = correlation, correlation
        buffers.squares[MATRIX, a, a] = 1.0
    x[0] = 1.0
    error = _solve_parity(count, max_rounds, buffers) if count > 1 else 0.0
    largest = 0.0
    for a in range(count):
        x[a] /= deviation[a]
        largest = max(largest, x[a])
    for a in range(count):
        multiplier[active[a]] = x[a] / largest
        budget[active[a]] = wanted[a]
    return error


@kernel
def risk_parity(
    matrix: FloatArray, budget: FloatArray, max_rounds: int
) -> tuple[FloatArray, float]:
    """
    Find x > 0 whose shares of x' C x equal the budgets, and the largest error of a share.

    The minimum of x' C x / 2 - sum of budget * log x, unique because it is strictly convex, by
    Newton steps that are cut short until they stay positive and come down. C has a unit diagonal.
    """
    buffers = budget_buffers(budget.size)
    for i in range(budget.size):
        buffers.rows[WANTED, i] = budget[i]
        for j in range(budget.size):
            buffers.squares[MATRIX, i, j] = matrix[i, j]
    error = _solve_parity(budget.size, max_rounds, buffers)
    return buffers.rows[BEST].copy(), error


@leaf_kernel
def _solve_parity(n: int, max_rounds: int, buffers: BudgetBuffers) -> float:
    """Leave in row `BEST` the solution for `MATRIX` and `WANTED`; see `risk_parity`."""
    matrix, hessian = buffers.squares[MATRIX], buffers.squares[HESSIAN]
    budget, x, best = buffers.rows[WANTED, :n], buffers.rows[X, :n], buffers.rows[BEST]
    pull, step = buffers.rows[PULL, :n], buffers.rows[STEP, :n]
    best_error = np.inf
    _approach(n, matrix, budget, x)
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
        length = _length(matrix, budget, x, step, buffers.rows[THERE, :n])
        for i in range(n):
            x[i] += length * step[i]
    return best_error


@leaf_kernel
def _approach(n: int, matrix: FloatArray, budget: FloatArray, x: FloatArray) -> None:
    """
    Write a start from which Newton's first step is a full one already.

    Each number in turn is set to its best beside the others, which is a quadratic equation.
    """
    for i in range(n):
        x[i] = math.sqrt(budget[i])
    for _ in range(_APPROACHES):
        for i in range(n):
            others = 0.0
            for j in range(n):
                if j != i:
                    others += matrix[i, j] * x[j]
            x[i] = (math.sqrt(others * others + 4.0 * budget[i]) - others) / 2.0


@leaf_kernel
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


@leaf_kernel
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


@leaf_kernel
def _length(
    matrix: FloatArray, budget: FloatArray, x: FloatArray, step: FloatArray, there: FloatArray
) -> float:
    """Return how much of a Newton step to take: all of it near the solution."""
    length, relative = 1.0, 0.0
    for i in range(x.size):
        relative = max(relative, abs(step[i]) / x[i])
        if step[i] < 0.0:
            length = min(length, -0.9 * x[i] / step[i])
    if relative < 1e-3:
        return length
    here = _objective(matrix, budget, x)
    for _ in range(60):
        for i in range(x.size):
            there[i] = x[i] + length * step[i]
        if _objective(matrix, budget, there) < here:
            return length
        length *= 0.5
    return length


@leaf_kernel
def _objective(matrix: FloatArray, budget: FloatArray, x: FloatArray) -> float:
    total = 0.5 * portfolio_variance(x, matrix)
    for i in range(x.size):
        total -= budget[i] * math.log(x[i])
    return total

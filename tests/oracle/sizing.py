"""Columns of the day and returns -> weights (design, section 6)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

SHARE_ERROR = 1e-13
MOST_ROUNDS = 1_000_000


def sample_covariance(returns: pd.DataFrame, days: pd.DatetimeIndex) -> pd.DataFrame:
    """Sample covariance over exactly `days`; a return that is missing counts as zero."""
    window = returns.reindex(days).fillna(0.0)
    centred = window - window.mean()
    return centred.T @ centred / (len(window) - 1)


def balanced_multipliers(covariance: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """
    Find multipliers under which each sleeve carries its budget of the variance.

    One sleeve at a time is set to the root of its own condition m_s (C m)_s = b_s, over and over:
    slow, but every step only lowers m' C m / 2 - sum(b log m), which is convex.
    """
    m = np.sqrt(budgets / np.diag(covariance))
    for _ in range(MOST_ROUNDS):
        for s in range(len(m)):
            own = covariance[s, s]
            others = covariance[s] @ m - own * m[s]
            m[s] = (-others + np.sqrt(others**2 + 4 * own * budgets[s])) / (2 * own)
        shares = m * (covariance @ m) / (m @ covariance @ m)
        if np.abs(shares - budgets).max() < SHARE_ERROR:
            break
    return np.asarray(m / m.max())


def variance_of(weights: pd.Series, covariance: pd.DataFrame) -> Any:
    """Variance of a portfolio."""
    return weights @ covariance @ weights


def sleeve_multipliers(
    params: dict[str, Any], signal: pd.Series, covariance: pd.DataFrame
) -> tuple[dict[str, float], dict[str, float]]:
    """Multiplier and re-normalised budget of each sleeve; both zero where it is inactive."""
    sleeves = dict(sorted(params["universe"]["sleeves"].items()))
    parts = {
        name: signal.where(signal.index.isin(sleeve["tickers"]), 0.0)
        for name, sleeve in sleeves.items()
    }
    active = [
        name
        for name, part in parts.items()
        if sleeves[name]["weight"] > 0  # No budget, no risk.
        and part.sum() > params["risk_and_sizing"]["risk_min_signal"]
        and variance_of(part, covariance) > 0
    ]
    multipliers, budgets = dict.fromkeys(sleeves, 0.0), dict.fromkeys(sleeves, 0.0)
    if active:
        together = sum(sleeves[name]["weight"] for name in active)
        budgets |= {name: sleeves[name]["weight"] / together for name in active}
        between = np.array([[parts[a] @ covariance @ parts[b] for b in active] for a in active])
        wanted = np.array([budgets[name] for name in active])
        multipliers |= dict(
            zip(active, balanced_multipliers(between, wanted).tolist(), strict=True)
        )
    return multipliers, budgets


def capped(
    risk: dict[str, Any], weights: pd.Series, unit: pd.Series, final: pd.Series, cap: float
) -> tuple[pd.Series, float]:
    """
    Cut every weight to `cap`, and push what was cut into the room that is left.

    Only names with a signal worth the name take any of it: in proportion to their room, or to
    their part of the unit mix; or nobody does, and it stays cash.
    """
    smallest, manner = risk["cap_tol"], risk.get("cap_leftover", "headroom")
    answer = weights.clip(upper=cap)
    leftover = float(weights.sum() - answer.sum())
    takes = (weights > 0) & (final > risk["risk_min_signal"])
    for _ in range(0 if manner == "cash" else risk["cap_max_iter"]):
        room = (cap - answer).where(takes, 0.0)
        if leftover <= smallest or room.sum() <= smallest:
            break
        pull = room if manner == "headroom" else unit.where(room > 0, 0.0)
        fuller = (answer + min(leftover, room.sum()) * pull / pull.sum()).clip(upper=cap)
        leftover -= float(fuller.sum() - answer.sum())
        answer = fuller
    return answer, max(leftover, 0.0)


def size(
    params: dict[str, Any], signal: pd.Series, final: pd.Series, covariance: pd.DataFrame
) -> dict[str, Any]:
    """
    Weights of the day, and what led to them.

    `signal` is divided by volatility and zero where there is none, `final` is as it was before.
    """
    risk = params["risk_and_sizing"]
    multipliers, budgets = sleeve_multipliers(params, signal, covariance)
    sleeve_of = {
        ticker: name
        for name, sleeve in params["universe"]["sleeves"].items()
        for ticker in sleeve["tickers"]
    }
    raw = pd.Series(
        {ticker: multipliers[sleeve_of[ticker]] * signal[ticker] for ticker in signal.index}
    )
    answer = {"multipliers": multipliers, "budgets": budgets}
    if raw.sum() <= 0:
        nothing = pd.Series(0.0, index=signal.index)
        return answer | {
            "unit": nothing,
            "weights": nothing,
            "risk_shares": dict.fromkeys(multipliers, 0.0),
            "portfolio": {
                "unit_portfolio_volatility": np.nan,
                "gross_target": 0.0,
                "n_eff": np.nan,
                "cap_value": risk["cap_low"] if risk["cap_mode"] == "static" else np.nan,
                "cap_binding": False,
                "daily_volatility_pre_cap": 0.0,
                "daily_volatility_post_cap": 0.0,
                "cap_leftover_gross": 0.0,
            },
        }
    unit = raw / raw.sum()
    n_eff = float(1 / (unit**2).sum())
    unit_volatility = float(np.sqrt(variance_of(unit, covariance)))
    target = risk["annualized_target_volatility"] / np.sqrt(params["run"]["annual_trading_days"])
    gross = min(target / unit_volatility, 1.0)
    is_concentrated = risk["cap_mode"] == "static" or n_eff < risk["cap_n_eff_threshold"]
    cap = risk["cap_low"] if is_concentrated else risk["cap_high"]
    before = gross * unit
    after, leftover = capped(risk, before, unit, final, cap)
    part_of_variance = unit * (covariance @ unit) / variance_of(unit, covariance)
    return answer | {
        "unit": unit,
        "weights": after,
        "risk_shares": {
            name: float(sum(part_of_variance[t] for t in sleeve["tickers"]))
            for name, sleeve in sorted(params["universe"]["sleeves"].items())
        },
        "portfolio": {
            "unit_portfolio_volatility": unit_volatility,
            "gross_target": gross,
            "n_eff": n_eff,
            "cap_value": cap,
            "cap_binding": bool((before > cap).any()),
            "daily_volatility_pre_cap": float(np.sqrt(variance_of(before, covariance))),
            "daily_volatility_post_cap": float(np.sqrt(variance_of(after, covariance))),
            "cap_leftover_gross": leftover,
        },
    }

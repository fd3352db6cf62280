"""Columns, weights and portfolio -> trades with their reasons (design, section 7)."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import numpy as np

NOTHING = 1e-6
SMALLEST_ORDER_NOTIONAL = 1.0


class Holding(NamedTuple):
    """One ticker on the morning of the decision."""

    is_ok: bool
    is_known: bool
    current: float
    target: float
    mid: float
    stop: float
    cooldown_start: str | None

    @property
    def is_held(self) -> bool:
        """Tell whether there is a position."""
        return self.current > 0


def cools_down(params: dict[str, Any], start: str | None, day: dt.date) -> bool:
    """Tell whether a cooldown that began at `start` still holds on `day`."""
    if start is None:
        return False
    length: int = params["execution_and_costs"]["cooldown_counter_threshold"]
    return 0 <= (day - dt.date.fromisoformat(start)).days < length


def wish(
    params: dict[str, Any], holding: Holding, equity: float, day: dt.date
) -> tuple[float, str]:
    """Return signed notional and reason before cash is looked at; a refusal is zero."""
    costs = params["execution_and_costs"]
    if not holding.is_ok:
        return 0.0, "stale_or_missing_ohlc"
    if holding.is_held and not holding.is_known:
        return 0.0, "unknown_signal"
    if holding.target < NOTHING:
        return (-holding.current, "full_exit") if holding.is_held else (0.0, "no_position")
    delta = holding.target - holding.current
    floor = max(
        costs["notional_threshold_pct"] * equity,
        costs["notional_threshold_pct"] * abs(holding.target),
        costs["min_trade_notional_abs"],
    )
    if abs(delta) <= floor:
        return 0.0, "below_threshold"
    if delta < 0:
        return delta, "trim"
    if cools_down(params, holding.cooldown_start, day):
        return 0.0, "cooldown_active"
    if holding.mid <= holding.stop:
        return 0.0, "stop_breached"
    if np.isnan(holding.stop):
        return 0.0, "not_protectable"
    return delta, "add" if holding.is_held else "enter"


def decide_trades(
    params: dict[str, Any],
    holdings: dict[str, Holding],
    *,
    equity: float,
    cash: float,
    day: dt.date,
) -> tuple[dict[str, tuple[float, str]], float]:
    """Signed notional and reason per ticker, and the factor by which buys were shrunk."""
    costs = params["execution_and_costs"]
    wishes = {ticker: wish(params, holding, equity, day) for ticker, holding in holdings.items()}
    passive = costs["passive_trade_rate"]
    fee = (
        costs["transaction_cost_est"]
        + passive * costs.get("maker_fee", 0.006)
        + (1 - passive) * costs.get("taker_fee", 0.012)
    )
    buys = sum(notional for notional, _ in wishes.values() if notional > 0)
    sells = -sum(notional for notional, _ in wishes.values() if notional < 0)
    shrink = 1.0
    if buys > 0:
        spendable = cash * (1 - params["risk_and_sizing"]["cash_buffer_percentage"])
        shrink = min(1.0, max(0.0, (spendable + sells * (1 - fee)) / (buys * (1 + fee))))
    answer = {}
    for ticker, (notional, reason) in wishes.items():
        if notional > 0:
            notional *= shrink
            if notional < SMALLEST_ORDER_NOTIONAL:
                notional, reason = 0.0, "below_threshold"
        answer[ticker] = (notional, reason)
    return answer, shrink

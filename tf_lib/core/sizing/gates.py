"""
Trades: from target weights to what should be bought and sold, gate by gate.

Stage 5 of the pipeline (target weights -> *desired trades* -> orders). The gates stand in the order
of docs/design.md section 7 and the first that applies gives the reason. Sells never shrink; buys
shrink to the cash that is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tf_lib.core.jit.arrays import (
    BoolArray,
    FloatArray,
    IntArray,
    inlined_kernel,
    kernel,
    leaf_kernel,
)
from tf_lib.core.model.account import fees_charged
from tf_lib.core.model.records import FeeRates, Product, Reason
from tf_lib.core.orders.compiled import (
    Records,
    is_below_least,
    is_protectable,
    lots_for,
    spec_table,
)
from tf_lib.core.orders.lots_and_ticks import StopRules, stop_rules
from tf_lib.parameters import Config

REASONS = tuple(Reason)
STALE = REASONS.index(Reason.STALE_OR_MISSING_OHLC)
UNKNOWN = REASONS.index(Reason.UNKNOWN_SIGNAL)
FULL_EXIT = REASONS.index(Reason.FULL_EXIT)
NO_POSITION = REASONS.index(Reason.NO_POSITION)
BELOW = REASONS.index(Reason.BELOW_THRESHOLD)
TRIM = REASONS.index(Reason.TRIM)
COOLING = REASONS.index(Reason.COOLDOWN_ACTIVE)
BREACHED = REASONS.index(Reason.STOP_BREACHED)
UNPROTECTABLE = REASONS.index(Reason.NOT_PROTECTABLE)
ENTER = REASONS.index(Reason.ENTER)
ADD = REASONS.index(Reason.ADD)
NOT_FORCED = -1
LEAST_TARGET = 1e-6


class TradeRules(NamedTuple):
    """The numbers of docs/design.md section 7 as the kernel takes them."""

    cash_buffer: float
    threshold: float
    least_trade: float
    cost: float
    stops: StopRules


class Lots(NamedTuple):
    """Increments and minimums of each product, by position, and whether it takes orders."""

    specs: Records
    tradable: BoolArray


class Standing(NamedTuple):
    """
    One ticker per position: what is known and owned when the day begins.

    `stop` is today's level, `resting` the stop order that rests (NaN when none), `forced` the
    position of a reason that rules out any trade, or -1.
    """

    weight: FloatArray
    units: FloatArray
    mid: FloatArray
    stop: FloatArray
    resting: FloatArray
    atr: FloatArray
    data_ok: BoolArray
    known: BoolArray
    cooling: BoolArray
    forced: IntArray


class RawTrades(NamedTuple):
    """What the kernel answers; `Trades` says what each number is."""

    equity: float
    deployable: float
    target: FloatArray
    current: FloatArray
    trade: FloatArray
    reason: IntArray
    stop: FloatArray
    shrink: float


@dataclass(frozen=True)
class Trades:
    """
    Desired trades of one day, money in quote currency.

    Attributes
    ----------
    tickers : tuple of str
        By name; what the arrays and `reasons` are indexed by.
    target_notional, current_notional, trade_notional : float array (n_tickers,)
        The trade is signed, after shrinking, 0 when refused.
    reasons : tuple of Reason
    gate_stop : float array (n_tickers,)
        The stop level the gate used: today's, or the resting stop if higher; NaN if none.
    equity, deployable, cash_shrink_factor : float
        The last multiplied all buys.
    """

    tickers: tuple[str, ...]
    target_notional: FloatArray
    current_notional: FloatArray
    trade_notional: FloatArray
    reasons: tuple[Reason, ...]
    gate_stop: FloatArray
    equity: float
    deployable: float
    cash_shrink_factor: float

    @property
    def cooldowns_started(self) -> tuple[str, ...]:
        """Tickers whose cooldown begins on the day decided, because the gate saw a breach."""
        named = zip(self.tickers, self.reasons, strict=True)
        return tuple(ticker for ticker, why in named if why is Reason.STOP_BREACHED)

    def with_wanted(self, wanted: Trades, tickers: Iterable[str]) -> Trades:
        """Return these trades, and of some tickers what is wanted though it cannot be done."""
        at = np.isin(self.tickers, list(tickers))
        reasons = zip(at, wanted.reasons, self.reasons, strict=True)
        return replace(
            self,
            trade_notional=np.where(at, wanted.trade_notional, self.trade_notional),
            reasons=tuple(theirs if chosen else ours for chosen, theirs, ours in reasons),
        )


def trade_rules(config: Config, fees: FeeRates | None) -> TradeRules:
    """Return the numbers the trade kernel takes."""
    costs = config.execution_and_costs
    charged, passive = fees_charged(costs, fees), costs.passive_trade_rate
    return TradeRules(
        cash_buffer=float(config.risk_and_sizing.cash_buffer_percentage),
        threshold=float(costs.notional_threshold_pct),
        least_trade=float(costs.min_trade_notional_abs),
        cost=costs.transaction_cost_est + passive * charged.maker + (1.0 - passive) * charged.taker,
        stops=stop_rules(config.stops),
    )


def lots(tickers: tuple[str, ...], products: Mapping[str, Product]) -> Lots:
    """Return the products' increments and minimums as arrays, in the order of `tickers`."""
    rows = [products[ticker] for ticker in tickers]
    return Lots(
        specs=spec_table(rows),
        tradable=np.array([p.accepts_market_orders for p in rows], dtype=np.bool_),
    )


def desired_trades(
    tickers: tuple[str, ...], standing: Standing, cash: float, *, lots: Lots, rules: TradeRules
) -> Trades:
    """Decide what to trade today; the kernel's answer with names (docs/design.md section 7)."""
    raw = trade_kernel(standing, cash, lots, rules)
    return Trades(
        tickers=tickers,
        target_notional=raw.target,
        current_notional=raw.current,
        trade_notional=raw.trade,
        reasons=tuple(REASONS[code] for code in raw.reason),
        gate_stop=raw.stop,
        equity=raw.equity,
        deployable=raw.deployable,
        cash_shrink_factor=raw.shrink,
    )


@inlined_kernel
def higher_stop(level: float, resting: float, held: bool) -> float:
    """Return the stop the gate uses: the higher of today's and the one that rests while held."""
    if not held or math.isnan(resting):
        return level
    return resting if math.isnan(level) else max(level, resting)


@leaf_kernel
def least_change(target: float, equity: float, rules: TradeRules) -> float:
    """Return the change of a position, in quote currency, that is not yet worth its cost."""
    floor = max(rules.threshold * equity, rules.threshold * abs(target))
    return max(floor, rules.least_trade)


@leaf_kernel
def is_zero(target_notional: float) -> bool:
    """Whether a target counts as nothing: what is held is sold, and nothing is bought."""
    return target_notional < LEAST_TARGET


@inlined_kernel
def _gate(
    i: int,
    target: float,
    current: float,
    equity: float,
    day: Standing,
    lots: Lots,
    rules: TradeRules,
) -> int:
    """Return the position of the first reason that applies to one ticker."""
    held = day.units[i] > 0.0
    if day.forced[i] != NOT_FORCED:
        return int(day.forced[i])
    if not day.data_ok[i]:
        return STALE
    if held and not day.known[i]:
        return UNKNOWN
    if is_zero(target):
        return FULL_EXIT if held else NO_POSITION
    delta = target - current
    if abs(delta) <= least_change(target, equity, rules):
        return BELOW
    if delta < 0.0:
        return TRIM
    if day.cooling[i]:
        return COOLING
    stop = higher_stop(day.stop[i], day.resting[i], held)
    if day.mid[i] <= stop:
        return BREACHED
    spec = lots.specs[i]
    size = lots_for(target, day.mid[i], spec)
    if not lots.tradable[i] or not is_protectable(
        size, stop, day.mid[i], day.atr[i], spec, rules.stops
    ):
        return UNPROTECTABLE
    return ADD if held else ENTER


# Rows of the buffer that one day's trades are decided in.
CURRENT, TARGET, TRADE, STOP = range(4)


@inlined_kernel
def trade_into(
    day: Standing,
    cash: float,
    lots: Lots,
    rules: TradeRules,
    rows: FloatArray,
    reason: IntArray,
) -> tuple[float, float, float]:
    """
    Decide one day's trades into `rows` [row, ticker] and `reason`; see `trade_kernel`.

    Returns
    -------
    (float, float, float)
        Equity, deployable equity, and what all buys were multiplied by.
    """
    current, target, trade = rows[CURRENT], rows[TARGET], rows[TRADE]
    equity = cash
    for i in range(reason.size):
        is_held, current[i], trade[i] = day.units[i] > 0.0, 0.0, 0.0
        if is_held and math.isfinite(day.mid[i]):
            current[i] = day.units[i] * day.mid[i]
        equity += current[i]
        rows[STOP, i] = higher_stop(day.stop[i], day.resting[i], is_held)
    deployable = (1.0 - rules.cash_buffer) * equity
    buys, sells = 0.0, 0.0
    for i in range(reason.size):
        target[i] = day.weight[i] * deployable
        code = _gate(i, target[i], current[i], equity, day, lots, rules)
        reason[i] = code
        if code == FULL_EXIT:
            trade[i] = -current[i]
        elif code in (TRIM, ENTER, ADD):
            trade[i] = target[i] - current[i]
        if trade[i] > 0.0:
            buys += trade[i]
        else:
            sells -= trade[i]
    shrink = 1.0
    if buys > 0.0:
        affordable = cash * (1.0 - rules.cash_buffer) + sells * (1.0 - rules.cost)
        shrink = min(1.0, max(0.0, affordable / (buys * (1.0 + rules.cost))))
    if shrink < 1.0:
        _shrink_buys(shrink, day, lots, trade, reason)
    return equity, deployable, shrink


@leaf_kernel
def _shrink_buys(
    shrink: float, day: Standing, lots: Lots, trade: FloatArray, reason: IntArray
) -> None:
    """Shrink all buys to the cash; one that the exchange would refuse as too small is dropped."""
    for i in range(trade.size):
        if trade[i] > 0.0:
            trade[i] *= shrink
            spec = lots.specs[i]
            if is_below_least(lots_for(trade[i], day.mid[i], spec), day.mid[i], spec):
                trade[i] = 0.0
                reason[i] = BELOW


@kernel
def trade_kernel(day: Standing, cash: float, lots: Lots, rules: TradeRules) -> RawTrades:
    """Decide one day's trades; a price that is not known is NaN and counts 0 in equity."""
    rows, reason = np.empty((4, day.weight.size)), np.empty(day.weight.size, dtype=np.int64)
    equity, deployable, shrink = trade_into(day, cash, lots, rules, rows, reason)
    return RawTrades(
        equity, deployable, rows[TARGET], rows[CURRENT], rows[TRADE], reason, rows[STOP], shrink
    )

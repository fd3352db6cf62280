"""
The plan: from a day's inputs to exact orders, without touching anything.

The live day, the dry run, the notebook that is opened by hand and replay all come through here
with nothing but candles, an `Account` and parameters, so the same inputs give the same bytes.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from tf_lib.core.candles.bars import Bars, lag_bars
from tf_lib.core.candles.quarantine import live_on
from tf_lib.core.decision import Decision, decide
from tf_lib.core.model.account import Account, is_withheld
from tf_lib.core.model.records import ZERO, Holding, Protection, Reason
from tf_lib.core.orders.build import OrderBuild, PlannedOrder, WantedStop, build_order, to_decimal
from tf_lib.core.orders.stops import LAST_GOOD, REMEMBERED, TODAYS, UNKNOWN, level_today
from tf_lib.core.signals.columns import Signals, believed, signals
from tf_lib.core.sizing.gates import Trades, is_zero
from tf_lib.errors import HaltRun
from tf_lib.parameters import Config

PLAN_FORMAT = 1
NO_CANDLES = pd.DataFrame(columns=["open", "high", "low", "close", "volume"], dtype="float64")


@dataclass(frozen=True)
class Inputs:
    """All that a plan is made from."""

    day: dt.date
    config: Config
    candles: Mapping[str, pd.DataFrame]
    account: Account


@dataclass(frozen=True)
class Plan:
    """
    A day's decision, its orders, and where every position's stop belongs.

    `attempt` is the day's attempt that made it; None for a plan that nobody carries out.
    """

    decision: Decision
    builds: tuple[OrderBuild, ...]
    protections: Mapping[str, Protection]
    attempt: int | None = None

    @property
    def orders(self) -> tuple[PlannedOrder, ...]:
        """The orders that are to be carried out, by ticker."""
        return tuple(build.order for build in self.builds if build.order is not None)

    def to_mapping(self) -> dict[str, Any]:
        """Return the content of plan.json."""
        made_by = {} if self.attempt is None else {"attempt": self.attempt}
        return made_by | {
            "format": PLAN_FORMAT,
            "decision": self.decision.to_mapping(),
            "orders": [order.to_mapping() for order in self.orders],
            "stops": {
                ticker: {
                    "target_level": format(p.target_level, "f"),
                    "atr": p.atr,
                    "source": p.source,
                }
                for ticker, p in sorted(self.protections.items())
            },
        }

    def to_json(self) -> str:
        """Return plan.json to the byte."""
        return json.dumps(self.to_mapping(), indent=2, sort_keys=True, allow_nan=False) + "\n"


def lagged(candles: Mapping[str, pd.DataFrame], day: dt.date, config: Config) -> Bars:
    """Return the universe's bars through the day before."""
    tickers = config.universe.sorted_tickers
    # A ticker without a single candle is not in the file; it has no history, which is no error.
    return lag_bars({t: candles.get(t, NO_CANDLES) for t in tickers}, as_of=day)


def signals_of(inputs: Inputs, bars: Bars, *, before: Signals | None = None) -> Signals:
    """
    Return the day's signals on bars that its live prices do not contradict.

    Parameters
    ----------
    before : Signals, optional
        Computed before prices were read; returned as they are where no price changes them.
    """
    account, config = inputs.account, inputs.config
    prices = {ticker: float(quote.mid) for ticker, quote in account.quotes.items()}
    live = live_on(bars, inputs.day, prices)
    if before is not None:
        now = believed(bars, config, live=live, doubts=account.doubts)
        if now.quarantined == before.quarantined:
            return before
    return signals(bars, config, live=live, doubts=account.doubts)


def decision_of(inputs: Inputs, bars: Bars, computed: Signals) -> Decision:
    """Decide the day from what was read."""
    config, account = inputs.config, inputs.account
    tickers = config.universe.sorted_tickers
    state = account.portfolio_state(tickers)
    closes = computed["close"][computed.row_of(inputs.day)]
    # A price that cannot be believed is no reason to trade, so the last close only sizes it.
    fallback = {t: float(c) for t, c in zip(tickers, closes, strict=True) if c == c}
    prices = {**fallback, **state.mid_prices}
    # What has no price at all is worth nothing until it has one; it must not keep others waiting.
    held = {t: units for t, units in state.positions.items() if t in prices}
    decided = functools.partial(
        decide,
        bars,
        replace(state, mid_prices=prices, positions=held),
        config,
        as_of=inputs.day,
        products=account.products,
        fees=account.fees,
        not_protectable=frozenset(account.not_protectable),
        computed=computed,
    )
    wanted = decided()
    idle = _kept_from(wanted.trades, account)
    if not idle:
        return wanted
    # What is not sold pays for no buy, and what is not bought takes no cash from the others.
    done = decided(no_trade=dict.fromkeys(idle, Reason.BELOW_THRESHOLD))
    return replace(done, trades=done.trades.with_wanted(wanted.trades, idle))


def _kept_from(trades: Trades, account: Account) -> list[str]:
    """Return the tickers whose desired trade the account keeps from becoming an order."""
    return [
        ticker
        for j, ticker in enumerate(trades.tickers)
        if trades.trade_notional[j]
        and _refusal(account, ticker, float(trades.trade_notional[j]), trades.reasons[j])
    ]


def plan_of(inputs: Inputs, decision: Decision) -> Plan:
    """Build the orders of a decision and the stop levels of the day."""
    protections = protections_of(inputs.account, decision)
    return Plan(decision, tuple(_builds(inputs, decision, protections)), protections)


def _builds(
    inputs: Inputs, decision: Decision, protections: Mapping[str, Protection]
) -> list[OrderBuild]:
    trades, account, config = decision.trades, inputs.account, inputs.config
    builds = []
    for j, ticker in enumerate(trades.tickers):
        reason, notional = trades.reasons[j], float(trades.trade_notional[j])
        refusal = _refusal(account, ticker, notional, reason)
        if refusal:
            builds.append(OrderBuild(ticker, reason, None, refusal))
            continue
        builds.append(
            build_order(
                WantedStop.of(account.products[ticker], protections.get(ticker), config.stops),
                trade_notional=notional,
                reason=reason,
                quote=account.quotes[ticker],
                holding=_sellable(account, ticker),
            )
        )
    return builds


def _sellable(account: Account, ticker: str) -> Holding:
    """Return what is held, or of a locked product what is ours."""
    holding = account.holding(ticker)
    if ticker not in account.exits:
        return holding
    return Holding(min(account.exits[ticker], holding.total), ZERO)


def _refusal(account: Account, ticker: str, notional: float, reason: Reason) -> str:
    """Return why a desired trade must not become an order, or nothing."""
    if notional == 0:
        return "no trade desired"
    if account.halt:
        return f"nothing is traded: {account.halt}"
    if is_withheld(account.paused, reason):
        return f"not traded: {account.paused}"
    is_exit = reason is Reason.FULL_EXIT and account.exits.get(ticker, ZERO) > 0
    if ticker in account.blocked and not is_exit:
        return f"not rebalanced: {account.blocked[ticker]}"
    if notional > 0 and account.no_buys:
        return f"nothing is bought: {account.no_buys}"
    if ticker not in account.products:
        return "the exchange does not list it"
    if ticker not in account.quotes:
        return "no believable price"
    return ""


def protections_of(account: Account, decision: Decision) -> dict[str, Protection]:
    """
    Return where every ticker's stop belongs today.

    See `level_today`; a ticker of which nothing is known has none here.
    """
    known, ratchets = decision.signals, decision.config.stops.ratchet
    at, label = known.row_of(decision.as_of), known.stop.label
    said = {TODAYS: label, REMEMBERED: "ledger", LAST_GOOD: f"last good {label}"}
    found: dict[str, Protection] = {}
    for j, ticker in enumerate(known.tickers):
        level, atr = float(known.stop_level[at, j]), float(known["atr"][at, j])
        target, source = level_today(
            to_decimal(level) if level > 0 else ZERO,
            account.levels.get(ticker, ZERO),
            bool(known.data_ok[at, j]),
            ratchets,
        )
        if source != UNKNOWN:
            # A row without good data holds the range of the last good one.
            range_ = atr if math.isfinite(atr) else None
            found[ticker] = Protection(target, range_, source == TODAYS, said[source])
    return found


def orders_of(plan: Mapping[str, Any]) -> tuple[PlannedOrder, ...]:
    """Read the orders of a frozen plan."""
    try:
        return tuple(PlannedOrder.from_mapping(record) for record in plan["orders"])
    except (KeyError, ValueError, ArithmeticError) as error:
        raise HaltRun(f"the frozen plan cannot be read: {error}") from error


def zero_targets(decision: Decision) -> list[str]:
    """Return the tickers whose target is zero and that are not kept for want of a signal."""
    kept = (Reason.STALE_OR_MISSING_OHLC, Reason.UNKNOWN_SIGNAL)
    return [
        ticker
        for j, ticker in enumerate(decision.trades.tickers)
        if is_zero(decision.trades.target_notional[j]) and decision.trades.reasons[j] not in kept
    ]

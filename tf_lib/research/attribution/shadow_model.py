"""
Shadow model: the backtest of one day, begun with what the live account held that day.

Part of the shadow (`tf_lib.research.attribution.shadow`). The very loop of the backtest lives one
row; then the stops meet the next day's open, which a live account has met when it is read at 00:01.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tf_lib.core.candles.quarantine import Doubts
from tf_lib.core.model.products import products_for
from tf_lib.core.model.records import Product
from tf_lib.core.orders.compiled import Records
from tf_lib.core.orders.lots_and_ticks import Spec, stop_limit_ticks, ticks_below, whole_increments
from tf_lib.errors import BarsError, HaltRun
from tf_lib.parameters import Config
from tf_lib.research.attribution.shadow import Flow, ModelDay, StopOut
from tf_lib.research.backtest.day_loop import run_days
from tf_lib.research.backtest.history import Candles, History, history_of
from tf_lib.research.backtest.loop_records import CORE, STOP, Loop, Rules, new_state, new_tape
from tf_lib.research.backtest.loop_stops import meet_open
from tf_lib.research.backtest.run_backtest import rules_of


@dataclass(frozen=True)
class LiveStart:
    """
    What the live account held when it was read; floats in quote currency and base units.

    Attributes
    ----------
    cash : float
    units, stops, levels : mapping of ticker to float
        Holdings; the highest stop that rests; the highest level since the holding began.
    cooldowns : mapping of ticker to start day
    doubts : mapping of ticker to bar's day to close
        Bars that earlier runs did not believe because of the live price.
    """

    cash: float
    units: Mapping[str, float]
    stops: Mapping[str, float] = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)
    cooldowns: Mapping[str, dt.date] = field(default_factory=dict)
    doubts: Doubts = field(default_factory=dict)


def model_day(
    candles: Candles,
    config: Config,
    start: LiveStart,
    day: dt.date,
    *,
    products: Mapping[str, Product] | None = None,
) -> dict[str, ModelDay]:
    """
    Return what the backtest does on one day with what the live account held.

    Parameters
    ----------
    candles : mapping of ticker to DataFrame
        With the bar of `day` itself, which its stops meet.
    config : Config
    start : LiveStart
    day : date
    products : mapping of ticker to Product, optional
        What is missing comes from the built-in table.

    Raises
    ------
    BarsError
        If the candles do not reach the day.
    """
    history = history_of(candles, config, since=day, doubts=start.doubts)
    row = (day - history.day(0)).days
    if not 0 <= row < history.n_days:
        raise BarsError(
            f"the shadow of {day} needs that day's own bars: candles go from {history.day(0)} "
            f"to {history.day(history.n_days - 1)}"
        )
    table = products_for(history.tickers, products)
    rules = rules_of(config, table, None)
    state = _seeded(history, row, start, (table, rules))
    tape = new_tape(2, len(history.tickers))
    if run_days(row, row + 1, row, history.market, rules, state, tape) == row:
        raise HaltRun(f"{day}: the shadow's sleeve budgets could not be met")
    if row + 1 < history.n_days:
        meet_open(row + 1, history.market, rules.handling.costs, state, tape)
    fills = tape.fills[: int(tape.n_fills[0])]
    return {
        ticker: _outcome(fills[fills["ticker"] == i], state.specs[i], start.units.get(ticker, 0.0))
        for i, ticker in enumerate(history.tickers)
    }


def _seeded(
    history: History, row: int, start: LiveStart, fixed: tuple[Mapping[str, Product], Rules]
) -> Loop:
    """Return a state that holds what the live account held, under the stops that rested."""
    table, rules = fixed
    state = new_state(history.tickers, table, cash=start.cash)
    for i, ticker in enumerate(history.tickers):
        spec = _spec(state.specs[i])
        holding, slot = state.holdings[i], state.slots[i, CORE]
        units = start.units.get(ticker, 0.0)
        holding["lots"] = whole_increments(units, spec.lot_numerator, spec.lot_denominator)
        holding["is_proven"] = True
        if ticker in start.cooldowns:
            holding["cooldown"] = (start.cooldowns[ticker] - history.day(0)).days
        level = start.stops.get(ticker, 0.0)
        highest = max(level, start.levels.get(ticker, 0.0))
        if holding["lots"] > 0 and highest > 0:
            holding["level"] = ticks_below(highest, spec)
        if holding["lots"] > 0 and level > 0:
            lots, ticks = int(holding["lots"]), ticks_below(level, spec)
            atr, its_rules = float(history.atr[row, i]), rules.handling.stops
            limit = stop_limit_ticks(ticks, atr, lots, spec, its_rules)
            slot["lots"], slot["level"], slot["limit"] = lots, ticks, limit or ticks - 1
    return state


def _spec(record: Records) -> Spec:
    return Spec(*(value.item() for value in record))


def _outcome(fills: Records, spec: Records, start_units: float) -> ModelDay:
    """Split one ticker's fills into what was planned and what stops did."""
    size = fills["lots"] * float(spec["lot_numerator"]) / float(spec["lot_denominator"])
    is_stop = fills["reason"] >= STOP
    units = float(size[~is_stop].sum())
    traded = float(np.abs(size[~is_stop]).sum())
    value = float(fills["notional"][~is_stop].sum())
    fee = float(fills["fee"][~is_stop].sum())
    flow = Flow(units, value / traded if traded > 0 else 0.0, fee)
    sold = -float(size[is_stop].sum())
    if not sold > 0.0:
        return ModelDay(flow, StopOut())
    proceeds, paid = float(fills["notional"][is_stop].sum()), float(fills["fee"][is_stop].sum())
    held = start_units + units
    return ModelDay(flow, StopOut(min(sold / held, 1.0), proceeds / sold, paid / proceeds))

"""
The day loop: compiled; from signals and prices to cash, holdings and fills.

The heart of the backtest. Each day goes as the live one does: yesterday's stops meet the gap to
the open; at 00:01 what a triggered stop could not sell is sold at the market before anything else;
the day is sized and decided with the core's kernels at the open's price; sales, purchases,
clean-up and protection follow; then the stops meet the rest of the day. No rule is written here
twice: sizing, gates, lots and fills are the kernels the live day and the simulated exchange use.
"""

from __future__ import annotations

import math

import numpy as np

from tf_lib.core.jit.arrays import (
    BoolArray,
    FloatArray,
    IntArray,
    inlined_kernel,
    kernel,
    leaf_kernel,
)
from tf_lib.core.model.account import MOST_UNPRICED, WIDEST_SPREAD
from tf_lib.core.model.cooldown import is_within
from tf_lib.core.orders.compiled import is_dust, market_price, units_of
from tf_lib.core.orders.lots_and_ticks import Spec
from tf_lib.core.sizing.gates import BREACHED, NOT_FORCED, TRADE, Lots, Standing, trade_into
from tf_lib.core.sizing.risk_parity import SHARE_ERROR_MOST
from tf_lib.research.backtest.loop_orders import buy_planned, lots_to_sell, sell_planned
from tf_lib.research.backtest.loop_records import (
    ATR,
    CLOSE,
    HELD,
    HISTORY_ENDED,
    IS_OK,
    LAST_CLOSE,
    LEVEL,
    MOST_FILLS_A_DAY,
    OPEN,
    REASON,
    SIGNAL,
    STOP_LEVEL,
    WANTED,
    Handling,
    Loop,
    LoopPosition,
    MarketArrays,
    Rules,
    Tape,
)
from tf_lib.research.backtest.loop_sizing import sized, sizing_buffers
from tf_lib.research.backtest.loop_stops import (
    TargetStop,
    cover,
    exit_triggered,
    free_slots,
    highest_stop,
    meet_day,
    meet_gap,
    protection_of,
    sell,
)

_is_within = leaf_kernel(is_within)


def is_narrow(price: float, spec: Spec) -> bool:
    """Whether a spread of two ticks, the least there is here, may be traded on."""
    return 2.0 * spec.tick_numerator / spec.tick_denominator <= WIDEST_SPREAD * price


_is_narrow = leaf_kernel(is_narrow)


@kernel
def run_days(
    first: int, end: int, offset: int, market: MarketArrays, rules: Rules, state: Loop, tape: Tape
) -> int:
    """
    Run the days of rows `first` to `end` - 1; row `offset` is the tape's first line.

    Returns
    -------
    int
        The row before which it stopped: `end` when all went well. Else either the day's line says
        that its sleeve budgets could not be met, or there was no room for the fills of a day.
    """
    handling = rules.handling
    day = _empty_standing(state.holdings.size)
    buffers = sizing_buffers(state.holdings.size, rules)
    lots = Lots(rules.lots.specs, np.zeros(state.holdings.size, dtype=np.bool_))
    is_priced = np.zeros(state.holdings.size, dtype=np.bool_)
    rows, reason = np.empty((4, is_priced.size)), np.empty(is_priced.size, dtype=np.int64)
    most_fills = MOST_FILLS_A_DAY * is_priced.size
    for row in range(first, end):
        if tape.fills.size - tape.n_fills[0] < most_fills:
            return row
        line = row - offset
        meet_gap(row, market, handling.costs, state, tape)
        exit_triggered(row, market.bars, handling.costs, state, tape)
        no_buys = _look(row, market, handling, state, day, is_priced)
        for i in range(is_priced.size):
            lots.tradable[i] = rules.lots.tradable[i] and is_priced[i]
        share_error = sized(row, line, market, rules, day, buffers, tape)
        if not share_error <= SHARE_ERROR_MOST:
            return row
        decided = trade_into(day, state.cash[0], lots, rules.trades, rows, reason)
        _note_decision(row, line, decided, rows[TRADE], reason, state, tape)
        tape.days[line].no_buys = no_buys
        if no_buys:
            rows[TRADE] = np.minimum(rows[TRADE], 0.0)
        _trade(row, is_priced, market, rows[TRADE], reason, handling, state, tape)
        _protect(row, market, handling, state, tape)
        _mark_run(row, line, market.bars, state, tape)
        meet_day(row, market, handling.costs, state, tape)
        _exit_ended(row, market, handling, state, tape)
        _mark_close(row, line, market.bars, state, tape)
    return end


@kernel
def _empty_standing(n: int) -> Standing:
    return Standing(
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n, dtype=np.bool_),
        np.zeros(n, dtype=np.bool_),
        np.zeros(n, dtype=np.bool_),
        np.full(n, NOT_FORCED),
    )


@inlined_kernel
def _look(
    row: int,
    market: MarketArrays,
    rules: Handling,
    state: Loop,
    day: Standing,
    is_priced: BoolArray,
) -> bool:
    """Fill in what is known and owned at 00:01; return whether nothing may be bought at all."""
    known, priced, unpriced = market.known, state.cash[0], 0.0
    for i in range(is_priced.size):
        holding, spec = state.holdings[i], state.specs[i]
        price = market.bars[row, OPEN, i]
        is_priced[i] = _is_narrow(price, spec) and row < market.ended[i]
        day.units[i] = units_of(holding.lots, spec)
        day.mid[i] = price if is_priced[i] else known[row, LAST_CLOSE, i]
        day.stop[i] = known[row, LEVEL, i]
        day.resting[i] = highest_stop(state.slots[i], spec) if holding.lots > 0 else np.nan
        day.atr[i] = known[row, ATR, i]
        day.data_ok[i] = known[row, IS_OK, i] > 0.0
        day.known[i] = math.isfinite(known[row, SIGNAL, i])
        day.cooling[i] = _is_within(row - holding.cooldown, rules.cooldown_days)
        worth = day.units[i] * day.mid[i] if holding.lots > 0 else 0.0
        if is_priced[i]:
            priced += worth
        elif not is_dust(holding.lots, day.mid[i], spec):
            unpriced += worth
        if holding.level > 0:
            _forget_if_gone(holding, price, spec)
    return bool(unpriced > MOST_UNPRICED * (priced + unpriced))


@leaf_kernel
def _forget_if_gone(holding: LoopPosition, last: float, spec: Spec) -> None:
    """Drop the remembered level of what a stop has sold down to dust."""
    if is_dust(holding.lots, last, spec):
        holding.level = 0


@inlined_kernel
def _wanted(row: int, i: int, known: FloatArray, rules: Handling, state: Loop) -> TargetStop:
    return protection_of(
        state.holdings[i],
        known[row, LEVEL, i],
        known[row, ATR, i],
        known[row, IS_OK, i] > 0.0,
        state.specs[i],
        rules.stops.ratchets,
    )


@inlined_kernel
def _trade(
    row: int,
    is_priced: BoolArray,
    market: MarketArrays,
    trades: FloatArray,
    reasons: IntArray,
    rules: Handling,
    state: Loop,
    tape: Tape,
) -> None:
    """Sell, then buy, product by product by name."""
    # A sale changes no other product's holding, so all sizes are those of the plan.
    for i in range(is_priced.size):
        if trades[i] < 0.0 and is_priced[i]:
            wanted = _wanted(row, i, market.known, rules, state)
            price, trade, reason = market.bars[row, OPEN, i], trades[i], reasons[i]
            owned, spec = state.holdings[i].lots, state.specs[i]
            lots = lots_to_sell(owned, trade, reason, price, wanted, spec, rules.stops)
            if lots > 0:
                sell_planned(row, i, lots, price, reason, wanted, rules, state, tape)
    for i in range(is_priced.size):
        if trades[i] > 0.0 and is_priced[i]:
            wanted = _wanted(row, i, market.known, rules, state)
            price, trade, reason = market.bars[row, OPEN, i], trades[i], reasons[i]
            buy_planned(row, i, trade, price, reason, wanted, rules, state, tape)


@inlined_kernel
def _protect(row: int, market: MarketArrays, rules: Handling, state: Loop, tape: Tape) -> None:
    """Clean up after what is gone, and cover all that is held."""
    for i in range(state.holdings.size):
        holding, slots, spec = state.holdings[i], state.slots[i], state.specs[i]
        if holding.lots == 0:
            holding.level = 0
            continue
        wanted = _wanted(row, i, market.known, rules, state)
        if not wanted.target > 0.0:
            continue
        last = market.bars[row, OPEN, i]
        if is_dust(holding.lots, last, spec):
            holding.level = 0
            free_slots(slots)
            continue
        cover(holding, slots, last, wanted, spec, rules.stops)


@inlined_kernel
def _note_decision(
    row: int,
    line: int,
    decided: tuple[float, float, float],
    trades: FloatArray,
    reasons: IntArray,
    state: Loop,
    tape: Tape,
) -> None:
    """Write down what was decided; a breach at the gate begins a cooldown."""
    tape.days[line].equity_before = decided[0]
    tape.days[line].shrink = decided[2]
    for i in range(reasons.size):
        tape.cells[line, REASON, i] = reasons[i]
        tape.cells[line, WANTED, i] = trades[i]
        if reasons[i] == BREACHED:
            state.holdings[i].cooldown = row


@inlined_kernel
def _mark_run(row: int, line: int, bars: FloatArray, state: Loop, tape: Tape) -> None:
    """Write down what the run leaves: equity at the open, and where the stops rest."""
    equity = state.cash[0]
    for i in range(state.holdings.size):
        if state.holdings[i].lots > 0:
            equity += units_of(state.holdings[i].lots, state.specs[i]) * bars[row, OPEN, i]
            tape.cells[line, STOP_LEVEL, i] = highest_stop(state.slots[i], state.specs[i])
    tape.days[line].equity_after = equity


@inlined_kernel
def _exit_ended(row: int, market: MarketArrays, rules: Handling, state: Loop, tape: Tape) -> None:
    """Sell at its last close what has no price from the next day on: a frozen one is no worth."""
    for i in range(state.holdings.size):
        holding = state.holdings[i]
        if holding.lots > 0 and row + 1 >= market.ended[i]:
            free_slots(state.slots[i])
            paid = market_price(market.bars[row, CLOSE, i], rules.costs.slippage, False)
            sell(row, i, holding.lots, paid, rules.costs.taker, HISTORY_ENDED, state, tape)
            holding.level = 0


@inlined_kernel
def _mark_close(row: int, line: int, bars: FloatArray, state: Loop, tape: Tape) -> None:
    """Write down what everything is worth at the day's close."""
    equity = state.cash[0]
    for i in range(state.holdings.size):
        if state.holdings[i].lots > 0:
            held = units_of(state.holdings[i].lots, state.specs[i]) * bars[row, CLOSE, i]
            tape.cells[line, HELD, i] = held
            equity += held
    tape.days[line].equity = equity
    tape.days[line].cash = state.cash[0]

"""
Book: the compiled loop over days, from signals and prices to cash, holdings and fills.

The heart of the backtest. Each day goes as the live one does: yesterday's stops meet the jump to
the open; at 00:01 what a triggered stop could not sell is sold at the market before anything else;
the day is sized and decided with the core's kernels at the open's price; sales, purchases,
clean-up and protection follow; then the stops meet the rest of the day. No rule is written here
twice: sizing, gates, steps and fills are the kernels the live day and the simulated exchange use.
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
from tf_lib.core.orders.lots_and_ticks import Steps
from tf_lib.core.sizing.gates import (
    BREACHED,
    NOT_FORCED,
    TRADE,
    Lots,
    Standing,
    trade_into,
)
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
    Book,
    Handling,
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
    meet_jump,
    protection_of,
    sell,
)

_is_within = leaf_kernel(is_within)


def is_narrow(price: float, steps: Steps) -> bool:
    """Whether a spread of two ticks, the least there is here, may be traded on."""
    return 2.0 * steps.tick_numerator / steps.tick_denominator <= WIDEST_SPREAD * price


_is_narrow = leaf_kernel(is_narrow)


@kernel
def run_days(
    first: int, end: int, offset: int, market: MarketArrays, rules: Rules, book: Book, tape: Tape
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
    day = _empty_standing(book.holdings.size)
    buffers = sizing_buffers(book.holdings.size, rules)
    lots = Lots(rules.lots.steps, np.zeros(book.holdings.size, dtype=np.bool_))
    is_priced = np.zeros(book.holdings.size, dtype=np.bool_)
    rows, reason = np.empty((4, is_priced.size)), np.empty(is_priced.size, dtype=np.int64)
    most_fills = MOST_FILLS_A_DAY * is_priced.size
    for row in range(first, end):
        if tape.fills.size - tape.n_fills[0] < most_fills:
            return row
        line = row - offset
        meet_jump(row, market.bars, handling.costs, book, tape)
        exit_triggered(row, market.bars, handling.costs, book, tape)
        no_buys = _look(row, market, handling, book, day, is_priced)
        for i in range(is_priced.size):
            lots.tradable[i] = rules.lots.tradable[i] and is_priced[i]
        share_error = sized(row, line, market, rules, day, buffers, tape)
        if not share_error <= SHARE_ERROR_MOST:
            return row
        decided = trade_into(day, book.cash[0], lots, rules.trades, rows, reason)
        _note_decision(row, line, decided, rows[TRADE], reason, book, tape)
        tape.days[line].no_buys = no_buys
        if no_buys:
            rows[TRADE] = np.minimum(rows[TRADE], 0.0)
        _trade(row, is_priced, market, rows[TRADE], reason, handling, book, tape)
        _protect(row, market, handling, book, tape)
        _mark_run(row, line, market.bars, book, tape)
        meet_day(row, market.bars, handling.costs, book, tape)
        _leave_ended(row, market, handling, book, tape)
        _mark_close(row, line, market.bars, book, tape)
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
    row: int, market: MarketArrays, rules: Handling, book: Book, day: Standing, is_priced: BoolArray
) -> bool:
    """Fill in what is known and owned at 00:01; return whether nothing may be bought at all."""
    known, priced, unpriced = market.known, book.cash[0], 0.0
    for i in range(is_priced.size):
        holding, steps = book.holdings[i], book.steps[i]
        price = market.bars[row, OPEN, i]
        is_priced[i] = _is_narrow(price, steps) and row < market.ended[i]
        day.units[i] = units_of(holding.lots, steps)
        day.mid[i] = price if is_priced[i] else known[row, LAST_CLOSE, i]
        day.stop[i] = known[row, LEVEL, i]
        day.resting[i] = highest_stop(book.slots[i], steps) if holding.lots > 0 else np.nan
        day.atr[i] = known[row, ATR, i]
        day.data_ok[i] = known[row, IS_OK, i] > 0.0
        day.known[i] = math.isfinite(known[row, SIGNAL, i])
        day.cooling[i] = _is_within(row - holding.cooldown, rules.cooldown_days)
        worth = day.units[i] * day.mid[i] if holding.lots > 0 else 0.0
        if is_priced[i]:
            priced += worth
        elif not is_dust(holding.lots, day.mid[i], steps):
            unpriced += worth
        if holding.level > 0:
            _forget_if_gone(holding, price, steps)
    return bool(unpriced > MOST_UNPRICED * (priced + unpriced))


@leaf_kernel
def _forget_if_gone(holding: LoopPosition, last: float, steps: Steps) -> None:
    """Drop the remembered level of what a stop has sold down to dust."""
    if is_dust(holding.lots, last, steps):
        holding.level = 0


@inlined_kernel
def _wanted(row: int, i: int, known: FloatArray, rules: Handling, book: Book) -> TargetStop:
    return protection_of(
        book.holdings[i],
        known[row, LEVEL, i],
        known[row, ATR, i],
        known[row, IS_OK, i] > 0.0,
        book.steps[i],
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
    book: Book,
    tape: Tape,
) -> None:
    """Sell, then buy, product by product by name."""
    # A sale changes no other product's holding, so all sizes are those of the plan.
    for i in range(is_priced.size):
        if trades[i] < 0.0 and is_priced[i]:
            wanted = _wanted(row, i, market.known, rules, book)
            price, trade, reason = market.bars[row, OPEN, i], trades[i], reasons[i]
            owned, steps = book.holdings[i].lots, book.steps[i]
            lots = lots_to_sell(owned, trade, reason, price, wanted, steps, rules.stops)
            if lots > 0:
                sell_planned(row, i, lots, price, reason, wanted, rules, book, tape)
    for i in range(is_priced.size):
        if trades[i] > 0.0 and is_priced[i]:
            wanted = _wanted(row, i, market.known, rules, book)
            price, trade, reason = market.bars[row, OPEN, i], trades[i], reasons[i]
            buy_planned(row, i, trade, price, reason, wanted, rules, book, tape)


@inlined_kernel
def _protect(row: int, market: MarketArrays, rules: Handling, book: Book, tape: Tape) -> None:
    """Clean up after what is gone, and cover all that is held."""
    for i in range(book.holdings.size):
        holding, slots, steps = book.holdings[i], book.slots[i], book.steps[i]
        if holding.lots == 0:
            holding.level = 0
            continue
        wanted = _wanted(row, i, market.known, rules, book)
        if not wanted.target > 0.0:
            continue
        last = market.bars[row, OPEN, i]
        if is_dust(holding.lots, last, steps):
            holding.level = 0
            free_slots(slots)
            continue
        cover(holding, slots, last, wanted, steps, rules.stops)


@inlined_kernel
def _note_decision(
    row: int,
    line: int,
    decided: tuple[float, float, float],
    trades: FloatArray,
    reasons: IntArray,
    book: Book,
    tape: Tape,
) -> None:
    """Write down what was decided; a breach at the gate begins a cooldown."""
    tape.days[line].equity_before = decided[0]
    tape.days[line].shrink = decided[2]
    for i in range(reasons.size):
        tape.cells[line, REASON, i] = reasons[i]
        tape.cells[line, WANTED, i] = trades[i]
        if reasons[i] == BREACHED:
            book.holdings[i].cooldown = row


@inlined_kernel
def _mark_run(row: int, line: int, bars: FloatArray, book: Book, tape: Tape) -> None:
    """Write down what the run leaves: equity at the open, and where the stops rest."""
    equity = book.cash[0]
    for i in range(book.holdings.size):
        if book.holdings[i].lots > 0:
            equity += units_of(book.holdings[i].lots, book.steps[i]) * bars[row, OPEN, i]
            tape.cells[line, STOP_LEVEL, i] = highest_stop(book.slots[i], book.steps[i])
    tape.days[line].equity_after = equity


@inlined_kernel
def _leave_ended(row: int, market: MarketArrays, rules: Handling, book: Book, tape: Tape) -> None:
    """Sell at its last close what has no price from the next day on: a frozen one is no worth."""
    for i in range(book.holdings.size):
        holding = book.holdings[i]
        if holding.lots > 0 and row + 1 >= market.ended[i]:
            free_slots(book.slots[i])
            paid = market_price(market.bars[row, CLOSE, i], rules.costs.slippage, False)
            sell(row, i, holding.lots, paid, rules.costs.taker, HISTORY_ENDED, book, tape)
            holding.level = 0


@inlined_kernel
def _mark_close(row: int, line: int, bars: FloatArray, book: Book, tape: Tape) -> None:
    """Write down what everything is worth at the day's close."""
    equity = book.cash[0]
    for i in range(book.holdings.size):
        if book.holdings[i].lots > 0:
            held = units_of(book.holdings[i].lots, book.steps[i]) * bars[row, CLOSE, i]
            tape.cells[line, HELD, i] = held
            equity += held
    tape.days[line].equity = equity
    tape.days[line].cash = book.cash[0]

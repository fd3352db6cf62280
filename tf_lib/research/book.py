"""
Book: the compiled loop over days, from signals and prices to cash, holdings and fills.

The heart of the backtest. Each day goes as the live one does: yesterday's stops meet the jump to
the open; at 00:01 the day is sized and decided with the core's kernels at the open's price; sales,
purchases, clean-up and protection follow; then the stops meet the rest of the day. No rule is
written here twice: sizing, gates, steps and fills are the kernels the live day and the simulated
exchange use.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tf_lib.core.arrays import BoolArray, FloatArray, kernel, leaf_kernel
from tf_lib.core.budgets import SHARE_ERROR_MOST
from tf_lib.core.step_kernels import price_of, units_of
from tf_lib.core.steps import Steps
from tf_lib.core.trades import (
    BREACHED,
    NOT_FORCED,
    Lots,
    RawTrades,
    Standing,
    trade_kernel,
)
from tf_lib.research.book_orders import buy_planned, lots_to_sell, sell_planned
from tf_lib.research.book_records import Book, Holding, Known, Prices, Rules, Tape
from tf_lib.research.book_sizing import sized, sizing_desk
from tf_lib.research.book_stops import (
    Protection,
    cover,
    exit_triggered,
    highest_stop,
    is_dust,
    meet_day,
    meet_open,
    protection_of,
)

WIDEST_SPREAD = 0.03
"""Of the price: a wider one is not traded on (EXECUTION section 5)."""


class Market(NamedTuple):
    """What the days bring, the same for every parameter set: prices, and what is known of them."""

    prices: Prices
    known: Known


@kernel
def run_days(
    first: int, end: int, offset: int, market: Market, rules: Rules, book: Book, tape: Tape
) -> int:
    """
    Live through the days of rows `first` to `end` - 1; row `offset` is the tape's first line.

    Returns
    -------
    int
        The row whose sleeve budgets could not be met, where it stopped; -1 when all went well.
    """
    day = _empty_standing(book.holdings.size)
    desk = sizing_desk(book.holdings.size, rules)
    lots = Lots(
        rules.lots.base_increment,
        rules.lots.base_min_size,
        rules.lots.quote_min_size,
        rules.lots.price_increment,
        np.zeros(book.holdings.size, dtype=np.bool_),
    )
    is_priced = np.zeros(book.holdings.size, dtype=np.bool_)
    for row in range(first, end):
        line = row - offset
        meet_open(row, market.prices, rules.costs, book, tape)
        halted = _look(row, market, rules, book, day, is_priced)
        for i in range(is_priced.size):
            lots.tradable[i] = rules.lots.tradable[i] and is_priced[i]
        share_error = sized(row, line, market.known, rules, day, desk, tape)
        if not share_error <= SHARE_ERROR_MOST:
            return row
        decided = trade_kernel(day, book.cash[0], lots, rules.trades)
        _note_decision(row, line, decided, halted, book, tape)
        if not halted:
            _trade(row, is_priced, market, decided, rules, book, tape)
        _protect(row, market, rules, book, tape)
        _mark_run(row, line, market.prices.open, book, tape)
        meet_day(row, market.prices, rules.costs, book, tape)
        _mark_close(row, line, market.prices.close, book, tape)
    return -1


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


@leaf_kernel
def _look(
    row: int, market: Market, rules: Rules, book: Book, day: Standing, is_priced: BoolArray
) -> bool:
    """Fill in what is known and owned at 00:01; return whether nothing may be traded at all."""
    known, halted = market.known, False
    for i in range(is_priced.size):
        holding, steps = book.holdings[i], book.steps[i]
        price = market.prices.open[row, i]
        spread = 2.0 * steps.tick_numerator / steps.tick_denominator
        is_priced[i] = spread <= WIDEST_SPREAD * price
        day.units[i] = units_of(holding.lots, steps)
        day.mid[i] = price if is_priced[i] else known.close[row, i]
        day.stop[i] = known.chandelier[row, i]
        day.resting[i] = highest_stop(book.slots[i], steps) if holding.lots > 0 else np.nan
        day.atr[i] = known.atr[row, i]
        day.data_ok[i] = known.data_ok[row, i]
        day.known[i] = math.isfinite(known.signal[row, i])
        day.cooling[i] = 0 <= row - holding.cooldown < rules.cooldown_days
        if holding.lots > 0 and not is_priced[i]:
            halted = True
        _forget_if_gone(holding, known.atr[row, i], steps, rules)
    return halted


@leaf_kernel
def _forget_if_gone(holding: Holding, atr: float, steps: Steps, rules: Rules) -> None:
    """Drop the remembered level of what a stop has sold down to dust."""
    if holding.level > 0:
        remembered = Protection(price_of(holding.level, steps), atr, False)
        if is_dust(holding.lots, remembered, steps, rules.stops):
            holding.level = 0


@leaf_kernel
def _wanted(row: int, i: int, known: Known, rules: Rules, book: Book) -> Protection:
    return protection_of(
        book.holdings[i],
        known.chandelier[row, i],
        known.atr[row, i],
        known.data_ok[row, i],
        book.steps[i],
        rules.stops.ratchets,
    )


@leaf_kernel
def _trade(
    row: int,
    is_priced: BoolArray,
    market: Market,
    decided: RawTrades,
    rules: Rules,
    book: Book,
    tape: Tape,
) -> None:
    """Sell, then buy, product by product by name."""
    opens = market.prices.open
    # All orders are built before the first is carried out: a sale changes no other one's size.
    for i in range(is_priced.size):
        if decided.trade[i] < 0.0 and is_priced[i]:
            wanted = _wanted(row, i, market.known, rules, book)
            reason = decided.reason[i]
            owned = book.holdings[i].lots
            lots = lots_to_sell(
                owned, decided.trade[i], reason, opens[row, i], wanted, book.steps[i], rules.stops
            )
            if lots > 0:
                sell_planned(row, i, lots, opens[row, i], reason, wanted, rules, book, tape)
    for i in range(is_priced.size):
        if decided.trade[i] > 0.0 and is_priced[i]:
            wanted = _wanted(row, i, market.known, rules, book)
            reason = decided.reason[i]
            buy_planned(row, i, decided.trade[i], opens[row, i], reason, wanted, rules, book, tape)


@leaf_kernel
def _protect(row: int, market: Market, rules: Rules, book: Book, tape: Tape) -> None:
    """Clean up after what is gone, leave what a stop could not sell, cover all that is held."""
    for i in range(book.holdings.size):
        holding, slots, steps = book.holdings[i], book.slots[i], book.steps[i]
        if holding.lots == 0:
            holding.level = 0
            continue
        wanted = _wanted(row, i, market.known, rules, book)
        if not wanted.target > 0.0:
            continue
        if is_dust(holding.lots, wanted, steps, rules.stops):
            holding.level = 0
            slots[0].lots, slots[1].lots = 0, 0
            continue
        last = market.prices.open[row, i]
        exit_triggered(row, i, last, rules.costs, book, tape)
        cover(holding, slots, last, wanted, steps, rules.stops)


@leaf_kernel
def _note_decision(
    row: int, line: int, decided: RawTrades, halted: bool, book: Book, tape: Tape
) -> None:
    tape.days[line].equity_before = decided.equity
    tape.days[line].shrink = decided.shrink
    tape.days[line].is_halted = halted
    for i in range(decided.reason.size):
        tape.reason[line, i] = decided.reason[i]
        if decided.reason[i] == BREACHED:
            book.holdings[i].cooldown = row


@leaf_kernel
def _mark_run(row: int, line: int, opens: FloatArray, book: Book, tape: Tape) -> None:
    """Write down what the run leaves: equity at the open, and where the stops rest."""
    equity = book.cash[0]
    for i in range(book.holdings.size):
        if book.holdings[i].lots > 0:
            equity += units_of(book.holdings[i].lots, book.steps[i]) * opens[row, i]
            tape.stop[line, i] = highest_stop(book.slots[i], book.steps[i])
    tape.days[line].equity_after = equity


@leaf_kernel
def _mark_close(row: int, line: int, closes: FloatArray, book: Book, tape: Tape) -> None:
    """Write down what everything is worth at the day's close."""
    equity = book.cash[0]
    for i in range(book.holdings.size):
        if book.holdings[i].lots > 0:
            tape.held[line, i] = units_of(book.holdings[i].lots, book.steps[i]) * closes[row, i]
            equity += tape.held[line, i]
    tape.days[line].equity = equity
    tape.days[line].cash = book.cash[0]

"""
Book orders: from a day's desired trades to sales and purchases of whole lots.

Part of the backtest (`tf_lib.research.backtest.day_loop`). Sizes are built as
`tf_lib.core.orders.build` builds them; sales, purchases and pilots go as
`tf_lib.execution.rebalance` carries them out, each under its stop before the next.
"""

from __future__ import annotations

from tf_lib.core.jit.arrays import leaf_kernel
from tf_lib.core.orders.compiled import (
    is_below_least,
    is_dust,
    is_protectable,
    least_protectable,
    limit_ticks,
    lots_for,
    market_price,
    resting_ticks,
    units_of,
    whole_steps,
)
from tf_lib.core.orders.lots_and_ticks import NOWHERE, Steps, StopRules
from tf_lib.core.sizing.gates import TRIM
from tf_lib.research.backtest.loop_records import CORE, Book, CostRates, Handling, Tape
from tf_lib.research.backtest.loop_stops import (
    TargetStop,
    cover,
    free_slots,
    place,
    sell,
    write_fill,
)


@leaf_kernel
def lots_to_sell(
    owned: int,
    trade: float,
    reason: int,
    price: float,
    wanted: TargetStop,
    steps: Steps,
    rules: StopRules,
) -> int:
    """Return the size of a sale; a trim whose rest could not be kept sells everything."""
    lots = owned
    if reason == TRIM:
        lots = lots_for(-trade, price, steps)
        if not _can_stay(owned - lots, price, wanted, steps, rules):
            lots = owned
    return 0 if is_below_least(lots, price, steps) else lots


@leaf_kernel
def _can_stay(rest: int, price: float, wanted: TargetStop, steps: Steps, rules: StopRules) -> bool:
    """Whether what a trim leaves is no dust and can carry its stop."""
    if not wanted.target > 0.0:
        return not is_dust(rest, price, steps)
    return bool(is_protectable(rest, wanted.target, price, wanted.atr, steps, rules))


@leaf_kernel
def sell_planned(
    row: int,
    i: int,
    lots: int,
    price: float,
    reason: int,
    wanted: TargetStop,
    rules: Handling,
    book: Book,
    tape: Tape,
) -> None:
    """Free what the stops hold, cover what is to stay, sell, and cover whatever is left."""
    holding, slots, steps = book.holdings[i], book.slots[i], book.steps[i]
    free_slots(slots)
    if lots < holding.lots and wanted.target > 0.0:
        place(slots[CORE], holding.lots - lots, price, wanted, steps, rules.stops)
    paid = market_price(price, rules.costs.slippage, False)
    sell(row, i, lots, paid, rules.costs.taker, reason, book, tape)
    cover(holding, slots, price, wanted, steps, rules.stops)


@leaf_kernel
def buy_planned(
    row: int,
    i: int,
    trade: float,
    price: float,
    reason: int,
    wanted: TargetStop,
    rules: Handling,
    book: Book,
    tape: Tape,
) -> None:
    """
    Buy what a desired trade pays for, from cash that is there, and cover it.

    A triggered stop voids the purchase; a price at or below today's level voids it and starts
    the cooldown. The first purchase of a product begins with a pilot.
    """
    holding, slots, steps = book.holdings[i], book.slots[i], book.steps[i]
    lots = lots_for(trade, price, steps)
    if is_below_least(lots, price, steps):
        return
    for k in range(slots.size):
        if slots[k].is_triggered:
            return
    if price <= wanted.target:
        holding.cooldown = row
        return
    still = TargetStop(wanted.target, wanted.atr, False)
    if not holding.is_proven:
        pilot = _pilot(holding.lots, lots, price, wanted, steps, rules.stops)
        if pilot < 0:
            return
        if pilot > 0:
            pilot = min(pilot, _affordable(book.cash[0], price, rules.costs, steps))
            if is_below_least(pilot, price, steps):
                return
            _purchase(row, i, pilot, price, reason, rules.costs, book, tape)
            cover(holding, slots, price, still, steps, rules.stops)
            lots -= pilot
    lots = min(lots, _affordable(book.cash[0], price, rules.costs, steps))
    if not is_below_least(lots, price, steps):
        _purchase(row, i, lots, price, reason, rules.costs, book, tape)
    cover(holding, slots, price, still, steps, rules.stops)


@leaf_kernel
def _pilot(
    owned: int, lots: int, price: float, wanted: TargetStop, steps: Steps, rules: StopRules
) -> int:
    """Return the size of a pilot, 0 when none is needed, below 0 when no stop is possible."""
    resting = resting_ticks(wanted.target, price, steps)
    if resting == NOWHERE:
        return -1
    least = least_protectable(limit_ticks(resting, wanted.atr, steps, rules), steps)
    return 0 if owned >= least or lots <= 2 * least else least


@leaf_kernel
def _affordable(cash: float, price: float, costs: CostRates, steps: Steps) -> int:
    """Return the lots that the cash pays for at the ask, fee and slippage included."""
    ask = price + steps.tick_numerator / steps.tick_denominator
    lots: int = whole_steps(
        cash / (ask * (1.0 + costs.slippage) * (1.0 + costs.taker)),
        steps.lot_numerator,
        steps.lot_denominator,
    )
    return lots


@leaf_kernel
def _purchase(
    row: int, i: int, lots: int, price: float, reason: int, costs: CostRates, book: Book, tape: Tape
) -> None:
    holding, steps = book.holdings[i], book.steps[i]
    paid = market_price(price, costs.slippage, True)
    notional = paid * units_of(lots, steps)
    fee = notional * costs.taker
    holding.lots += lots
    holding.flow -= notional + fee
    book.cash[0] -= notional + fee
    write_fill(row, i, lots, paid, notional, fee, reason, tape)

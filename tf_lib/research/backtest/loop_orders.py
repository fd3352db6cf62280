"""
Loop orders: from a day's desired trades to sales and purchases of whole lots.

Part of the backtest (`tf_lib.research.backtest.day_loop`). Sizes are built as
`tf_lib.core.orders.build` builds them; sales, purchases and pilots go as
`tf_lib.execution.rebalance` carries them out, each under its stop before the next.
"""

from __future__ import annotations

from tf_lib.core.jit.arrays import leaf_kernel
from tf_lib.core.orders.compiled import (
    can_stay,
    is_below_least,
    limit_ticks,
    lots_for,
    lots_paid_for,
    market_price,
    pilot_lots,
    price_of,
    resting_ticks,
    units_of,
)
from tf_lib.core.orders.lots_and_ticks import NOWHERE, Spec, StopRules
from tf_lib.core.sizing.gates import TRIM
from tf_lib.research.backtest.loop_records import CORE, CostRates, Handling, Loop, Tape
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
    spec: Spec,
    rules: StopRules,
) -> int:
    """Return the size of a sale; a trim whose rest could not be kept sells everything."""
    lots = owned
    if reason == TRIM:
        lots = lots_for(-trade, price, spec)
        if not can_stay(owned - lots, wanted.target, price, wanted.atr, spec, rules):
            lots = owned
    return 0 if is_below_least(lots, price, spec) else lots


@leaf_kernel
def sell_planned(
    row: int,
    i: int,
    lots: int,
    price: float,
    reason: int,
    wanted: TargetStop,
    rules: Handling,
    state: Loop,
    tape: Tape,
) -> None:
    """Free what the stops hold, cover what is to stay, sell, and cover whatever is left."""
    holding, slots, spec = state.holdings[i], state.slots[i], state.specs[i]
    free_slots(slots)
    if lots < holding.lots and wanted.target > 0.0:
        place(slots[CORE], holding.lots - lots, price, wanted, spec, rules.stops)
    paid = market_price(price, rules.costs.slippage, False)
    sell(row, i, lots, paid, rules.costs.taker, reason, state, tape)
    cover(holding, slots, price, wanted, spec, rules.stops)


@leaf_kernel
def buy_planned(
    row: int,
    i: int,
    trade: float,
    price: float,
    reason: int,
    wanted: TargetStop,
    rules: Handling,
    state: Loop,
    tape: Tape,
) -> None:
    """
    Buy what a desired trade pays for, from cash that is there, and cover it.

    A triggered stop voids the purchase; a price at or below today's level voids it and starts
    the cooldown. The first purchase of a product begins with a pilot.
    """
    holding, slots, spec = state.holdings[i], state.slots[i], state.specs[i]
    lots, costs = lots_for(trade, price, spec), rules.costs
    if is_below_least(lots, price, spec):
        return
    for k in range(slots.size):
        if slots[k].is_triggered:
            return
    if price <= wanted.target:
        holding.cooldown = row
        return
    ask = price + price_of(1, spec)
    still = TargetStop(wanted.target, wanted.atr, False)
    if not holding.is_proven:
        resting = resting_ticks(wanted.target, price, spec)
        if resting == NOWHERE:
            return
        limit = limit_ticks(resting, wanted.atr, spec, rules.stops)
        pilot = pilot_lots(holding.lots, lots, limit, spec)
        if pilot > 0:
            pilot = min(pilot, lots_paid_for(state.cash[0], ask, costs.slippage, costs.taker, spec))
            if is_below_least(pilot, price, spec):
                return
            _purchase(row, i, pilot, price, reason, costs, state, tape)
            cover(holding, slots, price, still, spec, rules.stops)
            lots -= pilot
    lots = min(lots, lots_paid_for(state.cash[0], ask, costs.slippage, costs.taker, spec))
    if not is_below_least(lots, price, spec):
        _purchase(row, i, lots, price, reason, costs, state, tape)
    cover(holding, slots, price, still, spec, rules.stops)


@leaf_kernel
def _purchase(
    row: int,
    i: int,
    lots: int,
    price: float,
    reason: int,
    costs: CostRates,
    state: Loop,
    tape: Tape,
) -> None:
    holding, spec = state.holdings[i], state.specs[i]
    paid = market_price(price, costs.slippage, True)
    notional = paid * units_of(lots, spec)
    fee = notional * costs.taker
    holding.lots += lots
    holding.flow -= notional + fee
    state.cash[0] -= notional + fee
    write_fill(row, i, lots, paid, notional, fee, reason, tape)

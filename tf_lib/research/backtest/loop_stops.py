"""
Loop stops: what protects a position in the backtest, slot by slot, as live execution does it.

Part of the backtest (`tf_lib.research.backtest.day_loop`). The rules are those of
docs/execution.md section 7 as `tf_lib.core.orders.compiled` has them;
`tf_lib.execution.protection` does the same on an exchange. One slot for what was held first, the
others for what was added.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tf_lib.core.jit.arrays import FloatArray, inlined_kernel, kernel, leaf_kernel
from tf_lib.core.orders import intraday_path
from tf_lib.core.orders.compiled import (
    Records,
    is_below_least,
    is_dust,
    is_protectable,
    is_small_rest,
    level_today,
    market_price,
    price_of,
    raised_ticks,
    resting_ticks,
    slot_for_rest,
    stop_limit_day,
    stop_limit_path,
    stop_limit_ticks,
    ticks_below,
    units_of,
)
from tf_lib.core.orders.fills import FILLED_TAKER, NOTHING, TRIGGERED
from tf_lib.core.orders.lots_and_ticks import NOWHERE, Spec, StopRules
from tf_lib.core.orders.stops import TODAYS, UNKNOWN
from tf_lib.research.backtest.loop_records import (
    CLOSE,
    EMERGENCY,
    HIGH,
    LOW,
    OPEN,
    STOP,
    STOP_GAPPED,
    STOP_LIMIT,
    CostRates,
    Loop,
    LoopPosition,
    MarketArrays,
    ShorterCandles,
    Slot,
    Tape,
)

RUN_AT = 60.0
"""Second of the day at which the run trades and its stops begin to rest: 00:01."""


class TargetStop(NamedTuple):
    """
    Where one ticker's stop belongs today.

    `target` is the level in quote currency, NaN when none is known; `may_move` says whether
    intact stops may be raised.
    """

    target: float
    atr: float
    may_move: bool


@inlined_kernel
def protection_of(
    holding: LoopPosition, level: float, atr: float, is_ok: bool, spec: Spec, ratchets: bool
) -> TargetStop:
    """Return where the stop of a holding belongs today; see `level_today`."""
    target, source = level_today(level, price_of(holding.level, spec), is_ok, ratchets)
    if source == UNKNOWN:
        return TargetStop(np.nan, np.nan, False)
    return TargetStop(target, atr, source == TODAYS)


@leaf_kernel
def place(
    slot: Slot, lots: int, last: float, wanted: TargetStop, spec: Spec, rules: StopRules
) -> None:
    """Rest a stop in a slot if the lots carry one; else the slot stays as it is."""
    if not is_protectable(lots, wanted.target, last, wanted.atr, spec, rules):
        return
    slot.lots = lots
    slot.level = resting_ticks(wanted.target, last, spec)
    slot.limit = stop_limit_ticks(slot.level, wanted.atr, lots, spec, rules)
    slot.is_triggered = False


@inlined_kernel
def cover(
    holding: LoopPosition,
    slots: Records,
    last: float,
    wanted: TargetStop,
    spec: Spec,
    rules: StopRules,
) -> None:
    """Put everything above dust under stops, and raise those that may and should be raised."""
    if not wanted.target > 0.0 or is_dust(holding.lots, last, spec):
        return
    covered = covered_lots(slots)
    gap = holding.lots - covered
    if not is_small_rest(gap, wanted.target, last, wanted.atr, spec, rules, covered > 0):
        slot = slots[slot_for_rest(slots[0].lots, slots[1].lots, slots[2].lots)]
        gap += slot.lots
        slot.lots = 0
        place(slot, gap, last, wanted, spec, rules)
    elif wanted.may_move:
        for k in range(slots.size):
            lots, level = slots[k].lots, slots[k].level
            if lots > 0 and raised_ticks(level, wanted.target, last, spec, rules) != NOWHERE:
                place(slots[k], lots, last, wanted, spec, rules)
    if covered_lots(slots) > 0:
        holding.level = max(holding.level, ticks_below(wanted.target, spec))
        holding.is_proven = True


@leaf_kernel
def covered_lots(slots: Records) -> int:
    """Return the lots under a ticker's stops."""
    lots = 0
    for k in range(slots.size):
        lots += slots[k].lots
    return lots


@leaf_kernel
def free_slots(slots: Records) -> None:
    """Take all stops of a ticker away."""
    for k in range(slots.size):
        slots[k].lots = 0
        slots[k].is_triggered = False


@inlined_kernel
def highest_stop(slots: Records, spec: Spec) -> float:
    """Return the highest level of a ticker's stops that have not triggered, NaN for none."""
    highest = 0
    for k in range(slots.size):
        if slots[k].lots > 0 and not slots[k].is_triggered:
            highest = max(highest, slots[k].level)
    return price_of(highest, spec) if highest > 0 else np.nan


@leaf_kernel
def sell(
    row: int, i: int, lots: int, price: float, fee_rate: float, reason: int, state: Loop, tape: Tape
) -> None:
    """Take lots out of a holding at a price, pay the fee and write it down."""
    holding, spec = state.holdings[i], state.specs[i]
    notional = price * units_of(lots, spec)
    fee = notional * fee_rate
    holding.lots -= lots
    holding.flow += notional - fee
    state.cash[0] += notional - fee
    write_fill(row, i, -lots, price, notional, fee, reason, tape)


@leaf_kernel
def write_fill(
    row: int, i: int, lots: int, price: float, notional: float, fee: float, reason: int, tape: Tape
) -> None:
    """Write a fill down; one that goes on at the same price for the same reason is one fill."""
    k = tape.n_fills[0] - 1
    fills = tape.fills
    same = k >= 0 and fills[k].row == row and fills[k].ticker == i
    if not (same and fills[k].reason == reason and fills[k].price == price):
        k += 1
        tape.n_fills[0] = k + 1
        fills[k].row, fills[k].ticker, fills[k].reason = row, i, reason
        fills[k].price = price
        fills[k].lots, fills[k].notional, fills[k].fee = 0, 0.0, 0.0
    fills[k].lots += lots
    fills[k].notional += notional
    fills[k].fee += fee


@inlined_kernel
def meet_gap(row: int, market: MarketArrays, costs: CostRates, state: Loop, tape: Tape) -> None:
    """Let yesterday's stops meet the jump to today's open, before the run looks at anything."""
    for i in range(state.holdings.size):
        if state.holdings[i].lots > 0:
            if has_shorter(row, i, market.shorter):
                _meet_shorter(row, i, (-1, intraday_path.RUN_AT), market, costs, state, tape)
                continue
            price = market.bars[row, OPEN, i]
            _meet_path(row, i, (price, price, price, price), 0.0, costs, state, tape)


@inlined_kernel
def meet_day(row: int, market: MarketArrays, costs: CostRates, state: Loop, tape: Tape) -> None:
    """Let the resting stops meet the rest of the day after the run."""
    bars = market.bars
    for i in range(state.holdings.size):
        if state.holdings[i].lots > 0:
            if has_shorter(row, i, market.shorter):
                span = intraday_path.RUN_AT, intraday_path.DAY - 1
                _meet_shorter(row, i, span, market, costs, state, tape)
                continue
            o, h = bars[row, OPEN, i], bars[row, HIGH, i]
            low, c = bars[row, LOW, i], bars[row, CLOSE, i]
            _meet_path(row, i, (o, h, low, c), RUN_AT, costs, state, tape)


@leaf_kernel
def has_shorter(row: int, i: int, shorter: ShorterCandles) -> bool:
    """Whether a ticker has shorter candles on a day."""
    rows = shorter.rows
    return bool(row < rows.shape[0] and rows[row, 0, i] < rows[row, 1, i])


@leaf_kernel
def price_before(row: int, i: int, bars: FloatArray) -> float:
    """Return the close before a day, NaN where there is none."""
    return bars[row - 1, CLOSE, i] if row > 0 else np.nan


@leaf_kernel
def _meet_shorter(
    row: int,
    i: int,
    span: tuple[int, int],
    market: MarketArrays,
    costs: CostRates,
    state: Loop,
    tape: Tape,
) -> None:
    """Let one ticker's stops meet a day's path along its shorter candles, the highest first."""
    slots, met, shorter = state.slots[i], 0, market.shorter
    rows = shorter.rows[row, 0, i], shorter.rows[row, 1, i]
    before = price_before(row, i, market.bars)
    for _ in range(slots.size):
        k = _highest_left(slots, met)
        if k < 0:
            return
        met |= 1 << k
        slot, spec = slots[k], state.specs[i]
        order = price_of(slot.level, spec), price_of(slot.limit, spec), costs.slippage
        outcome, price, is_jump = stop_limit_path(
            shorter.starts,
            shorter.values,
            rows,
            shorter.lengths[i],
            before,
            order,
            span,
            slot.is_triggered,
        )
        _carry_out(row, i, k, (outcome, price, is_jump), costs, state, tape)


@kernel
def meet_open(row: int, market: MarketArrays, costs: CostRates, state: Loop, tape: Tape) -> None:
    """Do `meet_gap` from Python: what the morning after a last day does to its stops."""
    meet_gap(row, market, costs, state, tape)


@inlined_kernel
def _meet_path(
    row: int,
    i: int,
    path: tuple[float, float, float, float],
    from_second: float,
    costs: CostRates,
    state: Loop,
    tape: Tape,
) -> None:
    """Let one ticker's stops meet a path, the highest first."""
    slots, met = state.slots[i], 0
    for _ in range(slots.size):
        highest = _highest_left(slots, met)
        if highest < 0:
            return
        met |= 1 << highest
        _meet(row, i, highest, path, from_second, costs, state, tape)


@leaf_kernel
def _highest_left(slots: Records, met: int) -> int:
    """Return the slot of the highest stop whose bit is not set in `met`, -1 for none."""
    highest = -1
    for k in range(slots.size):
        is_waiting = slots[k].lots > 0 and not met >> k & 1
        if is_waiting and (highest < 0 or slots[k].level > slots[highest].level):
            highest = k
    return highest


@inlined_kernel
def _meet(
    row: int,
    i: int,
    k: int,
    path: tuple[float, float, float, float],
    from_second: float,
    costs: CostRates,
    state: Loop,
    tape: Tape,
) -> None:
    slot, spec = state.slots[i, k], state.specs[i]
    o, h, low, c = path
    stop, limit = price_of(slot.level, spec), price_of(slot.limit, spec)
    outcome, price, _ = stop_limit_day(
        o, h, low, c, stop, limit, costs.slippage, from_second, slot.is_triggered
    )
    is_jump = from_second == 0.0 and o < stop
    _carry_out(row, i, k, (outcome, price, is_jump), costs, state, tape)


@leaf_kernel
def _carry_out(
    row: int,
    i: int,
    k: int,
    met: tuple[int, float, bool],
    costs: CostRates,
    state: Loop,
    tape: Tape,
) -> None:
    """Do to a stop what its path did: outcome, price, and whether a jump triggered it."""
    slot = state.slots[i, k]
    outcome, price, is_jump = met
    if outcome == NOTHING:
        return
    if outcome == TRIGGERED:
        slot.is_triggered = True
        return
    reason, rate = STOP_LIMIT, costs.maker
    if outcome == FILLED_TAKER:
        reason, rate = (STOP_GAPPED if is_jump else STOP), costs.taker
    sell(row, i, slot.lots, price, rate, reason, state, tape)
    slot.lots = 0
    slot.is_triggered = False
    state.holdings[i].cooldown = row


@inlined_kernel
def exit_triggered(row: int, bars: FloatArray, costs: CostRates, state: Loop, tape: Tape) -> None:
    """
    Sell at the market what triggered stops could not sell at their limit, before the day's plan.

    What is too small to be sold stays, without its stop, and counts as dust.
    """
    for i in range(state.holdings.size):
        for k in range(state.slots.shape[1]):
            slot, spec = state.slots[i, k], state.specs[i]
            if slot.lots == 0 or not slot.is_triggered:
                continue
            last = bars[row, OPEN, i]
            if not is_below_least(slot.lots, last, spec):
                price = market_price(last, costs.slippage, False)
                sell(row, i, slot.lots, price, costs.taker, EMERGENCY, state, tape)
                state.holdings[i].cooldown = row
            slot.lots = 0
            slot.is_triggered = False


@kernel
def meet_morning(row: int, market: MarketArrays, costs: CostRates, state: Loop, tape: Tape) -> None:
    """Do from Python what comes before a day's plan: `meet_gap`, then `exit_triggered`."""
    meet_gap(row, market, costs, state, tape)
    exit_triggered(row, market.bars, costs, state, tape)

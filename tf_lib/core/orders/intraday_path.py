"""
The path of a day along shorter candles, and what it does to a resting stop: the fill rule in small.

Inside a candle the price runs the day's path of `tf_lib.core.orders.fills`, its corners at the same
fractions. Where a candle is missing the price stands; from one candle to the next it may jump. In
the candle of 00:01, when the daily run trades, the open stands longer: until three quarters of the
way to the first extreme, at most until 00:15 as on any day. So the run meets one price.

Moments are whole microseconds. As in `fills`, prices are any kind of number: the simulated exchange
calls with `Decimal`, the backtest calls the same functions compiled for floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tf_lib.core.orders.fills import (
    DAY_ENDS,
    FILLED_MAKER,
    FILLED_TAKER,
    FIRST_EXTREME_AT,
    LEGS,
    NEVER,
    NOTHING,
    OPEN_ENDS,
    TRIGGERED,
    Number,
    crossing_price,
    day_leg,
    is_reached,
    line_reaches,
)

SECOND = 1_000_000
RUN_AT = 60 * SECOND
"""Moment of the day at which the run trades and its stops begin to rest: 00:01."""
DAY = DAY_ENDS * SECOND
_STANDS_UNTIL = OPEN_ENDS * SECOND


def open_ends(begin: int, length: int) -> int:
    """
    Moment until which a candle's open stands.

    Examples
    --------
    >>> [open_ends(begin * SECOND, 3600 * SECOND) / SECOND for begin in (0, 3600)]
    [900.0, 3637.5]
    """
    ends = begin + OPEN_ENDS * length // DAY_ENDS
    of_day = begin % DAY
    if of_day <= RUN_AT < of_day + length:
        first_extreme = FIRST_EXTREME_AT * length // DAY_ENDS
        return max(ends, min(begin - of_day + _STANDS_UNTIL, begin + first_extreme * 3 // 4))
    return ends


def path_leg(
    index: int,
    at: int,
    price: Number,
    begin: int,
    length: int,
    open_: Number,
    high: Number,
    low: Number,
    close: Number,
) -> tuple[int, int, Number, Number]:
    """
    One of the straight legs that lead to and through a candle; one of no length is none.

    Parameters
    ----------
    index : int
        0: the price stands from `at` until the candle begins; 1 to `LEGS`: those of the candle.
    at, price
        Where the candle before ended, and its close.
    begin, length : int
        Of the candle, in microseconds.

    Returns
    -------
    tuple of (begin, end, price at begin, price at end)

    Examples
    --------
    >>> hour = 3600 * SECOND
    >>> path_leg(2, 0, 9.0, 8 * hour, hour, 10.0, 14.0, 9.0, 12.0)
    (28837500000, 30000000000, 10.0, 9.0)
    """
    if index == 0:
        return at, begin, price, price
    first, last, start, end = day_leg(open_, high, low, close, index - 1)
    starts, ends = begin + first * length // DAY_ENDS, begin + last * length // DAY_ENDS
    if index == 1:
        ends = open_ends(begin, length)
    if index == 2:
        starts = open_ends(begin, length)
    return starts, ends, start, end


def leg_touch(
    begin: int,
    end: int,
    first: Number,
    last: Number,
    level: Number,
    falling: bool,
    after: int,
) -> tuple[int, Number]:
    """
    First moment after `after` at which a leg is at or beyond a level.

    What is true at `after` itself is taken to be dealt with. A leg whose first price is beyond the
    level was jumped to.

    Returns
    -------
    tuple of (moment, price)
        The price is the level on the line, and the price itself after a jump. The moment is below
        0 if the level is not met.

    Examples
    --------
    >>> leg_touch(0, 100, 20.0, 10.0, 15.0, True, -1)
    (50, 15.0)
    >>> leg_touch(0, 100, 14.0, 10.0, 15.0, True, -1)
    (0, 14.0)
    """
    if begin > after and is_reached(first, level, falling):
        return begin, first
    if first == last or (last < first) != falling or not is_reached(last, level, falling):
        return NEVER, level
    crossed = math.ceil(line_reaches(first, last, begin, end, level))
    return min(max(crossed, after), end), level


def stop_limit_path(
    starts: Any,
    values: Any,
    rows: tuple[int, int],
    length: int,
    before: float,
    order: tuple[float, float, float],
    span: tuple[int, int],
    is_triggered: bool,
) -> tuple[int, float, bool]:
    """
    What a day along shorter candles does to a resting sell stop-limit.

    As `tf_lib.core.orders.fills.stop_limit_day`, along the legs of `path_leg`.

    Parameters
    ----------
    starts : int array of shape (n_candles,)
        Begin of each, microseconds since 00:00 of its day.
    values : float array of shape (n_candles, 4)
        Open, high, low, close.
    rows : (int, int)
        Which candles [first, end) are the day's.
    length : int
        Of a candle, microseconds.
    before : float
        Price at 00:00; NaN where there is none yet.
    order : (float, float, float)
        Stop, limit, slippage as a fraction.
    span : (int, int)
        Moments (after, until] that count, microseconds since 00:00; after -1 from 00:00 itself on.
    is_triggered : bool
        It triggered before and rests at its limit.

    Returns
    -------
    tuple of (outcome, price, is_jump)
        Outcome and price as there; `is_jump`: a jump beyond the stop triggered it.
    """
    stop, limit, cost = order
    after, until = span
    at, price, is_new = 0, before, False
    for row in range(rows[0], rows[1] + 1):
        is_over = row == rows[1]
        begin = DAY if is_over else starts[row]
        here = row - 1 if is_over else row
        o, h, low, c = values[here, 0], values[here, 1], values[here, 2], values[here, 3]
        if math.isnan(price):
            price = o
        for index in range(1 if is_over else LEGS + 1):
            starts_at, ends_at, first, last = path_leg(
                index, at, price, begin, length, o, h, low, c
            )
            if ends_at <= starts_at or ends_at <= after:
                continue
            if starts_at > until:
                return (TRIGGERED if is_new else NOTHING), limit, is_new
            if not is_triggered:
                moment, met = leg_touch(starts_at, ends_at, first, last, stop, True, after)
                if moment < 0 or moment > until:
                    continue
                if met >= limit:
                    return FILLED_TAKER, crossing_price(met, limit, cost, False), met < stop
                is_triggered, is_new, after = True, True, moment
            moment, _ = leg_touch(starts_at, ends_at, first, last, limit, False, after)
            if 0 <= moment <= until:
                return FILLED_MAKER, limit, is_new
        at, price = begin + length, c
    return (TRIGGERED if is_new else NOTHING), limit, is_new


def price_at_run(
    starts: Any, values: Any, rows: tuple[int, int], length: int, before: float
) -> float:
    """
    Price at 00:01 of a day along shorter candles: an open, or where none is, the price before it.

    Arguments as of `stop_limit_path`.
    """
    price = before
    for row in range(rows[0], rows[1]):
        if starts[row] > RUN_AT:
            return values[row, 0] if math.isnan(price) else price
        price = values[row, 0] if starts[row] + length > RUN_AT else values[row, 3]
    return price


KERNELS: tuple[Callable[..., Any], ...] = (open_ends, path_leg, leg_touch)
"""In the order in which they use one another, for `tf_lib.core.orders.compiled`."""

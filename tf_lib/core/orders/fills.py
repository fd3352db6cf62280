"""
The fill rule: at which second and at which price an order trades, given a day's bar.

There is one rule, and it is this module. A day's path is open, low, high, close when the close
is at or above the open, else open, high, low, close. The open stands from 00:00 to 00:15, the
two extremes are met at 08:00 and 16:00, the close one second before 24:00; between them the
price runs on straight lines. It jumps only from one day's close to the next day's open.

Every function here is plain arithmetic on any kind of number: the simulated exchange calls it
with `Decimal`, the backtest calls the same functions compiled for floats
(`tf_lib.core.orders.compiled`). Prices of fills are never rounded to the tick and fees are never
rounded to the cent, so that a backtest in floats stays within 1e-9 of the exchange.

A sell stop-limit triggers at the first price at or below its stop: on a line that price is the
stop itself, on a jump it is the price jumped to. If it is at or above the limit, the order
fills at once at ``max(limit, price * (1 - cost))`` and pays the taker fee. If not, it rests and
fills at its limit when the price comes back, and pays the maker fee.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

Number = TypeVar("Number", float, Decimal)

OPEN_ENDS = 900
FIRST_EXTREME_AT = 28_800
SECOND_EXTREME_AT = 57_600
CLOSE_AT = 86_399
DAY_ENDS = 86_400
LEGS = 5

NOTHING = 0
TRIGGERED = 1
FILLED_TAKER = 2
FILLED_MAKER = 3

NEVER = -1


def day_leg(
    open_: Number, high: Number, low: Number, close: Number, index: int
) -> tuple[int, int, Number, Number]:
    """
    One of the five straight legs of a day.

    Returns
    -------
    tuple of (start second, end second, price at start, price at end)
        Seconds since 00:00. The price inside is on the straight line between the two.

    Examples
    --------
    >>> [day_leg(10.0, 14.0, 9.0, 12.0, leg) for leg in (0, 1)]
    [(0, 900, 10.0, 10.0), (900, 28800, 10.0, 9.0)]
    """
    rises = close >= open_
    first = low if rises else high
    second = high if rises else low
    if index == 0:
        return 0, OPEN_ENDS, open_, open_
    if index == 1:
        return OPEN_ENDS, FIRST_EXTREME_AT, open_, first
    if index == 2:
        return FIRST_EXTREME_AT, SECOND_EXTREME_AT, first, second
    if index == 3:
        return SECOND_EXTREME_AT, CLOSE_AT, second, close
    return CLOSE_AT, DAY_ENDS, close, close


def on_line(start: Number, end: Number, begin: Number, finish: Number, at: Number) -> Number:
    """
    Price at the moment `at` of a line that is `start` at `begin` and `end` at `finish`.

    Examples
    --------
    >>> on_line(10.0, 20.0, 0.0, 100.0, 25.0)
    12.5
    """
    if at <= begin or start == end:
        return start
    if at >= finish:
        return end
    return start + (end - start) * ((at - begin) / (finish - begin))


def line_reaches(start: Number, end: Number, begin: int, finish: int, level: Number) -> Number:
    """
    Moment at which a line from `start` to `end` is at `level`, which lies between the two.

    Examples
    --------
    >>> line_reaches(10.0, 20.0, 0, 100, 12.5)
    25.0
    """
    return (level - start) / (end - start) * (finish - begin) + begin


def is_reached(price: Number, level: Number, falling: bool) -> bool:
    """Whether `price` is at or beyond `level`, seen from above if `falling`, else from below."""
    return price <= level if falling else price >= level


def price_at(open_: Number, high: Number, low: Number, close: Number, second: Number) -> Number:
    """
    Price on a day's path, not rounded to a tick.

    Examples
    --------
    >>> price_at(10.0, 14.0, 9.0, 12.0, 28800.0)
    9.0
    """
    for index in range(LEGS):
        begin, finish, start, end = day_leg(open_, high, low, close, index)
        if second < finish:
            return on_line(start, end, second * 0 + begin, second * 0 + finish, second)
    return close


def first_touch(
    open_: Number,
    high: Number,
    low: Number,
    close: Number,
    level: Number,
    from_second: Number,
    falling: bool,
) -> tuple[Number, Number]:
    """
    First moment, from `from_second` on, at which the day's price is at or beyond a level.

    Parameters
    ----------
    from_second : number
        Seconds since 00:00; 0 for an order that rests from before the day, which then meets the
        jump to the open.
    falling : bool
        True waits for a price at or below `level`, False for one at or above.

    Returns
    -------
    tuple of (second, price)
        The price is `level` on a line and the price itself where the path begins beyond it.
        The second is below 0 if the level is not met.

    Examples
    --------
    >>> first_touch(100.0, 104.0, 90.0, 102.0, 95.0, 0.0, True)
    (14850.0, 95.0)
    >>> first_touch(80.0, 104.0, 80.0, 102.0, 95.0, 0.0, True)
    (0.0, 80.0)
    """
    here = price_at(open_, high, low, close, from_second)
    if is_reached(here, level, falling):
        return from_second, here
    for index in range(LEGS):
        begin, finish, start, end = day_leg(open_, high, low, close, index)
        if finish > from_second and is_reached(end, level, falling):
            second = line_reaches(start, end, begin, finish, level)
            return max(second, from_second), level
    return from_second * 0 + NEVER, level


def market_price(last: Number, cost: Number, is_buy: bool) -> Number:
    """
    Price of a market order: the last price moved by `cost` against the trader.

    Examples
    --------
    >>> market_price(100.0, 0.5, True), market_price(100.0, 0.5, False)
    (150.0, 50.0)
    """
    return last * (1 + cost) if is_buy else last * (1 - cost)


def crossing_price(price: Number, limit: Number, cost: Number, is_buy: bool) -> Number:
    """
    Price of a limit order that trades at once: the market's, but never worse than its limit.

    Examples
    --------
    >>> crossing_price(100.0, 99.0, 0.25, False)
    99.0
    """
    moved = market_price(price, cost, is_buy)
    return min(limit, moved) if is_buy else max(limit, moved)


def stop_limit_day(
    open_: Number,
    high: Number,
    low: Number,
    close: Number,
    stop: Number,
    limit: Number,
    cost: Number,
    from_second: Number,
    is_triggered: bool,
) -> tuple[int, Number, Number]:
    """
    What one day does to a resting sell stop-limit.

    Parameters
    ----------
    stop, limit : number
        Quote currency; limit at or below stop.
    cost : number
        Slippage as a fraction of the price (``transaction_cost_est``).
    from_second : number
        Since when it rests, in seconds since 00:00; 0 if from before.
    is_triggered : bool
        It triggered before `from_second` and rests at its limit.

    Returns
    -------
    tuple of (outcome, price, second)
        `NOTHING`; `TRIGGERED` and not filled (second of the trigger); `FILLED_TAKER` or
        `FILLED_MAKER` (price and second of the fill).

    Examples
    --------
    >>> stop_limit_day(100.0, 104.0, 90.0, 102.0, 95.0, 93.0, 0.25, 0.0, False)
    (2, 93.0, 14850.0)
    >>> stop_limit_day(80.0, 82.0, 70.0, 71.0, 95.0, 93.0, 0.25, 0.0, False)
    (1, 93.0, 0.0)
    """
    second = from_second
    if not is_triggered:
        second, price = first_touch(open_, high, low, close, stop, from_second, True)
        if second < 0:
            return NOTHING, stop, second
        if price >= limit:
            return FILLED_TAKER, crossing_price(price, limit, cost, False), second
    back, _ = first_touch(open_, high, low, close, limit, second, False)
    if back < 0:
        return TRIGGERED, limit, second
    return FILLED_MAKER, limit, back


KERNELS: tuple[Callable[..., Any], ...] = (
    day_leg,
    on_line,
    line_reaches,
    is_reached,
    price_at,
    first_touch,
    market_price,
    crossing_price,
    stop_limit_day,
)
"""
In the order in which they use one another, for `tf_lib.core.orders.compiled`. A line between two
equal prices is never divided by their difference.
"""

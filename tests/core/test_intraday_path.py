"""The fill rule along shorter candles: worked by hand, and the day's own rule in small."""

from __future__ import annotations

import numpy as np
import pytest

from tf_lib.core.orders.fills import (
    FILLED_MAKER,
    FILLED_TAKER,
    NOTHING,
    TRIGGERED,
    crossing_price,
    stop_limit_day,
)
from tf_lib.core.orders.intraday_path import (
    DAY,
    RUN_AT,
    SECOND,
    open_ends,
    price_at_run,
    stop_limit_path,
)

HOUR = 3600 * SECOND
Candle = tuple[int, float, float, float, float]
ALL_DAY, FROM_RUN = (-1, DAY - 1), (RUN_AT, DAY - 1)


def met(
    *candles: Candle,
    stop: float = 95.0,
    limit: float = 93.0,
    span: tuple[int, int] = FROM_RUN,
    before: float = 100.0,
    is_triggered: bool = False,
) -> tuple[int, float, bool]:
    """What hourly candles (hour, open, high, low, close) do to a stop; no slippage."""
    starts = np.array([int(each[0]) * HOUR for each in candles], dtype=np.int64)
    values = np.array([each[1:] for each in candles])
    rows, order = (0, len(candles)), (stop, limit, 0.0)
    return stop_limit_path(starts, values, rows, HOUR, before, order, span, is_triggered)


def test_a_low_before_the_run_is_no_stop_of_the_run() -> None:
    """What the first minute's candle fell to is over when the stop begins to rest at 00:01."""
    minute = 60 * SECOND
    starts = np.array([0, minute, 2 * minute], dtype=np.int64)
    values = np.array([[100, 100, 90, 99], [99, 101, 98, 100], [100, 110, 97, 108]], dtype=float)
    order = (95.0, 93.0, 0.0)

    late = stop_limit_path(starts, values, (0, 3), minute, 100.0, order, FROM_RUN, False)
    early = stop_limit_path(starts, values, (0, 3), minute, 100.0, order, (-1, RUN_AT), False)
    assert late[0] == NOTHING
    assert early == (FILLED_TAKER, 95.0, False)
    assert price_at_run(starts, values, (0, 3), minute, 100.0) == 99.0


@pytest.mark.parametrize(
    ("candles", "expected"),
    [
        # On the line of a falling candle: at the stop.
        (
            [(0, 100.0, 101.0, 99.0, 100.0), (1, 100.0, 100.0, 90.0, 92.0)],
            (FILLED_TAKER, 95.0, False),
        ),
        # A jump between candles to 94, above the limit: at once, there.
        ([(0, 100.0, 101.0, 99.0, 100.0), (5, 94.0, 94.0, 91.0, 92.0)], (FILLED_TAKER, 94.0, True)),
        # A jump below the limit rests, and fills there when the price is back.
        ([(5, 92.0, 96.0, 91.0, 95.0)], (FILLED_MAKER, 93.0, True)),
        # Back by a jump: at the limit all the same.
        ([(5, 92.0, 92.5, 91.0, 92.0), (6, 99.0, 99.0, 98.0, 98.5)], (FILLED_MAKER, 93.0, True)),
        # Not back that day.
        ([(5, 92.0, 92.5, 91.0, 92.0)], (TRIGGERED, 93.0, True)),
        ([(0, 100.0, 101.0, 96.0, 97.0)], (NOTHING, 93.0, False)),
    ],
)
def test_worked_by_hand(candles: list[Candle], expected: tuple[int, float, bool]) -> None:
    """A stop at 95 with its limit at 93, from 00:01 on."""
    assert met(*candles) == expected


def test_one_that_triggered_before_fills_at_its_limit() -> None:
    """Where the price comes back to it; else it stays."""
    assert met((3, 90.0, 94.0, 90.0, 91.0), is_triggered=True, before=90.0)[:2] == (
        FILLED_MAKER,
        93,
    )
    assert met((3, 90.0, 92.0, 90.0, 91.0), is_triggered=True, before=90.0)[0] == NOTHING


def test_the_price_stands_where_candles_are_missing() -> None:
    """At the close before the day until the first, at each candle's close after it."""
    late = np.array([5 * HOUR], dtype=np.int64)
    values = np.array([[94.0, 94.0, 91.0, 92.0]])

    assert price_at_run(late, values, (0, 1), HOUR, 100.0) == 100.0
    assert price_at_run(late, values, (0, 1), HOUR, float("nan")) == 94.0
    assert met((5, 96.0, 97.0, 96.0, 96.0), stop=98.0, limit=90.0, span=(-1, RUN_AT))[0] == NOTHING


def test_the_run_meets_one_price() -> None:
    """The open of the candle of 00:01 stands while a run takes its time; of no other longer."""
    lengths = [60, 300, 900, 1800, 3600, 21_600, 86_400]
    first = {s: open_ends(0, s * SECOND) / SECOND for s in lengths}

    # 60: it ends at 00:01; the candle that begins then is the one.
    assert first == {60: 0.625, 300: 75.0, 900: 225.0, 1800: 450.0, 3600: 900.0,
                     21_600: 900.0, 86_400: 900.0}  # fmt: skip
    assert open_ends(60 * SECOND, 60 * SECOND) == 75 * SECOND
    assert open_ends(HOUR, HOUR) == HOUR + HOUR // 96


@pytest.mark.parametrize("seed", range(40))
def test_a_candle_of_a_whole_day_is_the_day(seed: int) -> None:
    """The same rule: the daily path to the same outcome and price, from 00:01 and from before."""
    random = np.random.default_rng(seed)
    o, c = random.uniform(90, 110, 2)
    high, low = max(o, c) + random.uniform(0, 5), min(o, c) - random.uniform(0, 9)
    stop = o - random.uniform(0.01, 9)
    order, cost = (stop, stop * random.uniform(0.97, 1.0)), 0.001
    starts, values = np.zeros(1, dtype=np.int64), np.array([[o, high, low, c]])
    one = (starts, values, (0, 1), DAY, o, (*order, cost), FROM_RUN, False)

    outcome, price, _ = stop_limit_day(o, high, low, c, *order, cost, 60.0, False)
    assert stop_limit_path(*one)[0] == outcome
    if outcome == FILLED_TAKER:
        assert stop_limit_path(*one)[1] == price == crossing_price(stop, order[1], cost, False)
    gap = (starts, values, (0, 1), DAY, o + 20, (o + 5, o - 1, cost), (-1, RUN_AT), False)
    outcome, price, _ = stop_limit_day(o, o, o, o, o + 5, o - 1, cost, 0.0, False)
    assert stop_limit_path(*gap) == (outcome, price, True)

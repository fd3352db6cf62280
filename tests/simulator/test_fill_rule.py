"""The fill rule by hand, compiled against plain, and the exchange against the rule."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.conftest import Hands, at, bar_frame
from tf_lib.core.orders import compiled, fills
from tf_lib.simulator import SimulatedExchange, SimulatorSettings

COST = 0.001
D = Decimal


def test_path_of_a_rising_day() -> None:
    corners = [fills.price_at(100.0, 104.0, 90.0, 102.0, s * 3600.0) for s in (0, 0.25, 8, 16)]
    assert corners == [100.0, 100.0, 90.0, 104.0]
    assert fills.price_at(100.0, 104.0, 90.0, 102.0, 86_399.0) == 102.0
    assert fills.price_at(100.0, 104.0, 90.0, 102.0, 12 * 3600.0) == 97.0


def test_path_of_a_falling_day_meets_the_high_first() -> None:
    assert fills.price_at(100.0, 104.0, 90.0, 99.0, 8 * 3600.0) == 104.0
    assert fills.price_at(100.0, 104.0, 90.0, 99.0, 16 * 3600.0) == 90.0


@pytest.mark.parametrize(
    ("bar", "stop", "limit", "expected"),
    [
        # Not met.
        ((100, 104, 90, 102), 89, 88, (fills.NOTHING, None, None)),
        # Half-way down the first line: 900 s + 27,900 s * 5 / 10.
        ((100, 104, 90, 102), 95, 93, (fills.FILLED_TAKER, D("94.905"), 14_850)),
        # A limit close below the stop is not undercut by slippage.
        ((100, 104, 90, 102), 95, D("94.95"), (fills.FILLED_TAKER, D("94.95"), 14_850)),
        # Opens below the stop and above the limit: the jump's price.
        ((94, 104, 90, 102), 95, 93, (fills.FILLED_TAKER, D("93.906"), 0)),
        # Opens below the limit and comes back: at the limit, as maker.
        ((80, 100, 80, 99), 95, 93, (fills.FILLED_MAKER, D(93), 28_800 + 28_800 * D("0.65"))),
        # Opens below the limit and stays there.
        ((80, 82, 70, 71), 95, 93, (fills.TRIGGERED, None, 0)),
        # Exactly at the low.
        ((100, 104, 90, 102), 90, 89, (fills.FILLED_TAKER, D("89.91"), 28_800)),
    ],
)
def test_sell_stop_by_hand(bar: Any, stop: int, limit: int | Decimal, expected: Any) -> None:
    o, h, low, c = (D(x) for x in bar)
    got = fills.stop_limit_day(o, h, low, c, D(stop), D(limit), D("0.001"), D(0), False)
    assert got[0] == expected[0]
    if expected[1] is not None:
        assert got[1] == expected[1]
    if expected[2] is not None:
        assert got[2] == expected[2]


def test_triggered_order_fills_when_the_next_day_opens_above_its_limit() -> None:
    got = fills.stop_limit_day(100.0, 104.0, 90.0, 102.0, 95.0, 93.0, COST, 0.0, True)
    assert got == (fills.FILLED_MAKER, 93.0, 0.0)


PRICE = st.integers(min_value=2_000, max_value=20_000)


@st.composite
def bars(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Return open, high, low, close in cents."""
    o, c = draw(PRICE), draw(PRICE)
    high = max(o, c) + draw(st.integers(0, 4_000))
    low = min(o, c) - draw(st.integers(0, 1_500))
    return o, high, low, c


@given(bar=bars(), stop=PRICE, below=st.integers(0, 2_000), begin=st.integers(0, 86_399))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_compiled_rule_is_the_plain_rule(
    bar: tuple[int, int, int, int], stop: int, below: int, begin: int
) -> None:
    o, h, low, c = (cents / 100 for cents in bar)
    level, limit = stop / 100, max(stop - below, 1) / 100
    for triggered in (False, True):
        args = (o, h, low, c, level, limit, COST, float(begin), triggered)
        assert compiled.stop_limit_day(*args) == fills.stop_limit_day(*args)


@given(
    days=st.lists(bars(), min_size=2, max_size=5),
    stop_share=st.floats(0.5, 0.999),
    limit_share=st.floats(0.8, 1.0),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_exchange_does_what_the_rule_says(
    days: list[tuple[int, int, int, int]], stop_share: float, limit_share: float
) -> None:
    first = dt.date(2024, 3, 1)
    names = [(first + dt.timedelta(days=n)).isoformat() for n in range(len(days))]
    prices = {
        name: (bar[0] / 100, bar[1] / 100, bar[2] / 100, bar[3] / 100)
        for name, bar in zip(names, days, strict=True)
    }
    stop = max(int(days[0][0] * stop_share), 2)
    limit = max(int(stop * limit_share), 1)
    expected = None
    triggered = False
    for number, bar in enumerate(prices.values()):
        begin = 60.06 if number == 0 else 0.0  # two requests after 00:01:00, 20 ms each, and one
        outcome, price, second = fills.stop_limit_day(
            *bar, stop / 100, limit / 100, COST, begin, triggered
        )
        if outcome in (fills.FILLED_MAKER, fills.FILLED_TAKER):
            expected = (outcome, price, number * 86_400 + second)
            break
        triggered = triggered or outcome == fills.TRIGGERED
    made = SimulatorSettings(candles={"BTC-USD": bar_frame(prices)}, as_of=first)
    with SimulatedExchange(made) as exchange:
        hands = Hands(exchange)
        hands.buy("1")
        order = hands.stop("1", f"{stop / 100:.2f}", f"{limit / 100:.2f}")
        exchange.advance_to(at("2024-03-01") + dt.timedelta(days=len(days)))
        shown = hands.show(order)
        if expected is None:
            assert shown["status"] == "OPEN"
            assert shown["trigger_status"] == ("STOP_TRIGGERED" if triggered else "STOP_PENDING")
            return
        assert shown["status"] == "FILLED"
        fill = hands.get("/orders/historical/fills", order_ids=order)["fills"][0]
        maker = fill["liquidity_indicator"] == "MAKER"
        assert maker == (expected[0] == fills.FILLED_MAKER)
        assert float(fill["price"]) == pytest.approx(expected[1], rel=1e-12)
        when = dt.datetime.fromisoformat(fill["trade_time"]) - at("2024-03-01")
        assert when.total_seconds() == pytest.approx(expected[2], abs=2e-6)

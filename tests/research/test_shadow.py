"""The shadow's arithmetic: every cause lands in its own bucket, and nothing is lost."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from tf_lib.research.attribution.shadow import (
    CAUSES,
    Flow,
    ModelDay,
    ShadowedDay,
    StopOut,
    TickerDay,
    split_day,
)

DAY = dt.date(2024, 5, 1)
SLIP, FEE = 0.001, 0.012


def bought(units: float, price: float, fee_rate: float = FEE) -> Flow:
    return Flow(units, price, abs(units) * price * fee_rate)


# A purchase of 2 at 100.1 (100 moved by slippage), as the backtest and the account both made it.
PLAIN = TickerDay(
    start_units=1.0,
    start_price=100.0,
    end_price=110.0,
    open_price=100.0,
    revised=ModelDay(bought(2.0, 100.1)),
    recorded=ModelDay(bought(2.0, 100.1)),
    reference_price=100.0,
    ideal_units=2.0,
    planned_units=2.0,
    filled=bought(2.0, 100.1),
    stopped=StopOut(),
    end_units=3.0,
    slippage=SLIP,
    fee_rate=FEE,
)


def own_cash(one: TickerDay) -> float:
    """What own orders do to the cash wallet, worked out apart from the code under test."""
    bought_for = one.filled.units * one.filled.price + one.filled.fee
    sold_units = (one.start_units + one.filled.units) * one.stopped.share
    return sold_units * one.stopped.price * (1 - one.stopped.fee_rate) - bought_for


def split(one: TickerDay, *, manual_cash: float = 0.0) -> ShadowedDay:
    end_cash = 1000.0 + own_cash(one) + manual_cash
    return split_day(DAY, {"BTC-USD": one}, start_cash=1000.0, end_cash=end_cash)


def only(found: ShadowedDay, cause: str, amount: float) -> None:
    """One bucket holds it all, the rest is empty, and it is the whole difference."""
    expected = dict.fromkeys(CAUSES, 0.0) | {cause: amount}
    assert dict(found.causes) == pytest.approx(expected, abs=1e-9)
    assert found.difference == pytest.approx(amount, abs=1e-9)
    assert found.unexplained == 0.0


def test_a_day_like_its_shadow_has_no_difference() -> None:
    """By hand: 1 at 100 to 110 is 10; 2 bought at 100.1, worth 110, less 1.2 % fee."""
    found = split(PLAIN)

    only(found, "fees", 0.0)
    assert found.live_change == pytest.approx(10 + 2 * (110 - 100.1) - 200.2 * 0.012)


def test_a_candle_that_was_revised_later() -> None:
    """As known now the backtest would have bought 3: one more would have made 9.9 less its fee."""
    one = replace(PLAIN, revised=ModelDay(bought(3.0, 100.1)))

    only(split(one), "data_revision", -(110 - 100.1) + 100.1 * FEE)


def test_an_order_that_went_out_late() -> None:
    """The market had moved to 102: two cost 2 * 2 * 1.001 more, and their fee."""
    late = 102.0 * (1 + SLIP)
    one = replace(PLAIN, reference_price=102.0, filled=bought(2.0, late))

    only(split(one), "timing", -2 * 2 * (1 + SLIP) * (1 + FEE))


def test_a_size_that_was_rounded() -> None:
    """The exchange takes whole tenths: 2.0 of 2.07 wanted; 0.07 * 9.9 less fee is not made."""
    model = ModelDay(bought(2.07, 100.1))
    one = replace(PLAIN, revised=model, recorded=model, ideal_units=2.07)

    only(split(one), "rounding", -0.07 * (110 - 100.1 * (1 + FEE)))


@pytest.mark.parametrize("filled", [0.0, 0.5])
def test_an_order_that_was_missed_or_filled_in_part(filled: float) -> None:
    """What was not bought made 110 - 100.1 each, less its fee."""
    flow = bought(filled, 100.1) if filled else Flow()
    one = replace(PLAIN, filled=flow, end_units=1.0 + filled)

    only(split(one), "missed_fills", -(2.0 - filled) * (110 - 100.1 * (1 + FEE)))


def test_a_fill_at_a_worse_price_than_the_model_s() -> None:
    """Filled at 100.6 rather than 100.1: half a unit of money each, and its fee."""
    one = replace(PLAIN, filled=bought(2.0, 100.6))

    only(split(one), "slippage", -2 * 0.5 * (1 + FEE))


def test_fees_of_another_tier() -> None:
    """0.5 % instead of 1.2 % of 200.2."""
    one = replace(PLAIN, filled=bought(2.0, 100.1, 0.005))

    only(split(one), "fees", 200.2 * 0.007)


def test_something_sold_by_hand() -> None:
    """Half a unit sold at 105, free of charge: it misses the way to 110."""
    one = replace(PLAIN, end_units=2.5)

    only(split(one, manual_cash=52.5), "manual_trades", -2.5)


def test_something_bought_by_hand_of_a_coin_the_strategy_sold_out_of() -> None:
    """Own orders and manual ones on one ticker are told apart by size."""
    one = replace(PLAIN, end_units=4.0)

    only(split(one, manual_cash=-101.0), "manual_trades", 110.0 - 101.0)


def test_money_that_came_from_nowhere_is_unexplained() -> None:
    """A deposit is no trade of anybody's; it is shown, not hidden in a bucket."""
    found = split(PLAIN, manual_cash=500.0)

    assert found.unexplained == pytest.approx(500.0)
    assert found.difference == pytest.approx(500.0)
    assert all(amount == pytest.approx(0.0, abs=1e-9) for amount in found.causes.values())


def test_a_manual_trade_at_an_unbelievable_price_leaves_the_rest_unexplained() -> None:
    """A unit that arrived for nothing: valued at the open, the rest is for a person to explain."""
    found = split(replace(PLAIN, end_units=4.0), manual_cash=0.0)

    assert found.causes["manual_trades"] == pytest.approx(110.0 - 100.0)
    assert found.unexplained == pytest.approx(100.0)


HELD = replace(
    PLAIN,
    start_units=2.0,
    end_price=80.0,
    revised=ModelDay(Flow(), StopOut(1.0, 90.0, FEE)),
    recorded=ModelDay(Flow(), StopOut(1.0, 90.0, FEE)),
    ideal_units=0.0,
    planned_units=0.0,
    filled=Flow(),
    stopped=StopOut(1.0, 90.0, FEE),
    end_units=0.0,
)


def test_a_stop_that_filled_as_the_model_s_makes_no_difference() -> None:
    """Two units from 100 to 90, less the fee."""
    found = split(HELD)

    only(found, "fees", 0.0)
    assert found.live_change == pytest.approx(2 * (90 * (1 - FEE) - 100))


@pytest.mark.parametrize(
    ("stopped", "end_units", "cause", "amount"),
    [
        # It slipped to 88.
        (StopOut(1.0, 88.0, FEE), 0.0, "slippage", -2 * 2 * (1 - FEE)),
        # It paid the maker's fee.
        (StopOut(1.0, 90.0, 0.006), 0.0, "fees", 2 * 90 * 0.006),
        # Half of it did not fill, and fell to 80.
        (StopOut(0.5, 90.0, FEE), 1.0, "missed_fills", 80 - 90 * (1 - FEE)),
        (StopOut(), 2.0, "missed_fills", 2 * (80 - 90 * (1 - FEE))),
    ],
)
def test_a_stop_that_did_otherwise(
    stopped: StopOut, end_units: float, cause: str, amount: float
) -> None:
    """Each way in its own bucket."""
    only(split(replace(HELD, stopped=stopped, end_units=end_units)), cause, amount)


def test_a_stop_that_fired_where_the_model_s_did_not_is_timing() -> None:
    """Daily bars do not know the path: 2 sold at 90 that ended at 95."""
    calm = ModelDay()
    one = replace(HELD, revised=calm, recorded=calm, end_price=95.0)

    only(split(one), "timing", 2 * (90 * (1 - FEE) - 95))


def test_all_at_once_still_adds_up() -> None:
    """Seeded days of several tickers on which everything differs from everything."""
    random = np.random.default_rng(17)

    def flow() -> Flow:
        return bought(float(random.uniform(0.1, 3)), float(random.uniform(90, 110)), 0.01)

    def stop() -> StopOut:
        return StopOut(float(random.uniform(0, 1)), float(random.uniform(80, 100)), 0.01)

    for _ in range(50):
        tickers = {
            name: replace(
                PLAIN,
                revised=ModelDay(flow(), stop()),
                recorded=ModelDay(flow(), stop()),
                reference_price=float(random.uniform(90, 110)),
                ideal_units=float(random.uniform(0, 3)),
                planned_units=float(random.uniform(0, 3)),
                filled=flow(),
                stopped=stop(),
                end_units=float(random.uniform(0, 3)),
            )
            for name in ("A", "B", "C")
        }
        found = split_day(DAY, tickers, start_cash=1000.0, end_cash=float(random.uniform(0, 2000)))
        total = sum(found.causes.values()) + found.unexplained

        assert total == pytest.approx(found.difference, abs=1e-6)
        assert set(found.by_ticker) == {"A", "B", "C"}

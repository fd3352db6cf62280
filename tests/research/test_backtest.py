"""
The backtest, worked by hand: orders, stops, gaps, fees and cash of a few days.

One ticker gets the single-name cap of 0.35, of deployable equity 0.85 x 15,000 = 12,750: a target
of 4,462.50. At 100 that is 44.62 units in lots of 0.01; bought at 100.10 (slippage 0.1 %) for
4,466.462 and a fee of 1.2 % = 53.597544.
"""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.research.build import PRODUCT, Written, flat, lived
from tf_lib.core.model.products import default_product
from tf_lib.core.model.records import FeeRates
from tf_lib.research.backtest.run_backtest import BacktestResult

CASH_AFTER_ENTRY = 15_000 - 4_466.462 - 53.597544
DIP_AND_RECOVERY = (100.0, 104.0, 90.0, 102.0)


def fills(result: BacktestResult) -> list[tuple[str, str, float, float]]:
    """Return day of the span, reason, size and price of each fill."""
    first = result.days[0]
    rows = result.trades[["date", "reason", "size", "price"]].itertuples(index=False)
    return [
        (f"{(day - first).days}", why, round(size, 8), round(price, 8))
        for day, why, size, price in rows
    ]


# -- entries and exits ---------------------------------------------------------------------


def test_an_entry_costs_slippage_and_the_takers_fee() -> None:
    """Whole lots, paid from cash; equity at the close counts them at the close."""
    result = lived(flat())

    assert fills(result) == [("0", "enter", 44.62, 100.1)]
    assert result.trades["notional"].iloc[0] == pytest.approx(4_466.462, abs=1e-9)
    assert result.trades["fee"].iloc[0] == pytest.approx(53.597544, abs=1e-9)
    assert result.equity["cash"].iloc[0] == pytest.approx(CASH_AFTER_ENTRY, abs=1e-9)
    assert result.equity["equity"].iloc[0] == pytest.approx(CASH_AFTER_ENTRY + 4_462.0, abs=1e-9)
    assert result.weights["AAA-USD"].iloc[0] == 0.35


def test_no_signal_no_trade() -> None:
    """Money that waits stays what it is."""
    result = lived(*[flat(signal=0.0)] * 5)

    assert result.trades.empty
    assert (result.equity["equity"] == 15_000.0).all()
    assert result.metrics["trades"] == 0
    assert math.isnan(result.metrics["hit_rate"])
    assert math.isnan(result.metrics["sharpe"])


def test_a_signal_that_ends_sells_everything() -> None:
    """Sold at 110 less slippage: 109.89 x 44.62 = 4,903.2918, fee 58.8395016."""
    result = lived(flat(), flat(110.0, signal=0.0), flat(110.0, signal=0.0))

    assert fills(result)[1:] == [("1", "full_exit", 44.62, 109.89)]
    cash = CASH_AFTER_ENTRY + 4_903.2918 - 58.8395016
    assert result.equity["cash"].iloc[-1] == pytest.approx(cash, abs=1e-9)
    assert result.metrics["round_trips"] == 1
    assert result.metrics["hit_rate"] == 1.0


def test_an_unknown_signal_sells_nothing_and_keeps_the_stop() -> None:
    """Undefined is not zero."""
    result = lived(flat(), flat(signal=math.nan, is_ok=False), flat(signal=math.nan))

    assert len(result.trades) == 1
    reasons = ["enter", "stale_or_missing_ohlc", "unknown_signal"]
    assert list(result.reasons["AAA-USD"]) == reasons
    assert list(result.stops["AAA-USD"]) == [95.0, 95.0, 95.0]


def test_a_rise_beyond_the_threshold_is_trimmed() -> None:
    """
    Sold down to the target once it is off by more than a tenth of equity.

    At 160: equity 10,479.940456 + 7,139.20 = 17,619.140456, target 0.35 x 0.85 of it =
    5,241.69428566; 7,139.20 - 5,241.69428566 = 1,897.50571434 / 160 = 11.85 lots of 0.01.
    """
    result = lived(flat(), flat(160.0, stop=150.0))

    assert fills(result)[1:] == [("1", "trim", 11.85, 159.84)]
    assert result.stops["AAA-USD"].iloc[-1] == 150.0


def test_a_small_drift_is_left_alone() -> None:
    """The change wanted is below a tenth of equity."""
    result = lived(flat(), flat(110.0))

    assert len(result.trades) == 1
    assert result.reasons["AAA-USD"].iloc[-1] == "below_threshold"


def test_nothing_is_bought_at_or_below_its_stop_and_a_cooldown_begins() -> None:
    """Breached on the first day; cooling for the rest of seven days."""
    result = lived(flat(stop=100.0), *[flat()] * 8)

    reasons = ["stop_breached", *["cooldown_active"] * 6, "enter", "below_threshold"]
    assert list(result.reasons["AAA-USD"]) == reasons


# -- stops ---------------------------------------------------------------------------------


def test_a_stop_met_on_the_way_down_fills_at_once() -> None:
    """
    Level 95, limit 95 - max(2 %, half a range of 2) = 93.10.

    Sold at 95 less 0.1 % = 94.905: 44.62 x 94.905 = 4,234.6611, fee 50.8159332.
    """
    result = lived(Written(DIP_AND_RECOVERY), flat())

    assert fills(result)[1:] == [("0", "stop", 44.62, 94.905)]
    equity = CASH_AFTER_ENTRY + 4_234.6611 - 50.8159332
    assert result.equity["equity"].iloc[0] == pytest.approx(equity, abs=1e-9)
    assert result.metrics["stops_hit"] == 1
    assert result.metrics["stops_gapped"] == 0
    assert result.reasons["AAA-USD"].iloc[1] == "cooldown_active"


def test_a_gap_between_stop_and_limit_fills_at_the_open() -> None:
    """The jump to 94.50 triggers it; sold at 94.50 less 0.1 % = 94.4055, dated that day."""
    result = lived(flat(), flat(94.5))

    assert fills(result)[1:] == [("1", "stop_gapped", 44.62, 94.4055)]
    assert result.metrics["stops_gapped"] == 1


def test_a_gap_just_above_the_limit_never_fills_below_it() -> None:
    """At 93.15 slippage would lead to 93.05685: the limit of 93.10 holds."""
    result = lived(flat(), flat(93.15))

    assert fills(result)[1:] == [("1", "stop_gapped", 44.62, 93.1)]


def test_a_gap_below_the_limit_is_sold_at_the_market_by_the_run() -> None:
    """Triggered and unfilled is no protection: sold at 90 less 0.1 %; seven days of rest."""
    result = lived(flat(), Written((90.0, 99.0, 90.0, 99.0), stop=80.0), *[flat(stop=80.0)] * 8)

    assert fills(result)[1:3] == [
        ("1", "emergency_exit", 44.62, 89.91),
        ("8", "enter", result.trades["size"].iloc[2].round(8), 100.1),
    ]
    assert result.metrics["stops_gapped"] == 1


def test_an_unfilled_stop_is_left_before_anything_is_planned() -> None:
    """What is bare goes first, also where the signal ends; the day decides on what is left."""
    result = lived(flat(), flat(90.0, signal=0.0, stop=80.0), flat(90.0, stop=80.0))

    assert [reason for _, reason, _, _ in fills(result)] == ["enter", "emergency_exit"]
    assert result.reasons["AAA-USD"].tolist() == ["enter", "no_position", "cooldown_active"]


def test_what_an_unfilled_stop_leaves_too_small_to_sell_stays_as_dust() -> None:
    """44.62 at 90 are 4,015.80, less than a least order of 4,100; at the limit of 93.10, more."""
    least = replace(PRODUCT, quote_min_size=Decimal("4100"))
    result = lived(flat(), flat(90.0, stop=80.0), flat(90.0, stop=80.0), product=least)

    assert [reason for _, reason, _, _ in fills(result)] == ["enter"]
    assert result.holdings["AAA-USD"].iloc[-1] == pytest.approx(44.62 * 90.0)
    assert result.stops["AAA-USD"].isna().tolist() == [False, True, True]


def test_the_stop_is_raised_but_never_lowered() -> None:
    """A worthwhile raise moves it, a lower chandelier does not."""
    result = lived(flat(), flat(stop=97.0), flat(stop=90.0))

    assert list(result.stops["AAA-USD"]) == [95.0, 97.0, 97.0]


def test_a_ticker_whose_stops_sold_for_two_reasons_on_a_day_is_one_exit_for_the_worse() -> None:
    """The open of 60.05 jumps over the stop at 60.10, the day's low meets the one at 60."""
    changes = {"execution_and_costs.notional_threshold_pct": 0.01}
    result = lived(
        flat(stop=60.0),
        flat(70.0, stop=60.1),
        Written((60.05, 60.05, 55.0, 56.0), stop=60.1, signal=0.0, is_ok=False),
        changes=changes,
    )

    assert [reason for _, reason, _, _ in fills(result)[2:]] == ["stop_gapped", "stop"]
    assert result.exit_reasons.to_dict() == {"stop_gapped": 1}
    assert result.metrics["stops_hit"] == result.metrics["stops_gapped"] == 1


def test_without_the_ratchet_only_raises_move_it_too() -> None:
    """A resting stop is never lowered; what the ratchet remembers is the level for the next."""
    result = lived(flat(), flat(stop=97.0), flat(stop=90.0), changes={"stops.ratchet": False})

    assert list(result.stops["AAA-USD"]) == [95.0, 97.0, 97.0]


def test_a_raise_below_fifty_basis_points_waits() -> None:
    """95.47 is less than 95 x 1.005 = 95.475; 95.48 is more."""
    result = lived(flat(), flat(stop=95.47), flat(stop=95.48))

    assert list(result.stops["AAA-USD"]) == [95.0, 95.0, 95.48]


def test_a_level_above_the_market_rests_two_ticks_below_it() -> None:
    """And is remembered where it belongs: it goes back up as soon as the price lets it."""
    result = lived(flat(), flat(99.0, stop=101.0), flat(104.0, stop=98.0))

    assert list(result.stops["AAA-USD"]) == [95.0, 98.98, 101.0]


def test_keep_leaves_the_stop_where_it_is() -> None:
    """The other setting for a level above the market."""
    result = lived(flat(), flat(99.0, stop=101.0), changes={"stops.level_above_market": "keep"})

    assert list(result.stops["AAA-USD"]) == [95.0, 95.0]


def test_added_units_rest_under_their_own_stop() -> None:
    """
    More is bought at 70 under a stop at 60.10; the old one at 60 is too near to be worth moving.

    A fall to 55 meets the higher one first: 60.10 and 60 less 0.1 %.
    """
    changes = {"execution_and_costs.notional_threshold_pct": 0.01}
    result = lived(
        flat(stop=60.0),
        flat(70.0, stop=60.1),
        Written((70.0, 70.0, 55.0, 56.0), stop=60.1, signal=0.0, is_ok=False),
        changes=changes,
    )

    assert [(reason, price) for _, reason, _, price in fills(result)] == [
        ("enter", 100.1),
        ("add", 70.07),
        ("stop", 60.0399),
        ("stop", 59.94),
    ]
    assert result.metrics["stops_hit"] == 1
    assert result.exit_reasons.to_dict() == {"stop": 1}


# -- lots, cash, dust ----------------------------------------------------------------------


def test_a_trim_that_would_leave_dust_sells_everything() -> None:
    """
    With a least order of 4,100 the rest could not be protected.

    At 160, 11.85 of 44.62 are to go; the other 32.77 would be worth 3,276.67 at a limit one tick
    below a stop at 100.
    """
    product = replace(PRODUCT, quote_min_size=Decimal(4100))
    result = lived(flat(), flat(160.0, stop=100.0), product=product)

    assert fills(result)[1:] == [("1", "trim", 44.62, 159.84)]


def test_purchases_shrink_to_the_cash_that_is_there() -> None:
    """Cash never falls below zero, whatever is wanted."""
    changes = {
        "risk_and_sizing.cash_buffer_percentage": 0.0,
        "risk_and_sizing.cap_low": 1.0,
        "risk_and_sizing.cap_high": 1.0,
    }
    result = lived(flat(), flat(), changes=changes)

    assert 0.0 <= result.equity["cash"].min() < 50.0


@given(
    maker=st.floats(0.0, 0.3),
    taker=st.floats(0.0, 0.5),
    passive=st.floats(0.0, 1.0),
    price=st.floats(1.0, 5_000.0).map(lambda x: round(x, 2)),
)
@example(maker=0.006, taker=0.05, passive=0.9, price=100.0)
def test_cash_is_never_below_zero_for_any_fees(
    maker: float, taker: float, passive: float, price: float
) -> None:
    """What is set aside for a purchase is the fee that it pays, the account's own if higher."""
    changes = {
        "risk_and_sizing.cash_buffer_percentage": 0.0,
        "risk_and_sizing.cap_low": 1.0,
        "risk_and_sizing.cap_high": 1.0,
        "execution_and_costs.passive_trade_rate": passive,
    }
    days = [flat(price, stop=0.9 * price)] * 2
    result = lived(*days, changes=changes, fees=FeeRates(maker=maker, taker=taker))

    assert result.equity["cash"].min() >= 0.0
    assert len(result.trades) > 0


def test_a_wide_buffer_makes_no_dust_and_no_exit_of_a_trim() -> None:
    """What a holding is worth decides: its stop is at most 10 % below its level."""
    changes = {"stops.limit_buffer_atr": 60.0}
    result = lived(flat(stop=95.0), flat(160.0, stop=100.0), changes=changes)

    assert fills(result)[1:] == [("1", "trim", 11.85, 159.84)]
    assert result.stops["AAA-USD"].tolist() == [95.0, 100.0]


def test_what_has_no_believable_price_is_not_traded_but_protected() -> None:
    """Bid and ask two ticks apart are 3.3 % of 60: no exit, and so large that nothing is bought."""
    coarse = default_product("AAA-USD", tick="1", base_step="0.01")
    result = lived(flat(stop=50.0), flat(60.0, signal=0.0, stop=50.0), product=coarse)

    assert list(result.tape.days["no_buys"]) == [False, True]
    assert [reason for _, reason, _, _ in fills(result)] == ["enter"]
    assert result.stops["AAA-USD"].tolist() == [50.0, 50.0]

"""Signals as a whole: blending, filters, gaps, warm-up, and nothing from the future."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.core.build import REAL_CANDLES, STRATEGY, config_with, day, market, random_candles
from tests.oracle.signals import COLUMNS, SIGNAL_COLUMNS
from tf_lib.core.candles.bars import Bars, lag_bars
from tf_lib.core.signals import components
from tf_lib.core.signals.columns import Signals, signals
from tf_lib.errors import BarsError
from tf_lib.store.candle_csv import read_candle_folder

ONE = {"Only": {"weight": 1.0, "tickers": ["AAA-USD"]}}
FILTERS = "signals.filters."
RISK = "risk_and_sizing."
N_DAYS = 700


def computed(
    changes: Mapping[str, Any] | None = None,
    *,
    frame: pd.DataFrame | None = None,
    as_of: dt.date | None = None,
) -> Signals:
    """The signals of one made-up ticker."""
    candles = random_candles(5, N_DAYS) if frame is None else frame
    bars = lag_bars({"AAA-USD": candles}, as_of=as_of or day(N_DAYS))
    return signals(bars, config_with(changes, sleeves=ONE))


@pytest.fixture(scope="module")
def all_bars() -> Bars:
    return lag_bars(market(N_DAYS), as_of=day(N_DAYS))


@pytest.fixture(scope="module")
def known(all_bars: Bars) -> Signals:
    return signals(all_bars, config_with())


def test_the_columns_are_the_ones_the_decision_reports(known: Signals) -> None:
    assert tuple(known.values)[: len(COLUMNS)] == known.reported == COLUMNS
    assert all(grid.shape == (N_DAYS, 4) for grid in known.values.values())


@pytest.mark.parametrize("n_seen", [1, 57, 299, 300, 301, 450, 699])
def test_a_row_does_not_change_when_later_bars_arrive(known: Signals, n_seen: int) -> None:
    """What a live run saw on a day is what a backtest sees, bit for bit, in every column."""
    seen = signals(lag_bars(market(N_DAYS), as_of=day(n_seen)), config_with())

    for name, grid in known.values.items():
        np.testing.assert_array_equal(
            grid[:n_seen].T[:, : len(seen.days)], seen[name].T[: len(known.tickers)], err_msg=name
        )
    np.testing.assert_array_equal(known.data_ok[:n_seen], seen.data_ok)


def test_the_order_of_tickers_changes_no_bit(known: Signals) -> None:
    candles = market(N_DAYS)
    backwards = dict(reversed(list(candles.items())))
    again = signals(lag_bars(backwards, as_of=day(N_DAYS)), config_with())

    for name, grid in known.values.items():
        np.testing.assert_array_equal(grid, again[name], err_msg=name)


def test_a_ticker_does_not_depend_on_its_neighbours(known: Signals) -> None:
    alone = signals(lag_bars(market(N_DAYS), as_of=day(N_DAYS)).select(["DDD-USD"]), config_with())

    for name, grid in known.values.items():
        np.testing.assert_array_equal(grid[:, 3], alone[name][:, 0], err_msg=name)


def test_the_blend_is_the_weighted_sum_of_its_ranks(known: Signals) -> None:
    blend = 0.85 * known["ma_rank"] + 0.15 * known["donchian_rank"]

    np.testing.assert_array_equal(known["weighted_signal"], blend)


@pytest.mark.parametrize("weight", [0.5, None])
def test_a_component_is_one_entry_of_the_table(
    monkeypatch: pytest.MonkeyPatch, all_bars: Bars, known: Signals, weight: float | None
) -> None:
    """Its columns are reported before the blend and counted in it; without a weight it is not."""
    made_up = {"made_up": lambda parts: parts.close, "made_up_rank": lambda parts: parts.close / 4}
    one = components.SignalComponent(made_up, "made up", lambda _: weight)
    monkeypatch.setattr(components, "BLEND", (*components.BLEND, one))
    more = signals(all_bars, config_with())

    at = COLUMNS.index("weighted_signal")
    assert more.reported == (*COLUMNS[:at], *(made_up if weight else ()), *COLUMNS[at:])
    extra = weight * more["made_up_rank"] if weight else 0.0
    np.testing.assert_array_equal(more["weighted_signal"], known["weighted_signal"] + extra)


@pytest.mark.parametrize("spares_strong", [False, True])
def test_a_filter_is_one_entry_of_the_table(
    monkeypatch: pytest.MonkeyPatch, all_bars: Bars, known: Signals, spares_strong: bool
) -> None:
    """Its column is reported before the regime filter and multiplied into it."""
    one = components.SignalFilter(
        "made_up", "made up", lambda parts: np.full_like(parts.close, 0.5), spares_strong
    )
    monkeypatch.setattr("tf_lib.core.signals.columns.FILTERS", (*components.FILTERS, one))
    more = signals(all_bars, config_with())

    at = COLUMNS.index("regime_filter")
    is_spared = spares_strong & (known["r_squared"] >= 0.75)
    assert more.reported == (*COLUMNS[:at], "made_up", *COLUMNS[at:])
    expected = known["regime_filter"] * np.where(is_spared, 1.0, 0.5)
    np.testing.assert_array_equal(more["regime_filter"], expected)
    assert (more["final_signal"] < known["final_signal"]).any()


def test_prices_in_another_unit_give_the_same_signals() -> None:
    """A thousandth of the price is the same market; only float noise may differ."""
    frame = random_candles(5, N_DAYS)
    scaled = frame.assign(**{name: frame[name] / 1000 for name in ("open", "high", "low", "close")})
    one, other = computed(frame=frame), computed(frame=scaled)

    for name in ("ma_rank", "donchian_rank", "r_squared", "vol_adjusted_signal"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-7, atol=1e-9, err_msg=name)


def test_the_signal_is_long_only(known: Signals) -> None:
    final = known["final_signal"]

    assert (final[~np.isnan(final)] >= 0).all()
    assert not np.signbit(final[~np.isnan(final)]).any()
    assert (known["weighted_signal"] < 0).any()


def test_a_strong_trend_is_not_penalized(known: Signals) -> None:
    quality, penalty = known["r_squared"], known["vol_of_vol_penalty"]
    strong, weak = quality >= 0.75, quality < 0.75

    np.testing.assert_array_equal(known["regime_filter"][strong], quality[strong])
    np.testing.assert_array_equal(known["regime_filter"][weak], (quality * penalty)[weak])
    assert (penalty[strong] < 1).any()


def test_binary_mode_passes_or_blocks() -> None:
    plain = computed()["regime_filter"]
    binary = computed({FILTERS + "filter_mode": "binary", FILTERS + "binary_threshold": 0.3})

    defined = ~np.isnan(plain)
    np.testing.assert_array_equal(binary["regime_filter"][defined], (plain >= 0.3)[defined])
    assert np.isnan(binary["regime_filter"][~defined]).all()
    assert set(binary["regime_filter"][defined]) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("filter_name", "column"), [("rolling_r2", "r_squared"), ("vol_of_vol", "vol_of_vol_penalty")]
)
def test_a_filter_that_is_off_is_one(filter_name: str, column: str) -> None:
    off = computed({f"{FILTERS}{filter_name}.enabled": False})

    assert set(off[column][300:, 0]) == {1.0}


def test_confirmation_needs_the_quality_to_hold() -> None:
    plain, confirmed = computed(), computed({FILTERS + "rolling_r2.r2_confirm_days": 5})
    quality = pd.Series(plain["r_squared"][:, 0])
    held = (quality > 0.5).rolling(5).sum() == 5

    expected = np.where(held[310:], plain["final_signal"][310:, 0], 0.0)
    np.testing.assert_array_equal(confirmed["final_signal"][310:, 0], expected)
    assert 0 < held[310:].sum() < len(held[310:])


def test_the_exit_gate_keeps_or_zeroes_the_blend() -> None:
    changes: dict[str, Any] = {"signals.donchian.use_donchian_exit_gate": True}
    changes |= {"signals.donchian.exit_rolling_donchian_window": 5}
    frame = random_candles(5, N_DAYS)
    plain, gated = computed(frame=frame), computed(changes, frame=frame)
    lagged = frame.set_axis(frame.index + pd.Timedelta(days=1))
    # The channel is shifted one more day: today's close is compared with the days before it.
    upper = lagged["high"].rolling(5).max().shift(1).to_numpy()
    lower = lagged["low"].rolling(5).min().shift(1).to_numpy()
    position, close = plain["donchian_position"][:, 0], lagged["close"].to_numpy()
    stays = np.where(position >= 0, close >= lower, close <= upper)

    expected = np.where(stays, plain["weighted_signal"][:, 0], 0.0)
    np.testing.assert_array_equal(gated["weighted_signal"][300:, 0], expected[300:])
    assert 0 < stays[300:].sum() < len(stays[300:])


def test_the_chandelier_hangs_from_the_highest_high() -> None:
    frame = random_candles(5, N_DAYS)
    known = computed(frame=frame)
    highest = frame["high"].rolling(56).max().to_numpy()

    np.testing.assert_array_equal(known["highest_high"][:, 0], highest)
    level = known["highest_high"] - 1.75 * known["atr"]
    np.testing.assert_array_equal(known["chandelier_stop"], level)


def test_a_percentage_trail_lies_below_the_last_close_and_changes_nothing_else() -> None:
    trail = {RISK + "stop_loss_strategy": "PercentageTrail", RISK + "trail_percentage": 0.07}
    plain, known = computed(), computed(trail)

    assert known.reported == (*COLUMNS, "trail_stop")
    np.testing.assert_array_equal(known.stop_level, known["close"] * (1 - 0.07))
    np.testing.assert_array_equal(plain.stop_level, plain["chandelier_stop"])
    for name, grid in plain.values.items():
        np.testing.assert_array_equal(grid, known[name], err_msg=name)


def test_volatility_is_the_sample_deviation_of_simple_returns() -> None:
    frame = random_candles(5, N_DAYS)
    expected = frame["close"].pct_change().rolling(30).std() * math.sqrt(365)

    volatility = computed(frame=frame)["annualized_volatility"][:, 0]
    np.testing.assert_allclose(volatility[300:], expected.to_numpy()[300:], rtol=1e-9)


def test_too_little_history_leaves_the_signals_undefined_and_the_stop_defined() -> None:
    known = computed()
    # Row 299 holds the 300th bar: the first with warmup_days of history.
    for name in SIGNAL_COLUMNS:
        assert np.isnan(known[name][:299]).all(), name
        assert np.isfinite(known[name][299]).all(), name
    for name in ("close", "atr"):
        assert np.isfinite(known[name]).all(), name
    assert np.isfinite(known["chandelier_stop"][55:]).all()
    assert known.history_bars[:, 0].tolist() == list(range(1, N_DAYS + 1))


def test_a_row_without_its_bar_shows_the_last_good_row() -> None:
    frame = random_candles(5, N_DAYS)
    known = computed(frame=frame.drop(frame.index[[500, 501]]))

    assert known.data_ok[499:503, 0].tolist() == [True, False, False, True]
    for name, grid in known.values.items():
        assert grid[500, 0] == grid[499, 0] == grid[501, 0], name
    assert known["close"][502, 0] == frame["close"].iloc[502]
    # The day after the hole the flat days count as days: their returns are 0.
    assert known.simple_return[500:502, 0].tolist() == [0.0, 0.0]
    assert known.history_bars[500:503, 0].tolist() == [500, 500, 503]


def test_a_gap_at_the_end_shows_the_last_good_row_too() -> None:
    """Cut the data inside a hole, and the row is the same as with the data that came later."""
    frame = random_candles(5, N_DAYS)
    holed = frame.drop(frame.index[[500, 501]])
    whole, seen = computed(frame=holed), computed(frame=holed, as_of=day(502))

    for name, grid in whole.values.items():
        np.testing.assert_array_equal(grid[:502], seen[name], err_msg=name)


def test_after_a_long_gap_thirty_bars_are_not_trusted_but_enter_history() -> None:
    frame = random_candles(5, N_DAYS)
    known = computed(frame=frame.drop(frame.index[500:504]))

    assert not known.data_ok[500:534, 0].any()
    assert known.data_ok[534:, 0].all()
    assert len(set(known["close"][499:534, 0])) == 1
    assert known["close"][534, 0] == frame["close"].iloc[534]


def test_a_bar_far_too_wide_is_not_believed_on_any_day() -> None:
    frame = random_candles(5, N_DAYS)
    frame.loc[frame.index[500], "high"] *= 50
    known = computed(frame=frame)

    assert known.data_ok[499:502, 0].tolist() == [True, False, True]
    assert known["highest_high"][500, 0] == known["highest_high"][499, 0]
    assert known["highest_high"][501:, 0].max() < frame["high"].iloc[500] / 2
    assert [(bar.day, bar.until) for bar in known.quarantined] == [(day(500), None)]


def test_flat_prices_leave_signals_undefined_not_wrong() -> None:
    frame = random_candles(5, 400)
    frame.loc[:, ["open", "high", "low", "close"]] = 5.0
    known = computed(frame=frame, as_of=day(400))

    # No width, no straightness, no volatility: nothing can be said.
    for name in ("donchian_position", "r_squared", "final_signal", "vol_adjusted_signal"):
        assert math.isnan(known[name][-1, 0]), name
    assert known["vol_of_vol_penalty"][-1, 0] == 1.0
    assert known["annualized_volatility"][-1, 0] == 0.0


def test_a_memo_shares_work_and_changes_no_bit(all_bars: Bars) -> None:
    memo: dict[Any, Any] = {}
    changed = {"signals.weighting.weighted_signal_ewm_window": 9}
    signals(all_bars, config_with(), memo=memo)
    parts = len(memo)
    shared = signals(all_bars, config_with(changed), memo=memo)

    assert len(memo) == parts + 2
    for name, grid in signals(all_bars, config_with(changed)).values.items():
        np.testing.assert_array_equal(grid, shared[name], err_msg=name)


def test_frames_for_reading(known: Signals) -> None:
    frame = known.frame("DDD-USD")
    long = known.to_frame()

    assert list(long.columns[:3]) == ["date", "ticker", "close"]
    assert len(long) == 4 * N_DAYS
    assert frame["close"].iloc[-1] == known["close"][-1, 3]
    assert frame.index[-1].date() == day(N_DAYS)
    assert known.row(day(N_DAYS))["atr"].tolist() == known["atr"][-1].tolist()
    with pytest.raises(BarsError, match="there are no signals for"):
        known.row(day(0))


def test_real_candles_give_finite_signals_within_their_bounds() -> None:
    if not any(REAL_CANDLES.glob("*.csv")):
        pytest.skip("no real candles stand beside the project (../shared/candles)")
    assert STRATEGY.exists()
    candles = read_candle_folder(REAL_CANDLES)
    sleeves = {"All": {"weight": 1.0, "tickers": sorted(candles)}}
    last = max(frame.index[-1] for frame in candles.values()) + pd.Timedelta(days=1)
    known = signals(lag_bars(candles, as_of=last.date()), config_with(sleeves=sleeves))

    bounds = {"ma_rank": 0.5, "donchian_rank": 0.5, "regime_filter": 1.0, "final_signal": 0.5}
    for name, bound in bounds.items():
        defined = known[name][~np.isnan(known[name])]
        assert len(defined) > 1000
        assert (np.abs(defined) <= bound).all(), name
    for name in COLUMNS:
        assert np.isfinite(known[name][-1]).all(), name

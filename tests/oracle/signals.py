"""
Candles of one ticker -> its columns, one row per finished bar (design, sections 4 and 5).

A frame here is indexed by *bar* date b; its row is what is known when day b + 1 begins. Windows are
written out row by row where a rolling routine would carry rounding along.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from . import belief

SIGNAL_COLUMNS = (
    "ma_slope",
    "ma_rank",
    "donchian_position",
    "donchian_rank",
    "weighted_signal",
    "r_squared",
    "vol_of_vol_penalty",
    "regime_filter",
    "final_signal",
    "annualized_volatility",
    "vol_adjusted_signal",
)
LEVEL_COLUMNS = ("atr", "highest_high", "chandelier_stop")
COLUMNS = ("close", *SIGNAL_COLUMNS, *LEVEL_COLUMNS)

LONG_GAP_DAYS = 3
BARS_NOT_OK_AFTER_LONG_GAP = 30
SMALLEST_STD = 1e-12
ONE_DAY = pd.Timedelta(days=1)


def columns(params: dict[str, Any]) -> tuple[str, ...]:
    """What a decision shows of each ticker: a level of its own stands after the chandelier."""
    level = stop_column(params)
    return COLUMNS if level in COLUMNS else (*COLUMNS, level)


def stop_column(params: dict[str, Any]) -> str:
    """The column of the level that protects positions."""
    names = {"Chandelier": "chandelier_stop", "PercentageTrail": "trail_stop"}
    return names[params["risk_and_sizing"]["stop_loss_strategy"]]


def utc_day(day: dt.date) -> pd.Timestamp:
    """Return the beginning of a day."""
    return pd.Timestamp(day.isoformat(), tz="UTC")


def row_by_row(
    series: pd.Series, window: int, measure: Callable[[np.ndarray], np.ndarray]
) -> pd.Series:
    """Apply `measure` to every full window, one window a row; undefined where one has a gap."""
    values = series.to_numpy(dtype=float)
    answer = np.full(len(values), np.nan)
    if len(values) >= window:
        windows = np.lib.stride_tricks.sliding_window_view(values, window)
        whole = ~np.isnan(windows).any(axis=1)
        answer[window - 1 :][whole] = measure(windows[whole])
    return pd.Series(answer, index=series.index)


def mean(windows: np.ndarray) -> np.ndarray:
    """Mean of each window."""
    return np.asarray(windows.mean(axis=1))


def median(windows: np.ndarray) -> np.ndarray:
    """Median of each window."""
    return np.asarray(np.median(windows, axis=1))


def highest(windows: np.ndarray) -> np.ndarray:
    """Maximum of each window."""
    return np.asarray(windows.max(axis=1))


def lowest(windows: np.ndarray) -> np.ndarray:
    """Minimum of each window."""
    return np.asarray(windows.min(axis=1))


def sample_std(windows: np.ndarray) -> np.ndarray:
    """Sample standard deviation of each window, exactly zero where nothing moves."""
    still = (windows == windows[:, :1]).all(axis=1)
    return np.where(still, 0.0, windows.std(axis=1, ddof=1))


def squared_correlation_with_time(windows: np.ndarray) -> np.ndarray:
    """Share of each window that a straight line explains; undefined where nothing moves."""
    still = (windows == windows[:, :1]).all(axis=1)
    time = np.arange(windows.shape[1]) - (windows.shape[1] - 1) / 2
    centred = windows - windows.mean(axis=1, keepdims=True)
    together = (centred * time).sum(axis=1) ** 2
    apart = (centred**2).sum(axis=1) * (time**2).sum()
    return np.where(still, np.nan, together / np.where(still, 1.0, apart))


def ewm_mean(series: pd.Series, span: float) -> pd.Series:
    """
    Recursive average from the first defined value on; undefined where its input is.

    Undefined rows age what came before. Written out because pandas 3.0 and 3.1 weigh the first
    value after them differently at a span of exactly 3 (its issue 31178, broken by 59142).
    """
    alpha = 2 / (span + 1)
    answer = np.full(len(series), np.nan)
    average, weight_before = math.nan, 1.0
    for row, value in enumerate(series.astype(float).tolist()):
        weight_before *= 1 - alpha
        if math.isnan(value):
            continue
        if math.isnan(average):
            average = value
        else:
            average = (weight_before * average + alpha * value) / (weight_before + alpha)
        answer[row], weight_before = average, 1.0
    return pd.Series(answer, index=series.index)


def divided(above: pd.Series, below: pd.Series) -> pd.Series:
    """A quotient; an undefined or zero divisor gives undefined."""
    return above / below.where(below != 0)


def usable(bars: pd.DataFrame) -> pd.DataFrame:
    """Bars whose prices are finite, positive and consistent; the others count as missing."""
    prices = bars[["open", "high", "low", "close"]].astype(float)
    good = (prices.gt(0) & prices.lt(np.inf)).all(axis=1)
    body = prices[["open", "close"]]
    inside = (prices["low"] <= body.min(axis=1)) & (body.max(axis=1) <= prices["high"])
    return prices[inside & good]


def flat_filled(bars: pd.DataFrame) -> pd.DataFrame:
    """Every day from the first bar to the last; a missing day is flat at the close before it."""
    days = pd.date_range(bars.index[0], bars.index[-1], freq="D")
    filled = bars.reindex(days)
    filled["traded"] = filled["close"].notna()
    filled["close"] = filled["close"].ffill()
    for name in ("open", "high", "low"):
        filled[name] = filled[name].fillna(filled["close"])
    return filled


def ribbon_windows(params: dict[str, Any]) -> np.ndarray:
    """Lengths of the averages, rising."""
    ribbon = params["signals"]["moving_average"]
    spread = np.geomspace(ribbon["fast_mavg"], ribbon["slow_mavg"], ribbon["mavg_stepsize"])
    return np.unique(np.round(spread)).astype(int)


def ribbon(params: dict[str, Any], close: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Slope of the ribbon and its unsmoothed rank."""
    windows = ribbon_windows(params)
    steepness = np.log(windows[::-1].astype(float))
    steepness = steepness - steepness.mean()
    log_close = np.log(close)
    slope = sum(
        weight * ewm_mean(log_close, span) for weight, span in zip(steepness, windows, strict=True)
    ) / np.sum(steepness**2)
    z_window = params["signals"]["moving_average"]["mavg_z_score_window"]
    std = row_by_row(slope, z_window, sample_std)
    z = (slope - row_by_row(slope, z_window, mean)) / std
    z = z.mask(std < SMALLEST_STD, 0.0)
    rank = pd.Series(norm.cdf(z.clip(-4, 4)), index=z.index) - 0.5
    return slope, rank


def channel(params: dict[str, Any], bars: pd.DataFrame, window: int) -> tuple[pd.Series, pd.Series]:
    """Upper and lower band."""
    upper = row_by_row(bars["high"], window, highest)
    lower = row_by_row(bars["low"], window, lowest)
    if params["signals"]["donchian"]["donchian_shift"]:
        upper, lower = upper.shift(1), lower.shift(1)
    return upper, lower


def trailing_rank(series: pd.Series, window: int, at_least: int) -> pd.Series:
    """Percentile of each value among the trailing rows, itself included; ties share a rank."""
    values = series.to_numpy(dtype=float)
    answer = np.full(len(values), np.nan)
    for row, today in enumerate(values):
        seen = values[max(0, row - window + 1) : row + 1]
        seen = seen[~np.isnan(seen)]
        if np.isnan(today) or len(seen) < at_least:
            continue
        below, equal = np.sum(seen < today), np.sum(seen == today)
        answer[row] = (below + (equal + 1) / 2) / len(seen)
    return pd.Series(answer, index=series.index)


def donchian(params: dict[str, Any], bars: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Position in the entry channel and its unsmoothed rank."""
    settings = params["signals"]["donchian"]
    entry = settings["entry_rolling_donchian_window"]
    upper, lower = channel(params, bars, entry)
    position = divided(bars["close"] - (upper + lower) / 2, upper - lower)
    rank = trailing_rank(position, settings.get("rank_window", 250), entry) - 0.5
    return position, rank


def exit_gate(params: dict[str, Any], bars: pd.DataFrame, position: pd.Series) -> pd.Series:
    """1 where the exit channel lets the signal stand, else 0; undefined where it is."""
    window = params["signals"]["donchian"]["exit_rolling_donchian_window"]
    upper, lower = channel(params, bars, window)
    close = bars["close"]
    stands = ((position >= 0) & (close >= lower)) | ((position < 0) & (close <= upper))
    return stands.astype(float).where(position.notna() & upper.notna() & lower.notna())


def straightness(params: dict[str, Any], close: pd.Series) -> pd.Series:
    """How much of log close a straight line explains, mapped to 0 ... 1 and smoothed."""
    settings = params["signals"]["filters"]["rolling_r2"]
    if not settings.get("enabled", True):
        return pd.Series(1.0, index=close.index)
    raw = row_by_row(np.log(close), settings["rolling_r2_window"], squared_correlation_with_time)
    low, high = settings["lower_r_sqr_limit"], settings["upper_r_sqr_limit"]
    mapped = ((raw - low) / (high - low)).clip(0, 1)
    span = settings["r2_smooth_window"]
    return mapped if span < 1 else ewm_mean(mapped, span)


def restlessness_penalty(params: dict[str, Any], close: pd.Series) -> pd.Series:
    """1 in calm volatility, down to p_min where volatility itself jumps about."""
    settings = params["signals"]["filters"]["vol_of_vol"]
    if not settings.get("enabled", True):
        return pd.Series(1.0, index=close.index)
    span, window = settings["log_std_window"], settings["vol_of_vol_z_score_window"]
    log_return = np.log(close).diff()
    volatility = log_return.ewm(span=span, adjust=False, min_periods=span).std(bias=False)
    volatility = volatility * np.sqrt(params["run"]["annual_trading_days"])
    spread_window = settings["coef_of_variation_window"]
    spread = divided(
        row_by_row(volatility, spread_window, sample_std),
        row_by_row(volatility, spread_window, mean),
    )
    middle = row_by_row(spread, window, median)
    deviation = row_by_row((spread - middle).abs(), window, median)
    z = divided(spread - middle, 1.4826 * deviation)
    # Where a price has stood for long, only rounding is left of either: no spread, as of a std.
    z = z.where(np.isfinite(z) & (deviation >= SMALLEST_STD), 0.0).clip(-3, 3)
    return (1 - (z - 0.5).clip(0, 1)).clip(settings["vol_of_vol_p_min"], 1)


def confirmed(params: dict[str, Any], r_squared: pd.Series) -> pd.Series:
    """1 where the trend was straight on each of the last days, else 0."""
    days = params["signals"]["filters"]["rolling_r2"]["r2_confirm_days"]
    answer = np.ones(len(r_squared))
    if days >= 1:
        straight = (r_squared > 0.5).to_numpy()
        for row in range(len(r_squared)):
            answer[row] = row + 1 >= days and straight[row - days + 1 : row + 1].all()
    return pd.Series(answer, index=r_squared.index)


def regime(params: dict[str, Any], r_squared: pd.Series, penalty: pd.Series) -> pd.Series:
    """What the blended signal is multiplied by."""
    filters = params["signals"]["filters"]
    strong = r_squared >= filters["rolling_r2"]["r2_strong_threshold"]
    regime_filter = r_squared.where(strong, r_squared * penalty)
    if filters.get("filter_mode", "continuous") == "binary":
        passed = regime_filter >= filters.get("binary_threshold", 0.5)
        regime_filter = passed.astype(float).where(regime_filter.notna())
    return regime_filter


def levels(params: dict[str, Any], bars: pd.DataFrame) -> pd.DataFrame:
    """Average true range, highest high and the chandelier stop below it."""
    risk = params["risk_and_sizing"]
    before = bars["close"].shift(1)
    true_range = pd.concat(
        [bars["high"] - bars["low"], (bars["high"] - before).abs(), (bars["low"] - before).abs()],
        axis=1,
    ).max(axis=1)
    atr = ewm_mean(true_range, risk["rolling_atr_window"])
    highest_high = row_by_row(bars["high"], risk["highest_high_window"], highest)
    stop = highest_high - risk["atr_multiplier"] * atr
    table = pd.DataFrame({"atr": atr, "highest_high": highest_high, "chandelier_stop": stop})
    if risk["stop_loss_strategy"] == "PercentageTrail":
        table["trail_stop"] = bars["close"] - risk["trail_percentage"] * bars["close"]
    return table


def quality(bars: pd.DataFrame, turns: list[pd.Timestamp]) -> pd.Series:
    """
    Tell for each day's bar whether the next day may trade on it.

    Not for thirty bars after a long gap, nor for thirty after one of the `turns`, on which a bar
    that was not believed came back.
    """
    ok = bars["traded"].copy()
    for turn in turns:
        first = int(ok.index.searchsorted(turn))
        ok.iloc[first : first + BARS_NOT_OK_AFTER_LONG_GAP] = False
    traded = bars.index[bars["traded"]]
    for before, after in pairwise(traded):
        if (after - before).days - 1 > LONG_GAP_DAYS:
            first = int(ok.index.searchsorted(after))
            ok.iloc[first : first + BARS_NOT_OK_AFTER_LONG_GAP] = False
    return ok


def computed_columns(
    params: dict[str, Any],
    candles: pd.DataFrame,
    *,
    live: dict[dt.date, float] | None = None,
    doubts: dict[dt.date, float] | None = None,
) -> pd.DataFrame:
    """
    All columns per finished bar, before bad days are shown as the last good one.

    Where a bar comes back that was not believed, the rows before that day are those of the bars
    without it, and the rows from that day on those of the bars with it.
    """
    bars = usable(candles)
    if bars.empty:
        return pd.DataFrame()
    seen = belief.belief_of(
        bars,
        span=params["risk_and_sizing"]["rolling_atr_window"],
        gap=params["data"].get("max_gap_to_live", 0.25),
        live=live or {},
        doubts=doubts or {},
    )
    parts, turns = list[pd.DataFrame](), seen.turns
    for number, (begin, end) in enumerate(pairwise([bars.index[0], *turns, None])):
        at = bars.index[-1] if end is None else end - ONE_DAY
        missing = seen.missing_on(at)
        table = columns_of_view(params, bars, missing, turns[:number])
        rows = table.index >= begin
        if end is not None:
            rows &= table.index < end
        parts.append(table[rows])
    return pd.concat(parts)


def columns_of_view(
    params: dict[str, Any],
    candles: pd.DataFrame,
    missing: list[pd.Timestamp],
    turns: list[pd.Timestamp],
) -> pd.DataFrame:
    """All columns per bar, with the bars of some days missing."""
    kept = candles.drop(index=missing)
    if kept.empty:
        return pd.DataFrame()
    bars = flat_filled(kept)
    close = bars["close"]
    weighting = params["signals"]["weighting"]
    span = weighting["weighted_signal_ewm_window"]
    slope, ma_rank = ribbon(params, close)
    position, donchian_rank = donchian(params, bars)
    if span >= 1:
        ma_rank, donchian_rank = ewm_mean(ma_rank, span), ewm_mean(donchian_rank, span)
    weighted = (
        weighting["ma_crossover_signal_weight"] * ma_rank
        + weighting["donchian_signal_weight"] * donchian_rank
    )
    if params["signals"]["donchian"]["use_donchian_exit_gate"]:
        weighted = weighted * exit_gate(params, bars, position)
    r_squared = straightness(params, close)
    penalty = restlessness_penalty(params, close)
    regime_filter = regime(params, r_squared, penalty)
    final = (weighted * regime_filter * confirmed(params, r_squared)).clip(lower=0)
    returns = close / close.shift(1) - 1
    daily = row_by_row(returns, params["risk_and_sizing"]["volatility_window"], sample_std)
    daily = daily.mask(daily < SMALLEST_STD, 0.0)
    volatility = daily * np.sqrt(params["run"]["annual_trading_days"])
    table = pd.DataFrame(
        {
            "close": close,
            "ma_slope": slope,
            "ma_rank": ma_rank,
            "donchian_position": position,
            "donchian_rank": donchian_rank,
            "weighted_signal": weighted,
            "r_squared": r_squared,
            "vol_of_vol_penalty": penalty,
            "regime_filter": regime_filter,
            "final_signal": final,
            "annualized_volatility": volatility,
            "vol_adjusted_signal": divided(final, volatility),
        }
    ).join(levels(params, bars))
    days_of_history = np.arange(1, len(table) + 1)
    too_young = days_of_history < params["run"]["warmup_days"]
    table.loc[too_young, list(SIGNAL_COLUMNS)] = np.nan
    table["data_ok"] = quality(bars, turns)
    table["simple_return"] = returns
    return table


def row_of_day(params: dict[str, Any], table: pd.DataFrame, day: dt.date) -> dict[str, Any]:
    """
    What is known of one ticker when `day` begins.

    `table` holds bars before `day` only. A day without a good bar of its own shows the columns of
    the last good one; without any, everything is undefined.
    """
    undefined: dict[Any, Any] = dict.fromkeys(columns(params), np.nan)
    if table.empty:
        return {**undefined, "data_ok": False}
    yesterday = utc_day(day) - ONE_DAY
    is_ok = bool(table.index[-1] == yesterday and table["data_ok"].iloc[-1])
    good = table[table["data_ok"]]
    shown = undefined if good.empty else good.iloc[-1][list(columns(params))].to_dict()
    return {**shown, "data_ok": is_ok}

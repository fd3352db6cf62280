"""
Signals: from lagged bars to a direction per ticker and day.

Stage 2 of the pipeline (bars -> *signals* -> risk -> sizing -> trades). Row D knows the bars
through D - 1 and nothing later. A row that is not `data_ok` shows the columns of the last good
row. Undefined is NaN, never 0.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tf_lib.core import indicators as kernels
from tf_lib.core.arrays import BoolArray, FloatArray, IntArray
from tf_lib.core.market import Bars
from tf_lib.core.windows import carry_forward, ewm_mean, rolling_max, rolling_mean_std, rolling_rank
from tf_lib.errors import BarsError
from tf_lib.parameters import Config, MovingAverage

COLUMNS = (
    "close",
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
    "atr",
    "highest_high",
    "chandelier_stop",
)
NEED_HISTORY = COLUMNS[COLUMNS.index("ma_slope") : COLUMNS.index("atr")]

# What was computed for some setting, so that parameter sets on the same bars can share it.
Memo = MutableMapping[tuple[object, ...], FloatArray]


@dataclass(frozen=True)
class Signals:
    """
    Every signal column on the grid of `Bars`; arrays have shape (n_rows, n_tickers).

    Attributes
    ----------
    tickers, days
        As in the bars.
    values : mapping of column to float array
        The columns of `COLUMNS`, then ``donchian_upper``, ``donchian_lower`` and one
        ``ema_<span>`` of log close per ribbon average. Rows that are not ok show the last good one.
    data_ok : bool array
        Whether the bar of the day before exists and is believable.
    simple_return : float array
        Day on day return of the bars as they are, never carried: 0 on days without a bar, NaN
        through the first bar.
    history_bars : int array
        Days from the first bar through the last one known, flat ones included.
    """

    tickers: tuple[str, ...]
    days: pd.DatetimeIndex
    values: Mapping[str, FloatArray]
    data_ok: BoolArray
    simple_return: FloatArray
    history_bars: IntArray

    def __getitem__(self, column: str) -> FloatArray:
        """Return one column for all days and tickers."""
        return self.values[column]

    def row_of(self, day: dt.date) -> int:
        """Return the row of a day, or say which days there are."""
        row = (day - self.days[0].date()).days
        if not 0 <= row < len(self.days):
            raise BarsError(
                f"there are no signals for {day}: rows go from {self.days[0].date()} "
                f"to {self.days[-1].date()}"
            )
        return row

    def row(self, day: dt.date) -> dict[str, FloatArray]:
        """Return every column of one day, each of shape (n_tickers,)."""
        at = self.row_of(day)
        return {name: grid[at].copy() for name, grid in self.values.items()}

    def frame(self, ticker: str) -> pd.DataFrame:
        """Return one ticker's columns and `data_ok`, indexed by day."""
        j = self.tickers.index(ticker)
        columns = {name: grid[:, j] for name, grid in self.values.items()}
        return pd.DataFrame({**columns, "data_ok": self.data_ok[:, j]}, index=self.days)

    def to_frame(self) -> pd.DataFrame:
        """Return all tickers below each other with columns date, ticker, ..., as artifacts hold."""
        frames = [self.frame(t).reset_index().assign(ticker=t) for t in self.tickers]
        table = pd.concat(frames, ignore_index=True)
        return table[["date", "ticker", *(c for c in table if c not in ("date", "ticker"))]]


def signals(bars: Bars, config: Config, *, memo: Memo | None = None) -> Signals:
    """
    Compute every signal column of DESIGN section 5.

    Parameters
    ----------
    bars : Bars
        Lagged bars of the tickers wanted.
    config : Config
        Parameters; sections ``signals``, ``risk_and_sizing`` and ``run`` are used.
    memo : mutable mapping, optional
        Keeps what was computed for a setting. Only for calls with the *same* bars.

    Returns
    -------
    Signals
        **Row D knows the bars through D - 1.** Columns between ``ma_slope`` and
        ``vol_adjusted_signal`` are NaN until a ticker has ``warmup_days`` days of history.
    """
    parts = _Parts(bars, config, {} if memo is None else memo)
    grids = {**_blended(parts), **_stop_columns(parts), **_drawn(parts)}
    names = [*COLUMNS, *(name for name in grids if name not in COLUMNS)]
    table = np.stack([grids[name] for name in names], axis=1)
    history = _history(bars)
    too_short = history < config.run.warmup_days
    for c, name in enumerate(names):
        if name in NEED_HISTORY:
            table[:, c][too_short] = np.nan
    data_ok = _data_ok(parts)
    for j in range(len(bars.tickers)):
        carry_forward(table[j], data_ok[j])
    return Signals(
        tickers=bars.tickers,
        days=bars.days,
        values={name: table[:, c].T for c, name in enumerate(names)},
        data_ok=data_ok.T,
        simple_return=_known_returns(parts).T,
        history_bars=history.T,
    )


class _Parts:
    """The components of a signal, each (n_tickers, n_rows), computed once per distinct setting."""

    def __init__(self, bars: Bars, config: Config, memo: Memo) -> None:
        self.bars = bars
        self.config = config
        self._memo = memo
        self.spans = ribbon_spans(config.signals.moving_average)
        self._log_close = self._remember(
            ("log_close",), lambda j, span: np.log(bars.close.T[j, span])
        )

    def _remember(
        self, key: tuple[object, ...], of_ticker: Callable[[int, slice], FloatArray]
    ) -> FloatArray:
        """Return what `of_ticker` says of each ticker's history, on the whole grid."""
        if key not in self._memo:
            self._memo[key] = self._over_tickers(of_ticker)
        return self._memo[key]

    def _over_tickers(self, of_ticker: Callable[[int, slice], FloatArray]) -> FloatArray:
        grid: FloatArray | None = None
        n_rows, n_tickers = self.bars.close.shape
        for j in range(n_tickers):
            span = slice(int(self.bars.first_row[j]), int(self.bars.end_row[j]))
            if span.start == span.stop:
                continue
            part = of_ticker(j, span)
            if grid is None:
                grid = np.full((*part.shape[:-1], n_tickers, n_rows), np.nan)
            grid[..., j, span] = part
        if grid is None:
            raise BarsError(f"no bars of any ticker among {', '.join(self.bars.tickers)}")
        return grid

    def averages(self) -> FloatArray:
        """Ribbon of exponential averages, (n_spans, n_tickers, n_rows)."""
        spans = self.spans
        return self._remember(
            ("averages", *spans), lambda j, span: kernels.ribbon(self._log_close[j, span], spans)
        )

    def slope(self) -> FloatArray:
        """Slope of the ribbon."""
        spans, averages = self.spans, self.averages()
        return self._remember(
            ("slope", *spans), lambda j, span: kernels.ribbon_slope(averages[:, j, span], spans)
        )

    def slope_rank(self) -> FloatArray:
        """Rank of the slope, smoothed."""
        slope, window = self.slope(), self.config.signals.moving_average.mavg_z_score_window
        key = ("slope_rank", *self.spans, window)
        rank = self._remember(key, lambda j, span: kernels.normal_rank(slope[j, span], window))
        return self._smoothed(key, rank, self.config.signals.weighting.weighted_signal_ewm_window)

    def _smoothed(self, key: tuple[object, ...], raw: FloatArray, span_bars: float) -> FloatArray:
        return self._remember(
            (*key, "smoothed", span_bars), lambda j, span: ewm_mean(raw[j, span], span_bars)
        )

    def channel(self, window: int) -> FloatArray:
        """Upper and lower band, (2, n_tickers, n_rows), as the shift setting says."""
        shift = int(self.config.signals.donchian.donchian_shift)
        high, low = self.bars.high.T, self.bars.low.T
        return self._remember(
            ("channel", window, shift),
            lambda j, span: np.stack(kernels.channel(high[j, span], low[j, span], window, shift)),
        )

    def position(self) -> FloatArray:
        """Close within the entry channel."""
        window = self.config.signals.donchian.entry_rolling_donchian_window
        close, (upper, lower) = self.bars.close.T, self.channel(window)
        return self._remember(
            ("position", window, self.config.signals.donchian.donchian_shift),
            lambda j, span: kernels.channel_position(
                close[j, span], upper[j, span], lower[j, span]
            ),
        )

    def position_rank(self) -> FloatArray:
        """Rank of the position within its own past, smoothed."""
        settings, position = self.config.signals.donchian, self.position()
        entry, window = settings.entry_rolling_donchian_window, settings.rank_window
        key = ("position_rank", entry, settings.donchian_shift, window)
        rank = self._remember(
            key, lambda j, span: rolling_rank(position[j, span], window, entry) - 0.5
        )
        return self._smoothed(key, rank, self.config.signals.weighting.weighted_signal_ewm_window)

    def quality(self) -> FloatArray:
        """Trend quality, 1 everywhere when the filter is off."""
        settings = self.config.signals.filters.rolling_r2
        if not settings.enabled:
            return self._ones()
        numbers = (
            settings.rolling_r2_window,
            settings.lower_r_sqr_limit,
            settings.upper_r_sqr_limit,
            float(settings.r2_smooth_window),
        )
        return self._remember(
            ("quality", *numbers),
            lambda j, span: kernels.trend_quality(self._log_close[j, span], *numbers),
        )

    def penalty(self) -> FloatArray:
        """Restlessness penalty, 1 everywhere when the filter is off."""
        settings = self.config.signals.filters.vol_of_vol
        if not settings.enabled:
            return self._ones()
        numbers = (
            settings.log_std_window,
            settings.coef_of_variation_window,
            settings.vol_of_vol_z_score_window,
            float(settings.vol_of_vol_p_min),
            float(self.config.run.annual_trading_days),
        )
        return self._remember(
            ("penalty", *numbers),
            lambda j, span: kernels.restlessness_penalty(self._log_close[j, span], *numbers),
        )

    def _ones(self) -> FloatArray:
        return self._remember(("ones",), lambda j, span: np.ones(span.stop - span.start))

    def confirmed(self) -> FloatArray:
        """1 where the quality has held for the days wanted, else 0."""
        days, quality = self.config.signals.filters.rolling_r2.r2_confirm_days, self.quality()
        return self._over_tickers(lambda j, span: kernels.confirmed(quality[j, span], days))

    def returns(self) -> FloatArray:
        """Simple returns, day on day."""
        close = self.bars.close.T
        return self._remember(("returns",), lambda j, span: kernels.simple_returns(close[j, span]))

    def volatility(self) -> FloatArray:
        """Annualized standard deviation of simple returns."""
        window, returns = self.config.risk_and_sizing.volatility_window, self.returns()
        daily = self._remember(
            ("volatility", window), lambda j, span: rolling_mean_std(returns[j, span], window)[1]
        )
        return daily * math.sqrt(self.config.run.annual_trading_days)

    def atr(self) -> FloatArray:
        """Average true range."""
        window = float(self.config.risk_and_sizing.rolling_atr_window)
        high, low, close = self.bars.high.T, self.bars.low.T, self.bars.close.T
        return self._remember(
            ("atr", window),
            lambda j, span: kernels.average_true_range(
                high[j, span], low[j, span], close[j, span], window
            ),
        )

    def highest_high(self) -> FloatArray:
        """Highest high the chandelier hangs from."""
        window, high = self.config.risk_and_sizing.highest_high_window, self.bars.high.T
        return self._remember(
            ("highest_high", window), lambda j, span: rolling_max(high[j, span], window)
        )


def ribbon_spans(settings: MovingAverage) -> FloatArray:
    """
    Return the spans of the ribbon: whole numbers, evenly spread on a log scale, each once.

    Examples
    --------
    >>> from tf_lib.parameters import MovingAverage
    >>> ribbon_spans(MovingAverage(fast_mavg=20, slow_mavg=200, mavg_stepsize=4,
    ...                            mavg_z_score_window=126)).tolist()
    [20.0, 43.0, 93.0, 200.0]
    """
    spread = np.geomspace(settings.fast_mavg, settings.slow_mavg, settings.mavg_stepsize)
    spans: FloatArray = np.unique(np.round(spread))
    return spans


def _blended(parts: _Parts) -> dict[str, FloatArray]:
    """From the parts to `vol_adjusted_signal` (DESIGN section 5, steps 1 to 7)."""
    weighting = parts.config.signals.weighting
    ma_rank, donchian_rank = parts.slope_rank(), parts.position_rank()
    weighted = weighting.ma_crossover_signal_weight * ma_rank
    weighted = weighted + weighting.donchian_signal_weight * donchian_rank
    if parts.config.signals.donchian.use_donchian_exit_gate:
        weighted = weighted * _exit_gate(parts)
    quality, penalty = parts.quality(), parts.penalty()
    regime = _regime(parts.config, quality, penalty)
    final = weighted * regime
    if parts.config.signals.filters.rolling_r2.r2_confirm_days >= 1:
        final = final * parts.confirmed()
    # Long only; adding 0 turns -0.0 into 0.0.
    final = np.maximum(final, 0.0) + 0.0
    volatility = parts.volatility()
    adjusted = np.full_like(final, np.nan)
    np.divide(final, volatility, out=adjusted, where=volatility > 0)
    return {
        "ma_slope": parts.slope(),
        "ma_rank": ma_rank,
        "donchian_position": parts.position(),
        "donchian_rank": donchian_rank,
        "weighted_signal": weighted,
        "r_squared": quality,
        "vol_of_vol_penalty": penalty,
        "regime_filter": regime,
        "final_signal": final,
        "annualized_volatility": volatility,
        "vol_adjusted_signal": adjusted,
    }


def _regime(config: Config, quality: FloatArray, penalty: FloatArray) -> FloatArray:
    """A strong trend is not penalized; in binary mode the rest is 1 or 0."""
    filters = config.signals.filters
    is_strong = quality >= filters.rolling_r2.r2_strong_threshold
    regime = np.where(is_strong, quality, quality * penalty)
    if filters.filter_mode == "binary":
        passed = (regime >= filters.binary_threshold).astype(np.float64)
        return np.where(np.isnan(regime), np.nan, passed)
    return regime


def _exit_gate(parts: _Parts) -> FloatArray:
    """1 while close has not crossed the exit band on the far side, else 0."""
    window = parts.config.signals.donchian.exit_rolling_donchian_window
    upper, lower = parts.channel(window)
    close, position = parts.bars.close.T, parts.position()
    stays = ((position >= 0) & (close >= lower)) | ((position < 0) & (close <= upper))
    return np.where(stays, 1.0, 0.0)


def _stop_columns(parts: _Parts) -> dict[str, FloatArray]:
    atr, highest = parts.atr(), parts.highest_high()
    multiplier = parts.config.risk_and_sizing.atr_multiplier
    return {
        "close": parts.bars.close.T,
        "atr": atr,
        "highest_high": highest,
        "chandelier_stop": highest - multiplier * atr,
    }


def _drawn(parts: _Parts) -> dict[str, FloatArray]:
    """Columns that only charts read."""
    upper, lower = parts.channel(parts.config.signals.donchian.entry_rolling_donchian_window)
    ribbon = zip(parts.spans, parts.averages(), strict=True)
    return {
        "donchian_upper": upper,
        "donchian_lower": lower,
        **{f"ema_{span:.0f}": average for span, average in ribbon},
    }


def _known_returns(parts: _Parts) -> FloatArray:
    """Day on day returns; days after the last bar count 0, as they will once they are a hole."""
    returns = parts.returns().copy()
    for j, (first, end) in enumerate(zip(parts.bars.first_row, parts.bars.end_row, strict=True)):
        if end > first:
            returns[j, end:] = 0.0
    return returns


def _data_ok(parts: _Parts) -> BoolArray:
    bars = parts.bars
    reach, atr = bars.high.T - bars.low.T, parts.atr()
    rows = [
        kernels.trusted(bars.present.T[j], bars.recovering.T[j], reach[j], atr[j])
        for j in range(len(bars.tickers))
    ]
    return np.stack(rows)


def _history(bars: Bars) -> IntArray:
    """Days from the first bar through the last one known at each row, (n_tickers, n_rows)."""
    rows = np.arange(len(bars.days))
    last = np.maximum.accumulate(np.where(bars.present.T, rows, -1), axis=1)
    days: IntArray = np.where(last >= 0, last - bars.first_row[:, None] + 1, 0).astype(np.int64)
    return days

"""
Components: the parts of a signal over all tickers, each computed once per distinct setting.

Part of stage 2 (bars -> *signals* -> risk). Parameter sets that differ in one place share the
rest: what was computed is kept in a memo under the numbers it depends on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, MutableMapping

import numpy as np

from tf_lib.core import indicators as kernels
from tf_lib.core.arrays import FloatArray
from tf_lib.core.market import Bars
from tf_lib.core.windows import ewm_mean, rolling_max, rolling_mean_std, rolling_rank
from tf_lib.errors import BarsError
from tf_lib.parameters import Config, MovingAverage

# What was computed for some setting, so that parameter sets on the same bars can share it.
Memo = MutableMapping[tuple[object, ...], FloatArray]


class Components:
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

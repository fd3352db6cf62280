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
from tf_lib.core.windows import ewm_mean, rolling_max, rolling_rank
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
        ends = zip(bars.first_row.tolist(), bars.end_row.tolist(), strict=True)
        self._listed = [(j, slice(*rows)) for j, rows in enumerate(ends) if rows[0] < rows[1]]
        if not self._listed:
            raise BarsError(f"no bars of any ticker among {', '.join(bars.tickers)}")
        whole = slice(0, len(bars.days))
        self._is_whole = [rows for _, rows in self._listed] == [whole] * len(bars.tickers)
        self._close, self._high, self._low = bars.close.T, bars.high.T, bars.low.T

    def _remember(
        self, key: tuple[object, ...], compute: Callable[..., FloatArray], *grids: FloatArray
    ) -> FloatArray:
        """Return what `compute` makes of each ticker's rows of some grids, on the whole grid."""
        if key not in self._memo:
            self._memo[key] = self._over_tickers(compute, *grids)
        return self._memo[key]

    def _over_tickers(self, compute: Callable[..., FloatArray], *grids: FloatArray) -> FloatArray:
        histories = [self._histories(grid) for grid in grids]
        grid: FloatArray = np.empty(0)
        for (j, rows), its in zip(self._listed, zip(*histories, strict=True), strict=True):
            part = compute(*its)
            if not grid.size:
                shape = (*part.shape[:-1], *self._close.shape)
                grid = np.empty(shape) if self._is_whole else np.full(shape, np.nan)
            grid[..., j, rows] = part
        return grid

    def _histories(self, grid: FloatArray) -> list[FloatArray]:
        """Return each listed ticker's rows of a grid [..., ticker, row], first bar to last."""
        if self._is_whole and grid.ndim == 2:
            return list(grid)
        return [grid[..., j, rows] for j, rows in self._listed]

    def log_close(self) -> FloatArray:
        """Log of the close."""
        return self._remember(("log_close",), np.log, self._close)

    def averages(self) -> FloatArray:
        """Ribbon of exponential averages, (n_spans, n_tickers, n_rows)."""
        spans = self.spans
        return self._remember(
            ("averages", *spans), lambda close: kernels.ribbon(close, spans), self.log_close()
        )

    def slope(self) -> FloatArray:
        """Slope of the ribbon; the ribbon itself is not kept for it."""
        spans = self.spans
        return self._remember(
            ("slope", *spans),
            lambda close: kernels.ribbon_slope(kernels.ribbon(close, spans), spans),
            self.log_close(),
        )

    def slope_rank(self) -> FloatArray:
        """Rank of the slope, smoothed."""
        window = self.config.signals.moving_average.mavg_z_score_window
        key = ("slope_rank", *self.spans, window)
        rank = self._remember(key, lambda slope: kernels.normal_rank(slope, window), self.slope())
        return self._smoothed(key, rank)

    def _smoothed(self, key: tuple[object, ...], raw: FloatArray) -> FloatArray:
        span = self.config.signals.weighting.weighted_signal_ewm_window
        return self._remember((*key, "smoothed", span), lambda rows: ewm_mean(rows, span), raw)

    def channel(self, window: int) -> FloatArray:
        """Upper and lower band, (2, n_tickers, n_rows), as the shift setting says."""
        shift = int(self.config.signals.donchian.donchian_shift)
        return self._remember(
            ("channel", window, shift),
            lambda high, low: kernels.channel(high, low, window, shift),
            self._high,
            self._low,
        )

    def position(self) -> FloatArray:
        """Close within the entry channel."""
        settings = self.config.signals.donchian
        window = settings.entry_rolling_donchian_window
        key = ("position", window, settings.donchian_shift)
        return self._remember(key, kernels.channel_position, self._close, *self.channel(window))

    def position_rank(self) -> FloatArray:
        """Rank of the position within its own past, smoothed."""
        settings = self.config.signals.donchian
        entry, window = settings.entry_rolling_donchian_window, settings.rank_window
        key = ("position_rank", entry, settings.donchian_shift, window)
        rank = self._remember(
            key, lambda position: rolling_rank(position, window, entry) - 0.5, self.position()
        )
        return self._smoothed(key, rank)

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
            lambda close: kernels.trend_quality(close, *numbers),
            self.log_close(),
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
            lambda close: kernels.restlessness_penalty(close, *numbers),
            self.log_close(),
        )

    def _ones(self) -> FloatArray:
        return self._remember(("ones",), np.ones_like, self._close)

    def confirmed(self) -> FloatArray:
        """1 where the quality has held for the days wanted, else 0."""
        days = self.config.signals.filters.rolling_r2.r2_confirm_days
        return self._over_tickers(lambda quality: kernels.confirmed(quality, days), self.quality())

    def returns(self) -> FloatArray:
        """Simple returns, day on day."""
        return self._remember(("returns",), kernels.simple_returns, self._close)

    def volatility(self) -> FloatArray:
        """Annualized standard deviation of simple returns; what rounding leaves of none is 0."""
        window = self.config.risk_and_sizing.volatility_window
        daily = self._remember(
            ("volatility", window),
            lambda returns: kernels.spread(returns, window),
            self.returns(),
        )
        return daily * math.sqrt(self.config.run.annual_trading_days)

    def atr(self) -> FloatArray:
        """Average true range."""
        window = float(self.config.risk_and_sizing.rolling_atr_window)
        return self._remember(
            ("atr", window),
            lambda high, low, close: kernels.average_true_range(high, low, close, window),
            self._high,
            self._low,
            self._close,
        )

    def highest_high(self) -> FloatArray:
        """Highest high the chandelier hangs from."""
        window = self.config.risk_and_sizing.highest_high_window
        return self._remember(
            ("highest_high", window), lambda high: rolling_max(high, window), self._high
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

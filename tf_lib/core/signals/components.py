"""
Components: the parts of a signal over all tickers, each computed once per distinct setting.

Part of stage 2 (bars -> *signals* -> risk). Parameter sets that differ in one place share the
rest: what was computed is kept in a memo under the numbers it depends on. What is blended and what
multiplies the blend is said once, in the tables `BLEND` and `FILTERS` at the end; components of a
user's own (``signals.custom``) are blended behind those of the table, by name.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lib.core.candles.bars import Bars
from tf_lib.core.candles.quarantine import Earlier
from tf_lib.core.jit.arrays import FloatArray, IntArray
from tf_lib.core.signals import grids
from tf_lib.core.signals.custom import custom_layers
from tf_lib.errors import BarsError
from tf_lib.parameters import Config, MovingAverage
from tf_lib.parameters.custom_signals import CustomSignal
from tf_lib.parameters.sections import Weighting

# What was computed for some setting, so that parameter sets on the same bars can share it.
Memo = MutableMapping[tuple[object, ...], FloatArray]


class Components:
    """The components of a signal, each (n_tickers, n_rows), computed once per distinct setting."""

    def __init__(
        self,
        bars: Bars,
        config: Config,
        memo: Memo,
        *,
        mark: tuple[object, ...] = (),
        earlier: Sequence[Earlier] = (),
    ) -> None:
        self.bars = bars
        self._earlier = earlier
        # Sets that believe other bars share nothing.
        self._mark = mark
        self.config = config
        self._memo = memo
        self.spans = ribbon_spans(config.signals.moving_average)
        self._rows = np.stack((bars.first_row, bars.end_row), axis=1)
        lengths = bars.bar_counts
        if not lengths.any():
            raise BarsError(f"no bars of any ticker among {', '.join(bars.tickers)}")
        self._is_whole = bool((lengths == len(bars.days)).all())
        self.close, self._high, self._low = bars.close.T, bars.high.T, bars.low.T

    def _grid(self, shape: tuple[int, ...] = ()) -> FloatArray:
        """Return an array for a component; what lies outside a ticker's bars is undefined."""
        whole = (*shape, *self.close.shape)
        return np.empty(whole) if self._is_whole else np.full(whole, np.nan)

    def _remember(
        self,
        key: tuple[object, ...],
        fill: Callable[..., None],
        *given: Any,
        shape: tuple[int, ...] = (),
    ) -> FloatArray:
        """Return the grid, or so many beside each other, that `fill` writes, once per key."""
        key = (*self._mark, *key)
        if key not in self._memo:
            grid = self._grid(shape)
            fill(self._rows, *given, grid)
            self._memo[key] = grid
        return self._memo[key]

    def log_close(self) -> FloatArray:
        """Log of the close."""
        key = (*self._mark, "log_close")
        if key not in self._memo:
            self._memo[key] = np.log(self.close)
        return self._memo[key]

    def averages(self) -> FloatArray:
        """Ribbon of exponential averages, (n_spans, n_tickers, n_rows)."""
        key = ("averages", *self.spans)
        given = self.log_close(), self.spans
        return self._remember(key, grids.fill_ribbon, *given, shape=(self.spans.size,))

    def slope(self) -> FloatArray:
        """Slope of the ribbon; the ribbon itself is not kept for it."""
        key = ("slope", *self.spans)
        return self._remember(key, grids.fill_slope, self.log_close(), self.spans)

    def slope_rank(self) -> FloatArray:
        """Rank of the slope, smoothed."""
        window = self.config.signals.moving_average.mavg_z_score_window
        key = ("slope_rank", *self.spans, window)
        rank = self._remember(key, grids.fill_normal_rank, self.slope(), window)
        return self._smoothed(key, rank)

    def _smoothed(self, key: tuple[object, ...], raw: FloatArray) -> FloatArray:
        span = float(self.config.signals.weighting.weighted_signal_ewm_window)
        return self._remember((*key, "smoothed", span), grids.fill_smoothed, raw, span)

    def channel(self, window: int) -> FloatArray:
        """Upper and lower band, (2, n_tickers, n_rows), as the shift setting says."""
        shift = int(self.config.signals.donchian.donchian_shift)
        key = ("channel", window, shift)
        given = self._high, self._low, window, shift
        return self._remember(key, grids.fill_channel, *given, shape=(2,))

    def position(self) -> FloatArray:
        """Close within the entry channel."""
        settings = self.config.signals.donchian
        window = settings.entry_rolling_donchian_window
        key = ("position", window, settings.donchian_shift)
        return self._remember(key, grids.fill_position, self.close, self.channel(window))

    def position_rank(self) -> FloatArray:
        """Rank of the position within its own past, smoothed."""
        settings = self.config.signals.donchian
        entry, window = settings.entry_rolling_donchian_window, settings.rank_window
        key = ("position_rank", entry, settings.donchian_shift, window)
        rank = self._remember(key, grids.fill_rank, self.position(), window, entry)
        return self._smoothed(key, rank)

    def quality(self) -> FloatArray:
        """Trend quality, 1 everywhere when the filter is off."""
        settings = self.config.signals.filters.rolling_r2
        if not settings.enabled:
            return self._ones()
        numbers = (
            settings.rolling_r2_window,
            float(settings.lower_r_sqr_limit),
            float(settings.upper_r_sqr_limit),
            float(settings.r2_smooth_window),
        )
        key = ("quality", *numbers)
        return self._remember(key, grids.fill_quality, self.log_close(), *numbers)

    def penalty(self) -> FloatArray:
        """Volatility-of-volatility penalty, 1 everywhere when the filter is off."""
        settings = self.config.signals.filters.vol_of_vol
        if not settings.enabled:
            return self._ones()
        windows = (
            settings.log_std_window,
            settings.coef_of_variation_window,
            settings.vol_of_vol_z_score_window,
        )
        numbers = (float(settings.vol_of_vol_p_min), float(self.config.run.annual_trading_days))
        key = ("penalty", *windows, *numbers)
        return self._remember(key, grids.fill_penalty, self.log_close(), windows, *numbers)

    def _ones(self) -> FloatArray:
        return self._remember(("ones",), _fill_ones)

    def confirmed(self) -> FloatArray:
        """1 where the quality has held for the days wanted, else 0."""
        days = self.config.signals.filters.rolling_r2.r2_confirm_days
        grid = self._grid()
        grids.fill_confirmed(self._rows, self.quality(), days, grid)
        return grid

    def returns(self) -> FloatArray:
        """Simple returns, day on day."""
        return self._remember(("returns",), grids.fill_returns, self.close)

    def volatility(self) -> FloatArray:
        """Annualized standard deviation of simple returns; what rounding leaves of none is 0."""
        window = self.config.risk_and_sizing.volatility_window
        daily = self._remember(("volatility", window), grids.fill_spread, self.returns(), window)
        return daily * math.sqrt(self.config.run.annual_trading_days)

    def atr(self) -> FloatArray:
        """Average true range."""
        window = float(self.config.risk_and_sizing.rolling_atr_window)
        given = self._high, self._low, self.close, window
        return self._remember(("atr", window), grids.fill_true_range, *given)

    def highest_high(self) -> FloatArray:
        """Highest high the chandelier hangs from."""
        window = self.config.risk_and_sizing.highest_high_window
        return self._remember(("highest_high", window), grids.fill_highest, self._high, window)

    def custom(self, name: str, layer: int) -> FloatArray:
        """One layer of a custom component: a column of its own, or the last, its rank."""
        component = self.config.signals.custom[name]
        key = (*self._mark, "custom", component.identity)
        if key not in self._memo:
            self._memo[key] = custom_layers(self.bars, self._earlier, name, component)
        grid: FloatArray = self._memo[key][layer]
        return grid


def _fill_ones(rows: IntArray, out: FloatArray) -> None:
    for j, (first, end) in enumerate(rows.tolist()):
        out[j, first:end] = 1.0


@functools.lru_cache(maxsize=64)
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
    spans.flags.writeable = False
    return spans


Maker = Callable[[Components], FloatArray]


@dataclass(frozen=True)
class SignalComponent:
    """
    One rank of the blend, -0.5 to 0.5.

    Attributes
    ----------
    columns : mapping of name to callable
        What is reported of it, (n_tickers, n_rows) each; the last one is its rank.
    label : str
        What charts call the rank.
    weight : callable
        Its weight in the blend, from ``signals.weighting``; None where it takes no part, is not
        computed and not reported.
    """

    columns: Mapping[str, Maker]
    label: str
    weight: Callable[[Weighting], float | None]

    @property
    def rank(self) -> str:
        """The column that is blended."""
        return list(self.columns)[-1]


@dataclass(frozen=True)
class SignalFilter:
    """
    One factor of the regime filter, 0 to 1: its column, what charts call it, and its maker.

    Attributes
    ----------
    spares_strong : bool
        Whether it does not count where the trend quality is ``r2_strong_threshold`` or more.
    """

    column: str
    label: str
    made: Maker
    spares_strong: bool = False


BLEND = (
    SignalComponent(
        {"ma_slope": Components.slope, "ma_rank": Components.slope_rank},
        "ribbon rank",
        lambda weighting: weighting.ma_crossover_signal_weight,
    ),
    SignalComponent(
        {"donchian_position": Components.position, "donchian_rank": Components.position_rank},
        "Donchian rank",
        lambda weighting: weighting.donchian_signal_weight,
    ),
)
FILTERS = (
    SignalFilter("r_squared", "trend quality (r squared)", Components.quality),
    SignalFilter("vol_of_vol_penalty", "calm volatility (penalty)", Components.penalty, True),
)


def blended_components(config: Config) -> list[tuple[SignalComponent, float]]:
    """Return the components that take part in the blend, each with its weight."""
    weighed = [(one, one.weight(config.signals.weighting)) for one in BLEND]
    weighed += [
        (_custom_component(name, one), one.weight)
        for name, one in sorted(config.signals.custom.items())
    ]
    return [(one, weight) for one, weight in weighed if weight is not None]


def _custom_component(name: str, component: CustomSignal) -> SignalComponent:
    """Return the entry that a component of the user's own would have in `BLEND`."""

    def maker(layer: int) -> Maker:
        return lambda parts: parts.custom(name, layer)

    columns = {column: maker(k) for k, column in enumerate(component.column_names(name))}
    label = component.label or name.replace("_", " ")
    return SignalComponent(columns, label, lambda _: component.weight)

"""
Signals: from lagged bars to a direction per ticker and day.

Stage 2 of the pipeline (bars -> *signals* -> risk -> sizing -> trades). Row D knows the bars
through D - 1 and nothing later. A row that is not `data_ok` shows the columns of the last good
row. Undefined is NaN, never 0.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tf_lib.core.candles.bars import Bars, row_among
from tf_lib.core.candles.quarantine import (
    NO_DOUBTS,
    BelievedBars,
    Doubts,
    Quarantined,
    QuarantineRules,
    believed_bars,
)
from tf_lib.core.jit.arrays import BoolArray, FloatArray, IntArray
from tf_lib.core.signals import grids
from tf_lib.core.signals.components import FILTERS, Components, Memo, blended_components
from tf_lib.core.signals.stop_levels import STOP_STRATEGIES, StopStrategy
from tf_lib.errors import ParameterError
from tf_lib.parameters import Config


@dataclass(frozen=True)
class Signals:
    """
    Every signal column on the grid of `Bars`; arrays have shape (n_rows, n_tickers).

    Attributes
    ----------
    tickers, days
        As in the bars.
    values : mapping of column to float array
        The reported columns, then ``donchian_upper``, ``donchian_lower`` and one ``ema_<span>``
        of log close per ribbon average. Rows that are not ok show the last good one.
    data_ok : bool array
        Whether the bar of the day before exists and is believable.
    simple_return : float array
        Day on day return of the bars as they are, never carried: 0 on days without a bar, NaN
        through the first bar.
    history_bars : int array
        Days from the first bar through the last one known, flat ones included.
    quarantined : tuple of Quarantined
        Bars that are not believed, or were not at first.
    reported : tuple of str
        The columns that a decision reports, in order.
    stop : StopStrategy
        Whose level protects positions.
    """

    tickers: tuple[str, ...]
    days: pd.DatetimeIndex
    values: Columns
    data_ok: BoolArray
    simple_return: FloatArray
    history_bars: IntArray
    quarantined: tuple[Quarantined, ...] = ()
    reported: tuple[str, ...] = ()
    stop: StopStrategy = STOP_STRATEGIES["Chandelier"]

    @property
    def stop_level(self) -> FloatArray:
        """Where the stops of new positions belong on each day, [row, ticker]."""
        return self.values[self.stop.column]

    @property
    def doubts(self) -> dict[str, dict[dt.date, float]]:
        """Closes that are not believed because of the live price: what is to be remembered."""
        found: dict[str, dict[dt.date, float]] = {}
        for bar in self.quarantined:
            if bar.is_by_live_price:
                found.setdefault(bar.ticker, {})[bar.day] = bar.close
        return found

    def __getitem__(self, column: str) -> FloatArray:
        """Return one column for all days and tickers."""
        return self.values[column]

    def row_of(self, day: dt.date) -> int:
        """Return the row of a day, or say which days there are."""
        return row_among(self.days, day, what="signals")

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
        columns = {
            "date": self.days.take(np.tile(np.arange(len(self.days)), len(self.tickers))),
            "ticker": np.repeat(np.array(self.tickers, dtype=object), len(self.days)),
            **{name: grid.ravel(order="F") for name, grid in self.values.items()},
            "data_ok": self.data_ok.ravel(order="F"),
        }
        return pd.DataFrame(columns)


def signals(
    bars: Bars,
    config: Config,
    *,
    memo: Memo | None = None,
    live: FloatArray | None = None,
    doubts: Doubts = NO_DOUBTS,
) -> Signals:
    """
    Compute every signal column of docs/design.md section 5.

    Parameters
    ----------
    bars : Bars
        Lagged bars of the tickers wanted.
    config : Config
        Parameters; sections ``signals``, ``risk_and_sizing`` and ``run`` are used.
    memo : mutable mapping, optional
        Keeps what was computed for a setting. Only for calls with the *same* bars.
    live : float array of shape (n_rows, n_tickers), optional
        Row D: the price at which day D would trade, NaN where unknown; a close too far from it is
        not believed (`tf_lib.core.candles.quarantine`).
    doubts : mapping, optional
        Closes that earlier runs did not believe because of it.

    Returns
    -------
    Signals
        **Row D knows the bars through D - 1.** Columns between ``close`` and ``atr`` are NaN until
        a ticker has ``warmup_days`` days of history.

    Raises
    ------
    ParameterError
        If a custom component (``signals.custom``) fails or says what is no rank.
    """
    known = believed(bars, config, live=live, doubts=doubts)
    kept = {} if memo is None else memo
    parts = Components(known.bars, config, kept, mark=known.mark, earlier=known.earlier)
    stop = STOP_STRATEGIES[config.risk_and_sizing.stop_loss_strategy]
    blended = _blended(parts)
    reported = {"close": parts.close, **blended, **_stop_columns(parts, stop)}
    columns: dict[str, FloatArray | Callable[[], FloatArray]] = {}
    columns |= {name: known.seen(grid) for name, grid in reported.items()}
    columns |= _drawn(parts, known)
    history = known.seen(_history(known.bars))
    data_ok = known.seen(known.bars.present.T & ~known.bars.recovering.T)
    return Signals(
        tickers=bars.tickers,
        days=bars.days,
        values=Columns(
            columns,
            need_history=blended.keys(),
            is_short=history < config.run.warmup_days,
            is_good=data_ok,
        ),
        data_ok=data_ok.T,
        simple_return=known.seen(_known_returns(parts)).T,
        history_bars=history.T,
        quarantined=known.quarantined,
        reported=tuple(reported),
        stop=stop,
    )


def check_custom(known: Signals, config: Config, rows: slice) -> None:
    """
    Refuse a custom component that says nothing at all on some rows.

    Raises
    ------
    ParameterError
        If it is NaN on all of them for every ticker whose data are good and history is long enough.
    """
    due = known.data_ok[rows] & (known.history_bars[rows] >= config.run.warmup_days)
    for name, one in sorted(config.signals.custom.items()):
        if one.weight is None or not due.any():
            continue
        if np.isnan(known[one.column_names(name)[-1]][rows][due]).all():
            days = known.days[rows]
            raise ParameterError(
                f"signals.custom.{name}: {one.function_name} of {one.file} says NaN of every "
                f"ticker from {days[0].date()} to {days[-1].date()}, so nothing would be traded"
            )


def believed(
    bars: Bars, config: Config, *, live: FloatArray | None = None, doubts: Doubts = NO_DOUBTS
) -> BelievedBars:
    """Return what the config's windows may see of some bars; arguments as of `signals`."""
    rules = QuarantineRules(
        float(config.risk_and_sizing.rolling_atr_window), float(config.data.max_gap_to_live)
    )
    return believed_bars(bars, rules, live=live, doubts=doubts)


class Columns(Mapping[str, FloatArray]):
    """
    Signal columns by name, [row, ticker], each brought to what is known when it is first asked for.

    Parameters
    ----------
    raw : mapping of column to float array of shape (n_tickers, n_rows), or a call that makes it
    need_history : collection of str
        The columns that are undefined where a ticker has too little history.
    is_short : bool array
        Where that is.
    is_good : bool array
        Rows that are not good show the last good one.
    """

    def __init__(
        self,
        raw: Mapping[str, FloatArray | Callable[[], FloatArray]],
        *,
        need_history: Collection[str],
        is_short: BoolArray,
        is_good: BoolArray,
    ) -> None:
        self._raw, self._short, self._good = raw, is_short, is_good
        self._need_history = need_history
        self._never = np.zeros_like(is_short)
        self._known: dict[str, FloatArray] = {}

    def __getitem__(self, name: str) -> FloatArray:
        if name not in self._known:
            self.write(name, out := np.empty(self._short.T.shape))
            self._known[name] = out
        return self._known[name]

    def write(self, name: str, out: FloatArray) -> None:
        """Write a column's first rows into an array [row, ticker], and keep nothing."""
        made, rows = self._raw[name], slice(len(out))
        raw = made() if callable(made) else made
        short = self._short if name in self._need_history else self._never
        grids.fill_last_known(raw[:, rows], short[:, rows], self._good[:, rows], out)

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


def _blended(parts: Components) -> dict[str, FloatArray]:
    """From the parts to `vol_adjusted_signal` (docs/design.md section 5, steps 1 to 7)."""
    (first, weight), *others = blended_components(parts.config)
    components = {name: made(parts) for name, made in first.columns.items()}
    weighted = weight * components[first.rank]
    for one, weight in others:
        components |= {name: made(parts) for name, made in one.columns.items()}
        weighted += weight * components[one.rank]
    if parts.config.signals.donchian.use_donchian_exit_gate:
        weighted *= _exit_gate(parts)
    filters = {one.column: one.made(parts) for one in FILTERS}
    regime = _regime(parts, filters)
    final = weighted * regime
    if parts.config.signals.filters.rolling_r2.r2_confirm_days >= 1:
        final *= parts.confirmed()
    # Long only; adding 0 turns -0.0 into 0.0.
    np.maximum(final, 0.0, out=final)
    final += 0.0
    volatility = parts.volatility()
    adjusted = np.full_like(final, np.nan)
    np.divide(final, volatility, out=adjusted, where=volatility > 0)
    return {
        **components,
        "weighted_signal": weighted,
        **filters,
        "regime_filter": regime,
        "final_signal": final,
        "annualized_volatility": volatility,
        "vol_adjusted_signal": adjusted,
    }


def _regime(parts: Components, filters: Mapping[str, FloatArray]) -> FloatArray:
    """The product of the filters, some of which spare a strong trend; 1 or 0 in binary mode."""
    settings = parts.config.signals.filters
    first, *others = FILTERS
    regime = filters[first.column]
    is_strong = parts.quality() >= settings.rolling_r2.r2_strong_threshold
    for one in others:
        factor = filters[one.column]
        regime = (
            np.where(is_strong, regime, regime * factor) if one.spares_strong else regime * factor
        )
    if settings.filter_mode == "binary":
        passed = (regime >= settings.binary_threshold).astype(np.float64)
        return np.where(np.isnan(regime), np.nan, passed)
    return regime


def _exit_gate(parts: Components) -> FloatArray:
    """1 while close has not crossed the exit band on the far side, else 0."""
    window = parts.config.signals.donchian.exit_rolling_donchian_window
    upper, lower = parts.channel(window)
    close, position = parts.bars.close.T, parts.position()
    stays = ((position >= 0) & (close >= lower)) | ((position < 0) & (close <= upper))
    return np.where(stays, 1.0, 0.0)


def _stop_columns(parts: Components, stop: StopStrategy) -> dict[str, FloatArray]:
    """Range and highs, and the levels: the chandelier is always reported."""
    levels = {one.column: one for one in (STOP_STRATEGIES["Chandelier"], stop)}
    return {
        "atr": parts.atr(),
        "highest_high": parts.highest_high(),
        **{column: one.level(parts) for column, one in levels.items()},
    }


def _drawn(parts: Components, known: BelievedBars) -> dict[str, Callable[[], FloatArray]]:
    """Columns that only charts read, made when one does."""

    def one_of(made: Callable[[], FloatArray], k: int) -> Callable[[], FloatArray]:
        return lambda: known.seen(made()[k])

    window = parts.config.signals.donchian.entry_rolling_donchian_window
    bands = functools.partial(parts.channel, window)
    averages = {f"ema_{s:.0f}": one_of(parts.averages, k) for k, s in enumerate(parts.spans)}
    return {"donchian_upper": one_of(bands, 0), "donchian_lower": one_of(bands, 1), **averages}


def _known_returns(parts: Components) -> FloatArray:
    """Day on day returns; days after the last bar count 0, as they will once they are a hole."""
    bars, returns = parts.bars, parts.returns()
    ended = np.flatnonzero((bars.end_row > bars.first_row) & (bars.end_row < len(bars.days)))
    if ended.size:
        returns = returns.copy()
    for j in ended:
        returns[j, bars.end_row[j] :] = 0.0
    return returns


def _history(bars: Bars) -> IntArray:
    """Days from the first bar through the last one known at each row, (n_tickers, n_rows)."""
    days = np.empty(bars.present.T.shape, dtype=np.int64)
    grids.fill_history_days(bars.present.T, bars.first_row, days)
    return days

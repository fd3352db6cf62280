"""
Decision: one day from lagged bars and a portfolio to desired trades.

Stages 2 to 5 of the pipeline in one call (bars -> signals -> risk -> sizing -> trades), made of
the same functions that can be called one by one. Pure: it touches nothing.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tf_lib.core.candles.bars import Bars
from tf_lib.core.candles.quarantine import live_on
from tf_lib.core.jit.arrays import BoolArray, FloatArray, IntArray
from tf_lib.core.model.cooldown import is_cooling
from tf_lib.core.model.products import products_for
from tf_lib.core.model.records import FeeRates, PortfolioState, Product, Reason
from tf_lib.core.signals.columns import Signals, signals
from tf_lib.core.sizing.covariance import METHODS, covariance_on
from tf_lib.core.sizing.gates import (
    NOT_FORCED,
    REASONS,
    Standing,
    Trades,
    desired_trades,
    lots,
    trade_rules,
)
from tf_lib.core.sizing.weights import Sizing, size_positions
from tf_lib.errors import BarsError, UnknownState
from tf_lib.parameters import Config

_NO_REASONS: Mapping[str, Reason] = {}


@dataclass(frozen=True)
class Decision:
    """
    What one day decided, with every stage that led there.

    Attributes
    ----------
    as_of : date
    config : Config
    signals : Signals
        All rows; the decision used the one of `as_of`.
    covariance : float array of shape (n_tickers, n_tickers)
        Daily, as known on `as_of`.
    sizing : Sizing
    trades : Trades
    too_little_history : tuple of str
        Tickers with fewer days than ``warmup_days``.
    """

    as_of: dt.date
    config: Config
    signals: Signals
    covariance: FloatArray
    sizing: Sizing
    trades: Trades
    too_little_history: tuple[str, ...] = field(default=())

    @property
    def cooldowns_started(self) -> dict[str, dt.date]:
        """Cooldowns that a breach at the gate starts today."""
        return dict.fromkeys(self.trades.cooldowns_started, self.as_of)

    def to_mapping(self) -> dict[str, Any]:
        """Return the decision as in docs/design.md section 13; undefined numbers are None."""
        sizing, trades = self.sizing, self.trades
        return {
            "as_of": self.as_of.isoformat(),
            "tickers": {t: self._ticker_mapping(j) for j, t in enumerate(sizing.tickers)},
            "portfolio": {
                "equity": _plain(trades.equity),
                "deployable": _plain(trades.deployable),
                "unit_portfolio_volatility": _plain(sizing.unit_portfolio_volatility),
                "gross_target": _plain(sizing.gross_target),
                "n_eff": _plain(sizing.n_eff),
                "cap_value": _plain(sizing.cap_value),
                "cap_binding": sizing.cap_binding,
                "daily_volatility_pre_cap": _plain(sizing.daily_volatility_pre_cap),
                "daily_volatility_post_cap": _plain(sizing.daily_volatility_post_cap),
                "cap_leftover_gross": _plain(sizing.cap_leftover_gross),
                "cash_shrink_factor": _plain(trades.cash_shrink_factor),
            },
            "sleeves": {
                name: {
                    "budget": _plain(sizing.sleeve_budget[s]),
                    "risk_share": _plain(sizing.risk_share[s]),
                }
                for s, name in enumerate(sizing.sleeves)
            },
        }

    def _ticker_mapping(self, j: int) -> dict[str, Any]:
        at = self.signals.row_of(self.as_of)
        ticker = self.sizing.tickers[j]
        sleeve = self.config.universe.sleeve_of[ticker]
        multiplier = self.sizing.sleeve_multiplier[self.sizing.sleeves.index(sleeve)]
        return {
            **{name: _plain(self.signals[name][at, j]) for name in self.signals.reported},
            "data_ok": bool(self.signals.data_ok[at, j]),
            "sleeve": sleeve,
            "sleeve_multiplier": _plain(multiplier),
            "risk_budget_weight": _plain(self.sizing.risk_budget_weight[j]),
            "target_weight": _plain(self.sizing.target_weight[j]),
            "target_notional": _plain(self.trades.target_notional[j]),
            "current_notional": _plain(self.trades.current_notional[j]),
            "trade_notional": _plain(self.trades.trade_notional[j]),
            "reason": str(self.trades.reasons[j]),
        }


def decide(
    bars: Bars,
    portfolio: PortfolioState,
    config: Config,
    *,
    as_of: dt.date,
    products: Mapping[str, Product] | None = None,
    fees: FeeRates | None = None,
    not_protectable: frozenset[str] = frozenset(),
    no_trade: Mapping[str, Reason] = _NO_REASONS,
    computed: Signals | None = None,
) -> Decision:
    """
    Decide one day.

    Parameters
    ----------
    bars : Bars
        Lagged bars of at least the config's tickers, through `as_of`.
    portfolio : PortfolioState
        What is owned; every held ticker needs a mid price (see `with_last_closes`).
    as_of : date
        The day that is decided, one of the bars' rows. Later rows change nothing.
    products : mapping of ticker to Product, optional
        The exchange's rules; what is missing comes from the built-in table.
    fees : FeeRates, optional
        The account's tier; the configured fees are used where they are higher.
    not_protectable : set of ticker
        Tickers that must not be bought because no stop can be placed.
    no_trade : mapping of ticker to Reason
        Tickers that must not be traded at all today, and what to record.
    computed : Signals, optional
        The signals, when they are already there; else a close that lies too far from a mid price
        of the portfolio is not believed.

    Raises
    ------
    BarsError
        If bars are missing, or no ticker has the history the config asks for.
    UnknownState
        If a held ticker has no mid price.
    HaltRun
        If the sleeve budgets cannot be met.
    """
    tickers = config.universe.sorted_tickers
    known = computed
    if known is None:
        own = bars.select(tickers)
        known = signals(own, config, live=live_on(own, as_of, portfolio.mid_prices))
    too_short = _too_little_history(known, as_of, config)
    matrix = covariance_at(known, config, as_of=as_of)
    sizing = size_positions(
        sized_signal(known, as_of, portfolio),
        matrix,
        config,
        final_signal=known["final_signal"][known.row_of(as_of)],
    )
    day = _standing(known, as_of, portfolio, no_trade)._replace(
        weight=sizing.target_weight, cooling=_cooling(portfolio, config, as_of)
    )
    its_lots = lots(tickers, products_for(tickers, products))
    refused = np.array([ticker in not_protectable for ticker in tickers], dtype=np.bool_)
    trades = desired_trades(
        tickers,
        day,
        portfolio.cash,
        lots=its_lots._replace(tradable=its_lots.tradable & ~refused),
        rules=trade_rules(config, fees),
    )
    return Decision(as_of, config, known, matrix, sizing, trades, too_short)


def covariance_at(known: Signals, config: Config, *, as_of: dt.date) -> FloatArray:
    """Return the daily covariance of the signals' tickers as known on one day."""
    risk = config.risk_and_sizing
    returns = np.ascontiguousarray(known.simple_return)
    return covariance_on(
        returns, known.row_of(as_of), risk.rolling_cov_window, METHODS[risk.covariance]
    )


def with_last_closes(
    portfolio: PortfolioState, known: Signals, *, as_of: dt.date
) -> PortfolioState:
    """
    Fill in missing mid prices with the last close.

    For decisions on paper and backtests only: a live run refuses a holding without a price.
    """
    closes = known["close"][known.row_of(as_of)]
    last = {t: float(c) for t, c in zip(known.tickers, closes, strict=True) if np.isfinite(c)}
    return replace(portfolio, mid_prices={**last, **portfolio.mid_prices})


def sized_signal(known: Signals, as_of: dt.date, portfolio: PortfolioState) -> FloatArray:
    """Return what takes part in sizing: a ticker without good data only while it is held."""
    at = known.row_of(as_of)
    held = _by_ticker(known.tickers, portfolio.positions, missing=0.0) > 0
    signal = known["vol_adjusted_signal"][at]
    takes_part = (known.data_ok[at] | held) & np.isfinite(signal)
    return np.where(takes_part, signal, 0.0)


def _too_little_history(known: Signals, as_of: dt.date, config: Config) -> tuple[str, ...]:
    needed = config.run.warmup_days
    counts = known.history_bars[known.row_of(as_of)]
    short = tuple(t for t, n in zip(known.tickers, counts, strict=True) if n < needed)
    if len(short) == len(known.tickers):
        listed = ", ".join(f"{t} {n}" for t, n in zip(known.tickers, counts, strict=True))
        raise BarsError(
            f"too little history before {as_of}: at least one ticker needs {needed} daily bars "
            f"(run.warmup_days), there are {listed}"
        )
    return short


def _standing(
    known: Signals, as_of: dt.date, portfolio: PortfolioState, no_trade: Mapping[str, Reason]
) -> Standing:
    at, tickers = known.row_of(as_of), known.tickers
    units = _by_ticker(tickers, portfolio.positions, missing=0.0)
    mid = _by_ticker(tickers, portfolio.mid_prices, missing=math.nan)
    for ticker, owned, price in zip(tickers, units, mid, strict=True):
        if owned > 0 and not np.isfinite(price):
            raise UnknownState(f"{ticker}: {owned} units are held but there is no mid price")
    return Standing(
        weight=np.zeros(len(tickers)),
        units=units,
        mid=mid,
        stop=known.stop_level[at].copy(),
        resting=_by_ticker(tickers, portfolio.open_stops, missing=math.nan),
        atr=known["atr"][at].copy(),
        data_ok=known.data_ok[at].copy(),
        known=np.isfinite(known["vol_adjusted_signal"][at]),
        cooling=np.zeros(len(tickers), dtype=np.bool_),
        forced=_forced(tickers, no_trade),
    )


def _cooling(portfolio: PortfolioState, config: Config, as_of: dt.date) -> BoolArray:
    days = config.execution_and_costs.cooldown_counter_threshold
    starts = [portfolio.cooldowns.get(ticker) for ticker in config.universe.sorted_tickers]
    return np.array([is_cooling(start, as_of, days=days) for start in starts], dtype=np.bool_)


def _forced(tickers: tuple[str, ...], no_trade: Mapping[str, Reason]) -> IntArray:
    codes = [REASONS.index(no_trade[t]) if t in no_trade else NOT_FORCED for t in tickers]
    return np.array(codes, dtype=np.int64)


def _by_ticker(
    tickers: tuple[str, ...], numbers: Mapping[str, float], *, missing: float
) -> FloatArray:
    return np.array([numbers.get(ticker, missing) for ticker in tickers], dtype=np.float64)


def _plain(value: float) -> float | None:
    """A JSON number, or None where it is not finite."""
    number = float(value)
    return number if math.isfinite(number) else None

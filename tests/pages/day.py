"""A small made-up day as the pages get it: bars, decision, and rows as the logs hold them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tests.core.build import config_with, frame_of, market
from tf_lib.core.candles.bars import Bars, lag_bars
from tf_lib.core.decision import Decision, decide, with_last_closes
from tf_lib.core.model.records import PortfolioState
from tf_lib.core.signals.columns import signals

N_DAYS = 700


@dataclass(frozen=True)
class PageDay:
    """What the steps of one day left."""

    bars: Bars
    decision: Decision


def trending(n_days: int = N_DAYS, *, growth: float = 1.5) -> pd.DataFrame:
    """Candles of a trend that gains speed, with a little noise: a strong signal when it rises."""
    random = np.random.default_rng(5)
    way = growth * (np.arange(n_days) / n_days) ** 4
    close = 100.0 * np.exp(way + 0.01 * random.standard_normal(n_days))
    opens = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(opens, close) * 1.005, np.minimum(opens, close) * 0.995
    return frame_of({"open": opens, "high": high, "low": low, "close": close})


def page_day(
    candles: Mapping[str, pd.DataFrame] | None = None,
    *,
    warmup_days: int = 300,
    custom: Mapping[str, Any] | None = None,
    **owned: Any,
) -> PageDay:
    """Decide the day after the last candle; AAA-USD trends, DDD-USD is listed late."""
    frames = dict(candles or {**market(N_DAYS), "AAA-USD": trending()})
    config = config_with({"run.warmup_days": warmup_days, "signals.custom": dict(custom or {})})
    ends = [frame.index[-1].date() for frame in frames.values() if len(frame)]
    as_of = max(ends) + dt.timedelta(days=1)
    bars = lag_bars(frames, as_of=as_of)
    known = signals(bars, config)
    state = with_last_closes(PortfolioState(**{"cash": 10_000.0, **owned}), known, as_of=as_of)
    return PageDay(bars, decide(bars, state, config, as_of=as_of, computed=known))


def order_row(product: str, side: str = "BUY", status: str = "done", **more: Any) -> Any:
    """One result of `order_submit`, filled at 0.1 % against us."""
    price = 101.0 if side == "BUY" else 99.0
    return {
        "product_id": product,
        "side": side,
        "leg": "en",
        "base_size": "2.50",
        "reference_price": "100",
        "reason": "enter",
        "status": status,
        "note": "FILLED" if status == "done" else "why not",
        "filled_size": "2.50" if status == "done" else "0",
        "filled_value": str(2.5 * price) if status == "done" else "0",
        "average_price": str(price) if status == "done" else None,
        "fees": "3.00",
        **more,
    }


def stop_row(product: str, status: str = "skip", **more: Any) -> Any:
    """One result of `stop_updates`: a stop 10 % below the last price."""
    return {
        "product": product,
        "status": status,
        "reason": "stop in place",
        "notes": [],
        "held": "2.50",
        "covered": "2.50",
        "target_level": "90.004",
        "resting_level": "90.00",
        "limit_price": "88.20",
        "last": "100",
        **more,
    }

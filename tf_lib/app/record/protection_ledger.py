"""
The protection ledger: what each position's protection is worth, one row per position.

How far stop and limit lie below the price and since when, when they were last seen open, for how
long and how much of it was unprotected today, and what the product's own gaps say of the way
beyond the limit.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tf_lib.core.candles.gaps import gap_risk
from tf_lib.core.model.run_rows import GapColumns, ProtectionRow, StopRow
from tf_lib.store.ledger_state import LedgerState

if TYPE_CHECKING:
    import pandas as pd


def protection_ledger(
    state: LedgerState,
    day: dt.date,
    stops: list[StopRow],
    candles: Mapping[str, pd.DataFrame],
) -> list[ProtectionRow]:
    """
    Return a row for each position under a stop, by product.

    Parameters
    ----------
    stops : rows of `stop_updates`
        The last word on each product.
    candles : mapping of ticker to DataFrame
        Finished bars; a product without them has no figures of gaps.
    """
    by_product = sorted(stops, key=lambda one: one["product"])
    return [
        _row(stop, state, day, candles.get(stop["product"]))
        for stop in by_product
        if stop.get("resting_level") is not None and stop.get("last") is not None
    ]


def _row(
    stop: Mapping[str, Any], state: LedgerState, day: dt.date, bars: pd.DataFrame | None
) -> ProtectionRow:
    product, last = stop["product"], float(stop["last"])
    notional = float(stop["held"]) * last
    limit_distance = 1.0 - float(stop["limit_price"]) / last
    return {
        "product": product,
        "notional": notional,
        "stop": stop["resting_level"],
        "limit": stop["limit_price"],
        "stop_distance": 1.0 - float(stop["resting_level"]) / last,
        "limit_distance": limit_distance,
        "resting_since": _resting_since(state, product),
        "verified_open_at": stop.get("verified_at"),
        "bare_seconds": state.unprotected_seconds_on(day).get(product, 0.0),
        "bare_usd_seconds": state.unprotected_usd_seconds_on(day).get(product, 0.0),
        **_gaps(notional, limit_distance, bars),
    }


def _resting_since(state: LedgerState, product: str) -> str | None:
    """Return when the older of the stops that rest was seen open first."""
    seen = [
        order.working_at
        for order in state.live_orders(product)
        if order.key.leg.is_stop and order.working_at is not None
    ]
    return min(seen).isoformat(timespec="seconds") if seen else None


def _gaps(notional: float, limit_distance: float, bars: pd.DataFrame | None) -> GapColumns:
    """Return what the product's own history says of prices that gap below the limit."""
    if bars is None or bars.empty:
        return {"opens": 0, "opens_beyond_limit": 0, "gap_shortfall": None, "gap_usd": None}
    risk = gap_risk(bars["open"].to_numpy(), bars["close"].to_numpy(), limit_distance)
    usd = notional * risk.shortfall
    return {
        "opens": risk.opens,
        "opens_beyond_limit": risk.beyond,
        "gap_shortfall": risk.shortfall,
        "gap_usd": round(usd, 2) if math.isfinite(usd) else None,
    }

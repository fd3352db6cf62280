"""
The protection ledger: what each position's protection is worth, one row per position.

How far stop and limit lie below the price and since when, when they were last seen open, for how
long and how much of it was bare today, and what the product's own gaps say of the way beyond the
limit.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tf_lib.app.daily.session import Rows
from tf_lib.core.candles.gaps import gap_risk
from tf_lib.store.ledger_state import LedgerState

if TYPE_CHECKING:
    import pandas as pd

PROTECTION_FILE = "protection.json"


def protection_ledger(
    state: LedgerState, day: dt.date, stops: Rows, candles: Mapping[str, pd.DataFrame]
) -> Rows:
    """
    Return a row for each position under a stop, by product.

    Parameters
    ----------
    stops : rows of `stop_updates`
        The last word on each product.
    candles : mapping of ticker to DataFrame
        Finished bars; a product without them has no figures of gaps.
    """
    seconds, usd_seconds = state.bare_seconds_on(day), state.bare_usd_seconds_on(day)
    rows = []
    for stop in sorted(stops, key=lambda one: str(one["product"])):
        if stop.get("resting_level") is None or stop.get("last") is None:
            continue
        product, distances = stop["product"], _distances(stop)
        rows.append(
            {
                **distances,
                "resting_since": _resting_since(state, product),
                "verified_open_at": stop.get("verified_at"),
                "bare_seconds": seconds.get(product, 0.0),
                "bare_usd_seconds": usd_seconds.get(product, 0.0),
                **_gaps(distances, candles.get(product)),
            }
        )
    return rows


def _distances(row: Mapping[str, Any]) -> dict[str, Any]:
    last = float(row["last"])
    return {
        "product": row["product"],
        "notional": float(row["held"]) * last,
        "stop": row["resting_level"],
        "limit": row["limit_price"],
        "stop_distance": 1.0 - float(row["resting_level"]) / last,
        "limit_distance": 1.0 - float(row["limit_price"]) / last,
    }


def _resting_since(state: LedgerState, product: str) -> str | None:
    """Return when the older of the stops that rest was seen open first."""
    seen = [
        order.working_at
        for order in state.live_orders(product)
        if order.key.leg.is_stop and order.working_at is not None
    ]
    return min(seen).isoformat(timespec="seconds") if seen else None


def _gaps(distances: Mapping[str, Any], bars: pd.DataFrame | None) -> dict[str, Any]:
    """Return what the product's own history says of prices that gap below the limit."""
    if bars is None or bars.empty:
        return {"opens": 0, "opens_beyond_limit": 0, "gap_shortfall": None, "gap_usd": None}
    risk = gap_risk(bars["open"].to_numpy(), bars["close"].to_numpy(), distances["limit_distance"])
    usd = distances["notional"] * risk.shortfall
    return {
        "opens": risk.opens,
        "opens_beyond_limit": risk.beyond,
        "gap_shortfall": risk.shortfall,
        "gap_usd": round(usd, 2) if math.isfinite(usd) else None,
    }

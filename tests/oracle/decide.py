"""The whole decision of one day, as the mapping of the design's section 13."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pandas as pd

from . import signals, sizing, trades


def tables_of(
    params: dict[str, Any],
    candles: dict[str, pd.DataFrame],
    live: dict[str, dict[dt.date, float]] | None = None,
) -> dict[str, pd.DataFrame]:
    """All columns of every ticker, per finished bar; `live` are the prices days would trade at."""
    prices = live or {}
    return {
        ticker: signals.computed_columns(params, candles[ticker], live=prices.get(ticker))
        for ticker in sorted(params["universe"]["tickers"])
    }


def decide(
    params: dict[str, Any],
    candles: dict[str, pd.DataFrame],
    as_of: dt.date,
    portfolio: dict[str, Any],
) -> dict[str, Any]:
    """Decide from bars before `as_of`, indexed by their UTC date."""
    before = signals.utc_day(as_of)
    past = {ticker: bars[bars.index < before] for ticker, bars in candles.items()}
    mids = portfolio.get("mid_prices", {})
    live = {ticker: {as_of: float(price)} for ticker, price in mids.items()}
    return decide_from_tables(params, tables_of(params, past, live), as_of, portfolio)


def known(number: float) -> float | None:
    """Return a number, or None where it is undefined."""
    return float(number) if math.isfinite(number) else None


def decide_from_tables(
    params: dict[str, Any],
    tables: dict[str, pd.DataFrame],
    as_of: dt.date,
    portfolio: dict[str, Any],
) -> dict[str, Any]:
    """Decide from computed columns; rows of `as_of` and later are not looked at."""
    before = signals.utc_day(as_of)
    tables = {
        ticker: table if table.empty else table[table.index < before]
        for ticker, table in sorted(tables.items())
    }
    rows = {ticker: signals.row_of_day(params, table, as_of) for ticker, table in tables.items()}
    quantity = {t: float(portfolio.get("positions", {}).get(t, 0)) for t in rows}
    mids = portfolio.get("mid_prices", {})
    mid = {t: float(mids[t]) if t in mids else row["close"] for t, row in rows.items()}
    current = {t: quantity[t] * mid[t] if quantity[t] else 0.0 for t in rows}
    cash = float(portfolio.get("cash", 0))
    equity = cash + sum(current.values())
    deployable = (1 - params["risk_and_sizing"]["cash_buffer_percentage"]) * equity

    takes_part = {t: row["data_ok"] or quantity[t] > 0 for t, row in rows.items()}
    signal = pd.Series(
        {t: row["vol_adjusted_signal"] if takes_part[t] else 0.0 for t, row in rows.items()}
    ).fillna(0.0)
    window = params["risk_and_sizing"]["rolling_cov_window"]
    days = pd.date_range(end=before - signals.ONE_DAY, periods=window, freq="D")
    returns = {
        t: table["simple_return"] if len(table) else pd.Series(0.0, index=days)
        for t, table in tables.items()
    }
    final = pd.Series({t: row["final_signal"] for t, row in rows.items()})
    matrix = sizing.sample_covariance(pd.DataFrame(returns), days)
    sized = sizing.size(params, signal, final, matrix)
    open_stops, level = portfolio.get("open_stops", {}), signals.stop_column(params)
    holdings = {
        t: trades.Holding(
            is_ok=row["data_ok"],
            is_known=math.isfinite(row["vol_adjusted_signal"]),
            current=current[t],
            target=float(sized["weights"][t]) * deployable,
            mid=mid[t],
            stop=max(row[level], float(open_stops.get(t, 0))) if quantity[t] > 0 else row[level],
            cooldown_start=portfolio.get("cooldowns", {}).get(t),
        )
        for t, row in rows.items()
    }
    decided, shrink = trades.decide_trades(params, holdings, equity=equity, cash=cash, day=as_of)
    sleeve_of = {
        ticker: name
        for name, sleeve in params["universe"]["sleeves"].items()
        for ticker in sleeve["tickers"]
    }
    return {
        "as_of": as_of.isoformat(),
        "tickers": {
            t: {name: known(row[name]) for name in signals.columns(params)}
            | {
                "data_ok": row["data_ok"],
                "sleeve": sleeve_of[t],
                "sleeve_multiplier": sized["multipliers"][sleeve_of[t]],
                "risk_budget_weight": float(sized["unit"][t]),
                "target_weight": float(sized["weights"][t]),
                "target_notional": holdings[t].target,
                "current_notional": current[t],
                "trade_notional": decided[t][0],
                "reason": decided[t][1],
            }
            for t, row in rows.items()
        },
        "portfolio": {
            name: value if isinstance(value, bool) else known(value)
            for name, value in {
                "equity": equity,
                "deployable": deployable,
                **sized["portfolio"],
                "cash_shrink_factor": shrink,
            }.items()
        },
        "sleeves": {
            name: {"budget": sized["budgets"][name], "risk_share": sized["risk_shares"][name]}
            for name in sorted(params["universe"]["sleeves"])
        },
    }

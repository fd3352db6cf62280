"""
Shadow: the live days of a profile beside the backtest of each, read from the run folders.

Nothing is asked of an exchange and nothing is written. A day can be shadowed once the next day's
account was read; candles "as known now" are those of the last run, unless others are given.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tf_lib.app.record.run_inputs import account_from, candles_from, config_of, finished_run
from tf_lib.core.model.account import Account
from tf_lib.core.model.products import products_for
from tf_lib.core.model.records import Product
from tf_lib.core.orders.lots_and_ticks import is_below_least, lots_for, spec_of, units_of
from tf_lib.errors import StateError
from tf_lib.parameters import Config
from tf_lib.research.attribution.shadow import (
    CAUSES,
    Flow,
    ModelDay,
    ShadowedDay,
    StopOut,
    TickerDay,
    split_day,
)
from tf_lib.research.attribution.shadow_model import LiveStart, model_day
from tf_lib.store.files import read_json_lines
from tf_lib.store.ledger_entries import apply_entry
from tf_lib.store.ledger_state import LedgerState, OrderRecord
from tf_lib.store.run_folder import ProfileFolder, RunFolder

Candles = Mapping[str, pd.DataFrame]
_LEAST_ORDER = 2.0
"""Of the exchange's least: no order is to be expected of less, rounding may take it away."""


@dataclass(frozen=True)
class LiveDay:
    """One day as it was run: its folder, its account and the next day's."""

    folder: RunFolder
    config: Config
    account: Account
    after: Account

    @property
    def day(self) -> dt.date:
        """The day that was decided."""
        return self.account.day


@dataclass(frozen=True)
class ShadowReport:
    """The days that could be shadowed, and why the others could not."""

    days: tuple[ShadowedDay, ...]
    left_out: Mapping[dt.date, str]

    @property
    def table(self) -> pd.DataFrame:
        """One row per day: live, shadow, difference, its causes and the unexplained rest."""
        rows = [
            {
                "date": one.day,
                "live_change": one.live_change,
                "shadow_change": one.shadow_change,
                "difference": one.difference,
                **one.causes,
                "unexplained": one.unexplained,
            }
            for one in self.days
        ]
        names = ["date", "live_change", "shadow_change", "difference", *CAUSES, "unexplained"]
        return pd.DataFrame(rows, columns=names).set_index("date")


def shadow_profile(
    profile_dir: Path,
    *,
    candles: Candles | None = None,
    products: Mapping[str, Product] | None = None,
) -> ShadowReport:
    """
    Shadow every day of a profile that can be.

    Parameters
    ----------
    profile_dir : Path
        Such as ``runs/live``.
    candles : mapping of ticker to DataFrame, optional
        As known now, with the days' own bars; default those of the last run.
    products : mapping of ticker to Product, optional
        The rules the backtest trades by; default the exchange's as the day's account had them.

    Raises
    ------
    StateError
        If there is no day folder with an account.
    """
    profile_dir = Path(profile_dir)
    folders = _run_folders(profile_dir)
    if not folders:
        raise StateError(f"{profile_dir}: there is no day with inputs/account.json to shadow")
    orders = _orders(profile_dir / "state" / "ledger.jsonl")
    now_known = candles if candles is not None else candles_from(folders[-1])
    accounts = [account_from(folder) for folder in folders]
    days, left_out = [], {}
    for folder, account, after in zip(folders, accounts, [*accounts[1:], None], strict=True):
        why = _why_not(account, after, now_known)
        if why or after is None:
            left_out[account.day] = why
            continue
        live = LiveDay(folder, config_of(folder.path), account, after)
        days.append(shadow_day(live, orders, now_known, products))
    return ShadowReport(tuple(days), left_out)


def _run_folders(profile_dir: Path) -> list[RunFolder]:
    paths = ProfileFolder(profile_dir.parent, profile_dir.name).days()
    return [finished_run(path) for path in paths if (path / "inputs/account.json").exists()]


def _orders(path: Path) -> list[OrderRecord]:
    state = LedgerState()
    for line in read_json_lines(path)[0]:
        apply_entry(state, line)
    return list(state.orders.values())


def _why_not(account: Account, after: Account | None, candles: Candles) -> str:
    if after is None:
        return "the next day has not been run yet"
    if after.day != account.day + dt.timedelta(days=1):
        return f"the next run is of {after.day}: a shadow lives one day"
    last = max((frame.index[-1].date() for frame in candles.values() if len(frame)), default=None)
    if last is None or last < account.day:
        return f"the candles end on {last}: that day's own bars are missing"
    return ""


def shadow_day(
    live: LiveDay,
    orders: Sequence[OrderRecord],
    candles: Candles,
    products: Mapping[str, Product] | None = None,
) -> ShadowedDay:
    """Return one live day beside its shadow."""
    tickers = live.config.universe.sorted_tickers
    table = products_for(tickers, products if products is not None else live.account.products)
    start = _start(live.account, tickers)
    then = _with_the_days_own_bars(candles_from(live.folder), candles, live.day)
    revised, recorded = (
        model_day(known, live.config, start, live.day, products=table) for known in (candles, then)
    )
    window = (live.account.read_at, live.after.read_at)
    own = [o for o in orders if o.last_fill_at and window[0] < o.last_fill_at <= window[1]]
    plan = live.folder.read_json("plan.json")
    one_day = {
        ticker: _ticker_day(
            live,
            table[ticker],
            (revised[ticker], recorded[ticker]),
            [order for order in own if order.product_id == ticker],
            (plan, candles[ticker] if ticker in candles else pd.DataFrame()),
        )
        for ticker in tickers
    }
    return split_day(
        live.day,
        one_day,
        start_cash=float(live.account.cash.total),
        end_cash=float(live.after.cash.total),
    )


def _start(account: Account, tickers: Sequence[str]) -> LiveStart:
    return LiveStart(
        cash=float(account.cash.total),
        units={t: float(account.holding(t).total) for t in tickers},
        stops={t: float(level) for t, level in account.open_stops.items()},
        levels={t: float(level) for t, level in account.levels.items()},
        cooldowns=dict(account.cooldowns),
        doubts=account.doubts,
    )


def _with_the_days_own_bars(then: Candles, now: Candles, day: dt.date) -> dict[str, pd.DataFrame]:
    """Return candles as they were decided on, then those of the day itself and later."""
    later = pd.Timestamp(day, tz="UTC")
    names = sorted({*then, *now})
    parts = {
        name: [
            then[name][then[name].index < later] if name in then else None,
            now[name][now[name].index >= later] if name in now else None,
        ]
        for name in names
    }
    return {name: pd.concat([p for p in pair if p is not None]) for name, pair in parts.items()}


def _ticker_day(
    live: LiveDay,
    product: Product,
    models: tuple[ModelDay, ModelDay],
    own: Sequence[OrderRecord],
    known: tuple[Mapping[str, Any], pd.DataFrame],
) -> TickerDay:
    plan, bars = known
    ticker, costs = product.product_id, live.config.execution_and_costs
    opened, closed = _bar(bars, live.day)
    held = float(live.account.holding(ticker).total)
    reference = _price(live.account, ticker, opened)
    ideal = _ideal_units(plan["decision"]["tickers"].get(ticker, {}), held, reference, product)
    flow = _flow([order for order in own if not order.key.leg.ends_in_cooldown])
    stops = [order for order in own if order.key.leg.ends_in_cooldown]
    return TickerDay(
        start_units=held,
        start_price=reference,
        end_price=_price(live.after, ticker, closed),
        open_price=opened,
        revised=models[0],
        recorded=models[1],
        reference_price=reference,
        ideal_units=ideal,
        planned_units=_planned_units(plan, product, ideal, reference),
        filled=flow,
        stopped=_stopped(stops, held + flow.units),
        end_units=float(live.after.holding(ticker).total),
        slippage=float(costs.transaction_cost_est),
        fee_rate=float(costs.taker_fee),
    )


def _bar(bars: pd.DataFrame, day: dt.date) -> tuple[float, float]:
    """Return a day's open and close; 0 without a bar."""
    its = bars[bars.index == pd.Timestamp(day, tz="UTC")] if len(bars) else bars
    if its.empty:
        return 0.0, 0.0
    return float(its["open"].iloc[0]), float(its["close"].iloc[0])


def _price(account: Account, ticker: str, fallback: float) -> float:
    quote = account.quotes.get(ticker)
    return float(quote.mid) if quote is not None else fallback


def _ideal_units(
    decided: Mapping[str, Any], held: float, reference: float, product: Product
) -> float:
    """Return what the live decision wanted, in the backtest's lots."""
    wanted = float(decided.get("trade_notional") or 0.0)
    if wanted == 0.0 or not reference > 0.0:
        return 0.0
    sold_whole, spec = decided.get("reason") == "full_exit", spec_of(product)
    lots = lots_for(held, 1.0, spec) if sold_whole else lots_for(abs(wanted), reference, spec)
    whole = units_of(lots, spec)
    return whole if wanted > 0.0 else -whole


def _planned_units(plan: Mapping[str, Any], product: Product, ideal: float, price: float) -> float:
    """Return what was ordered; what was refused, not rounded away, is an order that was missed."""
    ordered = [order for order in plan["orders"] if order["product_id"] == product.product_id]
    if ordered:
        signs = {"BUY": 1.0, "SELL": -1.0}
        return sum(signs[order["side"]] * float(order["base_size"]) for order in ordered)
    spec = spec_of(product)
    lots = lots_for(abs(ideal) / _LEAST_ORDER, 1.0, spec)
    return 0.0 if is_below_least(lots, price, spec) else ideal


def _flow(orders: Sequence[OrderRecord]) -> Flow:
    """Return own orders as one trade; all of a day's are on one side."""
    filled = [order for order in orders if order.filled_size > 0]
    size = float(sum(order.filled_size for order in filled))
    if not size > 0.0:
        return Flow()
    units = float(sum(order.signed_fill for order in filled))
    value = float(sum(order.filled_value for order in filled))
    return Flow(units, value / size, float(sum(order.fees for order in filled)))


def _stopped(orders: Sequence[OrderRecord], held: float) -> StopOut:
    flow = _flow(orders)
    if flow.units >= 0.0 or not held > 0.0:
        return StopOut()
    return StopOut(-flow.units / held, flow.price, flow.fee / (-flow.units * flow.price))

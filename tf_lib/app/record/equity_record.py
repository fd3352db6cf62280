"""
The equity record: what each run's money came to, beyond its day (``state/equity.jsonl``).

The daily summaries of earlier days are what counts where they still are; the record stands in for
those that were moved away. With the figures of a run goes what its orders had filled, so that the
next one can tell money that came in or went out from what was traded.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lib.app.record.day_record import DayRecord
from tf_lib.core.model.day_result import (
    AccountValue,
    after,
    average_entry,
    change_between,
    grown,
    sale_of,
    transfer_of,
)
from tf_lib.core.model.run_rows import summary_file
from tf_lib.errors import TfError
from tf_lib.store.files import append_json_line, read_json_lines, write_json
from tf_lib.store.ledger_state import LedgerState, OrderRecord
from tf_lib.store.run_folder import RunFolder
from tf_lib.text.tickers import base_of

RECORD_FILE = "equity.jsonl"
FIGURES_FILE = "equity_figures.json"
SPOILT = (KeyError, ValueError, TypeError, ArithmeticError)
"""What a record raises that somebody edited: no reason to lose a day."""


def result_of(
    folder: RunFolder, state: Path, ledger: LedgerState, day: dt.date, equity: float | None
) -> dict[str, Any]:
    """
    Return the day's result: change since the run before and the start, stop-outs, fees, transfers.

    Parameters
    ----------
    folder : RunFolder
        Of the run, as far as it got.
    state : Path
        Folder of what outlives a day.
    equity : float, optional
        After the trades; without it there is nothing to compare.
    """
    record = DayRecord.of(folder)
    sold = ledger.taken_by_market(day)
    result: dict[str, Any] = {
        "equity": equity,
        "currency": record.account.get("quote_currency", ""),
        "since_previous": None,
        "since_start": None,
        "stopped_out": _sales(ledger, sold),
        "fees": _fees(record, folder, sold),
        "transfer": 0.0,
    }
    if equity is None:
        return result
    start, before = standings_before(state, day)
    transfer = _transfer(state, record, ledger, day) if before is not None else 0.0
    start = start or _first(record, day, equity)
    now = after(before or start, date=day.isoformat(), equity=equity, transfer=transfer)
    result |= {"transfer": transfer, "growth": now.growth, "paid_in": now.paid_in}
    result["start"] = {"date": start.date, "equity": start.equity}
    closes = _closes(folder, [start.date, now.date, *([before.date] if before else [])])
    for name, then in (("since_previous", before), ("since_start", start)):
        if then is not None:
            compared = grown(_between(closes, then.date, now.date))
            result[name] = change_between(now, then, compared)
    return result


def _first(record: DayRecord, day: dt.date, equity: float) -> AccountValue:
    """Return where the money stood before the first trades of all."""
    before = record.decision.get("portfolio", {}).get("equity")
    return AccountValue(day.isoformat(), float(before) if before else equity)


def _fees(record: DayRecord, folder: RunFolder, sold: list[OrderRecord]) -> float:
    """Return what was paid to trade since the run before, as far as its orders tell."""
    dust = [r for r in folder.logs.read("dust_submit") if r.get("action") == "result"]
    own = sum(float(row.get("fees") or 0) for row in (*record.orders, *dust))
    return round(own + sum(float(order.fees) for order in sold), 8)


def _sales(ledger: LedgerState, sold: list[OrderRecord]) -> list[dict[str, Any]]:
    """Return what stops and emergency exits sold of each product, against what was paid for it."""
    products = list(dict.fromkeys(order.product_id for order in sold))
    return [_sale(ledger, [o for o in sold if o.product_id == product]) for product in products]


def _sale(ledger: LedgerState, sold: list[OrderRecord]) -> dict[str, Any]:
    mine, last = {order.client_id for order in sold}, max(_filled_at(order) for order in sold)
    earlier = [
        (_filled_at(order), order)
        for order in ledger.orders.values()
        if order.product_id == sold[0].product_id
        and order.filled_size
        and order.client_id not in mine
        and _filled_at(order) <= last
    ]
    trades = [
        (str(order.key.side), float(order.filled_size), float(order.filled_value))
        for _, order in sorted(earlier, key=lambda row: row[0])
    ]
    size = sum(float(order.filled_size) for order in sold)
    price = sum(float(order.filled_value) for order in sold) / size
    is_stop = all(order.key.leg.is_stop for order in sold)
    return sale_of(sold[0].product_id, size, price, average_entry(trades)) | {"by_stop": is_stop}


def _filled_at(order: OrderRecord) -> dt.datetime:
    return order.last_fill_at or order.intended_at


# -- earlier runs ----------------------------------------------------------------------------------


def standings_before(state: Path, day: dt.date) -> tuple[AccountValue | None, AccountValue | None]:
    """Return the first run on record and the last one before a day."""
    lines, _ = read_json_lines(state / RECORD_FILE)
    known = {line["date"]: line for line in lines if line.get("date", "9") < day.isoformat()}
    if not known:
        return _from_summaries(state.parent, day)
    last = known[max(known)]
    start = AccountValue(last["start"]["date"], float(last["start"]["equity"]))
    return start, _standing(state.parent, last)


def _standing(profile: Path, line: Mapping[str, Any]) -> AccountValue:
    told = _told_equity(profile / line["date"])
    equity = float(line["equity"]) if told is None else told
    return AccountValue(line["date"], equity, float(line["growth"]), float(line["paid_in"]))


def _from_summaries(profile: Path, day: dt.date) -> tuple[AccountValue | None, AccountValue | None]:
    """Return the same of a profile that ran before there was a record."""
    start = last = None
    for folder in sorted(profile.glob("[0-9]*-[0-9]*-[0-9]*")):
        equity = _told_equity(folder) if folder.name < day.isoformat() else None
        if equity is not None:
            last = after(last, date=folder.name, equity=equity, transfer=0.0)
            start = start or last
    return start, last


def _told_equity(folder: Path) -> float | None:
    try:
        text = (folder / summary_file(folder.name)).read_text(encoding="utf-8")
        equity = json.loads(text).get("equity")
    except (OSError, ValueError, AttributeError):
        return None
    is_number = isinstance(equity, int | float) and math.isfinite(equity)
    return float(equity) if is_number else None


def keep_result(
    state: Path, folder: RunFolder, ledger: LedgerState, day: dt.date, result: Mapping[str, Any]
) -> None:
    """Write the run's figures down for those that follow; nothing where there is no equity."""
    if result.get("equity") is None or "growth" not in result:
        return
    names = ("equity", "growth", "paid_in", "start")
    line = {"date": day.isoformat(), **{name: result[name] for name in names}}
    append_json_line(state / RECORD_FILE, line)
    figures = {date: one for date, one in _figures(state).items() if date < day.isoformat()}
    kept = dict(sorted(figures.items())[-1:])
    kept[day.isoformat()] = _figures_now(DayRecord.of(folder), ledger)
    write_json(state / FIGURES_FILE, kept)


# -- what came in or went out ----------------------------------------------------------------------


def _figures(state: Path) -> dict[str, Any]:
    try:
        content = json.loads((state / FIGURES_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _figures_now(record: DayRecord, ledger: LedgerState) -> dict[str, Any]:
    """Return wallets as they were read last, and what each order had filled."""
    wallets = record.after.get("wallets", {})
    return {
        "wallets": {c: float(w["available"]) + float(w["hold"]) for c, w in wallets.items()},
        "orders": {o.client_id: _filled(o) for o in ledger.orders.values() if o.filled_size},
    }


def _filled(order: OrderRecord) -> list[float]:
    """Return units and money that an order moved: (base, quote), signed, fees included."""
    sign = 1.0 if str(order.key.side) == "BUY" else -1.0
    money = -sign * float(order.filled_value) - float(order.fees)
    return [sign * float(order.filled_size), money]


def _transfer(state: Path, record: DayRecord, ledger: LedgerState, day: dt.date) -> float:
    """Return what came in or went out since the run before; 0 where its figures are not known."""
    earlier = {date: one for date, one in _figures(state).items() if date < day.isoformat()}
    if not earlier:
        return 0.0
    then, now = earlier[max(earlier)], _figures_now(record, ledger)
    quote = record.account.get("quote_currency", "")
    change = _changes(then["wallets"], now["wallets"])
    for identity, (base, money) in now["orders"].items():
        before = then["orders"].get(identity, [0.0, 0.0])
        name = base_of(ledger.orders[identity].product_id)
        change[quote] = change.get(quote, 0.0) - (money - before[1])
        change[name] = change.get(name, 0.0) - (base - before[0])
    coins = 0.0
    for ticker in record.tickers:
        price = record.price(ticker)
        if price is not None:
            coins += change.get(base_of(ticker), 0.0) * price
    return round(transfer_of(change.get(quote, 0.0), coins), 2)


def _changes(then: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    return {c: now.get(c, 0.0) - then.get(c, 0.0) for c in {*then, *now}}


# -- what others did -------------------------------------------------------------------------------


def _closes(folder: RunFolder, dates: list[str]) -> dict[str, dict[str, float]]:
    """Return each ticker's close of the day before each of some days, as the run had them."""
    try:
        table = folder.read_frame("inputs/candles.parquet")
    except TfError:
        return {}
    found: dict[str, dict[str, float]] = {}
    for date in dict.fromkeys(dates):
        day_before = dt.date.fromisoformat(date) - dt.timedelta(days=1)
        rows = table[table["date"].dt.date == day_before]
        found[date] = dict(zip(rows["ticker"], rows["close"], strict=True))
    return found


def _between(
    closes: Mapping[str, Mapping[str, float]], then: str, now: str
) -> dict[str, tuple[float, float]]:
    if then == now:
        return {}
    first, last = closes.get(then, {}), closes.get(now, {})
    return {t: (float(first[t]), float(last[t])) for t in sorted(first) if t in last}

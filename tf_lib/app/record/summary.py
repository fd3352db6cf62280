"""
The daily summary: what a run comes to, the one source of its mail, its page and `tf status`.

It is made from the run's folder and the ledger alone, so it can be made by the launcher after the
kernel is gone, whatever state it left.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from tf_lib.app.record.results import (
    PROTECTION_FILE,
    SENDING_LOGS,
    content_of,
    order_results,
    stop_results,
    without_action,
)
from tf_lib.core.model.cooldown import is_cooling
from tf_lib.core.model.impediments import Impediment
from tf_lib.core.model.run_rows import (
    DailySummary,
    ErrorRow,
    OrderRow,
    PositionRow,
    ProtectionRow,
    StopRow,
    TakenRow,
)
from tf_lib.errors import EXIT_DONE, EXIT_REFUSED, EXIT_UNPROTECTED, StateError
from tf_lib.store.ledger_state import LedgerState, OrderRecord
from tf_lib.store.run_folder import RunFolder
from tf_lib.text.tickers import base_of

_STATES = {EXIT_UNPROTECTED: "unprotected", EXIT_REFUSED: "refused"}


@dataclass(frozen=True)
class RunFacts:
    """
    What the launcher knows of a run besides its folder.

    `is_held_up` says that every step went well, and the exit code is for impediments alone.
    """

    day: dt.date
    profile: str
    run_id: str
    attempt: int
    is_dry: bool
    exit_code: int
    cooldown_days: int
    problems: list[str] = field(default_factory=list)
    impediments: tuple[Impediment, ...] = ()
    is_held_up: bool = False
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """The run's state in a word."""
        if self.exit_code != EXIT_DONE and not self.is_held_up:
            return _STATES.get(self.exit_code, "failed")
        if self.is_dry:
            return "dry"
        return "attention" if self.impediments else "done"


def build_summary(folder: RunFolder, facts: RunFacts, ledger: LedgerState) -> DailySummary:
    """Return the daily summary: the single source of truth for mail and page."""
    plan = content_of(folder, "plan.json")
    account = content_of(folder, "account_after.json") or content_of(folder, "inputs/account.json")
    decision = plan.get("decision", {})
    unprotected = ledger.unprotected_seconds_on(facts.day)
    protection = _protection(folder, ledger, facts.day)
    stops = _last_stops(folder)
    orders = order_results(folder.logs, "order_submit", "dust_submit")
    return {
        "date": facts.day.isoformat(),
        "profile": facts.profile,
        "run_id": facts.run_id,
        "state": facts.state,
        "exit_code": facts.exit_code,
        "attempt": facts.attempt,
        "plan_attempt": plan.get("attempt"),
        "equity": equity_of(account, decision),
        "cash": _cash(account),
        "positions": _positions(account, stops, unprotected, decision),
        "protection": protection,
        "tickers": decision.get("tickers", {}),
        "sleeves": decision.get("sleeves", {}),
        "portfolio": decision.get("portfolio", {}),
        "result": dict(facts.result),
        "impediments": [one.to_mapping() for one in facts.impediments],
        "trades": _trades(decision),
        "orders": orders,
        "stops": stops,
        "taken": [_taken(order) for order in ledger.taken_by_market(facts.day)],
        "rejects": _rejects(folder, orders),
        "cooldowns": _cooldowns(ledger, account, facts),
        "data_quality": _data_quality(folder, decision),
        "errors": cast(list[ErrorRow], folder.logs.read("errors")),
        "problems": list(facts.problems),
        "bare_seconds": unprotected,
        "artifacts": folder.artifacts(),
    }


def bad_news(
    day: dt.date, profile: str, ended: tuple[str, int], messages: Iterable[str]
) -> DailySummary:
    """Return the summary of a day that was not run, by state and exit code, for a mail."""
    state, exit_code = ended
    return {
        "date": day.isoformat(),
        "profile": profile,
        "state": state,
        "exit_code": exit_code,
        "errors": [{"severity": "error", "message": message} for message in messages],
    }


def accounts_equity(folder: RunFolder) -> float | None:
    """Return cash and universe holdings of a run as they were read last; None where never."""
    account = content_of(folder, "account_after.json") or content_of(folder, "inputs/account.json")
    return equity_of(account, content_of(folder, "plan.json").get("decision", {}))


def _rejects(folder: RunFolder, orders: list[OrderRow]) -> list[Mapping[str, Any]]:
    """Return the orders that were refused, then each single request that was."""
    lines = [line for name in SENDING_LOGS for line in folder.logs.read(name)]
    sends = [without_action(line) for line in lines if line.get("answer") == "refused"]
    return [*(row for row in orders if row.get("status") == "refused"), *sends]


def _last_stops(folder: RunFolder) -> list[StopRow]:
    """Return the last word on each product's protection, with the notes of all before it."""
    last: dict[str, StopRow] = {}
    notes: dict[str, dict[str, None]] = {}
    for row in stop_results(folder.logs):
        product = row["product"]
        notes.setdefault(product, {}).update(dict.fromkeys(row.get("notes", [])))
        last[product] = {**row, "notes": list(notes[product])}
    return [last[product] for product in sorted(last)]


def equity_of(account: Mapping[str, Any], decision: Mapping[str, Any]) -> float | None:
    """Return cash and universe holdings at mid, read after the trades."""
    if not account:
        value = decision.get("portfolio", {}).get("equity")
        return float(value) if value is not None else None
    total = float(_cash(account) or 0.0)
    for ticker in decision.get("tickers", account["products"]):
        wallet = account["wallets"].get(base_of(ticker))
        price = _price(ticker, account, decision)
        if wallet is not None and price is not None:
            total += _units(wallet) * price
    return total


def _price(ticker: str, account: Mapping[str, Any], decision: Mapping[str, Any]) -> float | None:
    quote = account["quotes"].get(ticker)
    if quote is not None:
        return (float(quote["bid"]) + float(quote["ask"])) / 2
    close = decision.get("tickers", {}).get(ticker, {}).get("close")
    return float(close) if close is not None else None


def _units(wallet: Mapping[str, str]) -> float:
    return float(wallet["available"]) + float(wallet["hold"])


def _cash(account: Mapping[str, Any]) -> float | None:
    if not account:
        return None
    wallet = account["wallets"].get(account["quote_currency"])
    return _units(wallet) if wallet is not None else 0.0


def _positions(
    account: Mapping[str, Any],
    stops: list[StopRow],
    unprotected: Mapping[str, float],
    decision: Mapping[str, Any],
) -> dict[str, PositionRow]:
    """Return each holding with its value, as the equity counts it, and its stop."""
    by_product: dict[str, Mapping[str, Any]] = {row["product"]: row for row in stops}
    positions: dict[str, PositionRow] = {}
    for ticker in account.get("products", {}):
        wallet = account["wallets"].get(base_of(ticker))
        if wallet is None or not _units(wallet):
            continue
        price = _price(ticker, account, decision)
        stop = by_product.get(ticker, {})
        positions[ticker] = {
            "available": wallet["available"],
            "hold": wallet["hold"],
            "notional": _units(wallet) * price if price is not None else None,
            "price": price,
            "stop": stop.get("resting_level"),
            "stop_limit": stop.get("limit_price"),
            "status": stop.get("status"),
            "bare_seconds": unprotected.get(ticker, 0.0),
        }
    return positions


def _protection(folder: RunFolder, ledger: LedgerState, day: dt.date) -> list[ProtectionRow]:
    """Return the run's protection ledger, with the unprotected time that the ledger has now."""
    try:
        rows = cast(list[ProtectionRow], folder.read_json(PROTECTION_FILE))
    except StateError:
        return []
    seconds = ledger.unprotected_seconds_on(day)
    usd_seconds = ledger.unprotected_usd_seconds_on(day)
    for row in rows:
        row["bare_seconds"] = seconds.get(row["product"], 0.0)
        row["bare_usd_seconds"] = usd_seconds.get(row["product"], 0.0)
    return rows


def _trades(decision: Mapping[str, Any]) -> dict[str, Any]:
    return {
        ticker: {"reason": row["reason"], "trade_notional": row["trade_notional"]}
        for ticker, row in decision.get("tickers", {}).items()
        if row["trade_notional"]
    }


def _taken(order: OrderRecord) -> TakenRow:
    """Return what a stop or an emergency exit sold since the last run."""
    return {
        "product_id": order.product_id,
        "leg": str(order.key.leg),
        "client_id": order.client_id,
        "at": order.last_fill_at.isoformat() if order.last_fill_at else None,
        "filled_size": format(order.filled_size, "f"),
        "average_price": f"{order.filled_value / order.filled_size:.10g}",
        "fees": format(order.fees, "f"),
    }


def _cooldowns(ledger: LedgerState, account: Mapping[str, Any], facts: RunFacts) -> dict[str, str]:
    """Return the start of each cooldown that still holds."""
    read = {t: dt.date.fromisoformat(start) for t, start in account.get("cooldowns", {}).items()}
    return {
        ticker: start.isoformat()
        for ticker, start in sorted({**read, **ledger.cooldowns}.items())
        if is_cooling(start, facts.day, days=facts.cooldown_days)
    }


def _data_quality(folder: RunFolder, decision: Mapping[str, Any]) -> dict[str, Any]:
    report = content_of(folder, "inputs/data.json")
    rows = decision.get("tickers", {})
    return {
        "not_ok": sorted(ticker for ticker, row in rows.items() if not row["data_ok"]),
        "problems": report.get("problems", []),
        "revisions": report.get("revisions", []),
        "quarantined": report.get("quarantined", []),
        "requests": report.get("requests"),
    }

"""
Nothing is silent: what each day's decision wanted, against what was done and what was said.

A part of the oracle, so it imports nothing of ``tf_lib``: the decision is read from the day's plan
as text, what was done from the exchange's own file, what was said from the day's summary.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.oracle.exchange_state import ExchangeState, Rules

ENOUGH = Decimal("0.5")
"""Less of an order than this, filled and not explained, is an order that was not carried out."""

OF_THE_STRATEGY = ("void",)
"""What the strategy itself takes back: a stop that triggered since the plan, a breached level."""


def silent(exchange: ExchangeState, profile: Path, rules: Mapping[str, Rules]) -> Iterator[str]:
    """Yield what a finished day wanted, did not do and did not say."""
    for folder in sorted(profile.glob("*-*-*")):
        summary = _read(folder / f"daily_summary_{folder.name}.json")
        if not (folder / "done.json").exists() or not summary:
            continue
        yield from _of_words(folder.name, summary)
        for product, wanted in _wanted(_read(folder / "plan.json")):
            least = rules[product].quote_min_size if product in rules else Decimal(0)
            is_little = abs(wanted) <= 2 * least
            if is_little or _is_named(summary, product):
                continue
            done = _done(exchange, product, dt.date.fromisoformat(folder.name), wanted)
            if done < ENOUGH * abs(wanted) and not _is_taken_back(summary, product, wanted):
                yield (
                    f"silent: {folder.name} {product}: {wanted:.2f} was wanted, {done:.2f} done, "
                    f"and nothing said of it (state {summary.get('state')})"
                )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _of_words(day: str, summary: Mapping[str, Any]) -> Iterator[str]:
    """The word DONE, and exit 0, where something stood in the way."""
    stood = summary.get("impediments", [])
    if stood and summary.get("state") == "done":
        kinds = sorted({f"{one['kind']} {one['product']}".strip() for one in stood})
        yield f"silent: {day} is called done with impediments: {', '.join(kinds)}"
    if any(one["is_missed_exit"] for one in stood) and summary.get("exit_code") == 0:
        yield f"silent: {day} ends with exit 0 and an exit that was not carried out"


def _wanted(plan: Mapping[str, Any]) -> Iterator[tuple[str, Decimal]]:
    for product, row in sorted(plan.get("decision", {}).get("tickers", {}).items()):
        if row.get("trade_notional"):
            yield product, Decimal(str(row["trade_notional"]))


def _is_named(summary: Mapping[str, Any], product: str) -> bool:
    return any(one["product"] in ("", product) for one in summary.get("impediments", []))


def _is_taken_back(summary: Mapping[str, Any], product: str, wanted: Decimal) -> bool:
    rows = [row for row in summary.get("orders", []) if row.get("product_id") == product]
    return wanted > 0 and any(row.get("status") in OF_THE_STRATEGY for row in rows)


def _done(exchange: ExchangeState, product: str, day: dt.date, wanted: Decimal) -> Decimal:
    """Return the worth of what own orders of a day, or stops on it, did in the wanted direction."""
    side = "BUY" if wanted > 0 else "SELL"
    own = {o.order_id for o in exchange.orders if o.is_own and o.product == product}
    fills = [
        f for f in exchange.fills if f.order_id in own and f.side == side and f.at.date() == day
    ]
    return sum((f.size * f.price for f in fills), Decimal(0))

"""
Tier 3: every fault at every call, as an answer and not as a crash.

The calls are those of an undisturbed busy day, counted at the exchange. After the day a guard
looks, as it would every few minutes; then the oracle judges and one more guard sends nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.proofs.crash import Scene
from tests.proofs.evidence import evidence_of, not_quiet
from tests.proofs.oracle import judge, worst_bare_seconds
from tests.proofs.result import Met
from tests.proofs.stage import Stage

GENERAL: tuple[Mapping[str, Any], ...] = (
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "reset_in_reply"},
    {"kind": "truncated_json"},
    {"kind": "unauthorized"},
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503, "body": "html"},
    {"kind": "status_after", "status": 502, "body": "empty"},
    {"kind": "slow", "seconds": 0.05},
)
FIELDS: Mapping[str, tuple[str, ...]] = {
    "/accounts": ("accounts.*.hold", "accounts.0.available_balance.value", "has_next"),
    "/orders/historical/batch": ("orders.*.status", "orders.0.order_id", "has_next"),
    "/orders/historical/fills": ("fills.*.size",),
    "/orders/historical/": ("order.status", "order.filled_size", "order.product_id"),
    "/orders/batch_cancel": ("results", "results.0.success"),
    "/orders": ("success", "success_response.order_id"),
    "/products": ("products.*.price", "products.0.base_increment"),
    "/best_bid_ask": ("pricebooks.*.bids", "pricebooks"),
    "/ticker": ("trades",),
    "/candles": ("candles.*.close", "candles"),
    "/time": ("epochMillis",),
    "/key_permissions": ("can_trade", "portfolio_uuid"),
    "/portfolios": ("portfolios.*.name",),
    "/transaction_summary": ("fee_tier",),
}
LISTS = ("/accounts", "/orders/historical/batch")
CODES = (0, 1, 3, 5)


@dataclass(frozen=True)
class Call:
    """One request of the undisturbed day, by its number at the exchange."""

    number: int
    method: str
    path: str


@dataclass(frozen=True)
class Wrong:
    """One fault at one call."""

    call: Call
    rule: Mapping[str, Any]

    def __str__(self) -> str:
        return f"call {self.call.number} {self.call.method} {self.call.path}: {dict(self.rule)}"


def calls_of(stage: Stage, scene: Scene) -> list[Call]:
    """Return the calls of the busy day."""
    stage.put_back(scene.eve)
    ended = stage.run()
    assert ended.code == 0, ended.said
    heard = [line for line in stage.exchange.request_log if "/simulator/" not in line["path"]]
    return [
        Call(number, line["method"], line["path"].removeprefix("/api/v3/brokerage"))
        for number, line in enumerate(heard, start=1)
    ]


def every_wrong(calls: Sequence[Call]) -> list[Wrong]:
    """Return every fault at every call it makes sense at."""
    found = []
    for call in calls:
        rules = list(GENERAL)
        suffix = next(
            (key for key in sorted(FIELDS, key=len, reverse=True) if key in call.path), ""
        )
        for field in FIELDS.get(suffix, ()):
            rules.append({"kind": "remove_field", "field": field})
            rules.append({"kind": "put_field", "field": field, "value": "nonsense"})
        if suffix in LISTS:
            rules.append({"kind": "loop_cursor"})
        if call.path.endswith("/candles"):
            rules += [{"kind": "candles_missing", "value": [0, 1]}]
            rules += [{"kind": "candles_doubled", "value": [0, 1]}]
        if call.path.endswith("/time"):
            rules.append({"kind": "clock_skew", "seconds": 2})
        found += [Wrong(call, rule) for rule in rules]
    return found


def kind_of(wrong: Wrong) -> str:
    """Return what has its share in a sample: the fault, and the method it hits."""
    return f"{wrong.rule['kind']} {wrong.call.method}"


def answer(stage: Stage, scene: Scene, wrong: Wrong) -> Met[Wrong]:
    """Do the busy day with one answer gone wrong."""
    stage.put_back(scene.eve)
    stage.exchange.add_fault(endpoint="* /*", calls=[wrong.call.number], **wrong.rule)
    ended = stage.run()
    stage.exchange.clear_faults()
    findings = []
    if ended.code not in CODES:
        findings.append(f"exit: {ended.code}: {ended.said[-300:]}")
    stage.wait(200)
    sent = stage.count_changes()
    looked = stage.guard()
    if looked.code == 3:
        findings.append(f"bare: the guard says so: {looked.said[-300:]}")
    is_quiet = stage.count_changes() == sent
    stage.wait(1)
    evidence = evidence_of(stage)
    findings += judge(evidence)
    if not is_quiet:
        findings += not_quiet(stage)
    return Met(wrong, ended.code, tuple(findings), worst_bare_seconds(evidence))


def figures(answered: Sequence[Met[Wrong]]) -> dict[str, Any]:
    """Return the figures of the matrix."""
    return {
        "by_kind": dict(Counter(str(one.case.rule["kind"]) for one in answered)),
        "by_exit_code": dict(sorted(Counter(one.code for one in answered).items())),
    }

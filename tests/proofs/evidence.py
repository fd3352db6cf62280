"""What is looked at after a case: the evidence for the oracle, and whether a guard leaves it be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.oracle.exchange_state import Rules, rules_of
from tests.proofs.oracle import Evidence
from tests.proofs.stage import Stage


def evidence_of(stage: Stage, **more: Any) -> Evidence:
    """Collect what the oracle judges."""
    exchange = stage.held()
    _, listed = stage.exchange.engine.handle("GET", "/api/v3/brokerage/products", {})
    rules: dict[str, Rules] = {p["product_id"]: rules_of(p) for p in listed["products"]}
    last = {p["product_id"]: Decimal(p["price"] or "0") for p in listed["products"]}
    return Evidence(
        exchange=exchange,
        ledger=stage.ledger.read_bytes() if stage.ledger.exists() else b"",
        rules=rules,
        last=last,
        cash=stage.cash,
        profile=stage.profile,
        rows=list(stop_rows(stage.profile)),
        requests=stage.exchange.request_log,
        **more,
    )


def stop_rows(profile: Path) -> Iterator[dict[str, Any]]:
    """Yield every result of stop_updates that any process of the profile wrote."""
    for path in profile.rglob("stop_updates.jsonl"):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if row.get("action") == "result":
                yield row


def not_quiet(stage: Stage) -> Iterator[str]:
    """Yield a finding if one more guard sends anything."""
    sent = stage.count_changes()
    stage.guard()
    if stage.count_changes() > sent:
        yield "not_quiet: one more guard sent requests"

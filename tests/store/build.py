"""Ledgers on a clock that the test moves."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from tf_lib.core.model.client_ids import Leg, LegKey
from tf_lib.core.model.records import Side
from tf_lib.store.ledger import LEDGER_FILE, Ledger

DAY = dt.date(2024, 3, 1)
UUID = "4bd1d5ae-24e8-5bd8-b797-72fc4b01e402"
STOP = LegKey(DAY, "BTC-USD", Side.SELL, Leg.STOP_CORE)
ENTRY = LegKey(DAY, "BTC-USD", Side.BUY, Leg.ENTRY)
STOP_BODY = {"type": "stop_limit", "base_size": "1", "stop_price": "90", "limit_price": "88"}


class Clock:
    """Exchange time that stands until it is moved."""

    def __init__(self) -> None:
        self.at = dt.datetime(2024, 3, 1, 0, 1, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.at

    def go(self, **step: float) -> None:
        self.at += dt.timedelta(**step)


def market(size: str) -> dict[str, str]:
    return {"type": "market", "base_size": size}


def pinned(folder: Path, clock: Clock | None = None) -> Ledger:
    """Return a new ledger that belongs to the account."""
    ledger = Ledger(folder / LEDGER_FILE, clock or Clock())
    ledger.pin(UUID)
    return ledger


def again(ledger: Ledger) -> Ledger:
    """Return what another process reads."""
    return Ledger(ledger.path, ledger.now)


def plain(ledger: Ledger) -> dict[str, Any]:
    """Return the whole state, for comparing."""
    return dict(vars(ledger.state))

"""
A dirty account: rows nobody can use, old orders, rewards, thin books, storms, old backups.

The rows are there in every proof; the rest happens on days of the soak.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.proofs.stage import Stage

_FROM_THE_BEGINNING = "2023-01-01"


def _always(**row: Any) -> dict[str, Any]:
    return {"at": _FROM_THE_BEGINNING, **row}


ODD_ROWS: Mapping[str, Any] = {
    "events": [
        _always(kind="account", currency="EUR", row={"available_balance": {"value": "-0.01"}}),
        _always(kind="account", currency="GBP", row={"hold": None}),
        _always(
            kind="account",
            currency="USD",
            row={"default": False, "available_balance": {"value": "250.55"}},
        ),
        _always(
            kind="account",
            currency="SOL",
            row={"deleted_at": "2021-05-01T00:00:00Z", "available_balance": {"value": "5"}},
        ),
        _always(
            kind="account",
            currency="BTC",
            row={"type": "ACCOUNT_TYPE_VAULT", "available_balance": {"value": "1"}},
        ),
        _always(kind="old_order", row={"total_fees": "", "filled_value": 12.5}),
        _always(kind="old_fill", row={"price": "", "size": "(missing)"}),
    ]
}
"""What the exchange answers beside the account that trades, from its first moment on."""

REWARD = Decimal("0.00000001")
STORM_UNTIL = ("00:02:00", "00:03:30")
KEPT_DAYS = 9


class Backups:
    """Copies of a profile's folder of the last days, of which one may come back."""

    def __init__(self, stage: Stage, name: str = "world") -> None:
        self._stage = stage
        self._folder = stage.folder / "backups" / name
        shutil.rmtree(self._folder, ignore_errors=True)
        self._kept: list[Path] = []

    def keep(self) -> None:
        """Copy the profile as it is now."""
        copy = self._folder / str(len(self._kept))
        shutil.copytree(self._stage.runs, copy, symlinks=True)
        self._kept.append(copy)
        if len(self._kept) > KEPT_DAYS:
            shutil.rmtree(self._kept[-KEPT_DAYS - 1], ignore_errors=True)

    @property
    def oldest(self) -> int:
        """How many days ago the oldest was made."""
        return min(len(self._kept), KEPT_DAYS) - 1

    def bring_back(self, days: int) -> bool:
        """Put the profile of so many days ago in place of today's; whether there is one."""
        if len(self._kept) <= days:
            return False
        shutil.rmtree(self._stage.runs)
        shutil.copytree(self._kept[-1 - days], self._stage.runs, symlinks=True)
        return True


def reward(stage: Stage, product: str) -> tuple[str, Decimal]:
    """A few units appear from nowhere, as staking and interest bring them."""
    step = Decimal(stage.product(product)["base_increment"])
    amount = max(step, REWARD)
    currency = product.split("-")[0]
    stage.exchange.deposit(currency, amount)
    return currency, amount


def thin_book(stage: Stage, chance: random.Random, product: str) -> Callable[[], None]:
    """A book without a bid, or far from its last trade; returns what makes it usual again."""
    odd = chance.choice(({"bids": False}, {"away": "0.021"}))
    stage.exchange.engine.happen("books", {"product": product, **odd})
    return lambda: stage.exchange.engine.happen("books", {"product": product})


def storm(stage: Stage, chance: random.Random) -> None:
    """Nothing but 503 in the first minutes of the day."""
    until = chance.choice(STORM_UNTIL)
    endpoint = chance.choice(("* /*", "GET /accounts", "GET /products*"))
    window = {"from": "00:01:00", "until": until}
    stage.exchange.add_fault(kind="status", status=503, endpoint=endpoint, **window)


def refused_stop(stage: Stage, product: str) -> None:
    """The exchange refuses one stop of a product, in the words of a price band."""
    stage.exchange.add_fault(
        kind="refuse",
        endpoint="POST /orders",
        contains=[product, "stop_limit"],
        calls=1,
        error="LIMIT_ORDER_PRICE_EXCEEDS_PRICE_BAND_ON_SELL",
        preview="PREVIEW_BREACHED_PRICE_LIMIT",
    )

"""How much of equity may be without a price, and what counts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tf_lib.app.daily.prices import unpriced_share
from tf_lib.core.model.products import BUILT_IN_PRODUCTS
from tf_lib.core.model.records import Holding, Quote

KRL, BTC = BUILT_IN_PRODUCTS["KRL-USD"], BUILT_IN_PRODUCTS["BTC-USD"]
QUOTES = {"BTC-USD": Quote(Decimal(39_900), Decimal(40_100), Decimal(40_000))}


@pytest.mark.parametrize(
    ("units", "close", "share"),
    [
        ("0.05", 0.8, 0.0),  # below the least size: dust
        ("1", 0.8, 0.0),  # 80 cents, below the least order
        ("1000", 10.0, 0.2),  # 10,000 beside 20,000 in cash and half a coin at 40,000
    ],
)
def test_the_share_without_a_price_is_of_equity(units: str, close: float, share: float) -> None:
    """At the last close."""
    held = {"KRL-USD": (KRL, Decimal(units)), "BTC-USD": (BTC, Decimal("0.5"))}

    found = unpriced_share(held, Holding(Decimal(20_000), Decimal(0)), QUOTES, {"KRL-USD": close})

    assert found == pytest.approx(share)

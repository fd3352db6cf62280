"""
Product table: the exchange's rules for the tickers the strategy uses, as of October 2025.

Used where no products file is named. A live run reads the rules from the exchange.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tf_lib.core.model.records import Product

_DEFAULT_BASE_STEP = "0.00000001"
_DEFAULT_TICK = "0.00000001"

# product, base increment (and least size), price increment (and quote increment)
_RULES = (
    ("ADA-USD", "0.00000001", "0.0001"),
    ("AVAX-USD", "0.00000001", "0.01"),
    ("BTC-USD", "0.00000001", "0.01"),
    ("CRO-USD", "0.1", "0.00001"),
    ("DOGE-USD", "0.1", "0.00001"),
    ("ETH-USD", "0.00000001", "0.01"),
    ("FET-USD", "0.1", "0.0001"),
    ("FIL-USD", "0.001", "0.001"),
    ("GRT-USD", "0.01", "0.0001"),
    ("ICP-USD", "0.0001", "0.001"),
    ("KRL-USD", "0.1", "0.0001"),
    ("LINK-USD", "0.01", "0.001"),
    ("LTC-USD", "0.00000001", "0.01"),
    ("OXT-USD", "1", "0.0001"),
    ("SOL-USD", "0.00000001", "0.01"),
    ("XTZ-USD", "0.01", "0.001"),
)


def default_product(
    product_id: str, *, tick: str = _DEFAULT_TICK, base_step: str = _DEFAULT_BASE_STEP
) -> Product:
    """Return a product with these steps that is open for trading, at least 1 in quote currency."""
    return Product(
        product_id=product_id,
        base_increment=Decimal(base_step),
        price_increment=Decimal(tick),
        quote_increment=Decimal(tick),
        base_min_size=Decimal(base_step),
        quote_min_size=Decimal(1),
    )


BUILT_IN_PRODUCTS: Mapping[str, Product] = {
    name: default_product(name, tick=tick, base_step=step) for name, step, tick in _RULES
}


def products_for(
    tickers: Iterable[str], products: Mapping[str, Product] | None = None
) -> dict[str, Product]:
    """Return the rules of each ticker: from `products`, else built in, else the default."""
    known = {**BUILT_IN_PRODUCTS, **(products or {})}
    return {ticker: known.get(ticker) or default_product(ticker) for ticker in tickers}

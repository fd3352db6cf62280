"""Tickers: the two currencies in the name of a product, BASE-QUOTE."""

from __future__ import annotations


def base_of(product_id: str) -> str:
    """
    Return the currency that is bought.

    Examples
    --------
    >>> base_of("BTC-USD")
    'BTC'
    """
    return product_id.partition("-")[0]


def quote_of(product_id: str) -> str:
    """Return the currency it is paid with; nothing where a name has no dash."""
    return product_id.partition("-")[2]

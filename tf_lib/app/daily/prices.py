"""
Prices: which may be traded at, and what the others keep from being done.

One bad book is one bad product: it is left alone and named, and the others trade. Only when much
of equity cannot be priced nothing is bought (docs/execution.md section 14).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tf_lib.core.model.account import doubt_of_quote
from tf_lib.core.model.impediments import Impediment, ImpedimentKind
from tf_lib.core.model.records import Holding, Product, Quote
from tf_lib.core.orders.build import is_dust, to_decimal


def believed_quotes(
    tickers: Iterable[str],
    best_prices: Mapping[str, tuple[Decimal, Decimal]],
    last: Mapping[str, Decimal],
) -> tuple[dict[str, Quote], dict[str, str]]:
    """Return the prices that may be traded at, and why the other tickers have none."""
    quotes: dict[str, Quote] = {}
    unpriced: dict[str, str] = {}
    for ticker in tickers:
        if ticker not in best_prices or ticker not in last:
            lacks = "last trade" if ticker in best_prices else "bid or no ask"
            unpriced[ticker] = f"no believable price: the exchange shows no {lacks}"
            continue
        quote = Quote(bid=best_prices[ticker][0], ask=best_prices[ticker][1], last=last[ticker])
        doubt = doubt_of_quote(quote)
        if doubt:
            unpriced[ticker] = f"no believable price: {doubt}"
        else:
            quotes[ticker] = quote
    return quotes, unpriced


def price_impediments(unpriced: Mapping[str, str]) -> list[Impediment]:
    """Name each product that is left alone for want of a price."""
    what = "nothing: it is traded again as soon as its price can be believed"
    return [
        Impediment(ImpedimentKind.NO_PRICE, why, what, product=ticker)
        for ticker, why in sorted(unpriced.items())
    ]


def no_price_at_all(tickers: Iterable[str]) -> Impediment:
    """Say that not one ticker can be traded."""
    return Impediment(
        ImpedimentKind.HALTED,
        f"not one ticker has a believable price ({', '.join(tickers)}): nothing is traded",
        "look at the exchange's status and at universe.tickers; then run again",
    )


def unpriced_share(
    held: Mapping[str, tuple[Product, Decimal]],
    cash: Holding | None,
    quotes: Mapping[str, Quote],
    worth_of_one: Mapping[str, float],
) -> float:
    """
    Return how much of equity is held without a believable price.

    Parameters
    ----------
    held : mapping of ticker to product and units
    worth_of_one : mapping of ticker to float
        The last close of a ticker, or its last trade. Dust never counts.
    """
    priced, unpriced = float(cash.total) if cash is not None else 0.0, 0.0
    for ticker, (product, units) in held.items():
        if ticker in quotes:
            priced += float(units * quotes[ticker].mid)
            continue
        worth = worth_of_one.get(ticker, 0.0)
        unpriced += 0.0 if is_dust(units, product, to_decimal(worth)) else float(units) * worth
    return unpriced / (priced + unpriced) if unpriced else 0.0

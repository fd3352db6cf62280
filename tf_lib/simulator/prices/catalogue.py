"""The products the exchange lists, and their flags, which may be flipped while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from tf_lib.core.model.products import BUILT_IN_PRODUCTS, default_product
from tf_lib.core.model.records import PRODUCT_FLAGS, Product
from tf_lib.errors import InputError
from tf_lib.simulator.prices.day_bars import DayBars

_SYNTHETIC_TICK = "0.0001"
_MOST_DECIMALS = 10
FLAG_NAMES = frozenset({*PRODUCT_FLAGS, "status"})

LISTED = "listed"
"""Not a flag of the exchange: whether it knows the product at all."""


class Catalogue(Mapping[str, Product]):
    """
    Products by id, in order of id.

    Parameters
    ----------
    products : mapping of product id to Product
    alias_of : mapping of product id to product id, optional
        Further names under which a product's book is traded for another currency.
    """

    def __init__(
        self, products: Mapping[str, Product], alias_of: Mapping[str, str] | None = None
    ) -> None:
        self.alias_of = dict(alias_of or {})
        known = dict(products)
        for twin, name in self.alias_of.items():
            known[twin] = replace(products[name], product_id=twin)
        self._products = {name: known[name] for name in sorted(known)}
        self._gone: dict[str, Product] = {}

    def __getitem__(self, product_id: str) -> Product:
        """Return the rules of a product as they are now."""
        return self._products[product_id]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the product ids."""
        return iter(self._products)

    def __len__(self) -> int:
        """Count the products."""
        return len(self._products)

    def knows(self, product_id: object) -> bool:
        """Whether there is such a product, listed or gone."""
        return product_id in self._products or product_id in self._gone

    @staticmethod
    def check_flag(name: str, value: object) -> None:
        """Refuse a flag that is not there, or a value that it cannot have."""
        if name not in FLAG_NAMES:
            raise InputError(f"no flag {name!r}; known are {', '.join(sorted(FLAG_NAMES))}")
        if not isinstance(value, str if name == "status" else bool):
            raise InputError(f"flag {name} cannot be {value!r}")

    def flip(self, product_id: str, name: str, value: object) -> None:
        """
        Change one flag, or the status, of a product.

        Raises
        ------
        InputError
            No such product or flag, or a value of the wrong type.
        """
        if name == LISTED:
            self._list(product_id, is_listed=value is True)
            return
        if product_id not in self._products:
            raise InputError(f"no product {product_id!r} whose flag could be set")
        self.check_flag(name, value)
        change: dict[str, Any] = {name: value}
        self._products[product_id] = replace(self._products[product_id], **change)

    def _list(self, product_id: str, *, is_listed: bool) -> None:
        """List a product again that was gone, or let it go; one that never was stays unknown."""
        source, target = self._products, self._gone
        if is_listed:
            source, target = target, source
        if product_id in source:
            target[product_id] = source.pop(product_id)
            self._products = {name: self._products[name] for name in sorted(self._products)}


def rules_for(
    tickers: Iterable[str], given: Mapping[str, Product], bars: Mapping[str, DayBars] | None
) -> dict[str, Product]:
    """
    Return the rules of each ticker: given, else built in, else the tick its candles show.

    A made-up market of an unknown ticker has ticks of 0.0001.
    """
    rules = {}
    for ticker in tickers:
        known = given.get(ticker) or (None if given else BUILT_IN_PRODUCTS.get(ticker))
        if known is None:
            tick = _tick_of(bars[ticker]) if bars else _SYNTHETIC_TICK
            known = default_product(ticker, tick=tick)
        rules[ticker] = known
    return rules


def renamed_rules(product: Product, to: str, ratio: Decimal) -> Product:
    """Return the rules under which a coin goes on, its steps as fine as they were in money."""
    digits = ratio.adjusted()
    return replace(
        product,
        product_id=to,
        price_increment=product.price_increment.scaleb(-digits),
        base_increment=product.base_increment.scaleb(digits),
        base_min_size=product.base_min_size.scaleb(digits),
    )


def _tick_of(bars: DayBars) -> str:
    """Return the step of the most decimals any price is written with."""
    prices = np.concatenate([bars.open, bars.high, bars.low, bars.close])
    for decimals in range(_MOST_DECIMALS):
        if (np.round(prices, decimals) == prices).all():
            return format(Decimal(1).scaleb(-decimals), "f")
    return format(Decimal(1).scaleb(-_MOST_DECIMALS), "f")

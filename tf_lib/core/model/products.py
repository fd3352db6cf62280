"""
Products: trading rules from a products file, from candles, or from the table built in.

A live run reads the rules from the exchange. The built-in table holds the tickers the strategy
uses as of October 2025; the columns of a file are those of the exchange's product list; a product
that is in neither gets the finest base step and a tick from the decimals its candles are written
with.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tf_lib.core.candles.rows import lowest_price, price_decimals
from tf_lib.core.model.records import PRODUCT_FLAGS, PRODUCT_STEPS, Product
from tf_lib.errors import ParameterError

_DEFAULT_STEP = "0.00000001"

FINEST_DECIMALS = 18
"""Of a tick: ten to this power is the largest that a whole number of 64 bits holds."""
USUAL_BASE_POWER, CHEAP_UNIT_POWER, DEAR_UNIT_POWER = -8, -2, 5
_NEEDED = ("product_id", "status", *PRODUCT_FLAGS, *PRODUCT_STEPS)
_TRUTH = {"true": True, "false": False}

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
    product_id: str, *, tick: str = _DEFAULT_STEP, base_step: str = _DEFAULT_STEP
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


def parse_products(text: str, *, source: str) -> dict[str, Product]:
    """
    Read the text of a products file.

    Parameters
    ----------
    text : str
        CSV with a header; columns beyond the rules of trading are ignored.
    source : str
        The file's name, for messages.

    Raises
    ------
    ParameterError
        Naming `source`, the line, the column and what was expected.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
    if missing:
        raise ParameterError(f"{source} line 1: a products file needs the columns {missing}")
    products: dict[str, Product] = {}
    for row in reader:
        where = f"{source} line {reader.line_num}"
        product = _product(row, where)
        if product.product_id in products:
            raise ParameterError(f"{where}: {product.product_id} stands twice")
        products[product.product_id] = product
    if not products:
        raise ParameterError(f"{source}: there is a header but no product")
    return products


def product_from_candles(product_id: str, text: str) -> Product:
    r"""
    Return rules for a product that no table knows, from the text of its candle file.

    Examples
    --------
    >>> text = "date,open,high,low,close,volume\n2024-01-01,1.5,2,1.25,1.5,7\n"
    >>> product_from_candles("NEW-USD", text).price_increment
    Decimal('0.01')
    """
    decimals = price_decimals(text)
    if decimals > FINEST_DECIMALS:
        raise ParameterError(
            f"{product_id}: its candles have prices of {decimals} decimals and no products table "
            f"knows it; a tick finer than 1e-{FINEST_DECIMALS} cannot be counted. Name its rules "
            f"in a products file (exchange.products)"
        )
    return default_product(product_id, tick=_power(-decimals), base_step=_power(_base_power(text)))


def _base_power(text: str) -> int:
    """
    Return the power of ten of the base step: 1e-8, unless a unit costs very little or very much.

    So that an account is a number of steps that can be counted, and a step is no fortune itself, at
    every price scale.
    """
    magnitude = Decimal(repr(lowest_price(text))).adjusted()
    cheap, dear = max(CHEAP_UNIT_POWER - magnitude, 0), max(magnitude - DEAR_UNIT_POWER, 0)
    return max(USUAL_BASE_POWER + cheap - dear, -FINEST_DECIMALS)


def _power(exponent: int) -> str:
    return format(Decimal(1).scaleb(exponent), "f")


def _product(row: Mapping[str, str | None], where: str) -> Product:
    product_id = (row["product_id"] or "").strip()
    if product_id.count("-") != 1:
        raise ParameterError(f"{where}: product_id: expected BASE-QUOTE, got {product_id!r}")
    if None in row.values() or None in row:
        raise ParameterError(f"{where}: {product_id}: more or fewer fields than line 1")
    where = f"{where}: {product_id}"
    rules: dict[str, Any] = {name: _step(row[name], f"{where}: {name}") for name in PRODUCT_STEPS}
    rules |= {name: _flag(row[name], f"{where}: {name}") for name in PRODUCT_FLAGS}
    return Product(product_id=product_id, status=str(row["status"]), **rules)


def _step(field: str | None, where: str) -> Decimal:
    try:
        value = Decimal(field or "")
    except InvalidOperation:
        value = Decimal("NaN")
    may_be_zero = where.endswith("min_size")
    if not value.is_finite() or value < 0 or (value == 0 and not may_be_zero):
        raise ParameterError(f"{where}: expected a number above 0, got {field!r}")
    return value


def _flag(field: str | None, where: str) -> bool:
    truth = _TRUTH.get((field or "").strip().lower())
    if truth is None:
        raise ParameterError(f"{where}: expected True or False, got {field!r}")
    return truth

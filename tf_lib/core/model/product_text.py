"""
Product text: from the text of a products file to trading rules.

The columns are those of the exchange's product list; a product that is not in it gets the finest
base step and a tick from the decimals its candles are written with.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from tf_lib.core.candles.rows import lowest_price, price_decimals
from tf_lib.core.model.products import default_product
from tf_lib.core.model.records import Product
from tf_lib.errors import ParameterError

_STEPS = (
    "base_increment",
    "price_increment",
    "quote_increment",
    "base_min_size",
    "quote_min_size",
)
_FLAGS = (
    "trading_disabled",
    "is_disabled",
    "cancel_only",
    "limit_only",
    "post_only",
    "auction_mode",
    "view_only",
)
FINEST_DECIMALS = 18
"""Of a tick: ten to this power is the largest that a whole number of 64 bits holds."""
USUAL_BASE_POWER, CHEAP_UNIT_POWER, DEAR_UNIT_POWER = -8, -2, 5
_NEEDED = ("product_id", "status", *_FLAGS, *_STEPS)
_TRUTH = {"true": True, "false": False}


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
    steps = {name: _step(row[name], f"{where}: {product_id}: {name}") for name in _STEPS}
    flags = {name: _flag(row[name], f"{where}: {product_id}: {name}") for name in _FLAGS}
    return Product(
        product_id=product_id,
        status=str(row["status"]),
        base_increment=steps["base_increment"],
        price_increment=steps["price_increment"],
        quote_increment=steps["quote_increment"],
        base_min_size=steps["base_min_size"],
        quote_min_size=steps["quote_min_size"],
        trading_disabled=flags["trading_disabled"],
        is_disabled=flags["is_disabled"],
        cancel_only=flags["cancel_only"],
        limit_only=flags["limit_only"],
        post_only=flags["post_only"],
        auction_mode=flags["auction_mode"],
        view_only=flags["view_only"],
    )


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

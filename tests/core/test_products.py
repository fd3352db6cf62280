"""Products: files, the built-in table, and what is assumed for the unknown."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.core.build import PROJECT
from tf_lib.core.model.products import (
    BUILT_IN_PRODUCTS,
    parse_products,
    product_from_candles,
    products_for,
)
from tf_lib.errors import ParameterError
from tf_lib.parameters import load_config

HEADER = (
    "product_id,base_currency_id,quote_currency_id,status,trading_disabled,is_disabled,cancel_only,"
    "limit_only,post_only,auction_mode,view_only,base_increment,quote_increment,price_increment,"
    "base_min_size,quote_min_size,price,approximate_quote_24h_volume"
)
FLAGS = "online,False,False,False,True,False,False,False"
ROW = f"FET-USD,FET,USD,{FLAGS},0.1,0.0001,0.0001,0.1,1,0.26,5"
REAL_PRODUCTS = PROJECT.parent / "shared" / "products_2025-10-24.csv"


def test_a_row_becomes_exact_rules() -> None:
    product = parse_products(f"{HEADER}\n{ROW}\n", source="p.csv")["FET-USD"]

    assert product.base_increment == Decimal("0.1")
    assert product.price_increment == Decimal("0.0001")
    assert product.quote_min_size == Decimal(1)
    assert product.is_tradable
    assert not product.accepts_market_orders


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p.csv line 1: a products file needs the columns"),
        (HEADER.replace("base_increment", "step") + f"\n{ROW}\n", "base_increment"),
        (f"{HEADER}\n", "no product"),
        (f"{HEADER}\n{ROW}\n{ROW}\n", "p.csv line 3: FET-USD stands twice"),
        (f"{HEADER}\n{ROW.replace('0.1,0.0001', 'x,0.0001')}\n", "line 2: FET-USD: base_increment"),
        (f"{HEADER}\n{ROW.replace('0.1,0.0001', '0,0.0001')}\n", "expected a number above 0"),
        (f"{HEADER}\n{ROW.replace('0.1,0.0001', '-1,0.0001')}\n", "expected a number above 0"),
        (f"{HEADER}\n{ROW.replace('True', 'maybe')}\n", "limit_only: expected True or False"),
        (f"{HEADER}\n{ROW},9\n", "line 2: FET-USD: more or fewer fields"),
        (f"{HEADER}\nFET-USD,FET,USD,online\n", "line 2: FET-USD: more or fewer fields"),
        (f"{HEADER}\n{ROW.replace('FET-USD', 'FETUSD')}\n", "product_id: expected BASE-QUOTE"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_column(text: str, message: str) -> None:
    with pytest.raises(ParameterError, match=r"p\.csv") as refused:
        parse_products(text, source="p.csv")

    assert message in str(refused.value)


def test_the_table_knows_every_ticker_of_the_strategy(project_root: Path) -> None:
    config = load_config(project_root / "parameters" / "strategy_v020.yaml")

    assert set(config.universe.tickers) <= set(BUILT_IN_PRODUCTS)


def test_the_table_says_what_the_exchange_said() -> None:
    """Checked against the product list of October 2025 where it is at hand."""
    if not REAL_PRODUCTS.exists():
        pytest.skip(f"no real product list beside the project ({REAL_PRODUCTS.name})")
    real = parse_products(REAL_PRODUCTS.read_text(), source=REAL_PRODUCTS.name)

    assert dict(BUILT_IN_PRODUCTS) == {name: real[name] for name in BUILT_IN_PRODUCTS}


def test_an_unknown_product_gets_the_finest_size_and_the_tick_of_its_candles() -> None:
    text = "date,open,high,low,close,volume\n2024-01-01,0.125,0.2,0.1,0.15,7\n"
    product = product_from_candles("NEW-USD", text)

    assert product.base_increment == Decimal("0.00000001")
    assert product.price_increment == Decimal("0.001")


@pytest.mark.parametrize(
    ("price", "step"),
    [
        ("0.0125", "0.00000001"),
        ("0.00125", "0.0000001"),
        ("0.00000000125", "0.1"),
        ("125000", "0.00000001"),
        ("12500000", "0.0000000001"),
    ],
)
def test_the_size_step_of_an_unknown_product_fits_its_price(price: str, step: str) -> None:
    """A unit that costs next to nothing is counted in larger steps: no size is cut at a limit."""
    text = f"date,open,high,low,close,volume\n2024-01-01,{price},{price},{price},{price},7\n"

    assert product_from_candles("NEW-USD", text).base_increment == Decimal(step)


def test_a_tick_too_fine_to_be_counted_is_refused_with_what_to_do() -> None:
    price = "0.0000000000000000012"
    text = f"date,open,high,low,close,volume\n2024-01-01,{price},{price},{price},{price},7\n"

    with pytest.raises(ParameterError, match=r"NEW-USD: .* 19 decimals .*exchange\.products"):
        product_from_candles("NEW-USD", text)


def test_a_products_file_may_begin_with_a_byte_order_mark() -> None:
    assert parse_products(f"\ufeff{HEADER}\n{ROW}\n", source="p")


def test_a_given_product_goes_before_the_table_and_the_default_comes_last() -> None:
    given = parse_products(f"{HEADER}\n{ROW.replace('FET', 'BTC')}\n", source="p")
    found = products_for(["BTC-USD", "ETH-USD", "NEW-USD"], given)

    assert found["BTC-USD"].base_increment == Decimal("0.1")
    assert found["ETH-USD"] == BUILT_IN_PRODUCTS["ETH-USD"]
    assert found["NEW-USD"].base_increment == Decimal("0.00000001")

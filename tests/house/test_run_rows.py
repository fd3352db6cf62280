"""Pages and mails read no column that no row of a run's record has."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house.rooms import sources
from tests.pages.day import page_day
from tf_lib.core.model import run_rows

READERS = [name for name in sources() if name.startswith(("tf_lib.pages.day.", "tf_lib.notify."))]
COLUMNS = {
    column
    for kind in vars(run_rows).values()
    if isinstance(kind, type) and hasattr(kind, "__required_keys__")
    for column in kind.__annotations__
}


@pytest.fixture(scope="module")
def of_decisions() -> set[str]:
    """Return what a decision's record has of a ticker, which pages call a row as well."""
    mapping = page_day().decision.to_mapping()
    return {column for row in mapping["tickers"].values() for column in row}


def columns_read(source: str) -> Iterator[str]:
    """Yield the names that are asked of a `row` or a `summary`, by ``get`` or in brackets."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="row" | "summary"), attr="get"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name
            case ast.Subscript(
                value=ast.Name(id="row" | "summary"), slice=ast.Constant(value=str(name))
            ):
                yield name


@pytest.mark.parametrize("reader", READERS)
def test_a_column_that_is_read_is_written(reader: str, of_decisions: set[str]) -> None:
    """A type does not see to it: ``get`` of a name that is nowhere is nothing."""
    assert set(columns_read(sources()[reader])) <= COLUMNS | of_decisions


def test_a_misspelt_column_is_seen() -> None:
    """In both forms."""
    source = "row.get('prodct'); row['staus']; summary.get('orders'); other['x']"

    assert list(columns_read(source)) == ["prodct", "staus", "orders"]
    assert {"orders", "resting_level", "limit_distance", "wanted"} <= COLUMNS

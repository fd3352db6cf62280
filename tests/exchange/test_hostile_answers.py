"""Whatever an answer holds, it is believed, refused or unknown; nothing else comes out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.samples import account_record, fill_record, order_record, product_record
from tf_lib.errors import UnknownState
from tf_lib.exchange.coinbase.account_wallets import holdings_from
from tf_lib.exchange.coinbase.answers import judge_cancel, judge_create
from tf_lib.exchange.coinbase.lists import all_records, all_records_without_next
from tf_lib.exchange.coinbase.market import listed_product
from tf_lib.exchange.coinbase.order_records import fill, order_state
from tf_lib.exchange.coinbase.values import Record
from tf_lib.exchange.coinbase.wire import Reply
from tf_lib.exchange.port import Accepted, OrderState, Refused, Unknown

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-10, 10**19)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["", "0", "-1", "NaN", "1e400", "BUY", "OPEN", "2024-03-01", "BTC-USD"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def harmed(record: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a record with some of its fields replaced by anything, or gone."""
    changes = st.dictionaries(st.sampled_from(sorted(record)), JSON | st.just("GONE"), max_size=4)

    def apply(fields: dict[str, Any]) -> dict[str, Any]:
        changed = {**copy.deepcopy(record), **fields}
        return {key: value for key, value in changed.items() if value != "GONE"}

    return changes.map(apply)


@pytest.mark.parametrize(
    ("read", "record"),
    [
        (order_state, order_record()),
        (fill, fill_record()),
        (listed_product, product_record()),
        (lambda record: holdings_from([record]), account_record("BTC", "1")),
    ],
    ids=["order", "fill", "product", "account"],
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_harmed_record_is_read_or_unknown(
    read: Callable[[Record], object], record: dict[str, Any], data: st.DataObject
) -> None:
    """No TypeError, no KeyError, no number that is none."""
    try:
        found = read(data.draw(harmed(record)))
    except UnknownState:
        return

    if isinstance(found, OrderState):
        assert found.filled_size >= 0
        assert found.filled_size.is_finite()
        assert found.created_time.tzinfo is not None


@settings(max_examples=80, deadline=None)
@given(payload=JSON, status=st.sampled_from([None, 200, 302, 400, 401, 404, 429, 500, 503]))
def test_any_answer_to_a_create_is_one_of_three(payload: Any, status: int | None) -> None:
    """And accepted only with a clean success that names an order."""
    body = payload if isinstance(payload, dict) else None
    problem = "" if status == 200 else "HTTPError"
    answer = judge_create(Reply(status, body, problem), client_order_id="tf1-x")

    assert isinstance(answer, Accepted | Refused | Unknown)
    assert not isinstance(answer, Accepted)
    if status in (None, 302, 500, 503):
        assert isinstance(answer, Unknown)


@settings(max_examples=50, deadline=None)
@given(results=JSON)
def test_any_answer_to_a_cancel_names_every_order(results: Any) -> None:
    """None is lost, none is invented."""
    answers = judge_cancel(Reply(200, {"results": results}), ["a", "b"])

    assert list(answers) == ["a", "b"]


@given(pages=st.lists(st.lists(st.integers(), max_size=3), min_size=1, max_size=6))
def test_pages_of_any_size_add_up(pages: list[list[int]]) -> None:
    """Empty ones in the middle included."""

    def read(paging: dict[str, Any]) -> dict[str, Any]:
        number = int(paging.get("cursor", "0"))
        is_last = number == len(pages) - 1
        rows = [{"n": n} for n in pages[number]]
        return {"rows": rows, "has_next": not is_last, "cursor": "" if is_last else str(number + 1)}

    wanted = [n for page in pages for n in page]
    assert [row["n"] for row in all_records(read, "rows", what="rows")] == wanted


@given(cursors=st.lists(st.sampled_from("abc"), min_size=5, max_size=5))
def test_a_list_that_never_ends_is_unknown(cursors: list[str]) -> None:
    """Five turns over three cursors must meet one again."""
    turns = iter(cursors)
    with pytest.raises(UnknownState):
        all_records(
            lambda _: {"rows": [{}], "has_next": True, "cursor": next(turns)}, "rows", what="rows"
        )


def test_fills_that_turn_in_a_wider_circle_end_too() -> None:
    """Two cursors that point to each other."""
    with pytest.raises(UnknownState, match="no end"):
        all_records_without_next(
            lambda paging: {"fills": [{}], "cursor": "b" if paging.get("cursor") == "a" else "a"},
            "fills",
            page_size=250,
            what="fills",
        )


@given(hold=st.decimals(min_value=0, max_value=10**9), free=st.decimals(0, 10**9))
def test_holdings_are_exact(hold: Decimal, free: Decimal) -> None:
    """To the last of sixteen decimals."""
    holdings = holdings_from([account_record("BTC", format(free, "f"), format(hold, "f"))])

    assert (holdings["BTC"].available, holdings["BTC"].hold) == (free, hold)

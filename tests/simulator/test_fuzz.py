"""Whatever is sent, the answer is one of the exchange's own: never a traceback, never a 500."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.simulator.conftest import BARS, PREFIX, bar_frame
from tf_lib.simulator import SimulatedExchange, SimulatorSettings
from tf_lib.simulator.order_entry import FORMS
from tf_lib.simulator.routes import ROUTES

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["BTC-USD", "BUY", "SELL", "1", "0", "-1", "1e5", "100", "NaN", "", "0.01"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
QUERY_NAMES = st.sampled_from(
    [
        "limit",
        "cursor",
        "order_status",
        "product_ids",
        "product_id",
        "start",
        "end",
        "granularity",
        "start_date",
        "end_date",
        "sort_by",
        "order_side",
        "order_types",
        "time_in_forces",
        "product_type",
        "offset",
        "portfolio_type",
        "start_sequence_timestamp",
        "get_all_products",
        "order_placement_source",
    ]
)
QUERY_VALUES = (
    st.text(max_size=12)
    | st.integers().map(str)
    | st.sampled_from(["OPEN", "ONE_DAY", "ONE_MINUTE", "BTC-USD", "2024-01-01T00:00:00Z", "True"])
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "base_size",
            "quote_size",
            "limit_price",
            "stop_price",
            "stop_trigger_price",
            "stop_direction",
            "end_time",
            "post_only",
        ]
    ),
    SCALARS | st.sampled_from(["STOP_DIRECTION_STOP_DOWN", "2024-03-02T00:00:00Z", "95", "93"]),
)
BODIES = JSON | st.fixed_dictionaries(
    {},
    optional={
        "client_order_id": SCALARS,
        "product_id": SCALARS,
        "side": SCALARS,
        "order_configuration": JSON
        | st.dictionaries(st.sampled_from(sorted(FORMS)), FIELDS | JSON),
        "order_id": SCALARS,
        "order_ids": JSON,
        "price": SCALARS,
        "size": SCALARS,
        "funds": JSON,
        "retail_portfolio_id": SCALARS,
    },
)
PATHS = st.sampled_from(sorted({route.pattern.pattern for route in ROUTES})).flatmap(
    lambda pattern: (
        st.text(min_size=1, max_size=12) | st.sampled_from(["BTC-USD", "x", "%00"])
    ).map(lambda part: pattern.replace("([^/]+)", part))
)


@pytest.fixture(scope="module")
def shared() -> Iterator[SimulatedExchange]:
    """Yield one exchange for every example: what one leaves behind, the next one meets."""
    settings = SimulatorSettings(
        candles={"BTC-USD": bar_frame(BARS)}, as_of=dt.date(2024, 3, 1), keeps_log=False
    )
    with SimulatedExchange(settings) as exchange:
        yield exchange


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=PATHS | st.text(max_size=30).map(lambda text: PREFIX + text),
    query=st.dictionaries(QUERY_NAMES, st.lists(QUERY_VALUES, max_size=2), max_size=4),
    body=BODIES,
)
@examples(max_examples=500, deadline=None, derandomize=True)
def test_any_request_gets_a_proper_answer(
    shared: SimulatedExchange, method: str, path: str, query: dict[str, list[str]], body: Any
) -> None:
    status, payload = shared.engine.handle(method, path, query, body)
    assert status in (200, 400, 403, 404, 405)
    json.dumps(payload)
    if status != 200:
        assert {"error", "message"} <= set(payload)


@given(
    kind=st.sampled_from(sorted(FORMS)),
    fields=FIELDS,
    side=st.sampled_from(["BUY", "SELL"]),
    path=st.sampled_from(["/orders", "/orders/preview"]),
    number=st.integers(0, 10**9),
)
@examples(max_examples=500, deadline=None, derandomize=True)
def test_any_order_gets_a_proper_answer(
    shared: SimulatedExchange, kind: str, fields: dict[str, Any], side: str, path: str, number: int
) -> None:
    body = {
        "client_order_id": f"f{number}",
        "product_id": "BTC-USD",
        "side": side,
        "order_configuration": {kind: fields},
    }
    status, payload = shared.engine.handle("POST", PREFIX + path, None, body)
    assert status in (200, 400)
    if status == 200 and path == "/orders":
        assert payload["success"] or payload["error_response"]["preview_failure_reason"]

"""Whatever is sent, the answer is one of the exchange's own: never a traceback, never a 500."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.simulator.conftest import BARS, DAY, PREFIX, SCHEDULE_KEYS, bar_frame, order_body
from tf_lib.errors import InputError
from tf_lib.simulator import SimulatedExchange, SimulatorSettings
from tf_lib.simulator.api.routes import ROUTES
from tf_lib.simulator.dispatcher import LineError
from tf_lib.simulator.faults.account_events import EVENT_KINDS
from tf_lib.simulator.faults.effects import KINDS
from tf_lib.simulator.matching.order_checks import FORMS

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
NAMES = """
limit cursor order_status product_ids product_id start end granularity start_date end_date sort_by
order_side order_types time_in_forces product_type offset portfolio_type start_sequence_timestamp
get_all_products order_placement_source
"""
QUERY_NAMES = st.sampled_from(NAMES.split())
QUERY_VALUES = (
    st.text(max_size=12)
    | st.integers().map(str)
    | st.sampled_from(["OPEN", "ONE_DAY", "ONE_MINUTE", "BTC-USD", "2024-01-01T00:00:00Z", "True"])
)
SIZES = "base_size quote_size limit_price stop_price stop_trigger_price stop_direction end_time"
FIELDS = st.dictionaries(
    st.sampled_from([*SIZES.split(), "post_only"]),
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
PARTS = "%00 %2F .. %ff %C3%28 BTC-USD%0d%0a BTC-USDC - USD BTC-"
HOSTILE = st.sampled_from([*PARTS.split(), "x" * 3000])
HOSTILE_OR_KNOWN = HOSTILE | st.sampled_from(["BTC-USD", "x", "spot"])
PATHS = st.sampled_from(sorted({route.pattern.pattern for route in ROUTES})).flatmap(
    lambda pattern: (st.text(min_size=1, max_size=12) | HOSTILE_OR_KNOWN).map(
        lambda part: pattern.replace("([^/]+)", part)
    )
)


PAIRS = """
start=1 start=-1 start=1e9 end=9 end=99999999999999999999 granularity=ONE_DAY granularity= limit=0
limit=%00 cursor=MA== cursor=LTU= cursor=//// order_status=OPEN offset=9 currency=%F0
product_ids=BTC-USD start_date=0001-01-01T00:00:00Z end_date=9999-12-31T23:59:59Z & = ; %
"""
SOME_PAIRS = st.lists(st.sampled_from(PAIRS.split()), max_size=6)
RAW_QUERIES = st.text(max_size=60) | SOME_PAIRS.map("&".join)
MANY = int(os.environ.get("TF_FUZZ_EXAMPLES", "300"))
SWEEPING = examples(max_examples=MANY, deadline=None, derandomize=MANY == 300)


@pytest.fixture(scope="module")
def shared() -> Iterator[SimulatedExchange]:
    """Yield one exchange for every example: what one leaves behind, the next one meets."""
    market = {"BTC-USD": bar_frame(BARS)}
    with SimulatedExchange(
        SimulatorSettings(candles=market, as_of=DAY, keeps_log=False)
    ) as exchange:
        yield exchange


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=PATHS | st.text(max_size=30).map(lambda text: PREFIX + text),
    query=st.dictionaries(QUERY_NAMES, st.lists(QUERY_VALUES, max_size=2), max_size=4),
    body=BODIES,
)
@SWEEPING
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
@SWEEPING
def test_any_order_gets_a_proper_answer(
    shared: SimulatedExchange, kind: str, fields: dict[str, Any], side: str, path: str, number: int
) -> None:
    body = order_body(side, {kind: fields}, f"f{number}")
    status, payload = shared.engine.handle("POST", PREFIX + path, None, body)
    assert status in (200, 400)
    if status == 200 and path == "/orders":
        assert payload["success"] or payload["error_response"]["preview_failure_reason"]


@given(method=st.sampled_from(["GET", "POST", "HEAD", "x"]), path=PATHS, query=RAW_QUERIES)
@SWEEPING
def test_any_raw_query_gets_a_proper_answer(
    shared: SimulatedExchange, method: str, path: str, query: str
) -> None:
    status, payload = shared.engine.handle(method, path, query)
    assert status in (200, 400, 403, 404, 405)
    json.dumps(payload)


@given(body=BODIES, seconds=SCALARS)
@examples(max_examples=50, deadline=None, derandomize=True)
def test_waiting_gets_a_proper_answer(shared: SimulatedExchange, body: Any, seconds: Any) -> None:
    for sent in (body, {"seconds": seconds if not isinstance(seconds, int) else -1}):
        status, payload = shared.engine.handle("POST", "/simulator/advance", None, sent)
        assert status in (200, 400)
        json.dumps(payload)


WORLD = st.dictionaries(
    st.sampled_from([*SCHEDULE_KEYS, "other"]),
    JSON
    | st.lists(
        st.dictionaries(
            st.sampled_from(["product", "at", "price", "flag", "value", "currency", "amount"]),
            SCALARS | st.sampled_from(["2024-03-01T00:10:00Z", "cancel_only", "USD"]),
        ),
        max_size=2,
    ),
    max_size=3,
)
DATES = st.just("2024-03-01") | SCALARS
TIMES = st.sampled_from(["00:00:30", "2024-03-01T12:00:00Z", "24:00", "12:00"]) | SCALARS
RULE = st.fixed_dictionaries(
    {"kind": st.sampled_from(KINDS)},
    optional={
        "endpoint": st.sampled_from(["GET *", "* *", "POST /orders", "GET /time", ""]) | SCALARS,
        "calls": SCALARS | st.lists(SCALARS, max_size=2) | st.just("1-3"),
        "probability": SCALARS,
        "contains": SCALARS,
        "from": TIMES,
        "until": TIMES,
        "dates": SCALARS | st.lists(SCALARS, max_size=2),
        "status": SCALARS | st.just(503),
        "body": st.sampled_from(["json", "empty", "html", "text", "xml"]) | SCALARS,
        "seconds": SCALARS,
        "field": st.sampled_from(["accounts.*.hold", "cursor", "a.b.0", "", "*"]) | SCALARS,
        "value": JSON | st.just([0]) | st.just({"0": {"close": "1"}}),
    },
)
EVENT_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "currency": st.sampled_from(["USD", "EUR"]) | SCALARS,
    "amount": st.sampled_from(["1", "-1", "1e-8", "1e999999"]) | SCALARS,
    "product": st.just("BTC-USD") | SCALARS,
    "to": st.sampled_from(["NEW-USD", "BTC-USD"]) | SCALARS,
    "away": st.just("0.021") | SCALARS,
    "ratio": st.just("1000") | SCALARS,
    "side": st.just("BUY") | SCALARS,
    "flag": st.sampled_from(["view_only", "status"]) | SCALARS,
}


def events_of(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    needed = {name: EVENT_VALUES.get(name, JSON) for name in EVENT_KINDS[kind].needs}
    optional = {name: EVENT_VALUES.get(name, JSON) for name in EVENT_KINDS[kind].may}
    times = st.fixed_dictionaries({"at": TIMES}) | st.fixed_dictionaries(
        {"daily_at": TIMES}, optional={"dates": SCALARS | st.lists(DATES, max_size=2)}
    )
    rest = st.fixed_dictionaries({"kind": st.just(kind), **needed}, optional=optional)
    return st.tuples(rest, times).map(lambda parts: parts[0] | parts[1])


EVENT = st.sampled_from(tuple(EVENT_KINDS)).flatmap(events_of) | JSON
ASKED = ("/time", "/accounts", "/orders/historical/batch", "/products/BTC-USD/candles")


@given(schedule=st.fixed_dictionaries({}, optional={
    "seed": SCALARS, "faults": st.lists(RULE, max_size=2) | JSON, "world": WORLD | JSON,
    "events": st.lists(EVENT, max_size=2) | JSON,
}))  # fmt: skip
@SWEEPING
def test_any_schedule_is_refused_by_name_or_works(schedule: dict[str, Any]) -> None:
    settings = SimulatorSettings(
        candles={"BTC-USD": bar_frame(BARS)}, as_of=dt.date(2024, 3, 1), faults=schedule
    )
    try:
        exchange = SimulatedExchange(settings)
    except InputError:
        return
    with exchange:
        for path in ASKED:
            query = {"granularity": "ONE_DAY"} if path.endswith("candles") else {}
            try:
                exchange.engine.handle("GET", PREFIX + path, query)
            except LineError:
                continue
        exchange.advance_to(exchange.now() + dt.timedelta(days=1))

"""Orders and fills from before: shown in the lists of both, with the odd fields they came with."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tf_lib.core.model.records import Side
from tf_lib.simulator.api.queries import Query
from tf_lib.simulator.api.views import fill_view, order_view
from tf_lib.simulator.matching.oddities import put_over
from tf_lib.simulator.matching.order import ExchangeFill, Force, Kind, Order, Status, Terms
from tf_lib.simulator.simulated_clock import DAY, parse_rfc3339
from tf_lib.simulator.venue import Venue, derived_uuid

_YEARS = 3 * 365 * DAY
_ONE, _PRICE, _FEE = Decimal(1), Decimal(100), Decimal("0.6")
_MISSING = "(missing)"
_FILTERS = (
    ("product_ids", "product_id"),
    ("order_ids", "order_id"),
    ("order_status", "status"),
    ("order_side", "side"),
)


def old_orders(venue: Venue) -> list[dict[str, Any]]:
    """Every order from before: a market buy of 1 BTC three years ago, its row's fields over it."""
    return [_old_order(venue, n, row) for n, row in enumerate(venue.oddities.order_rows)]


def old_fills(venue: Venue) -> list[dict[str, Any]]:
    """Every fill from before: one of such an order, its row's fields over it."""
    return [_old_fill(venue, n, row) for n, row in enumerate(venue.oddities.fill_rows)]


def _old_order(venue: Venue, number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    at, owner = venue.opened - _YEARS - number, venue.rights.portfolio.uuid
    configuration = {"market_market_ioc": {"base_size": "1"}}
    order = Order(
        order_id=derived_uuid("old order", owner, str(number)),
        client_order_id=derived_uuid("old client id", owner, str(number)),
        number=0,
        terms=Terms("BTC-USD", Side.BUY, Kind.MARKET, Force.IOC, configuration, base_size=_ONE),
        created=at,
        fee_rate_maker=Decimal(0),
        fee_rate_taker=Decimal(0),
        status=Status.FILLED,
        size=_ONE,
        filled_size=_ONE,
        filled_value=_PRICE,
        fees=_FEE,
        fill_count=1,
        last_fill=at,
        last_update=at,
    )
    return _shown(order_view(venue, order), row)


def _old_fill(venue: Venue, number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    at, owner = venue.opened - _YEARS - number, venue.rights.portfolio.uuid
    fill = ExchangeFill(
        number=0,
        entry_id=derived_uuid("old entry", owner, str(number)),
        trade_id=derived_uuid("old trade", owner, str(number)),
        order_id=derived_uuid("old order", owner, str(number)),
        product_id="BTC-USD",
        side=Side.BUY,
        price=_PRICE,
        size=_ONE,
        commission=_FEE,
        at=at,
        visible_from=at,
        is_maker=False,
    )
    return _shown(fill_view(venue, fill), row)


def _shown(usual: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a usual row with the odd fields over it, without those that are to be missing."""
    shown = put_over(usual, row)
    return {name: value for name, value in shown.items() if value != _MISSING}


def is_asked(query: Query, row: Mapping[str, Any], time_field: str) -> bool:
    """Whether the filters of a list let an odd row through; a field that is missing passes."""
    start = query.moment("start_date") or query.moment("start_sequence_timestamp")
    end = query.moment("end_date") or query.moment("end_sequence_timestamp")
    at = parse_rfc3339(str(row.get(time_field, "")))
    in_time = at is None or ((start is None or at >= start) and (end is None or at < end))
    asked = ((query.all(many), row.get(one)) for many, one in _FILTERS)
    return in_time and all(not wanted or got is None or got in wanted for wanted, got in asked)

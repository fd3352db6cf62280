"""
Reads of the account: key, portfolios, fees, holdings, orders, fills.

Holdings are the complete account list or nothing: a page that is missing, doubled or damaged
makes all of it unknown, because a zero that is not one loses money. A single record of something
that is not traded here is left out instead (`tf_lib.exchange.coinbase.lists`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tf_lib.core.model.client_ids import is_own
from tf_lib.core.model.records import FeeRates
from tf_lib.errors import UnknownState
from tf_lib.exchange.coinbase.account_wallets import holdings_from
from tf_lib.exchange.coinbase.lists import Reads, all_records, all_records_without_next
from tf_lib.exchange.coinbase.order_records import fill, order_state
from tf_lib.exchange.coinbase.values import (
    Record,
    amount,
    optional_text,
    record_of,
    rfc3339,
)
from tf_lib.exchange.coinbase.wire import HttpRejectedError
from tf_lib.exchange.port import AccountWallets, Fill, OrderState

_ACCOUNTS_PER_PAGE = 250
_ORDERS_PER_PAGE = 250
_FILLS_PER_PAGE = 250
_IDS_PER_REQUEST = 50
_MOST_OPEN_ORDERS = 1000
_NOT_FOUND = 404
_NO_SUCH_ORDER = frozenset({"NOT_FOUND", "UNKNOWN"})


class AccountReads(Reads):
    """The part of the client that reads what is owned and ordered."""

    def fee_rates(self) -> FeeRates:
        """Return the account's fees of today for spot."""
        answer = self.line.get("/transaction_summary", {"product_type": "SPOT"})
        tier = record_of(answer, "fee_tier", what="fees")
        return FeeRates(
            maker=_rate(tier, "maker_fee_rate"),
            taker=_rate(tier, "taker_fee_rate"),
        )

    def holdings(self) -> AccountWallets:
        """
        Return what is owned per currency, available and held by orders.

        Raises
        ------
        UnknownState
            If the list did not end properly, or the wallet of the money came twice or has an
            amount that cannot be believed. A coin of which that is so is in `unreadable`.
        """
        records = all_records(
            lambda paging: self.line.get("/accounts", {"limit": _ACCOUNTS_PER_PAGE, **paging}),
            "accounts",
            what="accounts",
        )
        return holdings_from(
            records,
            needs=self.names.needs,
            pays=self.names.is_money,
            leave_out=self.leave_out,
        )

    def orders(
        self,
        product_ids: Iterable[str] | None = None,
        *,
        start: dt.datetime | None = None,
        is_open: bool = False,
    ) -> list[OrderState]:
        """
        Return orders in any state, whole, or those that are open.

        The exchange's filter for open ones hides PENDING and QUEUED orders.
        """
        filters: dict[str, Any] = {"order_status": ["OPEN"]} if is_open else {}
        if product_ids is not None:
            filters["product_ids"] = self.names.all_names(product_ids)
        if start is not None:
            filters["start_date"] = rfc3339(start)
        found = self._orders(filters)
        if is_open and len(found) >= _MOST_OPEN_ORDERS:
            raise UnknownState(f"open orders: the list is cut off at {_MOST_OPEN_ORDERS}")
        return found

    def order(self, order_id: str) -> OrderState | None:
        """
        Return one order, or None when the exchange says it has none of that id.

        Right after a create None means *not visible yet*.
        """
        if not order_id:
            raise ValueError("order_id must not be empty")
        try:
            # Only the documented 404 says so, not one of a proxy or of another path.
            answer = self.line.get(f"/orders/historical/{order_id}")
        except HttpRejectedError as error:
            if error.status == _NOT_FOUND and error.code.upper() in _NO_SUCH_ORDER:
                return None
            raise
        state = self._named(order_state(record_of(answer, "order", what=f"order {order_id}")))
        if state.order_id != order_id:
            raise UnknownState(f"asked for order {order_id}, got {state.order_id}")
        return state

    def fills(self, order_ids: Iterable[str]) -> list[Fill]:
        """Return the fills of orders, each once, oldest first."""
        wanted = list(dict.fromkeys(order_ids))
        found: dict[str, Fill] = {}
        for ids in _chunks(wanted, _IDS_PER_REQUEST):
            for record in self._fill_records(ids):
                if record.get("order_id") not in ids:
                    continue
                one = fill(record)
                if found.setdefault(one.entry_id, one) != one:
                    raise UnknownState(f"fill {one.entry_id} comes with two contents")
        return sorted(found.values(), key=lambda one: (one.trade_time, one.entry_id))

    def _fill_records(self, order_ids: Sequence[str]) -> list[Record]:
        query = {"order_ids": list(order_ids), "limit": _FILLS_PER_PAGE}
        return all_records_without_next(
            lambda paging: self.line.get("/orders/historical/fills", {**query, **paging}),
            "fills",
            page_size=_FILLS_PER_PAGE,
            what="fills",
        )

    def _orders(self, filters: Mapping[str, Any]) -> list[OrderState]:
        query = {"limit": _ORDERS_PER_PAGE, **filters}
        records = all_records(
            lambda paging: self.line.get("/orders/historical/batch", {**query, **paging}),
            "orders",
            what="orders",
        )
        # An order that moves while the pages are read may stand on two of them.
        states = filter(None, map(self._read_order, records))
        return list({state.order_id: state for state in states}.values())

    def _read_order(self, record: Record) -> OrderState | None:
        """Return an order; one of others that cannot be read is left out and named."""
        try:
            return self._named(order_state(record))
        except UnknownState as error:
            if is_own(optional_text(record, "client_order_id")):
                raise
            self.leave_out(str(error))
            return None

    def _named(self, state: OrderState) -> OrderState:
        """Return an order under the name that its product has here."""
        ours = self.names.ours(state.product_id)
        return state if ours == state.product_id else replace(state, product_id=ours)


def _rate(tier: Record, key: str) -> float:
    rate = amount(tier.get(key), what=f"fees: {key}")
    if rate >= 1:
        raise UnknownState(f"fees: {key} must be a fraction below 1, got {rate}")
    return float(rate)


def _chunks(items: Sequence[str], size: int) -> list[Sequence[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]

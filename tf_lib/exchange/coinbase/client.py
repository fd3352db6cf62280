"""
The client: all reads, and the few requests that change something.

`Coinbase` wraps the official SDK. Its changing methods send one request, once, with the client
id they are given, and return an `Answer`; they never retry and never guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_lib.core.model.records import MarketOrder, StopOrder
from tf_lib.errors import TfError
from tf_lib.exchange.coinbase.account_reads import AccountReads
from tf_lib.exchange.coinbase.answers import judge_cancel, judge_create, preview_refusal
from tf_lib.exchange.coinbase.auth import ApiKey
from tf_lib.exchange.coinbase.endpoint import TIMEOUT, exchange_host, open_client
from tf_lib.exchange.coinbase.line import CoinbaseLine
from tf_lib.exchange.coinbase.market import MarketReads
from tf_lib.exchange.coinbase.values import decimal_text, records_of
from tf_lib.exchange.coinbase.wire import HttpRejectedError, RateBudget, RetryRule
from tf_lib.exchange.hosts import is_loopback
from tf_lib.exchange.port import Answer, CancelAnswer, Refused

if TYPE_CHECKING:
    from coinbase.rest import RESTClient

MOST_CANCELS_PER_REQUEST = 100
_CLIENT_ID = re.compile(r"[A-Za-z0-9-]{1,36}")
_STOP_DOWN = "STOP_DIRECTION_STOP_DOWN"


class Coinbase(MarketReads, AccountReads):
    """One key, one portfolio, one thread."""

    @classmethod
    def connect(
        cls,
        base_url: str | None = None,
        ca_file: Path | None = None,
        key_file: Path | None = None,
        *,
        timeout: tuple[float, float] = TIMEOUT,
        retry: RetryRule | None = None,
        budget: RateBudget | None = None,
    ) -> Coinbase:
        """
        Make a client; sends nothing yet (`tf_lib.exchange.factory.open_exchange`).

        Parameters
        ----------
        timeout : pair of float
            Seconds to connect and to wait for an answer.
        retry : RetryRule, optional
            Of reads.
        budget : RateBudget, optional
            No waiting on loopback unless it is given.
        """
        host = exchange_host(base_url)
        key = ApiKey.from_environment() if key_file is None else ApiKey.from_file(Path(key_file))
        ca = None if ca_file is None else Path(ca_file)
        client = open_client(key, host, ca_file=ca, timeout=timeout)
        if budget is None:
            budget = RateBudget(limits=()) if is_loopback(host) else RateBudget()
        return cls(CoinbaseLine(client, key, retry=retry or RetryRule(), budget=budget))

    def preview(self, order: StopOrder | MarketOrder) -> list[Refused]:
        """
        Return with what the exchange would refuse an order; nothing means it would pass.

        While an own stop holds the base, the preview of its replacement is refused for funds.
        """
        what = f"preview {order.product_id}"
        try:
            answer = self.line.read(what, _call(order))
        except HttpRejectedError as error:
            return [preview_refusal(error.code or f"HTTP_{error.status}")]
        codes = answer.get("errs")
        listed = codes if isinstance(codes, list) else records_of(answer, "errs", what=what)
        return [preview_refusal(str(code)) for code in listed]

    def send(self, client_order_id: str, order: StopOrder | MarketOrder) -> Answer:
        """Send a protective stop, good until cancelled, or an order at the market."""
        # The SDK puts a random id in the place of an empty one, and a retry buys twice.
        if not _CLIENT_ID.fullmatch(client_order_id):
            raise TfError(
                f"client order id must be 1 to 36 of A-Z a-z 0-9 -, got {client_order_id!r}"
            )
        action = "create_market" if isinstance(order, MarketOrder) else "create_stop_limit_sell"
        reply = self.line.change(action, client_order_id, _call(order, client_order_id))
        return judge_create(reply, client_order_id=client_order_id)

    def cancel(self, order_ids: Sequence[str]) -> dict[str, CancelAnswer]:
        """
        Ask to cancel orders; accepted means asked for, not dead.

        An empty list sends nothing: the exchange hangs on it.
        """
        wanted = list(dict.fromkeys(order_ids))
        answers: dict[str, CancelAnswer] = {}
        for start in range(0, len(wanted), MOST_CANCELS_PER_REQUEST):
            ids = wanted[start : start + MOST_CANCELS_PER_REQUEST]
            reply = self.line.change("cancel", ",".join(ids), _cancel_call(ids))
            answers.update(judge_cancel(reply, ids))
        return answers


def _call(order: StopOrder | MarketOrder, *client_order_id: str) -> Callable[[RESTClient], Any]:
    """Return the SDK's call that sends an order under an id; without an id, that previews it."""
    body, name = _body(order), "market_order"
    where = [order.product_id]
    if isinstance(order, StopOrder):
        name = "stop_limit_order_gtc_sell"
    else:
        where.append(str(order.side))
        if order.limit_price is not None:
            name = "limit_order_ioc"
    if not client_order_id:
        name = f"preview_{name}"
    return lambda client: getattr(client, name)(*client_order_id, *where, **body)


def _body(order: StopOrder | MarketOrder) -> dict[str, str]:
    """Return the sizes and prices of an order as the exchange takes them."""
    found: dict[str, Decimal] = {"base_size": order.base_size}
    if isinstance(order, StopOrder):
        found |= {"limit_price": order.limit_price, "stop_price": order.stop_price}
    elif order.limit_price is not None:
        found["limit_price"] = order.limit_price
    elif order.quote_size is not None:
        found = {"quote_size": order.quote_size}
    body = {
        name: decimal_text(value, what=f"{order.product_id}: {name.replace('_', ' ')}")
        for name, value in found.items()
    }
    return body | {"stop_direction": _STOP_DOWN} if isinstance(order, StopOrder) else body


def _cancel_call(order_ids: list[str]) -> Callable[[RESTClient], Any]:
    return lambda client: client.cancel_orders(order_ids)

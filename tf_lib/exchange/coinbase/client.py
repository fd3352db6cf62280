"""
The exchange: all reads, and the few requests that change something.

`Coinbase` wraps the official SDK. Its changing methods send one request, once, with the client
id they are given, and return an `Answer`; they never retry and never guess. `ReadOnly` is the
same client with those methods raising: dry runs, status and replay hold no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tf_lib.core.model.records import MarketOrder, StopOrder
from tf_lib.errors import TfError
from tf_lib.exchange.coinbase.account import KeyPermissions, PortfolioRef
from tf_lib.exchange.coinbase.answers import (
    Accepted,
    Answer,
    CancelAnswer,
    CancelOutcome,
    Refused,
    Unknown,
    judge_cancel,
    judge_create,
)
from tf_lib.exchange.coinbase.api_key import ApiKey
from tf_lib.exchange.coinbase.endpoint import REAL_HOST, TIMEOUT, host_of, is_loopback, open_client
from tf_lib.exchange.coinbase.market import ListedProduct, market_quotes
from tf_lib.exchange.coinbase.order_records import Fill, OrderState
from tf_lib.exchange.coinbase.reads import ExchangeReads, stop_body
from tf_lib.exchange.coinbase.refusals import RefusalKind
from tf_lib.exchange.coinbase.values import decimal_text
from tf_lib.exchange.coinbase.wire import RateBudget, RetryRule, Wire

if TYPE_CHECKING:
    from coinbase.rest import RESTClient

__all__ = [
    "REAL_HOST",
    "Accepted",
    "Answer",
    "CancelAnswer",
    "CancelOutcome",
    "Coinbase",
    "ExchangeReads",
    "Fill",
    "KeyPermissions",
    "ListedProduct",
    "OrderState",
    "PortfolioRef",
    "RateBudget",
    "ReadOnly",
    "ReadOnlyError",
    "RefusalKind",
    "Refused",
    "RetryRule",
    "Unknown",
    "is_loopback",
    "market_quotes",
]

MOST_CANCELS_PER_REQUEST = 100
_CLIENT_ID = re.compile(r"[A-Za-z0-9-]{1,36}")


class ReadOnlyError(TfError):
    """A changing request was asked of a client that only reads."""


class Coinbase(ExchangeReads):
    """
    One key, one portfolio, one thread.

    Set `before_send` to a callable that gets the action and the client id (or order ids) right
    before a changing request goes out; what it raises keeps the request from being sent.
    """

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
        Make a client; sends nothing yet.

        Parameters
        ----------
        base_url : str, optional
            Host and port, with or without ``https://``; the real exchange when absent.
        ca_file : Path, optional
            Certificate that the host must be signed by, instead of the system's.
        key_file : Path, optional
            JSON of the Coinbase portal; the environment when absent.
        timeout : pair of float
            Seconds to connect and to wait for an answer.
        retry : RetryRule, optional
            Of reads.
        budget : RateBudget, optional
            No waiting on loopback unless it is given.

        Raises
        ------
        PreflightRefused
            If there is no key, it cannot sign, or a file is missing.
        ParameterError
            If `base_url` is no https host.
        """
        host = host_of(base_url)
        key = ApiKey.from_environment() if key_file is None else ApiKey.from_file(Path(key_file))
        ca = None if ca_file is None else Path(ca_file)
        client = open_client(key, host, ca_file=ca, timeout=timeout)
        if budget is None:
            budget = RateBudget(limits=()) if is_loopback(host) else RateBudget()
        return cls(Wire(client, key, retry=retry or RetryRule(), budget=budget))

    @property
    def before_send(self) -> Callable[[str, str], None] | None:
        """What is asked before each changing request."""
        return self._wire.before_send

    @before_send.setter
    def before_send(self, hook: Callable[[str, str], None] | None) -> None:
        self._wire.before_send = hook

    def create_stop_limit_sell(self, client_order_id: str, order: StopOrder) -> Answer:
        """Place a protective sell stop-limit, good until cancelled."""
        body = stop_body(order)
        return self._create(
            "create_stop_limit_sell",
            client_order_id,
            lambda client: client.stop_limit_order_gtc_sell(
                client_order_id, order.product_id, **body
            ),
        )

    def create_market(self, client_order_id: str, order: MarketOrder) -> Answer:
        """Place a market order by size in base units, or by its money where it has some."""
        name, size = "base_size", order.base_size
        if order.quote_size is not None:
            name, size = "quote_size", order.quote_size
        sized = {name: decimal_text(size, what=f"{order.product_id}: {name}")}
        return self._create(
            "create_market",
            client_order_id,
            lambda client: client.market_order(
                client_order_id, order.product_id, str(order.side), **sized
            ),
        )

    def create_ioc_limit(
        self, client_order_id: str, order: MarketOrder, limit_price: Decimal
    ) -> Answer:
        """Place the same order with a limit, immediate or cancelled: for limit-only products."""
        size = decimal_text(order.base_size, what=f"{order.product_id}: size")
        limit = decimal_text(limit_price, what=f"{order.product_id}: limit price")
        return self._create(
            "create_ioc_limit",
            client_order_id,
            lambda client: client.limit_order_ioc(
                client_order_id, order.product_id, str(order.side), size, limit
            ),
        )

    def cancel(self, order_ids: Sequence[str]) -> dict[str, CancelAnswer]:
        """
        Ask to cancel orders; accepted means asked for, not dead.

        An empty list sends nothing: the exchange hangs on it.
        """
        wanted = list(dict.fromkeys(order_ids))
        answers: dict[str, CancelAnswer] = {}
        for start in range(0, len(wanted), MOST_CANCELS_PER_REQUEST):
            ids = wanted[start : start + MOST_CANCELS_PER_REQUEST]
            reply = self._wire.change("cancel", ",".join(ids), _cancel_call(ids))
            answers.update(judge_cancel(reply, ids))
        return answers

    def _create(
        self, action: str, client_order_id: str, call: Callable[[RESTClient], Any]
    ) -> Answer:
        # The SDK puts a random id in the place of an empty one, and a retry buys twice.
        if not _CLIENT_ID.fullmatch(client_order_id):
            raise TfError(
                f"client order id must be 1 to 36 of A-Z a-z 0-9 -, got {client_order_id!r}"
            )
        reply = self._wire.change(action, client_order_id, call)
        return judge_create(reply, client_order_id=client_order_id)


class ReadOnly(ExchangeReads):
    """A client's reads, on its connection; whatever would change something raises."""

    def __init__(self, client: ExchangeReads) -> None:
        super().__init__(client._wire)

    def create_stop_limit_sell(self, client_order_id: str, order: StopOrder) -> NoReturn:
        """Raise `ReadOnlyError`."""
        raise _only_reads("create_stop_limit_sell", client_order_id)

    def create_market(self, client_order_id: str, order: MarketOrder) -> NoReturn:
        """Raise `ReadOnlyError`."""
        raise _only_reads("create_market", client_order_id)

    def create_ioc_limit(
        self, client_order_id: str, order: MarketOrder, limit_price: Decimal
    ) -> NoReturn:
        """Raise `ReadOnlyError`."""
        raise _only_reads("create_ioc_limit", client_order_id)

    def cancel(self, order_ids: Sequence[str]) -> NoReturn:
        """Raise `ReadOnlyError`."""
        raise _only_reads("cancel", ",".join(order_ids))


def _only_reads(action: str, subject: str) -> ReadOnlyError:
    return ReadOnlyError(f"{action} {subject}: this client only reads")


def _cancel_call(order_ids: list[str]) -> Callable[[RESTClient], Any]:
    return lambda client: client.cancel_orders(order_ids)

"""
Every request to the exchange that changes nothing, in one client.

Market and account reads, previews, and how many requests went out. A client that may also send
is `tf_lib.exchange.coinbase.client.Coinbase`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tf_lib.core.model.records import MarketOrder, StopOrder
from tf_lib.exchange.clock import HeardTime
from tf_lib.exchange.coinbase.account import AccountReads
from tf_lib.exchange.coinbase.market import MarketReads
from tf_lib.exchange.coinbase.values import decimal_text, records_of
from tf_lib.exchange.coinbase.wire import HttpRejectedError
from tf_lib.exchange.patience import Patience

if TYPE_CHECKING:
    from coinbase.rest import RESTClient

_STOP_DOWN = "STOP_DIRECTION_STOP_DOWN"


class ExchangeReads(MarketReads, AccountReads):
    """Every request that changes nothing, previews included."""

    @property
    def host(self) -> str:
        """Host and port that are spoken to."""
        return self._wire.host

    @property
    def requests_sent(self) -> int:
        """How many requests went out so far, tries included."""
        return self._wire.requests_sent

    @property
    def heard_time(self) -> HeardTime:
        """The exchange's time, as its answers told it."""
        return self._wire.heard_time

    @property
    def patience(self) -> Patience | None:
        """For how long failing reads are made again, beyond the first few tries."""
        return self._wire.patience

    @patience.setter
    def patience(self, patience: Patience | None) -> None:
        self._wire.patience = patience

    def waits_after(self, why: str) -> bool:
        """Wait before an answer that could not be believed is asked for again, if there is time."""
        return self.patience is not None and self.patience.wait(why)

    def listen(self, hear: Callable[[Mapping[str, str]], None]) -> None:
        """Let `hear` have the headers of every answer from now on."""
        self._wire.listen(hear)

    def advance_simulated(self, seconds: float) -> None:
        """Let time pass on a simulated exchange whose clock stands still; no other takes it."""
        self._wire.read(
            "POST /simulator/advance",
            lambda client: client.post("/simulator/advance", data={"seconds": seconds}),
        )

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def preview_stop_limit_sell(self, order: StopOrder) -> list[str]:
        """
        Return the codes with which the exchange would refuse a stop; none means it would pass.

        While an own stop holds the base, the preview of its replacement is refused for funds.
        """
        body = stop_body(order)
        return self._preview(
            order.product_id,
            lambda client: client.preview_stop_limit_order_gtc_sell(order.product_id, **body),
        )

    def preview_market(self, order: MarketOrder) -> list[str]:
        """Return the codes with which the exchange would refuse a market order."""
        size = decimal_text(order.base_size, what=f"{order.product_id}: size")
        return self._preview(
            order.product_id,
            lambda client: client.preview_market_order(
                order.product_id, str(order.side), base_size=size
            ),
        )

    def _preview(self, product_id: str, call: Callable[[RESTClient], Any]) -> list[str]:
        try:
            answer = self._wire.read(f"preview {product_id}", call)
        except HttpRejectedError as error:
            return [error.code or f"HTTP_{error.status}"]
        if isinstance(answer.get("errs"), list):
            return [str(code) for code in answer["errs"]]
        return [str(row) for row in records_of(answer, "errs", what=f"preview {product_id}")]


def stop_body(order: StopOrder) -> dict[str, str]:
    """Return the fields of a protective stop as the exchange takes them."""
    name = order.product_id
    return {
        "base_size": decimal_text(order.base_size, what=f"{name}: stop size"),
        "limit_price": decimal_text(order.limit_price, what=f"{name}: stop limit price"),
        "stop_price": decimal_text(order.stop_price, what=f"{name}: stop price"),
        "stop_direction": _STOP_DOWN,
    }

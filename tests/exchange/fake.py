"""An exchange in memory: a second adapter of the port, which keeps it from fitting only one."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from tf_lib.core.model.products import products_for
from tf_lib.core.model.records import ZERO, FeeRates, Holding, MarketOrder, Side, StopOrder
from tf_lib.errors import TfError
from tf_lib.exchange import port
from tf_lib.exchange.clock import HeardTime
from tf_lib.exchange.patience import Patience

FEE, HALF_SPREAD = Decimal("0.006"), Decimal("0.0005")
UUID = "00000000-0000-4000-8000-0000000000aa"


class FakeExchange:
    """
    One account in dollars, and the line that leads to it, at a time that stands still.

    Market orders fill at once, stops wait for `set_price`; money, units and fills are what the
    orders in `book` come to.
    """

    host = "127.0.0.1:1"
    patience: Patience | None = None
    before_send: Callable[[str, str], None] | None = None

    def __init__(self, now: dt.datetime, prices: Mapping[str, Decimal], cash: Decimal) -> None:
        self.now, self.cash, self.heard_time = now, cash, HeardTime()
        self.prices, self.rules = dict(prices), products_for(prices)
        self.book: dict[str, port.OrderState] = {}
        self.lost: dict[str, bool] = {}
        self.left_out: dict[str, None] = {}

    # -- the line ------------------------------------------------------------------------

    @property
    def line(self) -> FakeExchange:
        return self

    @property
    def names(self) -> FakeExchange:
        return self

    def use(self, product_ids: Iterable[str]) -> None:
        """There are no records of others."""

    def server_time(self) -> dt.datetime:
        self.heard_time.hear(self.now)
        return self.now

    def key_permissions(self) -> port.KeyPermissions:
        return port.KeyPermissions(True, True, False, UUID)

    def portfolios(self) -> list[port.PortfolioRef]:
        return [port.PortfolioRef("Trend Following", UUID, deleted=False)]

    def listen(self, hear: Callable[[Mapping[str, str]], None]) -> None:
        """Answers have no headers."""

    def advance_simulated(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)

    def close(self) -> None:
        """Nothing is open."""

    # -- reads ---------------------------------------------------------------------------

    def products(self, product_ids: Iterable[str]) -> dict[str, port.ListedProduct]:
        known = [p for p in product_ids if p in self.rules]
        return {p: port.ListedProduct(self.rules[p], self.prices[p]) for p in known}

    def quotes(self, product_ids: Iterable[str]) -> dict[str, tuple[Decimal, Decimal]]:
        return {p: (self._bid(p), self._ask(p)) for p in product_ids if p in self.prices}

    def last_trade(self, product_id: str) -> Decimal:
        return self.prices[product_id]

    def candle_page(
        self, product_id: str, first_day: dt.date, last_day: dt.date
    ) -> dict[dt.date, port.Bar]:
        price = float(self.prices[product_id])
        days = range((min(last_day, self.now.date()) - first_day).days + 1)
        return {first_day + dt.timedelta(days=n): (price, price, price, price, 1.0) for n in days}

    def fee_rates(self) -> FeeRates:
        return FeeRates(maker=float(FEE) / 2, taker=float(FEE))

    def holdings(self) -> port.AccountWallets:
        total, hold = defaultdict(Decimal, USD=self.cash), defaultdict[str, Decimal](Decimal)
        for one in self.book.values():
            sign, base = 1 if one.side is Side.BUY else -1, one.product_id.removesuffix("-USD")
            total[base] += sign * one.filled_size
            total["USD"] -= sign * one.filled_value + one.total_fees
            hold[base] += one.remaining or ZERO
        return port.AccountWallets({c: Holding(n - hold[c], hold[c]) for c, n in total.items()}, {})

    def orders(
        self,
        product_ids: Iterable[str] | None = None,
        *,
        start: dt.datetime | None = None,
        is_open: bool = False,
    ) -> list[port.OrderState]:
        wanted = set(self.rules if product_ids is None else product_ids)
        found = [one for one in self.book.values() if one.product_id in wanted]
        made = [one for one in found if start is None or one.created_time >= start]
        return [one for one in made if not (is_open and one.is_terminal)]

    def order(self, order_id: str) -> port.OrderState | None:
        return self.book.get(order_id)

    def fills(self, order_ids: Iterable[str]) -> list[port.Fill]:
        filled = [one for one in self.book.values() if one.filled_size]
        return [self._fill_of(one) for one in filled if one.order_id in set(order_ids)]

    def _fill_of(self, one: port.OrderState) -> port.Fill:
        ids = (f"entry-{one.order_id}", f"trade-{one.order_id}", one.order_id, one.product_id)
        price, size, fee = one.average_filled_price, one.filled_size, one.total_fees
        at = one.last_fill_time or self.now
        return port.Fill(*ids, one.side, price, size, fee, at, port.Liquidity.TAKER)

    # -- sends ---------------------------------------------------------------------------

    def preview(self, order: StopOrder | MarketOrder) -> list[port.Refused]:
        kind = self._objection(order)
        return [] if kind is None else [port.Refused(kind.name, "", kind)]

    def send(self, client_order_id: str, order: StopOrder | MarketOrder) -> port.Answer:
        if not client_order_id:
            raise TfError("client order id must not be empty")
        is_market = isinstance(order, MarketOrder)
        self._announce("create_market" if is_market else "create_stop_limit_sell", client_order_id)
        is_taken = self.lost.pop("send", None)
        answer = (
            port.Unknown("no answer") if is_taken is False else self._take(client_order_id, order)
        )
        return answer if is_taken is None else port.Unknown("no answer")

    def cancel(self, order_ids: Sequence[str]) -> dict[str, port.CancelAnswer]:
        wanted = list(dict.fromkeys(order_ids))
        if wanted:
            self._announce("cancel", ",".join(wanted))
        is_taken, answers = self.lost.pop("cancel", None), {}
        for one in wanted:
            known, outcome = self.book.get(one), port.CancelOutcome.REFUSED
            if is_taken is not False and known is not None and not known.is_terminal:
                self.book[one] = replace(known, status=port.OrderStatus.CANCELLED)
                outcome = port.CancelOutcome.ACCEPTED
            outcome = outcome if is_taken is None else port.CancelOutcome.UNKNOWN
            answers[one] = port.CancelAnswer(one, outcome)
        return answers

    def set_price(self, product_id: str, price: Decimal) -> None:
        """Trade at a price from now on."""
        self.prices[product_id] = price
        for one in self.orders([product_id], is_open=True):
            if price <= (one.stop_price or ZERO):
                limit, one = one.limit_price or ZERO, replace(one, trigger=port.Trigger.TRIGGERED)
                sold = _filled(one, max(self._bid(product_id), limit), self.now)
                self.book[one.order_id] = sold if price >= limit else one

    def _announce(self, action: str, subject: str) -> None:
        if self.before_send is not None:
            self.before_send(action, subject)

    def _bid(self, product_id: str) -> Decimal:
        return self.prices[product_id] * (1 - HALF_SPREAD)

    def _ask(self, product_id: str) -> Decimal:
        return self.prices[product_id] * (1 + HALF_SPREAD)

    def _objection(self, order: StopOrder | MarketOrder) -> port.RefusalKind | None:
        product, size = self.rules.get(order.product_id), order.base_size
        if product is None:
            return port.RefusalKind.IDENTITY
        last = self.last_trade(order.product_id)
        if size % product.base_increment or size * last < product.quote_min_size:
            return port.RefusalKind.PRECISION
        if isinstance(order, StopOrder) and not order.limit_price <= order.stop_price < last:
            return port.RefusalKind.GEOMETRY
        is_buy = isinstance(order, MarketOrder) and order.side is Side.BUY
        wallet = self.holdings().get(product.quote_currency if is_buy else product.base_currency)
        needed = size * self._ask(order.product_id) * (1 + FEE) if is_buy else size
        return port.RefusalKind.FUNDS if wallet is None or wallet.available < needed else None

    def _take(self, client_order_id: str, order: StopOrder | MarketOrder) -> port.Answer:
        for known in self.book.values():
            if known.client_order_id == client_order_id:
                return port.Accepted(known.order_id)
        if refused := self.preview(order):
            return refused[0]
        stop = order if isinstance(order, StopOrder) else None
        side = Side.SELL if isinstance(order, StopOrder) else order.side
        made = port.OrderState(
            order_id=f"order-{len(self.book) + 1}",
            client_order_id=client_order_id,
            product_id=order.product_id,
            side=side,
            kind="market" if stop is None else "stop_limit",
            base_size=order.base_size,
            quote_size=None,
            stop_price=None if stop is None else stop.stop_price,
            limit_price=None if stop is None else stop.limit_price,
            is_stop_down=stop is not None,
            status=port.OrderStatus.OPEN,
            trigger=port.Trigger.UNKNOWN if stop is None else port.Trigger.WAITING,
            pending_cancel=False,
            filled_size=ZERO,
            filled_value=ZERO,
            average_filled_price=ZERO,
            total_fees=ZERO,
            created_time=self.now,
            last_fill_time=None,
        )
        price = self._ask if side is Side.BUY else self._bid
        if stop is None:
            made = _filled(made, price(order.product_id), self.now)
        self.book[made.order_id] = made
        return port.Accepted(made.order_id)


def _filled(order: port.OrderState, price: Decimal, at: dt.datetime) -> port.OrderState:
    """Return an order that is met whole at a price."""
    size = order.base_size or ZERO
    return replace(
        order,
        status=port.OrderStatus.FILLED,
        filled_size=size,
        filled_value=size * price,
        average_filled_price=price,
        total_fees=size * price * FEE,
        last_fill_time=at,
    )

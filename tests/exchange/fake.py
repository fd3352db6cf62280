"""An exchange in memory: a second adapter of the port, which keeps it from fitting only one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from tf_lib.core.model.products import products_for
from tf_lib.core.model.records import ZERO, FeeRates, Holding, MarketOrder, Side, StopOrder
from tf_lib.errors import TfError, UnknownState
from tf_lib.exchange import port
from tf_lib.exchange.clock import HeardTime
from tf_lib.exchange.patience import Patience

FEE = Decimal("0.006")
HALF_SPREAD = Decimal("0.0005")
UUID = "00000000-0000-4000-8000-0000000000aa"


class FakeLine:
    """A connection that leads nowhere, at a time that stands still."""

    host = "127.0.0.1:1"
    patience: Patience | None = None
    before_send: Callable[[str, str], None] | None = None

    def __init__(self, now: dt.datetime) -> None:
        self.now = now
        self.heard_time = HeardTime()

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


class FakeNames(set[str]):
    """The products that are traded here."""

    def use(self, product_ids: Iterable[str]) -> None:
        self.update(product_ids)


class FakeExchange:
    """One account in dollars; market orders fill at once, stops wait for `set_price`."""

    def __init__(self, now: dt.datetime, prices: Mapping[str, Decimal], cash: Decimal) -> None:
        self.line, self.names = FakeLine(now), FakeNames()
        self.left_out: dict[str, None] = {}
        self.prices, self.rules = dict(prices), products_for(prices)
        self.owned, self.trades = {"USD": cash}, list[port.Fill]()
        self.book: dict[str, port.OrderState] = {}
        self.lost: dict[str, bool] = {}

    def products(self, product_ids: Iterable[str]) -> dict[str, port.ListedProduct]:
        known = [p for p in product_ids if p in self.rules]
        return {p: port.ListedProduct(self.rules[p], self.prices[p]) for p in known}

    def quotes(self, product_ids: Iterable[str]) -> dict[str, tuple[Decimal, Decimal]]:
        return {p: (self._at(p, -1), self._at(p, 1)) for p in product_ids if p in self.prices}

    def last_trade(self, product_id: str) -> Decimal:
        return self.prices[product_id]

    def candle_page(
        self, product_id: str, first_day: dt.date, last_day: dt.date
    ) -> dict[dt.date, port.Bar]:
        price = float(self.prices[product_id])
        days = range((min(last_day, self.line.now.date()) - first_day).days + 1)
        return {first_day + dt.timedelta(days=n): (price, price, price, price, 1.0) for n in days}

    def fee_rates(self) -> FeeRates:
        return FeeRates(maker=float(FEE) / 2, taker=float(FEE))

    def holdings(self) -> port.AccountWallets:
        wallets = {}
        for currency, units in self.owned.items():
            held = self._held(f"{currency}-USD")
            wallets[currency] = Holding(units - held, held)
        return port.AccountWallets(wallets, {})

    def orders(
        self,
        product_ids: Iterable[str] | None = None,
        *,
        start: dt.datetime | None = None,
        is_open: bool = False,
    ) -> list[port.OrderState]:
        wanted = None if product_ids is None else set(product_ids)
        return [
            one
            for one in self.book.values()
            if (wanted is None or one.product_id in wanted)
            and (start is None or one.created_time >= start)
            and not (is_open and one.is_terminal)
        ]

    def order(self, order_id: str) -> port.OrderState | None:
        return self.book.get(order_id)

    def fills(self, order_ids: Iterable[str]) -> list[port.Fill]:
        wanted = set(order_ids)
        return [one for one in self.trades if one.order_id in wanted]

    def preview(self, order: StopOrder | MarketOrder) -> list[port.Refused]:
        kind = self._objection(order)
        return [] if kind is None else [port.Refused(kind.name, "", kind)]

    def send(self, client_order_id: str, order: StopOrder | MarketOrder) -> port.Answer:
        if not client_order_id:
            raise TfError("client order id must not be empty")
        is_market = isinstance(order, MarketOrder)
        self._ask("create_market" if is_market else "create_stop_limit_sell", client_order_id)
        is_taken = self.lost.pop("send", None)
        answer = self._take(client_order_id, order) if is_taken is not False else None
        return port.Unknown("no answer") if is_taken is not None or answer is None else answer

    def cancel(self, order_ids: Sequence[str]) -> dict[str, port.CancelAnswer]:
        wanted = list(dict.fromkeys(order_ids))
        if wanted:
            self._ask("cancel", ",".join(wanted))
        is_taken, answers = self.lost.pop("cancel", None), {}
        for one in wanted:
            known = self.book.get(one)
            outcome = port.CancelOutcome.REFUSED
            if is_taken is not False and known is not None and not known.is_terminal:
                self.book[one] = replace(known, status=port.OrderStatus.CANCELLED)
                outcome = port.CancelOutcome.ACCEPTED
            answers[one] = port.CancelAnswer(
                one, outcome if is_taken is None else port.CancelOutcome.UNKNOWN
            )
        return answers

    def set_price(self, product_id: str, price: Decimal) -> None:
        """Trade at a price from now on."""
        self.prices[product_id] = price
        for one in self.orders([product_id], is_open=True):
            stop, limit = one.stop_price, one.limit_price
            if stop is not None and limit is not None and price <= stop:
                self.book[one.order_id] = replace(one, trigger=port.Trigger.TRIGGERED)
                if price >= limit:
                    self._fill(one.order_id, max(self._at(product_id, -1), limit))

    def _ask(self, action: str, subject: str) -> None:
        if self.line.before_send is not None:
            self.line.before_send(action, subject)

    def _at(self, product_id: str, sign: int) -> Decimal:
        return self.prices[product_id] * (1 + sign * HALF_SPREAD)

    def _held(self, product_id: str) -> Decimal:
        return sum((one.remaining or ZERO for one in self.orders([product_id])), ZERO)

    def _objection(self, order: StopOrder | MarketOrder) -> port.RefusalKind | None:
        if order.product_id not in self.rules:
            return port.RefusalKind.IDENTITY
        product, size, last = (
            self.rules[order.product_id],
            order.base_size,
            self.last_trade(order.product_id),
        )
        if size % product.base_increment or size * last < product.quote_min_size:
            return port.RefusalKind.PRECISION
        if isinstance(order, StopOrder) and not order.limit_price <= order.stop_price < last:
            return port.RefusalKind.GEOMETRY
        is_buy = isinstance(order, MarketOrder) and order.side is Side.BUY
        wallet = self.holdings().get(product.quote_currency if is_buy else product.base_currency)
        needed = size * self._at(order.product_id, 1) * (1 + FEE) if is_buy else size
        return port.RefusalKind.FUNDS if wallet is None or wallet.available < needed else None

    def _take(self, client_order_id: str, order: StopOrder | MarketOrder) -> port.Answer:
        for known in self.book.values():
            if known.client_order_id == client_order_id:
                return port.Accepted(known.order_id)
        kind = self._objection(order)
        if kind is not None:
            return port.Refused(kind.name, "", kind)
        is_stop = isinstance(order, StopOrder)
        made = port.OrderState(
            order_id=f"order-{len(self.book) + 1}",
            client_order_id=client_order_id,
            product_id=order.product_id,
            side=Side.SELL if isinstance(order, StopOrder) else order.side,
            kind="stop_limit" if is_stop else "market",
            base_size=order.base_size,
            quote_size=None,
            stop_price=getattr(order, "stop_price", None),
            limit_price=getattr(order, "limit_price", None),
            is_stop_down=is_stop,
            status=port.OrderStatus.OPEN,
            trigger=port.Trigger.WAITING if is_stop else port.Trigger.UNKNOWN,
            pending_cancel=False,
            filled_size=ZERO,
            filled_value=ZERO,
            average_filled_price=ZERO,
            total_fees=ZERO,
            created_time=self.line.now,
            last_fill_time=None,
        )
        self.book[made.order_id] = made
        if isinstance(order, MarketOrder):
            self._fill(
                made.order_id, self._at(order.product_id, 1 if order.side is Side.BUY else -1)
            )
        return port.Accepted(made.order_id)

    def _fill(self, order_id: str, price: Decimal) -> None:
        one = self.book[order_id]
        size, side, base = one.remaining, one.side, one.product_id.split("-")[0]
        if size is None or side is None:
            raise UnknownState(f"{order_id} has no size or side")
        value, sign = size * price, 1 if side is Side.BUY else -1
        self.book[order_id] = replace(
            one,
            status=port.OrderStatus.FILLED,
            filled_size=size,
            filled_value=value,
            average_filled_price=price,
            total_fees=value * FEE,
            last_fill_time=self.line.now,
        )
        self.owned[base] = self.owned.get(base, ZERO) + sign * size
        self.owned["USD"] -= sign * value + value * FEE
        self.trades.append(
            port.Fill(
                f"entry-{len(self.trades)}",
                f"trade-{len(self.trades)}",
                order_id,
                one.product_id,
                side,
                price,
                size,
                value * FEE,
                self.line.now,
                port.Liquidity.TAKER,
            )
        )

"""
Matching: orders against the market's path, and the money that moves with them.

Everything that happens at the exchange happens here and in order of time: prices meeting levels,
holds coming back late, cancels taking effect, deposits. The arithmetic of a fill is that of
`tf_lib.core.orders.fills`; values and commissions are cut at 16 decimals and never rounded to
cents.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_DOWN, Decimal
from itertools import takewhile
from typing import Any

from tf_lib.core.model.records import Product
from tf_lib.core.orders import fills as rule
from tf_lib.simulator.matching import pricing
from tf_lib.simulator.matching.agenda import Agenda
from tf_lib.simulator.matching.attached import sized
from tf_lib.simulator.matching.balances import ZERO, Wallets
from tf_lib.simulator.matching.conditions import World
from tf_lib.simulator.matching.order import ExchangeFill, Force, Kind, Order, Status, Terms
from tf_lib.simulator.matching.pricing import MONEY, ONE, Costs, FeeTier
from tf_lib.simulator.prices.simulated_market import Market
from tf_lib.simulator.simulated_clock import DAY
from tf_lib.text.tickers import base_of, quote_of

MONTH = 30 * DAY


class Matching:
    """
    The orders, fills and wallets of one portfolio, and what time does to them.

    Parameters
    ----------
    market : Market
    products : mapping of product id to Product
    wallets : Wallets
        Of the portfolio the orders belong to.
    portfolio_uuid : str
        Ids of orders and fills are derived from it and a count, so equal runs have equal ids.
    costs : Costs
    now : int
        Moment up to which everything has happened.
    """

    def __init__(
        self,
        market: Market,
        products: Mapping[str, Product],
        wallets: Wallets,
        *,
        portfolio_uuid: str,
        costs: Costs,
        now: int,
    ) -> None:
        self.market = market
        self.products = products
        self.wallets = wallets
        self.costs = costs
        self.now = now
        self.world = World()
        self.orders: dict[str, Order] = {}
        self.by_client_id: dict[str, str] = {}
        self.fills: list[ExchangeFill] = []
        self.changed_orders: set[str] = set()
        self.new_fills: list[ExchangeFill] = []
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "release": self._on_release,
            "cancel": self._on_cancel,
            "expire": self._on_expire,
            "open": self._on_open,
            "execute": self._on_execute,
        }
        self._namespace = uuid.UUID(portfolio_uuid)
        self.agenda = Agenda(market)

    # -- what the API calls -------------------------------------------------------------------

    def last_price(self, product_id: str) -> Decimal | None:
        """Price of the last trade now, None before the product lists."""
        return self.market.last_price(product_id, self.now)

    def would_trade_now(self, terms: Terms) -> bool:
        """Whether a limit order of these terms would meet the market at once."""
        last = self.last_price(terms.product_id)
        if last is None or terms.limit_price is None:
            return False
        return rule.is_reached(last, terms.limit_price, terms.is_buy)

    def needed(self, terms: Terms, size: Decimal) -> Decimal:
        """What an order must hold: base for a sell, quote with the taker fee for a buy."""
        price, taker = self.market_price(terms), self.fee_tier().taker
        return pricing.needed_hold(terms, size, price=price, taker=taker)

    def market_price(self, terms: Terms) -> Decimal:
        """Price a market order would get now."""
        last = self.last_price(terms.product_id) or ZERO
        return rule.market_price(last, self.costs.slippage, terms.is_buy)

    def base_size(self, terms: Terms) -> Decimal:
        """Size in base units; an amount of quote buys parts of steps, too, its fee included."""
        price, taker = self.market_price(terms), self.fee_tier().taker
        return pricing.base_size(terms, price=price, taker=taker)

    def executing(self) -> Iterator[Order]:
        """Market orders that are accepted and not filled yet, newest first."""
        events = reversed(self.agenda.events)
        waiting = (self.orders[e.data["order_id"]] for e in events if e.kind == "execute")
        return iter(sorted(waiting, key=lambda order: -order.number))

    def recent_fills(self) -> Iterator[ExchangeFill]:
        """Fills of the last 30 days, newest first."""
        return takewhile(lambda fill: fill.at >= self.now - MONTH, reversed(self.fills))

    def fee_tier(self) -> FeeTier:
        """Fees that apply to an order made now."""
        if len(self.costs.tiers) == 1:
            return self.costs.tiers[0]
        return self.costs.tier(sum((f.price * f.size for f in self.recent_fills()), ZERO))

    def place(
        self,
        terms: Terms,
        client_order_id: str,
        *,
        source: str = "RETAIL_ADVANCED",
        attached: Terms | None = None,
        originating_order_id: str = "",
    ) -> Order:
        """Take an order that has passed every check, and let it trade as far as it can now."""
        number, tier = len(self.orders) + 1, self.fee_tier()
        order = Order(
            order_id=str(uuid.uuid5(self._namespace, f"order {number}")),
            client_order_id=client_order_id,
            number=number,
            terms=terms,
            created=self.now,
            fee_rate_maker=tier.maker,
            fee_rate_taker=tier.taker,
            size=self.base_size(terms),
            last_update=self.now,
            source=source,
            visible_from=self.now + self.world.order_visible,
            attached=attached,
            originating_order_id=originating_order_id,
        )
        order.held = self.needed(terms, order.size)
        self.wallets.hold(terms.held_currency, order.held)
        self.orders[order.order_id] = order
        self.by_client_id[client_order_id] = order.order_id
        self._open(order)
        self.touch_up(order)
        return order

    def request_cancel(self, order: Order) -> None:
        """Accept a cancel; it takes effect at once or `World.cancel_ack` later."""
        order.pending_cancel = True
        self.changed_orders.add(order.order_id)
        if self.world.cancel_ack <= 0:
            self._finish(order, Status.CANCELLED, "User requested cancel")
            return
        order.move_to(Status.CANCEL_QUEUED, self.now)
        due = self.now + self.world.cancel_ack
        self.agenda.schedule(due, "cancel", {"order_id": order.order_id})

    def cancel_all(self, product_id: str) -> None:
        """Cancel every order of a product that can still trade, as the exchange does it itself."""
        for order in list(self.orders.values()):
            if order.is_live and order.terms.product_id == product_id:
                self._finish(order, Status.CANCELLED, "Order cancelled by the exchange")

    def give_back(self, currency: str) -> None:
        """Let everything that was held of a currency, and is still to come back, be free now."""
        self.agenda.call_off(lambda e: e.kind == "release" and e.data["currency"] == currency)
        self.wallets.release(currency, self.wallets.of(currency).hold)

    def restore(self, orders: list[Order], fills: list[ExchangeFill]) -> None:
        """Put stored orders and fills back."""
        for order in orders:
            self.orders[order.order_id] = order
            self.by_client_id[order.client_order_id] = order.order_id
            is_waiting = order.is_live and order.status is not Status.PENDING
            if is_waiting and order.terms.kind is not Kind.MARKET:
                self.agenda.watch(order)
        self.fills = fills

    # -- time ---------------------------------------------------------------------------------

    def advance(self, until: int) -> None:
        """Let everything happen that happens up to and at `until`."""
        while True:
            found = self.agenda.next_touch(self.now, until)
            event = self.agenda.next_event(until)
            if found is not None and (event is None or found[1].at <= event.at):
                product_id, touch = found
                self.now = max(self.now, touch.at)
                self._on_price(product_id, touch.price)
            elif event is not None:
                self.agenda.take_event()
                self.now = max(self.now, event.at)
                self.handlers[event.kind](event.data)
            else:
                break
        self.now = max(self.now, until)

    def _on_price(self, product_id: str, price: Decimal) -> None:
        self.agenda.path_changed(product_id)
        for order in self.agenda.met_by(product_id, price):
            self._meet(order, price)

    def _meet(self, order: Order, price: Decimal) -> None:
        terms = order.terms
        is_stop_side = terms.kind is Kind.BRACKET and order.band.fell(price) != terms.is_buy
        if order.awaits_trigger or (is_stop_side and not order.is_triggered):
            order.is_triggered = True
            self.touch_up(order)
            limit = order.working_limit
            if limit is not None and rule.is_reached(price, limit, terms.is_buy):
                self.cross(order, price)
            return
        self._fill(order, order.working_limit or price, is_maker=True)

    # -- orders -------------------------------------------------------------------------------

    def _open(self, order: Order) -> None:
        """Begin an order's life: fail, trade, end, or rest - at once, or later if told so."""
        terms = order.terms
        reason = self.world.failures.pop(terms.product_id, None)
        if reason is not None:
            order.reject_reason = reason
            self._finish(order, Status.FAILED, "")
        elif terms.kind is Kind.MARKET and self.world.market_fill > 0:
            order.move_to(Status.OPEN, self.now)
            self._later("execute", self.world.market_fill, order)
        elif terms.kind is Kind.MARKET:
            self._execute(order, self.market_price(terms))
        elif terms.kind is Kind.LIMIT and self._takes(order):
            self.cross(order, self.last_price(terms.product_id) or ZERO)
        if order.status is not Status.PENDING:
            return
        if terms.force in (Force.IOC, Force.FOK):
            self._finish(order, Status.CANCELLED, "Immediate or cancel")
        elif self.world.order_pending > 0:
            self._later("open", self.world.order_pending, order)
        else:
            self._rest(order)

    def _takes(self, order: Order) -> bool:
        is_at_once = self.world.order_pending <= 0 or order.terms.force in (Force.IOC, Force.FOK)
        return is_at_once and self.would_trade_now(order.terms)

    def _rest(self, order: Order) -> None:
        order.move_to(Status.OPEN, self.now)
        self.changed_orders.add(order.order_id)
        self.agenda.watch(order)
        if order.terms.end_time is not None:
            due = max(order.terms.end_time, self.now)
            self.agenda.schedule(due, "expire", {"order_id": order.order_id})

    def _execute(self, order: Order, price: Decimal) -> None:
        """Fill a market order; what finds no other side is cancelled."""
        self._fill(order, price, is_maker=False)
        if order.is_live:
            self._finish(order, Status.CANCELLED, "No liquidity")

    def _later(self, kind: str, delay: int, order: Order) -> None:
        data = {"order_id": order.order_id, "price": format(self.market_price(order.terms), "f")}
        self.agenda.schedule(self.now + delay, kind, data)

    def cross(self, order: Order, price: Decimal) -> None:
        """Trade at once against the market, at the limit or better."""
        limit = order.working_limit or price
        crossed = rule.crossing_price(price, limit, self.costs.slippage, order.terms.is_buy)
        self._fill(order, crossed, is_maker=False)

    def _fill(self, order: Order, price: Decimal, *, is_maker: bool) -> None:
        terms = order.terms
        size = order.remaining if is_maker else self._other_side(order, price)
        if size <= 0:
            return
        value = (price * size).quantize(MONEY, ROUND_DOWN)
        rate = order.fee_rate_maker if is_maker else order.fee_rate_taker
        fee = (value * rate).quantize(MONEY, ROUND_DOWN)
        if terms.quote_size is not None and size == order.remaining:
            fee = order.held - value  # to the last of the amount that was to be spent
        spent = value + fee if terms.is_buy else size
        self.wallets.spend_held(terms.held_currency, spent)
        order.held -= spent
        if terms.is_buy:
            self.wallets.deposit(base_of(terms.product_id), size)
        else:
            self.wallets.deposit(quote_of(terms.product_id), value - fee)
        order.filled_size += size
        order.filled_value += value
        order.fees += fee
        order.fill_count += 1
        order.last_fill = self.now
        self._record_fill(order, price, size, fee, is_maker)
        self.touch_up(order)
        if order.remaining <= 0:
            self._finish(order, Status.FILLED, "")

    def _other_side(self, order: Order, price: Decimal) -> Decimal:
        """How much of an order that takes finds another side."""
        other = "asks" if order.terms.is_buy else "bids"
        if not self.world.oddities.has_side(order.terms.product_id, other):
            return ZERO
        found = order.remaining * self.world.partial_fills.pop(order.terms.product_id, ONE)
        if self.world.depth_usd is not None:
            found = min(found, self.world.depth_usd / price)
        if found >= order.remaining:
            return order.remaining
        step = self.products[order.terms.product_id].base_increment
        return (found / step).to_integral_value(ROUND_DOWN) * step

    def _record_fill(
        self, order: Order, price: Decimal, size: Decimal, fee: Decimal, is_maker: bool
    ) -> None:
        number = len(self.fills) + 1
        fill = ExchangeFill(
            number=number,
            entry_id=str(uuid.uuid5(self._namespace, f"entry {number}")),
            trade_id=str(uuid.uuid5(self._namespace, f"trade {number}")),
            order_id=order.order_id,
            product_id=order.terms.product_id,
            side=order.terms.side,
            price=price,
            size=size,
            commission=fee,
            at=self.now,
            visible_from=self.now + self.world.fill_visible,
            is_maker=is_maker,
        )
        self.fills.append(fill)
        self.new_fills.append(fill)

    def _finish(self, order: Order, status: Status, message: str) -> None:
        order.move_to(status, self.now)
        order.cancel_message = message
        self.agenda.watch(order)
        left, order.held = order.held, ZERO
        currency = order.terms.held_currency
        self.touch_up(order)
        if left > 0 and status is Status.CANCELLED and self.world.hold_release > 0:
            due = self.now + self.world.hold_release
            self.agenda.schedule(
                due, "release", {"currency": currency, "amount": format(left, "f")}
            )
        elif left > 0:
            self.wallets.release(currency, left)
        if order.attached is not None:
            self._place_attached(order, order.attached)

    def _place_attached(self, parent: Order, attached: Terms) -> None:
        """Place what hangs on an order that has ended; its price may have been met already."""
        step = self.products[parent.terms.product_id].base_increment
        terms = sized(attached, parent, step)
        if terms is None:
            return
        name = str(uuid.uuid5(self._namespace, f"attached to {parent.order_id}"))
        child = self.place(terms, name, originating_order_id=parent.order_id)
        parent.attached_order_id = child.order_id
        self._meet_what_came(child)

    def touch_up(self, order: Order) -> None:
        """Take note that an order has changed."""
        order.last_update = self.now
        self.changed_orders.add(order.order_id)
        self.agenda.changed(order)

    # -- events -------------------------------------------------------------------------------

    def _on_release(self, data: dict[str, Any]) -> None:
        self.wallets.release(data["currency"], Decimal(data["amount"]))

    def _on_cancel(self, data: dict[str, Any]) -> None:
        order = self.orders[data["order_id"]]
        if order.is_live:
            self._finish(order, Status.CANCELLED, "User requested cancel")

    def _on_open(self, data: dict[str, Any]) -> None:
        """Let a pending order rest; what it waits for may have come already."""
        order = self.orders[data["order_id"]]
        if order.status is not Status.PENDING:
            return
        self._rest(order)
        self._meet_what_came(order)

    def _meet_what_came(self, order: Order) -> None:
        """Let an order that has just come to rest meet a price that is there already."""
        if order.status is not Status.OPEN:
            return
        last = self.last_price(order.terms.product_id)
        if last is not None and order.band.met_by(last):
            if order.terms.kind is Kind.LIMIT:
                self.cross(order, last)
            else:
                self._meet(order, last)

    def _on_execute(self, data: dict[str, Any]) -> None:
        order = self.orders[data["order_id"]]
        if order.is_live:
            self._execute(order, Decimal(data["price"]))

    def _on_expire(self, data: dict[str, Any]) -> None:
        order = self.orders[data["order_id"]]
        if order.is_live:
            self._finish(order, Status.EXPIRED, "Order expired")

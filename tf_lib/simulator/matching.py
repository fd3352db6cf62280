"""
Matching: orders against the market's path, and the money that moves with them.

Everything that happens at the exchange happens here and in order of time: prices meeting
levels, holds coming back late, cancels taking effect, deposits. The arithmetic of a fill is that
of `tf_lib.core.fills`; values and commissions are cut at 16 decimals and never rounded to cents.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

from tf_lib.core import fills as rule
from tf_lib.core.records import Product, Side
from tf_lib.simulator.agenda import Agenda
from tf_lib.simulator.market import Market
from tf_lib.simulator.orders import Fill, Force, Kind, Order, Status, Terms
from tf_lib.simulator.wallets import ZERO, Wallets
from tf_lib.simulator.world import World

MONEY = Decimal("1E-16")
ONE = Decimal(1)


@dataclass(frozen=True)
class Costs:
    """Slippage and fees as fractions of notional."""

    slippage: Decimal
    maker: Decimal
    taker: Decimal


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
        self.fills: list[Fill] = []
        self.changed_orders: set[str] = set()
        self.new_fills: list[Fill] = []
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "release": self._on_release,
            "cancel": self._on_cancel,
            "expire": self._on_expire,
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
        if not terms.is_buy:
            return size
        price = terms.limit_price
        if terms.kind is Kind.MARKET:
            price = self.market_price(terms)
        elif terms.kind is Kind.BRACKET and terms.stop_price is not None:
            price = max(terms.limit_price or ZERO, terms.stop_price * Decimal("1.05"))
        cost = size * (price or ZERO) * (ONE + self.costs.taker)
        return cost.quantize(MONEY, ROUND_UP)

    def market_price(self, terms: Terms) -> Decimal:
        """Price a market order would get now."""
        last = self.last_price(terms.product_id) or ZERO
        return rule.market_price(last, self.costs.slippage, terms.is_buy)

    def base_size(self, terms: Terms) -> Decimal:
        """Size in base units; an amount of quote buys whole steps, its fee included."""
        if terms.base_size is not None:
            return terms.base_size
        price = self.market_price(terms)
        if price <= 0 or terms.quote_size is None:
            return ZERO
        step = self.products[terms.product_id].base_increment
        units = terms.quote_size / (ONE + self.costs.taker) / price
        return (units / step).to_integral_value(ROUND_DOWN) * step

    def place(
        self, terms: Terms, client_order_id: str, *, source: str = "RETAIL_ADVANCED"
    ) -> Order:
        """Take an order that has passed every check, and let it trade as far as it can now."""
        number = len(self.orders) + 1
        order = Order(
            order_id=str(uuid.uuid5(self._namespace, f"order {number}")),
            client_order_id=client_order_id,
            number=number,
            terms=terms,
            created=self.now,
            fee_rate_maker=self.costs.maker,
            fee_rate_taker=self.costs.taker,
            size=self.base_size(terms),
            last_update=self.now,
            source=source,
            visible_from=self.now + self.world.order_visible,
        )
        order.held = self.needed(terms, order.size)
        self.wallets.hold(terms.held_currency, order.held)
        self.orders[order.order_id] = order
        self.by_client_id[client_order_id] = order.order_id
        self._open(order)
        self._touch_up(order)
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

    def amend(self, order: Order, *, price: Decimal, size: Decimal, terms: Terms) -> None:
        """Give a resting limit order a new price and size; it may trade at once."""
        new_hold = self.needed(terms, size - order.filled_size)
        self.wallets.release(terms.held_currency, order.held)
        self.wallets.hold(terms.held_currency, new_hold)
        order.held, order.size, order.terms = new_hold, size, terms
        order.edits.append(
            {
                "price": format(price, "f"),
                "size": format(size, "f"),
                "replace_accept_timestamp": str(self.now),
            }
        )
        order.last_update = self.now
        self._touch_up(order)
        if self.would_trade_now(terms):
            self._cross(order, self.last_price(terms.product_id) or ZERO)

    def restore(self, orders: list[Order], fills: list[Fill]) -> None:
        """Put stored orders and fills back."""
        for order in orders:
            self.orders[order.order_id] = order
            self.by_client_id[order.client_order_id] = order.order_id
            if order.is_live:
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
        for order in self.agenda.waiting(product_id):
            band = order.band
            fell = band.falling is not None and price <= band.falling
            rose = band.rising is not None and price >= band.rising
            if fell or rose:
                self._meet(order, price, fell=fell)

    def _meet(self, order: Order, price: Decimal, *, fell: bool) -> None:
        terms = order.terms
        is_stop_side = terms.kind is Kind.BRACKET and fell != terms.is_buy
        if order.awaits_trigger or (is_stop_side and not order.is_triggered):
            order.is_triggered = True
            self._touch_up(order)
            limit = order.working_limit
            if limit is not None and rule.is_reached(price, limit, terms.is_buy):
                self._cross(order, price)
            return
        self._fill(order, order.working_limit or price, is_maker=True)

    # -- orders -------------------------------------------------------------------------------

    def _open(self, order: Order) -> None:
        terms = order.terms
        if terms.kind is Kind.MARKET:
            self._fill(order, self.market_price(terms), is_maker=False)
        elif terms.kind is Kind.LIMIT and self.would_trade_now(terms):
            self._cross(order, self.last_price(terms.product_id) or ZERO)
        if not order.is_live:
            return
        if terms.force in (Force.IOC, Force.FOK):
            self._finish(order, Status.CANCELLED, "Immediate or cancel")
            return
        order.move_to(Status.OPEN, self.now)
        self.agenda.watch(order)
        if terms.end_time is not None:
            self.agenda.schedule(terms.end_time, "expire", {"order_id": order.order_id})

    def _cross(self, order: Order, price: Decimal) -> None:
        """Trade at once against the market, at the limit or better."""
        limit = order.working_limit or price
        crossed = rule.crossing_price(price, limit, self.costs.slippage, order.terms.is_buy)
        self._fill(order, crossed, is_maker=False)

    def _fill(self, order: Order, price: Decimal, *, is_maker: bool) -> None:
        terms = order.terms
        size = self._fillable(order)
        if size <= 0:
            return
        value = (price * size).quantize(MONEY, ROUND_DOWN)
        rate = order.fee_rate_maker if is_maker else order.fee_rate_taker
        fee = (value * rate).quantize(MONEY, ROUND_DOWN)
        spent = value + fee if terms.is_buy else size
        self.wallets.spend_held(terms.held_currency, spent)
        order.held -= spent
        if terms.is_buy:
            self.wallets.deposit(terms.base_currency, size)
        else:
            self.wallets.deposit(terms.quote_currency, value - fee)
        order.filled_size += size
        order.filled_value += value
        order.fees += fee
        order.fill_count += 1
        order.last_fill = self.now
        self._record_fill(order, price, size, fee, is_maker)
        self._touch_up(order)
        if order.remaining <= 0:
            self._finish(order, Status.FILLED, "")

    def _fillable(self, order: Order) -> Decimal:
        fraction = self.world.partial_fills.pop(order.terms.product_id, ONE)
        if fraction >= ONE:
            return order.remaining
        step = self.products[order.terms.product_id].base_increment
        return (order.remaining * fraction / step).to_integral_value(ROUND_DOWN) * step

    def _record_fill(
        self, order: Order, price: Decimal, size: Decimal, fee: Decimal, is_maker: bool
    ) -> None:
        number = len(self.fills) + 1
        fill = Fill(
            number=number,
            entry_id=str(uuid.uuid5(self._namespace, f"entry {number}")),
            trade_id=str(uuid.uuid5(self._namespace, f"trade {number}")),
            order_id=order.order_id,
            product_id=order.terms.product_id,
            side=Side(order.terms.side),
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
        self._touch_up(order)
        if left <= 0:
            return
        if status is Status.CANCELLED and self.world.hold_release > 0:
            due = self.now + self.world.hold_release
            self.agenda.schedule(
                due, "release", {"currency": currency, "amount": format(left, "f")}
            )
        else:
            self.wallets.release(currency, left)

    def _touch_up(self, order: Order) -> None:
        order.last_update = self.now
        self.changed_orders.add(order.order_id)
        self.agenda.path_changed(order.terms.product_id)

    # -- events -------------------------------------------------------------------------------

    def _on_release(self, data: dict[str, Any]) -> None:
        self.wallets.release(data["currency"], Decimal(data["amount"]))

    def _on_cancel(self, data: dict[str, Any]) -> None:
        order = self.orders[data["order_id"]]
        if order.is_live:
            self._finish(order, Status.CANCELLED, "User requested cancel")

    def _on_expire(self, data: dict[str, Any]) -> None:
        order = self.orders[data["order_id"]]
        if order.is_live:
            self._finish(order, Status.EXPIRED, "Order expired")

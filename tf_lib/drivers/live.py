"""
The live session: real hands on an exchange, simulated or not.

Reads believe nothing that contradicts the ledger; acts go through `edge.execution`. Everything
the plan is made from is returned as one `Account`, so that a replay can read it from a file.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

import pandas as pd

from tf_lib.core.account import Account, usable_quote
from tf_lib.core.client_ids import is_own, parse_client_id
from tf_lib.core.order_life import OrderStage
from tf_lib.core.orders import PlannedOrder, is_dust
from tf_lib.core.records import ZERO, Product, Quote, Side
from tf_lib.core.stops import limit_below
from tf_lib.drivers.preflight import check_account
from tf_lib.drivers.session import Rows, problem
from tf_lib.edge.candles import CandleCache
from tf_lib.edge.coinbase import OrderState
from tf_lib.edge.execution.belief import Belief, believed_holdings, bought_outside, confirm
from tf_lib.edge.execution.cover import Cover, CoverResult, Protection, Reading
from tf_lib.edge.execution.desk import Desk
from tf_lib.edge.execution.rebalance import Rebalance, TradeResult
from tf_lib.errors import EXIT_FAILED, HaltRun, TfError

_MAX_OFFSET_SECONDS = 5.0
_EMERGENCY_DISTANCE = Decimal("0.10")


@dataclass
class LiveSession:
    """
    Inputs and hands of a day that trades.

    Parameters
    ----------
    desk : Desk
        Armed and locked.
    cache : CandleCache
        Daily candles on disk.
    clock_offset : callable
        Seconds that the exchange's clock is ahead of the machine's.
    protect_only : str
        Why this run only protects (its effects are complete, or state was lost), or empty.
    """

    desk: Desk
    cache: CandleCache
    clock_offset: Callable[[], float]
    protect_only: str = ""
    mode: str = "live"
    problems: Rows = field(default_factory=list)
    _protections: Mapping[str, Protection] = field(default_factory=dict)
    _planned_at: dt.datetime | None = None
    _belief: Belief | None = None
    _foreign: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    _open: list[OrderState] = field(default_factory=list)
    _open_read_at: int = 0
    _account: Account | None = None
    _account_read_at: int = 0
    _last: dict[str, Decimal] = field(default_factory=dict)

    # -- inputs --------------------------------------------------------------------------

    def connect(self) -> dict[str, Any]:
        """Check the account, settle what earlier runs left open, and learn what is there."""
        desk = self.desk
        check = check_account(desk.client, desk.config.portfolio.name)
        desk.ledger.pin(check.portfolio_uuid)
        offset = self.clock_offset()
        if abs(offset) > _MAX_OFFSET_SECONDS:
            self._no_entries = f"the clock is {offset:+.1f} s off the exchange's"
            self.problems.append(problem(self._no_entries))
        elif abs(offset) > 0.5:
            self.problems.append(problem(f"the clock is {offset:+.2f} s off the exchange's"))
        self._learn_orders()
        self._settle()
        return {
            "portfolio": check.portfolio_name,
            "portfolio_uuid": check.portfolio_uuid,
            "exchange": desk.client.host,
            "exchange_time": desk.now().isoformat(),
            "clock_offset_seconds": round(offset, 3),
            "open_own_orders": len(desk.ledger.state.live_orders()),
        }

    _no_entries: str = ""

    def settle_and_read(self) -> None:
        """Do what protection needs and no more: settle, read products, holdings, foreign orders."""
        desk = self.desk
        listed = desk.client.products(self._products_wanted())
        desk.products.update({name: one.product for name, one in listed.items()})
        self._learn_orders()
        self._settle()
        self._belief = believed_holdings(desk, desk.products.values())
        self._read_foreign()

    def _settle(self) -> None:
        """Bring every order that is open on record to what the exchange says of it."""
        for order in self.desk.ledger.state.live_orders():
            settled = self.desk.refresh(order.client_id)
            if settled.stage is OrderStage.CANCEL_SENT:
                self.desk.cancel(order.client_id)

    def _products_wanted(self) -> list[str]:
        universe = self.desk.config.universe.sorted_tickers
        return sorted({*universe, *bought_outside(self.desk, universe)})

    def _learn_orders(self) -> None:
        """Read the open orders and the recent ones, and take in those that the ledger lacks."""
        days = self.desk.config.execution_and_costs.cooldown_counter_threshold + 2
        start = dt.datetime.combine(self.desk.day, dt.time(), dt.UTC) - dt.timedelta(days=days)
        self._open = self.desk.client.open_orders()
        listed = {o.order_id: o for o in (*self.desk.client.orders(start=start), *self._open)}
        self.desk.remember(listed.values())
        self._adopt(sorted(listed.values(), key=lambda order: order.created_time))

    def _adopt(self, listed: Sequence[OrderState]) -> None:
        """
        Take own orders into a ledger that lacks them; some of them stop the day's trading.

        A rebalance order of today that the ledger lacks means that state was lost or that
        another machine trades. An order that was thought refused or absent locks its product.
        """
        lost: list[str] = []
        for order in listed:
            parsed = parse_client_id(order.client_order_id)
            if parsed is None:
                continue
            known = self.desk.ledger.state.orders.get(order.client_order_id)
            if known is None:
                self.desk.adopt(order)
                if parsed.day == self.desk.day and parsed.leg.is_rebalance:
                    lost.append(order.client_order_id)
            elif known.stage in (OrderStage.ABSENT, OrderStage.REFUSED):
                self._lock(known.product_id, f"order {known.client_id} appeared after all")
        if lost:
            self.protect_only = (
                f"the exchange holds orders of today that this ledger lacks ({', '.join(lost)}); "
                "its state was lost or another machine traded: positions are protected only"
            )
            self.problems.append(
                problem(self.protect_only, severity="error", exit_code=EXIT_FAILED)
            )

    def _lock(self, product_id: str, why: str) -> None:
        if product_id not in self.desk.ledger.state.locked:
            self.desk.ledger.append("locked", product=product_id, why=why)
            message = f"{product_id}: {why}; not rebalanced until: tf release {product_id}"
            self.problems.append(problem(message))

    def candles(self) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
        """Return candles through the day before, from the cache and what it lacks."""
        tickers = self.desk.config.universe.sorted_tickers
        update = self.cache.update(
            self.desk.client,
            tickers,
            through=self.desk.day - dt.timedelta(days=1),
            today=self.desk.day,
        )
        return dict(update.frames), {
            "requests": update.requests,
            "problems": list(update.problems),
            "revisions": [_plain(asdict(revision)) for revision in update.revisions],
        }

    def account(self) -> Account:
        """Read everything the plan needs, believing nothing that contradicts the ledger."""
        desk, config = self.desk, self.desk.config
        tickers = config.universe.sorted_tickers
        listed = desk.client.products(self._products_wanted())
        desk.products.update({name: one.product for name, one in listed.items()})
        self._belief = believed_holdings(desk, desk.products.values())
        self._read_foreign()
        self._last = {n: one.last for n, one in listed.items() if one.last is not None}
        quotes, unpriced = self._quotes(self._last)
        held = [t for t in tickers if t in desk.products and self._held(t)]
        self._account_read_at = desk.changes
        self._account = Account(
            day=desk.day,
            read_at=desk.now(),
            quote_currency=config.universe.quote_currency,
            wallets={c: w for c, w in self._belief.accounts.items() if w.total},
            quotes=quotes,
            products={t: desk.products[t] for t in tickers if t in desk.products},
            fees=desk.client.fee_rates(),
            open_stops=self._open_stops(),
            levels=dict(desk.ledger.state.levels),
            cooldowns=dict(desk.ledger.state.cooldowns),
            blocked=self._blocked(),
            not_protectable=tuple(sorted({*unpriced, *self._not_protectable()})),
            no_buys=self._no_buys(held),
            halt=self._halt([t for t in held if t in unpriced]),
        )
        return self._account

    def _held(self, product_id: str) -> Decimal:
        if self._belief is None:
            raise HaltRun("holdings were not read before they were needed")
        return self._belief.holding(self.desk.products[product_id]).total

    def _quotes(self, last: Mapping[str, Decimal]) -> tuple[dict[str, Quote], list[str]]:
        tickers = self.desk.config.universe.sorted_tickers
        books = self.desk.client.quotes(tickers)
        quotes: dict[str, Quote] = {}
        for ticker in tickers:
            price = last.get(ticker)
            if ticker in books and price is not None:
                quote = Quote(bid=books[ticker][0], ask=books[ticker][1], last=price)
                if usable_quote(quote):
                    quotes[ticker] = quote
        return quotes, [t for t in tickers if t not in quotes]

    def _open_stops(self) -> dict[str, Decimal]:
        levels: dict[str, Decimal] = {}
        for order in self.desk.ledger.state.live_orders():
            if order.key.leg.is_stop and order.stage is OrderStage.WORKING:
                level = Decimal(order.body["stop_price"])
                levels[order.product_id] = max(level, levels.get(order.product_id, level))
        return levels

    def _blocked(self) -> dict[str, str]:
        belief, state = self._belief, self.desk.ledger.state
        if belief is None:
            raise HaltRun("holdings were not read before they were needed")
        for product_id, why in belief.changed.items():
            self._lock(product_id, why)
        return {**belief.unknown, **dict(state.locked)}

    def _not_protectable(self) -> set[str]:
        days = self.desk.config.execution_and_costs.cooldown_counter_threshold
        return {
            product
            for product, day in self.desk.ledger.state.not_protectable.items()
            if (self.desk.day - day).days < days
        }

    def _no_buys(self, held: Sequence[str]) -> str:
        unknown = self._belief.unknown if self._belief is not None else {}
        for product_id in held:
            if product_id in unknown:
                return f"the holding of {product_id} is unknown: {unknown[product_id]}"
        return self._no_entries

    def _halt(self, unpriced_held: Sequence[str]) -> str:
        if self.protect_only:
            return self.protect_only
        if unpriced_held:
            return f"no believable price for {', '.join(unpriced_held)}, which is held"
        return ""

    def _read_foreign(self) -> None:
        """
        Find what orders of others hold: their protective stops cover, their other sells bare.

        The open list hides orders that are pending or queued, so where the hold of a base is
        more than the listed sells explain, everything of the last two days is looked through.
        """
        if self._open_read_at != self.desk.changes:
            self._open = self.desk.client.open_orders()
            self._open_read_at = self.desk.changes
        listed = {o.order_id: o for o in self._open}
        unexplained = [p for p in self.desk.products.values() if self._hold_exceeds(p, listed)]
        if unexplained:
            since = self.desk.now() - dt.timedelta(hours=48)
            recent = self.desk.client.orders([p.product_id for p in unexplained], start=since)
            listed |= {o.order_id: o for o in recent if not o.is_terminal}
        self._foreign = {}
        for order in listed.values():
            if is_own(order.client_order_id) or order.side is not Side.SELL:
                continue
            remaining = order.remaining or ZERO
            cover, hold = self._foreign.get(order.product_id, (ZERO, ZERO))
            is_cover = order.is_live_stop
            self._foreign[order.product_id] = (
                cover + (remaining if is_cover else ZERO),
                hold + (ZERO if is_cover else remaining),
            )

    def _hold_exceeds(self, product: Product, listed: Mapping[str, OrderState]) -> bool:
        if self._belief is None:
            return False
        explained = sum(
            (
                order.remaining or ZERO
                for order in listed.values()
                if order.product_id == product.product_id and order.side is Side.SELL
            ),
            ZERO,
        )
        return self._belief.holding(product).hold - explained >= product.base_increment

    def start_cooldown(self, ticker: str) -> None:
        """Write the cooldown that a breach at the gate starts."""
        start, known = self.desk.day, self.desk.ledger.state.cooldowns.get(ticker)
        if known != start:
            self.desk.ledger.append(
                "cooldown", product=ticker, start=start.isoformat(), cause="stop breached at gate"
            )

    # -- plan ----------------------------------------------------------------------------

    def frozen_plan(self) -> dict[str, Any] | None:
        """Return the day's plan if an earlier attempt froze one."""
        return self.desk.ledger.state.plans.get(self.desk.day)

    def freeze(
        self, plan: dict[str, Any], protections: Mapping[str, Protection], now: dt.datetime
    ) -> None:
        """Write the plan into the ledger, unless it is the one that stands there."""
        self._protections = protections
        frozen = self.frozen_plan()
        if frozen is None:
            levels = {
                product: {
                    "target_level": format(p.target_level, "f"),
                    "atr": p.atr,
                    "source": p.source,
                }
                for product, p in sorted(protections.items())
            }
            self.desk.ledger.append(
                "plan",
                day=self.desk.day.isoformat(),
                planned_at=now.isoformat(),
                orders=plan["orders"],
                levels=levels,
            )
            frozen = self.desk.ledger.state.plans[self.desk.day]
        self._planned_at = dt.datetime.fromisoformat(frozen["planned_at"])

    # -- hands ---------------------------------------------------------------------------

    def _rebalance(self) -> Rebalance:
        if self._planned_at is None:
            raise HaltRun("no plan was frozen; nothing is traded")
        return Rebalance(self.desk, self._protections, self._planned_at)

    def sell(self, orders: Sequence[PlannedOrder]) -> Rows:
        """Sell product by product."""
        return self._trade(orders)

    def buy(self, orders: Sequence[PlannedOrder]) -> Rows:
        """Buy product by product."""
        return self._trade(orders)

    def _trade(self, orders: Sequence[PlannedOrder]) -> Rows:
        rebalance = self._rebalance()
        rebalance.halted = self._unsettled()
        rows = []
        for order in sorted(orders, key=lambda one: one.product_id):
            result = rebalance.execute(order)
            rows.append(self._record(result))
        return rows

    def _unsettled(self) -> str:
        for order in self.desk.ledger.state.live_orders():
            if not order.key.leg.is_stop:
                return f"own order {order.client_id} of {order.product_id} is unsettled"
        return ""

    def _record(self, result: TradeResult) -> dict[str, Any]:
        row = result.to_mapping()
        name = "dust_submit" if row["leg"] == "du" else "order_submit"
        self.desk.logs.write(name, action="result", **row)
        if result.cover is not None:
            self._record_cover(result.cover)
        return row

    def _record_cover(self, cover: CoverResult) -> dict[str, Any]:
        row = cover.to_mapping()
        self.desk.logs.write("stop_updates", action="result", **row)
        return row

    def close_dust(self, products: Sequence[str]) -> Rows:
        """Sell residuals that cost little to close."""
        rebalance = self._rebalance()
        rows: Rows = []
        for product_id in sorted(products):
            if product_id not in self.desk.products:
                continue
            held = self._total(product_id)
            if not held:
                continue
            order, note = rebalance.dust_order(product_id, held)
            self.desk.logs.write(
                "dust_build",
                product=product_id,
                held=format(held, "f"),
                order=order.to_mapping() if order else None,
                note=note,
            )
            if order is not None:
                rows.append(self._record(rebalance.execute(order)))
        return rows

    def _total(self, product_id: str) -> Decimal:
        wallet = self.desk.client.holdings().get(product_id.split("-")[0])
        return wallet.total if wallet is not None else ZERO

    def refresh(self) -> Account:
        """
        Read the account again; what fell to dust forgets its level, what fits is confirmed.

        On a day without a single changing request the first reading still holds.
        """
        is_fresh = self._account is not None and self._account_read_at == self.desk.changes
        account = self._account if is_fresh and self._account is not None else self.account()
        products = list(self.desk.products.values())
        if self._belief is not None:
            confirm(self.desk, self._belief, products)
        for product in products:
            if product.product_id in self.desk.ledger.state.levels and self._is_gone(product):
                self.desk.ledger.append("flat", product=product.product_id)
        return account

    def _is_gone(self, product: Product) -> bool:
        if self._belief is None or product.product_id in self._belief.unknown:
            return False
        return self._is_dust(product, self._belief.holding(product).total)

    def _is_dust(self, product: Product, held: Decimal) -> bool:
        protection = self._protection(product)
        stops = self.desk.config.stops
        limit = limit_below(protection.target_level, protection.atr, product, stops)
        return is_dust(held, product, limit)

    def clean_up(self) -> Rows:
        """
        Cancel stops left of positions that are gone.

        An open spot sell holds its base, so zero with a live stop is a stale read: only a stop
        whose own remaining size is dust may go.
        """
        rows: Rows = []
        for order in self.desk.ledger.state.live_orders():
            product = self.desk.products.get(order.product_id)
            if product is None or not order.key.leg.is_stop or not self._is_gone(product):
                continue
            if not self._is_dust(product, order.base_size - order.filled_size):
                continue
            ended = self.desk.cancel(order.client_id)
            status = "failed" if ended.may_be_live else "cancelled"
            row = {"product": order.product_id, "status": status, "reason": "position is gone"}
            self.desk.logs.write("stop_updates", action="result", **row)
            rows.append(row)
        return rows

    def protect(self) -> Rows:
        """Cover everything held; one product's trouble does not keep the others bare."""
        rows: Rows = []
        for product_id in sorted(self.desk.products):
            if not self._held(product_id):
                continue
            try:
                rows.append(self._protect_one(product_id))
            except TfError as error:
                row = {"product": product_id, "status": "failed", "reason": str(error)}
                self.desk.logs.write("stop_updates", action="result", **row)
                rows.append(row)
        return rows

    def _protect_one(self, product_id: str) -> dict[str, Any]:
        unknown = self._belief.unknown if self._belief is not None else {}
        if product_id in unknown:
            reason = f"holding unknown, stops left as they are: {unknown[product_id]}"
            row = {"product": product_id, "status": "skip", "reason": reason}
            self.desk.logs.write("stop_updates", action="result", **row)
            return row
        cover, hold = self._foreign.get(product_id, (ZERO, ZERO))
        protection = self._protection(self.desk.products[product_id])
        result = Cover(
            self.desk,
            product_id,
            protection,
            foreign_cover=cover,
            foreign_hold=hold,
            known=self._reading(product_id),
        ).ensure()
        return self._record_cover(result)

    def _reading(self, product_id: str) -> Reading | None:
        """Return what the last account reading says of a product, for as long as it holds."""
        if self._account is None or product_id not in self._last:
            return None
        return Reading(self._held(product_id), self._last[product_id], self._account_read_at)

    def _protection(self, product: Product) -> Protection:
        """Return today's level, or the best one that is known when the plan has none."""
        known = self._protections.get(product.product_id)
        return known if known is not None else fallback_protection(self.desk, product)

    def bare_seconds(self) -> dict[str, float]:
        """Return how long each position was without its stop today, from the ledger."""
        return self.desk.ledger.state.bare_seconds_on(self.desk.day)

    def complete(self) -> None:
        """Mark the day's effects as complete."""
        if not self.desk.ledger.state.has_mark(self.desk.day, "effects_complete"):
            self.desk.ledger.mark(self.desk.day, "effects_complete")


def fallback_protection(desk: Desk, product: Product) -> Protection:
    """
    Return a level for a holding that the day's plan says nothing of.

    In this order: the remembered level, the highest own stop of this holding, the plan's level,
    10 % below the last trade. Intact stops are not moved by it.
    """
    state, name = desk.ledger.state, product.product_id
    if name in state.levels:
        return Protection(state.levels[name], None, may_move=False, source="ledger")
    plan = state.plans.get(max(state.plans), {}) if state.plans else {}
    planned = plan.get("levels", {}).get(name)
    if planned is not None:
        level = Decimal(planned["target_level"])
        return Protection(level, planned["atr"], may_move=False, source="plan")
    stops = [
        Decimal(order.body["stop_price"])
        for order in state.orders.values()
        if order.product_id == name and order.key.leg.is_stop and order.order_id
    ]
    if stops:
        return Protection(max(stops), None, may_move=False, source="own stops")
    last = desk.client.last_trade(name)
    level = last * (1 - _EMERGENCY_DISTANCE)
    return Protection(level, None, may_move=False, source="10 % below last")


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, dt.date) else v for k, v in record.items()}

"""
The live session: the executor of a day on an exchange, simulated or not.

It recovers what earlier runs left open, freezes the day's plan, and carries it out by the rules of
`tf_lib.execution`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from tf_lib.app.daily.live_inputs import LiveInputs
from tf_lib.app.record.protection_ledger import protection_ledger
from tf_lib.core.model.account import Account, fees_charged
from tf_lib.core.model.records import ZERO, Holding, Product, Protection
from tf_lib.core.model.run_rows import OrderRow, ProtectionRow, StopRow, problem
from tf_lib.core.orders.build import PlannedOrder, to_decimal
from tf_lib.core.orders.stops import level_today
from tf_lib.errors import HaltRun
from tf_lib.execution.rebalance import Rebalance, TradeResult
from tf_lib.execution.reconciliation import confirm
from tf_lib.safety.preflight import check_account

_MAX_OFFSET_SECONDS = 5.0


@dataclass(kw_only=True)
class LiveSession(LiveInputs):
    """
    Inputs and executor of a day that trades.

    Parameters
    ----------
    clock_offset : callable
        Seconds that the exchange's clock is ahead of the machine's.
    """

    clock_offset: Callable[[], float]
    mode: str = "armed"
    _planned_at: dt.datetime | None = None

    def connect(self) -> dict[str, Any]:
        """Check the account, recover what earlier runs left open, and learn what is there."""
        sender = self.sender
        check = check_account(sender.client.line, sender.config.portfolio.name)
        sender.ledger.pin(check.uuid)
        offset = self.clock_offset()
        if abs(offset) > _MAX_OFFSET_SECONDS:
            self._no_entries = f"the clock is {offset:+.1f} s off the exchange's"
            self.problems.append(problem(self._no_entries))
        elif abs(offset) > 0.5:
            self.problems.append(problem(f"the clock is {offset:+.2f} s off the exchange's"))
        self._learn()
        self._recover_all()
        return {
            "portfolio": check.name,
            "portfolio_uuid": check.uuid,
            "exchange": sender.client.line.host,
            "exchange_time": sender.now().isoformat(),
            "clock_offset_seconds": round(offset, 3),
            "open_own_orders": len(sender.ledger.state.live_orders()),
        }

    def start_cooldown(self, ticker: str) -> None:
        """Write the cooldown that a breach at the gate starts."""
        start, known = self.sender.day, self.sender.ledger.state.cooldowns.get(ticker)
        if known != start:
            self.sender.ledger.append(
                "cooldown", product=ticker, start=start.isoformat(), cause="stop breached at gate"
            )

    # -- plan ----------------------------------------------------------------------------

    def frozen_plan(self) -> dict[str, Any] | None:
        """Return the day's plan if an earlier attempt froze one."""
        return self.sender.ledger.state.plans.get(self.sender.day)

    def plan_attempt(self) -> int | None:
        """Return the attempt that froze the day's plan, or this one."""
        frozen, state = self.frozen_plan(), self.sender.ledger.state
        return state.attempts.get(self.sender.day) if frozen is None else int(frozen["attempt"])

    def freeze(
        self, plan: dict[str, Any], protections: Mapping[str, Protection], now: dt.datetime
    ) -> None:
        """Write the plan into the ledger, unless it is the one that stands there."""
        self._protections = {name: self._raised(name, p) for name, p in protections.items()}
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
            self.sender.ledger.append(
                "plan",
                day=self.sender.day.isoformat(),
                planned_at=now.isoformat(),
                orders=plan["orders"],
                levels=levels,
            )
            frozen = self.sender.ledger.state.plans[self.sender.day]
        self._planned_at = dt.datetime.fromisoformat(frozen["planned_at"])

    def _raised(self, product_id: str, planned: Protection) -> Protection:
        """Return a protection that is not below what was remembered since its plan was made."""
        known = self.sender.ledger.state.levels.get(product_id, ZERO)
        ratchets = self.sender.config.stops.ratchet
        return replace(
            planned, target_level=level_today(planned.target_level, known, True, ratchets)[0]
        )

    # -- execution -----------------------------------------------------------------------

    def _rebalance(self) -> Rebalance:
        if self._planned_at is None or self._account is None:
            raise HaltRun("no plan was frozen; nothing is traded")
        costs = self.sender.config.execution_and_costs
        return Rebalance(
            self.sender,
            self._cover,
            self._planned_at,
            to_decimal(fees_charged(costs, self._account.fees).taker),
            blocked=self._blocked(),
            exits=frozenset(self._account.exits),
            halted=self._unsettled() or self._account.no_buys,
            paused=self._account.paused,
        )

    def sell(self, orders: Sequence[PlannedOrder]) -> list[OrderRow]:
        """Sell product by product."""
        return self._trade(orders)

    def buy(self, orders: Sequence[PlannedOrder]) -> list[OrderRow]:
        """Buy product by product."""
        return self._trade(orders)

    def _trade(self, orders: Sequence[PlannedOrder]) -> list[OrderRow]:
        rebalance = self._rebalance()
        halt = self._account.halt if self._account is not None else ""
        rows = []
        for order in sorted(orders, key=lambda one: one.product_id):
            # A frozen plan of an earlier attempt may be older than what stops the trading.
            result = rebalance.withhold(order, halt) if halt else rebalance.execute(order)
            rows.append(self._record(result))
        return rows

    def _unsettled(self) -> str:
        for order in self.sender.ledger.state.live_orders():
            if not order.key.leg.is_stop:
                return f"own order {order.client_id} of {order.product_id} is unsettled"
        return ""

    def _record(self, result: TradeResult) -> OrderRow:
        row = result.to_mapping()
        name = "dust_submit" if row["leg"] == "du" else "order_submit"
        self.sender.logs.write(name, action="result", **row)
        if result.cover is not None:
            self._record_cover(result.cover)
        return row

    def close_dust(self, products: Sequence[str]) -> list[OrderRow]:
        """Sell residuals that cost little to close."""
        rebalance = self._rebalance()
        rows: list[OrderRow] = []
        owned: Mapping[str, Holding]
        if self._reconciled is not None and self._reads_hold():
            owned = self._reconciled.accounts
        else:
            owned = self.sender.client.holdings()
        for product_id in sorted(products):
            if product_id not in self.sender.products:
                continue
            base = self.sender.products[product_id].base_currency
            if base not in owned or not owned[base].total or product_id in rebalance.blocked:
                continue
            held = owned[base].total
            order, note = rebalance.dust_order(product_id, held)
            self.sender.logs.write(
                "dust_build",
                product=product_id,
                held=format(held, "f"),
                order=order.to_mapping() if order else None,
                note=note,
            )
            if order is not None:
                rows.append(self._record(rebalance.execute(order)))
        return rows

    def refresh(self) -> Account:
        """
        Read the account again; what fell to dust forgets its level, what fits is confirmed.

        On a day without a single changing request the first reading still holds for a moment.
        """
        known = self._account if self._reads_hold() else None
        account = known if known is not None else self.account()
        if self._reconciled is not None:
            confirm(self.sender, self._reconciled, self.sender.products.values())
        return account

    def _is_gone(self, product: Product) -> bool:
        if self._reconciled is None or product.product_id in self._reconciled.unknown:
            return False
        return self._is_dust(product, self._held(product.product_id))

    def clean_up(self) -> list[StopRow]:
        """
        Cancel stops left of positions that are gone.

        An open spot sell holds its base, so zero with a live stop is a stale read: only a stop
        whose own remaining size is dust may go.
        """
        rows: list[StopRow] = []
        for order in self.sender.ledger.state.live_orders():
            product = self.sender.products.get(order.product_id)
            if product is None or not order.key.leg.is_stop or not self._is_gone(product):
                continue
            if not self._is_dust(product, order.unfilled):
                continue
            ended = self.sender.cancel(order.client_id)
            status = "failed" if ended.may_be_live else "cancelled"
            row: StopRow = {
                "product": order.product_id,
                "status": status,
                "reason": "position is gone",
            }
            self.sender.logs.write("stop_updates", action="result", **row)
            rows.append(row)
        return rows

    def protection(
        self, stops: list[StopRow], candles: Mapping[str, pd.DataFrame]
    ) -> list[ProtectionRow]:
        """Return what each position's stop is worth, by the ledger and the product's history."""
        return protection_ledger(self.sender.ledger.state, self.sender.day, stops, candles)

    def unprotected_seconds(self) -> dict[str, float]:
        """Return how long each position was without its stop today, from the ledger."""
        return self.sender.ledger.state.unprotected_seconds_on(self.sender.day)

    def complete(self) -> None:
        """Mark the day's effects as complete."""
        if not self.sender.ledger.state.has_mark(self.sender.day, "effects_complete"):
            self.sender.ledger.mark(self.sender.day, "effects_complete")

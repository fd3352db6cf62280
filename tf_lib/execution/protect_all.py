"""
Protect all: what a day that trades, the guard and `protect` have in common.

Settle what is open, believe nothing that contradicts the ledger, cover what is held. Levels come
from the day's plan where there is one, else from what is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tf_lib.core.model.impediments import Impediment
from tf_lib.core.model.records import ZERO, Product, Protection, closed_because
from tf_lib.core.model.run_rows import ErrorRow, FillRow, StopRow, failures, problem
from tf_lib.core.orders.build import floor_to, is_dust
from tf_lib.errors import EXIT_FAILED, HaltRun, TfError
from tf_lib.exchange.freshness import Read
from tf_lib.exchange.port import OrderState
from tf_lib.execution.order_check import CLOCK_TOLERANCE
from tf_lib.execution.order_sender import OrderSender
from tf_lib.execution.ownership import (
    holding_impediments,
    missing_holdings,
    missing_impediment,
    move_renamed,
    take_over_changes,
)
from tf_lib.execution.protection import Cover, CoverResult, Foreign, Position, Reading
from tf_lib.execution.reconciliation import Reconciled, bought_outside, reconciled_holdings
from tf_lib.execution.recovery import (
    fallback_protection,
    foreign_orders,
    is_level_old,
    is_unresolved,
    learn,
    recall_level,
    resolve_open_orders,
    stopgap,
)

_LOOK_AGAIN_SECONDS = 20.0
_UNKNOWN_PRICE = Decimal("Infinity")


@dataclass(kw_only=True)
class ProtectAll:
    """
    An executor that recovers and covers.

    Parameters
    ----------
    sender : OrderSender
        Armed and locked.
    protect_only : str
        Why this run only protects (its effects are complete, or state was lost), or empty.
    """

    sender: OrderSender
    protect_only: str = ""
    problems: list[ErrorRow] = field(default_factory=list)
    impediments: list[Impediment] = field(default_factory=list)
    _protections: Mapping[str, Protection] = field(default_factory=dict)
    _reconciled: Reconciled | None = None
    _foreign: Mapping[str, Foreign] = field(default_factory=dict)
    _lost: Mapping[str, str] = field(default_factory=dict)
    _open: Read[list[OrderState]] | None = None
    _unpriced: Mapping[str, str] = field(default_factory=dict)
    _missing: Mapping[str, str] = field(default_factory=dict)
    _last: dict[str, Decimal] = field(default_factory=dict)
    _looked: Read[Reconciled] | None = None
    _told: set[str] = field(default_factory=set)

    def protect_only_now(self) -> list[StopRow]:
        """Recover, and cover everything held at the levels that are known; nothing else."""
        self._learn()
        self._resolve(patient=False)
        rows = self._cover_held()
        if is_unresolved(self.sender):
            # What nobody could prove at once is waited for under cover, and may want more cover.
            self._resolve(patient=True)
            rows = self._cover_held()
        return rows

    def _recover_all(self) -> None:
        """Recover everything; what is unprotected is covered before anything is waited for."""
        self._resolve(patient=False)
        if is_unresolved(self.sender):
            self._cover_held()
            self._resolve(patient=True)

    def _resolve(self, *, patient: bool) -> None:
        self._lost = resolve_open_orders(self.sender, patient=patient)

    def _cover_held(self) -> list[StopRow]:
        self._last = self._read_products()
        self._read_holdings()
        return self._cover_all()

    def _products_wanted(self) -> list[str]:
        universe = self.sender.config.universe.sorted_tickers
        return sorted({*universe, *bought_outside(self.sender, universe)})

    def _read_products(self) -> dict[str, Decimal]:
        """Read the rules of all products that matter; return their last prices."""
        move_renamed(self.sender)
        listed = self.sender.client.products(self._products_wanted())
        self.sender.products.update({name: one.product for name, one in listed.items()})
        return {name: one.last for name, one in listed.items() if one.last is not None}

    def _read_holdings(self) -> Reconciled:
        """Read what is owned and what others' orders hold of it."""
        sender = self.sender
        reconciled = reconciled_holdings(sender, sender.products.values(), lost=self._lost)
        self._open = sender.fresh.renewed(self._open, lambda: sender.client.orders(is_open=True))
        self._foreign = foreign_orders(sender, reconciled, self._open.value)
        self._reconciled = reconciled
        self._know_levels(reconciled)
        told = take_over_changes(sender, reconciled, self._last)
        self.problems += [problem(line) for line in told]
        self._missing = missing_holdings(sender, reconciled, self._products_wanted())
        self._note_impediments(reconciled)
        self._note_left_out()
        return reconciled

    def _note_impediments(self, reconciled: Reconciled) -> None:
        for product_id, why in self._missing.items():
            self._impede(missing_impediment(product_id, why))
        for found in holding_impediments(self.sender, reconciled):
            self._impede(found)

    def _note_left_out(self) -> None:
        """Tell of each record of the exchange that was left out, once."""
        left_out = self.sender.client.left_out
        self.problems += [problem(f"left out: {why}") for why in left_out if why not in self._told]
        self._told.update(left_out)

    def _impede(self, found: Impediment) -> None:
        """Note what stands in the way, once a run."""
        if all(found.key != known.key for known in self.impediments):
            self.impediments.append(found)
            self.sender.impede(found)

    def _know_levels(self, reconciled: Reconciled) -> None:
        """Forget the level of what is gone; recall what is held and has none, or an old one."""
        levels = self.sender.ledger.state.levels
        for product in self.sender.products.values():
            name = product.product_id
            if name in reconciled.unknown:
                continue
            held = self._held(name)
            is_gone = name in levels and (
                self._is_dust(product, held) or self._was_gone(product, reconciled)
            )
            if is_gone:
                self.sender.ledger.append("flat", product=name)
            # The whole history of a product is not asked for because of a few cents.
            elif not self._is_dust(product, held) and (
                name not in levels or is_level_old(self.sender, name)
            ):
                recall_level(self.sender, product, held)

    def _was_gone(self, product: Product, reconciled: Reconciled) -> bool:
        """Whether by our own fills nothing is left: what is there came from somebody else since."""
        base = product.base_currency
        is_known = base in self.sender.ledger.state.confirmed and base in reconciled.expected
        is_theirs = is_known and product.product_id in reconciled.changed
        return is_theirs and self._is_dust(product, reconciled.expected[base])

    def _learn(self) -> None:
        """
        Take in what the exchange knows of us; some of it stops the day's trading.

        A rebalance order of today that the ledger lacks means that state was lost or that
        another machine trades. An order that was thought refused or absent locks its product.
        """
        self._report_the_future()
        learned = learn(self.sender)
        self._open = self.sender.fresh.read(learned.open_orders)
        for product_id, identity in learned.risen.items():
            self._lock(product_id, f"order {identity} appeared after all", order=identity)
        # Of this look or of an earlier one: a run that died after it did not trade them either.
        found = self.sender.ledger.state.traded_elsewhere(self.sender.day) or learned.rebalances
        if found:
            self.protect_only = (
                "the exchange holds orders of today that this ledger lacks "
                f"({', '.join(found)}); its state was lost or another machine "
                "traded: positions are protected only"
            )
            self.problems.append(
                problem(self.protect_only, severity="error", exit_code=EXIT_FAILED)
            )

    def _report_the_future(self) -> None:
        """Say that a line of the ledger lies in the exchange's future; it moves no clock."""
        ledger, now = self.sender.ledger, self.sender.now()
        line = ledger.line_after(now + CLOCK_TOLERANCE)
        if line is not None:
            self.problems.append(
                problem(
                    f"{ledger.path}: line {line['seq']} is dated {line['at']}, after the "
                    f"exchange's time: the clock was wrong when it was written. Orders go by "
                    "their place in the ledger, not by its times; check the machine's clock (NTP)"
                )
            )

    def _lock(self, product_id: str, why: str, **facts: str) -> None:
        if product_id not in self.sender.ledger.state.locked:
            self.sender.ledger.append("locked", product=product_id, why=why, **facts)
            message = f"{product_id}: {why}; not rebalanced until: tf release {product_id}"
            self.problems.append(problem(message))

    def _held(self, product_id: str) -> Decimal:
        """Return the units that are owned, or may be: unknown is never zero."""
        if self._reconciled is None:
            raise HaltRun("holdings were not read before they were needed")
        return self._reconciled.most(self.sender.products[product_id])

    # -- covering ------------------------------------------------------------------------

    def protect(self) -> list[StopRow]:
        """
        Cover everything held, and look again where that failed.

        An exchange that was away for some seconds must not leave a position unprotected until the
        guard comes by.
        """
        rows = self._cover_all()
        if failures(rows) and is_unresolved(self.sender):
            self.sender.pause(_LOOK_AGAIN_SECONDS)
            self._resolve(patient=True)
            rows = self._cover_held()
        return rows

    def _cover_all(self) -> list[StopRow]:
        """Cover everything held; one product's failure does not leave others unprotected."""
        rows: list[StopRow] = []
        for product_id in sorted(self.sender.products):
            if not self._held(product_id):
                self.sender.unprotected_time.end(product_id)
                continue
            try:
                rows.append(self._protect_one(product_id))
            except TfError as error:
                rows.append(self._stop_row(product_id, "failed", str(error)))
        for product_id, why in sorted(self._missing.items()):
            if product_id not in self.sender.products:
                rows.append(self._stop_row(product_id, "failed", f"holding unknown: {why}"))
        return rows

    def _stop_row(self, product_id: str, status: str, reason: str) -> StopRow:
        row: StopRow = {"product": product_id, "status": status, "reason": reason}
        self.sender.logs.write("stop_updates", action="result", **row)
        return row

    def _protect_one(self, product_id: str) -> StopRow:
        unknown = self._reconciled.unknown if self._reconciled is not None else {}
        if product_id in unknown:
            return self._leave_unknown(product_id, unknown[product_id])
        may_move = product_id not in self._unpriced
        result = self._cover(product_id, may_move, known=self._reading(product_id)).ensure()
        product = self.sender.products[product_id]
        if not self._is_dust(product, result.held):
            result.closed = closed_because(vars(product))
        return self._record_cover(result)

    def _leave_unknown(self, product_id: str, why: str) -> StopRow:
        """Leave an unknown holding's stops as they are; unprotected if they cover too little."""
        product, sender = self.sender.products[product_id], self.sender
        covered = ZERO
        for order in sender.ledger.state.live_orders(product_id):
            if order.key.leg.is_stop and sender.is_live_stop(order.client_id):
                covered += order.unfilled
        unprotected = floor_to(self._held(product_id), product.base_increment) - covered
        is_unprotected = unprotected > 0 and not self._is_dust(product, unprotected)
        status = "failed" if is_unprotected or product_id in self._missing else "skip"
        return self._stop_row(
            product_id, status, f"holding unknown, its stops are left as they are: {why}"
        )

    def _reading(self, product_id: str) -> Read[Reading] | None:
        """Return what the last look at the account says of a product, for as long as it holds."""
        last = self._last.get(product_id)
        if last is None or self._looked is None:
            return None
        return self._looked.of(Reading(self._held(product_id), last))

    def _reads_hold(self) -> bool:
        """Whether the last look at the account is young, and nothing was sent since."""
        return self.sender.fresh.holds(self._looked)

    def _protection(self, product: Product) -> Protection:
        """Return today's level, or the best one that is known when the plan has none."""
        known = self._protections.get(product.product_id)
        if known is None:
            return fallback_protection(self.sender, product)
        last = self._last.get(product.product_id)
        is_theirs = self.sender.ledger.state.not_ours.get(product.base_currency, ZERO) > 0
        if is_theirs and last is not None and known.target_level >= last:
            # Clamped right below the market it would be sold at once, and it is not ours to sell.
            return stopgap(last, known.atr)
        return known

    def fills(self) -> list[FillRow]:
        """Return the filled orders that the ledger knows of, oldest first."""
        state = self.sender.ledger.state
        taken = {order.client_id for order in state.taken_by_market(self.sender.day)}
        return [
            {
                "product_id": order.product_id,
                "side": str(order.key.side),
                "leg": str(order.key.leg),
                "date": (order.last_fill_at or order.intended_at).date().isoformat(),
                "filled_size": format(order.filled_size, "f"),
                "average_price": f"{order.filled_value / order.filled_size:.10g}",
                "taken": order.client_id in taken,
            }
            for order in state.orders.values()
            if order.filled_size
        ]

    def _cover(
        self, product_id: str, may_move: bool = True, *, known: Read[Reading] | None = None
    ) -> Cover:
        """Return the protection of one product."""
        protection = self._protection(self.sender.products[product_id])
        if not may_move:
            protection = replace(protection, may_move=False)
        position = Position(
            self.sender,
            product_id,
            foreign=self._foreign.get(product_id, Foreign()),
            known=known,
            is_changed=self._reconciled is not None and product_id in self._reconciled.changed,
        )
        return Cover(position, protection)

    def _record_cover(self, cover: CoverResult) -> StopRow:
        row = cover.to_mapping()
        self.sender.logs.write("stop_updates", action="result", **row)
        return row

    def _is_dust(self, product: Product, held: Decimal) -> bool:
        """Whether a holding is too small to matter; without a last price its size decides."""
        last = self._last.get(product.product_id, _UNKNOWN_PRICE)
        return is_dust(held, product, last)

"""
The flatten session: the executor that sells what our own orders hold, because a person wants out.

By the rules of the plan's sales (`tf_lib.execution.rebalance`), one product at a time from holdings
that were just read, each left-over covered before the next is touched. What is not ours, cannot be
priced, is unknown or takes no orders stays under its stop (docs/execution.md section 9).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tf_lib.app.daily.prices import believed_quotes
from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.records import ZERO, Product, Reason, Side, closed_because
from tf_lib.core.model.run_rows import OrderRow
from tf_lib.core.orders.build import PlannedOrder, floor_to
from tf_lib.errors import ExchangeError, HaltRun
from tf_lib.execution.order_sender import PlanRef
from tf_lib.execution.protect_all import ProtectAll
from tf_lib.execution.rebalance import Rebalance
from tf_lib.execution.recovery import read_open_orders
from tf_lib.store.ledger_state import OrderRecord
from tf_lib.text.tickers import base_of


@dataclass(frozen=True)
class OwnHolding:
    """
    What our own orders hold of a product.

    Attributes
    ----------
    units : Decimal
        Floored to the product's step.
    last : Decimal or None
        The last trade.
    stops : tuple of OrderRecord
        Our stops over the holding, which a sale cancels.
    theirs : Decimal
        Units beside them that are not ours: never sold.
    obstacle : str
        Why it cannot be sold now, or empty.
    is_dust : bool
        Too small to be sold.
    """

    product_id: str
    units: Decimal = ZERO
    last: Decimal | None = None
    stops: tuple[OrderRecord, ...] = ()
    theirs: Decimal = ZERO
    obstacle: str = ""
    is_dust: bool = False

    @property
    def worth(self) -> Decimal | None:
        """Units times the last trade, in quote currency."""
        return None if self.last is None else self.units * self.last

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to be sold of it."""
        return self.units > 0 and not self.is_dust

    @property
    def is_sellable(self) -> bool:
        """Whether it can be sold now."""
        return self.is_wanted and not self.obstacle


@dataclass(kw_only=True)
class FlattenSession(ProtectAll):
    """
    Reads and sells.

    Parameters
    ----------
    sends : bool
        False for who only looks: the ledger is a copy, and no order is looked up that may be sent.
    """

    sends: bool = True
    failed: dict[str, str] = field(default_factory=dict)

    def look(self) -> None:
        """Recover what is open, and read prices and holdings."""
        self._learn()
        if self.sends:
            self._recover_all()
        else:
            read_open_orders(self.sender)
        self._read()

    def _read(self) -> None:
        self._last = self._read_products()
        self._read_holdings()
        listed = sorted(self.sender.products)
        self._unpriced = believed_quotes(listed, self.sender.client.quotes(listed), self._last)[1]

    # -- what there is -------------------------------------------------------------------

    @property
    def products(self) -> list[str]:
        """The products that may be flattened: of the universe, or bought by our own orders."""
        return self._products_wanted()

    def wanted_of(self, products: Sequence[str]) -> list[str]:
        """Return those of which something is to be sold, or was to be by an earlier flatten."""
        wish = self.sender.ledger.state.flatten
        before = () if wish is None else wish.products
        return [p for p in products if p in before or self.holding_of(p).is_wanted]

    def holding_of(self, product_id: str) -> OwnHolding:
        """Return what is held of a product by our own orders, as it was read last."""
        product = self.sender.products.get(product_id)
        if product is None:
            units = self.sender.ledger.state.expected(base_of(product_id)) or ZERO
            missing = self._missing.get(product_id, "")
            return OwnHolding(product_id, units if missing else ZERO, obstacle=missing)
        state, total = self.sender.ledger.state, self._held(product_id)
        units = floor_to(state.own_units(product.base_currency, total), product.base_increment)
        return OwnHolding(
            product_id,
            units,
            self._last.get(product_id),
            tuple(o for o in state.live_orders(product_id) if o.key.leg.is_stop),
            total - state.own_units(product.base_currency, total),
            self.failed.get(product_id) or self._obstacle(product),
            self._is_dust(product, units),
        )

    def _obstacle(self, product: Product) -> str:
        name, reconciled = product.product_id, self._reconciled
        if reconciled is None:
            raise HaltRun("holdings were not read before they were needed")
        unsettled = [
            f"own order {order.client_id} is {order.stage}: what became of it is not known"
            for order in self.sender.ledger.state.live_orders(name)
            if not order.key.leg.is_stop and (self.sends or order.order_id)
        ]
        unknown = {**reconciled.pending, **reconciled.unknown}.get(name)
        said = (
            self.protect_only,
            f"holding unknown: {unknown}" if unknown else "",
            *unsettled,
            closed_because(vars(product)),
            self._unpriced.get(name, ""),
        )
        return next(filter(None, said), "")

    # -- selling -------------------------------------------------------------------------

    def sell(self, wanted: Sequence[str]) -> Iterator[OrderRow]:
        """Sell product by product; yield what became of each sale."""
        self._cover_all()
        for product_id in wanted:
            try:
                row = self._sell(product_id)
            except ExchangeError as error:
                row, self.failed[product_id] = None, str(error)
                self._cover_held()
            finally:
                self.sender.may_rebalance = False
            if row is not None:
                yield row

    def _sell(self, product_id: str) -> OrderRow | None:
        self._read()
        own = self.holding_of(product_id)
        if not own.is_sellable or own.last is None:
            return None
        order = PlannedOrder(
            product_id, Side.SELL, Leg.EXIT, own.units, own.last, Reason.FULL_EXIT, "flatten"
        )
        plan = self.sender.plan = self._frozen(order)
        self.sender.may_rebalance = True
        result = Rebalance(self.sender, self._cover, plan.planned_at, ZERO).execute(order)
        row = result.to_mapping()
        self.sender.logs.write("order_submit", action="result", **row)
        if result.cover is not None:
            self._record_cover(result.cover)
        if result.status not in ("done", "void"):
            self.failed[product_id] = f"{result.status}: {result.reason}"
        return row

    def _frozen(self, order: PlannedOrder) -> PlanRef:
        """Write a plan of this one sale into the ledger, with an id that is no day's plan's."""
        sender, now = self.sender, self.sender.now()
        plan = PlanRef(f"{sender.day}-flatten-{sender.ledger.state.lines + 1}", now)
        sender.ledger.append(
            "flatten_plan",
            id=plan.id,
            day=sender.day.isoformat(),
            planned_at=now.isoformat(),
            orders=[order.to_mapping()],
        )
        return plan

    def left(self, wanted: Sequence[str]) -> list[OwnHolding]:
        """Read everything again; return what was to be sold and is still held."""
        self._read()
        return [own for own in map(self.holding_of, wanted) if own.is_wanted]

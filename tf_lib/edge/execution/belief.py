"""
Belief: holdings count only when they fit everything else we know.

An account list is believed when its paging ended properly, every base ever traded has its row,
each hold covers our own open sells, and each total is the last confirmed one plus our own fills
since (EXECUTION section 5). What does not fit is unknown, and unknown is never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tf_lib.core.client_ids import Leg
from tf_lib.core.records import ZERO, Holding, Product, Side
from tf_lib.edge.execution.desk import Desk
from tf_lib.errors import ExchangeError, UnknownState

_TRIES = 3
_SETTLE_SECONDS = 10.0
NOTHING = Holding(ZERO, ZERO)


@dataclass(frozen=True)
class Belief:
    """
    What is owned, and what may not be believed.

    Attributes
    ----------
    accounts : mapping of currency to Holding
        Every wallet as the exchange listed it.
    unknown : mapping of product to why
        Held or possibly held, but the figures contradict each other: no cancel, no trade.
    changed : mapping of product to why
        The holding changed without us: covered and reported, not rebalanced until released.
    """

    accounts: Mapping[str, Holding]
    unknown: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, str] = field(default_factory=dict)

    def holding(self, product: Product) -> Holding:
        """Return what is owned of a product's base; no row means none was ever owned."""
        return self.accounts.get(product.base_currency, NOTHING)


def read_accounts(desk: Desk) -> Mapping[str, Holding]:
    """Read the complete account list, trying again when it cannot be believed as a list."""
    problem: ExchangeError | None = None
    for attempt in range(_TRIES):
        if attempt:
            desk.pause(2.0)
        try:
            return desk.client.holdings()
        except UnknownState as error:
            problem = error
    raise UnknownState(f"holdings could not be read in {_TRIES} tries: {problem}") from problem


def believed_holdings(desk: Desk, products: Iterable[Product]) -> Belief:
    """
    Read the holdings and hold them against the ledger.

    Figures that do not fit are read again after the orders of that product were refreshed and
    some time has passed, since a fill may have come between two reads.
    """
    wanted = list(products)
    accounts = read_accounts(desk)
    doubts = _doubts(desk, wanted, accounts)
    if doubts:
        for product in wanted:
            if product.product_id in doubts:
                _refresh_orders(desk, product.product_id)
        desk.pause(_SETTLE_SECONDS)
        accounts = read_accounts(desk)
        doubts = _doubts(desk, wanted, accounts)
    unknown = {p: why for p, (why, is_change) in doubts.items() if not is_change}
    changed = {p: why for p, (why, is_change) in doubts.items() if is_change}
    return Belief(accounts, unknown, changed)


def _refresh_orders(desk: Desk, product_id: str) -> None:
    for order in desk.ledger.state.live_orders(product_id):
        desk.refresh(order.client_id)


def _doubts(
    desk: Desk, products: list[Product], accounts: Mapping[str, Holding]
) -> dict[str, tuple[str, bool]]:
    found: dict[str, tuple[str, bool]] = {}
    for product in products:
        doubt = _doubt(desk, product, accounts.get(product.base_currency))
        if doubt is not None:
            found[product.product_id] = doubt
    return found


def _doubt(desk: Desk, product: Product, holding: Holding | None) -> tuple[str, bool] | None:
    state = desk.ledger.state
    base = product.base_currency
    confirmed = state.confirmed.get(base)
    expected = (confirmed or ZERO) + state.fills_since_confirmed.get(base, ZERO)
    if holding is None:
        if confirmed is not None or base in state.fills_since_confirmed:
            return f"{base} was traded here and its account row is missing", False
        return None
    held_by_us = open_sells(desk, product.product_id)
    if holding.total < held_by_us or holding.hold < held_by_us:
        return (
            f"{base}: our open sells hold {held_by_us}, the account shows "
            f"{holding.hold} held of {holding.total}",
            False,
        )
    if confirmed is None:
        return None
    # One step of a size is rounding; anything more is somebody else's doing.
    if abs(holding.total - expected) >= max(product.base_increment, product.base_min_size):
        return (
            f"{base}: expected {expected} from our own fills, the account has {holding.total}",
            True,
        )
    return None


def open_sells(desk: Desk, product_id: str) -> Decimal:
    """Return the units that our live sells at the exchange still hold."""
    return sum(
        (
            order.base_size - order.filled_size
            for order in desk.ledger.state.live_orders(product_id)
            if order.key.side is Side.SELL and order.order_id
        ),
        ZERO,
    )


def confirm(desk: Desk, belief: Belief, products: Iterable[Product]) -> None:
    """Write the believed totals down as confirmed, for the next time's comparison."""
    totals = {
        product.base_currency: format(belief.accounts[product.base_currency].total, "f")
        for product in products
        if product.base_currency in belief.accounts and product.product_id not in belief.unknown
    }
    known = desk.ledger.state
    same = all(
        known.confirmed.get(base) == Decimal(total) and base not in known.fills_since_confirmed
        for base, total in totals.items()
    )
    if not same:
        desk.ledger.append("confirmed", totals=totals)


def bought_outside(desk: Desk, universe: Iterable[str]) -> set[str]:
    """Return products outside the universe that our own orders once bought."""
    known = set(universe)
    return {
        order.product_id
        for order in desk.ledger.state.orders.values()
        if order.key.leg in (Leg.ENTRY, Leg.PILOT) and order.product_id not in known
    }

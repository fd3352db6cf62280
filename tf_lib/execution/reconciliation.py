"""
Reconciliation: holdings count only when they fit everything else we know.

An account list is believed when its paging ended properly, every base ever traded has its row, each
hold covers our own open sells, and each total is the last confirmed one plus our own fills since
(docs/execution.md section 5). What does not fit is unknown, and unknown is never zero. Before the
first confirmed total of a base, what no order of ours explains was there before us.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from tf_lib.core.model.records import ZERO, Holding, Product, Side
from tf_lib.errors import ExchangeError, UnknownState
from tf_lib.exchange.port import AccountWallets
from tf_lib.execution.order_sender import OrderSender
from tf_lib.text.tickers import base_of

_TRIES = 3
_REREAD_SECONDS = 10.0
NOTHING = Holding(ZERO, ZERO)


@dataclass(frozen=True)
class Reconciled:
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
    pending : mapping of product to why
        An order of ours whose end is not known may explain the difference: covered, not traded.
    expected : mapping of currency to Decimal
        What our own record says of a holding that is unknown.
    extra : mapping of product to Decimal
        Of those that changed, the units that came (below zero: went) without us.
    missing : mapping of product to why
        Held by our record, and the exchange has no account row of it any more.
    """

    accounts: Mapping[str, Holding]
    unknown: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, Decimal] = field(default_factory=dict)
    extra: Mapping[str, Decimal] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def holding(self, product: Product) -> Holding:
        """Return what is owned of a product's base; no row means none was ever owned."""
        return self.accounts.get(product.base_currency, NOTHING)

    def most(self, product: Product) -> Decimal:
        """Return the most units that may be owned: unknown is never zero."""
        listed = self.holding(product).total
        if product.product_id not in self.unknown:
            return listed
        return max(listed, self.expected.get(product.base_currency, ZERO))


class Doubt(StrEnum):
    """What a figure that does not fit may mean."""

    UNKNOWN = "unknown"
    CHANGED = "changed"
    PENDING = "pending"


def read_accounts(sender: OrderSender) -> AccountWallets:
    """Read the complete account list, trying again when it cannot be believed as a list."""
    tries = 0
    while True:
        tries += 1
        try:
            return sender.client.holdings()
        except UnknownState as error:
            patience = sender.client.line.patience
            if tries < _TRIES:
                sender.pause(2.0)
            elif patience is None or not patience.wait(str(error)):
                why = f"holdings could not be read in {tries} tries: {error}"
                raise UnknownState(why) from error


def reconciled_holdings(
    sender: OrderSender, products: Iterable[Product], *, lost: Mapping[str, str] | None = None
) -> Reconciled:
    """
    Read the holdings and hold them against the ledger.

    Figures that do not fit are read again after the orders of that product were refreshed and
    some time has passed, since a fill may have come between two reads. A change counts as one
    only when both reads show the same.

    Parameters
    ----------
    lost : mapping of product to why
        Products of which an order of ours cannot be read: unknown whatever the figures say.
    """
    wanted = list(products)
    unreadable = dict(lost or {})
    accounts = first = read_accounts(sender)
    doubts = _doubts(sender, wanted, accounts)
    if doubts:
        for product in wanted:
            if product.product_id in doubts:
                _refresh_orders(sender, product.product_id, unreadable)
        sender.pause(_REREAD_SECONDS)
        accounts = read_accounts(sender)
        doubts = _doubts(sender, wanted, accounts)
    found: dict[Doubt, dict[str, str]] = {kind: {} for kind in Doubt}
    for product in wanted:
        base, name = product.base_currency, product.product_id
        if name in unreadable:
            found[Doubt.UNKNOWN][name] = unreadable[name]
        elif name in doubts:
            kind, why = doubts[name]
            if kind is Doubt.CHANGED and first.get(base) != accounts.get(base):
                kind = Doubt.UNKNOWN
            found[kind][name] = why
    expected: dict[str, Decimal] = {}
    for product in wanted:
        units, held_by_us = _expected(sender, product), open_sells(sender, product.product_id)
        if units is not None or held_by_us:
            # An open sell holds its base, whatever else is known.
            expected[product.base_currency] = max(units or ZERO, held_by_us)
    return Reconciled(
        accounts,
        found[Doubt.UNKNOWN],
        found[Doubt.CHANGED],
        found[Doubt.PENDING],
        expected,
        {
            product.product_id: accounts[product.base_currency].total - _explained(sender, product)
            for product in wanted
            if product.product_id in found[Doubt.CHANGED]
        },
        {
            name: why
            for name, why in found[Doubt.UNKNOWN].items()
            if _is_missing(sender, name, accounts)
        },
    )


def _is_missing(sender: OrderSender, product_id: str, accounts: AccountWallets) -> bool:
    base = base_of(product_id)
    is_there = base in accounts or base in accounts.unreadable
    return not is_there and product_id in sender.ledger.state.levels


def _refresh_orders(sender: OrderSender, product_id: str, unreadable: dict[str, str]) -> None:
    for order in sender.ledger.state.live_orders(product_id):
        try:
            sender.refresh(order.client_id, patient=False)
        except ExchangeError as error:
            unreadable.setdefault(product_id, str(error))


def _doubts(
    sender: OrderSender, products: list[Product], accounts: AccountWallets
) -> dict[str, tuple[Doubt, str]]:
    found: dict[str, tuple[Doubt, str]] = {}
    for product in products:
        base = product.base_currency
        if base in accounts.unreadable:
            found[product.product_id] = Doubt.UNKNOWN, accounts.unreadable[base]
            continue
        doubt = _doubt(sender, product, accounts.get(base))
        if doubt is not None:
            found[product.product_id] = doubt
    return found


def _expected(sender: OrderSender, product: Product) -> Decimal | None:
    """Return the last confirmed total and our own fills since, or None before the first."""
    return sender.ledger.state.expected(product.base_currency)


def _explained(sender: OrderSender, product: Product) -> Decimal:
    """Return the units that our record explains; before the first total, by all our orders."""
    expected = _expected(sender, product) or ZERO
    if product.base_currency in sender.ledger.state.confirmed:
        return expected
    return expected + sender.older_fills.get(product.product_id, ZERO)


def _doubt(
    sender: OrderSender, product: Product, holding: Holding | None
) -> tuple[Doubt, str] | None:
    base, expected = product.base_currency, _expected(sender, product)
    if holding is None:
        # A coin whose name nothing went over to has no row before it is bought under it.
        if not expected and not _was_traded(sender, product):
            return None
        return Doubt.UNKNOWN, f"{base} was traded here and its account row is missing"
    held_by_us = open_sells(sender, product.product_id)
    if holding.total < held_by_us or holding.hold < held_by_us:
        return (
            Doubt.UNKNOWN,
            f"{base}: our open sells hold {held_by_us}, the account shows "
            f"{holding.hold} held of {holding.total}",
        )
    extra = holding.total - _explained(sender, product)
    is_first = base not in sender.ledger.state.confirmed
    if is_first and base in sender.ledger.state.let_go:
        return None
    if abs(extra) < product.rounding or (is_first and extra < 0):
        return None
    why = f"{base}: expected {expected} from our own fills, the account has {holding.total}"
    if is_first:
        why = (
            f"{base}: {extra} of {holding.total} were there before, no order of ours explains them"
        )
    is_open = bool(sender.ledger.state.unsettled_orders(product.product_id))
    return (Doubt.PENDING if is_open else Doubt.CHANGED), why


def _was_traded(sender: OrderSender, product: Product) -> bool:
    """Whether an order of ours filled or holds the base, so that the account must have a row."""
    return bool(open_sells(sender, product.product_id)) or any(
        order.product_id == product.product_id and order.filled_size
        for order in sender.ledger.state.orders.values()
    )


def open_sells(sender: OrderSender, product_id: str) -> Decimal:
    """Return the units that our live sells at the exchange still hold."""
    return sum(
        (
            order.unfilled
            for order in sender.ledger.state.live_orders(product_id)
            if order.key.side is Side.SELL and order.order_id
        ),
        ZERO,
    )


def confirm(sender: OrderSender, reconciled: Reconciled, products: Iterable[Product]) -> None:
    """Write the believed totals down as confirmed, for the next time's comparison."""
    totals = {
        product.base_currency: format(reconciled.accounts[product.base_currency].total, "f")
        for product in products
        if product.base_currency in reconciled.accounts
        and product.product_id not in reconciled.unknown
        and product.product_id not in reconciled.pending
    }
    known, quote = sender.ledger.state, sender.config.universe.quote_currency
    if quote in reconciled.accounts:
        totals[quote] = format(reconciled.accounts[quote].total, "f")
    same = all(
        known.confirmed.get(base) == Decimal(total) and base not in known.fills_since_confirmed
        for base, total in totals.items()
    )
    if not same:
        sender.ledger.append("confirmed", totals=totals)


def bought_outside(sender: OrderSender, universe: Iterable[str]) -> set[str]:
    """Return products outside the universe that our own orders once bought."""
    return sender.ledger.state.bought_products - set(universe)

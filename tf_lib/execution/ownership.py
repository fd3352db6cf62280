"""
Ownership: whose units they are that are held, and what may be done with them.

Small increases are adopted; larger ones, and what was there before the first run, are covered
and locked until a person releases them; what our record holds and the exchange no longer has is
unknown (docs/execution.md section 14). Exits of our own units are never locked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tf_lib.core.model.impediments import Impediment, ImpedimentKind
from tf_lib.core.model.records import ZERO, Holding, Product
from tf_lib.core.model.renames import renames_of
from tf_lib.exchange.port import Exchange
from tf_lib.execution.order_sender import OrderSender
from tf_lib.execution.reconciliation import Reconciled
from tf_lib.execution.recovery import signed_fills
from tf_lib.parameters import Config
from tf_lib.text.tickers import base_of

_DOLLARS = ("USD", "USDC", "USDT", "PYUSD", "DAI", "EUR", "GBP")
_EMPTY = Decimal(1)
"""A quote wallet below this is empty, and another one above it is not."""


def take_over_changes(
    sender: OrderSender, reconciled: Reconciled, last: Mapping[str, Decimal]
) -> list[str]:
    """
    Adopt or lock what changed without us, once; return what there is to tell.

    From then on the new total is what is expected, whoever made the difference.
    """
    told = []
    for product_id, why in sorted(reconciled.changed.items()):
        extra = reconciled.extra[product_id]
        price = last.get(product_id)
        worth = None if price is None else extra * price
        value = "" if worth is None else f", worth {worth:,.2f}"
        facts = {"product": product_id, "why": f"{why}{value}", "units": format(extra, "f")}
        is_first = sender.products[product_id].base_currency not in sender.ledger.state.confirmed
        if _is_adopted(sender, sender.products[product_id], extra, worth, is_first=is_first):
            sender.ledger.append("adopted", **facts)
            continue
        sender.ledger.append("locked", **facts)
        told.append(f"{facts['why']}; covered, not rebalanced until: tf release {product_id}")
        if not is_first:
            sender.impede(_unexplained(facts["why"]))
    return told


def not_ours(client: Exchange, config: Config) -> list[str]:
    """Return what is held of the universe that no own order explains, in units and worth."""
    tickers = config.universe.sorted_tickers
    client.names.use(tickers)
    listed, wallets, told = client.products(tickers), client.holdings(), []
    bought = signed_fills(client.orders())
    for name, one in sorted(listed.items()):
        extra = _total(wallets.get(one.product.base_currency)) - bought.get(name, ZERO)
        if extra >= one.product.rounding:
            worth = "" if one.last is None else f" worth {extra * one.last:,.2f}"
            told.append(f"{extra} {one.product.base_currency}{worth}")
    return told


def _is_adopted(
    sender: OrderSender, product: Product, extra: Decimal, worth: Decimal | None, *, is_first: bool
) -> bool:
    account = sender.config.account
    if extra <= ZERO:
        return False
    if account.follow_changes and not is_first:
        return True
    is_small = worth is not None and worth <= Decimal(account.adopt_below)
    return is_small or extra <= product.rounding


def _unexplained(why: str) -> Impediment:
    return Impediment(
        ImpedimentKind.EQUITY_UNEXPLAINED,
        f"equity changed by more than prices and fills explain: {why}",
        "nothing, if you moved it; else look at the exchange's account history",
    )


def unexplained_cash(sender: OrderSender, reconciled: Reconciled) -> Impediment | None:
    """Return what came to or left the quote wallet without a fill, or None."""
    currency = sender.config.universe.quote_currency
    wallet, state = reconciled.accounts.get(currency), sender.ledger.state
    if currency not in state.confirmed or reconciled.pending or reconciled.unknown:
        return None
    total = wallet.total if wallet is not None else ZERO
    moved = total - (state.expected(currency) or ZERO)
    if abs(moved) <= Decimal(sender.config.account.adopt_below):
        return None
    return _unexplained(f"{moved:+,.2f} {currency} in the quote wallet")


def wrong_currency(sender: OrderSender, reconciled: Reconciled) -> Impediment | None:
    """Return that the money lies in another currency than the universe trades in, or None."""
    quote = sender.config.universe.quote_currency
    if _total(reconciled.accounts.get(quote)) >= _EMPTY:
        return None
    others = [name for name in _DOLLARS if name != quote]
    found = [(name, _total(reconciled.accounts.get(name))) for name in others]
    there = ", ".join(f"{total:,.2f} {name}" for name, total in found if total >= _EMPTY)
    if not there:
        return None
    return Impediment(
        ImpedimentKind.WRONG_CURRENCY,
        f"the wallet of {quote} is empty, there are {there}; the universe's tickers are bought "
        f"with {quote}",
        f"change it into {quote} at the exchange, or name tickers of that currency in "
        "universe.tickers",
    )


def _total(wallet: Holding | None) -> Decimal:
    return wallet.total if wallet is not None else ZERO


def missing_holdings(
    sender: OrderSender, reconciled: Reconciled, wanted: Iterable[str]
) -> dict[str, str]:
    """
    Return what is held of products that the exchange does not list, and why it is unknown.

    A product that is back with what was expected is no longer locked for it.
    """
    state, found = sender.ledger.state, dict(reconciled.missing)
    for name in wanted:
        base = base_of(name)
        if name in sender.products or base in state.let_go:
            continue
        why = _why_missing(sender, reconciled, name)
        if why:
            found[name] = why
    for name in state.missing - set(found):
        if name in sender.products:
            sender.ledger.append("found", product=name)
    for name, why in found.items():
        if name not in state.missing:
            sender.ledger.append("locked", product=name, why=why, missing=True)
    return found


def _why_missing(sender: OrderSender, reconciled: Reconciled, product_id: str) -> str:
    """Return why a holding of a product whose rules nobody tells is unknown; dust is not."""
    state, base = sender.ledger.state, base_of(product_id)
    is_remembered = product_id in state.levels or product_id in state.bare_since
    by_record = state.expected(base) or ZERO
    if is_remembered and by_record:
        return (
            f"{base}: our record holds {by_record}, and the exchange no longer lists "
            f"{product_id}; it was renamed, delisted or moved"
        )
    there = _total(reconciled.accounts.get(base))
    # What was there under no level when it was still listed was dust.
    if there <= by_record:
        return ""
    return (
        f"{base}: the account has {there}, and the exchange does not list {product_id}: "
        "no stop can be placed"
    )


def move_renamed(sender: OrderSender) -> None:
    """Let holding, level, cooldown and locks of a renamed product go over, once."""
    state = sender.ledger.state
    for rename in renames_of(sender.config.universe):
        if rename.old in state.renamed or sender.day < rename.day:
            continue
        if any(order.may_be_live for order in state.live_orders(rename.old)):
            # What the exchange does with its stops is read first.
            continue
        sender.ledger.append(
            "renamed", product=rename.old, to=rename.new, ratio=format(rename.ratio, "f")
        )


def missing_impediment(product_id: str, why: str) -> Impediment:
    """Say that a holding is unknown because the exchange no longer has it."""
    return Impediment(
        ImpedimentKind.UNKNOWN_HOLDING,
        why,
        f"look at the exchange; if it was renamed, name it in universe.renamed; if it is gone: "
        f"tf release {product_id}",
        product=product_id,
    )


def holding_impediments(sender: OrderSender, reconciled: Reconciled) -> list[Impediment]:
    """Return what of the holdings stands in the way today: locks and doubts."""
    state = sender.ledger.state
    found = [
        Impediment(
            ImpedimentKind.LOCKED,
            f"locked: {why}; it is covered and only a full exit of our own units is traded",
            f"tf release {name}, when it is as you want it",
            product=name,
        )
        for name, why in sorted(state.locked.items())
        if name not in state.missing
    ]
    what = "nothing, if it is over tomorrow; else compare the account with tf status"
    found += [
        Impediment(ImpedimentKind.UNKNOWN_HOLDING, why, what, product=name)
        for name, why in sorted({**reconciled.unknown, **reconciled.pending}.items())
    ]
    return found

"""What an order costs: its price now, its size, its hold, and the fee tier that applies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from tf_lib.simulator.matching.balances import ZERO
from tf_lib.simulator.matching.order import Kind, Terms

MONEY = Decimal("1E-16")
ONE = Decimal(1)
BRACKET_GIVE = Decimal("0.05")


@dataclass(frozen=True)
class FeeTier:
    """Fees from a volume of the last 30 days on, in US dollars."""

    name: str
    usd_from: Decimal
    maker: Decimal
    taker: Decimal


@dataclass(frozen=True)
class Costs:
    """
    Slippage, and fees by tier, as fractions of notional.

    Attributes
    ----------
    tiers : sequence of FeeTier
        By rising `usd_from`; the first begins at 0.
    """

    slippage: Decimal
    tiers: Sequence[FeeTier]

    def tier(self, volume: Decimal) -> FeeTier:
        """Return the tier that a trailing volume reaches."""
        return [tier for tier in self.tiers if tier.usd_from <= volume][-1]

    def ends_at(self, tier: FeeTier) -> Decimal | None:
        """Return the volume at which the next tier begins, None above the last."""
        return next((t.usd_from for t in self.tiers if t.usd_from > tier.usd_from), None)


def one_tier(slippage: Decimal, maker: Decimal, taker: Decimal) -> Costs:
    """Return the same fees whatever the volume."""
    return Costs(slippage, (FeeTier("Intro 1", ZERO, maker, taker),))


def base_size(terms: Terms, *, price: Decimal, taker: Decimal) -> Decimal:
    """Size in base units; an amount of quote buys 16 decimals of them, its fee included."""
    if terms.base_size is not None:
        return terms.base_size
    if price <= 0 or terms.quote_size is None:
        return ZERO
    return (terms.quote_size / (ONE + taker) / price).quantize(MONEY, ROUND_DOWN)


def needed_hold(terms: Terms, size: Decimal, *, price: Decimal, taker: Decimal) -> Decimal:
    """
    What an order must hold: base for a sell, quote with the taker fee for a buy.

    A buy that is sized in quote holds just that. `price` is what a market order would get; other
    orders hold their worst price.
    """
    if not terms.is_buy:
        return size
    if terms.quote_size is not None:
        return terms.quote_size
    worst = price if terms.limit_price is None else terms.limit_price
    if terms.kind is Kind.BRACKET and terms.stop_price is not None:
        worst = max(worst, terms.stop_price * (ONE + BRACKET_GIVE))
    return (size * worst * (ONE + taker)).quantize(MONEY, ROUND_UP)

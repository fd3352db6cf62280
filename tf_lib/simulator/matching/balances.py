"""Wallets: what is available and what open orders hold, by currency; never negative."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tf_lib.errors import HaltRun

ZERO = Decimal(0)


@dataclass
class Wallet:
    """Units of one currency: free, and held by orders."""

    currency: str
    available: Decimal = ZERO
    hold: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """Everything that is owned."""
        return self.available + self.hold


class Wallets:
    """The wallets of one portfolio; every change goes through here and is remembered as dirty."""

    def __init__(self) -> None:
        self._wallets: dict[str, Wallet] = {}
        self.dirty: set[str] = set()

    def __iter__(self) -> Iterator[Wallet]:
        """Iterate in the order in which the currencies were first touched."""
        return iter(list(self._wallets.values()))

    def of(self, currency: str) -> Wallet:
        """Return the wallet of a currency; asked for the first time, it is opened at zero."""
        wallet = self._wallets.get(currency)
        if wallet is None:
            wallet = self._wallets[currency] = Wallet(currency)
            self.dirty.add(currency)
        return wallet

    def available(self, currency: str) -> Decimal:
        """Free units, zero for a currency that was never touched."""
        wallet = self._wallets.get(currency)
        return wallet.available if wallet else ZERO

    def deposit(self, currency: str, amount: Decimal) -> None:
        """Add (or, below zero, take out) free units from outside."""
        self._move(currency, available=amount)

    def hold(self, currency: str, amount: Decimal) -> None:
        """Set free units aside for an order."""
        self._move(currency, available=-amount, hold=amount)

    def release(self, currency: str, amount: Decimal) -> None:
        """Give held units back."""
        self._move(currency, available=amount, hold=-amount)

    def spend_held(self, currency: str, amount: Decimal) -> None:
        """Pay from what an order holds."""
        self._move(currency, hold=-amount)

    def restore(self, currency: str, available: Decimal, hold: Decimal) -> None:
        """Put a stored wallet back."""
        self._wallets[currency] = Wallet(currency, available, hold)

    def _move(self, currency: str, *, available: Decimal = ZERO, hold: Decimal = ZERO) -> None:
        wallet = self.of(currency)
        if wallet.available + available < 0 or wallet.hold + hold < 0:
            raise HaltRun(
                f"the simulated exchange would overdraw {currency}: available "
                f"{wallet.available} {available:+}, hold {wallet.hold} {hold:+}"
            )
        wallet.available += available
        wallet.hold += hold
        self.dirty.add(currency)

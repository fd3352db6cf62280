"""
Wallets: the account list, added up to what is owned of each currency.

The wallet of the money that is traded in is believed, or the list is not. A coin whose wallet
cannot be read is unknown, and the others are what they are. A wallet of any other currency that
cannot be read, one that was deleted, and a second one beside the default are left out and named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from tf_lib.core.model.records import Holding
from tf_lib.errors import UnknownState
from tf_lib.exchange.coinbase.values import Record, amount, optional_text, record_of, required_text
from tf_lib.exchange.port import AccountWallets

# Not tradable on spot. Any type not known here counts: an unseen holding would stay unprotected.
_ELSEWHERE = ("VAULT", "PERP_FUTURES", "PREDICTION", "STAK")
_OTHER_PLATFORMS = ("CFM", "INTX")


class _ListedTwice(UnknownState):
    """The paging went wrong: no row of the list can be believed."""


@dataclass(frozen=True)
class _Wallet:
    uuid: str
    currency: str
    holding: Holding
    is_default: bool


def holdings_from(
    records: Iterable[Record],
    *,
    needs: Callable[[str], bool] = lambda currency: True,
    pays: Callable[[str], bool] = lambda currency: True,
    leave_out: Callable[[str], None] = lambda why: None,
) -> AccountWallets:
    """
    Add the account records up, by currency.

    Parameters
    ----------
    records : iterable of records
        The whole list.
    needs : callable
        Whether a currency is traded here.
    pays : callable
        Whether it is the money of a product that is traded here.
    leave_out : callable
        Hears of each record that is left out, and why.

    Raises
    ------
    UnknownState
        If a wallet of the money cannot be believed, or one that is traded came twice.
    """

    def doubt(currency: str, error: UnknownState) -> None:
        if pays(currency):
            raise error
        unreadable.setdefault(currency, str(error))

    unreadable: dict[str, str] = {}
    seen: set[str] = set()
    wallets: dict[str, list[_Wallet]] = {}
    beside: dict[str, UnknownState] = {}
    for record in records:
        if _is_elsewhere(record):
            continue
        try:
            wallet = _wallet(record, seen)
        except UnknownState as error:
            currency = optional_text(record, "currency")
            if needs(currency) and not _is_deleted(record):
                if isinstance(error, _ListedTwice):
                    raise
                if record.get("default") is False:
                    beside[currency] = error
                else:
                    doubt(currency, error)
            leave_out(str(error))
            continue
        if not _is_deleted(record):
            wallets.setdefault(wallet.currency, []).append(wallet)
        elif wallet.holding.total:
            leave_out(f"account {wallet.uuid} is deleted and shows {_worth(wallet)}")
    for currency, unread in beside.items():
        # One beside the default is not traded; without a default it may be the one that is.
        if not any(wallet.is_default for wallet in wallets.get(currency, [])):
            doubt(currency, unread)
    trading: dict[str, Holding] = {}
    for currency, found in wallets.items():
        try:
            trading[currency] = _trading(found, needs(currency), leave_out).holding
        except UnknownState as error:
            doubt(currency, error)
    known = {c: holding for c, holding in trading.items() if c not in unreadable}
    return AccountWallets(known, unreadable)


def _is_elsewhere(record: Record) -> bool:
    kind = optional_text(record, "type").upper().removeprefix("ACCOUNT_TYPE_")
    platform = optional_text(record, "platform").upper().removeprefix("ACCOUNT_PLATFORM_")
    return kind.startswith(_ELSEWHERE) or platform.startswith(_OTHER_PLATFORMS)


def _is_deleted(record: Record) -> bool:
    return bool(record.get("deleted_at"))


def _wallet(record: Record, seen: set[str]) -> _Wallet:
    uuid = required_text(record, "uuid", what="account")
    if uuid in seen:
        raise _ListedTwice(f"accounts: account {uuid} is listed twice")
    seen.add(uuid)
    currency = required_text(record, "currency", what=f"account {uuid}")
    holding = Holding(
        available=_money(record, "available_balance", currency),
        hold=_money(record, "hold", currency),
    )
    return _Wallet(uuid, currency, holding, record.get("default") is True)


def _money(record: Record, key: str, currency: str) -> Decimal:
    what = f"account of {currency}: {key}"
    money = record_of(record, key, what=what)
    if money.get("currency", currency) != currency:
        raise UnknownState(f"{what}: is in {money.get('currency')!r:.20}")
    return amount(money.get("value"), what=what)


def _trading(wallets: list[_Wallet], is_needed: bool, leave_out: Callable[[str], None]) -> _Wallet:
    """Return the wallet that orders trade in: the default one, else the one that holds."""
    marked = [wallet for wallet in wallets if wallet.is_default]
    holding = [wallet for wallet in wallets if wallet.holding.total]
    if len(marked) == 1:
        chosen = marked[0]
    elif len(holding) <= 1:
        chosen = (holding or wallets)[0]
    elif is_needed:
        raise UnknownState(
            f"accounts: two accounts hold {wallets[0].currency} and not one alone is the default"
        )
    else:
        chosen = holding[0]
    for other in wallets:
        if other is not chosen and other.holding.total:
            leave_out(
                f"account {other.uuid} is not the default one of {other.currency}: its "
                f"{_worth(other)} are not traded"
            )
    return chosen


def _worth(wallet: _Wallet) -> str:
    return f"{format(wallet.holding.total, 'f')} {wallet.currency}"

"""
The port: what this program needs of an exchange, in its own words.

`Exchange` has ten reads and two sends. An adapter is a folder beside this module that answers
them (`tf_lib.exchange.factory` alone knows which there are); whatever passes the suite of
``tests/exchange/conformance.py`` will do. Reads return what is believed or raise: `RetryableError`
where asking again may help, `RejectedError` for a refusal, `UnknownState` for an answer that
cannot be believed. Sends go out once, under the client id they are given, and never raise for
what the exchange answers: an `Answer` says what is proven.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol

from tf_lib.core.model.records import (
    ZERO,
    FeeRates,
    Holding,
    MarketOrder,
    Product,
    Side,
    StopOrder,
)
from tf_lib.errors import UnknownState
from tf_lib.exchange.clock import TellsTime
from tf_lib.exchange.patience import Patience

MOST_DAYS_PER_PAGE = 300
"""Daily bars that one request for candles may ask for."""

Bar = tuple[float, float, float, float, float]
"""Open, high, low, close and volume; all NaN where one of them is no number."""

# -- what is read ------------------------------------------------------------------------------


@dataclass(frozen=True)
class KeyPermissions:
    """What a key may do, and the portfolio it is bound to."""

    can_view: bool
    can_trade: bool
    can_transfer: bool
    portfolio_uuid: str


@dataclass(frozen=True)
class PortfolioRef:
    """A portfolio of the account."""

    name: str
    uuid: str
    deleted: bool


@dataclass(frozen=True)
class ListedProduct:
    """A product's trading rules and, when the exchange gives it, its last price."""

    product: Product
    last: Decimal | None


class AccountWallets(dict[str, Holding]):
    """
    What is owned of each currency.

    Attributes
    ----------
    unreadable : dict of currency to why
        Coins that are traded here and whose wallet cannot be believed: they are in no entry, and
        that is not zero.
    """

    def __init__(self, found: Mapping[str, Holding], unreadable: Mapping[str, str]) -> None:
        super().__init__(found)
        self.unreadable = dict(unreadable)

    def of(self, currency: str) -> Holding | None:
        """
        Return the wallet of a currency, or None if there is none.

        Raises
        ------
        UnknownState
            If there is one that cannot be believed.
        """
        if currency in self.unreadable:
            raise UnknownState(self.unreadable[currency])
        return self.get(currency)


OrderKind = Literal["market", "limit", "stop_limit", "other"]


class OrderStatus(StrEnum):
    """Where an order stands."""

    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"  # taken, and then not carried out
    BETWEEN = "BETWEEN"  # not yet open, or about to end

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more can happen."""
        return self not in (OrderStatus.OPEN, OrderStatus.BETWEEN)


class Trigger(StrEnum):
    """Whether a stop has been set off."""

    WAITING = "waiting"
    TRIGGERED = "triggered"
    UNKNOWN = "unknown"  # not said, or no stop


class Liquidity(StrEnum):
    """Which side of a trade rested before it."""

    MAKER = "maker"
    TAKER = "taker"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class OrderState:
    """
    One order at the moment it was read.

    Attributes
    ----------
    side : Side or None
        None when the exchange does not say.
    base_size, quote_size, stop_price, limit_price : Decimal or None
        As configured; None where the kind of order has none.
    is_stop_down : bool
        Whether it is set off by a price that falls.
    filled_size, filled_value, average_filled_price, total_fees : Decimal
        Base units, quote currency, quote per base, quote currency.
    """

    order_id: str
    client_order_id: str
    product_id: str
    side: Side | None
    kind: OrderKind
    base_size: Decimal | None
    quote_size: Decimal | None
    stop_price: Decimal | None
    limit_price: Decimal | None
    is_stop_down: bool
    status: OrderStatus
    trigger: Trigger
    pending_cancel: bool
    filled_size: Decimal
    filled_value: Decimal
    average_filled_price: Decimal
    total_fees: Decimal
    created_time: dt.datetime
    last_fill_time: dt.datetime | None

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.status.is_terminal

    @property
    def remaining(self) -> Decimal | None:
        """Base units that may still trade; None when its size is not in base units."""
        if self.is_terminal:
            return ZERO
        if self.base_size is None:
            return None
        return max(self.base_size - self.filled_size, ZERO)

    @property
    def is_live_stop(self) -> bool:
        """Whether it protects now: a resting, untriggered, uncancelled sell stop."""
        return (
            self.kind == "stop_limit"
            and self.side is Side.SELL
            and self.is_stop_down
            and self.status is OrderStatus.OPEN
            and self.trigger is Trigger.WAITING
            and not self.pending_cancel
        )


@dataclass(frozen=True)
class Fill:
    """One trade of an order: base units, quote per base, fee in quote currency."""

    entry_id: str
    trade_id: str
    order_id: str
    product_id: str
    side: Side | None
    price: Decimal
    base_size: Decimal
    commission: Decimal
    trade_time: dt.datetime
    liquidity: Liquidity


# -- what is answered --------------------------------------------------------------------------


class RefusalKind(StrEnum):
    """What a refusal is about, and so what may be done next."""

    FUNDS = "funds"  # read balances again, resize
    PRECISION = "precision"  # a size or price that our own border should have caught
    GEOMETRY = "geometry"  # stop, limit and last trade do not fit each other
    BAND = "band"  # the price is too far from the market
    MARKET_STATE = "market_state"  # the product does not take this now
    IDENTITY = "identity"  # the request itself is wrong: our bug
    CONFIGURATION = "configuration"  # an order of this form is not taken: another form may be
    POLICY = "policy"  # a person must look
    REPLAY = "replay"  # the client id is taken: the order exists, look it up
    VENUE = "venue"  # the exchange's own trouble
    ACCESS = "access"  # the key or its scopes
    RATE = "rate"  # too many requests


PASSING_REFUSALS = frozenset({RefusalKind.RATE, RefusalKind.ACCESS})
"""They say nothing of the order: a moment later the same one may be taken."""


@dataclass(frozen=True)
class Accepted:
    """The exchange named an order; it counts only after it was read back."""

    order_id: str


@dataclass(frozen=True)
class Refused:
    """Proven not to have happened; `code` and `message` in the exchange's own words."""

    code: str
    message: str
    kind: RefusalKind

    @property
    def exists(self) -> bool:
        """Whether the refusal says that an order of this id is there: look it up."""
        return self.kind is RefusalKind.REPLAY


@dataclass(frozen=True)
class Unknown:
    """May or may not have happened; look it up by client id."""

    why: str


Answer = Accepted | Refused | Unknown


class CancelOutcome(StrEnum):
    """What the request to cancel one order came to."""

    ACCEPTED = "accepted"  # requested, not dead: read the order
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class CancelAnswer:
    """The answer for one order of a cancel request."""

    order_id: str
    outcome: CancelOutcome
    reason: str = ""


# -- the port ----------------------------------------------------------------------------------


class Line(TellsTime, Protocol):
    """
    The connection behind an exchange: where it leads, as whom, and for how long it tries.

    Attributes
    ----------
    patience : Patience or None
        For how long failing reads are made again, beyond the first few tries.
    before_send : callable or None
        Gets the action (``create_market``, ``create_stop_limit_sell`` or ``cancel``) and the
        client id, or the order ids, right before a changing request goes out; what it raises
        keeps the request from being sent.
    """

    patience: Patience | None
    before_send: Callable[[str, str], None] | None

    def key_permissions(self) -> KeyPermissions:
        """Return what the key may do; anything but a clear yes or no is unknown."""

    def portfolios(self) -> list[PortfolioRef]:
        """Return the account's portfolios; a key may see more than it can trade."""

    def advance_simulated(self, seconds: float) -> None:
        """Let time pass on a simulated exchange whose clock stands still; no other takes it."""

    def close(self) -> None:
        """Close the connections."""


class Names(Protocol):
    """Which products are traded here: records of anything else that cannot be read do no harm."""

    def use(self, product_ids: Iterable[str]) -> None:
        """Say which products are traded here."""


class MarketData(Protocol):
    """The part of the port that needs no account: what paper trading and candles read."""

    @property
    def line(self) -> Line:
        """The connection."""

    def products(self, product_ids: Iterable[str]) -> dict[str, ListedProduct]:
        """Return rules and last prices in one request; what is not listed is absent."""

    def candle_page(
        self, product_id: str, first_day: dt.date, last_day: dt.date
    ) -> dict[dt.date, Bar]:
        """
        Return the daily bars of at most `MOST_DAYS_PER_PAGE` days, both included, in one request.

        Days without trades are absent. The bar of the running day is returned while it forms.
        """


class Exchange(MarketData, Protocol):
    """One portfolio of one exchange, for one thread: twelve methods with those of `MarketData`."""

    @property
    def names(self) -> Names:
        """Which products are traded here."""

    @property
    def left_out(self) -> Mapping[str, None]:
        """Why records were left out so far: of others, and not to be read."""

    def quotes(self, product_ids: Iterable[str]) -> dict[str, tuple[Decimal, Decimal]]:
        """Return best bid and ask, in one request; a product without both sides is absent."""

    def last_trade(self, product_id: str) -> Decimal:
        """Return the price of the last trade, which is what stops are judged by."""

    def fee_rates(self) -> FeeRates:
        """Return the account's fees of today."""

    def holdings(self) -> AccountWallets:
        """Return what is owned of every currency: the whole list, or `UnknownState`."""

    def orders(
        self,
        product_ids: Iterable[str] | None = None,
        *,
        start: dt.datetime | None = None,
        is_open: bool = False,
    ) -> list[OrderState]:
        """
        Return orders in any state, whole.

        Parameters
        ----------
        start : datetime, optional
            Of their creation.
        is_open : bool
            Only those that are open; ones on their way in may be missing among them.
        """

    def order(self, order_id: str) -> OrderState | None:
        """Return one order; None when there is none of that id, or right after a send not yet."""

    def fills(self, order_ids: Iterable[str]) -> list[Fill]:
        """Return the fills of orders, each once, oldest first."""

    def preview(self, order: StopOrder | MarketOrder) -> list[Refused]:
        """Return with what the exchange would refuse an order; nothing means it would pass."""

    def send(self, client_order_id: str, order: StopOrder | MarketOrder) -> Answer:
        """Send an order once, under our id; the same id again is the same order, or refused."""

    def cancel(self, order_ids: Sequence[str]) -> dict[str, CancelAnswer]:
        """Ask to cancel orders; accepted means asked for, not dead. An empty list sends nothing."""

"""
The vocabulary of one moment: frozen values that cannot be wrong once they are made.

Histories are frames and arrays (`tf_lib.core.candles.bars`); everything that is true at one moment
is one of these. Sizes, prices and money of orders are `Decimal`; what is only weighed (equity,
weights, target notionals) is float. Times are aware and UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum

from tf_lib.errors import TfError
from tf_lib.text.tickers import base_of, quote_of

ZERO = Decimal(0)


class Side(StrEnum):
    """Direction of an order."""

    BUY = "BUY"
    SELL = "SELL"


class Reason(StrEnum):
    """Why a ticker trades or does not (docs/design.md section 7)."""

    STALE_OR_MISSING_OHLC = "stale_or_missing_ohlc"
    UNKNOWN_SIGNAL = "unknown_signal"
    FULL_EXIT = "full_exit"
    NO_POSITION = "no_position"
    BELOW_THRESHOLD = "below_threshold"
    TRIM = "trim"
    COOLDOWN_ACTIVE = "cooldown_active"
    STOP_BREACHED = "stop_breached"
    NOT_PROTECTABLE = "not_protectable"
    ENTER = "enter"
    ADD = "add"


def closed_because(rules: Mapping[str, object]) -> str:
    """Return why a product of these rules takes no orders, in the exchange's names, or nothing."""
    names = ("trading_disabled", "is_disabled", "cancel_only", "view_only", "auction_mode")
    said = [name for name in (*names, "post_only") if rules.get(name)]
    if rules.get("status", "online") != "online":
        said.insert(0, f"status {rules['status']}")
    return f"the exchange says {', '.join(said)}" if said else ""


@dataclass(frozen=True)
class Product:
    """
    Trading rules of one product.

    Attributes
    ----------
    base_increment, base_min_size : Decimal
        Step and minimum of a size, in base units.
    price_increment, quote_increment : Decimal
        Step of a price and of an amount of money, in quote currency.
    quote_min_size : Decimal
        Least value of an order, in quote currency.
    """

    product_id: str
    base_increment: Decimal
    price_increment: Decimal
    quote_increment: Decimal
    base_min_size: Decimal
    quote_min_size: Decimal
    status: str = "online"
    trading_disabled: bool = False
    is_disabled: bool = False
    cancel_only: bool = False
    limit_only: bool = False
    post_only: bool = False
    auction_mode: bool = False
    view_only: bool = False

    def __post_init__(self) -> None:
        """Refuse steps that no size or price could stand on."""
        for name in ("base_increment", "price_increment", "quote_increment"):
            value = getattr(self, name)
            if not value.is_finite() or value <= 0:
                raise TfError(f"{self.product_id}: {name} must be above 0, got {value}")

    @property
    def base_currency(self) -> str:
        """What is bought."""
        return base_of(self.product_id)

    @property
    def quote_currency(self) -> str:
        """What it is paid with."""
        return quote_of(self.product_id)

    @property
    def rounding(self) -> Decimal:
        """Units that two figures of one holding may lie apart: less is nobody's doing."""
        return max(self.base_increment, self.base_min_size)

    @property
    def is_tradable(self) -> bool:
        """Whether the product takes new orders of some kind."""
        return not closed_because(vars(self))

    @property
    def accepts_market_orders(self) -> bool:
        """Whether a market order would be taken."""
        return self.is_tradable and not self.limit_only


PRODUCT_STEPS = tuple(f.name for f in fields(Product) if f.type == "Decimal")
PRODUCT_FLAGS = tuple(f.name for f in fields(Product) if f.type == "bool")


@dataclass(frozen=True)
class Holding:
    """Units of one currency: free, and held by open orders."""

    available: Decimal
    hold: Decimal

    @property
    def total(self) -> Decimal:
        """Everything that is owned."""
        return self.available + self.hold


@dataclass(frozen=True)
class Quote:
    """Best bid and ask, and the price of the last trade, in quote currency."""

    bid: Decimal
    ask: Decimal
    last: Decimal

    @property
    def mid(self) -> Decimal:
        """Half-way between bid and ask."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True)
class FeeRates:
    """Fees as a fraction of notional."""

    maker: float
    taker: float


@dataclass(frozen=True)
class PortfolioState:
    """
    What is owned when the day begins, as the decision sees it (all float).

    Attributes
    ----------
    cash : float
        Quote currency, available and held.
    positions : mapping of ticker to base units
        Available and held by orders; absent means none.
    mid_prices : mapping of ticker to quote currency
    cooldowns : mapping of ticker to the day the cooldown began
    open_stops : mapping of ticker to the stop price that rests, while held
    """

    cash: float
    positions: Mapping[str, float] = field(default_factory=dict)
    mid_prices: Mapping[str, float] = field(default_factory=dict)
    cooldowns: Mapping[str, dt.date] = field(default_factory=dict)
    open_stops: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StopOrder:
    """A protective sell stop-limit, ready to be sent."""

    product_id: str
    base_size: Decimal
    stop_price: Decimal
    limit_price: Decimal


@dataclass(frozen=True)
class MarketOrder:
    """
    An order at the market: a size in base units, so that fills are exact.

    Where the exchange takes no such buys, `quote_size` is the money it is sized by, and
    `base_size` what that buys at most. Where it takes no market orders, `limit_price` is how far
    the price may go: what is not filled at once is cancelled.
    """

    product_id: str
    side: Side
    base_size: Decimal
    quote_size: Decimal | None = None
    limit_price: Decimal | None = None


@dataclass(frozen=True)
class Protection:
    """
    What one product's stop should be today.

    Attributes
    ----------
    target_level : Decimal
        Where the stop belongs, ratcheted; in quote currency.
    atr : float or None
        For the limit's distance.
    may_move : bool
        Whether intact stops may be raised: not on bad data, and never by the guard.
    source : str
        Where the level came from, for the record.
    is_guess : bool
        A stopgap that says nothing of where the stop belongs: never remembered.
    """

    target_level: Decimal
    atr: float | None
    may_move: bool = True
    source: str = "chandelier"
    is_guess: bool = False

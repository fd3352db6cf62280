"""
The account as it was read when the plan was made: everything a decision needs besides bars.

Written to ``inputs/account.json`` and read back from there before it is used, by the live day,
the dry run and replay alike, so that nothing outside the file can enter a plan.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from typing import Any

from tf_lib.core.model.records import (
    PRODUCT_FLAGS,
    PRODUCT_STEPS,
    ZERO,
    FeeRates,
    Holding,
    PortfolioState,
    Product,
    Quote,
    Reason,
)
from tf_lib.parameters import ExecutionSection
from tf_lib.text.tickers import base_of


@dataclass(frozen=True)
class Account:
    """
    Holdings, prices, rules, fees and memory at one moment.

    Attributes
    ----------
    wallets : mapping of currency to Holding
        Every wallet that holds something, also of other currencies.
    quotes : mapping of ticker to Quote
        Only prices that may be used: bid below ask, a narrow spread, near the last trade.
    open_stops : mapping of ticker to Decimal
        The highest stop price of ours that rests now.
    levels : mapping of ticker to Decimal
        The highest target level since the holding last rose above dust.
    cooldowns : mapping of ticker to start day
    blocked : mapping of ticker to why
        Not to be traded today (holding unknown, changed by others, locked); still protected.
    exits : mapping of ticker to Decimal
        Of those blocked: the units that a full exit may sell all the same, since they are ours.
    not_protectable : tuple of ticker
        The exchange took no stop for them, or has no usable price.
    no_buys : str
        Why nothing may be bought today, or empty.
    halt : str
        Why nothing at all may be traded today, or empty.
    paused : str
        Why no entry, addition or trim is made today, since a person asked for it; or empty.
    doubts : mapping of ticker to bar's day to close
        Bars that an earlier run did not believe because of the live price.
    """

    day: dt.date
    read_at: dt.datetime
    quote_currency: str
    wallets: Mapping[str, Holding]
    quotes: Mapping[str, Quote]
    products: Mapping[str, Product]
    fees: FeeRates
    open_stops: Mapping[str, Decimal] = field(default_factory=dict)
    levels: Mapping[str, Decimal] = field(default_factory=dict)
    cooldowns: Mapping[str, dt.date] = field(default_factory=dict)
    blocked: Mapping[str, str] = field(default_factory=dict)
    exits: Mapping[str, Decimal] = field(default_factory=dict)
    not_protectable: tuple[str, ...] = ()
    no_buys: str = ""
    halt: str = ""
    paused: str = ""
    doubts: Mapping[str, Mapping[dt.date, float]] = field(default_factory=dict)

    def holding(self, ticker: str) -> Holding:
        """Return what is owned of a ticker's base."""
        return self.wallets.get(base_of(ticker), Holding(ZERO, ZERO))

    @property
    def cash(self) -> Holding:
        """The wallet of the quote currency."""
        return self.wallets.get(self.quote_currency, Holding(ZERO, ZERO))

    def portfolio_state(self, tickers: tuple[str, ...]) -> PortfolioState:
        """Return the floats that the decision is made from."""
        held = {t: self.holding(t).total for t in tickers}
        return PortfolioState(
            cash=float(self.cash.total),
            positions={t: float(total) for t, total in held.items() if total},
            mid_prices={t: float(self.quotes[t].mid) for t in tickers if t in self.quotes},
            cooldowns=dict(self.cooldowns),
            open_stops={
                t: float(level) for t, level in self.open_stops.items() if held.get(t, ZERO)
            },
        )

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values; all amounts are decimal strings."""
        record: dict[str, Any] = plain(self)
        return record

    @classmethod
    def from_mapping(cls, record: Mapping[str, Any]) -> Account:
        """Read back what `to_mapping` wrote."""
        return cls(
            day=dt.date.fromisoformat(record["day"]),
            read_at=dt.datetime.fromisoformat(record["read_at"]),
            quote_currency=record["quote_currency"],
            wallets={
                currency: Holding(Decimal(w["available"]), Decimal(w["hold"]))
                for currency, w in record["wallets"].items()
            },
            quotes={
                t: Quote(Decimal(q["bid"]), Decimal(q["ask"]), Decimal(q["last"]))
                for t, q in record["quotes"].items()
            },
            products={t: _product(p) for t, p in record["products"].items()},
            fees=FeeRates(maker=record["fees"]["maker"], taker=record["fees"]["taker"]),
            open_stops={t: Decimal(level) for t, level in record["open_stops"].items()},
            levels={t: Decimal(level) for t, level in record["levels"].items()},
            cooldowns={t: dt.date.fromisoformat(d) for t, d in record["cooldowns"].items()},
            blocked=dict(record["blocked"]),
            # An account of before there were any has none.
            exits={t: Decimal(units) for t, units in record.get("exits", {}).items()},
            not_protectable=tuple(record["not_protectable"]),
            no_buys=record["no_buys"],
            halt=record["halt"],
            # Records of before have neither.
            paused=record.get("paused", ""),
            doubts=closes_of_text(record.get("doubts", {})),
        )


def plain(value: Any) -> Any:
    """Return a value of this vocabulary as JSON holds it: amounts and days as text, by name."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {plain(key): plain(one) for key, one in sorted(value.items())}
    if isinstance(value, tuple):
        return sorted(value)
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    return value


def closes_of_text(record: Mapping[str, Mapping[str, float]]) -> dict[str, dict[dt.date, float]]:
    """Read back doubts that are `plain`; errors of Python if it is something else."""
    return {
        str(ticker): {dt.date.fromisoformat(day): float(close) for day, close in days.items()}
        for ticker, days in record.items()
    }


def is_withheld(paused: str, reason: str) -> bool:
    """Whether a pause keeps a trade from being made: all but a full exit."""
    return bool(paused) and reason != Reason.FULL_EXIT


MOST_UNPRICED = 0.20
"""Of equity may be held without a believable price before nothing is bought."""
WIDEST_SPREAD = 0.03
"""Of the price: where bid and ask are further apart, nothing is traded."""


def fees_charged(costs: ExecutionSection, tier: FeeRates | None) -> FeeRates:
    """Return the fees to reckon with: the account's tier, and never below the configured ones."""
    configured = FeeRates(maker=costs.maker_fee, taker=costs.taker_fee)
    if tier is None:
        return configured
    return FeeRates(max(configured.maker, tier.maker), max(configured.taker, tier.taker))


def doubt_of_quote(quote: Quote) -> str:
    """
    Return why a price may not be traded on, or nothing: docs/execution.md section 5, "Prices".

    Examples
    --------
    >>> doubt_of_quote(Quote(Decimal(99), Decimal(101), Decimal(110)))
    'the middle of bid 99 and ask 101 is not within 2 % of the last trade 110'
    """
    if not 0 < quote.bid < quote.ask or quote.last <= 0:
        return f"bid {quote.bid}, ask {quote.ask}, last trade {quote.last}"
    if (quote.ask - quote.bid) / quote.mid > Decimal(repr(WIDEST_SPREAD)):
        return f"bid {quote.bid} and ask {quote.ask} are more than {100 * WIDEST_SPREAD:g} % apart"
    if abs(quote.mid - quote.last) > Decimal("0.02") * quote.last:
        return (
            f"the middle of bid {quote.bid} and ask {quote.ask} is not within 2 % of the last "
            f"trade {quote.last}"
        )
    return ""


def _product(record: Mapping[str, Any]) -> Product:
    values: dict[str, Any] = {name: Decimal(record[name]) for name in PRODUCT_STEPS}
    values |= {name: bool(record[name]) for name in PRODUCT_FLAGS}
    return Product(product_id=record["product_id"], status=record["status"], **values)

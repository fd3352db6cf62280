"""
Reads of the market: products, prices, daily candles.

Nothing here changes anything; every answer is checked before it is handed on, and a price that
is not there is absent, never zero.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from tf_lib.core.candles.rows import FIELDS
from tf_lib.core.model.records import PRODUCT_FLAGS, Product
from tf_lib.errors import UnknownState
from tf_lib.exchange.coinbase.auth import ApiKey
from tf_lib.exchange.coinbase.endpoint import exchange_host, open_public_client
from tf_lib.exchange.coinbase.line import PublicLine
from tf_lib.exchange.coinbase.lists import Reads
from tf_lib.exchange.coinbase.values import (
    Record,
    amount,
    optional_decimal,
    optional_text,
    price,
    records_of,
    required_text,
    utc_time_of_seconds,
)
from tf_lib.exchange.coinbase.wire import RateBudget, RetryRule
from tf_lib.exchange.hosts import is_loopback
from tf_lib.exchange.patience import Patience
from tf_lib.exchange.port import MOST_DAYS_PER_PAGE, Bar, ListedProduct

PUBLIC_BUDGET = ((8, 1.0),)
"""Coinbase allowed 10 public requests a second for one address."""

_NO_BAR: Bar = (float("nan"),) * 5


class MarketReads(Reads):
    """The part of the client that reads the market."""

    def products(self, product_ids: Iterable[str]) -> dict[str, ListedProduct]:
        """
        Return rules and last price of products, in one request.

        A product that is not listed, or whose rules cannot be read, is absent (and logged).
        """
        wanted = list(product_ids)
        if not wanted:
            return {}
        self.names.use(wanted)
        answer = self.line.get("/products", {"product_ids": wanted, "get_tradability_status": True})
        listed: dict[str, ListedProduct] = {}
        for record in self._by_own_name_last(records_of(answer, "products", what="products")):
            name = self.names.ours(optional_text(record, "product_id"))
            if name in wanted:
                try:
                    listed[name] = listed_product(record, name=name)
                except UnknownState as error:
                    self.leave_out(str(error))
        return listed

    def _by_own_name_last(self, records: list[Record]) -> list[Record]:
        """Learn the products' other names; a record under the name we use outdoes its alias."""
        for record in records:
            self.names.learn(record)
        return sorted(records, key=lambda one: self.names.is_used(one.get("product_id")))

    def quotes(self, product_ids: Iterable[str]) -> dict[str, tuple[Decimal, Decimal]]:
        """Return best bid and ask, in one request; a product without both sides is absent."""
        wanted = list(product_ids)
        if not wanted:
            return {}
        answer = self.line.get("/best_bid_ask", {"product_ids": wanted})
        books: dict[str, tuple[Decimal, Decimal]] = {}
        for record in self._by_own_name_last(
            records_of(answer, "pricebooks", what="best bid and ask")
        ):
            bid, ask = _best(record.get("bids")), _best(record.get("asks"))
            name = self.names.ours(optional_text(record, "product_id"))
            if name in wanted and bid is not None and ask is not None:
                books[name] = (bid, ask)
        return books

    def last_trade(self, product_id: str) -> Decimal:
        """Return the price of the last trade, which is what stops are judged by."""
        answer = self.line.get(f"/products/{product_id}/ticker", {"limit": 1})
        what = f"{product_id}: last trade"
        trades = records_of(answer, "trades", what=what)
        if not trades:
            raise UnknownState(f"{what}: the exchange lists no trade")
        return price(trades[0].get("price"), what=what)

    def candle_page(
        self, product_id: str, first_day: dt.date, last_day: dt.date
    ) -> dict[dt.date, Bar]:
        """
        Return the daily bars of at most 300 days, both included, in one request.

        Days without trades are absent. A bar with a value that is no number is all NaN. The
        bar of the running day is returned while it forms.
        """
        span = (last_day - first_day).days + 1
        if not 1 <= span <= MOST_DAYS_PER_PAGE:
            raise ValueError(f"a page holds 1 to {MOST_DAYS_PER_PAGE} days, asked for {span}")
        answer = self.line.get(
            f"/products/{product_id}/candles",
            {
                "start": str(_seconds(first_day)),
                "end": str(_seconds(last_day)),
                "granularity": "ONE_DAY",
                "limit": MOST_DAYS_PER_PAGE,
            },
        )
        bars: dict[dt.date, Bar] = {}
        for record in records_of(answer, "candles", what=f"{product_id}: candles"):
            day = _candle_day(record, product_id)
            if first_day <= day <= last_day:
                bars[day] = _bar(record)
        return bars


class PublicMarket(MarketReads):
    """
    Products, prices and candles of an exchange, read without a key, for paper trading.

    The same reads on the paths that ask for none. Nothing here can send an order.
    """

    @classmethod
    def connect(
        cls,
        base_url: str | None = None,
        ca_file: Path | None = None,
        *,
        patience: Patience | None = None,
    ) -> PublicMarket:
        """Make a reader of the real exchange, or of the one at `base_url`; sends nothing yet."""
        host = exchange_host(base_url)
        client = open_public_client(host, ca_file=ca_file)
        budget = RateBudget(limits=() if is_loopback(host) else PUBLIC_BUDGET)
        line = PublicLine(client, ApiKey("", ""), retry=RetryRule(), budget=budget)
        line.patience = patience
        return cls(line)


def listed_product(record: Record, *, name: str = "") -> ListedProduct:
    """
    Read one product record, or raise `UnknownState` naming product and field.

    `name` is what it is called here; the exchange may answer under its canonical id.
    """
    name = name or required_text(record, "product_id", what="product")
    if name.count("-") != 1:
        raise UnknownState(f"product {name!r:.40}: expected BASE-QUOTE")
    tick = record.get("price_increment") or record.get("quote_increment")
    product = Product(
        product_id=name,
        base_increment=price(record.get("base_increment"), what=f"{name}: base_increment"),
        price_increment=price(tick, what=f"{name}: price_increment"),
        quote_increment=price(record.get("quote_increment"), what=f"{name}: quote_increment"),
        base_min_size=amount(record.get("base_min_size"), what=f"{name}: base_min_size"),
        quote_min_size=amount(record.get("quote_min_size"), what=f"{name}: quote_min_size"),
        status=optional_text(record, "status").lower() or "unknown",
        **{flag: record.get(flag, False) is not False for flag in PRODUCT_FLAGS},
    )
    last = optional_decimal(record.get("price"))
    return ListedProduct(product, last if last is not None and last > 0 else None)


def _best(levels: object) -> Decimal | None:
    if not isinstance(levels, Sequence) or not levels or not isinstance(levels[0], Mapping):
        return None
    number = optional_decimal(levels[0].get("price"))
    return number if number is not None and number > 0 else None


def _seconds(day: dt.date) -> str:
    """Return the day's midnight in seconds since 1970, as the exchange reads it."""
    return str((day - dt.date(1970, 1, 1)).days * 86_400)


def _candle_day(record: Record, product_id: str) -> dt.date:
    what = f"{product_id}: candle start"
    start = amount(record.get("start"), what=what)
    time = utc_time_of_seconds(start, what=what)
    if time != dt.datetime.combine(time.date(), dt.time(), tzinfo=dt.UTC):
        raise UnknownState(f"{what}: expected midnight UTC in seconds, got {start}")
    return time.date()


def _bar(record: Record) -> Bar:
    numbers = [optional_decimal(record.get(column)) for column in FIELDS]
    if any(number is None for number in numbers):
        return _NO_BAR
    opened, high, low, close, volume = (float(number) for number in numbers if number is not None)
    return opened, high, low, close, volume

"""
Reads of the market: time, products, prices, daily candles.

Nothing here changes anything; every answer is checked before it is handed on, and a price that
is not there is absent, never zero.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tf_lib.core.model.records import Product, Quote
from tf_lib.errors import UnknownState
from tf_lib.exchange.coinbase.scope import Reads
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

if TYPE_CHECKING:
    import pandas as pd

    from tf_lib.core.jit.arrays import FloatArray, IntArray

MOST_DAYS_PER_REQUEST = 300
"""Coinbase documents 350, refused 350 in a probe, and once allowed 300."""

_EPOCH = dt.date(1970, 1, 1)
_DAY_SECONDS = 86_400
BAR_COLUMNS = ("open", "high", "low", "close", "volume")
Bar = tuple[float, float, float, float, float]
_NO_BAR: Bar = (float("nan"),) * 5
_FLAGS = (
    "trading_disabled",
    "is_disabled",
    "cancel_only",
    "limit_only",
    "post_only",
    "auction_mode",
    "view_only",
)


@dataclass(frozen=True)
class ListedProduct:
    """A product's trading rules and, when the exchange gives it, its last price."""

    product: Product
    last: Decimal | None


class MarketReads(Reads):
    """The part of the client that reads the market."""

    def server_time(self) -> dt.datetime:
        """Return the exchange's own time, to the millisecond."""
        answer = self._wire.get("/time", public=True)
        milliseconds = amount(answer.get("epochMillis"), what="exchange time")
        told = utc_time_of_seconds(milliseconds / 1000, what="exchange time")
        self._wire.heard_time.hear(told)
        return told

    def products(self, product_ids: Iterable[str]) -> dict[str, ListedProduct]:
        """
        Return rules and last price of products, in one request.

        A product that is not listed, or whose rules cannot be read, is absent (and logged).
        """
        wanted = list(product_ids)
        if not wanted:
            return {}
        self.names.use(wanted)
        answer = self._wire.get(
            "/products", {"product_ids": wanted, "get_tradability_status": True}
        )
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

    def product(self, product_id: str) -> ListedProduct:
        """Read one product again; raises `UnknownState` when its rules cannot be believed."""
        answer = self._wire.get(f"/products/{product_id}", {"get_tradability_status": True})
        self.names.use([product_id])
        self.names.learn(answer)
        name = self.names.ours(required_text(answer, "product_id", what="product"))
        if name != product_id:
            raise UnknownState(f"asked for product {product_id}, got {name!r:.40}")
        return listed_product(answer, name=product_id)

    def quotes(self, product_ids: Iterable[str]) -> dict[str, tuple[Decimal, Decimal]]:
        """Return best bid and ask, in one request; a product without both sides is absent."""
        wanted = list(product_ids)
        if not wanted:
            return {}
        answer = self._wire.get("/best_bid_ask", {"product_ids": wanted})
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
        answer = self._wire.get(f"/products/{product_id}/ticker", {"limit": 1})
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
        bar of the running day is returned while it forms; `daily_candles` leaves it out.
        """
        span = (last_day - first_day).days + 1
        if not 1 <= span <= MOST_DAYS_PER_REQUEST:
            raise ValueError(f"a page holds 1 to {MOST_DAYS_PER_REQUEST} days, asked for {span}")
        answer = self._wire.get(
            f"/products/{product_id}/candles",
            {
                "start": str(day_number(first_day) * _DAY_SECONDS),
                "end": str(day_number(last_day) * _DAY_SECONDS),
                "granularity": "ONE_DAY",
                "limit": MOST_DAYS_PER_REQUEST,
            },
        )
        bars: dict[dt.date, Bar] = {}
        for record in records_of(answer, "candles", what=f"{product_id}: candles"):
            day = _candle_day(record, product_id)
            if first_day <= day <= last_day:
                bars[day] = _bar(record)
        return bars

    def daily_candles(
        self,
        product_id: str,
        first_day: dt.date,
        last_day: dt.date,
        *,
        today: dt.date | None = None,
    ) -> pd.DataFrame:
        """
        Return the finished daily bars from `first_day` to `last_day`, both included.

        Parameters
        ----------
        today : date, optional
            The exchange's running day, whose bar is never returned; read from the exchange
            when it is not given.

        Returns
        -------
        DataFrame of shape (n_days, 5)
            Float open, high, low, close, volume on the UTC open day, strictly rising. Days
            without trades are absent; a bar that is no number is NaN.
        """
        running = today if today is not None else self.server_time().date()
        end = min(last_day, running - dt.timedelta(days=1))
        bars: dict[dt.date, Bar] = {}
        for first, last in day_pages(first_day, end):
            bars.update(self.candle_page(product_id, first, last))
        return bars_frame(bars)


def day_pages(first_day: dt.date, last_day: dt.date) -> list[tuple[dt.date, dt.date]]:
    """Return the spans of at most 300 days that cover both days, oldest first."""
    pages = []
    step = dt.timedelta(days=MOST_DAYS_PER_REQUEST)
    first = first_day
    while first <= last_day:
        pages.append((first, min(first + step - dt.timedelta(days=1), last_day)))
        first += step
    return pages


def bars_frame(bars: Mapping[dt.date, Bar]) -> pd.DataFrame:
    """Return bars as a float frame on a rising UTC index named ``date``."""
    import numpy as np

    days = sorted(bars)
    numbers = np.array([day_number(day) for day in days], dtype=np.int64)
    values = np.array([bars[day] for day in days], dtype=np.float64).reshape(len(days), 5)
    return candle_frame(numbers, values)


def candle_frame(day_numbers: IntArray, values: FloatArray) -> pd.DataFrame:
    """Return a frame of bars from days since 1970 and an array of shape (n_days, 5)."""
    import pandas as pd

    index = pd.DatetimeIndex(day_numbers.astype("datetime64[D]").astype("datetime64[ns]"))
    return pd.DataFrame(
        values, index=index.tz_localize("UTC").rename("date"), columns=list(BAR_COLUMNS)
    )


def day_number(day: dt.date) -> int:
    """Return days since 1970."""
    return (day - _EPOCH).days


def market_quotes(
    listed: Mapping[str, ListedProduct], books: Mapping[str, tuple[Decimal, Decimal]]
) -> dict[str, Quote]:
    """Combine last prices with best bid and ask; a product that lacks either is absent."""
    quotes: dict[str, Quote] = {}
    for name, entry in listed.items():
        if name in books and entry.last is not None:
            bid, ask = books[name]
            quotes[name] = Quote(bid=bid, ask=ask, last=entry.last)
    return quotes


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
        **{flag: record.get(flag, False) is not False for flag in _FLAGS},
    )
    last = optional_decimal(record.get("price"))
    return ListedProduct(product, last if last is not None and last > 0 else None)


def _best(levels: object) -> Decimal | None:
    if not isinstance(levels, Sequence) or not levels or not isinstance(levels[0], Mapping):
        return None
    number = optional_decimal(levels[0].get("price"))
    return number if number is not None and number > 0 else None


def _candle_day(record: Record, product_id: str) -> dt.date:
    what = f"{product_id}: candle start"
    start = amount(record.get("start"), what=what)
    time = utc_time_of_seconds(start, what=what)
    if time != dt.datetime.combine(time.date(), dt.time(), tzinfo=dt.UTC):
        raise UnknownState(f"{what}: expected midnight UTC in seconds, got {start}")
    return time.date()


def _bar(record: Record) -> Bar:
    numbers = [optional_decimal(record.get(column)) for column in BAR_COLUMNS]
    if any(number is None for number in numbers):
        return _NO_BAR
    opened, high, low, close, volume = (float(number) for number in numbers if number is not None)
    return opened, high, low, close, volume

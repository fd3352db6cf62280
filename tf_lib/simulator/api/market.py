"""Endpoints about the market, private and public: products, quotes, book, candles, trades."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tf_lib.core.model.records import Product, Quote
from tf_lib.simulator.api.queries import Request
from tf_lib.simulator.api.views import candle_view, product_view
from tf_lib.simulator.prices.day_bars import plain
from tf_lib.simulator.prices.intraday import GRANULARITIES
from tf_lib.simulator.replies import invalid, not_found
from tf_lib.simulator.simulated_clock import SECOND, rfc3339
from tf_lib.simulator.venue import Venue, derived_uuid

MOST_CANDLES = 350
MOST_LEVELS = 50
_PRODUCT_TYPES = ("UNKNOWN_PRODUCT_TYPE", "SPOT", "FUTURE")
_BOOK_SIZE_USD = Decimal(50_000)


def products(venue: Venue, request: Request) -> Any:
    """GET /products: all of them unless narrowed; `limit` and `offset` cut."""
    query = request.query
    wanted = set(query.all("product_ids"))
    kinds = query.among("product_type", _PRODUCT_TYPES)
    known = [p for name, p in venue.catalogue.items() if not wanted or name in wanted]
    names = dict.fromkeys(venue.shown_as(p.product_id, "lists") for p in known)
    known = [venue.catalogue[name] for name in names]
    if kinds and "SPOT" not in kinds:
        known = []
    begin = query.whole("offset", 0)
    limit = query.whole("limit", 0) or len(known)
    rows = known[begin : begin + limit]
    return {
        "products": [_product(venue, product) for product in rows],
        "num_products": len(rows),
        "pagination": {"prev_cursor": "", "next_cursor": "", "has_next": False, "has_prev": False},
    }


def product(venue: Venue, request: Request) -> Any:
    """GET /products/{id}."""
    return _product(venue, _known(venue, request.parts[0]))


def _product(venue: Venue, product: Product) -> dict[str, Any]:
    name, alias_of = product.product_id, venue.catalogue.alias_of
    quote = venue.quote(name)
    matching = venue.matching
    volume = matching.market.volume_24h(name, matching.now) if quote else Decimal(0)
    view = product_view(product, quote=quote, volume=volume)
    view["alias"] = alias_of.get(name, "")
    view["alias_to"] = [twin for twin, product_id in alias_of.items() if product_id == name]
    if quote is None:
        view |= {"trading_disabled": True, "view_only": True}
    return view


def _known(venue: Venue, product_id: str) -> Product:
    if product_id not in venue.catalogue:
        raise not_found(f"Product {product_id[:60]} not supported")
    return venue.catalogue[product_id]


def best_bid_ask(venue: Venue, request: Request) -> Any:
    """GET /best_bid_ask: one level a side of the products asked for, or of all."""
    wanted = request.query.all("product_ids") or list(venue.catalogue)
    return {"pricebooks": [_pricebook(venue, _known(venue, name), levels=1) for name in wanted]}


def product_book(venue: Venue, request: Request) -> Any:
    """GET /product_book."""
    name = request.query.one("product_id")
    if name is None:
        raise invalid("product_id is required")
    levels = request.query.whole("limit", MOST_LEVELS, most=1000) or MOST_LEVELS
    found = _known(venue, name)
    quote = venue.quote(name)
    if quote is None:
        return {"pricebook": _pricebook(venue, found, levels=0)}
    spread = quote.ask - quote.bid
    return {
        "pricebook": _pricebook(venue, found, levels=min(levels, MOST_LEVELS)),
        "last": plain(quote.last),
        "mid_market": plain(quote.mid),
        "spread_bps": plain((spread / quote.mid * 10_000).quantize(Decimal("0.001"))),
        "spread_absolute": plain(spread),
    }


def _pricebook(venue: Venue, product: Product, *, levels: int) -> dict[str, Any]:
    quote = venue.quote(product.product_id)
    name, has_side = product.product_id, venue.oddities.has_side
    return {
        "product_id": venue.shown_as(name, "books"),
        "bids": _levels(product, quote, levels if has_side(name, "bids") else 0, -1),
        "asks": _levels(product, quote, levels if has_side(name, "asks") else 0, 1),
        "time": rfc3339(venue.matching.now),
    }


def _levels(
    product: Product, quote: Quote | None, levels: int, direction: int
) -> list[dict[str, str]]:
    if quote is None:
        return []
    best = quote.ask if direction > 0 else quote.bid
    size = (_BOOK_SIZE_USD / quote.last / product.base_increment).quantize(Decimal(1))
    text = plain(size * product.base_increment)
    prices = (best + direction * step * product.price_increment for step in range(levels))
    return [{"price": plain(price), "size": text} for price in prices if price > 0]


def candles(venue: Venue, request: Request) -> Any:
    """
    GET /products/{id}/candles: buckets that begin in [start, end], newest first.

    More than 350 is refused, not cut; buckets without trades are left out; the bucket that is
    still forming is there.
    """
    found = _known(venue, request.parts[0])
    query = request.query
    (granularity,) = query.among("granularity", GRANULARITIES) or [""]
    if not granularity:
        raise invalid("granularity is required")
    step = GRANULARITIES[granularity]
    now = venue.matching.now
    end = query.whole("end", now // SECOND)
    start = query.whole("start", end - step * (MOST_CANDLES - 1))
    if start > end:
        raise invalid("start must be before end")
    if end // step - -(-start // step) + 1 > MOST_CANDLES:
        raise invalid(
            "start and end argument is invalid - number of candles requested should be less "
            f"than {MOST_CANDLES}"
        )
    limit = query.whole("limit", MOST_CANDLES, most=MOST_CANDLES) or MOST_CANDLES
    market = venue.matching.market
    buckets = market.candles(found.product_id, start=start, end=end, step=step, now=now)
    hidden_from = now - venue.matching.world.candle_visible
    shown = [
        candle_view(candle)
        for candle in reversed(buckets)
        if not hidden_from < (candle.start_second + step) * SECOND <= now
    ]
    return {"candles": shown[:limit]}


def ticker(venue: Venue, request: Request) -> Any:
    """GET /products/{id}/ticker: the last trades; the newest is the price now."""
    found = _known(venue, request.parts[0])
    count = min(request.query.whole("limit", 1), 100)
    quote, has_side = venue.quote(found.product_id), venue.oddities.has_side
    if quote is None:
        return {"trades": [], "best_bid": "", "best_ask": ""}
    return {
        "trades": [_trade(venue, found.product_id, back) for back in range(count)],
        "best_bid": plain(quote.bid) if has_side(found.product_id, "bids") else "",
        "best_ask": plain(quote.ask) if has_side(found.product_id, "asks") else "",
    }


def _trade(venue: Venue, product_id: str, back: int) -> dict[str, str]:
    at = venue.matching.now - back * SECOND
    price = venue.matching.market.last_price(product_id, at) or Decimal(0)
    size = (100 / price).quantize(Decimal("0.0001")) if price > 0 else Decimal(0)
    return {
        "trade_id": derived_uuid("print", product_id, str(at)),
        "product_id": product_id,
        "price": plain(price),
        "size": plain(size),
        "time": rfc3339(at),
        "side": "BUY" if at // SECOND % 2 else "SELL",
        "bid": "",
        "ask": "",
        "exchange": "",
    }

"""
What happens at the exchange without a request: the ``world`` part of a schedule.

Delays hold from the start of the process. Everything with a moment (jumps, flags, deposits,
orders made by hand, fees) is planted once and then belongs to the exchange's state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from tf_lib.errors import ParameterError, TfError
from tf_lib.simulator.api.orders import judge
from tf_lib.simulator.matching import order_checks as entry
from tf_lib.simulator.matching.pricing import Costs, FeeTier, one_tier
from tf_lib.simulator.prices.catalogue import LISTED
from tf_lib.simulator.prices.paths import Jump
from tf_lib.simulator.replies import ApiError, RefusedError
from tf_lib.simulator.simulated_clock import SECOND, parse_rfc3339
from tf_lib.simulator.venue import Venue, derived_uuid
from tf_lib.text.tickers import base_of, quote_of
from tf_lib.text.written import check_keys

_DELAYS = {
    "hold_release_seconds": "hold_release",
    "cancel_ack_seconds": "cancel_ack",
    "order_visible_seconds": "order_visible",
    "order_pending_seconds": "order_pending",
    "market_fill_seconds": "market_fill",
    "fill_visible_seconds": "fill_visible",
    "edit_ack_seconds": "edit_ack",
    "candle_visible_seconds": "candle_visible",
}
_DATED = {
    "jumps": ("product", "at", "price", "hold_until"),
    "flags": ("product", "at", "flag", "value"),
    "deposits": ("currency", "at", "amount"),
    "fees": ("at", "maker", "taker"),
    "foreign_orders": ("at", "product", "side", "order_configuration", "source"),
}
_OPTIONAL = ("hold_until", "source")
_AMOUNTS = ("amount", "maker", "taker", "price")
_PARTIAL, _FAILURES = "partial_fills", "failures"
_RULES = (
    "price_band",
    "stop_band",
    "refused_buys",
    "depth_usd",
    "fee_tiers",
    "duplicate_client_order_id",
    "stop_edit_refusal",
    "token_skew_seconds",
    "usdc_aliases",
    "canonical_replies",
)
_LONGEST_DELAY = 10**10
_REPLIES = ("lists", "books", "orders", "fills")
_CHOICES = {
    "refused_buys": ("base_sized", "all"),
    "stop_edit_refusal": ("ONLY_LIMIT_ORDER_EDITS_SUPPORTED", "FIELD_STOPPRICE_NOT_SUPPORTED"),
}


def set_delays(venue: Venue, world: Mapping[str, Any]) -> None:
    """
    Take over the delays of a schedule.

    Raises
    ------
    ParameterError
        An unknown key, naming those that are known.
    """
    check_keys(world, (*_DELAYS, *_DATED, *_RULES, _PARTIAL, _FAILURES), "world")
    for key, name in _DELAYS.items():
        if key in world:
            delay = _decimal(world[key], key)
            if not 0 <= delay <= _LONGEST_DELAY:
                raise ParameterError(f"world: {key}: expected 0 to {_LONGEST_DELAY}, got {delay}")
            setattr(venue.matching.world, name, int(delay * SECOND))
    _set_rules(venue, world)


def _set_rules(venue: Venue, world: Mapping[str, Any]) -> None:
    """Take over how strict the exchange is, and what it charges."""
    bent = venue.matching.world
    for key in ("price_band", "stop_band", "depth_usd"):
        if key in world:
            value = world[key]
            amount = None if value is None else _decimal(value, key)
            if amount is not None and amount <= 0:
                raise ParameterError(f"world: {key}: expected a number above 0, got {value!r}")
            setattr(bent, key, amount)
    for key, known in _CHOICES.items():
        if key in world:
            value = world[key]
            if value not in known:
                names = ", ".join(known)
                raise ParameterError(f"world: {key} must be one of {names}, got {value!r}")
            setattr(bent, key, value)
    if "canonical_replies" in world:
        bent.canonical = _replies(world["canonical_replies"])
    if "fee_tiers" in world:
        venue.matching.costs = Costs(
            venue.matching.costs.slippage, read_fee_tiers(world["fee_tiers"])
        )
    if "duplicate_client_order_id" in world:
        bent.refuses_used_ids = world["duplicate_client_order_id"] is True
    if "token_skew_seconds" in world:
        bent.token_skew_seconds = float(_decimal(world["token_skew_seconds"], "token_skew_seconds"))


def _replies(value: Any) -> frozenset[str]:
    """Return the replies that name an alias by its product; true stands for all of them."""
    wanted = _REPLIES if value is True else value or ()
    if not isinstance(wanted, list | tuple) or not all(each in _REPLIES for each in wanted):
        known = ", ".join(_REPLIES)
        raise ParameterError(f"world: canonical_replies: true or some of {known}, got {value!r}")
    return frozenset(wanted)


def read_fee_tiers(rows: Any) -> tuple[FeeTier, ...]:
    """Read fee tiers: name, usd_from, maker and taker each; the first begins at 0."""
    keys = ("name", "usd_from", "maker", "taker")
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        raise ParameterError(f"world: fee_tiers must be a list, got {rows!r}")
    tiers = []
    for row in rows:
        if not isinstance(row, Mapping) or set(row) != set(keys):
            raise ParameterError(f"world: fee_tiers: each has {', '.join(keys)}, got {row!r}")
        amounts = (_decimal(row[key], f"fee_tiers: {key}") for key in keys[1:])
        tiers.append(FeeTier(str(row["name"]), *amounts))
    if not all(0 <= rate < 1 for tier in tiers for rate in (tier.maker, tier.taker)):
        raise ParameterError("world: fee_tiers: fees must be 0 to below 1")
    begins = [tier.usd_from for tier in tiers]
    if begins[0] != 0 or begins != sorted(set(begins)):
        raise ParameterError("world: fee_tiers: usd_from must begin at 0 and rise")
    return tuple(tiers)


def thin_out(venue: Venue, fractions: Mapping[str, Any]) -> None:
    """Let the next order of each product that trades fill only a fraction."""
    for product_id, fraction in _mapping(fractions, _PARTIAL).items():
        share = _decimal(fraction, _PARTIAL)
        if not 0 <= share <= 1:
            raise ParameterError(f"world: {_PARTIAL}: expected 0 to 1, got {fraction!r}")
        venue.matching.world.partial_fills[str(product_id)] = share


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ParameterError(f"world: {what} must be a mapping, got {value!r}")
    return value


def plant(venue: Venue, world: Mapping[str, Any]) -> list[tuple[str, Jump]]:
    """Plant everything that has a moment; the jumps are returned, the rest is scheduled."""
    thin_out(venue, world.get(_PARTIAL) or {})
    failures = _mapping(world.get(_FAILURES) or {}, _FAILURES)
    venue.matching.world.failures |= {str(key): str(reason) for key, reason in failures.items()}
    jumps = []
    for kind, keys in _DATED.items():
        items = world.get(kind) or []
        if not isinstance(items, Sequence) or isinstance(items, str):
            raise ParameterError(f"world: {kind} must be a list, got {items!r}")
        for item in items:
            at = _moment(item, kind, keys)
            _check_happening(venue, kind, item)
            if kind == "jumps":
                jumps.append((str(item["product"]), read_jump(item, at)))
            else:
                data = {key: _plain(value) for key, value in item.items() if key != "at"}
                venue.matching.agenda.schedule(at, kind, data)
    return jumps


def _check_happening(venue: Venue, kind: str, item: Mapping[str, Any]) -> None:
    """Refuse now what could not happen later."""
    product_id = item.get("product")
    if "product" in item and not venue.catalogue.knows(product_id):
        raise ParameterError(f"world: {kind}: no product {product_id!r}")
    if kind == "flags":
        venue.catalogue.check_flag(str(item["flag"]), item["value"])
    if kind == "fees" and not all(0 <= Decimal(str(item[key])) < 1 for key in ("maker", "taker")):
        raise ParameterError(f"world: fees must be 0 to below 1, got {dict(item)!r}")


def read_jump(item: Mapping[str, Any], at: int) -> Jump:
    """Read one planted jump."""
    until = parse_rfc3339(str(item["hold_until"])) if "hold_until" in item else at
    if until is None:
        raise ParameterError(f"world: jumps: hold_until must be a time, got {item['hold_until']!r}")
    return Jump(at, _decimal(item.get("price"), "jumps: price"), until)


def _plain(value: Any) -> Any:
    if isinstance(value, (bool, Mapping, list)) or value is None:
        return value
    return str(value)


def _moment(item: Any, kind: str, keys: Sequence[str]) -> int:
    if not isinstance(item, Mapping):
        raise ParameterError(f"world: {kind}: expected a mapping, got {item!r}")
    check_keys(item, keys, f"world: {kind}")
    missing = [key for key in keys if key not in item and key not in _OPTIONAL]
    if missing:
        raise ParameterError(f"world: {kind}: {missing[0]} is missing")
    for key in _AMOUNTS:
        if key in item:
            _decimal(item[key], f"{kind}: {key}")
    at = parse_rfc3339(str(item["at"]))
    if at is None:
        raise ParameterError(f"world: {kind}: at must be an RFC 3339 time, got {item['at']!r}")
    return at


def _decimal(value: Any, what: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ParameterError(f"world: {what}: expected a decimal, got {value!r}") from None
    if not number.is_finite():
        raise ParameterError(f"world: {what}: expected a finite number, got {value!r}")
    return number


class Happenings:
    """Handlers of the events that `plant` schedules."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        venue.matching.handlers |= {
            "flags": self._on_flag,
            "deposits": self._on_deposit,
            "fees": self._on_fees,
            "foreign_orders": self._on_foreign_order,
            "delist": self._on_delist,
            "rename": self._on_rename,
            "account_rows": venue.oddities.put_account_row,
            "order_rows": venue.oddities.put_order_row,
            "fill_rows": venue.oddities.put_fill_row,
            "books": venue.oddities.put_book,
        }
        self.flipped: list[tuple[str, str, Any]] = []
        self.fees_changed = False

    def flip(self, product_id: str, name: str, value: object) -> None:
        """Change a product's flag now."""
        self._venue.catalogue.flip(product_id, name, value)
        self.flipped.append((product_id, name, value))

    def _on_flag(self, data: dict[str, Any]) -> None:
        self.flip(data["product"], data["flag"], data["value"])
        if data.get("cancels") is True:
            self._venue.matching.cancel_all(data["product"])

    def _on_delist(self, data: dict[str, Any]) -> None:
        self.flip(data["product"], LISTED, False)
        self._venue.matching.cancel_all(data["product"])

    def _on_rename(self, data: dict[str, Any]) -> None:
        """Move a coin to its new name: products gone, orders cancelled, the wallet moved over."""
        matching, catalogue = self._venue.matching, self._venue.catalogue
        old, new = (base_of(data[key]) for key in ("product", "to"))
        for name in [each for each in catalogue if old in (base_of(each), quote_of(each))]:
            self._on_delist({"product": name})
        self.flip(data["to"], LISTED, True)
        matching.give_back(old)
        units = matching.wallets.available(old)
        if units > 0:
            matching.wallets.deposit(old, -units)
            matching.wallets.deposit(new, units * Decimal(data["ratio"]))

    def _on_deposit(self, data: dict[str, Any]) -> None:
        amount = Decimal(data["amount"])
        wallets = self._venue.matching.wallets
        free = wallets.available(data["currency"])
        wallets.deposit(data["currency"], max(amount, -free))

    def _on_fees(self, data: dict[str, Any]) -> None:
        self.fees_changed = True
        matching = self._venue.matching
        maker, taker = Decimal(data["maker"]), Decimal(data["taker"])
        matching.costs = one_tier(matching.costs.slippage, maker, taker)

    def _on_foreign_order(self, data: dict[str, Any]) -> None:
        """Place an order made by hand, if the rules for everyone allow it."""
        matching = self._venue.matching
        body = {
            "product_id": data["product"],
            "side": data["side"],
            "order_configuration": data["order_configuration"],
        }
        client_id = derived_uuid("foreign", str(matching.now), str(len(matching.orders)))
        try:
            terms = entry.read_terms(body)
            judge(self._venue, terms)
            matching.place(terms, client_id, source=data.get("source") or "RETAIL_ADVANCED")
        except (ApiError, RefusedError, TfError):
            return

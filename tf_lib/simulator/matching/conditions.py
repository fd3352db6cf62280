"""What a test may bend: how late the exchange is, and what happens in it on its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tf_lib.simulator.matching.oddities import Oddities


@dataclass
class World:
    """
    Delays of the exchange in microseconds of its own time, and partial fills.

    Attributes
    ----------
    hold_release : int
        From a cancelled order's end until its hold is available again.
    cancel_ack : int
        From the answer "cancel accepted" until the order is really cancelled; it may fill.
    order_visible : int
        From the answer "created" until get and list show the order.
    order_pending : int
        From the answer "created" until a resting order is open; until then it is PENDING.
    market_fill : int
        From the answer "created" until a market order fills, at the price of the beginning.
    fill_visible : int
        From a fill until the list of fills shows it.
    edit_ack : int
        From the answer "edit accepted" until the order has its new price and size.
    candle_visible : int
        From the end of a candle until it is shown.
    refuses_used_ids : bool
        Answer a used client id with DUPLICATE_CLIENT_ORDER_ID.
    stop_edit_refusal : str
        Why an order that is no plain limit order cannot be edited.
    token_skew_seconds : float
        How far a client's clock may be ahead of the server's.
    partial_fills : dict of product id to fraction
        The next order of the product that trades fills only this fraction.
    price_band : Decimal or None
        How far beyond the market a limit may lie, as a fraction.
    stop_band : Decimal or None
        How far beyond its stop the limit of a stop may lie; None: as `price_band` says.
    refused_buys : str
        Which buys are refused: none (empty), ``base_sized`` market buys, or ``all``.
    depth_usd : Decimal or None
        For how much an order finds another side when it takes.
    failures : dict of product id to reason
        The next order of the product is taken and then fails for this reason.
    canonical : frozenset of str
        In which replies an alias stands under the name of its product.
    oddities : Oddities
        What is shown beside what is true.
    """

    hold_release: int = 0
    cancel_ack: int = 0
    order_visible: int = 0
    order_pending: int = 0
    market_fill: int = 0
    fill_visible: int = 0
    edit_ack: int = 0
    candle_visible: int = 0
    refuses_used_ids: bool = False
    stop_edit_refusal: str = "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"
    token_skew_seconds: float = 0.5
    partial_fills: dict[str, Decimal] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    price_band: Decimal | None = None
    stop_band: Decimal | None = None
    refused_buys: str = ""
    depth_usd: Decimal | None = None
    canonical: frozenset[str] = frozenset()
    oddities: Oddities = field(default_factory=Oddities)

    def band(self, *, is_stop: bool) -> Decimal | None:
        """How far beyond its stop, or beyond the market, a limit may lie."""
        return self.stop_band if is_stop and self.stop_band is not None else self.price_band


@dataclass(frozen=True, order=True)
class Event:
    """Something that happens at a moment: a late release, a cancel taking effect, a deposit."""

    at: int
    number: int
    kind: str = field(compare=False)
    data: dict[str, Any] = field(compare=False, default_factory=dict)

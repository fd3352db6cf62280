"""
Unprotected time: how long a position was without its stop, in the exchange's time.

Kept in the ledger, so that it runs on through a crash and a sleeping machine. Where the exchange
does not tell when it began, it begins when all was last seen in order: too long is the error that
does no harm (docs/execution.md section 12).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tf_lib.core.model.records import ZERO, Side
from tf_lib.exchange.port import Fill, Liquidity, OrderState
from tf_lib.store.ledger import Ledger
from tf_lib.store.ledger_state import OrderRecord


@dataclass
class UnprotectedTime:
    """The clocks of all positions."""

    ledger: Ledger
    day: dt.date
    now: Callable[[], dt.datetime]

    def begin(self, product_id: str, since: dt.datetime | None = None) -> None:
        """Start the clock of a position without its stop; a clock that runs goes on."""
        if product_id not in self.ledger.state.bare_since:
            began = since if since is not None else self.now()
            self.ledger.append("bare", product=product_id, since=began.isoformat())

    def end(
        self, product_id: str, notional: Decimal = ZERO, *, until: dt.datetime | None = None
    ) -> None:
        """Stop that clock: a stop of the right size was read OPEN, or nothing is held."""
        if product_id in self.ledger.state.bare_since:
            self.ledger.append(
                "covered",
                product=product_id,
                day=self.day.isoformat(),
                notional=format(notional, "f"),
                until=(until if until is not None else self.now()).isoformat(),
            )

    def add(self, product_id: str, notional: Decimal, *, until: dt.datetime) -> None:
        """Count a time that is over, and whose beginning nobody saw."""
        if product_id not in self.ledger.state.bare_since:
            self.begin(product_id, min(self.last_in_order(product_id), until))
            self.end(product_id, notional, until=until)

    def note_bought(
        self, record: OrderRecord, seen: OrderState, fills: Sequence[Fill] = ()
    ) -> None:
        """Bought units are unprotected from the first fill on, whoever finds out and when."""
        if record.key.side is not Side.BUY or seen.filled_size <= record.filled_size:
            return
        first = min((fill.trade_time for fill in fills), default=record.intended_at)
        self.begin(record.product_id, first)

    def note_late_fill(self, record: OrderRecord, seen: OrderState, fills: Sequence[Fill]) -> None:
        """A stop that traded as a maker had triggered and rested below its limit for a while."""
        if record.key.leg.is_stop and any(fill.liquidity is Liquidity.MAKER for fill in fills):
            until = max(fill.trade_time for fill in fills)
            self.add(record.product_id, seen.filled_value, until=until)

    def last_in_order(self, product_id: str) -> dt.datetime:
        """
        Return when a product's stops were last in order: unprotected time may begin there.

        A run that ended well had looked after it was claimed.
        """
        state = self.ledger.state
        seen = [state.in_order_at] if state.in_order_at is not None else []
        stops = state.stops_of_holding(product_id)
        seen.extend(stop.working_at for stop in stops if stop.working_at is not None)
        return max(seen, default=self.now())

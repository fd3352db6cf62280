"""A desk of its own on an exchange of its own: for what a whole day would only reach by luck."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.exchange.connected import connected
from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.records import MarketOrder, Protection, Side
from tf_lib.exchange.port import Exchange
from tf_lib.execution.order_sender import OrderSender
from tf_lib.execution.protect_all import ProtectAll
from tf_lib.execution.protection import Cover, Foreign, Position
from tf_lib.parameters import Config, load_config
from tf_lib.simulator import SimulatedExchange, SimulatorSettings
from tf_lib.store.ledger import Ledger
from tf_lib.store.ledger_state import OrderRecord
from tf_lib.store.run_folder import RunLogs

DAY = dt.date(2024, 3, 11)
COIN = "ETH-USD"


@dataclass
class Bench:
    """A desk and its exchange."""

    exchange: SimulatedExchange
    desk: OrderSender

    def go(self, seconds: float) -> None:
        """Let time pass."""
        self.exchange.advance_to(self.exchange.now() + dt.timedelta(seconds=seconds))

    def buy(self, size: str = "1") -> OrderRecord:
        return self.desk.send(Leg.ENTRY, MarketOrder(COIN, Side.BUY, Decimal(size)))

    def last(self) -> Decimal:
        return self.desk.client.last_trade(COIN)

    def cover(self, level: Decimal, **options: Any) -> Cover:
        """Return the cover of what is held, at a level."""
        position = Position(self.desk, COIN, foreign=Foreign())
        return Cover(position, Protection(level, None, **options))

    def jump(self, price: Decimal, *, after: float = 1.0) -> None:
        """Let the price jump and stay for an hour."""
        at = self.exchange.now() + dt.timedelta(seconds=after)
        self.exchange.plant_jump(COIN, at, price, hold_until=at + dt.timedelta(hours=1))

    def protecting(self) -> ProtectAll:
        return ProtectAll(sender=self.desk)

    def cancel_by_hand(self, order_id: str) -> None:
        """Cancel an order as the customer does."""
        path, body = "/api/v3/brokerage/orders/batch_cancel", {"order_ids": [order_id]}
        _, reply = self.exchange.engine.handle("POST", path, None, body)
        assert reply["results"][0]["success"] is True

    def forget(self) -> None:
        """Go on with an empty ledger, as if the state had been lost."""
        old = self.desk.ledger
        old.close()
        self.desk.ledger = Ledger(old.path.with_name("new.jsonl"), old.now)
        self.desk.ledger.pin(old.state.portfolio_uuid)
        self.desk.unprotected_time.ledger = self.desk.ledger

    def stops(self) -> list[OrderRecord]:
        """Return the stops that the ledger takes for resting."""
        return [o for o in self.desk.ledger.state.live_orders(COIN) if o.key.leg.is_stop]


def desk_on(client: Exchange, folder: Path, config: Config, uuid: str, **parts: Any) -> OrderSender:
    """Return a desk that speaks to an exchange, armed for everything, with an empty ledger."""
    now = parts["now"]
    ledger = Ledger(folder / "ledger.jsonl", now)
    ledger.pin(uuid)
    logs, pause = RunLogs(folder / "logs", now), client.line.advance_simulated
    return OrderSender(
        client=client, ledger=ledger, logs=logs, config=config, day=DAY, pause=pause, **parts
    )


@contextmanager
def bench(config_file: Path, folder: Path, **faults: Any) -> Iterator[Bench]:
    """Yield a desk at 00:01 UTC of the day, armed for everything."""
    config = load_config(config_file)
    settings = SimulatorSettings(
        as_of=DAY, tickers=config.universe.sorted_tickers, faults=faults or None
    )
    with SimulatedExchange(settings) as exchange:
        endpoint = exchange.start()
        client = connected(endpoint)
        desk = desk_on(client, folder, config, endpoint.portfolio_uuid, now=exchange.now)
        listed = client.products(config.universe.sorted_tickers)
        desk.products.update({name: one.product for name, one in listed.items()})
        try:
            yield Bench(exchange, desk)
        finally:
            desk.ledger.close()
            client.line.close()

"""Hands on a profile's embedded exchange between two runs: what the world and a person do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from tests.app.profile import Profile
from tf_lib.app import connection
from tf_lib.parameters import load_config
from tf_lib.simulator import SimulatedExchange

PREFIX = "/api/v3/brokerage"


@contextmanager
def opened(profile: Profile) -> Iterator[SimulatedExchange]:
    """Open the exchange as it stands, its clock where it is; what is done to it stays."""
    config = load_config(profile.config)
    settings = connection._settings(config, profile.state, profile.state / "exchange.sqlite", None)
    with SimulatedExchange(settings) as exchange:
        yield exchange


def at(day: str, time: str) -> dt.datetime:
    """Return a UTC moment."""
    return dt.datetime.fromisoformat(f"{day}T{time}+00:00")


def jump(profile: Profile, product: str, day: str, price: Decimal, *, until: str = "00:30") -> None:
    """Let a price jump half a minute before a day's run begins."""
    with opened(profile) as exchange:
        exchange.plant_jump(product, at(day, "00:00:30"), price, hold_until=at(day, until))


def level(profile: Profile, product: str) -> Decimal:
    """Return the one level at which a product's stops rest."""
    (found,) = {order.stop for order in profile.exchange().stops(product)}
    assert found is not None
    return found


def times(price: Decimal, factor: str) -> Decimal:
    """Return a price times a factor, on the grid of the price."""
    return (price * Decimal(factor)).quantize(price)


def cancel_by_hand(profile: Profile, client_id: str) -> None:
    """Cancel an order as the customer does, in the exchange's own app."""
    order = profile.exchange().order(client_id)
    with opened(profile) as exchange:
        status, reply = exchange.engine.handle(
            "POST", f"{PREFIX}/orders/batch_cancel", None, {"order_ids": [order.order_id]}
        )
    assert (status, reply["results"][0]["success"]) == (200, True), reply


def stop_by_hand(size: str, stop: Decimal, limit: Decimal) -> dict[str, Any]:
    """Return the configuration of a protective stop."""
    return {
        "stop_limit_stop_limit_gtc": {
            "base_size": size,
            "stop_price": format(stop, "f"),
            "limit_price": format(limit, "f"),
            "stop_direction": "STOP_DIRECTION_STOP_DOWN",
        }
    }

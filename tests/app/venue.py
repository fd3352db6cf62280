"""Hands on a profile's embedded exchange between two runs: what the world and a person do."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from tests.app.profile import BUSY_DAY, Profile
from tf_lib.app import connection
from tf_lib.core.model.client_ids import Leg
from tf_lib.parameters import load_config
from tf_lib.simulator import SimulatedExchange
from tf_lib.store.ledger import Ledger

PREFIX = "/api/v3/brokerage"


@contextmanager
def opened(profile: Profile, day: str | None = None) -> Iterator[SimulatedExchange]:
    """
    Open the exchange as it stands, its clock where it is; what is done to it stays.

    Before a profile's first run there is none: it is made as of the day that is given.
    """
    profile.state.mkdir(parents=True, exist_ok=True)
    settings = connection.embedded_settings(
        load_config(profile.config),
        profile.state,
        profile.state / connection.EXCHANGE_FILE,
        dt.date.fromisoformat(day) if day else None,
    )
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


def deposit(profile: Profile, currency: str, units: str) -> None:
    """Let units appear from nowhere."""
    with opened(profile) as exchange:
        exchange.deposit(currency, Decimal(units))


def set_flag(profile: Profile, flag: str, *products: str, value: bool = True) -> None:
    """Let the exchange say of products that they do not take every order."""
    with opened(profile) as exchange:
        for product in products:
            exchange.set_flag(product, flag, value)


def lock(profile: Profile, product: str, *, why: str = "the holding changed") -> None:
    """Lock a product, as a run does that sees its holding change."""
    lines = profile.ledger()
    line = {"seq": len(lines) + 1, "at": lines[-1]["at"], "kind": "locked"}
    with (profile.state / "ledger.jsonl").open("a", encoding="utf-8") as ledger:
        ledger.write(json.dumps(line | {"product": product, "why": why}) + "\n")


def cut_ledger(profile: Profile, *, before: str) -> None:
    """Let a run have died before it wrote the first line of the ledger that holds a text."""
    ledger = profile.state / "ledger.jsonl"
    lines = ledger.read_text(encoding="utf-8").splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if before in line)
    ledger.write_text("".join(lines[:first]), encoding="utf-8")


def interrupted(profile: Profile, monkeypatch: pytest.MonkeyPatch, *, orders: int) -> Any:
    """Do the busy day until so many of its orders were sent; return its plan."""
    intend, sent = Ledger.intend, list[object]()

    def dies(ledger: Ledger, key: object, *rest: object, **more: object) -> object:
        if getattr(key, "leg", None) in (Leg.TRIM, Leg.ENTRY):
            if len(sent) == orders:
                raise KeyboardInterrupt
            sent.append(key)
        return intend(ledger, key, *rest, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "intend", dies)
        assert profile.run(BUSY_DAY)[0] != 0
    return profile.json(BUSY_DAY, "plan.json")


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

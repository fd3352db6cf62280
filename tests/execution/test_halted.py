"""Products that do not take every order, and a market without believable prices."""

from __future__ import annotations

import pytest

from tests.drivers.profile import Profile
from tests.drivers.venue import opened

NEXT, TRIM_DAY = "2024-03-12", "2024-03-18"
"""On the second, XTZ is to be trimmed."""


@pytest.mark.parametrize("flag", ["trading_disabled", "cancel_only", "is_disabled", "view_only"])
def test_intact_stops_of_a_halted_product_stay(held: Profile, flag: str) -> None:
    """Nothing is cancelled that could not be placed again; the day is done."""
    before = {p: held.exchange().stops(p) for p in held.exchange().held_products}
    with opened(held) as exchange:
        for product in before:
            exchange.set_flag(product, flag, True)
    sent = held.count_requests()

    code, said = held.run(NEXT)

    assert code == 0, said
    assert held.changed(after=sent) == []
    assert {p: held.exchange().stops(p) for p in before} == before
    assert held.wrong(NEXT) == []


def test_sale_of_a_halted_product_waits(held: Profile) -> None:
    """Its stop is not cancelled for a sale that cannot happen."""
    with opened(held) as exchange:
        exchange.set_flag("XTZ-USD", "cancel_only", True)
    stops = held.exchange().stops("XTZ-USD")

    code, said = held.run(TRIM_DAY)

    assert code == 0, said
    assert held.exchange().stops("XTZ-USD") == stops
    (order,) = [o for o in held.summary(TRIM_DAY)["orders"] if o["product_id"] == "XTZ-USD"]
    assert order["status"] == "skipped"
    assert "takes no sells" in order["note"]
    assert held.wrong(TRIM_DAY) == []


def test_limit_only_product_is_sold_by_a_limit(held: Profile) -> None:
    """An immediate-or-cancel limit through the market in the place of a market order."""
    with opened(held) as exchange:
        exchange.set_flag("XTZ-USD", "limit_only", True)

    code, said = held.run(TRIM_DAY)

    assert code == 0, said
    (trim,) = [o for o in held.exchange().orders if o.product == "XTZ-USD" and o.leg == "tr"]
    assert (trim.kind, trim.status) == ("LIMIT", "FILLED")
    assert held.wrong(TRIM_DAY) == []


def test_nothing_new_is_bought_in_a_halted_product(held: Profile) -> None:
    """`not_protectable`: a stop could not be placed."""
    with opened(held) as exchange:
        for product in ("ADA-USD", "BTC-USD", "ETH-USD", "XTZ-USD"):
            exchange.set_flag(product, "cancel_only", True)
    for day in (NEXT, "2024-03-23"):
        code, said = held.run(day)
        assert code == 0, said

    assert not [o for o in held.exchange().orders if o.leg in ("en", "pi") and o.day.day > 11]
    reasons = {row["reason"] for row in held.summary("2024-03-23")["tickers"].values()}
    assert "not_protectable" in reasons or "enter" not in reasons

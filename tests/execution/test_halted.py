"""Products that do not take every order, and a market without believable prices."""

from __future__ import annotations

import pytest

from tests.app.profile import Faulty, Profile, must_end, put
from tests.app.venue import deposit, set_flag

NEXT, TRIM_DAY = "2024-03-12", "2024-03-14"
"""On the second, XTZ is to be trimmed."""


@pytest.mark.parametrize("flag", ["trading_disabled", "cancel_only", "is_disabled", "view_only"])
def test_intact_stops_of_a_halted_product_stay(held: Profile, flag: str) -> None:
    """Nothing is cancelled that could not be placed again; the day is done."""
    before = {p: held.exchange().stops(p) for p in held.exchange().held_products}
    set_flag(held, flag, *before)
    sent = held.count_requests()

    must_end(held.run(NEXT))

    assert held.changed(after=sent) == []
    assert {p: held.exchange().stops(p) for p in before} == before
    assert held.wrong(NEXT) == []


@pytest.mark.parametrize("flag", ["trading_disabled", "view_only"])
def test_the_guard_tells_of_a_held_product_that_takes_no_orders(held: Profile, flag: str) -> None:
    """Its stop may rest, and it could not be sold: somebody should know, and know when it ends."""
    set_flag(held, flag, "XTZ-USD")
    code, said = held.call("guard")
    set_flag(held, flag, "XTZ-USD", value=False)
    later, said_later = held.call("guard")

    assert code == 1, said
    assert f"XTZ-USD is held and takes no orders: the exchange says {flag}" in said
    assert later == 0, said_later


def test_sale_of_a_halted_product_waits(held: Profile) -> None:
    """Its stop is not cancelled for a sale that cannot happen; a trim that is missed is exit 1."""
    set_flag(held, "cancel_only", "XTZ-USD")
    stops = held.exchange().stops("XTZ-USD")

    must_end(held.run(TRIM_DAY), 1)

    assert held.exchange().stops("XTZ-USD") == stops
    (order,) = [o for o in held.summary(TRIM_DAY)["orders"] if o["product_id"] == "XTZ-USD"]
    assert order["status"] == "skipped"
    assert "takes no sells" in order["note"]
    assert held.wrong(TRIM_DAY) == []


def test_limit_only_product_is_sold_by_a_limit(held: Profile) -> None:
    """An immediate-or-cancel limit through the market in the place of a market order."""
    set_flag(held, "limit_only", "XTZ-USD")

    must_end(held.run(TRIM_DAY))

    (trim,) = [o for o in held.exchange().orders if o.product == "XTZ-USD" and o.leg == "tr"]
    assert (trim.kind, trim.status) == ("LIMIT", "FILLED")
    assert held.wrong(TRIM_DAY) == []


def test_nothing_new_is_bought_in_a_halted_product(held: Profile) -> None:
    """`not_protectable`: a stop could not be placed."""
    set_flag(held, "cancel_only", "ADA-USD", "BTC-USD", "ETH-USD", "XTZ-USD")
    for day, expected in ((NEXT, 0), ("2024-03-23", 1)):  # on the second XTZ was to be trimmed
        code, said = held.run(day)
        assert code == expected, said

    assert not [o for o in held.exchange().orders if o.leg in ("en", "pi") and o.day.day > 11]
    reasons = {row["reason"] for row in held.summary("2024-03-23")["tickers"].values()}
    assert "not_protectable" in reasons or "enter" not in reasons


BTC_BOOK, ETH_BOOK = 1, 2
"""Where their books stand in the answer."""
BUSY_DAY = "2024-03-23"
"""XTZ is to be left, ADA to be entered."""


def impediments(profile: Profile, day: str) -> set[tuple[str, str]]:
    """Return kind and product of what stood in the way."""
    return {(x["kind"], x["product"]) for x in profile.lines(day, "impediments")}


def traded(profile: Profile, day: str) -> set[tuple[str, str]]:
    """Return product and leg of the day's own orders that are no stops."""
    orders = [o for o in profile.exchange().orders if o.is_own and str(o.day) == day]
    return {(o.product, o.leg) for o in orders if not o.leg.startswith("s")}


@pytest.mark.parametrize(
    ("side", "level"), [("bids", []), ("asks", []), ("bids", [{"price": "0.00001", "size": "1"}])]
)
def test_a_product_without_a_believable_price_is_left_alone(
    held: Profile, faulty: Faulty, side: str, level: list[object]
) -> None:
    """Some cents of it are held: it is named, and the others trade."""
    deposit(held, "BTC", "0.00001")

    with faulty(put("GET /best_bid_ask", f"pricebooks.{BTC_BOOK}.{side}", level)):
        must_end(held.run(BUSY_DAY))

    assert traded(held, BUSY_DAY) == {("XTZ-USD", "ex"), ("ADA-USD", "en")}
    assert ("no_price", "BTC-USD") in impediments(held, BUSY_DAY)
    account = held.json(BUSY_DAY, "inputs/account.json")
    assert (account["halt"], account["no_buys"]) == ("", "")
    said = held.call("status")[1]
    assert "too small for a stop" in said
    assert "NO STOP" not in said


def test_much_without_a_price_stops_the_buys_alone(held: Profile, faulty: Faulty) -> None:
    """More than a fifth of equity cannot be priced: its stops stay, and the sells go on."""
    before = held.exchange().stops("ETH-USD")

    with faulty(put("GET /best_bid_ask", f"pricebooks.{ETH_BOOK}.bids", [])):
        must_end(held.run(BUSY_DAY))

    assert traded(held, BUSY_DAY) == {("XTZ-USD", "ex")}
    account = held.json(BUSY_DAY, "inputs/account.json")
    assert "of equity" in account["no_buys"]
    assert account["halt"] == ""
    assert {("no_buys", ""), ("no_price", "ETH-USD")} <= impediments(held, BUSY_DAY)
    assert held.exchange().stops("ETH-USD") == before
    eth = held.summary(BUSY_DAY)["tickers"]["ETH-USD"]
    worth = float(held.exchange().held("ETH-USD")) * eth["close"]
    assert eth["current_notional"] == pytest.approx(worth)
    shown = held.summary(BUSY_DAY)["positions"]["ETH-USD"]
    assert shown["notional"] == pytest.approx(worth)


def test_a_run_without_a_single_price_says_so(held: Profile, faulty: Faulty) -> None:
    """Not done: exit 1, everything stays under its stops."""
    with faulty(put("GET /best_bid_ask", "pricebooks.*.bids", [])):
        said = must_end(held.run(NEXT), 1)

    assert "not one ticker has a believable price" in said
    assert {row["status"] for row in held.summary(NEXT)["stops"]} == {"skip"}

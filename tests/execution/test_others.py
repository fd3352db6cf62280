"""Others at the same account: orders by hand, deposits, coins outside the universe."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.app.profile import Profile, must_end
from tests.app.venue import deposit, level, opened, stop_by_hand, times

NEXT, AFTER = "2024-03-12", "2024-03-13"


def foreign(profile: Profile) -> list[tuple[str, str, Decimal]]:
    """Return what is live of orders that are not ours."""
    return [(o.product, o.status, o.size) for o in profile.exchange().live if not o.is_own]


def deposited_for_sale(profile: Profile, order: dict[str, Any]) -> list[tuple[str, str, Decimal]]:
    """Let a person deposit 500 XTZ under a sell order; return the foreign orders there are."""
    with opened(profile) as exchange:
        exchange.deposit("XTZ", Decimal(500))
        exchange.place_by_hand("XTZ-USD", "SELL", order)
    theirs = foreign(profile)
    assert theirs == [("XTZ-USD", "OPEN", Decimal(500))]
    return theirs


def test_coins_outside_the_universe_are_left_alone(held: Profile) -> None:
    """Neither sold nor stopped nor counted."""
    deposit(held, "SHIB", "1000000")

    must_end(held.run(NEXT))

    assert held.exchange().wallet("SHIB").available == 1_000_000
    assert "SHIB-USD" not in held.summary(NEXT)["positions"]


def test_deposit_of_a_held_coin_is_covered_and_not_traded(held: Profile) -> None:
    """A holding that changed without us: covered, reported, locked until it is released."""
    more = Decimal("0.5")
    with opened(held) as exchange:
        exchange.deposit("ETH", more)
    before = held.exchange().held("ETH-USD")

    must_end(held.run(NEXT))

    assert held.exchange().held("ETH-USD") == before
    assert held.wrong(NEXT) == []
    covered = sum(o.remaining for o in held.exchange().stops("ETH-USD"))
    assert covered == held.rules(NEXT)["ETH-USD"].floored(before)
    messages = [line["message"] for line in held.summary(NEXT)["errors"]]
    assert any("ETH-USD" in text and "tf release ETH-USD" in text for text in messages)

    assert held.run(AFTER)[0] == 0
    assert "ETH-USD" in held.json(AFTER, "inputs/account.json")["blocked"]
    assert held.call("release", "ETH-USD")[0] == 0
    assert held.run("2024-03-14")[0] == 0
    assert held.json("2024-03-14", "inputs/account.json")["blocked"] == {}
    assert held.wrong("2024-03-14") == []


def test_cash_that_comes_or_goes_does_no_harm(held: Profile) -> None:
    """A deposit is equity from then on, a withdrawal is not."""
    deposit(held, "USD", "5000")
    assert held.run(NEXT)[0] == 0
    richer = held.summary(NEXT)["equity"]
    deposit(held, "USD", "-4000")

    must_end(held.run(AFTER))

    assert held.summary(AFTER)["cash"] == pytest.approx(float(held.exchange().cash))
    assert held.summary(AFTER)["equity"] < richer
    assert held.wrong(AFTER) == []
    assert held.summary(AFTER)["errors"] == []


def test_foreign_protective_stop_counts_as_cover(held: Profile) -> None:
    """Deposited units under a person's own stop: not covered twice, and never cancelled."""
    stop = level(held, "XTZ-USD")
    theirs = deposited_for_sale(held, stop_by_hand("500", stop, times(stop, "0.98")))

    must_end(held.run(NEXT))

    assert foreign(held) == theirs
    own = sum(o.remaining for o in held.exchange().stops("XTZ-USD"))
    assert own == held.rules(NEXT)["XTZ-USD"].floored(held.exchange().held("XTZ-USD")) - 500


def test_foreign_sale_leaves_its_units_unprotected(held: Profile) -> None:
    """Units that a person's limit sale holds cannot be covered: exit 3; the rest is protected."""
    order = {"limit_limit_gtc": {"base_size": "500", "limit_price": "99"}}
    theirs = deposited_for_sale(held, order)

    must_end(held.run(NEXT), 3)

    assert foreign(held) == theirs
    failed = [row for row in held.summary(NEXT)["stops"] if row["status"] == "failed"]
    assert [row["product"] for row in failed] == ["XTZ-USD"]
    assert failed[0]["reason"] == "held by a sell order that is not ours"
    own = sum(o.remaining for o in held.exchange().stops("XTZ-USD"))
    assert own == held.rules(NEXT)["XTZ-USD"].floored(held.exchange().held("XTZ-USD")) - 500
    assert held.marks(NEXT)[-1] == "done"


def test_foreign_buy_order_is_left_alone(held: Profile) -> None:
    """Its cash is on hold and so not ours to spend; it counts as equity."""
    with opened(held) as exchange:
        order = {"limit_limit_gtc": {"base_size": "1", "limit_price": "100"}}
        exchange.place_by_hand("ETH-USD", "BUY", order)
    assert held.exchange().wallet("USD").hold > 0
    theirs = foreign(held)

    must_end(held.run(NEXT))

    assert foreign(held) == theirs
    assert held.summary(NEXT)["cash"] == pytest.approx(float(held.exchange().cash))

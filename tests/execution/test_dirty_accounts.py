"""Accounts as people have them: one bad record is one bad record, and is named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.app.profile import Faulty, Profile, must_end, put
from tests.app.venue import opened

NEXT = "2024-03-12"


def wallet_number(profile: Profile, currency: str, amount: str = "5") -> int:
    """Give the account a wallet of a currency; return where it stands in the list."""
    with opened(profile) as exchange:
        exchange.deposit(currency, Decimal(amount))
        _, reply = exchange.engine.handle(
            "GET", "/api/v3/brokerage/accounts", {"limit": "250"}, None
        )
    return [row["currency"] for row in reply["accounts"]].index(currency)


def warnings(profile: Profile, day: str) -> list[str]:
    """Return what the summary says went wrong without stopping the run."""
    return [e["message"] for e in profile.summary(day)["errors"] if e["severity"] == "warning"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("available_balance.value", "-0.01"),
        ("hold", None),
        ("uuid", ""),
        ("available_balance", {"value": 0.5, "currency": "EUR"}),
    ],
)
def test_a_wallet_of_something_else_that_cannot_be_read_is_left_out(
    held: Profile, faulty: Faulty, field: str, value: Any
) -> None:
    """The run, protect and guard go on, and the run names it."""
    number = wallet_number(held, "EUR")

    with faulty(put("GET /accounts", f"accounts.{number}.{field}", value)):
        must_end(held.run(NEXT))
        assert held.call("protect")[0] == 0
        assert held.call("guard")[0] == 0

    assert {row["status"] for row in held.summary(NEXT)["stops"]} <= {"skip", "placed"}
    assert any("left out" in text for text in warnings(held, NEXT))


@pytest.mark.parametrize("currency", ["ETH", "BTC"])
def test_a_coin_whose_wallet_cannot_be_read_is_unknown_and_the_others_are_protected(
    held: Profile, faulty: Faulty, currency: str
) -> None:
    """Held or not: it is named and left alone, and no other position waits for it."""
    before = {s.client_id for s in held.exchange().stops(f"{currency}-USD")}
    number = wallet_number(held, currency)

    with faulty(put("GET /accounts", f"accounts.{number}.hold", None)):
        code, said = held.run(NEXT)
        assert code in (0, 1), said
        assert held.call("protect")[0] == 0
        assert held.call("guard")[0] in (0, 1)

    rows = {row["product"]: row["status"] for row in held.summary(NEXT)["stops"]}
    assert set(rows.values()) <= {"skip", "placed"}
    assert {s.client_id for s in held.exchange().stops(f"{currency}-USD")} == before
    account = held.json(NEXT, "inputs/account.json")
    assert f"{currency}-USD" in account["blocked"]
    assert held.summary(NEXT)["state"] == "attention"


def test_a_deleted_account_that_shows_a_balance_is_left_out(held: Profile, faulty: Faulty) -> None:
    """It is no wallet any more, whatever it shows."""
    number = wallet_number(held, "EUR")
    rule = put("GET /accounts", f"accounts.{number}.deleted_at", "2020-01-01T00:00:00Z")

    with faulty(rule):
        must_end(held.run(NEXT))

    assert any("deleted" in text and "EUR" in text for text in warnings(held, NEXT))
    assert "EUR" not in held.json(NEXT, "inputs/account.json")["wallets"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("total_fees", ""), ("filled_value", 12.5), ("status", None), ("created_time", "yesterday")],
)
def test_an_order_by_hand_that_cannot_be_read_is_left_out(
    held: Profile, faulty: Faulty, field: str, value: Any
) -> None:
    """Also where a lost ledger reads the whole history; our own orders are read as strictly."""
    with opened(held) as exchange:
        exchange.deposit("ETH", Decimal(1))
        market = {"market_market_ioc": {"base_size": "1"}}
        exchange.place_by_hand("ETH-USD", "SELL", market)
        path = "/api/v3/brokerage/orders/historical/batch"
        _, reply = exchange.engine.handle("GET", path, {"limit": "250"}, None)
    ids = [order["client_order_id"] for order in reply["orders"]]
    (number,) = [n for n, name in enumerate(ids) if not name.startswith("tf1-")]
    (held.state / "ledger.jsonl").unlink()

    rule = put("GET /orders/historical/batch", f"orders.{number}.{field}", value)
    # The first list is that of the open orders, the second the whole history.
    with faulty(rule | {"calls": ["2"]}):
        must_end(held.run(NEXT))

    assert any("left out: order" in text for text in warnings(held, NEXT))
    assert held.wrong(NEXT) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fee_tier", None),
        ("fee_tier.taker_fee_rate", 0.004),
        ("fee_tier.maker_fee_rate", "-0.0005"),
    ],
)
def test_fees_that_cannot_be_read_are_the_configured_ones(
    held: Profile, faulty: Faulty, field: str, value: Any
) -> None:
    """A fee answer is no reason to lose the day."""
    with faulty(put("GET /transaction_summary", field, value)):
        must_end(held.run(NEXT))

    fees = held.json(NEXT, "inputs/account.json")["fees"]
    assert fees == {"maker": 0.006, "taker": 0.012}
    assert any("configured fees" in text for text in warnings(held, NEXT))
    assert "fees_unreadable" in {x["kind"] for x in held.lines(NEXT, "impediments")}

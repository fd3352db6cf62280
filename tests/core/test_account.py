"""The account: what a plan is made from survives its file to the digit, and prices are judged."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest

from tf_lib.core.model.account import Account, doubt_of_quote
from tf_lib.core.model.records import FeeRates, Holding, Product, Quote

D = Decimal

COIN = Product("COIN-USD", D("0.01"), D("0.001"), D("0.01"), D("0.05"), D(1), cancel_only=True)
ACCOUNT = Account(
    day=dt.date(2024, 3, 1),
    read_at=dt.datetime(2024, 3, 1, 0, 1, 2, 30, tzinfo=dt.UTC),
    quote_currency="USD",
    wallets={
        "USD": Holding(D("100.1234567890123456"), D("5")),
        "COIN": Holding(D("0"), D("7.77")),
        "BTC": Holding(D("1E-8"), D("0")),
    },
    quotes={"COIN-USD": Quote(D("9.999"), D("10.001"), D("10"))},
    products={"COIN-USD": COIN},
    fees=FeeRates(maker=0.006, taker=0.012),
    open_stops={"COIN-USD": D("8.5"), "GONE-USD": D("3")},
    levels={"COIN-USD": D("8.512")},
    cooldowns={"GONE-USD": dt.date(2024, 2, 27)},
    blocked={"COIN-USD": "a manual trade"},
    not_protectable=("XX-USD",),
    no_buys="a holding is unknown",
    halt="no price",
)


def test_it_survives_its_file() -> None:
    """Through JSON and back: equal, to the last digit of every amount."""
    text = json.dumps(ACCOUNT.to_mapping(), allow_nan=False)

    assert Account.from_mapping(json.loads(text)) == ACCOUNT
    assert json.loads(text)["wallets"]["USD"]["available"] == "100.1234567890123456"
    assert json.loads(text)["wallets"]["BTC"]["available"] == "0.00000001"


def test_what_the_decision_sees() -> None:
    """Held and free together; a ticker without units has no position and no stop."""
    state = ACCOUNT.portfolio_state(("COIN-USD", "GONE-USD"))

    assert state.cash == pytest.approx(105.1234567890123456)
    assert state.positions == {"COIN-USD": 7.77}
    assert state.mid_prices == {"COIN-USD": 10.0}
    assert state.open_stops == {"COIN-USD": 8.5}
    assert state.cooldowns == {"GONE-USD": dt.date(2024, 2, 27)}


def test_what_is_not_there_is_nothing() -> None:
    """No wallet was ever opened: no units, no cash."""
    assert ACCOUNT.holding("NEW-USD").total == 0
    assert ACCOUNT.cash.total == D("105.1234567890123456")


@pytest.mark.parametrize("missing", ["wallets", "quotes", "products", "levels", "halt"])
def test_a_record_without_a_part_is_refused(missing: str) -> None:
    """By the name of what is missing."""
    record = ACCOUNT.to_mapping()
    del record[missing]

    with pytest.raises(KeyError, match=missing):
        Account.from_mapping(record)


@pytest.mark.parametrize(
    ("bid", "ask", "last", "expected"),
    [
        ("99.9", "100.1", "100", True),
        ("98.6", "101.4", "100", True),  # spread 2.8 %
        ("98.4", "101.6", "100", False),  # 3.2 %
        ("101.9", "102.0", "100", True),  # mid 1.95 % above the last trade
        ("102.0", "102.2", "100", False),  # 2.1 %
        ("97.8", "98.0", "100", False),
        ("100", "100", "100", False),  # crossed or locked
        ("100.1", "99.9", "100", False),
        ("0", "0.1", "0.05", False),
        ("99.9", "100.1", "0", False),
    ],
)
def test_prices_that_may_be_traded_on(bid: str, ask: str, last: str, expected: bool) -> None:
    """bid < ask, spread within 3 %, mid within 2 % of the last trade."""
    assert (not doubt_of_quote(Quote(D(bid), D(ask), D(last)))) is expected

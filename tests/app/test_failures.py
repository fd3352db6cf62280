"""
Days on which something fails: the right exit code, the error on record, everything covered.

The exchange fails by schedule, over the wire. A run that could not finish is not done; the next
one finishes it.
"""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.app.profile import BUSY_DAY as DAY
from tests.app.profile import DAY_AFTER, FAULTS, Faulty, MakeProfile, Profile, going_wrong, must_end
from tests.app.venue import cancel_by_hand
from tests.oracle.exchange_state import requests

ENTRIES = {"ETH-USD"}


@pytest.fixture
def profile(busy: Profile) -> Profile:
    return busy


def fails(endpoint: str, **options: Any) -> dict[str, Any]:
    return {"kind": "status", "status": 500, "endpoint": endpoint} | options


def finished(profile: Profile, day: str = DAY) -> None:
    """Hold a day that was finished in the end against the exchange's own state."""
    exchange = profile.exchange()
    fills: dict[tuple[str, str], Decimal] = {}
    for order in exchange.orders:
        if order.is_own and str(order.day) == day and order.leg in ("en", "pi", "tr", "ex"):
            key = (order.product, "en" if order.leg == "pi" else order.leg)
            fills[key] = fills.get(key, Decimal(0)) + order.filled
    planned = {
        (row["product_id"], row["leg"]): Decimal(row["base_size"])
        for line in profile.ledger()
        if line["kind"] == "plan" and line["day"] == day
        for row in line["orders"]
    }

    assert profile.wrong(day) == []
    assert profile.marks(day)[-1] == "done"
    assert all(size <= planned.get(key, Decimal(0)) for key, size in fills.items()), fills
    assert exchange.cash == exchange.cash_by_fills(Decimal(15000)) >= 0


def entered(profile: Profile) -> set[str]:
    entries = [o for o in profile.exchange().orders if o.leg == "en" and o.filled]
    return {o.product for o in entries if str(o.day) == DAY}


# -- data ------------------------------------------------------------------------------------------


def test_spoilt_cache_is_set_aside_and_read_again(profile: Profile) -> None:
    """The file is kept beside, the history fetched anew, the day done with a note."""
    cache = profile.state / "candles" / "ETH-USD.parquet"
    cache.write_bytes(b"PAR1 this is not parquet PAR1")

    must_end(profile.run(DAY))

    problems = profile.summary(DAY)["data_quality"]["problems"]
    assert len(problems) == 1
    assert problems[0].startswith("ETH-USD: cache set aside as ETH-USD.parquet.set-aside-1")
    finished(profile)


def test_no_candles_today_leaves_holdings_and_stops_alone(profile: Profile, faulty: Faulty) -> None:
    """Every ticker is stale: not one changing request, every stop stays, the summary says so."""
    sent = profile.count_requests()
    stops = {p: profile.exchange().stops(p) for p in profile.exchange().held_products}
    with faulty(fails("GET /products/*/candles")):
        must_end(profile.run(DAY))

    summary = profile.summary(DAY)
    assert {row["reason"] for row in summary["tickers"].values()} == {"stale_or_missing_ohlc"}
    assert summary["data_quality"]["not_ok"] == sorted(summary["tickers"])
    assert profile.changed(after=sent) == []
    assert {p: profile.exchange().stops(p) for p in profile.exchange().held_products} == stops
    assert profile.marks(DAY)[-1] == "done"


def test_a_product_that_is_not_listed_any_more(make_profile: MakeProfile) -> None:
    """The exchange knows it under no name: the others trade as on any other day."""
    profile = make_profile(exchange=FAULTS)
    gone = {"kind": "delist", "product": "BTC-USD", "at": "2024-03-05T00:00:10Z"}
    with going_wrong(profile, events=[gone]):
        _, said = profile.run("2024-03-05")

    assert set(profile.exchange().held_products) == {"ADA-USD", "XTZ-USD"}, said
    assert profile.wrong("2024-03-05") == []
    summary = profile.summary("2024-03-05")
    assert summary["tickers"]["BTC-USD"]["reason"] == "stale_or_missing_ohlc"


@pytest.mark.usefixtures("no_waiting")
def test_no_candles_ever_is_bad_input(make_profile: MakeProfile) -> None:
    """On the first day there is nothing to decide on: exit 2, no order."""
    profile = make_profile(exchange=FAULTS)
    with going_wrong(profile, fails("GET /products/*/candles")):
        must_end(profile.run(DAY), 2)

    assert profile.changed() == []
    assert profile.marks(DAY) == ["claimed"]
    assert profile.run(DAY)[0] == 0
    finished(profile)


def test_one_ticker_without_candles(profile: Profile, faulty: Faulty) -> None:
    """It alone is left as it is; the others trade."""
    with faulty(fails("GET /products/ADA-USD/candles")):
        must_end(profile.run(DAY))

    assert profile.summary(DAY)["tickers"]["ADA-USD"]["reason"] == "stale_or_missing_ohlc"
    assert profile.summary(DAY)["data_quality"]["not_ok"] == ["ADA-USD"]
    assert [o.product for o in profile.exchange().orders if o.leg == "tr"] == ["XTZ-USD"]
    finished(profile)


def test_candles_that_are_listed_late_are_waited_for(profile: Profile, faulty: Faulty) -> None:
    """The bars of the day that just ended appear at 00:01:30, and the day is traded as ever."""
    with faulty(world={"candle_visible_seconds": 90}):
        must_end(profile.run(DAY))

    assert profile.summary(DAY)["data_quality"]["not_ok"] == []
    assert entered(profile) == ENTRIES
    finished(profile)


# -- reads -----------------------------------------------------------------------------------------


def test_a_read_that_fails_once_is_read_again(profile: Profile, faulty: Faulty) -> None:
    """One bad answer of every kind of read costs nothing but time."""
    paths = ("/accounts", "/products", "/best_bid_ask", "/transaction_summary")
    rules = [fails(f"GET {path}", calls=[1]) for path in paths]
    with faulty(*rules, {"kind": "unauthorized", "endpoint": "GET /key_permissions", "calls": [1]}):
        must_end(profile.run(DAY))

    assert entered(profile) == ENTRIES
    finished(profile)


def test_holdings_that_cannot_be_read(profile: Profile, faulty: Faulty) -> None:
    """The step fails, protection cannot know either: exit 3, alarm, not done; a rerun mends it."""
    sent = profile.count_requests()
    with faulty(fails("GET /accounts")):
        must_end(profile.run(DAY), 3)

    assert profile.changed(after=sent) == []
    summary = profile.summary(DAY)
    assert (summary["state"], summary["exit_code"]) == ("unprotected", 3)
    messages = [line["message"] for line in summary["errors"] if line["severity"] == "error"]
    assert any("/accounts" in text for text in messages), messages
    assert any(text.startswith("protection failed: ") for text in messages), messages
    assert profile.marks(DAY) == ["claimed"]
    assert not (profile.day(DAY) / "done.json").exists()

    assert profile.run(DAY)[0] == 0
    assert entered(profile) == ENTRIES
    finished(profile)


def test_line_that_dies_in_the_middle(profile: Profile, faulty: Faulty) -> None:
    """From the first sale on nothing is answered: exit 3; the rerun finishes the frozen plan."""
    dead = [{"kind": "drop_before", "endpoint": "GET *", "calls": ["60-9999"]}]
    dead += [{"kind": "drop_before", "endpoint": "POST /orders*", "calls": ["3-9999"]}]
    with faulty(*dead):
        must_end(profile.run(DAY), 3)

    assert "done" not in profile.marks(DAY)

    must_end(profile.run(DAY))

    finished(profile)


# -- stops -----------------------------------------------------------------------------------------


def refused_stops(*calls: Any) -> dict[str, Any]:
    rule = fails("POST /orders", status=400, contains="stop_limit_stop_limit_gtc")
    return rule | ({"calls": list(calls)} if calls else {})


def test_no_stop_is_taken_at_all(profile: Profile, faulty: Faulty) -> None:
    """
    What was held and lost its stop is unprotected: exit 3, done, alarm. `protect` covers it later.

    Nothing new is kept: a pilot that gets no stop is sold, a proven product is not bought.
    """
    with faulty(refused_stops()):
        must_end(profile.run(DAY), 3)

    summary = profile.summary(DAY)
    bare = [row["product"] for row in summary["stops"] if row["status"] == "failed"]
    assert bare
    assert summary["state"] == "unprotected"
    assert len(profile.wrong(DAY)) == len(bare)
    assert all(any(line.startswith(p) for line in profile.wrong(DAY)) for p in bare)
    assert "ETH-USD" not in profile.exchange().held_products
    assert profile.marks(DAY)[-1] == "done"

    must_end(profile.call("protect"))

    assert profile.wrong(DAY) == []


def test_a_stop_that_is_refused_once(profile: Profile, faulty: Faulty) -> None:
    """The old stop is put back, all else goes on; the trim that was not made is said, exit 1."""
    with faulty(refused_stops(1)):
        must_end(profile.run(DAY), 1)

    assert profile.wrong(DAY) == []
    assert profile.summary(DAY)["state"] == "attention"
    (missed,) = profile.summary(DAY)["impediments"]
    assert (missed["product"], missed["is_missed_exit"]) == ("ADA-USD", True)
    assert missed["wanted"].startswith("trim of ")
    assert [row for row in profile.summary(DAY)["rejects"] if row.get("answer") == "refused"]
    assert profile.marks(DAY)[-1] == "done"


# -- answers that prove nothing --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        ("drop_after", 1),
        ("truncated_json", 2),
        ("status_after", 3),
        ("reset_after", 4),
        ("drop_after", 5),
        ("reset_after", 7),
    ],
)
def test_order_whose_answer_is_lost(profile: Profile, faulty: Faulty, kind: str, call: int) -> None:
    """It is found at the exchange and taken over; nothing is sent twice."""
    with faulty({"kind": kind, "endpoint": "POST /orders", "calls": [call]}):
        must_end(profile.run(DAY))

    assert entered(profile) == ENTRIES
    ids = [o.client_id for o in profile.exchange().orders]
    assert len(ids) == len(set(ids))
    finished(profile)


def test_buy_that_never_arrived_is_not_sent_again(profile: Profile, faulty: Faulty) -> None:
    """Unknown until a complete list read late enough lacks it; then absent, and no second try."""
    sent = profile.count_requests()
    rule = {"kind": "drop_before", "endpoint": "POST /orders", "contains": '"BUY"', "calls": [1]}
    with faulty(rule):
        code, said = profile.run(DAY)

    tried = [x for x in requests(profile.request_log, after=sent) if '"BUY"' in str(x["body"])]
    ids = [line["body"]["client_order_id"] for line in tried]
    assert len(ids) == len(set(ids))
    assert code == 0, said
    moves = [x for x in profile.ledger() if x["kind"] == "move" and x["to"] == "ABSENT"]
    assert len(moves) == 1
    assert profile.wrong(DAY) == []
    assert profile.exchange().now > dt.datetime(2024, 3, 11, 0, 2, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("kind", "missed"), [("drop_before", 1), ("drop_after", 0), ("status", 1), ("reset_after", 0)]
)
def test_cancel_without_answer(profile: Profile, faulty: Faulty, kind: str, missed: int) -> None:
    """What counts is what the order says when it is read; a trim that was left out is said."""
    with faulty({"kind": kind, "endpoint": "POST /orders/batch_cancel", "calls": [1]}):
        code, said = profile.run(DAY)

    assert code == missed, said
    assert len(profile.summary(DAY)["impediments"]) == missed
    assert profile.wrong(DAY) == []
    finished(profile)


def test_slow_exchange(profile: Profile, faulty: Faulty) -> None:
    """Holds, cancels, orders and fills that show late are waited for."""
    world = {"hold_release_seconds": 5, "cancel_ack_seconds": 3}
    with faulty(world=world | {"order_visible_seconds": 2, "fill_visible_seconds": 3}):
        must_end(profile.run(DAY))

    assert entered(profile) == ENTRIES
    finished(profile)


def test_fill_in_parts(profile: Profile, faulty: Faulty) -> None:
    """Half of an entry is filled and rests covered; the rest is not chased."""
    with faulty(world={"partial_fills": {"ETH-USD": "0.5"}}):
        must_end(profile.run(DAY))

    assert "ETH-USD" in profile.exchange().held_products
    finished(profile)


def test_any_one_request_may_fail(profile: Profile, faulty: Faulty, tmp_path: Path) -> None:
    """A seeded handful: one request of the day fails, whichever; never bare, never twice."""
    sent = profile.count_requests()
    twin = profile.copied(tmp_path / "count")
    twin.run(DAY)
    total = len(requests(twin.request_log, after=sent))
    chance = random.Random(3)
    for number in chance.sample(range(1, total + 1), 5):
        each = profile.copied(tmp_path / f"{number}")
        kind = chance.choice(["drop_before", "reset_after", "truncated_json", "status"])
        with faulty({"kind": kind, "endpoint": "* *", "calls": [number]}):
            code, said = each.run(DAY)
        where = f"{kind} at request {number} of {total}: {said}"
        if code:
            code, said = each.run(DAY)

        assert code == 0, where
        assert each.wrong(DAY) == [], where
        assert each.marks(DAY)[-1] == "done", where


def test_failed_day_is_followed_by_a_good_one(profile: Profile, faulty: Faulty) -> None:
    """Yesterday's plan is dead; today is decided anew."""
    with faulty(fails("GET /best_bid_ask")):
        assert profile.run(DAY)[0] != 0
    assert "done" not in profile.marks(DAY)

    must_end(profile.run(DAY_AFTER))

    assert not [o for o in profile.exchange().orders if o.is_own and str(o.day) == DAY]
    finished(profile, DAY_AFTER)


def test_a_held_product_whose_rules_are_hidden(profile: Profile, faulty: Faulty) -> None:
    """It alone is left as it is and keeps its stop; it is named, and a person is told."""
    ticker = profile.exchange().held_products[0]
    before = {o.client_id for o in profile.exchange().orders}
    hidden = {"kind": "remove_field", "endpoint": "GET /products"}

    with faulty(hidden | {"field": f"products.product_id={ticker}.base_increment"}):
        said = must_end(profile.run(DAY), 3)

    assert f"{ticker}: base_increment: expected an amount as text" in said
    new = [o for o in profile.exchange().orders if o.client_id not in before]
    assert {o.leg for o in new if o.product == ticker} <= {"sc", "sa"}


def test_exchange_that_is_away_in_a_raise(profile: Profile, faulty: Faulty, tmp_path: Path) -> None:
    """The stop is cancelled and nothing can be read for seconds: the run itself looks again."""
    twin = profile.copied(tmp_path / "twin")
    sent = twin.count_requests()
    assert twin.run(DAY)[0] == 0
    asked = requests(twin.request_log, after=sent)
    (last,) = [n for n, x in enumerate(asked) if "batch_cancel" in x["path"]][-1:]
    reads = sum(x["path"].endswith("/accounts") for x in asked[: last + 1])
    away = [reads + 1, reads + 2, reads + 3]

    with faulty(fails("GET /accounts", calls=away)):
        must_end(profile.run(DAY))

    assert profile.wrong(DAY) == []
    assert profile.marks(DAY)[-1] == "done"


def test_vanished_stops_on_a_day_without_candles(profile: Profile, faulty: Faulty) -> None:
    """Placed again at their level, the limit as far below as the last good range asks for."""
    levels = {}
    for product in profile.exchange().held_products:
        for stop in profile.exchange().stops(product):
            levels[product] = stop.stop
            cancel_by_hand(profile, stop.client_id)
    with faulty(fails("GET /products/*/candles")):
        must_end(profile.run(DAY))

    tickers = profile.summary(DAY)["tickers"]
    for product, level in levels.items():
        (new,) = profile.exchange().stops(product)
        assert new.stop is not None
        assert new.limit is not None
        assert new.stop == level
        distance = max(float(new.stop) * 0.02, tickers[product]["atr"] * 0.5)
        assert float(new.stop - new.limit) == pytest.approx(distance, rel=0.02), product

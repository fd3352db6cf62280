"""Whose units they are: adopted, locked until released, there before us, or missing."""

from __future__ import annotations

import contextlib
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.profile import FEW_UNIVERSE, Faulty, Profile, must_end, put, write_parameters
from tests.app.venue import deposit, opened, set_flag

NEXT, AFTER, LATER = "2024-03-12", "2024-03-13", "2024-03-14"


def impediments(profile: Profile, day: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what stood in the way, by kind and product."""
    return {(x["kind"], x["product"]): x for x in profile.lines(day, "impediments")}


def account(profile: Profile, day: str) -> dict[str, Any]:
    """Return what the plan was made from."""
    found: dict[str, Any] = profile.json(day, "inputs/account.json")
    return found


@pytest.mark.parametrize("units", ["0.00000002", "0.001"])
def test_a_small_increase_is_adopted(held: Profile, units: str) -> None:
    """A reward of some cents: a note in the ledger, and nothing is locked."""
    deposit(held, "ETH", units)

    must_end(held.run(NEXT))

    adopted = [x for x in held.ledger() if x["kind"] == "adopted"]
    assert [(x["product"], Decimal(x["units"])) for x in adopted] == [("ETH-USD", Decimal(units))]
    assert account(held, NEXT)["blocked"] == {}
    assert held.summary(NEXT)["errors"] == []
    assert impediments(held, NEXT) == {}
    assert held.wrong(NEXT) == []
    assert held.run(AFTER)[0] == 0
    assert len([x for x in held.ledger() if x["kind"] == "adopted"]) == 1


@pytest.mark.parametrize(("follow", "blocked"), [(True, False), (False, True)])
def test_larger_increases_are_followed_only_if_wished(
    first_day: Profile, tmp_path: Path, follow: bool, blocked: bool
) -> None:
    """`account.follow_changes` adopts every increase."""
    runs = first_day.copied(tmp_path / "runs").runs
    settings = {"follow_changes": follow}
    config = write_parameters(tmp_path / "few.yaml", universe=FEW_UNIVERSE, account=settings)
    profile = Profile(config, runs)
    deposit(profile, "ETH", "0.5")

    assert profile.run(NEXT)[0] == 0
    assert ("ETH-USD" in account(profile, NEXT)["blocked"]) is blocked


def test_a_lock_is_named_on_every_day_and_release_ends_it(held: Profile) -> None:
    """Also when the same deposit comes again after the release."""
    deposit(held, "ETH", "0.5")
    for day in (NEXT, AFTER):
        assert held.run(day)[0] == 0
        found = impediments(held, day)["locked", "ETH-USD"]
        assert "tf release ETH-USD" in found["what_to_do"]
        assert "worth" in found["why"]
    assert ("equity_unexplained", "") in impediments(held, NEXT)

    assert held.call("release", "ETH-USD")[0] == 0
    for day in (LATER, "2024-03-15"):
        assert held.run(day)[0] == 0
        assert account(held, day)["blocked"] == {}
        assert not {kind for kind, _ in impediments(held, day)} & {"locked", "equity_unexplained"}


def test_release_all(held: Profile) -> None:
    """Every locked product at once; one name or all, never neither."""
    for currency, units in (("ETH", "0.01"), ("XTZ", "10")):
        deposit(held, currency, units)
    assert held.run(NEXT)[0] == 0
    assert set(account(held, NEXT)["blocked"]) == {"ETH-USD", "XTZ-USD"}

    assert held.call("release")[0] == 2
    assert held.call("release", "ETH-USD", "--all")[0] == 2
    said = must_end(held.call("release", "--all"))

    assert "ETH-USD released" in said
    assert "XTZ-USD released" in said
    assert held.run(AFTER)[0] == 0
    assert account(held, AFTER)["blocked"] == {}


def test_the_exit_of_our_own_units_is_never_locked(held: Profile, tmp_path: Path) -> None:
    """A full exit sells what we bought; what came from somebody else stays, under a stop."""
    bought = held.exchange().held("ETH-USD")
    deposit(held, "ETH", "0.5")
    without = {
        "tickers": [t for t in FEW_UNIVERSE["tickers"] if t != "ADA-USD"],
        "sleeves": {
            "Core": {"weight": 1.0, "tickers": ["BTC-USD"]},
            "Alt": {"weight": 0.0, "tickers": ["ETH-USD", "XTZ-USD"]},
        },
    }
    leaving = Profile(write_parameters(tmp_path / "few.yaml", universe=without), held.runs)

    must_end(leaving.run(NEXT))

    (row,) = [x for x in leaving.lines(NEXT, "order_build") if x["product"] == "ETH-USD"]
    assert row["reason"] == "full_exit"
    sold = [o for o in leaving.exchange().orders if o.leg == "ex" and o.product == "ETH-USD"]
    step = Decimal("0.00000001")
    assert sum(o.filled for o in sold) == pytest.approx(bought, abs=step)
    assert leaving.exchange().held("ETH-USD") == pytest.approx(Decimal("0.5"), abs=step)
    assert sum(o.remaining for o in leaving.exchange().stops("ETH-USD")) == pytest.approx(
        Decimal("0.5"), abs=step
    )


def test_what_was_there_before_the_first_run_is_not_sold(tmp_path: Path) -> None:
    """Covered, locked and told with its worth, until it is released; cash is traded with."""
    config = write_parameters(tmp_path / "few.yaml", universe=FEW_UNIVERSE)
    profile = Profile(config, tmp_path / "runs")
    # A dry run makes no exchange of its own, so the coin is there before anything else is.
    with opened(profile, NEXT) as exchange:
        exchange.deposit("BTC", Decimal(1))

    code, said = profile.run(NEXT)

    # The signal wants it gone: a wanted exit that is not made is no good day.
    assert code == 1, said
    assert profile.exchange().held("BTC-USD") == 1
    bought = {o.product for o in profile.exchange().orders if o.leg == "en" and o.filled}
    assert bought == {"ADA-USD", "ETH-USD", "XTZ-USD"}, "the coin that stays pays for none of them"
    assert not [o for o in profile.exchange().orders if o.product == "BTC-USD" and o.leg == "ex"]
    assert sum(o.remaining for o in profile.exchange().stops("BTC-USD")) == 1
    found = impediments(profile, NEXT)["locked", "BTC-USD"]
    assert "were there before" in found["why"]
    assert "worth" in found["why"]
    assert any("tf release BTC-USD" in e["message"] for e in profile.summary(NEXT)["errors"])
    assert profile.run(AFTER)[0] == 1
    assert profile.exchange().held("BTC-USD") == 1
    assert ("locked", "BTC-USD") in impediments(profile, AFTER)
    code, said = profile.call("doctor")
    assert "BTC" in said
    assert "tf release" in said


def test_a_lost_ledger_leaves_our_own_units_ours(held: Profile) -> None:
    """Own orders explain them, however old they are; only the deposit is locked."""
    for day in (NEXT, AFTER):
        assert held.run(day)[0] == 0
    (held.state / "ledger.jsonl").unlink()
    deposit(held, "BTC", "0.5")

    code, said = held.run("2024-04-02")

    assert code in (0, 1), said
    assert set(account(held, "2024-04-02")["blocked"]) == {"BTC-USD"}


def rename(profile: Profile, product: str) -> Decimal:
    """Let the exchange cancel a product's stops and empty its wallet; return what was held."""
    held = profile.exchange().held(product)
    base = product.split("-")[0]
    with opened(profile) as exchange:
        for order in profile.exchange().stops(product):
            path = "/api/v3/brokerage/orders/batch_cancel"
            exchange.engine.handle("POST", path, None, {"order_ids": [order.order_id]})
        exchange.deposit(base, -held)
    return held


def without(product: str) -> dict[str, Any]:
    """Return a fault that takes a product's name out of the list."""
    return put("GET /products", f"products.product_id={product}.product_id", "GONE-USD")


def test_a_product_that_is_gone_is_unknown_and_not_zero(held: Profile, faulty: Faulty) -> None:
    """Exit 3 and an alarm each day, of the guard too, until it is released."""
    rename(held, "ETH-USD")

    with faulty(without("ETH-USD")):
        for day in (NEXT, AFTER):
            must_end(held.run(day), 3)
            found = impediments(held, day)["unknown_holding", "ETH-USD"]
            assert "no longer lists ETH-USD" in found["why"]
            assert "universe.renamed" in found["what_to_do"]
            assert account(held, day)["no_buys"]
        said = must_end(held.call("guard"), 3)
        assert "ETH-USD" in said
        assert held.call("protect")[0] == 3

        assert held.call("release", "ETH-USD")[0] == 0

        assert held.call("guard")[0] == 0
        # It is wanted again and not listed, which is another thing.
        assert held.run(LATER)[0] in (0, 1)
        assert ("unknown_holding", "ETH-USD") not in impediments(held, LATER)


def test_dust_of_a_product_no_more_listed_stops_nothing(held: Profile, faulty: Faulty) -> None:
    """Cents were no reason for a stop while it was listed, and are none for an alarm now."""
    deposit(held, "BTC", "0.00001")
    assert held.call("guard")[0] == 0

    with faulty(without("BTC-USD")):
        code, said = held.run(NEXT)
        assert code in (0, 1), said
        assert ("unknown_holding", "BTC-USD") not in impediments(held, NEXT)
        assert account(held, NEXT)["no_buys"] == ""
        assert held.call("guard")[0] == 0


def test_units_that_were_never_listed_are_let_go_by_release(held: Profile, faulty: Faulty) -> None:
    """No stop of it can be placed: exit 3 and the way out, instead of exit 3 for ever."""
    deposit(held, "BTC", "0.1")

    with faulty(without("BTC-USD")):
        must_end(held.run(NEXT), 3)
        found = impediments(held, NEXT)["unknown_holding", "BTC-USD"]
        assert "does not list BTC-USD" in found["why"]
        assert "tf release BTC-USD" in found["what_to_do"]

        must_end(held.call("release", "BTC-USD"))

        code, said = held.call("guard")
        # That it is in the universe and not listed is another thing, and still said.
        assert code == 1, said
        assert "0 unprotected" in said
        assert held.run(AFTER)[0] in (0, 1)


def test_a_product_that_comes_back_is_no_longer_locked(held: Profile, faulty: Faulty) -> None:
    """One answer without it is not the end of it."""
    with faulty(without("ETH-USD")):
        assert held.run(NEXT)[0] == 3

    must_end(held.run(AFTER))

    assert account(held, AFTER)["blocked"] == {}
    assert held.wrong(AFTER) == []


def test_an_account_row_that_is_gone_is_unknown(held: Profile) -> None:
    """The wallet of a held coin vanishes from the list: exit 3 though its stop still rests."""
    with contextlib.closing(sqlite3.connect(held.state / "exchange.sqlite")) as db, db:
        db.execute("DELETE FROM wallets WHERE currency = 'ETH'")

    must_end(held.run(NEXT), 3)

    assert ("unknown_holding", "ETH-USD") in impediments(held, NEXT)


@pytest.mark.parametrize("flag", ["trading_disabled", "view_only"])
def test_a_held_product_that_takes_no_orders_is_named(held: Profile, flag: str) -> None:
    """By the run on each day, and by the guard as an alarm."""
    set_flag(held, flag, "ETH-USD")

    for day in (NEXT, AFTER):
        must_end(held.run(day))
        found = {(x["kind"], x["product"]): x for x in held.summary(day)["impediments"]}
        assert flag in found["not_tradable", "ETH-USD"]["why"]
    said = must_end(held.call("guard"), 1)

    assert "ETH-USD" in said
    assert flag in said


def test_money_in_another_currency_is_said(tmp_path: Path) -> None:
    """15,000 USDC and tickers in USD: not an equity of nothing and done."""
    config = write_parameters(
        tmp_path / "few.yaml", universe=FEW_UNIVERSE, exchange={"starting_cash": "0"}
    )
    profile = Profile(config, tmp_path / "runs")
    with opened(profile, NEXT) as exchange:
        exchange.deposit("USDC", Decimal(15_000))

    said = must_end(profile.run(NEXT), 1)

    assert "the wallet of USD is empty, there are 15,000.00 USDC" in said
    assert ("wrong_currency", "") in impediments(profile, NEXT)


def test_cash_that_no_fill_explains_is_told_once(held: Profile) -> None:
    """On the day it came or went, and never on a day of trades alone."""
    deposit(held, "USD", "5000")
    assert held.run(NEXT)[0] == 0
    found = impediments(held, NEXT)["equity_unexplained", ""]
    assert "+5,000.00 USD" in found["why"]

    for day in (AFTER, LATER, "2024-03-23"):
        assert held.run(day)[0] == 0
        assert ("equity_unexplained", "") not in impediments(held, day)


def _renamed(held: Profile, folder: Path, old: str, new: str) -> Profile:
    """Let the exchange rename a coin at noon, two for one, and name it in the universe."""
    names = {old: new}
    events = folder / "events.yaml"
    renamed = {"product": old, "to": new, "ratio": "2", "at": f"{NEXT}T12:00:00Z"}
    universe = {
        "tickers": [names.get(t, t) for t in FEW_UNIVERSE["tickers"]],
        "sleeves": {
            sleeve: {**part, "tickers": [names.get(t, t) for t in part["tickers"]]}
            for sleeve, part in FEW_UNIVERSE["sleeves"].items()
        },
        "renamed": {old: {"to": new, "from": NEXT, "ratio": "2"}},
    }
    file = write_parameters(
        folder / "few.yaml", universe=universe, exchange={"faults": str(events)}
    )
    events.write_text(yaml.safe_dump({"events": [{"kind": "rename"} | renamed]}))
    return Profile(file, held.runs)


def test_a_coin_renamed_while_nothing_is_held_is_known(held: Profile, tmp_path: Path) -> None:
    """No row of the new coin is there before it is bought; nothing is kept from trading."""
    assert held.run(NEXT)[0] == 0
    assert not held.exchange().held("BTC-USD")
    profile = _renamed(held, tmp_path, "BTC-USD", "BTX-USD")

    must_end(profile.run(AFTER))

    assert impediments(profile, AFTER) == {}


def test_a_renamed_product_goes_on_under_its_new_name(held: Profile, tmp_path: Path) -> None:
    """Named in the universe, holding, level, history and ledger move over; nothing is unknown."""
    assert held.run(NEXT)[0] == 0
    units = held.exchange().held("ETH-USD")
    level = max(o.stop for o in held.exchange().stops("ETH-USD") if o.stop is not None)
    profile = _renamed(held, tmp_path, "ETH-USD", "ETN-USD")

    must_end(profile.run(AFTER))

    assert profile.exchange().held("ETN-USD") == 2 * units
    assert sum(o.remaining for o in profile.exchange().stops("ETN-USD")) == 2 * units
    stops = [o.stop for o in profile.exchange().stops("ETN-USD") if o.stop is not None]
    assert min(stops) >= level / 2 - Decimal("0.01")
    assert account(profile, AFTER)["blocked"] == {}
    assert impediments(profile, AFTER) == {}
    assert profile.summary(AFTER)["tickers"]["ETN-USD"]["reason"] == "below_threshold"
    assert [x["to"] for x in profile.ledger() if x["kind"] == "renamed"] == ["ETN-USD"]
    assert profile.run(LATER)[0] == 0
    assert profile.call("guard")[0] == 0
    assert len([x for x in profile.ledger() if x["kind"] == "renamed"]) == 1

"""`flatten`: out of everything or of some products, by the rules of a sale, and then paused."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.app.profile import BUSY_DAY as DAY
from tests.app.profile import DAY_BEFORE, Profile, going_wrong, must_end, put, tree
from tests.app.venue import deposit, interrupted, level, opened, set_flag, times
from tests.oracle.exchange_state import Order
from tf_lib.core.model.client_ids import Leg
from tf_lib.store.ledger import Ledger

SALE = {"endpoint": "POST /orders", "contains": "market_market_ioc"}
REFUSED = {"kind": "refuse", "error": "ORDER_ENTRY_DISABLED", **SALE}


def exits(profile: Profile) -> list[Order]:
    return [order for order in profile.exchange().orders if order.leg == "ex"]


def kinds(profile: Profile) -> list[str]:
    return [line["kind"] for line in profile.ledger()]


def status(profile: Profile) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(profile.call("status", "--json")[1])
    return found


def test_out_of_everything(busy: Profile) -> None:
    """Paused first, each sold by a plan of its own; nothing is bought until somebody resumes."""
    held, before = busy.exchange(), len(busy.ledger())

    said = must_end(busy.call("flatten", "--all", "--yes"))

    after, lines = busy.exchange(), busy.ledger()[before:]
    assert after.held_products == ()
    assert after.live == ()
    sold = {order.product: order.filled for order in exits(busy)}
    assert sold == {name: held.held(name) for name in held.held_products}
    assert lines[0]["kind"] == "paused"
    assert next(x for x in lines if x["kind"] == "flatten")["products"] == sorted(sold)
    plans = {x["id"] for x in lines if x["kind"] == "flatten_plan"}
    assert {x["plan"] for x in lines if x.get("leg") == "ex"} == plans
    assert len(plans) == len(sold)
    assert not [x for x in lines if x["kind"] in ("cooldown", "plan")]
    assert all(f"{name}: sold" in said for name in sold)
    shown = status(busy)
    assert (shown["flatten"], shown["sold_since"]) == (None, sorted(sold))

    must_end(busy.run(DAY), 1)
    assert busy.exchange().held_products == ()
    must_end(busy.call("resume"))
    must_end(busy.run(DAY, "--force-run"))
    assert busy.exchange().held_products


def test_out_of_one(busy: Profile) -> None:
    """The others keep the very stops that they have."""
    before = {o.client_id for o in busy.exchange().live if o.product != "ADA-USD"}

    must_end(busy.call("flatten", "ADA-USD", "--yes"))

    assert {o.client_id for o in busy.exchange().live} == before
    assert {o.product for o in exits(busy)} == {"ADA-USD"}
    assert busy.wrong(DAY_BEFORE) == []


def test_a_dry_run_says_what_it_would_do(busy: Profile) -> None:
    """Units, worth and stops of each; no changing request, and not a byte of the state changes."""
    before, asked = tree(busy.folder), busy.count_requests()

    said = must_end(busy.call("flatten", "--all", "--dry-run"))

    for name in busy.exchange().held_products:
        assert f"sells {name} {busy.exchange().held(name):f}, worth" in said
        assert f"at {level(busy, name)}" in said
    assert busy.changed(after=asked) == []
    log = str(busy.request_log.relative_to(busy.folder))
    assert {k: v for k, v in tree(busy.folder).items() if k != log} == {
        k: v for k, v in before.items() if k != log
    }


@pytest.mark.parametrize(("typed", "code"), [("flatten Trend Following", 0), ("yes", 1), ("", 1)])
def test_it_asks_once_for_a_word_that_nobody_types_by_accident(
    busy: Profile, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    """Whoever types anything else has changed nothing."""
    asked = list[str]()

    def answered(text: str) -> str:
        asked.append(text)
        return typed

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", answered)
    before = busy.ledger()

    must_end(busy.call("flatten", "ADA-USD"), code)

    assert len(asked) == 1
    assert "flatten Trend Following" in asked[0]
    assert (busy.ledger() == before) is bool(code)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--all",), "say --yes"),
        ((), "--all"),
        (("ADA-USD", "--all"), "--all"),
        (("FOO-USD", "--yes"), "FOO-USD: neither in the universe"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    busy: Profile, arguments: tuple[str, ...], says: str
) -> None:
    """Nobody there to ask, neither or both, a product that is none of ours: exit 2, as it was."""
    before = busy.ledger()

    said = must_end(busy.call("flatten", *arguments), 2)

    assert says in said
    if "FOO-USD" in arguments:
        assert all(name in said for name in busy.exchange().held_products)
    assert busy.ledger() == before


def test_before_the_first_run_nothing_is_held(profile: Profile) -> None:
    assert "never ran" in must_end(profile.call("flatten", "--all", "--yes"))


def test_a_refused_sale_leaves_its_product_covered(busy: Profile) -> None:
    """Exit 1, named in the exchange's words, an alarm until the same command finishes it."""
    with going_wrong(busy, REFUSED):
        said = must_end(busy.call("flatten", "ADA-USD", "--yes"), 1)

    assert "NOT SOLD ADA-USD" in said
    assert "ORDER_ENTRY_DISABLED" in said
    assert busy.wrong(DAY_BEFORE) == []
    assert "UNFINISHED" in busy.call("status")[1]
    assert "tf flatten ADA-USD" in must_end(busy.call("guard"), 1)
    must_end(busy.run(DAY), 1)
    (found,) = [x for x in busy.summary(DAY)["impediments"] if x["kind"] == "flatten_unfinished"]
    assert "tf flatten ADA-USD" in found["what_to_do"]

    must_end(busy.call("flatten", "ADA-USD", "--yes"))

    assert busy.exchange().held("ADA-USD") == 0
    assert must_end(busy.call("guard")).endswith("0 other alarms\n")
    assert status(busy)["flatten"] is None


def test_resume_gives_a_flatten_up(busy: Profile) -> None:
    """Whoever wants to trade again no longer wants to be out."""
    with going_wrong(busy, REFUSED):
        must_end(busy.call("flatten", "ADA-USD", "--yes"), 1)

    must_end(busy.call("resume"))

    assert (status(busy)["flatten"], status(busy)["paused"]) == (None, None)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_a_sale_without_an_answer_is_made_once(busy: Profile, kind: str) -> None:
    """It is looked up; what never arrived goes out once more under its own id."""
    held = busy.exchange().held("ADA-USD")
    with going_wrong(busy, {"kind": kind, "calls": [1], **SALE}):
        must_end(busy.call("flatten", "ADA-USD", "--yes"))

    assert sum(order.filled for order in exits(busy)) == held
    assert len(exits(busy)) == 1
    assert busy.wrong(DAY_BEFORE) == []


def test_holds_that_come_back_late_are_waited_for(busy: Profile) -> None:
    """A stop is cancelled, and its units are free only 20 s later."""
    with going_wrong(busy, world={"hold_release_seconds": 20, "cancel_ack_seconds": 5}):
        must_end(busy.call("flatten", "--all", "--yes"))

    assert busy.exchange().held_products == ()


def test_price_below_the_stop_in_between_is_sold_once(busy: Profile) -> None:
    """It falls through limit and stop while the hold is still there: no stop-out, no cooldown."""
    held, price = busy.exchange().held("ADA-USD"), times(level(busy, "ADA-USD"), "0.8")
    with going_wrong(busy, world={"hold_release_seconds": 20}):
        with opened(busy) as exchange:
            begin = exchange.now() + dt.timedelta(seconds=6)
            until = begin + dt.timedelta(hours=1)
            exchange.plant_jump("ADA-USD", begin, price, hold_until=until)
        must_end(busy.call("flatten", "ADA-USD", "--yes"))

    (sold,) = exits(busy)
    fills = [fill.price for fill in busy.exchange().fills if fill.order_id == sold.order_id]
    assert sold.filled == held
    assert max(fills) <= price
    assert "cooldown" not in kinds(busy)


def test_what_is_not_ours_is_kept(busy: Profile) -> None:
    """Only our own units are sold; the rest is under its stop, and how to have it is said."""
    ours = busy.exchange().held("ADA-USD")
    deposit(busy, "ADA", "500")
    must_end(busy.call("guard"), 1)

    said = must_end(busy.call("flatten", "ADA-USD", "--yes"))

    assert "tf release ADA-USD" in said
    assert sum(order.filled for order in exits(busy)) == pytest.approx(ours, abs=Decimal("1e-6"))
    assert busy.exchange().held("ADA-USD") == pytest.approx(Decimal(500), abs=Decimal("1e-6"))
    assert busy.wrong(DAY_BEFORE) == []


def _halted(profile: Profile) -> list[dict[str, Any]]:
    set_flag(profile, "trading_disabled", "ADA-USD")
    return []


def _unpriced(profile: Profile) -> list[dict[str, Any]]:
    return [put("GET /best_bid_ask", "pricebooks.product_id=ADA-USD.bids", [])]


@pytest.mark.parametrize("spoil", [_halted, _unpriced])
def test_what_cannot_be_sold_now_keeps_its_stop(
    busy: Profile, spoil: Callable[[Profile], list[dict[str, Any]]]
) -> None:
    """A product that takes no orders, or has no believable price: named; others are sold."""
    stops = {o.client_id for o in busy.exchange().stops("ADA-USD")}
    with going_wrong(busy, *spoil(busy)):
        assert "NOT sold: ADA-USD" in must_end(busy.call("flatten", "--all", "--dry-run"), 1)
        said = must_end(busy.call("flatten", "--all", "--yes"), 1)

    assert "NOT SOLD ADA-USD" in said
    assert {o.client_id for o in busy.exchange().live} == stops
    assert busy.exchange().held_products == ("ADA-USD",)


def test_interrupted_it_covers_and_the_same_command_finishes_it(
    busy: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first sale somebody presses Ctrl-C, with a stop cancelled."""
    intend = Ledger.intend

    def dies(ledger: Ledger, key: Any, *rest: Any, **more: Any) -> Any:
        if key.leg is Leg.EXIT and key.product_id != "ADA-USD":
            raise KeyboardInterrupt
        return intend(ledger, key, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "intend", dies)
        said = must_end(busy.call("flatten", "--all", "--yes"), 1)
    assert "stopped: interrupted" in said
    assert busy.wrong(DAY_BEFORE) == []
    assert status(busy)["flatten"]["products"]

    must_end(busy.call("flatten", "--all", "--yes"))

    assert busy.exchange().held_products == ()
    assert len(exits(busy)) == len({o.product for o in exits(busy)})


def test_after_a_run_that_died_in_its_middle(
    busy: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frozen plan is not carried on: what it wanted to trim is sold, what it wanted waits."""
    interrupted(busy, monkeypatch, orders=1)
    must_end(busy.call("flatten", "--all", "--yes"))
    sold = len(exits(busy))

    must_end(busy.run(DAY), 1)

    assert busy.exchange().held_products == ()
    assert len(exits(busy)) == sold
    orders = [o for o in busy.exchange().orders if o.is_own and str(o.day) == DAY]
    assert {(o.product, o.leg) for o in orders if o.leg in ("tr", "en", "pi")} == {
        ("ADA-USD", "tr")
    }


def test_a_spoilt_ledger_says_how_to_get_out(busy: Profile) -> None:
    """What is ours stands in it: nothing is sold, by hand it can be, and protection goes on."""
    with (busy.state / "ledger.jsonl").open("a", encoding="utf-8") as ledger:
        ledger.write("{nonsense}\n")
    asked = busy.count_requests()

    said = must_end(busy.call("flatten", "--all", "--yes"), 2)

    assert all(words in said for words in ("is not JSON", "by hand", "tf protect"))
    assert busy.changed(after=asked) == []

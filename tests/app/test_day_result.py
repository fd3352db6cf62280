"""The day's result: against yesterday, the start and BTC; what stops sold and at what loss."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from tests.app.mailbox import Mailbox
from tests.app.profile import BUSY_DAY as DAY
from tests.app.profile import DAY_AFTER, DAY_BEFORE, FEW_UNIVERSE, Profile, must_end, new_profile
from tests.app.venue import deposit, jump
from tf_lib.pages import words
from tf_lib.pages.day.headline import DayFacts, Level, verdict
from tf_lib.pages.site import equity_curve, read_runs, write_site


@pytest.fixture
def profile(busy_by_mail: Profile) -> Profile:
    return busy_by_mail


def stop_everything_out(profile: Profile) -> None:
    """Let every held price fall between stop and limit, half a minute before the day's run."""
    for product in profile.exchange().held_products:
        stop = profile.exchange().stops(product)[0]
        assert stop.stop is not None
        assert stop.limit is not None
        price = ((stop.stop + stop.limit) / 2).quantize(stop.stop)
        jump(profile, product, DAY, price)


def test_the_first_run_is_held_against_what_was_there_before_it(profile: Profile) -> None:
    """Its fees and slippage are the result since the start; there is no run before."""
    summary = profile.summary(DAY_BEFORE)
    result = summary["result"]

    assert result["since_previous"] is None
    assert result["since_start"]["equity"] == 15000.0
    assert result["since_start"]["change"] == pytest.approx(summary["equity"] - 15000.0)
    assert result["fees"] == pytest.approx(sum(float(o["fees"]) for o in summary["orders"]))


def test_a_day_on_which_every_position_was_stopped_out(profile: Profile, mailbox: Mailbox) -> None:
    """What happened, what it cost, against yesterday and the start; and it is no good day."""
    before = profile.summary(DAY_BEFORE)
    held = set(before["positions"])
    stop_everything_out(profile)

    said = must_end(profile.run(DAY))

    summary = profile.summary(DAY)
    result = summary["result"]
    change = summary["equity"] - before["equity"]
    assert change < -500
    assert result["since_previous"]["date"] == DAY_BEFORE
    assert result["since_previous"]["change"] == pytest.approx(change)
    assert result["since_previous"]["return"] == pytest.approx(change / before["equity"])
    assert result["since_start"]["change"] == pytest.approx(summary["equity"] - 15000.0)
    assert result["since_start"]["return"] == pytest.approx(summary["equity"] / 15000.0 - 1)
    sold = {row["product"]: row for row in result["stopped_out"]}
    assert set(sold) == held
    for product, row in sold.items():
        taken = [x for x in summary["taken"] if x["product_id"] == product]
        units = sum(Decimal(x["filled_size"]) for x in taken)
        assert row["size"] == pytest.approx(float(units))
        assert row["gain"] == pytest.approx((row["price"] - row["entry_price"]) * row["size"])
        assert row["gain"] < 0
    fees = sum(float(o["fees"]) for o in (*summary["orders"], *summary["taken"]))
    assert result["fees"] == pytest.approx(fees)

    found = verdict(DayFacts.from_summary(summary))
    assert found.level is Level.LOOK
    assert found.title.startswith("Stopped out: ADA-USD, FET-USD and XTZ-USD sold by their stops")
    share = f"({100 * change / before['equity']:+.2f} %)"
    told = f"{change:+,.2f} USD {share} since the run of {DAY_BEFORE}"
    for shown in (said, mailbox.text(), profile.call("status")[1], "\n".join(found.points)):
        assert told in shown
        assert "XTZ-USD was sold by its stop: " in shown
    subject = " ".join(str(mailbox.messages[-1]["Subject"]).split())
    assert f"{change:+,.2f} {share}" in subject
    page = write_site(profile.runs, list(read_runs(profile.runs))).read_text(encoding="utf-8")
    assert f"{change:+,.2f} (" in page


def test_money_that_came_in_is_no_result(profile: Profile) -> None:
    """A deposit is named and taken out; growth is that of the same day without it."""
    twin = profile.copied(profile.runs.with_name("twin"))
    twin.run(DAY)
    deposit(profile, "USD", "1000")

    said = must_end(profile.run(DAY))

    result, without = profile.summary(DAY)["result"], twin.summary(DAY)["result"]
    assert result["transfer"] == pytest.approx(1000, abs=0.01)
    assert "1,000.00 USD came in: taken out of the result" in said
    own, theirs = result["since_previous"]["return"], without["since_previous"]["return"]
    assert own == pytest.approx(theirs, abs=0.001)
    change = profile.summary(DAY)["equity"] - profile.summary(DAY_BEFORE)["equity"] - 1000
    assert result["since_previous"]["change"] == pytest.approx(change, abs=0.01)
    profile.run(DAY_AFTER)
    later = profile.summary(DAY_AFTER)["result"]
    assert later["transfer"] == 0.0
    grown = (1 + result["since_start"]["return"]) * (1 + later["since_previous"]["return"])
    assert later["since_start"]["return"] == pytest.approx(grown - 1)
    _transfer_is_listed_and_labelled(profile)
    curve = equity_curve("few", [run for run in read_runs(profile.runs) if not run.kind])
    assert curve is not None
    assert "1,000 came in: taken out of the curve" in curve.alt
    drawn = later["growth"] / profile.summary(DAY_BEFORE)["result"]["growth"] - 1
    assert words.percent(drawn, signed=True) in curve.alt


def _transfer_is_listed_and_labelled(profile: Profile) -> None:
    """The day that saw it, in money, and what a person says of it; the last word counts."""
    (found,) = json.loads(must_end(profile.call("transfers", "--json")))
    assert (found["date"], found["amount"], found["label"]) == (DAY, 1000.0, "")
    labelled = ("transfers", "--day", DAY, "--label")
    must_end(profile.call(*labelled, "a mistake"))
    said = must_end(profile.call(*labelled, "savings of March"))
    assert said.splitlines()[0].split() == [
        DAY,
        "1,000.00",
        *["USD", "came", "in", "savings", "of", "March"],
    ]
    for words_ in (("--day", DAY), ("--label", "x"), ("--day", DAY_AFTER, "--label", "x")):
        assert profile.call("transfers", *words_)[0] == 2


def test_earlier_days_may_be_moved_away(profile: Profile) -> None:
    """The record in the state folder stands in for a summary that is gone."""
    equity = profile.summary(DAY_BEFORE)["equity"]
    shutil.rmtree(profile.day(DAY_BEFORE))

    assert profile.run(DAY)[0] == 0
    assert profile.summary(DAY)["result"]["since_previous"]["equity"] == pytest.approx(equity)


def test_a_profile_from_before_the_record(profile: Profile) -> None:
    """Its summaries tell where it stood."""
    for name in ("equity.jsonl", "equity_figures.json"):
        (profile.state / name).unlink()

    assert profile.run(DAY)[0] == 0
    assert profile.summary(DAY)["result"]["since_previous"]["date"] == DAY_BEFORE


def test_a_spoilt_record_loses_no_day(profile: Profile) -> None:
    """Somebody edited it: a warning, and the day is done."""
    (profile.state / "equity.jsonl").write_text('{"date": "2024-03-08"}\n', encoding="utf-8")

    must_end(profile.run(DAY))

    assert any("the day's result" in e["message"] for e in profile.summary(DAY)["errors"])


def test_btc_and_equal_weight_of_the_same_days(tmp_path: Path) -> None:
    """Closes of the days before, from the candles the run decided on."""
    profile = new_profile(tmp_path / "few.yaml", DAY_BEFORE, DAY, universe=FEW_UNIVERSE)
    others = profile.summary(DAY)["result"]["since_previous"]["benchmarks"]
    tickers = {t: row["close"] for t, row in profile.summary(DAY)["tickers"].items()}
    then = {t: row["close"] for t, row in profile.summary(DAY_BEFORE)["tickers"].items()}
    returns = {t: close / then[t] - 1 for t, close in tickers.items()}

    assert others["BTC-USD"] == pytest.approx(returns["BTC-USD"])
    assert others["equal_weight"] == pytest.approx(sum(returns.values()) / len(returns))
    assert json.loads(profile.call("status", "--json")[1])["result"]["since_previous"]

"""The day's result: against yesterday, the start and BTC; what stops sold and at what loss."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from tests.app.profile import (
    BUSY_DAY,
    BUSY_EVE,
    BUSY_MORROW,
    BUSY_UNIVERSE,
    FEW_UNIVERSE,
    Profile,
    after_days,
    write_parameters,
)
from tests.app.test_impediments import text_of
from tests.app.test_mail import Mailbox, mailbox
from tests.app.venue import jump, opened
from tf_lib.pages.day.headline import DayFacts, Level, verdict
from tf_lib.pages.site import read_runs, write_site

__all__ = ["mailbox"]
EVE, DAY, MORROW = BUSY_EVE, BUSY_DAY, BUSY_MORROW


@pytest.fixture(scope="module")
def eve(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Return a profile that holds three positions."""
    folder = tmp_path_factory.mktemp("eve")
    sections = {"universe": BUSY_UNIVERSE, "notifications": {"email": True}}
    return after_days(write_parameters(folder / "busy.yaml", **sections), EVE)


@pytest.fixture
def profile(eve: Profile, tmp_path: Path) -> Profile:
    """Return a copy of it."""
    return eve.copied(tmp_path / "runs")


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
    summary = profile.summary(EVE)
    result = summary["result"]

    assert result["since_previous"] is None
    assert result["since_start"]["equity"] == 15000.0
    assert result["since_start"]["change"] == pytest.approx(summary["equity"] - 15000.0)
    assert result["fees"] == pytest.approx(sum(float(o["fees"]) for o in summary["orders"]))


def test_a_day_on_which_every_position_was_stopped_out(profile: Profile, mailbox: Mailbox) -> None:
    """What happened, what it cost, against yesterday and the start; and it is no good day."""
    before = profile.summary(EVE)
    held = set(before["positions"])
    stop_everything_out(profile)

    code, said = profile.run(DAY)

    assert code == 0, said
    summary = profile.summary(DAY)
    result = summary["result"]
    change = summary["equity"] - before["equity"]
    assert change < -500
    assert result["since_previous"]["date"] == EVE
    assert result["since_previous"]["change"] == pytest.approx(change)
    assert result["since_previous"]["return"] == pytest.approx(change / before["equity"])
    assert result["since_start"]["change"] == pytest.approx(summary["equity"] - 15000.0)
    assert result["since_start"]["return"] == pytest.approx(summary["equity"] / 15000.0 - 1)
    sold = {row["product"]: row for row in result["stopped_out"]}
    assert set(sold) == held
    for product, row in sold.items():
        units = sum(
            Decimal(x["filled_size"]) for x in summary["taken"] if x["product_id"] == product
        )
        assert row["size"] == pytest.approx(float(units))
        assert row["gain"] == pytest.approx((row["price"] - row["entry_price"]) * row["size"])
        assert row["gain"] < 0
    fees = sum(float(o["fees"]) for o in (*summary["orders"], *summary["taken"]))
    assert result["fees"] == pytest.approx(fees)

    found = verdict(DayFacts.from_summary(summary))
    assert found.level is Level.LOOK
    assert found.title.startswith("Stopped out: ADA-USD, FET-USD and XTZ-USD sold by their stops")
    told = f"{change:+,.2f} USD ({100 * change / before['equity']:+.2f} %) since the run of {EVE}"
    for shown in (said, text_of(mailbox), profile.call("status")[1], "\n".join(found.points)):
        assert told in shown
        assert "XTZ-USD was sold by its stop: " in shown
    subject = " ".join(str(mailbox.messages[-1]["Subject"]).split())
    assert f"{change:+,.2f} ({100 * change / before['equity']:+.2f} %)" in subject
    page = write_site(profile.runs, list(read_runs(profile.runs))).read_text(encoding="utf-8")
    assert f"{change:+,.2f} (" in page


def test_money_that_came_in_is_no_result(profile: Profile) -> None:
    """A deposit is named and taken out; growth is that of the same day without it."""
    twin = profile.copied(profile.runs.with_name("twin"))
    twin.run(DAY)
    with opened(profile) as exchange:
        exchange.deposit("USD", Decimal(1000))

    code, said = profile.run(DAY)

    assert code == 0, said
    result, without = profile.summary(DAY)["result"], twin.summary(DAY)["result"]
    assert result["transfer"] == pytest.approx(1000, abs=0.01)
    assert "1,000.00 USD came in: taken out of the result" in said
    own, theirs = result["since_previous"]["return"], without["since_previous"]["return"]
    assert own == pytest.approx(theirs, abs=0.001)
    assert result["since_previous"]["change"] == pytest.approx(
        profile.summary(DAY)["equity"] - profile.summary(EVE)["equity"] - 1000, abs=0.01
    )
    profile.run(MORROW)
    later = profile.summary(MORROW)["result"]
    assert later["transfer"] == 0.0
    assert later["since_start"]["return"] == pytest.approx(
        (1 + result["since_start"]["return"]) * (1 + later["since_previous"]["return"]) - 1
    )


def test_earlier_days_may_be_moved_away(profile: Profile) -> None:
    """The record in the state folder stands in for a summary that is gone."""
    equity = profile.summary(EVE)["equity"]
    shutil.rmtree(profile.day(EVE))

    assert profile.run(DAY)[0] == 0
    assert profile.summary(DAY)["result"]["since_previous"]["equity"] == pytest.approx(equity)


def test_a_profile_from_before_the_record(profile: Profile) -> None:
    """Its summaries tell where it stood."""
    for name in ("equity.jsonl", "equity_figures.json"):
        (profile.state / name).unlink()

    assert profile.run(DAY)[0] == 0
    assert profile.summary(DAY)["result"]["since_previous"]["date"] == EVE


def test_a_spoilt_record_loses_no_day(profile: Profile) -> None:
    """Somebody edited it: a warning, and the day is done."""
    (profile.state / "equity.jsonl").write_text('{"date": "2024-03-08"}\n', encoding="utf-8")

    code, said = profile.run(DAY)

    assert code == 0, said
    assert any("the day's result" in e["message"] for e in profile.summary(DAY)["errors"])


def test_btc_and_equal_weight_of_the_same_days(tmp_path: Path) -> None:
    """Closes of the days before, from the candles the run decided on."""
    profile = after_days(write_parameters(tmp_path / "few.yaml", universe=FEW_UNIVERSE), EVE, DAY)
    others = profile.summary(DAY)["result"]["since_previous"]["benchmarks"]
    tickers = {t: row["close"] for t, row in profile.summary(DAY)["tickers"].items()}
    then = {t: row["close"] for t, row in profile.summary(EVE)["tickers"].items()}
    returns = {t: close / then[t] - 1 for t, close in tickers.items()}

    assert others["BTC-USD"] == pytest.approx(returns["BTC-USD"])
    assert others["equal_weight"] == pytest.approx(sum(returns.values()) / len(returns))
    assert json.loads(profile.call("status", "--json")[1])["result"]["since_previous"]

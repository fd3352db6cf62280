"""The headline: good only when nothing is wrong, and never silent about what is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pages.day import order_row, stop_row
from tf_lib.pages.day.headline import DayFacts, Level, banner, verdict


def facts(**changed: Any) -> DayFacts:
    """A good day, with changes."""
    good: dict[str, Any] = {
        "date": "2024-03-01",
        "profile": "demo",
        "orders": [order_row("AAA-USD")],
        "stops": [stop_row("AAA-USD"), stop_row("BBB-USD")],
    }
    return DayFacts(**{**good, **changed})


def test_a_good_day_is_one_line() -> None:
    """Orders and stops in words, nothing to add."""
    found = verdict(facts())

    assert found.level is Level.GOOD
    assert found.title == "Good day: 1 order filled, all 2 positions under stops"
    assert found.points == ()


def test_an_empty_day_is_good_too() -> None:
    """Nothing held and nothing wanted is no news."""
    found = verdict(facts(orders=[], stops=[]))

    assert found.title == "Good day: nothing to trade, nothing held"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"stops": [stop_row("BBB-USD", status="failed")]}, "protect --profile demo"),
        ({"orders": [order_row("BBB-USD", status="unsettled")]}, "order list"),
        ({"errors": [{"severity": "error", "message": "disk full"}]}, "disk full"),
        ({"errors": [{"message": "without a severity"}]}, "without a severity"),
        ({"exit_code": 1, "problems": ["cell 12 failed"]}, "cell 12 failed"),
        ({"exit_code": 2}, "Correct what the message names"),
        ({"exit_code": 3}, "The exit code was 3."),
        ({"exit_code": 5}, "Check network, key and portfolio"),
        ({"exit_code": 77}, "The exit code was 77."),
    ],
)
def test_danger_wants_action_and_says_which(changed: dict[str, Any], said: str) -> None:
    """The point names the trouble and what to do."""
    found = verdict(facts(**changed))

    assert found.level is Level.ACT
    assert found.title.startswith("ACT NOW")
    assert said in found.points[0]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"orders": [order_row("BBB-USD", status="refused")]}, "refused by the exchange (why not)"),
        ({"not_ok": ["CCC-USD", "AAA-USD"]}, "AAA-USD and CCC-USD"),
        ({"bare_seconds": {"AAA-USD": 61.0}}, "without its stop for 1 min 1 s"),
        ({"problems": ["the clock is +0.7 s off"]}, "clock"),
        ({"errors": [{"severity": "warning", "message": "mail"}]}, "mail"),
        ({"stops": [stop_row("AAA-USD", reason="holding unknown, stops left")]}, "unknown"),
    ],
)
def test_odd_things_want_a_look(changed: dict[str, Any], said: str) -> None:
    """Not dangerous, not nothing."""
    found = verdict(facts(**changed))

    assert found.level is Level.LOOK
    assert any(said in point for point in found.points)


def test_a_failed_run_is_said_in_the_title() -> None:
    """No order was sent, which is not the same as nothing to trade."""
    found = verdict(facts(exit_code=1, orders=[]))

    assert found.title == "ACT NOW: the run failed; no orders, all 2 positions under stops"


def test_an_unknown_holding_is_not_counted_as_protected() -> None:
    """What could not be read is never called good."""
    rows = [stop_row("AAA-USD"), stop_row("BBB-USD", reason="holding unknown, stops left")]

    assert "only 1 of 2 positions known to be under stops" in verdict(facts(stops=rows)).title


def test_a_short_bare_time_is_part_of_a_good_day() -> None:
    """Replacing a stop takes a second or two."""
    assert verdict(facts(bare_seconds={"AAA-USD": 2.5})).level is Level.GOOD


def test_a_note_does_not_make_a_day_less_good() -> None:
    """A cooldown is news, not trouble."""
    found = verdict(facts(notes=["LINK-USD cools down since 2024-02-28."]))

    assert found.level is Level.GOOD
    assert found.points == ("LINK-USD cools down since 2024-02-28.",)


def test_a_dry_run_says_that_nothing_was_sent() -> None:
    """Previews are not fills."""
    orders = [
        order_row("A-USD", status="preview_ok"),
        order_row("B-USD", "SELL", "would_cancel_first"),
    ]
    found = verdict(facts(orders=orders, mode="dry"))

    assert found.level is Level.GOOD
    assert "dry run, nothing was sent: 2 orders previewed" in found.title


def test_facts_are_read_off_a_summary() -> None:
    """The same words from the daily summary."""
    summary = {
        "date": "2024-03-01",
        "profile": "live",
        "state": "unprotected",
        "exit_code": 3,
        "equity": 15000.4,
        "orders": [order_row("AAA-USD")],
        "stops": [stop_row("AAA-USD", status="failed")],
        "data_quality": {"not_ok": ["BBB-USD"], "problems": ["short page"]},
        "problems": ["cell 12 failed"],
        "errors": [],
        "bare_seconds": {"AAA-USD": 5.0},
    }
    found = verdict(DayFacts.from_summary(summary))

    assert found.level is Level.ACT
    assert "protect --profile live" in found.points[0]
    assert {"short page", "cell 12 failed"} <= set(found.points)


@pytest.mark.parametrize("summary", [{}, {"orders": None, "stops": None, "data_quality": None}])
def test_a_summary_that_lacks_everything_is_read(summary: dict[str, Any]) -> None:
    """A run that was refused leaves little behind."""
    assert verdict(DayFacts.from_summary(summary)).title


def test_the_banner_is_not_colour_alone_and_escapes() -> None:
    """A mark and words beside the colour; messages of others are text, not HTML."""
    shown = banner(facts(errors=[{"message": "<script>alert(1)</script>"}]))

    assert "✗ ACT NOW" in shown.text
    assert "<script>" not in shown.html
    assert "2024-03-01 · demo" in shown.text

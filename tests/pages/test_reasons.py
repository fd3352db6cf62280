"""Reasons: the threshold that refused a change is shown in money, beside the change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.pages.day import page_day
from tf_lib.core.model.run_rows import ImpedimentRow
from tf_lib.pages.day import tables
from tf_lib.pages.day.headline import DayFacts, Level, verdict
from tf_lib.pages.day.reasons import why


def test_a_change_below_the_threshold_names_both() -> None:
    """Held 4,937 and wanted 3,832 of 14,860: 1,105 is below a tenth of equity, 1,486."""
    made = page_day().decision
    decision = replace(made, trades=replace(made.trades, equity=14_860.0))
    row = {"reason": "below_threshold", "target_notional": 3832.0, "current_notional": 4937.0}

    said = "no trade: the change of 1,105 is below the 1,486 that is worth its cost: 10 % of equity"
    assert why(decision, row) == said


def test_a_buy_that_shrank_below_the_minimum_is_not_laid_to_the_threshold() -> None:
    """Its change was large enough; the cash was not."""
    decision = page_day().decision
    row = {"reason": "below_threshold", "target_notional": 9000.0, "current_notional": 0.0}

    assert "the exchange would refuse it" in why(decision, row)


@pytest.mark.parametrize(
    ("kind", "missed", "level", "title"),
    [
        ("locked", False, Level.LOOK, "Attention: AAA-USD locked; no orders, nothing held"),
        (
            "locked",
            True,
            Level.ACT,
            "ACT NOW: not sold (AAA-USD: full exit of 5.00 USD); no orders",
        ),
        ("paused", True, Level.LOOK, "Attention: AAA-USD paused; no orders, nothing held"),
    ],
)
def test_what_stood_in_the_way_is_the_headline(
    kind: str, missed: bool, level: Level, title: str
) -> None:
    """Never "good", never "nothing to trade"; a missed exit wants a person, but in a pause."""
    row: ImpedimentRow = {
        "kind": kind,
        "scope": "product",
        "product": "AAA-USD",
        "is_missed_exit": missed,
        "why": "x",
        "wanted": "full exit of 5.00 USD",
        "since": "2024-03-01",
        "what_to_do": "tf release",
    }
    found = verdict(DayFacts("2024-03-02", impediments=[row], exit_code=1, state="attention"))

    assert found.level is level
    assert found.title.startswith(title)
    assert "what to do: tf release" in found.points[0]
    assert f"AAA-USD {kind}" in tables.impediments_table([row]).text

"""Tables say in words what was decided, traded, protected, and what is wrong with the data."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from tests.core.build import market
from tests.pages.day import PageDay, order_row, page_day, stop_row
from tf_lib.core.model.client_ids import Leg
from tf_lib.core.model.records import Reason, Side
from tf_lib.core.model.run_rows import ErrorRow
from tf_lib.core.orders.build import OrderBuild, PlannedOrder
from tf_lib.pages import words
from tf_lib.pages.day import tables
from tf_lib.pages.html import Fragment


def line_of(table: Fragment, ticker: str) -> str:
    """The row of a ticker in a table's text."""
    found: str
    (found,) = [line for line in table.text.splitlines() if line.startswith(ticker)]
    return found


def test_every_reason_has_words() -> None:
    """A new reason without an explanation fails here."""
    assert set(words.REASONS) == set(Reason)


def test_decision_leads_from_signal_to_order(day: PageDay) -> None:
    """One row per ticker with its numbers, its order and the reason in words."""
    size, price = Decimal("2.2712"), Decimal("3568.7")
    order = PlannedOrder("BBB-USD", Side.SELL, Leg.TRIM, size, price, Reason.TRIM)
    build = OrderBuild("BBB-USD", Reason.TRIM, order, "")
    shown = tables.decision_table(day.decision, [build])

    assert "SELL 2.2712 BBB" in line_of(shown, "BBB-USD")
    assert words.REASONS[Reason.TRIM] in line_of(shown, "BBB-USD")
    assert "-8,107" in line_of(shown, "BBB-USD")


def test_a_trade_without_an_order_says_why(day: PageDay) -> None:
    """What was desired and not built must not look like an order."""
    build = OrderBuild("BBB-USD", Reason.TRIM, None, "below the exchange's minimum")

    shown = tables.decision_table(day.decision, [build])

    assert "below the exchange's minimum" in line_of(shown, "BBB-USD")


def test_tickers_that_matter_stand_first(day: PageDay) -> None:
    """What is neither held nor wanted comes last and is greyed."""
    shown = tables.decision_table(day.decision)

    assert shown.text.splitlines()[-1].startswith("CCC-USD")
    assert shown.html.count('class="quiet"') == 1


def test_undefined_numbers_are_dashes() -> None:
    """A ticker without a history has no number, not 0 and not nan."""
    late = market()
    late["DDD-USD"] = late["DDD-USD"].iloc[-40:]
    shown = tables.decision_table(page_day(late).decision)

    assert words.UNDEFINED in line_of(shown, "DDD-USD")
    assert "nan" not in shown.text.lower()


def test_slippage_is_positive_when_against_us() -> None:
    """Bought at 101 for 100 and sold at 99 for 100 both cost 1 %."""
    shown = tables.orders_table([order_row("AAA-USD"), order_row("BBB-USD", side="SELL")])

    assert "1.00 %" in line_of(shown, "AAA-USD")
    assert "1.00 %" in line_of(shown, "BBB-USD")
    assert "-1.00 %" not in shown.text


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("refused", "refused by the exchange: why not"),
        ("unsettled", "the exchange has not said what became of it: why not"),
        ("skipped", "not sent: why not"),
        ("preview_ok", "preview: would be taken"),
        ("something_new", "something_new: why not"),
    ],
)
def test_an_order_that_was_not_filled_says_what_became_of_it(status: str, said: str) -> None:
    """Every status is words; one that is not known is shown as it is."""
    assert said in tables.orders_table([order_row("AAA-USD", status=status)]).text


def test_orders_without_any_number_are_shown() -> None:
    """A preview has neither fill nor fees."""
    row: Any = {"product_id": "AAA-USD", "side": "BUY", "base_size": "1", "status": "preview_ok"}

    assert words.UNDEFINED in tables.orders_table([row]).text


def test_a_bare_position_is_marked() -> None:
    """The row is red and says it in capitals."""
    failed = stop_row("BBB-USD", status="failed", reason="refused", notes=["5 ticks: refused"])
    shown = tables.stops_table([stop_row("AAA-USD"), failed], bare_seconds={"AAA-USD": 130.0})

    assert "NOT PROTECTED" in line_of(shown, "BBB-USD")
    assert "5 ticks: refused" in line_of(shown, "BBB-USD")
    assert "2 min 10 s" in line_of(shown, "AAA-USD")
    assert shown.html.count('class="bad"') == 1


def test_the_last_word_on_a_product_counts() -> None:
    """A stop that failed and was then placed protects."""
    rows = [stop_row("AAA-USD", status="failed"), stop_row("AAA-USD", status="placed")]

    assert "NOT PROTECTED" not in tables.stops_table(rows).text


def test_not_protected_sees_bare_silent_and_unknown() -> None:
    """Bare by its row, without any row, and unknown; what is not held needs none."""
    held = pd.DataFrame(
        {"available": ["1", "0", "2", "0", "0"], "hold": ["0", "3", "0", "0", "4"]},
        index=["AAA-USD", "BBB-USD", "CCC-USD", "DDD-USD", "EEE-USD"],
    )
    rows = [
        stop_row("AAA-USD", status="failed"),
        stop_row("BBB-USD"),
        stop_row("EEE-USD", reason="holding unknown, stops left as they are: no row"),
    ]

    assert tables.not_protected(held, rows) == ["AAA-USD", "CCC-USD", "EEE-USD"]


def test_dust_is_protected_enough() -> None:
    """A row that says dust answers for its holding."""
    held = pd.DataFrame({"available": ["0.0001"], "hold": ["0"]}, index=["AAA-USD"])

    assert tables.not_protected(held, [stop_row("AAA-USD", reason="dust")]) == []


def test_a_missing_bar_of_yesterday_is_said() -> None:
    """The ticker is marked, and problems and revisions stand below."""
    stale = market()
    stale["CCC-USD"] = stale["CCC-USD"].iloc[:-1]
    day = page_day(stale)
    report = {"problems": ["two pages were short"], "revisions": [{"ticker": "AAA-USD"}]}
    shown = tables.data_quality(day.decision, day.bars, report)

    assert tables.not_ok(day.decision) == ["CCC-USD"]
    assert "3 of 4 tickers have a believable bar of yesterday." in shown.text
    assert "missing or not usable" in line_of(shown, "CCC-USD")
    assert "- two pages were short" in shown.text
    assert "- revised: ticker AAA-USD" in shown.text


def test_cooldowns_say_until_when(day: PageDay) -> None:
    """Seven days from the start, that day included; what ended is not mentioned."""
    today = day.decision.as_of
    began = {"AAA-USD": today - dt.timedelta(days=6), "BBB-USD": today - dt.timedelta(days=7)}
    notes = tables.cooldown_notes(day.decision, began)
    breached = sorted(day.decision.cooldowns_started)

    assert notes[0].endswith(f"not bought before {today + dt.timedelta(days=1)}.")
    assert [note.split()[0] for note in notes] == ["AAA-USD", *breached]


def test_a_breach_today_outlasts_a_cooldown_that_has_ended(day: PageDay) -> None:
    """What was remembered of the same ticker is long over."""
    (breached, *_) = sorted(day.decision.cooldowns_started)
    notes = tables.cooldown_notes(day.decision, {breached: dt.date(2020, 1, 1)})

    assert f"{breached} cools down since {day.decision.as_of}" in " ".join(notes)


def test_what_stops_sold_is_a_sentence() -> None:
    """Both slots of a position make one sentence; buys and what is old make none."""
    stop: Any = {"product_id": "BTC-USD", "date": "2024-03-01", "leg": "sc", "taken": True}
    fills: list[Any] = [
        {**stop, "filled_size": "0.25", "average_price": "40000"},
        {**stop, "filled_size": "0.75", "average_price": "39000", "leg": "sa"},
        {**stop, "filled_size": "9", "average_price": "1", "taken": False},
        {**stop, "product_id": "X-USD", "filled_size": "2", "average_price": "5", "leg": "em"},
    ]

    assert tables.stopped_out_notes(fills) == [
        "BTC-USD was sold by its stop on 2024-03-01: 1.0000 BTC at 39,250.",
        "X-USD was sold at the market on 2024-03-01: 2.0000 X at 5.0000.",
    ]


def test_too_little_history_is_said() -> None:
    """DDD-USD has 40 days of 300."""
    late = market()
    late["DDD-USD"] = late["DDD-USD"].iloc[-40:]
    day = page_day(late)

    assert "too little" in line_of(tables.data_quality(day.decision, day.bars), "DDD-USD")


def test_errors_are_listed_and_none_is_said() -> None:
    """An empty list is a sentence, not an empty table."""
    rows: list[ErrorRow] = [
        {"at": "2024-03-01T00:01:02+00:00", "severity": "error", "message": "<b>no</b>"}
    ]

    assert tables.errors_table([]).text == "No errors."
    assert "00:01:02" in tables.errors_table(rows).text
    assert "&lt;b&gt;no&lt;/b&gt;" in tables.errors_table(rows).html


def test_portfolio_numbers(day: PageDay) -> None:
    """Money in whole units with its currency."""
    shown = tables.portfolio_table(day.decision)

    assert f"{day.decision.trades.equity:,.0f} USD" in shown.text
    assert "cap per name" in shown.text


def test_an_empty_portfolio_has_no_numbers_that_are_not_there() -> None:
    """Without an active sleeve there is no breadth and no cap."""
    day = page_day(cash=0.0)

    assert "nan" not in tables.portfolio_table(day.decision).text.lower()


def test_protection_table_tells_what_a_stop_is_worth() -> None:
    """Distance and age of the stop, bare time, and the nights that opened beyond its limit."""
    row: Any = {
        "product": "AAA-USD",
        "notional": 2000.0,
        "limit_distance": 0.118,
        "resting_since": "2024-03-01T00:01:03+00:00",
        "verified_open_at": "2024-03-09T00:02:11.123456+00:00",
        "bare_seconds": 2.5,
        "bare_usd_seconds": 5000.0,
        "opens": 700,
        "opens_beyond_limit": 2,
        "gap_shortfall": 0.031,
        "gap_usd": 62.0,
    }
    calm = row | {"product": "BBB-USD", "opens_beyond_limit": 0, "gap_usd": 0.0}
    shown = str(tables.protection_table([row, calm]))

    for text in ("AAA-USD", "11.8 %", "2024-03-01 00:01:03", "00:02:11", "5,000", "2 of 700"):
        assert text in shown, text
    assert "0 of 700" in shown
    assert "never" in shown
    assert "nothing to tell" in str(tables.protection_table([]))

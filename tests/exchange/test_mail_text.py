"""The subject alone tells the day; the rest says what happened and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from tf_lib.notify.mail_text import compose


def summary(**changes: Any) -> dict[str, Any]:
    """Return a good day, with changes."""
    return {
        "date": "2024-03-01",
        "profile": "live",
        "state": "done",
        "exit_code": 0,
        "equity": 15432.1,
        "cash": 100.0,
        "orders": [],
        "positions": {},
        "stops": [],
        "errors": [],
        "problems": [],
        **changes,
    }


FILLED = {
    "product_id": "BTC-USD",
    "side": "BUY",
    "status": "done",
    "filled_size": "0.1",
    "average_price": "40000",
    "note": "",
}
SKIPPED = {**FILLED, "status": "skipped", "filled_size": "0", "note": "not enough cash is there"}
TAKEN = {
    "product_id": "SOL-USD",
    "leg": "sc",
    "at": "2024-02-29T17:04:05+00:00",
    "filled_size": "1.5",
    "average_price": "99.5",
}
BARE = {"product": "SOL-USD", "status": "failed", "reason": "every placement was refused"}
ERROR = {"severity": "error", "message": "GET /accounts:\n HTTPError: 503"}


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, "DONE equity 15,432.10, 0 orders, nothing held"),
        (
            {"orders": [FILLED, FILLED, SKIPPED], "positions": {"BTC-USD": {}}},
            "DONE equity 15,432.10, 2 orders, all protected",
        ),
        (
            {"state": "unprotected", "exit_code": 3, "stops": [BARE]},
            "FAILED equity 15,432.10, 0 orders, NOT PROTECTED: SOL-USD",
        ),
        (
            {"state": "failed", "exit_code": 1, "errors": [ERROR], "equity": None},
            "FAILED GET /accounts: HTTPError: 503, 0 orders",
        ),
        (
            {"state": "refused", "exit_code": 5, "problems": ["no API key"], "equity": None},
            "FAILED refused: no API key",
        ),
        (
            {"taken": [TAKEN, {**TAKEN, "filled_size": "2"}]},
            "DONE equity 15,432.10, 0 orders, stopped out: SOL-USD, nothing held",
        ),
        ({"state": "dry"}, "DRY equity 15,432.10, 0 orders, nothing held"),
        (
            {"errors": [{"severity": "warning", "message": "mail"}]},
            "DONE equity 15,432.10, 0 orders, nothing held",
        ),
    ],
)
def test_the_subject_is_the_day_at_one_glance(changes: dict[str, Any], wanted: str) -> None:
    """State first, trouble before numbers."""
    subject = compose(summary(**changes), prefix="Trend Following").subject

    word, _, said = wanted.partition(" ")
    assert subject == f"{word} 2024-03-01 [Trend Following live] {said}"


def test_what_stops_sold_has_its_own_lines() -> None:
    """When, how much, at what price."""
    text = compose(summary(taken=[TAKEN])).text

    assert "Sold by stops since the last run\n  SOL-USD  2024-02-29 17:04  1.5 at 99.5" in text


def test_a_long_error_is_cut_in_the_subject_and_whole_below() -> None:
    """A line break in it would break the header."""
    long = "what was wanted, what came " * 10
    mail = compose(summary(state="failed", exit_code=1, problems=[long]))

    assert len(mail.subject) < 150
    assert "\n" not in mail.subject
    assert " ".join(long.split()) in mail.text


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("done", "Nothing."),
        ("unprotected", "python -m tf_lib protect --profile live"),
        ("refused", "python -m tf_lib doctor --profile live"),
        ("failed", "python -m tf_lib status --profile live"),
        ("never heard of", "python -m tf_lib status --profile live"),
    ],
)
def test_it_says_what_to_do(state: str, wanted: str) -> None:
    """The command, ready to be copied."""
    mail = compose(summary(state=state, exit_code=0 if state == "done" else 1))

    assert wanted in mail.text
    assert wanted in mail.html


def test_what_happened_is_listed() -> None:
    """Orders, positions with their stop, bare time, cooldowns, data."""
    position = {"notional": 4000.0, "stop": "39000", "bare_seconds": 2.4}
    mail = compose(
        summary(
            orders=[FILLED, SKIPPED],
            positions={"BTC-USD": position},
            cooldowns={"ETH-USD": "2024-02-28"},
            data_quality={"not_ok": ["KRL-USD"], "problems": ["KRL-USD: gone"], "revisions": [1]},
        )
    )

    assert "BTC-USD  BUY  done     0.1 at 40000" in mail.text
    assert "not enough cash is there" in mail.text
    assert "BTC-USD  4,000.00  stop 39000  unprotected 2 s" in mail.text
    assert "ETH-USD  2024-02-28" in mail.text
    assert "not ok        KRL-USD" in mail.text


def test_html_is_escaped() -> None:
    """A gateway's error page is text here."""
    mail = compose(summary(state="failed", exit_code=1, problems=["<script>x</script> & more"]))

    assert "<script>" not in mail.html
    assert "&lt;script&gt;" in mail.html

"""What pages and mails say is in the glossary, and they repeat it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.exchange.test_mail_text import BARE, TAKEN, summary
from tests.house.rooms import ROOT
from tf_lib.core.model.client_ids import Leg
from tf_lib.notify.mail_text import compose
from tf_lib.pages import words
from tf_lib.pages.page import write_page
from tf_lib.text.glossary import TITLE, explained, meanings

LEG_NAMES = {Leg.EXIT: "full exit", Leg.EMERGENCY: "market exit"}
STATES = ("done", "attention", "dry", "alarm", "unprotected", "refused", "failed")


def test_the_glossary_is_a_table_of_words_once_each() -> None:
    """Every line of it is read."""
    lines = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ")][1:]
    low = [entry.casefold() for entry in meanings()]

    assert len(meanings()) == len(rows) >= 40
    assert low == sorted(low)


@pytest.mark.parametrize(
    "said",
    [
        *(compose(summary(state=state, exit_code=1)).subject.split()[0] for state in STATES),
        *(LEG_NAMES.get(leg, leg.name.replace("_", " ").lower()) for leg in Leg),
        *(text for name, text in words.MODES.items() if name == "dry"),
        *words.LEGS.values(),
        words.STOP_STATUSES["failed"],
    ],
)
def test_what_a_state_or_an_order_is_called_has_its_entry(said: str) -> None:
    """The first word of a mail, the legs of a day, and what is shown instead of a code."""
    assert explained(said)


@pytest.mark.parametrize(
    ("said", "entry"),
    [
        ("3 orders not DONE", "DONE"),
        ("the order is done", ""),
        ("locked", "lock (of a product)"),
        ("Stop-outs", "stop-out, stopped out"),
        ("the caption", ""),
    ],
)
def test_an_entry_is_found_by_its_words_whole(said: str, entry: str) -> None:
    """In plain forms; capitals are a name of their own."""
    found = [name for name, _ in explained(said)]

    assert entry in found if entry else found == []


def test_a_page_repeats_the_entries_it_uses(tmp_path: Path) -> None:
    """Of what is read, not of tags; folded at its end, and nothing where there are none."""
    body = "<p title='quarantine'>One stop-out &amp; a <b>pilot</b></p>"
    write_page(tmp_path / "some.html", "A day", body)
    write_page(tmp_path / "none.html", "A day", "<p>Nothing.</p>")
    page = (tmp_path / "some.html").read_text(encoding="utf-8")

    assert re.findall(r"<dt>(.*?)</dt>", page) == [
        "pilot, probe order",
        "stop (stop-limit order)",
        "stop-out, stopped out",
    ]
    assert page.index(body) < page.index(f"<summary>{TITLE}")
    assert TITLE not in (tmp_path / "none.html").read_text(encoding="utf-8")


def test_a_mail_repeats_the_entries_it_uses() -> None:
    """In its text and in its page, last."""
    mail = compose(summary(state="unprotected", exit_code=3, stops=[BARE], taken=[TAKEN]))
    last = mail.text[mail.text.index(TITLE) :]

    for entry in ("stop-out, stopped out", "unprotected"):
        assert entry in last
        assert entry in mail.html
    assert "dust" not in last.split(meanings()["unprotected"])[0]

"""Alarms are mailed once for as long as their state lasts, whatever their words say meanwhile."""

from __future__ import annotations

import os

import pytest

from tests.app.mailbox import Mailbox
from tests.app.profile import Profile
from tests.app.remote import closed_port
from tf_lib.app.launch.alarms import Alarm, ToldAlarms, unprotected_alarms
from tf_lib.parameters import load_config


@pytest.fixture
def book(mailing: Profile, mailbox: Mailbox) -> ToldAlarms:
    mailing.state.mkdir(parents=True)
    return ToldAlarms("few", load_config(mailing.config), mailing.state)


def unprotected(product: str, reason: str) -> list[Alarm]:
    return unprotected_alarms([{"product": product, "status": "failed", "reason": reason}])


def test_words_that_change_make_no_new_mail(book: ToldAlarms, mailbox: Mailbox) -> None:
    """A clock, a size, a count of tries: the state is the same."""
    for number in range(5):
        book.tell(unprotected("BTC-USD", f"0.{number} is not under a stop at 00:{number:02d}"))

    assert len(mailbox.messages) == 1


def test_a_state_that_comes_back_is_told_again(book: ToldAlarms, mailbox: Mailbox) -> None:
    """Over means forgotten."""
    for alarms in (unprotected("BTC-USD", "a"), [], unprotected("BTC-USD", "a")):
        book.tell(alarms)

    assert len(mailbox.messages) == 2


def test_one_more_is_told_with_old_and_one_less_is_not(book: ToldAlarms, mailbox: Mailbox) -> None:
    """The new one stands first."""
    old, new = unprotected("BTC-USD", "a"), unprotected("ETH-USD", "b")
    for alarms in (old, [*old, *new], new, new):
        book.tell(alarms)

    assert len(mailbox.messages) == 2
    assert "ETH-USD" in mailbox.messages[1]["Subject"]


def test_what_could_not_be_known_is_not_over(book: ToldAlarms, mailbox: Mailbox) -> None:
    """A look that failed says nothing of the position that was unprotected before it."""
    lost = [Alarm("cannot_look", "the guard could not look: 503 after 180 s")]
    for _ in range(3):
        book.tell(unprotected("BTC-USD", "a"))
        book.tell(lost, still_holds=lambda key: key.startswith("unprotected:"))
    about_btc = [m for m in mailbox.messages if "BTC-USD" in m["Subject"]]

    assert len(about_btc) == 1


def test_a_mail_that_nobody_took_is_tried_again(
    book: ToldAlarms, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is taken, and then no more."""
    there = os.environ["TF_SMTP_PORT"]
    for port in (str(closed_port()),) * 2 + (there,) * 3:
        monkeypatch.setenv("TF_SMTP_PORT", port)
        book.tell(unprotected("BTC-USD", "a"))

    assert len(mailbox.messages) == 1


def test_five_refused_starts_are_one_mail(mailbox: Mailbox, unanswered: Profile) -> None:
    """Cron starts the day five times; the guard that looks in between forgets nothing."""
    for _ in range(3):
        assert unanswered.run(None, "--force-run")[0] == 5
        assert unanswered.call("guard")[0] == 1

    subjects = [message["Subject"] for message in mailbox.messages]
    assert sum("refused: " in subject for subject in subjects) == 1
    assert sum("ALARM" in subject for subject in subjects) == 1

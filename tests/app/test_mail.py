"""The day's mail, through a real SMTP server; and a day that is done although none answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.app.mailbox import Mailbox, mail_settings
from tests.app.profile import MakeProfile, Profile, must_end
from tests.app.remote import closed_port

DAY = "2024-03-11"
PASSWORD = "canary-of-the-mail-password"


def test_a_good_day_is_told(mailing: Profile, mailbox: Mailbox) -> None:
    """One mail, its subject with day and state, both as text and as a page."""
    must_end(mailing.run(DAY))

    (message,) = mailbox.messages
    assert message["To"] == "owner@example.com"
    assert DAY in message["Subject"]
    assert "DONE" in message["Subject"]
    kinds = {part.get_content_type() for part in message.walk()}
    assert {"text/plain", "text/html"} <= kinds
    assert [x["result"] for x in mailing.beats("notified")] == ["sent"]


def test_a_failed_day_is_told(mailing: Profile, mailbox: Mailbox) -> None:
    """Before any data: the mail says what went wrong."""
    code, _ = mailing.run("2017-06-01")

    assert code == 2
    (message,) = mailbox.messages
    assert "FAILED" in message["Subject"]
    assert "no usable bar before 2017-06-01" in mailbox.text()


def test_a_refused_run_is_told(mailbox: Mailbox, unanswered: Profile) -> None:
    """Nobody answers at the exchange: the one mail that must not be missing."""
    code, _ = unanswered.run(None, "--force-run")

    assert code == 5
    (message,) = mailbox.messages
    assert message["Subject"].startswith("FAILED ")
    assert "refused: " in message["Subject"]


def test_a_day_is_done_without_its_mail(mailing: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is down: noted, the day is done, exit 0, and the password is in no file."""
    login = {"TF_SMTP_USER": "somebody", "TF_SMTP_PASS": PASSWORD}
    for name, value in (mail_settings(closed_port()) | login).items():
        monkeypatch.setenv(name, value)

    said = must_end(mailing.run(DAY))

    assert mailing.marks(DAY)[-1] == "done"
    (told,) = mailing.beats("notified")
    assert (told["channel"], told["result"]) == ("email", "failed")
    files = [path for path in mailing.runs.rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in path.read_bytes() for path in files)
    assert PASSWORD not in said


def test_no_settings_no_mail(mailing: Profile) -> None:
    """A newcomer has none: said once, no error."""
    assert mailing.run(DAY)[0] == 0
    (told,) = mailing.beats("notified")

    assert told["result"] == "not_configured"
    assert mailing.summary(DAY)["errors"] == []


@pytest.mark.parametrize(
    ("notifications", "good", "bad"),
    [({"email": False}, 0, 0), ({"email": True, "on_success": False}, 0, 1)],
)
def test_what_is_told_is_the_persons_choice(
    mailbox: Mailbox, make_profile: MakeProfile, notifications: Any, good: int, bad: int
) -> None:
    """All, only bad days, or nothing."""
    profile = make_profile(notifications=notifications)

    profile.run("2017-06-01")
    assert len(mailbox.messages) == bad
    profile.run(DAY)
    assert len(mailbox.messages) == bad + good


def test_dry_runs_and_skips_are_not_told(mailing: Profile, mailbox: Mailbox) -> None:
    """Cron's second call of the day is no news."""
    mailing.run(DAY, "--dry-run")
    assert mailbox.messages == []
    mailing.run(DAY)
    mailing.run(DAY)

    assert len(mailbox.messages) == 1


def test_subject_names_what_is_wished(mailbox: Mailbox, make_profile: MakeProfile) -> None:
    """So that a filter finds it."""
    profile = make_profile(notifications={"email": True, "subject_prefix": "Money"})
    profile.run(DAY)

    assert mailbox.messages[0]["Subject"].startswith(f"DONE {DAY} [Money few] ")


def test_a_mail_file_that_others_can_write(
    mailing: Profile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No mail goes where it says, and the day's record says why."""
    file = tmp_path / "tf_email.env"
    file.write_text("TF_SMTP_HOST=127.0.0.1\nTF_EMAIL_FROM=a@b.c\nTF_EMAIL_TO=a@b.c\n")
    file.chmod(0o666)
    monkeypatch.setenv("TF_EMAIL_FILE", str(file))

    said = must_end(mailing.run(DAY))

    assert f"warning: {file}: others can write it" in said
    assert [x["result"] for x in mailing.beats("notified")] == ["not_configured"]
    assert f"{file}: others can write it" in mailing.call("doctor")[1]
    assert f"{file}: others can write it" in mailing.call("guard")[1]

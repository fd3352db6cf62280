"""`doctor`: what is not set up, half set up or refused is never called ok."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.app.mailbox import Mailbox
from tests.app.profile import PROJECT, Profile, command
from tests.app.remote import closed_port


@pytest.fixture
def mailing(mailing: Profile, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """Return a profile that mails, on a machine without a mail file."""
    monkeypatch.setenv("TF_EMAIL_FILE", "")
    return mailing


def line_of(profile: Profile, check: str, *options: str) -> tuple[int, str]:
    """Return doctor's exit code and its line about one check."""
    code, said = profile.call("doctor", *options)
    (line,) = [line for line in said.splitlines() if line[6:].startswith(check)]
    return code, line


def test_mail_that_is_not_set_up_is_a_warning(mailing: Profile) -> None:
    """Nobody is told of a bad day: said with what to do, and a newcomer's exit code stays 0."""
    code, line = line_of(mailing, "mail")

    assert code == 0
    assert line.startswith("WARN  mail")
    assert "TF_SMTP_HOST, TF_EMAIL_FROM, TF_EMAIL_TO not set (put them into" in line


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"TF_SMTP_PORT": "abc"}, "TF_SMTP_PORT must be a number from 1 to 65535, got 'abc'"),
        ({"TF_EMAIL_FROM": ""}, "half set up, no mail can be sent: TF_EMAIL_FROM not set"),
        ({"TF_SMTP_PORT": str(closed_port())}, "takes no mail: ConnectionRefusedError"),
        ({"TF_EMAIL_TO": "nobody"}, "TF_EMAIL_TO holds no address"),
        ({"TF_SMTP_USER": "me"}, "belong together, one is missing"),
    ],
)
def test_mail_that_would_not_go_out_fails(
    mailing: Profile, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, changed: Any, said: str
) -> None:
    """Found now, not on the night of the first bad day; nothing is sent to find it."""
    for name, value in changed.items():
        monkeypatch.setenv(name, value)

    code, line = line_of(mailing, "mail")

    assert code == 1
    assert line.startswith("FAIL  mail")
    assert said in line
    assert mailbox.messages == []


def test_a_test_mail_is_sent_only_when_it_is_asked_for(mailing: Profile, mailbox: Mailbox) -> None:
    """Without the option the server is reached and no more."""
    code, line = line_of(mailing, "mail")
    assert (code, line[:4].strip()) == (0, "ok")
    assert mailbox.messages == []

    code, line = line_of(mailing, "mail", "--send-test")

    assert (code, "a test mail was sent to owner@example.com" in line) == (0, True)
    (message,) = mailbox.messages
    assert "TEST" in str(message["Subject"])


RUN = "1 0 * * * /x/scripts/run_papermill.sh --profile live"


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ("", "WARN"),
        (f"# {RUN}", "WARN"),
        (RUN, "WARN"),
        (f"{RUN}\n*/15 * * * * /x/.venv/bin/python -m tf_lib guard --profile live", "ok"),
    ],
)
def test_a_live_profile_that_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, word: str
) -> None:
    """No line, one that is commented out, or a run without its guard: said with what to do."""
    (tmp_path / "table").write_text(table + "\n", encoding="utf-8")
    crontab = tmp_path / "bin" / "crontab"
    crontab.parent.mkdir()
    crontab.write_text(f"#!/bin/sh\ncat {tmp_path}/table\n", encoding="utf-8")
    crontab.chmod(0o755)
    monkeypatch.setenv("PATH", f"{crontab.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TF_EMAIL_FILE", "")
    assert (PROJECT / "parameters" / "live.yaml").exists()

    _, said = command("doctor", "--profile", "live", "--runs", str(tmp_path / "runs"))

    (line,) = [line for line in said.splitlines() if line[6:].startswith("schedule")]
    assert line.split()[0] == word
    assert ("tf schedule --profile live" in line) == (word == "WARN")

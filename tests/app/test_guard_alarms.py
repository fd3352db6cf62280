"""What the guard finds reaches somebody: by mail, from cron's empty environment, once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from tests.app.mailbox import Mailbox, mail_settings
from tests.app.profile import COMMAND, PROJECT, Profile, must_end
from tests.app.remote import closed_port
from tests.app.venue import lock
from tests.processes import ended

DAY = "2024-03-11"


@pytest.fixture
def server() -> Iterator[Controller]:
    """Yield a mail server that has not begun."""
    made = Controller(Mailbox(), hostname="127.0.0.1", port=closed_port())
    yield made
    if made.server is not None:
        made.stop()


@pytest.fixture
def alarmed(mailing: Profile, server: Controller, tmp_path: Path) -> Profile:
    """Return a profile with a locked product, and the mail settings in a home folder."""
    assert mailing.run(DAY)[0] == 0
    lock(mailing, "BTC-USD", why="a holding changed")
    file = tmp_path / "tf_email.env"
    lines = [f"{name}={value}\n" for name, value in mail_settings(server.port).items()]
    file.write_text("".join(lines), encoding="utf-8")
    file.chmod(0o600)
    return mailing


def guard_from_cron(profile: Profile, home: Path) -> tuple[int, str]:
    """Start the guard as cron does: a home, a short path, nothing else."""
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    if "TF_LOCK_DIR" in os.environ:
        environment["TF_LOCK_DIR"] = os.environ["TF_LOCK_DIR"]
    words = [*COMMAND, "guard", *profile.options()]
    code, out, err = ended(words, cwd=PROJECT, env=environment)
    return code, out + err


def test_an_alarm_is_mailed_once(alarmed: Profile, server: Controller, tmp_path: Path) -> None:
    """No server first: the alarm is not forgotten. Then one mail, and no second of the same."""
    said = must_end(guard_from_cron(alarmed, tmp_path), 1)
    assert "ALARM BTC-USD is locked: a holding changed" in said

    server.start()
    for _ in range(2):
        assert guard_from_cron(alarmed, tmp_path)[0] == 1
    (message,) = server.handler.messages
    assert message["To"] == "owner@example.com"
    assert "ALARM" in message["Subject"]
    assert "BTC-USD is locked" in message["Subject"]

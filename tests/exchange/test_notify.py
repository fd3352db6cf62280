"""The day's mail arrives, or says why not; real SMTP, real TLS, never a secret."""

from __future__ import annotations

import base64
import contextlib
import email
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.app.remote import closed_port
from tf_lib.notify import send
from tf_lib.notify.send import MailSettings, send_summary

USER, PASSWORD = "me@example.org", "canary-password-1"
ELSEWHERE = "0.0.0.0"
"""Leads here, and is none of the names of this machine."""
SUMMARY: dict[str, Any] = {
    "date": "2024-03-01",
    "profile": "demo",
    "state": "done",
    "exit_code": 0,
    "equity": 15432.1,
    "cash": 1200.5,
    "orders": [{"product_id": "BTC-USD", "side": "BUY", "status": "done", "filled_size": "0.1"}],
    "positions": {"BTC-USD": {"notional": 4000.0, "stop": "39000", "bare_seconds": 1.2}},
    "stops": [{"product": "BTC-USD", "status": "placed", "resting_level": "39000"}],
    "errors": [],
}


@dataclass
class Inbox:
    """What a server took, and how it came."""

    refuses: bool = False
    mails: list[EmailMessage] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail."""
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(email.message_from_bytes(content, policy=default))
        self.over_tls.append(session.ssl is not None)
        return "250 taken"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or none."""
        if self.refuses or address.startswith("nobody"):
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"


def authenticator(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
) -> AuthResult:
    """Take the one password; mirror anything else, as a careless server would."""
    assert isinstance(data, LoginPassword)
    if data.password.decode() == PASSWORD:
        return AuthResult(success=True)
    said = f"535 no: {data.login.decode()} {base64.b64encode(data.password).decode()}"
    return AuthResult(success=False, handled=False, message=said)


@pytest.fixture
def inbox() -> Inbox:
    """Return an empty inbox."""
    return Inbox()


@contextlib.contextmanager
def serving(
    inbox: Inbox, *, require_tls: bool = False, port: int = 0, **options: Any
) -> Iterator[Controller]:
    """Serve on loopback, knowing one password."""
    options |= {"authenticator": authenticator, "auth_require_tls": require_tls}
    controller = Controller(inbox, hostname="127.0.0.1", port=port or closed_port(), **options)
    controller.start()
    try:
        yield controller
    finally:
        controller.stop()


@pytest.fixture
def server(inbox: Inbox) -> Iterator[Controller]:
    """Return a server on loopback that speaks no TLS."""
    with serving(inbox) as controller:
        yield controller


def where(port: int, **changes: str) -> dict[str, str]:
    """Return the environment of a configured mail."""
    return {
        "TF_SMTP_HOST": "127.0.0.1",
        "TF_SMTP_PORT": str(port),
        "TF_SMTP_USER": USER,
        "TF_SMTP_PASS": PASSWORD,
        "TF_EMAIL_FROM": "bot@example.org",
        "TF_EMAIL_TO": "me@example.org",
        **changes,
    }


def test_a_mail_arrives_whole(server: Controller, inbox: Inbox) -> None:
    """Subject with the state first, both parts, all recipients."""
    environment = where(server.port, TF_EMAIL_TO="Me <me@example.org>, you@example.org")
    results = send_summary(SUMMARY, environment)

    assert results == [{"channel": "email", "result": "sent", "reason": ""}]
    (mail,) = inbox.mails
    assert mail["Subject"] == ("DONE 2024-03-01 [tf demo] equity 15,432.10, 1 order, all protected")
    assert mail["From"] == "bot@example.org"
    assert mail["To"] == "me@example.org, you@example.org"
    assert mail["Date"]
    assert mail["Message-ID"]
    plain, rich = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert rich is not None
    assert "What to do\n  Nothing." in plain.get_content().replace("\r\n", "\n")
    assert "<h2>DONE 2024-03-01 [tf demo]" in rich.get_content()


@pytest.mark.parametrize("missing", ["TF_SMTP_HOST", "TF_EMAIL_FROM", "TF_EMAIL_TO"])
def test_a_mail_that_nobody_set_up_is_not_a_failure(missing: str) -> None:
    """Quietly not configured, naming what is missing."""
    environment = {k: v for k, v in where(25).items() if k != missing}

    assert send_summary(SUMMARY, environment) == [
        {"channel": "email", "result": "not_configured", "reason": f"{missing} not set"}
    ]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"TF_SMTP_PORT": "smtp"}, "TF_SMTP_PORT must be a number from 1 to 65535, got 'smtp'"),
        ({"TF_SMTP_PORT": "70000"}, "TF_SMTP_PORT must be"),
        ({"TF_SMTP_PORT": "-1"}, "TF_SMTP_PORT must be"),
        ({"TF_SMTP_PASS": ""}, "TF_SMTP_USER and TF_SMTP_PASS belong together"),
        ({"TF_EMAIL_TO": "me"}, "TF_EMAIL_TO holds no address"),
        ({"TF_EMAIL_FROM": "x@y.z\nBcc: evil@example.org"}, "ValueError"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, str], wanted: str) -> None:
    """Nothing is sent."""
    (result,) = send_summary(SUMMARY, where(closed_port(), **changes))

    assert result["result"] == "failed"
    assert wanted in result["reason"]


def test_a_server_that_is_down_costs_only_the_mail() -> None:
    """With its name and what the system says."""
    port = closed_port()
    (result,) = send_summary(SUMMARY, where(port))

    assert result["result"] == "failed"
    assert result["reason"].startswith(f"127.0.0.1:{port}: ConnectionRefusedError")


def test_a_wrong_password_is_told_without_it(server: Controller, inbox: Inbox) -> None:
    """Though the server mirrors user and password."""
    (result,) = send_summary(SUMMARY, where(server.port, TF_SMTP_PASS="canary-wrong"))
    encoded = base64.b64encode(b"canary-wrong").decode()

    assert result["result"] == "failed"
    assert "SMTPAuthenticationError 535" in result["reason"]
    assert not [leak for leak in ("canary", encoded, USER) if leak in result["reason"]]
    assert inbox.mails == []


def test_settings_show_no_password() -> None:
    """Printed or formatted."""
    assert "canary" not in repr(MailSettings.from_environment(where(25)))


def test_recipients_that_are_refused_are_named(server: Controller, inbox: Inbox) -> None:
    """One of two, then all."""
    two = "me@example.org,nobody@example.org"
    (some,) = send_summary(SUMMARY, where(server.port, TF_EMAIL_TO=two))
    inbox.refuses = True
    (none,) = send_summary(SUMMARY, where(server.port))

    refused = "refused for nobody@example.org"
    assert some == {"channel": "email", "result": "failed", "reason": refused}
    assert "SMTPRecipientsRefused" in none["reason"]
    assert len(inbox.mails) == 1


def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call has a time-out."""
    monkeypatch.setattr(send, "TIMEOUT_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        (result,) = send_summary(SUMMARY, where(silent.getsockname()[1]))

    assert "timed out" in result["reason"]


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Return a server's TLS, trusted here."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(ELSEWHERE).configure_cert(context)
    return context


def test_tls_is_used_when_it_is_offered(inbox: Inbox, certificate: ssl.SSLContext) -> None:
    """And the password goes through it."""
    tls: dict[str, Any] = {"tls_context": certificate, "require_starttls": True}
    with serving(inbox, require_tls=True, **tls) as controller:
        (result,) = send_summary(SUMMARY, where(controller.port, TF_SMTP_HOST=ELSEWHERE))

    assert result["result"] == "sent"
    assert inbox.over_tls == [True]


def test_the_port_of_smtps_speaks_tls_from_the_start(
    inbox: Inbox, certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """465, which a test may not bind."""
    port = closed_port()
    monkeypatch.setattr(send, "SMTPS_PORT", port)
    with serving(inbox, port=port, ssl_context=certificate):
        (result,) = send_summary(SUMMARY, where(port, TF_SMTP_HOST=ELSEWHERE))

    # The server speaks nothing but TLS.
    assert result["result"] == "sent"
    assert len(inbox.mails) == 1


def test_a_password_does_not_leave_this_machine_in_clear(server: Controller, inbox: Inbox) -> None:
    """A server elsewhere that offers no TLS gets neither mail nor password."""
    (result,) = send_summary(SUMMARY, where(server.port, TF_SMTP_HOST=ELSEWHERE))

    assert "offers no TLS" in result["reason"]
    assert inbox.mails == []


@pytest.mark.parametrize("summary", [{}, {"orders": 7, "positions": [], "errors": "x"}])
def test_summary_of_any_shape_makes_a_mail(server: Controller, inbox: Inbox, summary: Any) -> None:
    """A run that failed early has next to nothing to tell."""
    (result,) = send_summary(summary, where(server.port))

    assert result["result"] == "sent"
    assert "FAILED" in inbox.mails[0]["Subject"]


class _Hook(BaseHTTPRequestHandler):
    taken: list[dict[str, Any]] = []  # noqa: RUF012
    status = 200

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append(json.loads(raw))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def hook() -> Iterator[str]:
    """Return the address of a web hook on loopback, with a token in it."""
    _Hook.taken, _Hook.status = [], 200
    server = HTTPServer(("127.0.0.1", 0), _Hook)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"json://127.0.0.1:{server.server_address[1]}/canary-token"
    server.shutdown()
    thread.join()
    server.server_close()


# Some of apprise's plug-ins import what Python is about to drop.
OLD_PLUG_INS = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@OLD_PLUG_INS
def test_other_channels_are_told_too(hook: str) -> None:
    """With the mail's subject and text."""
    results = send_summary(SUMMARY, {"TF_NOTIFY_URLS": hook})

    told = {one["channel"]: one["result"] for one in results}
    assert (told, len(results)) == ({"email": "not_configured", "apprise": "sent"}, 2)
    (taken,) = _Hook.taken
    assert taken["title"].startswith("DONE 2024-03-01 [tf demo]")
    assert "What to do" in taken["message"]


@OLD_PLUG_INS
def test_a_channel_that_fails_is_told_without_its_address(
    hook: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """An address holds its own token."""
    _Hook.status = 500
    down = send_summary(SUMMARY, {"TF_NOTIFY_URLS": hook})[1]
    wrong = send_summary(SUMMARY, {"TF_NOTIFY_URLS": f"{hook} canary://x/canary"})[1]

    assert (down["result"], wrong["result"]) == ("failed", "failed")
    assert wrong["reason"] == "TF_NOTIFY_URLS: address 2 is not known"
    shown = f"{down} {wrong} {caplog.text} {capfd.readouterr()}"
    assert "canary" not in shown

"""
Notifications: the day's mail and, when wanted, other channels; never fatal.

Where it goes comes from the environment: ``TF_SMTP_HOST``, ``TF_SMTP_PORT`` (587),
``TF_SMTP_USER``, ``TF_SMTP_PASS``, ``TF_EMAIL_FROM``, ``TF_EMAIL_TO``, and ``TF_NOTIFY_URLS``
(addresses in apprise's form, separated by spaces). A password goes over TLS or stays here.
"""

from __future__ import annotations

import base64
import logging
import os
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, getaddresses, make_msgid

from tf_lib.errors import ParameterError
from tf_lib.exchange.hosts import is_loopback
from tf_lib.notify.mail_file import NEEDED_VARIABLES
from tf_lib.notify.mail_text import MailText, Summary, compose
from tf_lib.text.shown import printable

TIMEOUT_SECONDS = 20.0
DEFAULT_PORT = 587
SMTPS_PORT = 465
# What smtplib says of itself without a domain name, minus the slow look-up of one.
_OWN_NAME = "[127.0.0.1]"
_MOST_TEXT = 200
Result = dict[str, str]


@dataclass(frozen=True)
class MailSettings:
    """Where mail goes, and through which server."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> MailSettings:
        """Read the settings, or raise `ParameterError` naming the variable that is wrong."""
        recipients = tuple(a for _, a in getaddresses([environment["TF_EMAIL_TO"]]) if "@" in a)
        if not recipients:
            raise ParameterError("TF_EMAIL_TO holds no address")
        user, password = environment.get("TF_SMTP_USER", ""), environment.get("TF_SMTP_PASS", "")
        if bool(user) != bool(password):
            raise ParameterError("TF_SMTP_USER and TF_SMTP_PASS belong together, one is missing")
        return cls(
            host=environment["TF_SMTP_HOST"].strip(),
            port=_port(environment.get("TF_SMTP_PORT", "")),
            sender=environment["TF_EMAIL_FROM"].strip(),
            recipients=recipients,
            user=user,
            password=password,
        )

    @property
    def is_local(self) -> bool:
        """Whether the server is this machine."""
        return _is_this_machine(self.host)

    def scrub(self, text: str) -> str:
        """Return `text` without user and password, plain or as they go over the wire."""
        clean = text
        for secret in (self.password, self.user):
            forms = [secret, base64.b64encode(secret.encode()).decode()]
            for form in forms if secret else []:
                clean = clean.replace(form, "***")
        return clean


def send_summary(
    summary: Summary, environment: Mapping[str, str] | None = None, *, prefix: str = "tf"
) -> list[Result]:
    """
    Tell about a day through every channel that is configured.

    Returns
    -------
    list of dict
        ``channel``, ``result`` (sent, failed or not_configured) and ``reason``, which never
        holds a secret. Nothing is raised: a day is not lost for a mail.
    """
    source = os.environ if environment is None else environment
    try:
        mail = compose(summary, prefix=prefix)
    except Exception as error:  # a summary of any shape must not lose the day
        return [_result("email", "failed", f"the mail cannot be written: {type(error).__name__}")]
    results = [_send_mail(mail, source)]
    if source.get("TF_NOTIFY_URLS", "").strip():
        results.append(_send_apprise(mail, source["TF_NOTIFY_URLS"]))
    return results


def reach_server(environment: Mapping[str, str]) -> str:
    """
    Connect to the mail server and log in, send nothing, and say where it is.

    Raises
    ------
    ParameterError
        If a setting is wrong, or the server cannot be reached or refuses.
    """
    settings = MailSettings.from_environment(environment)
    try:
        with _connected(settings) as server:
            if settings.user:
                server.login(settings.user, settings.password)
    except Exception as error:  # whatever a server or a network does
        reason = settings.scrub(_words(error))
        raise ParameterError(
            f"{settings.host}:{settings.port} takes no mail: {reason}. Check TF_SMTP_HOST, "
            "TF_SMTP_PORT, TF_SMTP_USER and TF_SMTP_PASS in ~/tf_email.env"
        ) from None
    return f"{settings.host}:{settings.port} answers"


def send_test_mail(environment: Mapping[str, str], profile: str, *, prefix: str = "tf") -> str:
    """Send a mail that says it is a test, or raise `ParameterError` with the server's words."""
    subject = f"[{prefix} {profile}] TEST this is how a mail of the daily run arrives"
    text = "Sent by tf doctor --send-test. There is nothing to do.\n"
    result = _send_mail(MailText(subject, text, f"<p>{text}</p>"), environment)
    if result["result"] != "sent":
        raise ParameterError(f"the test mail was not sent: {result['reason']}")
    return f"a test mail was sent to {environment['TF_EMAIL_TO']}"


def _send_mail(mail: MailText, environment: Mapping[str, str]) -> Result:
    missing = [name for name in NEEDED_VARIABLES if not environment.get(name, "").strip()]
    if missing:
        return _result("email", "not_configured", f"{', '.join(missing)} not set")
    try:
        settings = MailSettings.from_environment(environment)
    except ParameterError as error:
        return _result("email", "failed", str(error))
    try:
        refused = _deliver(_message(mail, settings), settings)
    except Exception as error:  # whatever a server or a network does
        reason = settings.scrub(f"{settings.host}:{settings.port}: {_words(error)}")
        return _result("email", "failed", reason)
    if refused:
        return _result("email", "failed", f"refused for {', '.join(sorted(refused))}")
    return _result("email", "sent", "")


def _message(mail: MailText, settings: MailSettings) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = mail.subject
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.recipients)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=settings.recipients[0].rsplit("@", 1)[-1])
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def _deliver(message: EmailMessage, settings: MailSettings) -> list[str]:
    """Send a message and return the addresses that were refused while others were taken."""
    with _connected(settings) as server:
        if settings.user:
            server.login(settings.user, settings.password)
        return list(server.send_message(message, to_addrs=list(settings.recipients)))


def _connected(settings: MailSettings) -> smtplib.SMTP:
    place = (settings.host, settings.port)
    if settings.port == SMTPS_PORT:
        return smtplib.SMTP_SSL(
            *place, _OWN_NAME, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
        )
    server = smtplib.SMTP(*place, _OWN_NAME, timeout=TIMEOUT_SECONDS)
    try:
        server.ehlo()
        if server.has_extn("starttls") and not settings.is_local:
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        elif settings.user and not settings.is_local:
            raise ConnectionError("the server offers no TLS, the password is not sent in clear")
    except BaseException:
        server.close()
        raise
    return server


def _send_apprise(mail: MailText, urls: str) -> Result:
    # An address holds its own token, so none is quoted, and the library is kept from logging it.
    library_log = logging.getLogger("apprise")
    was_disabled, library_log.disabled = library_log.disabled, True
    try:
        from apprise import Apprise

        channels = Apprise()
        bad = [n for n, url in enumerate(urls.split(), start=1) if not channels.add(url)]
        if bad:
            return _result("apprise", "failed", f"TF_NOTIFY_URLS: address {bad[0]} is not known")
        if not channels.notify(title=mail.subject, body=mail.text):
            return _result("apprise", "failed", "at least one address did not take it")
    except Exception as error:  # whatever a channel's plug-in does
        return _result("apprise", "failed", type(error).__name__)
    finally:
        library_log.disabled = was_disabled
    return _result("apprise", "sent", "")


def _result(channel: str, result: str, reason: str) -> Result:
    return {"channel": channel, "result": result, "reason": reason}


def _port(text: str) -> int:
    if not text.strip():
        return DEFAULT_PORT
    number = int(text) if text.strip().isascii() and text.strip().isdigit() else 0
    if not 1 <= number <= 65535:
        raise ParameterError(f"TF_SMTP_PORT must be a number from 1 to 65535, got {text!r:.20}")
    return number


def _is_this_machine(host: str) -> bool:
    try:
        return is_loopback(f"[{host}]" if host.count(":") > 1 else host)
    except ParameterError:
        return False


def _words(error: Exception) -> str:
    """Return an error in one short line; a server's own words come as bytes."""
    said = getattr(error, "smtp_error", None)
    code = getattr(error, "smtp_code", "")
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said or error)
    return printable(" ".join(f"{type(error).__name__} {code} {text}".split()))[:_MOST_TEXT]

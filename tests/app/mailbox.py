"""What a mail server got."""

from __future__ import annotations

import email
from email.message import Message

from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.messages.append(email.message_from_bytes(envelope.content))
        return "250 OK"

    def text(self, number: int = -1) -> str:
        """Return a mail as it is read without its page."""
        parts = self.messages[number].walk()
        part = next(each for each in parts if each.get_content_type() == "text/plain")
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        return content.decode()


def mail_settings(port: int) -> dict[str, str]:
    """Return the environment that names a server on this machine."""
    server = {"TF_SMTP_HOST": "127.0.0.1", "TF_SMTP_PORT": str(port)}
    return server | {"TF_EMAIL_FROM": "runner@example.com", "TF_EMAIL_TO": "owner@example.com"}

"""A real mail server on a port: it keeps what it takes, and refuses what a test says."""

import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.product import CROWDED_S, free_port

TAKEN = "250 OK"
BACKEND = "django.core.mail.backends.smtp.EmailBackend"


@dataclass
class Postbox:
    """What the server was sent, and what it says to a recipient or to who logs in."""

    port: int = field(default_factory=free_port)
    mails: list[EmailMessage] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)
    answer: str = TAKEN
    login: tuple[bytes, bytes] = (b"", b"")

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if self.answer == TAKEN:
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        self.readers += envelope.rcpt_tos
        self.mails.append(email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default))
        return TAKEN

    def admit(self, _: SMTP, __: Session, ___: Envelope, mechanism: str, given: Any) -> AuthResult:
        admitted = isinstance(given, LoginPassword) and (given.login, given.password) == self.login
        return AuthResult(success=admitted, handled=False)


@contextmanager
def mail_server(settings: Any) -> Iterator[Postbox]:
    """One that the product is set to send through, without TLS, until the end of the block."""
    box = Postbox()
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = BACKEND, "127.0.0.1", box.port, False
    settings.EMAIL_TIMEOUT = CROWDED_S
    server = Controller(
        box, "127.0.0.1", box.port, ready_timeout=CROWDED_S, authenticator=box.admit, auth_require_tls=False, decode_data=False
    )
    server.start()
    try:
        yield box
    finally:
        server.stop(no_assert=True)

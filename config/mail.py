"""Mail without a mail server: every message lands as an .eml file in PLUMBLINE_HOME/mail/."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone


def mail_folder() -> Path:
    return Path(settings.PLUMBLINE_HOME) / "mail"


class FileBackend(BaseEmailBackend):
    """One private file per message, named so that they sort by time. A reader never sees half a file."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder = mail_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for message in email_messages:
            name = f"{timezone.now():%Y%m%d-%H%M%S-%f}-{secrets.token_hex(3)}"
            part = folder / f"{name}.part"
            part.touch(mode=0o600)
            part.write_bytes(message.message().as_bytes())
            part.rename(folder / f"{name}.eml")
        return len(email_messages)

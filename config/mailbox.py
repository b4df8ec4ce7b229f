"""The mails that landed as files (config/mail.py), read again: for operators of an installation without a mail server."""

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Final

from django.conf import settings

from config.mail import mail_folder

# Older ones stay on disk and are not looked at.
NEWEST: Final = 2000
LARGEST: Final = 5 * 2**20
ID: Final = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9]{6}-[0-9a-f]{6}")
_LINK: Final = re.compile(r"https?://[^\s<>\"']+")


@dataclass(frozen=True)
class Envelope:
    """A mail as a list shows it. `id` is the name of its file."""

    id: str
    at: datetime
    to: str
    sender: str
    subject: str


@dataclass(frozen=True)
class Mail:
    """A whole mail. `html` is as it came: it must only be shown where it can do nothing. `links` lead to this installation."""

    envelope: Envelope
    text: str
    html: str
    links: tuple[str, ...]


def envelopes(search: str = "") -> list[Envelope]:
    """The newest mails whose address or subject holds `search`, whatever the case; newest first."""
    wanted = search.strip().lower()
    found = (_envelope(path) for path in _newest_files())
    return [one for one in found if not wanted or wanted in f"{one.to}\n{one.subject}".lower()]


def _newest_files() -> Iterator[Path]:
    names = sorted((path for path in mail_folder().glob("*.eml") if ID.fullmatch(path.stem)), reverse=True)
    yield from names[:NEWEST]


def _envelope(path: Path) -> Envelope:
    """Also of a file that is no mail: then with what can be told of it."""
    with path.open("rb") as file:
        headers = BytesHeaderParser(policy=policy.default).parsebytes(file.read(64 * 1024))
    return _told(path.stem, headers)


def _told(id: str, headers: EmailMessage) -> Envelope:
    at = datetime.strptime(id[:22], "%Y%m%d-%H%M%S-%f").replace(tzinfo=UTC)
    return Envelope(id, at, _header(headers, "To"), _header(headers, "From"), _header(headers, "Subject"))


def _header(headers: EmailMessage, name: str) -> str:
    try:
        return str(headers[name] or "")
    except (ValueError, IndexError, AttributeError):  # the parser of headers stumbles over some that are broken
        return ""


def mail_of(id: str) -> Mail | None:
    """The mail with this id; None when there is none, or none that can be read."""
    path = mail_folder() / f"{id}.eml"
    if not ID.fullmatch(id) or not path.is_file() or path.stat().st_size > LARGEST:
        return None
    message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
    text = _part(message, "plain")
    return Mail(_told(id, message), text, _part(message, "html"), _own_links(text))


def _part(message: EmailMessage, kind: str) -> str:
    try:
        part = message.get_body((kind,))
        return str(part.get_content()) if part is not None else ""
    except (LookupError, ValueError, AttributeError):  # an encoding that there is not, a part without content
        return ""


def _own_links(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(link for link in _LINK.findall(text) if link.startswith(f"{settings.BASE_URL}/")))

"""How a request becomes a person's, by page and by program alike: the second factor of a new client, and a session under a new id."""

from datetime import datetime
from typing import Final

from django.contrib.auth import SESSION_KEY
from django.contrib.auth import login as django_login
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from accounts import clients, letters
from accounts.models import Letter, User
from accounts.sessions import BEGAN, SEEN
from config.api.addresses import client_address
from config.api.session import Cookie

BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
SHORT_S: Final = 24 * 3600
LONG_S: Final = 14 * 24 * 3600
_CHALLENGE: Final = "challenge"


def needs_second_factor(person: User, client: str, *, now: datetime) -> bool:
    """Whether `person`, whose password was right, has still to prove the client that holds the signed id `client`."""
    return person.org.validates_clients and not person.is_demo and not clients.is_known(person, client, now=now)


def challenge(session: SessionBase, person: User, *, client: str, remember: bool) -> None:
    """Mails a code, which counts in this session only. `client` is what the mail calls it; `remember` is for the session to come."""
    details = {"client": client, "remember": remember}
    session[_CHALLENGE] = letters.order(Letter.Kind.CHALLENGE, person.email, user=person, details=details).pk


def pending(session: SessionBase) -> int | None:
    """The challenge that this session has to answer."""
    found = session.get(_CHALLENGE)
    return found if isinstance(found, int) else None


def answered(session: SessionBase, code: str, *, now: datetime) -> Letter | None:
    """The challenge of this session, used up by its code; None when the code is wrong, used or too old, or the account closed."""
    waiting = pending(session)
    letter = letters.opened_by_code(waiting, code, now=now) if waiting is not None else None
    return letter if letter and letter.user and letter.user.is_active else None


def start_session(request: HttpRequest, person: User, *, remember: bool, now: datetime) -> None:
    """Logs the person in under a new session id. It lasts a day after its last use, 14 when remembered."""
    session = request.session
    session.pop(_CHALLENGE, None)
    if SESSION_KEY in session:
        session.cycle_key()  # Django rotates only what was anonymous before
    django_login(request, person, backend=BACKEND)
    session.set_expiry(LONG_S if remember else SHORT_S)
    session[BEGAN] = {"at": int(now.timestamp()), "address": client_address(request), "agent": request.headers.get("User-Agent", "")[:300]}
    session[SEEN] = int(now.timestamp())


def remember_client(person: User, *, name: str, signed: str, now: datetime) -> Cookie:
    """Makes the client known to this person; the cookie that it shall keep. `signed` is the id that it has already."""
    made = clients.remember(person, name=name, signed=signed, now=now)
    return Cookie(clients.COOKIE, made.signed, max_age_s=int(clients.LIFE.total_seconds()))

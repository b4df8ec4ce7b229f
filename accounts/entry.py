"""How a request becomes a person's, by page and by program alike: the second factor of a new client, and a session under a new id."""

import hmac
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth import SESSION_KEY
from django.contrib.auth import login as django_login
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from accounts import clients, letters, second_factors
from accounts.models import Letter, User
from accounts.sessions import BEGAN, SEEN
from config.api.addresses import client_address
from config.api.session import Cookie
from orgs import tenancy

BACKEND: Final = "accounts.backends.OrgBackend"
SHORT_S: Final = 24 * 3600
LONG_S: Final = 14 * 24 * 3600
CHALLENGE_S: Final = int(letters.LIFE[Letter.Kind.CHALLENGE].total_seconds())
_CHALLENGE: Final = "challenge"


@dataclass(frozen=True)
class Challenge:
    """A log-in whose password was right and whose second factor is missing. The session holds it.

    `letter` is the mail with the code, None where the person's authenticator app makes it; `client` is what the client is called;
    `remember` is for the session to come; `proof` ends the challenge with a new password.
    """

    person: int
    letter: int | None
    client: str
    remember: bool
    began: int
    proof: str

    @property
    def by_mail(self) -> bool:
        return self.letter is not None


def needs_second_factor(person: User, client: str, *, now: datetime) -> bool:
    """Whether `person`, whose password was right, has still to prove the client that holds the signed id `client`."""
    if person.is_demo or clients.is_known(person, client, now=now):
        return False
    return person.org.validates_clients or second_factors.asks_always(person)


def challenge(session: SessionBase, person: User, *, client: str, remember: bool, now: datetime) -> Challenge:
    """Asks for the second factor, in this session only: for the app's code where the person has an app, else for one that is mailed."""
    letter = None if second_factors.uses_authenticator(person) else _mail_code(person, client=client, remember=remember)
    began, proof = int(now.timestamp()), person.get_session_auth_hash()
    asked = Challenge(person.pk, letter, client, remember, began, proof)
    session[_CHALLENGE] = asdict(asked)
    return asked


def _mail_code(person: User, *, client: str, remember: bool) -> int:
    details = {"client": client, "remember": remember}
    return letters.order(Letter.Kind.CHALLENGE, person.email, user=person, details=details).pk


def mail_again(session: SessionBase, asked: Challenge, *, now: datetime) -> None:
    """Mails a new code; the old one is void. Nothing for who has an app, or was closed out meanwhile."""
    person = person_of(asked)
    if person is None or not asked.by_mail:
        return
    letters.void(person, Letter.Kind.CHALLENGE)
    challenge(session, person, client=asked.client, remember=asked.remember, now=now)


def pending(session: SessionBase, *, now: datetime) -> Challenge | None:
    """The challenge that this session has to answer. Whoever proved a password goes on in the name of that person's org."""
    held: dict[str, Any] | None = session.get(_CHALLENGE)
    if not isinstance(held, dict) or now.timestamp() - held["began"] > CHALLENGE_S:
        return None
    asked = Challenge(**held)
    if (org_id := tenancy.org_of(User, id=asked.person)) is not None:
        tenancy.enter(org_id)
    return asked


def answered(asked: Challenge, code: str, *, now: datetime) -> User | None:
    """The person who answered with the right code, which is used up; None when it is wrong, used or too old, or the account closed."""
    if asked.letter is not None:
        letter = letters.opened_by_code(asked.letter, code, now=now)
        return letter.user if letter and letter.user and letter.user.is_active else None
    person = person_of(asked)
    return person if person and second_factors.proves(person, code, now=now) else None


def person_of(asked: Challenge) -> User | None:
    """Whose challenge it is, unless the account was closed or got another password since."""
    person = User.objects.select_related("org").filter(pk=asked.person, is_active=True).first()
    return person if person and hmac.compare_digest(asked.proof, person.get_session_auth_hash()) else None


def start_session(request: HttpRequest, person: User, *, remember: bool, now: datetime) -> None:
    """Logs the person in under a new session id. It lasts a day after its last use, 14 when remembered."""
    session = request.session
    session.pop(_CHALLENGE, None)
    if SESSION_KEY in session:
        session.cycle_key()  # Django rotates only what was anonymous before
    tenancy.enter(person.org_id)
    django_login(request, person, backend=BACKEND)
    session.set_expiry(LONG_S if remember else SHORT_S)
    session[BEGAN] = {"at": int(now.timestamp()), "address": client_address(request), "agent": request.headers.get("User-Agent", "")[:300]}
    session[SEEN] = int(now.timestamp())


def remember_client(person: User, *, name: str, signed: str, now: datetime) -> Cookie:
    """Makes the client known to this person; the cookie that it shall keep. `signed` is the id that it has already."""
    made = clients.remember(person, name=name, signed=signed, now=now)
    return Cookie(clients.COOKIE, made.signed, max_age_s=int(clients.LIFE.total_seconds()))

"""Whose request it is: the person of its session, found in one query with the session itself."""

from typing import Final, cast

from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from accounts.sessions import SEEN, SessionStore, is_anonymous

# A session lives on with its use, but is not written at every request.
REFRESH_S: Final = 600


class PersonMiddleware(AuthenticationMiddleware):
    """Sets `request.user`, looked up when somebody asks."""

    def process_request(self, request: HttpRequest) -> None:
        request.user = SimpleLazyObject(lambda: person_of(request))  # type: ignore[assignment]  # stands for a person or nobody


def person_of(request: HttpRequest) -> User | AnonymousUser:
    """The person of the request's session; nobody for a closed account and for a session from before the newest password."""
    session = cast("SessionStore", request.session)
    if session.session_key is None or is_anonymous(session.session_key):
        return AnonymousUser()
    proof = session.get(HASH_SESSION_KEY, "")  # loads it
    person = session.person
    if person is None or not person.is_active:
        return AnonymousUser()
    if not constant_time_compare(proof, person.get_session_auth_hash()):
        session.flush()
        return AnonymousUser()
    _note_use(session)
    return person


def _note_use(session: SessionStore) -> None:
    now_s = int(timezone.now().timestamp())
    seen = session.get(SEEN)
    if seen is not None and now_s - seen > REFRESH_S:
        session[SEEN] = now_s

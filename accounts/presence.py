"""Whose request it is: the person of its session, found in one query with the session itself."""

from typing import Final, cast

from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject
from structlog.contextvars import bind_contextvars

from accounts.models import User
from accounts.sessions import ACTED, SEEN, SessionStore, is_anonymous
from orgs import tenancy
from orgs.tenancy import Reason

# A session lives on with its use, but is not written at every request.
REFRESH_S: Final = 600
ADMIN: Final = "/admin/"


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
    if person is None:
        return AnonymousUser()
    _enter(person, request)
    if not person.is_active:
        return AnonymousUser()
    if not constant_time_compare(proof, person.get_session_auth_hash()) or not _is_rightly_acted(session, person):
        session.flush()
        return AnonymousUser()
    bind_contextvars(user=person.pk)
    _note_use(session)
    return person


def _enter(person: User, request: HttpRequest) -> None:
    """What follows is done in the name of the person's org; in the operators' admin an operator looks across all."""
    if person.is_staff and person.is_active and request.path.startswith(ADMIN):
        tenancy.enter_across(Reason.OPERATORS)
    else:
        tenancy.enter(person.org_id)


def _is_rightly_acted(session: SessionStore, person: User) -> bool:
    """Whether nobody else is behind the session, or an operator who still may be; every line of the log tells who."""
    if ACTED not in session:
        return True
    from accounts.impersonation import operator_behind  # which begins sessions, and so stands above

    person.acted_by = operator = operator_behind(session, now=timezone.now())
    if operator is not None:
        bind_contextvars(operator=operator.pk)
    return operator is not None


def _note_use(session: SessionStore) -> None:
    now_s = int(timezone.now().timestamp())
    seen = session.get(SEEN)
    if seen is not None and now_s - seen > REFRESH_S and ACTED not in session:
        session[SEEN] = now_s

"""An operator acts as a person, to see what they see: with a reason, for an hour, told in the audit log and in the org's own feed.

The session is the person's and holds who is behind it. Nothing that opens an account or the org can be changed in it, and nothing
that is masked is shown (`accounts/permissions.py`), and every line of the log carries both.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.utils.crypto import constant_time_compare

from accounts.entry import BACKEND, start_session
from accounts.models import Impersonation, User
from accounts.sessions import ACTED, BEGAN, SEEN
from config.api.addresses import client_address
from orgs.errors import Forbidden, Invalid
from orgs.events import record_event
from orgs.models import Event
from orgs.tenancy import org_of, within

LASTS_S: Final = 3600
LEAST_REASON: Final = 10


@dataclass(frozen=True)
class Acted:
    """What the session holds of who is behind it. `proof` ends it with the operator's password."""

    operator: int
    reason: str
    began: int
    proof: str


def begin(request: HttpRequest, operator: User, person: User, *, reason: str, now: datetime) -> None:
    """Makes the request's session one of the operator as the person. Raises Forbidden and Invalid; then nothing has changed."""
    _check(operator, person, reason)
    with within(person.org_id):
        _note(request, Impersonation.Action.BEGAN, operator, person, reason=reason, now=now)
        sentence = f"{operator.name}, an operator of this installation, acts as {person.name}"
        record_event(person.org_id, type=Event.Type.MEMBER, name=sentence, description=reason, user_id=person.pk)
        _take_over(request, person, Acted(operator.pk, reason, int(now.timestamp()), operator.get_session_auth_hash()))


def _check(operator: User, person: User, reason: str) -> None:
    if operator.acted_by is not None or person.pk == operator.pk:
        raise Forbidden("You act as somebody already, or this is you.")
    if person.is_staff or person.is_superuser:
        raise Forbidden("Nobody acts as another operator.")
    if person.is_service or not person.is_active:
        raise Forbidden("A service account and a closed account cannot log in, so nobody acts as them.")
    if len(reason.strip()) < LEAST_REASON:
        raise Invalid(f"Say why in at least {LEAST_REASON} characters, such as the number of a ticket.")


def _take_over(request: HttpRequest, person: User, acted: Acted) -> None:
    """As a log-in does it, but for what a log-in tells the person: it is none of theirs."""
    session = request.session
    session.flush()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(person.pk), BACKEND
    session[HASH_SESSION_KEY], session[ACTED] = person.get_session_auth_hash(), asdict(acted)
    session[BEGAN] = {"at": acted.began, "address": client_address(request), "agent": "an operator of this installation"}
    session[SEEN] = acted.began
    session.set_expiry(LASTS_S)
    rotate_token(request)


def operator_behind(session: Any, *, now: datetime) -> User | None:
    """The operator behind a session that is acted in. None when the hour is over, or the operator is none any more."""
    acted = Acted(**session[ACTED])
    if now.timestamp() - acted.began > LASTS_S:
        return None
    org_id = org_of(User, id=acted.operator)
    if org_id is None:
        return None
    with within(org_id):
        operator = User.objects.select_related("org").filter(pk=acted.operator, is_active=True, is_staff=True).first()
    return operator if operator and constant_time_compare(acted.proof, operator.get_session_auth_hash()) else None


def end(request: HttpRequest, person: User, *, now: datetime) -> User:
    """Ends it, and logs the operator in again as themselves; the operator."""
    operator, acted = person.acted_by, Acted(**request.session[ACTED])
    assert operator is not None  # noqa: S101 - whoever calls has looked
    _note(request, Impersonation.Action.ENDED, operator, person, reason=acted.reason, now=now)
    request.session.flush()
    with within(operator.org_id):
        start_session(request, operator, remember=False, now=now)
    return operator


def _note(request: HttpRequest, action: Impersonation.Action, operator: User, person: User, *, reason: str, now: datetime) -> None:
    Impersonation.objects.create(
        org_id=person.org_id, action=action, operator=operator, operator_email=operator.email, user=person, user_email=person.email,
        reason=reason.strip()[:500], address=client_address(request), request_id=getattr(request, "request_id", ""), created=now,
    )  # fmt: skip

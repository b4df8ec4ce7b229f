"""/user: the person who is logged in."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import logout as django_logout
from django.contrib.auth import update_session_auth_hash
from django.db import transaction

from accounts import impersonation, letters, limits, people
from accounts.models import Letter, User
from accounts.passwords import LONGEST, check_new_password, check_own_password, set_password
from accounts.permissions import has_role
from accounts.reach import PHONE_LIMIT, e164, slack_member
from accounts.session_api.shown import user_shown
from accounts.sessions import SEEN
from config.api.session import Call, Data, Kind, endpoint
from config.api.session.calls import refuse_foreign
from config.api.session.parameters import Email, Flag, Flags, Integer, Parameter, Text, Token
from orgs.errors import FieldError, Forbidden, Invalid, NotFound


@endpoint("/user/info", operation="me.read")
def info(call: Call) -> Data:
    """The person who is logged in, and the org as they see it."""
    person = call.person()
    return {"user": user_shown(person, now=call.now, zone=call.zone, services=call.session.services)}


@endpoint("/user/ping", operation="me.read")
def ping(call: Call) -> Data:
    """Keeps the session alive; 401 when it is not."""
    call.session[SEEN] = call.now_s
    return {"message": "pong"}


@endpoint("/user/logout", operation="me.read")
def logout(call: Call) -> Data:
    """Ends the session. The answer carries the id of a new anonymous one. A page elsewhere cannot ask for it with the cookie."""
    refuse_foreign(call)
    person = call.person()
    if person.acted_by is not None:
        impersonation.end(call.request, person, now=call.now)
    django_logout(call.request)
    call.leave()
    return {"message": "OK"}


@dataclass(frozen=True, kw_only=True)
class Phone(Text):
    """E.164, or empty for none."""

    limit: int = PHONE_LIMIT

    def read(self, raw: Any, *, now: int) -> str:
        text = super().read(raw, now=now)
        return e164(text) if text else ""


@dataclass(frozen=True, kw_only=True)
class SlackMember(Text):
    """The id of a member of a Slack workspace, or empty for none."""

    limit: int = 32

    def read(self, raw: Any, *, now: int) -> str:
        text = super().read(raw, now=now)
        return slack_member(text) if text else ""


@endpoint(
    "/user/update",
    kind=Kind.WRITE,
    operation="me.update",
    parameters=(
        Text(name="name", writes=True),
        Email(
            name="email",
            help="A new address: it counts once the token that is mailed to it has come back; the old one is told.",
        ),
        Token(name="email_token", help="From that mail."),
        Phone(name="phone_number", argument="phone", writes=True, help="E.164, such as +4930123456; empty for none."),
        SlackMember(name="slack_member_id", writes=True, help="Such as U012AB3CD; empty for none."),
        Flag(name="email_alerts", help="Whether alerts reach this person by e-mail."),
        Flags(name="onboarding_flags", names=User.ONBOARDING_FLAGS, help="What has been shown: these change, the others stay."),
    ),
    example={"name": "Alice Lee", "phone_number": "+4930123456"},
)
def update(call: Call, *, email: str | None, email_token: str | None, onboarding_flags: dict[str, bool] | None, **plain: Any) -> Data:
    """Changes what the person may change about themselves: only what is sent."""
    person = call.person()
    if (email or email_token) and not has_role(person, "me.secure"):
        raise Forbidden("The address cannot be changed in this session.")
    changes = {name: value for name, value in plain.items() if value is not None}
    if changes.get("name") == "":
        raise Invalid("A person has a name.", errors=[FieldError(("name",), "required", "This must not be empty.")])
    if onboarding_flags is not None:
        changes["onboarding_flags"] = {**person.onboarding_flags, **onboarding_flags}
    message = "OK"
    with transaction.atomic():
        if email_token is not None:
            limits.guess(call.request, account=f"address:{person.pk}")
            people.move(person, email_token, now=call.now)
        if email is not None and email != person.email:
            people.ask_to_move(person, email)
            message = f"A mail is on its way to {email}: the address counts when its token has been sent back as email_token."
        people.change_self(person, **changes)
    return {"user": user_shown(person, now=call.now, zone=call.zone), "message": message}


PASSWORDS: tuple[Parameter, ...] = (
    Text(name="old_password", required=True, secret=True, limit=LONGEST),
    Text(name="new_password_1", required=True, secret=True, limit=LONGEST),
    Text(name="new_password_2", required=True, secret=True, limit=LONGEST, help="The same again."),
)


def changed_password(call: Call, *, old_password: str, new_password_1: str, new_password_2: str) -> Data:
    """Changes the person's password. The session gets a new id; every other session of the person ends."""
    person = call.person()
    check_own_password(call.request, person, old_password, name="old_password")
    check_new_password(person, new_password_1, new_password_2, names=("new_password_1", "new_password_2"))
    set_password(person, new_password_1)
    update_session_auth_hash(call.request, person)
    call.session.save()
    return {"message": "OK"}


EXAMPLE = {"old_password": "…", "new_password_1": "…", "new_password_2": "…"}
updatepassword = endpoint("/user/updatepassword", kind=Kind.WRITE, operation="me.secure", parameters=PASSWORDS, example=EXAMPLE)(
    changed_password
)
password = endpoint("/user/password", kind=Kind.PUT, operation="me.secure", parameters=PASSWORDS, example=EXAMPLE)(changed_password)


@endpoint(
    "/user/delete",
    kind=Kind.WRITE,
    operation="me.secure",
    parameters=(
        Text(name="password", required=True, secret=True, limit=LONGEST, help="The password of who asks."),
        Integer(name="user_id", least=1, help="Admins only: somebody else of the org."),
    ),
    example={"password": "…"},
)
def delete(call: Call, *, password: str, user_id: int | None) -> Data:
    """Erases the person with their tokens and sessions; what they did stays, without their name. The last admin cannot leave."""
    person = call.person()
    check_own_password(call.request, person, password)
    leaver = person if user_id in (None, person.pk) else somebody_else(person, user_id)
    people.remove_user(leaver, actor_id=person.pk)
    if leaver is person:
        django_logout(call.request)
        call.leave()
    return {"message": "OK"}


def somebody_else(person: User, user_id: int | None) -> User:
    """Another person of the org. Raises Forbidden for all but admins, and NotFound."""
    if not person.is_admin:
        raise Forbidden("Only an admin may delete somebody else.")
    found: User | None = User.objects.filter(org_id=person.org_id, pk=user_id).first()
    if found is None:
        raise NotFound("There is no such person in your org.")
    return found


@endpoint(
    "/user/reportissue",
    kind=Kind.WRITE,
    operation="me.read",
    parameters=(
        Text(name="message", required=True, limit=10_000),
        Text(name="url", default="", limit=2000, help="The page that it is about."),
        Text(name="metric", default="", limit=4096),
        Integer(name="anomaly_id", least=1),
    ),
    example={"message": "The graph of cpu.load is empty since noon."},
)
def reportissue(call: Call, **said: Any) -> Data:
    """Keeps what a person reports, and mails it to the operator."""
    person = call.person()
    limits.guess(call.request, account=f"report:{person.pk}")
    letters.order(Letter.Kind.REPORT, settings.OPERATOR_EMAIL, user=person, details=said)
    return {"message": "Thank you. The operator of this installation has been told."}

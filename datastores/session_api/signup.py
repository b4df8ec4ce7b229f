"""/signup: a new org, its first person, and visits to a demo org."""

import zoneinfo

from accounts import invitations, limits
from accounts.passwords import LONGEST
from accounts.session_api.entry import enter, remember_client
from accounts.session_api.shown import org_of_user_shown, person_shown
from config.api.session import Answer, Call, Data, Kind, endpoint
from config.api.session.parameters import Choice, Email, Flag, Integer, Text, Token
from datastores.signup import sign_up, visit
from orgs.errors import NotFound
from orgs.models import Org
from orgs.tenancy import Reason, across, within

ZONES = tuple(sorted(zoneinfo.available_timezones()))


@endpoint(
    "/signup/selfserve",
    kind=Kind.WRITE,
    parameters=(
        Email(name="email", required=True),
        Text(name="user_name", required=True),
        Text(name="org_name", required=True),
        Choice(name="timezone", required=True, choices=ZONES, help="One of /misc/timezones."),
        Flag(name="test_data", argument="is_test", default=False, help="The sign-up is a test, and may be purged."),
    ),
    example={"email": "jo@example.com", "user_name": "Jo Miller", "org_name": "Example Ltd", "timezone": "Europe/London"},
)
def selfserve(call: Call, *, email: str, user_name: str, org_name: str, timezone: str, is_test: bool) -> Data:
    """Makes an org and its first admin, and mails the token for /signup/verify.

    The answer is the same for an address that has an account already; its owner is told by mail.
    """
    limits.newcomer(call.request)
    limits.guess(call.request, account=f"signup:{email}")
    person = sign_up(email=email, user_name=user_name, org_name=org_name, timezone=timezone, is_test=is_test)
    with within(person.org_id):
        org = org_of_user_shown(person.org, now=call.now, zone=call.zone)
    return {"user": person_shown(person, org), "message": "A mail is on its way."}


@endpoint(
    "/signup/verify",
    kind=Kind.WRITE,
    parameters=(
        Email(name="email", required=True),
        Token(name="verification_token", argument="token", required=True, help="From the mail of the sign-up or the invitation."),
        Text(name="password_1", required=True, secret=True, limit=LONGEST),
        Text(name="password_2", required=True, secret=True, limit=LONGEST, help="The same again."),
    ),
    example={"email": "jo@example.com", "verification_token": "2198b4ce0e9884d44b030397a6395b53", "password_1": "…", "password_2": "…"},
)
def verify(call: Call, *, email: str, token: str, password_1: str, password_2: str) -> Answer:
    """Sets the first password with the token of the mail, and logs in at once."""
    limits.guess(call.request, account=f"verify:{email}")
    person = invitations.accept(email, token, password_1=password_1, password_2=password_2, now=call.now)
    cookie = remember_client(call, person, name="")
    return Answer({"session": enter(call, person, remember=False), "client_id": cookie.value}, cookies=(cookie,))


@endpoint("/signup/demo-orgs")
def demo_orgs(call: Call) -> Data:
    """The orgs that anybody may visit."""
    with across(Reason.VISITORS):
        orgs = list(Org.objects.filter(is_demo=True).order_by("name", "pk"))
    return {"orgs": [{"id": org.pk, "name": org.name, "description": org.description} for org in orgs]}


@endpoint(
    "/signup/demo",
    kind=Kind.WRITE,
    parameters=(
        Email(name="email", required=True),
        Text(name="user_name", required=True),
        Integer(name="demo_org_id", argument="org_id", required=True, least=1, help="One of /signup/demo-orgs."),
    ),
    example={"email": "jo@example.com", "user_name": "Jo Miller", "demo_org_id": 1},
)
def demo(call: Call, *, email: str, user_name: str, org_id: int) -> Data:
    """Logs in as a new demo user of a demo org, who may look at everything and change nothing."""
    limits.newcomer(call.request)
    with across(Reason.VISITORS):
        org = Org.objects.filter(is_demo=True, pk=org_id).first()
    if org is None:
        raise NotFound("There is no such demo org. /signup/demo-orgs lists them.")
    return {"session": enter(call, visit(org, email=email, name=user_name), remember=False)}

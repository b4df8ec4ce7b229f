"""/login: e-mail and password, the second factor for a new client, a forgotten password."""

from django.contrib.auth import authenticate
from django.http import HttpResponse, HttpResponseRedirect

from accounts import entry, letters, limits
from accounts.models import Letter, User
from accounts.passwords import LONGEST, reset_password
from accounts.session_api.entry import client_of, enter, remember_client
from config.api.session import Answer, Call, Data, Kind, Unauthenticated, endpoint
from config.api.session.parameters import Code, Email, Flag, Text, Token
from orgs.errors import FieldError, Invalid


@endpoint(
    "/login",
    kind=Kind.WRITE,
    parameters=(
        Email(name="email", required=True),
        Text(name="password", required=True, secret=True, limit=LONGEST),
        Flag(name="remember", default=False, help="Keep the session for 14 days after its last use, else for one."),
        Text(name="client_name", default="", help="What the mail with the code calls this client."),
        Text(name="client_id", default="", limit=500, help="The id that an earlier validation gave, where no cookie keeps it."),
    ),
    example={"email": "alice.lee@northwind.example", "password": "…"},
)
def login(call: Call, *, email: str, password: str, remember: bool, client_name: str, client_id: str) -> Data:
    """Logs a person in. A client that is new gets `two_factor_required`, and a mail goes out with a code for /login/validateclient.

    The session id changes. An unknown address and a wrong password are answered alike.
    """
    limits.guess(call.request, account=email)
    person = authenticate(call.request, username=email, password=password)
    if not isinstance(person, User):
        raise Unauthenticated("This e-mail and password do not fit together.")
    if entry.needs_second_factor(person, client_of(call, client_id), now=call.now):
        entry.challenge(call.session, person, client=client_name, remember=remember)
        return {
            "two_factor_required": True,
            "message": "This client is new. A code has been mailed to you: send it to /login/validateclient.",
        }
    return {"session": enter(call, person, remember=remember), "two_factor_required": False}


@endpoint(
    "/login/validateclient",
    parameters=(
        Code(name="code", required=True, help="The 6 digits of the mail."),
        Token(name="token", help="From the link in the mail; validates from any client. Without it only the one that logged in may."),
    ),
    example={"code": "123456"},
)
def validateclient(call: Call, *, code: str, token: str | None) -> Answer | HttpResponse:
    """Proves the second factor of a log-in, and logs in. The client is known from then on: `client_id` is in the answer and in a cookie."""
    limits.guess(call.request, account=f"challenge:{token or entry.pending(call.session)}")
    letter = opened_challenge(call, code, token)
    if letter is None or letter.user is None or not letter.user.is_active:
        raise Invalid("The code is wrong, used or too old.", errors=[FieldError(("code",), "invalid", "Log in again to get a new code.")])
    cookie = remember_client(call, letter.user, name=str(letter.details.get("client", "")))
    session = enter(call, letter.user, remember=bool(letter.details.get("remember")))
    if token and "text/html" in call.request.headers.get("Accept", ""):
        return cookie.on(HttpResponseRedirect("/app/"))
    data = {"message": "This client is known now.", "client_id": cookie.value, "session": session}
    return Answer(data, cookies=(cookie,))


def opened_challenge(call: Call, code: str, token: str | None) -> Letter | None:
    """The challenge that code and token, or code and session, belong to; used up."""
    if token is None:
        return entry.answered(call.session, code, now=call.now)
    found = letters.by_token(token, Letter.Kind.CHALLENGE, now=call.now)
    return letters.opened_by_code(found.pk, code, now=call.now) if found else None


@endpoint(
    "/login/forgotpassword",
    kind=Kind.WRITE,
    parameters=(Email(name="email", required=True),),
    example={"email": "alice.lee@northwind.example"},
)
def forgotpassword(call: Call, *, email: str) -> Data:
    """Mails a link to a new password, if the address belongs to somebody. The answer is the same if it does not."""
    limits.guess(call.request, account=f"forgot:{email}")
    letters.order(Letter.Kind.RESET, email)
    return {"message": letters.NEUTRAL}


@endpoint(
    "/login/resetpassword",
    kind=Kind.WRITE,
    parameters=(
        Token(name="token", required=True, help="From the mail; works once, for an hour."),
        Text(name="new_password_1", required=True, secret=True, limit=LONGEST),
        Text(name="new_password_2", required=True, secret=True, limit=LONGEST, help="The same again."),
    ),
    example={"token": "2198b4ce0e9884d44b030397a6395b53", "new_password_1": "…", "new_password_2": "…"},
)
def resetpassword(call: Call, *, token: str, new_password_1: str, new_password_2: str) -> Data:
    """Sets a new password with the token of the mail. Every session of the account ends, and every client is new again."""
    limits.guess(call.request, account=f"reset:{token}")
    reset_password(token, new_password_1, new_password_2, now=call.now)
    return {"message": "OK. Log in with the new password."}

"""/login: e-mail and password, the second factor for a new client, a forgotten password."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import authenticate
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts import entry, letters, limits
from accounts.models import Letter, User
from accounts.passwords import LONGEST, reset_password
from accounts.second_factors import RECOVERY_SHAPE
from accounts.session_api.entry import client_of, enter, remember_client
from config.api.session import Answer, Call, Data, Kind, Unauthenticated, endpoint
from config.api.session.calls import refuse_foreign
from config.api.session.parameters import Code, Email, Flag, Text, Token
from orgs.errors import FieldError, Invalid


@dataclass(frozen=True, kw_only=True)
class SecondFactor(Code):
    """Six decimal digits, or a recovery code; spaces in them do not matter."""

    def read(self, raw: Any, *, now: int) -> str:
        text = re.sub(r"\s", "", str(raw))
        return text if re.fullmatch(RECOVERY_SHAPE, text) else super().read(text, now=now)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^([0-9]{6}|[a-z2-9]{5}-?[a-z2-9]{5})$"}


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
    """Logs a person in. A client that is new gets `two_factor_required`, and has to send a code to /login/validateclient.

    The code comes by mail (`second_factor` is `mail`), or from the app that the person has turned on (`app`).

    The session id changes. An unknown address and a wrong password are answered alike.
    """
    limits.log_in(call.request, email=email)
    person = authenticate(call.request, username=email, password=password)
    if not isinstance(person, User):
        raise Unauthenticated("This e-mail and password do not fit together.")
    if not entry.needs_second_factor(person, client_of(call, client_id), now=call.now):
        return {"session": enter(call, person, remember=remember), "two_factor_required": False}
    asked = entry.challenge(call.session, person, client=client_name, remember=remember, now=call.now)
    said = "A code has been mailed to you" if asked.by_mail else "Your authenticator app shows a code"
    message = f"This client is new. {said}: send it to /login/validateclient."
    return {"two_factor_required": True, "second_factor": "mail" if asked.by_mail else "app", "message": message}


@endpoint(
    "/login/validateclient",
    parameters=(
        SecondFactor(name="code", required=True, help="The 6 digits of the mail, or of the authenticator app; or a recovery code."),
        Token(name="token", help="From the link in the mail; validates from any client. Without it only the one that logged in may."),
    ),
    example={"code": "123456"},
)
def validateclient(call: Call, *, code: str, token: str | None) -> Answer | HttpResponse:
    """Proves the second factor of a log-in, and logs in. The client is known from then on: `client_id` is in the answer and in a cookie.

    A browser that opens the link of the mail is shown a page that asks first: programs that look through mail open links, too.
    """
    if token and call.request.method == "GET" and "text/html" in call.request.headers.get("Accept", ""):
        return HttpResponseRedirect(f"{reverse('login_link')}?{urlencode({'code': code, 'token': token})}")
    refuse_foreign(call)
    proved = proved_by_link(call, code, token) if token else proved_here(call, code)
    if proved is None:
        raise Invalid("The code is wrong, used or too old.", errors=[FieldError(("code",), "invalid", "Log in again to get a new code.")])
    cookie = remember_client(call, proved.person, name=proved.client)
    session = enter(call, proved.person, remember=proved.remember)
    return Answer({"message": "This client is known now.", "client_id": cookie.value, "session": session}, cookies=(cookie,))


@dataclass(frozen=True)
class Proved:
    """A log-in whose second factor was right: whose it is, and how it was asked for."""

    person: User
    client: str
    remember: bool


def proved_by_link(call: Call, code: str, token: str) -> Proved | None:
    limits.guess(call.request, account=f"challenge:{token}")
    letter = letters.opened_by_link(token, code, now=call.now)
    if letter is None or letter.user is None or not letter.user.is_active:
        return None
    return Proved(letter.user, str(letter.details.get("client", "")), bool(letter.details.get("remember")))


def proved_here(call: Call, code: str) -> Proved | None:
    asked = entry.pending(call.session, now=call.now)
    if asked is None:
        limits.guess(call.request, account="challenge:none")
        return None
    limits.guess_code(call.request, person=asked.person)
    person = entry.answered(asked, code, now=call.now)
    return Proved(person, asked.client, asked.remember) if person else None


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
        Token(name="token", required=True, help=f"From the mail; works once, for {letters.life_in_words(Letter.Kind.RESET)}."),
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

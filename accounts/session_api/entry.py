"""How a call of the session API becomes a person's: the session rotates, and a validated client is remembered."""

from typing import Any, Final

from django.contrib.auth import SESSION_KEY
from django.contrib.auth import login as django_login

from accounts import clients
from accounts.models import User
from accounts.session_api.shown import session_shown
from config.api.session import Call, Cookie

BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
SHORT_S: Final = 24 * 3600
LONG_S: Final = 14 * 24 * 3600


def enter(call: Call, person: User, *, remember: bool) -> dict[str, Any]:
    """Logs the person in under a new session id; the `session` object. It lasts a day after its last use, 14 when remembered."""
    call.session.pop("challenge", None)
    if SESSION_KEY in call.session:
        call.session.cycle_key()  # Django rotates only what was anonymous before
    django_login(call.request, person, backend=BACKEND)
    call.session.set_expiry(LONG_S if remember else SHORT_S)
    call.session["seen"] = call.now_s
    call.session.save()
    call.become(person)
    return session_shown(call.session.session_key or "", person, now=call.now, zone=call.zone)


def client_of(call: Call, sent: str) -> str:
    """The signed id of the client: the parameter, else the cookie."""
    return sent or call.request.COOKIES.get(clients.COOKIE, "")


def remember_client(call: Call, person: User, *, name: str) -> Cookie:
    """The client's id, as the cookie that it shall keep."""
    made = clients.remember(person, name=name, signed=client_of(call, ""), now=call.now)
    return Cookie(clients.COOKIE, made.signed, max_age_s=int(clients.LIFE.total_seconds()))

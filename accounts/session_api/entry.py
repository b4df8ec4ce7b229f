"""How a call of the session API becomes a person's: the session rotates, and a validated client is remembered."""

from typing import Any

from accounts import clients, entry
from accounts.models import User
from accounts.session_api.shown import session_shown
from config.api.session import Call, Cookie


def enter(call: Call, person: User, *, remember: bool) -> dict[str, Any]:
    """Logs the person in under a new session id; the `session` object."""
    entry.start_session(call.request, person, remember=remember, now=call.now)
    call.session.save()
    call.become(person)
    return session_shown(call.session.session_key or "", person, now=call.now, zone=call.zone)


def client_of(call: Call, sent: str) -> str:
    """The signed id of the client: the parameter, else the cookie."""
    return sent or call.request.COOKIES.get(clients.COOKIE, "")


def remember_client(call: Call, person: User, *, name: str) -> Cookie:
    """The client's id, as the cookie that it shall keep."""
    return entry.remember_client(person, name=name, signed=client_of(call, ""), now=call.now)

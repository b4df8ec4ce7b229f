"""What the browser's script asks and sends when a passkey is made or used. JSON, since only scripts can speak to a device."""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from accounts import entry, limits, passkeys
from accounts.models import User
from accounts.pages.login import own_address
from accounts.pages.readers import reader
from accounts.passwords import check_own_password
from accounts.permissions import has_role
from config.api.renderers import to_json
from orgs.errors import DomainError, FieldError, Forbidden, Invalid, TooMany

View = Callable[[HttpRequest, dict[str, Any]], dict[str, Any]]


def spoken_in_json(view: View) -> Callable[[HttpRequest], HttpResponse]:
    """POST only. The view gets the object that was sent, and its refusals become `{"message", "errors"}`."""

    @wraps(view)
    def answered(request: HttpRequest) -> HttpResponse:
        try:
            return _json(view(request, _sent(request)))
        except DomainError as refusal:
            errors = {str(error.loc[-1]): error.msg for error in refusal.errors}
            return _refused(refusal, {"message": refusal.detail, "errors": errors})

    return never_cache(require_POST(answered))


def _sent(request: HttpRequest) -> dict[str, Any]:
    try:
        found = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError as exc:
        raise Invalid("The body is no JSON.") from exc
    if not isinstance(found, dict):
        raise Invalid("The body must be a JSON object.")
    return found


def _json(data: dict[str, Any], status: int = 200) -> HttpResponse:
    return HttpResponse(to_json(data), content_type="application/json", status=status)


def _refused(refusal: DomainError, data: dict[str, Any]) -> HttpResponse:
    response = _json(data, 400 if isinstance(refusal, Invalid) else refusal.status)
    if isinstance(refusal, TooMany):
        response["Retry-After"] = str(math.ceil(refusal.wait_s))
    return response


def _changer(request: HttpRequest) -> User:
    """The person who is logged in. Raises Forbidden for who may not change what guards the account."""
    person = reader(request)
    if not has_role(person, "me.secure"):
        raise Forbidden("Passkeys cannot be changed in this session.")
    return person


@sensitive_variables("sent")
@spoken_in_json
def make(request: HttpRequest, sent: dict[str, Any]) -> dict[str, Any]:
    """With the password: what the device shall make a passkey from."""
    person = _changer(request)
    if not passkeys.are_possible():
        raise Forbidden("Passkeys need this installation to be reached by https, under a name.")
    check_own_password(request, person, sent.get("password"))
    return passkeys.begin_registration(request.session, person, now=timezone.now())


@spoken_in_json
def keep(request: HttpRequest, sent: dict[str, Any]) -> dict[str, Any]:
    """Keeps the passkey that the device made."""
    person, name, credential = _changer(request), str(sent.get("name") or "").strip(), sent.get("credential")
    if not name or len(name) > 100:
        raise Invalid("A passkey has a name.", errors=[FieldError(("name",), "required", "Give it a name of at most 100 characters.")])
    made = passkeys.register(request.session, person, name=name, sent=_object(credential), now=timezone.now())
    return {"id": made.pk, "url": reverse("profile-security")}


@login_not_required
@spoken_in_json
def ask(request: HttpRequest, sent: dict[str, Any]) -> dict[str, Any]:
    """What a device shall sign to log in; where a password was right already, with a passkey of that person."""
    now = timezone.now()
    limits.visit(request)
    asked = entry.pending(request.session, now=now)
    return passkeys.begin_login(request.session, entry.person_of(asked) if asked else None, now=now)


@login_not_required
@spoken_in_json
def come_in(request: HttpRequest, sent: dict[str, Any]) -> dict[str, Any]:
    """Logs in whose passkey signed it: it is both factors. Where a password was given before, it has to be of the same person."""
    now = timezone.now()
    credential = _object(sent.get("credential"))
    limits.guess(request, account=f"passkey:{credential.get('id')}")
    asked = entry.pending(request.session, now=now)
    person = passkeys.owner_of(request.session, credential, now=now)
    if asked is not None and asked.person != person.pk:
        raise Invalid("This passkey belongs to another account than the password.")
    entry.start_session(request, person, remember=asked.remember if asked else True, now=now)
    return {"url": own_address(request, otherwise=reverse("overview"), target=str(sent.get("next") or ""))}


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid("The passkey is missing.")
    return value

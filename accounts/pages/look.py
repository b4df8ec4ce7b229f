"""How the pages look to a person, and whether they listen to single keys."""

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.pages.login import own_address

THEME_COOKIE: Final = "theme"
KEYS_COOKIE: Final = "keys"
CHOICE_AGE: Final = 365 * 24 * 3600


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keeps the chosen theme (`system`, `light`, `dark`); goes back to where they were."""
    chosen = request.POST.get("theme", "")
    if chosen not in User.Theme.values:
        return HttpResponseBadRequest("theme is system, light or dark")
    return _kept(request, THEME_COOKIE, chosen, theme=chosen)


@require_POST
def single_keys(request: HttpRequest) -> HttpResponse:
    """Keeps whether a key alone does something (`on`, `off`); goes back to where they were."""
    chosen = request.POST.get("keys", "")
    if chosen not in ("on", "off"):
        return HttpResponseBadRequest("keys is on or off")
    return _kept(request, KEYS_COOKIE, chosen, single_keys=chosen == "on")


def _kept(request: HttpRequest, cookie: str, chosen: str, **fields: Any) -> HttpResponse:
    """Keeps a choice with the person, a demo user's in their browser."""
    back = HttpResponseRedirect(own_address(request, otherwise=reverse("overview")))
    if isinstance(request.user, User) and not request.user.is_demo:
        User.objects.filter(pk=request.user.pk).update(**fields)
    else:
        back.set_cookie(cookie, chosen, max_age=CHOICE_AGE, secure=settings.SESSION_COOKIE_SECURE, httponly=True, samesite="Lax")
    return back


def theme_of(request: HttpRequest, user: User) -> str:
    """The theme that a person has chosen."""
    kept = request.COOKIES.get(THEME_COOKIE, "") if user.is_demo else ""
    return kept if kept in User.Theme.values else str(user.theme)


def keys_of(request: HttpRequest, user: User) -> bool:
    """Whether a key alone does something for this person."""
    return request.COOKIES.get(KEYS_COOKIE) != "off" if user.is_demo else user.single_keys

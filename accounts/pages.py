"""Coming in, going out, and how the pages look to a person."""

from typing import Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts.forms import LoginForm
from accounts.models import User

THEME_COOKIE: Final = "theme"
THEME_AGE: Final = 365 * 24 * 3600


@method_decorator(login_not_required, name="dispatch")
class LogIn(LoginView):
    """Logs in and goes on to `next`, if that is an address of this product."""

    authentication_form = LoginForm
    template_name = "accounts/login.html"
    redirect_authenticated_user = True


class LogOut(LogoutView):
    """Ends the session; POST only, so that no image tag elsewhere can do it."""

    http_method_names = ("post", "options")
    next_page = "login"


def own_address(request: HttpRequest, *, otherwise: str) -> str:
    """The address in `next`, when it leads to this product, else `otherwise`."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return target if safe else otherwise


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keeps the chosen theme (`system`, `light`, `dark`) with the person, a demo user's in their browser; goes back to where they were."""
    chosen = request.POST.get("theme", "")
    if chosen not in User.Theme.values:
        return HttpResponseBadRequest("theme is system, light or dark")
    back = HttpResponseRedirect(own_address(request, otherwise=reverse("overview")))
    if isinstance(request.user, User) and not request.user.is_demo:
        User.objects.filter(pk=request.user.pk).update(theme=chosen)
    else:
        back.set_cookie(THEME_COOKIE, chosen, max_age=THEME_AGE, secure=settings.SESSION_COOKIE_SECURE, httponly=True, samesite="Lax")
    return back


def theme_of(request: HttpRequest, user: User) -> str:
    """The theme that a person has chosen."""
    kept = request.COOKIES.get(THEME_COOKIE, "") if user.is_demo else ""
    return kept if kept in User.Theme.values else str(user.theme)

"""Coming in, going out, and how the pages look to a person."""

import math
from typing import Any, Final, cast

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView, RedirectURLMixin, redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django.views.generic import FormView

from accounts import clients, entry
from accounts.forms import CodeForm, Guess, LoginForm, RequestForm
from accounts.models import User
from config.api.addresses import client_address

THEME_COOKIE: Final = "theme"
THEME_AGE: Final = 365 * 24 * 3600


class GuessView(FormView):  # type: ignore[type-arg]  # not generic at run time
    """A form in which a secret can be guessed: after too many tries it is a 429 that says how long to wait."""

    def form_invalid(self, form: Guess) -> HttpResponse:
        response = super().form_invalid(form)
        if form.wait_s:
            response.status_code = 429
            response["Retry-After"] = str(math.ceil(form.wait_s))
        return response


@method_decorator(login_not_required, name="dispatch")
class LogIn(GuessView, LoginView):
    """Asks a new client for the code of the mail; else logs in and goes on to `next`, if that is an address of this product."""

    authentication_form = LoginForm
    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        person, now = cast("User", form.get_user()), timezone.now()
        if entry.needs_second_factor(person, self.request.COOKIES.get(clients.COOKIE, ""), now=now):
            client = f"a browser at {client_address(self.request)}"
            entry.challenge(self.request.session, person, client=client, remember=True)
            return redirect_to_login(self.get_success_url(), login_url=reverse("login_code"))
        entry.start_session(self.request, person, remember=True, now=now)
        return HttpResponseRedirect(self.get_success_url())


class RequestFormView(GuessView):
    """Hands the request to its form."""

    form_class: type[RequestForm]

    def get_form_kwargs(self) -> dict[str, Any]:
        return {"request": self.request, **super().get_form_kwargs()}


@method_decorator([login_not_required, never_cache, sensitive_post_parameters()], name="dispatch")
class ProveClient(RedirectURLMixin, RequestFormView):
    """Takes the code that was mailed at log-in. From then on this browser is known to the person."""

    form_class = CodeForm
    template_name = "accounts/code.html"
    next_page = "overview"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return redirect(self.get_success_url())
        if entry.pending(request.session) is None:
            return redirect("login")
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(next=self.get_redirect_url(), **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        now = timezone.now()
        letter = entry.answered(self.request.session, form.cleaned_data["code"], now=now)
        if letter is None or letter.user is None:
            form.add_error("code", "The code is wrong, used or too old. Log in again to get a new one.")
            return self.form_invalid(form)
        signed, name = self.request.COOKIES.get(clients.COOKIE, ""), str(letter.details.get("client", ""))
        cookie = entry.remember_client(letter.user, name=name, signed=signed, now=now)
        entry.start_session(self.request, letter.user, remember=bool(letter.details.get("remember")), now=now)
        return cookie.on(HttpResponseRedirect(self.get_success_url()))


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

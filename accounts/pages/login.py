"""Coming in, and going out."""

import math
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView, RedirectURLMixin, redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
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

from accounts import clients, entry, impersonation, letters, limits, passkeys
from accounts.browsers import browser_words
from accounts.models import Letter, Passkey, User
from accounts.pages.forms import CodeForm, Guess, LoginForm, RecoveryForm, RequestForm
from config.api.addresses import client_address
from orgs.errors import TooMany


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
    """Asks a new client for the second factor; else logs in and goes on to `next`, if that is an address of this product."""

    authentication_form = LoginForm
    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(passkeys=passkeys.are_possible(), **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        person, now, remember = cast("User", form.get_user()), timezone.now(), bool(form.cleaned_data["remember"])
        if entry.needs_second_factor(person, self.request.COOKIES.get(clients.COOKIE, ""), now=now):
            entry.challenge(self.request.session, person, client=told_client(self.request), remember=remember, now=now)
            return redirect_to_login(self.get_success_url(), login_url=reverse("login_code"))
        entry.start_session(self.request, person, remember=remember, now=now)
        return HttpResponseRedirect(self.get_success_url())


def told_client(request: HttpRequest) -> str:
    """What a mail and the list of clients call this browser."""
    return f"{browser_words(request.headers.get('User-Agent', ''))} at {client_address(request)}"


class RequestFormView(GuessView):
    """Hands the request to its form."""

    form_class: type[RequestForm]

    def get_form_kwargs(self) -> dict[str, Any]:
        return {"request": self.request, **super().get_form_kwargs()}


@method_decorator([login_not_required, never_cache, sensitive_post_parameters()], name="dispatch")
class ProveClient(RedirectURLMixin, RequestFormView):
    """Takes the code that was mailed at log-in, or that the person's app shows. From then on this browser is known to the person."""

    template_name = "accounts/code.html"
    next_page = "overview"
    asked: entry.Challenge

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return redirect(self.get_success_url())
        asked = entry.pending(request.session, now=timezone.now())
        if asked is None:
            return redirect("login")
        self.asked = asked
        return super().dispatch(request, *args, **kwargs)

    @property
    def by_recovery_code(self) -> bool:
        return "recovery" in self.request.GET and not self.asked.by_mail

    def get_form_class(self) -> type[CodeForm]:
        return RecoveryForm if self.by_recovery_code else CodeForm

    def get_form(self, form_class: Any = None) -> Any:
        form = super().get_form(form_class)
        form.asked = self.asked
        return form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        next_page = self.get_redirect_url()
        has_passkeys = Passkey.objects.filter(user=self.asked.person).exists()
        about = {"asked": self.asked, "by_recovery_code": self.by_recovery_code, "has_passkeys": has_passkeys, "next": next_page}
        about["life"] = letters.life_in_words(Letter.Kind.CHALLENGE)
        return super().get_context_data(**about, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        now = timezone.now()
        person = entry.answered(self.asked, form.cleaned_data["code"], now=now)
        if person is None:
            again = "Log in again to get a new one." if self.asked.by_mail else "Wait for the next one."
            form.add_error("code", f"The code is wrong, used or too old. {again}")
            return self.form_invalid(form)
        asked, shared = self.asked, form.cleaned_data["shared"]
        return come_in(self.request, person, client=asked.client, remember=asked.remember, shared=shared, to=self.get_success_url())


def come_in(request: HttpRequest, person: User, *, client: str, remember: bool, to: str, shared: bool = False) -> HttpResponse:
    """Logs in who has proved that this browser, called `client`, is theirs, and makes it known unless others share it."""
    now, response = timezone.now(), HttpResponseRedirect(to)
    if not shared:
        signed = request.COOKIES.get(clients.COOKIE, "")
        entry.remember_client(person, name=client, signed=signed, now=now).on(response)
    entry.start_session(request, person, remember=remember and not shared, now=now)
    return response


@login_not_required
@require_POST
def mail_again(request: HttpRequest) -> HttpResponse:
    """A new code for the log-in that waits for one."""
    now = timezone.now()
    asked, back = entry.pending(request.session, now=now), own_address(request, otherwise=reverse("overview"))
    if asked is None:
        return redirect("login")
    try:
        limits.guess(request, account=f"mail:{asked.person}")
        entry.mail_again(request.session, asked, now=now)
    except TooMany as exc:
        messages.error(request, f"Too many mails. Wait {math.ceil(exc.wait_s)} seconds and try again.")
    else:
        messages.success(request, "A new code is on its way. The old one is void.")
    return redirect_to_login(back, login_url=reverse("login_code"))


class LogOut(LogoutView):
    """Ends the session. POST only, so that no link can do it; /user/logout, which takes a GET, refuses pages elsewhere.

    An operator who acts as somebody is themselves again.
    """

    http_method_names = ("post", "options")
    next_page = "login"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if isinstance(request.user, User) and request.user.acted_by is not None:
            return stop_acting(request)
        return super().post(request, *args, **kwargs)


@require_POST
def stop_acting(request: HttpRequest) -> HttpResponse:
    """Makes an operator who acts as somebody themselves again."""
    person = request.user
    if not isinstance(person, User) or person.acted_by is None:
        return redirect("overview")
    impersonation.end(request, person, now=timezone.now())
    return redirect("admin:accounts_user_change", person.pk)


def own_address(request: HttpRequest, *, otherwise: str, target: str = "") -> str:
    """The address in `target` or else in `next`, when it leads to this product, else `otherwise`."""
    target = target or request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return target if safe else otherwise

"""Signing up: an org and its first admin, who comes in by the link that is mailed."""

import zoneinfo
from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from accounts import letters, limits
from accounts.models import Letter
from accounts.pages.forms import RequestForm
from accounts.pages.login import RequestFormView
from datastores.signup import sign_up

ZONES: Final = [("", "Choose one"), *((name, name.replace("_", " ")) for name in sorted(zoneinfo.available_timezones()))]
SIGNED_UP: Final = "signed_up"


class SignUpForm(RequestForm):
    """What an org and its first admin need to begin."""

    email = forms.EmailField(
        label="E-mail", max_length=254, help_text="A link to choose your password goes there.",
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
    )  # fmt: skip
    user_name = forms.CharField(label="Your name", max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    org_name = forms.CharField(label="Organisation", max_length=200, widget=forms.TextInput(attrs={"autocomplete": "organization"}))
    timezone = forms.ChoiceField(label="Time zone", choices=ZONES, widget=forms.Select(attrs={"data-own-zone": ""}))

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            self.limited(lambda: limits.newcomer(self.request))
            self.count(f"signup:{self.cleaned_data['email'].lower()}")
        return self.cleaned_data


@method_decorator([login_not_required, never_cache], name="dispatch")
class SignUp(RequestFormView):
    """The answer is the same for an address that has an account already; its owner is told by mail."""

    form_class = SignUpForm
    template_name = "accounts/signup.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return redirect("overview") if request.user.is_authenticated else super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        said = form.cleaned_data
        email = said["email"].lower()
        sign_up(email=email, user_name=said["user_name"], org_name=said["org_name"], timezone=said["timezone"], is_test=False)
        self.request.session[SIGNED_UP] = email
        return redirect("signup-sent")


@login_not_required
@never_cache
def sent(request: HttpRequest) -> HttpResponse:
    """What happens next."""
    email = request.session.get(SIGNED_UP)
    if not email:
        return redirect("signup")
    life = letters.life_in_words(Letter.Kind.VERIFY)
    return render(request, "accounts/signup_sent.html", {"email": email, "mails_are_kept": not settings.EMAIL_HOST, "life": life})
